//! A Lambda authorizer that anybody's HTTP API can attach: the same [`caller`] that our own functions ask, packaged for other APIs.
//!
//! It takes events of type `REQUEST` in payload format 2.0 and gives the simple response, which is yes or no: no policy of
//! ours names a resource, so no path of a request can widen one. What it says of the caller reaches the integration as
//! `$context.authorizer.userUid` and so on. API Gateway must not keep its answers: the credential may stand in any of several
//! places, and a kept answer would outlive a revoking.

use domain::principal::Credential;
use lambda_http::{aws_lambda_events::apigw::ApiGatewayV2httpRequest, http::StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{ApiError, App, caller, http, metrics::Metric};

/// Why there is no answer. API Gateway then answers 500: a caller must not be refused for what is no fault of theirs.
#[derive(Debug, thiserror::Error)]
pub enum AuthorizerError {
    /// The authorizer was attached in a way that it does not speak.
    #[error("the authorizer takes events of type REQUEST in payload format 2.0, and this one is of another")]
    Format,
    /// Not an event at all. What the parser says of it could quote a header, which may be a secret.
    #[error("the event is unreadable")]
    Unreadable,
    /// The tables did not answer. They may later.
    #[error("whether the caller may pass cannot be found out now: {0}")]
    Unavailable(String),
    /// The tables hold what they must not.
    #[error("whether the caller may pass cannot be found out: {0}")]
    Undecided(String),
}

/// What API Gateway tells of a request. Whatever a sender cannot have put there, and nothing reads, is left out.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    #[serde(default)]
    version: String,
    #[serde(default, rename = "type")]
    kind: String,
    #[serde(default)]
    raw_path: Value,
    #[serde(default)]
    raw_query_string: Value,
    // Where the raw one is not well-formed, the functions read this one.
    #[serde(default)]
    query_string_parameters: Value,
    #[serde(default)]
    headers: Value,
    #[serde(default)]
    cookies: Value,
    #[serde(default)]
    request_context: Value,
}

/// The simple response.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    /// Whether the request may pass.
    pub is_authorized: bool,
    /// Who sent it; nothing where it may not pass.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context: Option<Context>,
}

/// Who calls. Every member is there and is a text: one that were missing could let a header of the same name through that the
/// caller has sent, where an API maps it to one.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Context {
    /// The user as whom the request acts.
    pub user_uid: String,
    /// The tenant of the user.
    pub tenant_uid: String,
    /// What the user may do throughout the tenant, such as `apiKey.list user.get`, parted by spaces as scopes are.
    pub permissions: String,
    /// The API key that was presented, or that the token was born of; empty for a person's token.
    pub api_key_uid: String,
}

/// Whether a request may pass, and who sent it.
///
/// # Errors
///
/// [`AuthorizerError`].
pub async fn handle(app: &App, event: Event) -> Result<Answer, AuthorizerError> {
    let reference = domain::TokenUid::from_bytes(app.entropy.uid()).to_string();
    let started_at = app.clock.now();
    let answer = decide(app, event).await;
    let millis = app.clock.now().millis() - started_at.millis();
    match &answer {
        Ok((answer, cause)) => {
            tracing::info!(%reference, is_authorized = answer.is_authorized, cause, millis, "answered");
        }
        Err(error) => {
            let is_of_others = matches!(error, AuthorizerError::Unavailable(_));
            let metric = if is_of_others { Metric::Unavailable } else { Metric::OwnFaults };
            app.metrics.note(app.clock.now(), metric, 1);
            tracing::error!(%reference, cause = %error, millis, "not answered");
        }
    }
    answer.map(|(answer, _)| answer)
}

/// The answer, and for the log why it is no.
async fn decide(app: &App, event: Event) -> Result<(Answer, Option<String>), AuthorizerError> {
    if event.version != "2.0" || event.kind != "REQUEST" {
        return Err(AuthorizerError::Format);
    }
    let principal = match caller::principal(app, &http::request_of(event.request()?)).await {
        Ok(principal) => principal,
        Err(error) => return refused(app, &error).map(|cause| (Answer { is_authorized: false, context: None }, cause)),
    };
    let api_key = match &principal.credential {
        Credential::ApiKey(key) => Some(key.uid),
        Credential::Token { claims, .. } => claims.kuid,
    };
    let permissions: Vec<&str> = principal.permissions.iter().map(domain::Permission::as_str).collect();
    let context = Context {
        user_uid: principal.user.uid.to_string(),
        tenant_uid: principal.user.tenant.to_string(),
        permissions: permissions.join(" "),
        api_key_uid: api_key.map(|uid| uid.to_string()).unwrap_or_default(),
    };
    Ok((Answer { is_authorized: true, context: Some(context) }, None))
}

/// Why the caller is refused, if it is the caller who is to blame.
fn refused(app: &App, error: &ApiError) -> Result<Option<String>, AuthorizerError> {
    let (status, _) = error.status_and_code();
    let cause = error.cause().unwrap_or_else(|| error.to_string());
    if status == StatusCode::SERVICE_UNAVAILABLE {
        return Err(AuthorizerError::Unavailable(cause));
    }
    if status.is_server_error() {
        return Err(AuthorizerError::Undecided(cause));
    }
    if status == StatusCode::UNAUTHORIZED {
        app.metrics.note(app.clock.now(), Metric::Refused, 1);
    }
    Ok(Some(cause))
}

impl Event {
    /// The event that a function behind the same route would get, as far as credentials go.
    fn request(self) -> Result<ApiGatewayV2httpRequest, AuthorizerError> {
        let context = if self.request_context["http"]["method"].is_string() {
            self.request_context
        } else {
            json!({ "http": { "method": "GET" } })
        };
        let headers = if self.headers.is_object() { self.headers } else { json!({}) };
        serde_json::from_value(json!({
            "version": self.version,
            "rawPath": self.raw_path,
            "rawQueryString": self.raw_query_string,
            "queryStringParameters": self.query_string_parameters,
            "headers": headers,
            "cookies": self.cookies,
            "requestContext": context,
            "isBase64Encoded": false,
        }))
        .map_err(|_| AuthorizerError::Unreadable)
    }
}
