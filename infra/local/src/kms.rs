//! KMS, as far as sealing goes, in this process: what a function's policy lacks is refused, and the sealing itself is done under
//! a key of this machine.

use aws_credential_types::Credentials;
use aws_smithy_runtime_api::{
    client::{
        http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn},
        orchestrator::{HttpRequest, HttpResponse},
        result::ConnectorError,
    },
    http::StatusCode,
};
use aws_smithy_types::body::SdkBody;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use functions::{
    app::Entropy,
    signing::{Sealer, SigningError},
};
use serde_json::{Value, json};

use crate::{
    faults::{Fault, Faults},
    policy::{Access, Guard},
    trace,
};

/// The name of the key in the template.
const KEY: &str = "SealingKey";

/// A sealer as a function has it, which goes through KMS's client to this machine's own.
pub fn sealer(own: Sealer, guard: Guard, faults: Faults) -> Sealer {
    let connector = SharedHttpConnector::new(Kms { own, guard, faults });
    let http_client = http_client_fn(move |_, _| connector.clone());
    let credentials = Credentials::from_keys("local", "local", None);
    let config = functions::aws::sdk_config(http_client, "local".to_owned(), credentials);
    let config = aws_sdk_kms::config::Builder::from(&config).endpoint_url("http://kms.embedded").build();
    Sealer::Kms { client: aws_sdk_kms::Client::from_conf(config), key_id: KEY.to_owned() }
}

#[derive(Debug)]
struct Kms {
    own: Sealer,
    guard: Guard,
    faults: Faults,
}

impl HttpConnector for Kms {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        let operation = target.rsplit('.').next().unwrap_or_default().to_owned();
        let body: Value = serde_json::from_slice(request.body().bytes().unwrap_or_default()).unwrap_or_default();
        let access = Access::call(&format!("kms:{operation}"), body["KeyId"].as_str().unwrap_or_default());
        if let Err(access) = self.guard.check(&[access], |key| Some(key.to_owned())) {
            let message = format!("not authorized to perform {}", access.action);
            let denied = json!({ "__type": "AccessDeniedException", "message": message });
            return HttpConnectorFuture::ready(Ok(answer(400, &denied)));
        }
        trace::note(trace::Operation { name: operation.clone(), tables: Vec::new(), accesses: 1 });
        let fault = self.faults.take(&operation);
        match fault {
            Some(Fault::Throttle) => {
                return HttpConnectorFuture::ready(Ok(error(400, "ThrottlingException", "slow down")));
            }
            Some(Fault::FailBefore) => return HttpConnectorFuture::ready(Ok(failure())),
            Some(Fault::Conflict) => unreachable!("of calls that write to a table"),
            Some(Fault::FailAfter | Fault::Silence) | None => {}
        }
        let own = self.own.clone();
        HttpConnectorFuture::new(async move {
            let name = body["EncryptionContext"].as_object().and_then(|context| context.values().next());
            let name = name.and_then(Value::as_str).unwrap_or_default();
            let answer = match operate(&own, &operation, name, &body).await {
                Ok(done) => answer(200, &done),
                Err(cause) => error(400, "InvalidCiphertextException", &cause.to_string()),
            };
            match fault {
                Some(Fault::FailAfter) => Ok(failure()),
                Some(Fault::Silence) => Err(ConnectorError::timeout("no answer came".into())),
                _ => Ok(answer),
            }
        })
    }
}

async fn operate(own: &Sealer, operation: &str, name: &str, body: &Value) -> Result<Value, SigningError> {
    let bytes = |member: &str| STANDARD.decode(body[member].as_str().unwrap_or_default()).unwrap_or_default();
    Ok(match operation {
        "Encrypt" => {
            let sealed = own.seal(&Entropy::system(), name, &bytes("Plaintext")).await?;
            json!({ "CiphertextBlob": STANDARD.encode(sealed), "KeyId": KEY })
        }
        _ => {
            let opened = own.open(name, &bytes("CiphertextBlob")).await?;
            json!({ "Plaintext": STANDARD.encode(opened), "KeyId": KEY })
        }
    })
}

/// What KMS answers when something is wrong with itself.
fn failure() -> HttpResponse {
    error(500, "KMSInternalException", "try again")
}

fn error(status: u16, name: &str, message: &str) -> HttpResponse {
    answer(status, &json!({ "__type": name, "message": message }))
}

fn answer(status: u16, body: &Value) -> HttpResponse {
    let status = StatusCode::try_from(status).expect("a status");
    HttpResponse::new(status, SdkBody::from(body.to_string()))
}
