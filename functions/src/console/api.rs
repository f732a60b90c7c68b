//! Calls of the API within the process, by the operations that answer programs.

use domain::Timestamp;
use lambda_http::aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use serde_json::{Map, Value, json};

use super::Console;
use crate::{
    ApiError, api_keys, audit, audits, authenticate,
    http::{self, Response},
    organizations, passwords, revoke_tokens, roles, sessions, sign_up, sso, tenant_settings, users,
};

/// Bytes of a query: more than any that a page makes of what people type.
const MAX_QUERY_BYTES: usize = 16 * 1024;

/// A call that is being put together.
pub(super) struct Call {
    route: &'static str,
    parameters: Vec<(&'static str, String)>,
    query: String,
    token: Option<String>,
    accept: &'static str,
    body: Option<Value>,
}

impl Call {
    /// - `route`: in the words of the template.
    pub(super) const fn new(route: &'static str) -> Self {
        Self {
            route,
            parameters: Vec::new(),
            query: String::new(),
            token: None,
            accept: "application/json",
            body: None,
        }
    }

    pub(super) fn parameter(mut self, name: &'static str, value: &str) -> Self {
        self.parameters.push((name, value.to_owned()));
        self
    }

    pub(super) fn query(self, query: String) -> Self {
        Self { query, ..self }
    }

    pub(super) fn by(self, token: &str) -> Self {
        Self { token: Some(token.to_owned()), ..self }
    }

    /// - `accept`: the kind of answer that is wanted.
    pub(super) fn accepting(self, accept: &'static str) -> Self {
        Self { accept, ..self }
    }

    pub(super) fn body(self, body: Value) -> Self {
        Self { body: Some(body), ..self }
    }

    /// The body of the answer; `null` where it has none.
    pub(super) async fn send(self, console: Console<'_>) -> Result<Value, ApiError> {
        let response = self.answer(console).await?;
        let bytes: &[u8] = response.body();
        Ok(serde_json::from_slice(bytes).unwrap_or_default())
    }

    /// The answer as it is.
    pub(super) async fn answer(self, console: Console<'_>) -> Result<Response, ApiError> {
        let Console { app, signer, request } = console;
        if self.query.len() > MAX_QUERY_BYTES {
            return Err(ApiError::BodyTooLarge);
        }
        let (method, template) = self.route.split_once(' ').unwrap_or_default();
        let mut path = template.to_owned();
        for (name, value) in &self.parameters {
            path = path.replace(&format!("{{{name}}}"), value);
        }
        let mut headers = Map::from_iter([
            ("user-agent".to_owned(), json!(audit::user_agent(request))),
            ("accept".to_owned(), json!(self.accept)),
        ]);
        headers.extend(self.token.map(|token| ("authorization".to_owned(), json!(token))));
        let parameters: Map<_, _> =
            self.parameters.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        let source = http::source_address(request);
        let event = json!({
            "version": "2.0", "routeKey": self.route, "rawPath": path, "rawQueryString": self.query, "headers": headers,
            "pathParameters": parameters,
            "requestContext": {
                "accountId": "", "apiId": "console", "requestId": "console", "routeKey": self.route, "stage": "$default",
                "timeEpoch": 0,
                "http": { "method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": source, "userAgent": "" },
            },
            "body": self.body.map(|body| body.to_string()),
            "isBase64Encoded": false,
        });
        let event: ApiGatewayV2httpRequest =
            serde_json::from_value(event).map_err(|error| ApiError::Internal(error.into()))?;
        let request = http::request_of(event);
        let route = self.route;
        // Each on the heap, since together they make a large future.
        match route.split_once(' ').map_or("", |(_, path)| path) {
            "/v1/auth/authenticate" => Box::pin(authenticate::handle(app, signer, request)).await,
            "/v1/users/auth/tokens/revoke" => Box::pin(revoke_tokens::handle(app, request)).await,
            "/v1/apiKeys" if route.starts_with("POST") => Box::pin(api_keys::create::handle(app, request)).await,
            "/v1/apiKeys" => Box::pin(api_keys::list::handle(app, request)).await,
            "/v1/apiKeys/{uid}" if route.starts_with("PUT") => Box::pin(api_keys::update::handle(app, request)).await,
            "/v1/apiKeys/{uid}" if route.starts_with("DELETE") => {
                Box::pin(api_keys::delete::handle(app, request)).await
            }
            "/v1/apiKeys/{uid}" => Box::pin(api_keys::get::handle(app, request)).await,
            "/v1/apiKeys/{uid}/state" => Box::pin(api_keys::set_state::handle(app, request)).await,
            "/v1/users/auth/sessions" | "/v1/users/auth/sessions/{uid}" => {
                Box::pin(sessions::handle(app, signer, request)).await
            }
            "/v1/audits" => Box::pin(audits::handle(app, request)).await,
            path if path.starts_with("/v1/users/auth/identities") || path.starts_with("/v1/auth/sso/") => {
                Box::pin(sso::handle(app, signer, request)).await
            }
            path if path.starts_with("/v1/tenants/{tenantUid}/") => {
                Box::pin(tenant_settings::handle(app, signer.sealer(), request)).await
            }
            path if path.starts_with("/v1/auth/password/") || path.starts_with("/v1/auth/user/password/") => {
                Box::pin(passwords::handle(app, request)).await
            }
            path if path.starts_with("/v1/auth/") => Box::pin(organizations::handle(app, signer, request)).await,
            path if path.starts_with("/v1/tenants/signup") => Box::pin(sign_up::handle(app, request)).await,
            path if path.contains("/password/") => Box::pin(passwords::handle(app, request)).await,
            path if path.starts_with("/v1/roles") => Box::pin(roles::handle(app, request)).await,
            path if path.starts_with("/v1/users") => Box::pin(users::handle(app, request)).await,
            _ => Err(ApiError::NotFound),
        }
    }
}

/// A time in an answer.
pub(super) fn time(value: &Value) -> Timestamp {
    value.as_str().and_then(|text| Timestamp::parse(text).ok().flatten()).unwrap_or(Timestamp::UNSET)
}

/// A text in an answer.
pub(super) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
