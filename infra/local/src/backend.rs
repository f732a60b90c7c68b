//! DynamoDB: the emulator in this process, or whatever answers at a URL.

use std::fmt;

use aws_smithy_http_client::Connector;
use aws_smithy_runtime_api::{
    client::{
        http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector},
        orchestrator::{HttpRequest, HttpResponse},
    },
    http::StatusCode,
};
use aws_smithy_types::body::SdkBody;
use dynoxide::{Database, errors::DynoxideError};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::template::Template;

/// Where the SDK believes the emulator to be; nothing is ever sent there.
const EMBEDDED_URL: &str = "http://dynamodb.embedded";

/// Items of a page when a whole table is read.
const SCAN_PAGE: usize = 1000;

/// DynamoDB.
#[derive(Clone)]
pub enum Backend {
    /// In this process, on a file or in memory.
    Embedded(Database),
    /// At this URL: another emulator, or this one in another process.
    Remote(String),
}

/// DynamoDB refused a call or did not answer.
#[derive(Debug, thiserror::Error)]
#[error("{operation} failed: {cause}")]
pub struct BackendError {
    operation: String,
    cause: String,
}

impl Backend {
    /// Where the SDK is to send its calls.
    pub fn url(&self) -> &str {
        match self {
            Self::Embedded(_) => EMBEDDED_URL,
            Self::Remote(url) => url,
        }
    }

    /// What carries the SDK's calls there.
    pub fn connector(&self) -> SharedHttpConnector {
        match self {
            Self::Embedded(database) => SharedHttpConnector::new(Embedded(database.clone())),
            Self::Remote(_) => SharedHttpConnector::new(Connector::builder().build_http()),
        }
    }

    /// Makes a call that no function of the service makes.
    ///
    /// # Errors
    ///
    /// [`BackendError`].
    ///
    /// # Panics
    ///
    /// If the URL is none.
    pub async fn execute(&self, operation: &str, body: &Value) -> Result<Value, BackendError> {
        let failed = |cause: String| BackendError { operation: operation.to_owned(), cause };
        let mut request = HttpRequest::new(SdkBody::from(body.to_string()));
        request.set_method("POST").expect("a method");
        request.set_uri(self.url()).expect("a URL");
        let headers = [
            ("x-amz-target", format!("{TARGET}{operation}")),
            ("content-type", "application/x-amz-json-1.0".to_owned()),
            ("x-amz-date", "20260101T000000Z".to_owned()),
            // Emulators want a signature and believe any.
            ("authorization", "AWS4-HMAC-SHA256 Credential=local/20260101/local/dynamodb/aws4_request, SignedHeaders=host, Signature=0".to_owned()),
        ];
        for (name, value) in headers {
            request.headers_mut().insert(name, value);
        }
        let response = self.connector().call(request).await.map_err(|error| failed(error.to_string()))?;
        let succeeded = response.status().is_success();
        let body =
            http_body_util::BodyExt::collect(response.into_body()).await.map_err(|error| failed(error.to_string()))?;
        let body: Value = serde_json::from_slice(&body.to_bytes()).map_err(|error| failed(error.to_string()))?;
        if succeeded { Ok(body) } else { Err(failed(body.to_string())) }
    }

    /// Reads a whole table and gives each item that the request asks for to `take`, as long as that takes them.
    ///
    /// # Errors
    ///
    /// [`BackendError`], and those of `take`.
    pub async fn scan<E: From<BackendError>>(
        &self,
        mut request: Value,
        mut take: impl FnMut(&Value) -> Result<(), E>,
    ) -> Result<(), E> {
        // Without it the emulator reads the rest of the table for each page.
        request["Limit"] = json!(SCAN_PAGE);
        loop {
            let page = self.execute("Scan", &request).await?;
            page["Items"].as_array().into_iter().flatten().try_for_each(&mut take)?;
            match &page["LastEvaluatedKey"] {
                Value::Null => return Ok(()),
                last => request["ExclusiveStartKey"] = last.clone(),
            }
        }
    }

    /// Creates the tables of the template that are not there yet.
    ///
    /// - `name_of`: the name of a table, by its resource in the template.
    ///
    /// # Errors
    ///
    /// [`BackendError`].
    pub async fn create_tables(
        &self,
        template: &Template,
        name_of: impl Fn(&str) -> String,
    ) -> Result<(), BackendError> {
        for table in &template.tables {
            let name = name_of(&table.resource);
            if self.execute("DescribeTable", &json!({ "TableName": name })).await.is_ok() {
                continue;
            }
            let mut definition = table.definition.clone();
            definition.insert("TableName".to_owned(), json!(name));
            self.execute("CreateTable", &Value::Object(definition)).await?;
            if let Some(attribute) = &table.ttl_attribute {
                let ttl = json!({ "AttributeName": attribute, "Enabled": true });
                self.execute("UpdateTimeToLive", &json!({ "TableName": name, "TimeToLiveSpecification": ttl })).await?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.url())
    }
}

/// What `x-amz-target` begins with.
pub(crate) const TARGET: &str = "DynamoDB_20120810.";

struct Embedded(Database);

impl HttpConnector for Embedded {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let operation =
            request.headers().get("x-amz-target").and_then(|target| target.strip_prefix(TARGET)).unwrap_or_default();
        let body = request.body().bytes().unwrap_or_default();
        let (status, body) = match execute(&self.0, operation, body) {
            Ok(body) => (200, body),
            Err(error) => (error.status_code(), error.to_json()),
        };
        let status = StatusCode::try_from(status).expect("the emulator answers with a status");
        let mut response = HttpResponse::new(status, SdkBody::from(body));
        response.headers_mut().insert("content-type", "application/x-amz-json-1.0");
        HttpConnectorFuture::ready(Ok(response))
    }
}

impl fmt::Debug for Embedded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Embedded")
    }
}

fn execute(database: &Database, operation: &str, body: &[u8]) -> Result<String, DynoxideError> {
    match operation {
        "BatchGetItem" => run(body, |request| database.batch_get_item(request)),
        "BatchWriteItem" => run(body, |request| database.batch_write_item(request)),
        "CreateTable" => run(body, |request| database.create_table(request)),
        "DeleteItem" => run(body, |request| database.delete_item(request)),
        "DescribeTable" => run(body, |request| database.describe_table(request)),
        "GetItem" => run(body, |request| database.get_item(request)),
        "PutItem" => run(body, |request| database.put_item(request)),
        "Query" => run(body, |request| database.query(request)),
        "Scan" => run(body, |request| database.scan(request)),
        "TransactWriteItems" => run(body, |request| database.transact_write_items(request)),
        "UpdateItem" => run(body, |request| database.update_item(request)),
        "UpdateTimeToLive" => run(body, |request| database.update_time_to_live(request)),
        other => Err(DynoxideError::ValidationException(format!("{other} is not made anywhere in this service"))),
    }
}

fn run<Q: DeserializeOwned, A: Serialize>(
    body: &[u8],
    call: impl FnOnce(Q) -> Result<A, DynoxideError>,
) -> Result<String, DynoxideError> {
    let unreadable = |error: serde_json::Error| DynoxideError::ValidationException(error.to_string());
    let answer = call(serde_json::from_slice(body).map_err(unreadable)?)?;
    serde_json::to_string(&answer).map_err(unreadable)
}
