//! What `infra/template.yaml` says, as far as a local server needs it.

use saphyr::{LoadableYamlNode as _, Scalar, Yaml};
use serde_json::{Map, Value, json};

use crate::policy::{Policy, Statement};

/// The template itself, so that one binary is enough.
const TEXT: &str = include_str!("../../template.yaml");

/// Functions and tables.
#[derive(Debug)]
pub struct Template {
    /// By the names of their resources.
    pub functions: Vec<Function>,
    /// By the names of their resources.
    pub tables: Vec<Table>,
}

/// A Lambda function.
#[derive(Debug, Clone)]
pub struct Function {
    /// The name of its binary, such as `api_key_get`.
    pub name: String,
    /// The name of its resource, such as `ApiKeyGet`.
    pub resource: String,
    /// Where requests reach it.
    pub routes: Vec<Route>,
    /// What it may do at the tables.
    pub policy: Policy,
}

/// A route of the API.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Route {
    /// Method and path, such as `GET` and `/v1/apiKeys/{uid}`.
    Exact {
        /// In upper case.
        method: String,
        /// With parameters in braces.
        path: String,
    },
    /// Whatever no other route is for.
    Default,
}

impl Route {
    /// Whether it leads to pages for people.
    pub fn is_page(&self) -> bool {
        matches!(self, Self::Exact { path, .. } if path == "/" || path == "/{page+}")
    }

    /// What API Gateway calls it.
    pub fn key(&self) -> String {
        match self {
            Self::Exact { method, path } => format!("{method} {path}"),
            Self::Default => "$default".to_owned(),
        }
    }
}

/// A DynamoDB table.
#[derive(Debug, Clone)]
pub struct Table {
    /// The name of its resource, such as `KeysTable`.
    pub resource: String,
    /// The properties that `CreateTable` takes too.
    pub definition: Map<String, Value>,
    /// The attribute by which items expire.
    pub ttl_attribute: Option<String>,
}

impl Template {
    /// Reads the template that this binary was built with.
    ///
    /// # Panics
    ///
    /// If it does not have the form that the tests prove.
    pub fn load() -> Self {
        let documents = Yaml::load_from_str(TEXT).expect("the template is YAML");
        let template = to_json(&documents[0]);
        let resources = template["Resources"].as_object().expect("there are resources");
        let of_type = |wanted: &'static str| resources.iter().filter(move |(_, resource)| resource["Type"] == wanted);
        let managed = |name: &str| statements(&resources[name]["Properties"]["PolicyDocument"]);
        // Every function has the one that the defaults name.
        let boundary = managed(&text(&template["Globals"]["Function"]["PermissionsBoundary"]["Ref"]));
        Self {
            functions: of_type("AWS::Serverless::Function")
                .map(|(name, resource)| function(name, resource, &managed, &boundary))
                .collect(),
            tables: of_type("AWS::DynamoDB::Table")
                .map(|(name, resource)| table(name, &resource["Properties"]))
                .collect(),
        }
    }
}

fn function(
    resource_name: &str,
    resource: &Value,
    managed: &impl Fn(&str) -> Vec<Statement>,
    boundary: &[Statement],
) -> Function {
    let properties = &resource["Properties"];
    let events = properties["Events"].as_object().into_iter().flat_map(Map::values);
    let routes = events.filter(|event| event["Type"] == "HttpApi").map(|event| {
        let at = &event["Properties"];
        match (at["Method"].as_str(), at["Path"].as_str()) {
            (Some(method), Some(path)) => Route::Exact { method: method.to_owned(), path: path.to_owned() },
            _ => Route::Default,
        }
    });
    let policies = properties["Policies"].as_array().expect("every function has policies").iter();
    let statements = policies.flat_map(|policy| match policy["Ref"].as_str() {
        Some(name) => managed(name).into_iter().map(|it| Statement { managed: Some(name.to_owned()), ..it }).collect(),
        None => statements(policy),
    });
    Function {
        name: text(&resource["Metadata"]["BuildProperties"]["Binary"]),
        resource: resource_name.to_owned(),
        routes: routes.collect(),
        policy: Policy { statements: statements.collect(), boundary: boundary.to_vec() },
    }
}

fn statements(document: &Value) -> Vec<Statement> {
    let statements = document["Statement"].as_array().expect("a policy has statements").iter();
    // One that is there on a condition is about X-Ray, of which there is none here.
    let statements = statements.filter(|statement| statement["Fn::If"].is_null());
    statements
        .map(|statement| {
            // What this reader does not know it must not take for a permission.
            let known = ["Effect", "Action", "Resource", "Condition"];
            let mut members = statement.as_object().expect("a statement is an object").keys();
            assert!(members.all(|name| known.contains(&name.as_str())), "unknown in a statement: {statement}");
            assert_eq!(statement["Effect"], "Allow", "statements of this template allow");
            Statement {
                managed: None,
                actions: list(&statement["Action"]).map(text).collect(),
                resources: list(&statement["Resource"]).map(resource_name).collect(),
                leading_keys: condition(statement, "ForAllValues:StringLike", "dynamodb:LeadingKeys"),
                attributes: condition(statement, "ForAllValues:StringEquals", "dynamodb:Attributes"),
            }
        })
        .collect()
}

/// The name of a resource of the template; the ARN itself for one that is elsewhere.
fn resource_name(resource: &Value) -> String {
    match (&resource["Fn::GetAtt"][0], &resource["Fn::Sub"]) {
        (Value::String(name), _) | (_, Value::String(name)) => name.clone(),
        _ => panic!("unknown resource: {resource}"),
    }
}

/// One of the two conditions that the template uses: which partitions a statement is about, and which attributes.
fn condition(statement: &Value, operator: &str, key: &str) -> Option<Vec<String>> {
    const KNOWN: [(&str, &str); 3] = [
        ("ForAllValues:StringLike", "dynamodb:LeadingKeys"),
        ("ForAllValues:StringEquals", "dynamodb:Attributes"),
        // That attributes are named at all, which is checked wherever they are.
        ("Null", "dynamodb:Attributes"),
    ];
    for (operator, compared) in statement["Condition"].as_object().into_iter().flatten() {
        let keys = compared.as_object().expect("an operator compares something");
        for key in keys.keys() {
            assert!(KNOWN.contains(&(operator, key)), "unknown condition: {statement}");
        }
    }
    let values = &statement["Condition"][operator][key];
    (!values.is_null()).then(|| list(values).map(text).collect())
}

fn table(name: &str, properties: &Value) -> Table {
    const TAKEN: [&str; 4] = ["AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "BillingMode"];
    let definition = properties.as_object().expect("a table has properties").iter();
    Table {
        resource: name.to_owned(),
        definition: definition
            .filter(|(property, _)| TAKEN.contains(&property.as_str()))
            .map(|(property, value)| (property.clone(), value.clone()))
            .collect(),
        ttl_attribute: properties["TimeToLiveSpecification"]["AttributeName"].as_str().map(ToOwned::to_owned),
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("text is expected in the template, not {value}")).to_owned()
}

/// A template may have one value in place of a list of one.
fn list(value: &Value) -> impl Iterator<Item = &Value> {
    match value {
        Value::Array(values) => values.iter(),
        one => std::slice::from_ref(one).iter(),
    }
}

/// The JSON form of a template: `!Ref X` is `{"Ref": "X"}`, `!GetAtt X.Arn` is `{"Fn::GetAtt": ["X", "Arn"]}`.
fn to_json(node: &Yaml<'_>) -> Value {
    match node {
        Yaml::Mapping(members) => {
            let members =
                members.iter().map(|(name, value)| (name.as_str().expect("names are text").to_owned(), to_json(value)));
            Value::Object(members.collect())
        }
        Yaml::Sequence(elements) => elements.iter().map(to_json).collect(),
        Yaml::Value(Scalar::Boolean(value)) => json!(value),
        Yaml::Value(Scalar::Integer(value)) => json!(value),
        Yaml::Value(Scalar::String(value)) => json!(value),
        Yaml::Tagged(tag, value) => {
            let value = to_json(value);
            match tag.suffix.as_ref() {
                "Ref" => json!({ "Ref": value }),
                "GetAtt" => json!({ "Fn::GetAtt": text(&value).split('.').collect::<Vec<_>>() }),
                name => json!({ format!("Fn::{name}"): value }),
            }
        }
        other => panic!("the template holds what this reader does not know: {other:?}"),
    }
}
