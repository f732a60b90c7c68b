//! The way from a function to DynamoDB: what its policy lacks is refused, what it does is noted.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use aws_credential_types::Credentials;
use aws_sdk_dynamodb::Client;
use aws_smithy_runtime_api::client::{
    auth::AuthSchemeId,
    http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn},
    orchestrator::{HttpRequest, HttpResponse},
};
use serde_json::{Value, json};

use crate::{
    backend::{Backend, TARGET},
    faults::{self, Faults},
    policy::{self, Access, Guard},
    trace,
};

/// The SDK's name for it, which it does not export.
const UNSIGNED: AuthSchemeId = AuthSchemeId::new("noAuth");

/// A client as a function with this policy has it.
///
/// - `guard`: `None` for the server's own work, which IAM has no say in.
/// - `resources`: the names of the tables in the template, by their own names.
pub fn client(
    backend: &Backend,
    guard: Option<Guard>,
    resources: Arc<BTreeMap<String, String>>,
    faults: Faults,
    posted: Posted,
) -> Client {
    let guarded = SharedHttpConnector::new(Guarded { to: backend.connector(), guard, resources, faults, posted });
    let http_client = http_client_fn(move |_, _| guarded.clone());
    let credentials = Credentials::from_keys("local", "local", None);
    let config =
        functions::aws::dynamodb_config(&functions::aws::sdk_config(http_client, "local".to_owned(), credentials));
    let config = config.endpoint_url(backend.url());
    let config = match backend {
        // Nobody looks at a signature in this process, and it takes as long as the answer.
        Backend::Embedded(_) => config.allow_no_auth().auth_scheme_preference([UNSIGNED]),
        Backend::Remote(_) => config,
    };
    Client::from_conf(config.build())
}

#[derive(Debug)]
struct Guarded {
    to: SharedHttpConnector,
    guard: Option<Guard>,
    resources: Arc<BTreeMap<String, String>>,
    faults: Faults,
    posted: Posted,
}

/// What the streams of the tables would deliver: items that were inserted and that a function is still to hear of.
#[derive(Debug, Clone, Default)]
pub struct Posted(Arc<Mutex<Images>>);

/// Items as they were inserted.
#[derive(Debug, Clone, Default)]
pub struct Images {
    /// Mails that were written to the outbox.
    pub mails: Vec<Value>,
    /// Records of the audit trail.
    pub records: Vec<Value>,
}

impl Images {
    fn is_empty(&self) -> bool {
        self.mails.is_empty() && self.records.is_empty()
    }

    /// Of what a call puts.
    fn of(operation: &str, body: &Value) -> Self {
        let items: Vec<&Value> = match operation {
            "TransactWriteItems" => {
                body["TransactItems"].as_array().into_iter().flatten().map(|write| &write["Put"]["Item"]).collect()
            }
            "PutItem" => vec![&body["Item"]],
            _ => Vec::new(),
        };
        let mut images = Self::default();
        for item in items {
            let pk = item["pk"]["S"].as_str().unwrap_or_default();
            if pk.starts_with("MAIL#") {
                images.mails.push(item.clone());
            } else if pk.starts_with("TENANT#") && item["record"].is_object() {
                images.records.push(item.clone());
            }
        }
        images
    }
}

impl Posted {
    /// Takes all mails out.
    ///
    /// # Panics
    ///
    /// If another thread has panicked with them in hand.
    pub fn take_mails(&self) -> Vec<Value> {
        std::mem::take(&mut self.0.lock().expect("no holder of the lock panics").mails)
    }

    /// Takes all records of the audit trail out.
    ///
    /// # Panics
    ///
    /// As [`Posted::take_mails`].
    pub fn take_records(&self) -> Vec<Value> {
        std::mem::take(&mut self.0.lock().expect("no holder of the lock panics").records)
    }

    /// Puts some of them in (again).
    ///
    /// # Panics
    ///
    /// As [`Posted::take_mails`].
    pub fn put(&self, images: Images) {
        let mut posted = self.0.lock().expect("no holder of the lock panics");
        posted.mails.extend(images.mails);
        posted.records.extend(images.records);
    }
}

impl HttpConnector for Guarded {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let name =
            request.headers().get("x-amz-target").and_then(|target| target.strip_prefix(TARGET)).unwrap_or_default();
        let body: Value = serde_json::from_slice(request.body().bytes().unwrap_or_default()).unwrap_or_default();
        let accesses = policy::accesses(name, &body);
        let mut tables: Vec<String> =
            accesses.iter().filter_map(|access| self.resources.get(&access.table).cloned()).collect();
        tables.sort_unstable();
        tables.dedup();
        trace::note(trace::Operation { name: name.to_owned(), tables, accesses: accesses.len() });
        let allowed = self
            .guard
            .as_ref()
            .map_or(Ok(()), |guard| guard.check(&accesses, |table| self.resources.get(table).cloned()));
        match allowed {
            Ok(()) => {
                let fault = self.faults.take(name);
                if let Some(answer) = fault.and_then(|fault| fault.instead(name, &body)) {
                    return HttpConnectorFuture::ready(Ok(answer));
                }
                let images = Images::of(name, &body);
                let answer = self.to.call(request);
                if images.is_empty() && fault.is_none() {
                    return answer;
                }
                let posted = self.posted.clone();
                HttpConnectorFuture::new(async move {
                    let answer = answer.await?;
                    if answer.status().is_success() {
                        posted.put(images);
                    }
                    match fault {
                        Some(fault) => fault.after(answer),
                        None => Ok(answer),
                    }
                })
            }
            Err(access) => HttpConnectorFuture::ready(Ok(denied(&access))),
        }
    }
}

/// What DynamoDB answers when IAM refuses.
fn denied(access: &Access) -> HttpResponse {
    let message = format!("not authorized to perform {} on {}", access.action, access.table);
    let body = json!({ "__type": "com.amazon.coral.service#AccessDeniedException", "Message": message });
    faults::answer(400, &body)
}
