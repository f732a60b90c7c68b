"""Deploys Latchkey and the sample API to an emulator of AWS, and prints where they are as JSON.

    python deploy.py FOLDER_OF_FUNCTIONS

MiniStack (1.5) differs from AWS, among other things, in what this script makes up for:
- it ignores the OpenAPI body in which SAM puts routes, so the routes are created from that very body;
- it knows no alarms by metric math and no Route 53 aliases, so those resources are left out;
- under AUTH=true it enforces actions and resources of policies, but it does not see which attributes a write names, and it looks
  for ses:SendEmail on every resource, so those two are loosened; partitions and the boundary it does not know. The local server enforces
  all of that.

It adds a function without a policy, by which the tests see that policies are enforced at all.
"""

import copy
import io
import json
import os
import pathlib
import re
import sys
import time
import zipfile

import boto3
from botocore.config import Config
from samtranslator.yaml_helper import yaml_parse

FUNCTIONS = pathlib.Path(sys.argv[1])
INFRA = pathlib.Path(__file__).resolve().parent.parent.parent
BUCKET = "code"
DOMAIN = "example.com"


def client(service):
    return boto3.client(service, config=Config(parameter_validation=False, retries={"max_attempts": 0}))


s3, cloudformation, api_gateway = client("s3"), client("cloudformation"), client("apigatewayv2")


def upload(binary):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        archive.write(FUNCTIONS / binary / "bootstrap", "bootstrap")
    s3.put_object(Bucket=BUCKET, Key=f"{binary}.zip", Body=packed.getvalue())
    return {"Bucket": BUCKET, "Key": f"{binary}.zip"}


def loosen(value):
    """Takes out of policies what the emulator cannot decide."""
    if isinstance(value, list):
        for element in value:
            loosen(element)
    elif isinstance(value, dict):
        condition = value.get("Condition")
        if isinstance(condition, dict):
            for operator, compared in list(condition.items()):
                compared.pop("dynamodb:Attributes", None)
                if not compared:
                    del condition[operator]
            if not condition:
                del value["Condition"]
        if value.get("Action") == "ses:SendEmail":
            value["Resource"] = "*"
        for member in value.values():
            loosen(member)


def template():
    template = yaml_parse((INFRA / "template.yaml").read_text())
    resources = template["Resources"]
    for name, resource in list(resources.items()):
        properties = resource.get("Properties", {})
        if resource["Type"] == "AWS::Serverless::Function":
            properties["CodeUri"] = upload(resource.pop("Metadata")["BuildProperties"]["Binary"])
            loosen(properties["Policies"])
        elif resource["Type"] == "AWS::IAM::ManagedPolicy":
            loosen(properties["PolicyDocument"])
        elif "Metrics" in properties or resource["Type"] == "AWS::Route53::RecordSet":
            del resources[name]
    powerless = copy.deepcopy(resources["ApiKeyList"])
    powerless["Properties"]["Policies"] = []
    powerless["Properties"]["Events"]["List"]["Properties"]["Path"] = "/powerless"
    resources["Powerless"] = powerless
    defaults = template["Globals"]["Function"]
    del defaults["CodeUri"]
    defaults["Architectures"] = ["x86_64"]
    return template


def deploy(stack, template, parameters):
    """The outputs of the stack, and the physical names of its resources."""
    s3.put_object(Bucket=BUCKET, Key=f"{stack}.json", Body=json.dumps(template, default=str).encode())
    cloudformation.create_stack(
        StackName=stack,
        TemplateURL=f"{os.environ['AWS_ENDPOINT_URL']}/{BUCKET}/{stack}.json",
        Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
        Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()],
    )
    while True:
        described = cloudformation.describe_stacks(StackName=stack)["Stacks"][0]
        if not described["StackStatus"].endswith("_IN_PROGRESS"):
            break
        time.sleep(0.1)
    if described["StackStatus"] != "CREATE_COMPLETE":
        for event in cloudformation.describe_stack_events(StackName=stack)["StackEvents"]:
            if "FAILED" in event["ResourceStatus"]:
                print(event["LogicalResourceId"], event.get("ResourceStatusReason"), file=sys.stderr)
        sys.exit(f"the stack {stack} is {described['StackStatus']}")
    outputs = {output["OutputKey"]: output["OutputValue"] for output in described.get("Outputs", [])}
    pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack)
    names = {
        resource["LogicalResourceId"]: resource["PhysicalResourceId"]
        for page in pages
        for resource in page["StackResourceSummaries"]
    }
    return outputs, names


def create_routes(stack, names):
    """Creates the routes that SAM made of the events of functions. How many there are."""
    processed = cloudformation.get_template(StackName=stack, TemplateStage="Processed")["TemplateBody"]
    processed = json.loads(processed) if isinstance(processed, str) else processed
    account = client("sts").get_caller_identity()["Account"]
    region = os.environ["AWS_REGION"]
    integrations, count = {}, 0
    for path, operations in processed["Resources"]["Api"]["Properties"]["Body"]["paths"].items():
        for method, operation in operations.items():
            uri = json.dumps(operation["x-amazon-apigateway-integration"]["uri"])
            function = re.search(r"\$\{(\w+)\.Arn\}", uri).group(1)
            if function not in integrations:
                integration = api_gateway.create_integration(
                    ApiId=names["Api"],
                    IntegrationType="AWS_PROXY",
                    IntegrationUri=f"arn:aws:lambda:{region}:{account}:function:{names[function]}",
                    PayloadFormatVersion="2.0",
                )
                integrations[function] = integration["IntegrationId"]
            key = "$default" if path.strip("/") == "$default" else f"{method.upper()} {path}"
            api_gateway.create_route(ApiId=names["Api"], RouteKey=key, Target=f"integrations/{integrations[function]}")
            count += 1
    return count


s3.create_bucket(Bucket=BUCKET)
client("sesv2").create_email_identity(EmailIdentity=DOMAIN)
outputs, names = deploy(
    "latchkey",
    template(),
    {
        "PublicUrl": f"https://auth.{DOMAIN}",
        "MailFrom": f"Latchkey <no-reply@{DOMAIN}>",
        "MailIdentity": DOMAIN,
        "SweepSchedule": "rate(1 minute)",
    },
)
routes = create_routes("latchkey", names)
sample = yaml_parse((INFRA / "examples/protected-api.yaml").read_text())
_, sample_names = deploy("things", sample, {"AuthorizerArn": outputs["AuthorizerArn"]})


def path(api):
    return f"/_aws/execute-api/{api}/$default"


print(
    json.dumps(
        {
            "api": path(names["Api"]),
            "sample": path(sample_names["Api"]),
            "routes": routes,
            "log": names["FunctionLog"],
        }
    )
)
