//! Reading requests and writing responses, for every function alike.

use std::{
    future::Future,
    str::FromStr,
    sync::{Arc, OnceLock},
};

use domain::{Timestamp, api_key::ends_soon};
use lambda_http::{
    Body, BoxFuture, RequestExt as _,
    aws_lambda_events::apigw::{ApiGatewayV2httpRequest, ApiGatewayV2httpResponse},
    http::{HeaderName, HeaderValue, StatusCode, header, uri::PathAndQuery},
    lambda_runtime::{self, LambdaEvent},
    request::{LambdaRequest, RequestContext},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_path_to_error::Segment;

use crate::{ApiError, App, metrics::Metric, strict_json, wire::Object};

/// A request as API Gateway hands it over.
pub type Request = lambda_http::Request;
/// A response as API Gateway takes it.
pub type Response = lambda_http::Response<Body>;

/// Bytes of a body.
pub const MAX_BODY_BYTES: usize = 64 * 1024;

/// What every response says to browsers and whoever stores on the way.
const HEADERS: [(HeaderName, HeaderValue); 6] = [
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=63072000; includeSubDomains")),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'")),
    (HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin")),
];

/// Calls an operation and makes a response of whatever it ends in, with the headers that every response has. The one
/// line that the log gets of a request is written here: without path, query, headers or body, so without secrets.
pub async fn respond<F>(app: &App, mut request: Request, operation: impl FnOnce(Request) -> F) -> Response
where
    F: Future<Output = Result<Response, ApiError>>,
{
    let reference = domain::TokenUid::from_bytes(app.entropy.uid()).to_string();
    let route = route_key(&request).to_owned();
    let source = source_address(&request);
    let started_at = app.clock.now();
    let expiry = KeyExpiry::default();
    request.extensions_mut().insert(expiry.clone());
    request.extensions_mut().insert(Reference(reference.clone()));
    let (mut response, code, cause) = match operation(request).await {
        Ok(mut response) => {
            let shown = response.extensions_mut().remove::<ShownError>();
            let (code, cause) = shown.map_or((None, None), |shown| (Some(shown.code), shown.cause));
            (response, code, cause)
        }
        Err(error) => (error.response(&reference), Some(error.status_and_code().1), error.cause()),
    };
    add_headers(&mut response);
    if let Some(expires_at) = expiry.0.get() {
        let value = HeaderValue::try_from(expires_at.to_string()).expect("a time is ASCII");
        response.headers_mut().insert(API_KEY_EXPIRES, value);
    }
    let status = response.status().as_u16();
    let metric = match status {
        500 => Some(Metric::OwnFaults),
        503 => Some(Metric::Unavailable),
        401 => Some(Metric::Refused),
        _ => (code == Some("AccountLocked")).then_some(Metric::LockedOut),
    };
    if let Some(metric) = metric {
        app.metrics.note(started_at, metric, 1);
    }
    let millis = app.clock.now().millis() - started_at.millis();
    if status < 500 {
        tracing::info!(%reference, route, source, status, code, cause, millis, "answered");
    } else {
        tracing::error!(%reference, route, source, status, code, cause, millis, "answered");
    }
    response
}

/// By what the log knows a request.
#[derive(Debug, Clone)]
struct Reference(String);

/// By what the log knows this request, for an answer that is no JSON.
pub(crate) fn reference(request: &Request) -> String {
    request.extensions().get().map(|Reference(reference)| reference.clone()).unwrap_or_default()
}

/// The error that a page tells of, for the log.
#[derive(Debug, Clone)]
struct ShownError {
    code: &'static str,
    cause: Option<String>,
}

/// Notes with a page which error it tells of.
pub(crate) fn note_error(response: &mut Response, error: &ApiError) {
    response.extensions_mut().insert(ShownError { code: error.status_and_code().1, cause: error.cause() });
}

/// Tells a program that the key it uses ends within a week: when.
const API_KEY_EXPIRES: HeaderName = HeaderName::from_static("apikey-expires");

/// When the key of a request ends, as far as its answer should say so.
#[derive(Debug, Clone, Default)]
struct KeyExpiry(Arc<OnceLock<Timestamp>>);

/// Notes for the answer that the key of the request ends at this moment, if that is soon.
pub(crate) fn note_expiry(app: &App, request: &Request, expires_at: Option<Timestamp>) {
    let soon = expires_at.filter(|expires_at| ends_soon(*expires_at, app.clock.now()));
    if let (Some(expires_at), Some(KeyExpiry(noted))) = (soon, request.extensions().get()) {
        // Whoever asks twice gets the same.
        let _ = noted.set(expires_at);
    }
}

/// Runs a function of Lambda: for each event of API Gateway, calls the operation.
///
/// # Errors
///
/// Those of the runtime, which end the process.
pub async fn serve<F>(app: &App, operation: impl Fn(Request) -> F + Sync) -> Result<(), lambda_runtime::Error>
where
    F: Future<Output = Result<Response, ApiError>> + Send,
{
    let operation = &operation;
    let handle = |event: LambdaEvent<ApiGatewayV2httpRequest>| -> BoxFuture<'_, Result<_, lambda_runtime::Error>> {
        // Boxed, since the runtime wraps the future several times and the compiler follows the whole of its type.
        Box::pin(async move { Ok(answer_event(app, event.payload, operation).await) })
    };
    lambda_runtime::run(lambda_runtime::service_fn(handle)).await
}

/// Answers one event of API Gateway.
pub async fn answer_event<F>(
    app: &App,
    event: ApiGatewayV2httpRequest,
    operation: impl FnOnce(Request) -> F,
) -> ApiGatewayV2httpResponse
where
    F: Future<Output = Result<Response, ApiError>>,
{
    let (mut parts, body) = respond(app, request_of(event), operation).await.into_parts();
    let cookies = parts.headers.get_all(header::SET_COOKIE).iter();
    let cookies = cookies.filter_map(|cookie| cookie.to_str().ok().map(ToOwned::to_owned)).collect();
    parts.headers.remove(header::SET_COOKIE);
    let mut response = ApiGatewayV2httpResponse::default();
    response.status_code = parts.status.as_u16().into();
    response.headers = parts.headers;
    response.cookies = cookies;
    response.is_base64_encoded = matches!(body, Body::Binary(_));
    response.body = (!body.is_empty()).then_some(body);
    response
}

/// The request in an event. The conversion makes a URL of scheme, host, path and query, and would end the process over
/// one that is none; so it gets no host, and only a path and a query that are well-formed.
pub(crate) fn request_of(mut event: ApiGatewayV2httpRequest) -> Request {
    let host = event.headers.remove(header::HOST);
    event.request_context.domain_name = None;
    let is_path = |path: &String| path.starts_with('/') && path.parse::<PathAndQuery>().is_ok();
    event.raw_path = event.raw_path.take().filter(is_path).or_else(|| Some("/".to_owned()));
    event.raw_query_string =
        event.raw_query_string.take().filter(|query| format!("/?{query}").parse::<PathAndQuery>().is_ok());
    event.request_context.stage = Some("$default".to_owned());
    let mut request: Request = LambdaRequest::ApiGatewayV2(event).into();
    if let Some(host) = host {
        request.headers_mut().insert(header::HOST, host);
    }
    request
}

/// Adds the headers that every response has.
pub fn add_headers<B>(response: &mut lambda_http::Response<B>) {
    for (name, value) in HEADERS {
        response.headers_mut().entry(name).or_insert(value);
    }
}

/// Method and path of the route in the words of the template, such as `GET /v1/apiKeys/{uid}`.
///
/// API Gateway names the route; `cargo lambda watch` does not, so there the values of the path parameters are put back
/// into their places.
pub fn route(request: &Request) -> String {
    let key = route_key(request);
    if key != DEFAULT_ROUTE {
        return key.to_owned();
    }
    let parameters = request.path_parameters();
    let mut segments: Vec<&str> = request.raw_http_path().split('/').collect();
    let names: Vec<(String, &str)> = parameters.iter().map(|(name, value)| (format!("{{{name}}}"), value)).collect();
    for (name, value) in &names {
        if let Some(segment) = segments.iter_mut().rev().find(|segment| **segment == *value) {
            *segment = name;
        }
    }
    format!("{} {}", request.method(), segments.join("/"))
}

/// The route of whatever has no other.
const DEFAULT_ROUTE: &str = "$default";

/// What API Gateway calls the route. It goes into the log, and so never holds what a client sent.
fn route_key(request: &Request) -> &str {
    match request.request_context_ref() {
        Some(RequestContext::ApiGatewayV2(context)) => context.route_key.as_deref().unwrap_or(DEFAULT_ROUTE),
        _ => DEFAULT_ROUTE,
    }
}

/// The address that API Gateway saw, which no header can change.
pub fn source_address(request: &Request) -> String {
    match request.request_context_ref() {
        Some(RequestContext::ApiGatewayV2(context)) => context.http.source_ip.clone().unwrap_or_default(),
        _ => String::new(),
    }
}

/// The path parameter `uid`. What cannot be one looks like one that is not there.
///
/// # Errors
///
/// [`ApiError::NotFound`].
pub fn uid<T: FromStr>(request: &Request) -> Result<T, ApiError> {
    let parameters = request.path_parameters();
    parameters.first("uid").and_then(|uid| uid.parse().ok()).ok_or(ApiError::NotFound)
}

/// A path parameter, empty if the route has none of this name.
pub fn path_parameter(request: &Request, name: &str) -> String {
    request.path_parameters().first(name).unwrap_or_default().to_owned()
}

/// Whether a person asks, by a browser.
pub fn wants_page(request: &Request) -> bool {
    let accepts = request.headers().get(header::ACCEPT).and_then(|accepts| accepts.to_str().ok());
    accepts.is_some_and(|accepts| accepts.contains("text/html"))
}

/// A query parameter.
pub fn query_parameter(request: &Request, name: &str) -> Option<String> {
    request.query_string_parameters().first(name).map(ToOwned::to_owned)
}

/// A query parameter that is true or false.
///
/// # Errors
///
/// [`ApiError::Flag`].
pub fn flag(request: &Request, name: &'static str, default: bool) -> Result<bool, ApiError> {
    match request.query_string_parameters().first(name) {
        None | Some("") => Ok(default),
        Some("true" | "1") => Ok(true),
        Some("false" | "0") => Ok(false),
        Some(_) => Err(ApiError::Flag(name)),
    }
}

/// The body, which must be there.
///
/// # Errors
///
/// Those of `ApiError` that begin with `Body`, and [`ApiError::Field`].
pub fn body<T: DeserializeOwned>(request: &Request) -> Result<T, ApiError> {
    optional_body(request)?.ok_or(ApiError::BodyMissing)
}

/// The body, or nothing when it is empty.
///
/// # Errors
///
/// As in [`body`].
pub fn optional_body<T: DeserializeOwned>(request: &Request) -> Result<Option<T>, ApiError> {
    Ok(read_body(request, b'{')?.map(|Object(value)| value))
}

/// The body of the one kind that is an array.
///
/// # Errors
///
/// As in [`body`].
pub fn list_body<T: DeserializeOwned>(request: &Request) -> Result<Vec<T>, ApiError> {
    read_body(request, b'[')?.ok_or(ApiError::BodyMissing)
}

/// - `opening`: what the JSON must begin with.
fn read_body<T: DeserializeOwned>(request: &Request, opening: u8) -> Result<Option<T>, ApiError> {
    let bytes: &[u8] = request.body();
    if bytes.len() > MAX_BODY_BYTES {
        return Err(ApiError::BodyTooLarge);
    }
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(None);
    }
    strict_json::check(bytes).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        if error.is_data() {
            ApiError::BodyAmbiguous { line, column }
        } else {
            ApiError::BodyMalformed { line, column }
        }
    })?;
    if bytes.trim_ascii_start().first() != Some(&opening) {
        return Err(ApiError::BodyMissing);
    }
    let mut json = serde_json::Deserializer::from_slice(bytes);
    // The text of the parser's error may quote the value, which may be a secret; the path to it may not.
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let field = place(error.path());
        ApiError::Field { field: if field.is_empty() { "a member of the body".to_owned() } else { field } }
    })?;
    Ok(Some(value))
}

/// The place of a field, as far as its names are ours: below that stand names that the client chose.
fn place(path: &serde_path_to_error::Path) -> String {
    let names = path.iter().filter_map(|segment| match segment {
        Segment::Map { key } => Some(key.as_str()),
        _ => None,
    });
    names.take(2).collect::<Vec<_>>().join(".")
}

/// An answer without a body, and so without a content type.
pub fn no_content() -> Response {
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

/// An answer in JSON.
///
/// # Panics
///
/// If the value has no form in JSON, which no type of ours lacks.
pub fn json(status: StatusCode, value: &impl Serialize) -> Response {
    let body = serde_json::to_string(value).expect("wire types have text keys");
    let mut response = Response::new(Body::Text(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// 200 in JSON.
pub fn ok(value: &impl Serialize) -> Response {
    json(StatusCode::OK, value)
}

/// 201 in JSON.
pub fn created(value: &impl Serialize) -> Response {
    json(StatusCode::CREATED, value)
}

/// Sends the log to standard error in JSON lines.
pub fn init_log() {
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_target(false)
        .with_span_list(false)
        .with_writer(std::io::stderr)
        .init();
}
