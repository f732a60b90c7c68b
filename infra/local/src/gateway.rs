//! What API Gateway does: finds the route, makes an event of the request, hands it to the function.

use std::{collections::BTreeMap, net::IpAddr};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hyper::{
    HeaderMap, Method, StatusCode, Uri,
    header::{COOKIE, HOST, HeaderValue, SET_COOKIE},
};
use lambda_http::aws_lambda_events::apigw::ApiGatewayV2httpResponse;
use serde_json::{Value, json};

use crate::{
    Service,
    template::{Function, Route, Template},
    trace,
};

/// A request as it came over the wire.
#[derive(Debug)]
pub struct HttpRequest {
    /// As sent.
    pub method: Method,
    /// Path and query, as sent.
    pub uri: Uri,
    /// As sent.
    pub headers: HeaderMap,
    /// At most what [`crate::server`] takes.
    pub body: Vec<u8>,
    /// Who sent it.
    pub source: IpAddr,
}

/// The answer of the service.
pub type HttpResponse = functions::Response;

/// The routes of a template.
#[derive(Debug)]
pub struct Gateway {
    routes: BTreeMap<Method, matchit::Router<(usize, String)>>,
    default: Option<usize>,
}

impl Gateway {
    /// Reads the routes.
    ///
    /// # Panics
    ///
    /// If two of them contradict each other, which a test excludes.
    pub fn new(template: &Template) -> Self {
        let mut gateway = Self { routes: BTreeMap::new(), default: None };
        for (at, function) in template.functions.iter().enumerate() {
            for route in &function.routes {
                match route {
                    Route::Default => gateway.default = Some(at),
                    Route::Exact { method, path } => {
                        let method = method.parse().expect("the template names a method");
                        let routes = gateway.routes.entry(method).or_default();
                        // `{page+}` is the rest of the path, however long.
                        let path = path.replace("{page+}", "{*page}");
                        routes.insert(path, (at, route.key())).expect("routes do not contradict each other");
                    }
                }
            }
        }
        gateway
    }

    /// Answers a request, and tells which calls of DynamoDB and KMS that took.
    ///
    /// # Panics
    ///
    /// If the template has no default route, which a test excludes.
    pub async fn call(&self, service: &Service, request: HttpRequest) -> (HttpResponse, Vec<trace::Operation>) {
        if !request.uri.path().starts_with('/') {
            return (refused(StatusCode::BAD_REQUEST, "the request is malformed"), Vec::new());
        }
        let path = request.uri.path();
        let matched = self.routes.get(&request.method).and_then(|routes| routes.at(path).ok());
        let (at, route_key, parameters) = match &matched {
            Some(matched) => {
                let (at, key) = matched.value;
                let parameters = matched.params.iter().map(|(name, value)| (name.to_owned(), decoded(value)));
                (*at, key.as_str(), parameters.collect())
            }
            None => (self.default.expect("the template has a default route"), "$default", BTreeMap::new()),
        };
        let event = event(&request, route_key, &parameters);
        let event = serde_json::from_value(event).expect("it has the form of an event");
        // On the heap, since the operations of all functions together make a large future.
        let invoked = Box::pin(service.invoke(&service.template.functions[at], event));
        let (answer, operations) = trace::traced(invoked).await;
        Box::pin(service.link_records()).await;
        Box::pin(service.deliver_mails()).await;
        (to_http(answer), operations)
    }
}

/// What API Gateway asks an authorizer about a request: an event of type `REQUEST` in format 2.0.
///
/// - `route_key`: such as `GET /things/{id}`, of whatever API it is.
pub fn authorizer_event(request: &HttpRequest, route_key: &str) -> Value {
    let mut event = event(request, route_key, &BTreeMap::new());
    let about = event.as_object_mut().expect("an event is an object");
    about.remove("body");
    about.remove("isBase64Encoded");
    let path = request.uri.path().trim_start_matches('/');
    let arn = format!("arn:aws:execute-api:eu-central-1:000000000000:local/$default/{}/{path}", request.method);
    about.insert("type".to_owned(), json!("REQUEST"));
    about.insert("routeArn".to_owned(), json!(arn));
    about.insert("identitySource".to_owned(), json!([]));
    event
}

/// Answers an event of API Gateway with what API Gateway would take.
///
/// # Errors
///
/// The parser's, if it is no such event.
pub async fn invoke(service: &Service, function: &Function, event: &str) -> Result<Value, serde_json::Error> {
    let event = serde_json::from_str(event)?;
    serde_json::to_value(Box::pin(service.invoke(function, event)).await)
}

/// What API Gateway makes of a function's answer.
fn to_http(answer: ApiGatewayV2httpResponse) -> HttpResponse {
    let mut response = HttpResponse::new(answer.body.unwrap_or_default());
    let status = u16::try_from(answer.status_code).ok().and_then(|status| StatusCode::from_u16(status).ok());
    *response.status_mut() = status.unwrap_or(StatusCode::BAD_GATEWAY);
    *response.headers_mut() = answer.headers;
    for cookie in answer.cookies {
        if let Ok(cookie) = HeaderValue::try_from(cookie) {
            response.headers_mut().append(SET_COOKIE, cookie);
        }
    }
    response
}

/// A version 2.0 event. Repeated headers are joined by commas, as API Gateway joins them.
fn event(request: &HttpRequest, route_key: &str, parameters: &BTreeMap<String, String>) -> Value {
    let mut headers: BTreeMap<&str, String> =
        BTreeMap::from([("x-forwarded-for", request.source.to_string()), ("x-forwarded-proto", "http".to_owned())]);
    let mut cookies = Vec::new();
    for (name, value) in &request.headers {
        let value = String::from_utf8_lossy(value.as_bytes());
        if name == COOKIE {
            cookies.extend(value.split("; ").map(ToOwned::to_owned));
        } else if !name.as_str().starts_with("x-forwarded-") {
            // What was forwarded is the gateway's to say.
            headers.entry(name.as_str()).and_modify(|joined| *joined += &format!(",{value}")).or_insert(value.into());
        }
    }
    let query = request.uri.query().unwrap_or_default();
    let mut event = json!({
        "version": "2.0",
        "routeKey": route_key,
        "rawPath": request.uri.path(),
        "rawQueryString": query,
        "headers": headers,
        "requestContext": {
            "accountId": "000000000000",
            "apiId": "local",
            "domainName": headers.get(HOST.as_str()),
            "http": {
                "method": request.method.as_str(),
                "path": request.uri.path(),
                "protocol": "HTTP/1.1",
                "sourceIp": request.source.to_string(),
                "userAgent": headers.get("user-agent"),
            },
            "requestId": "local",
            "routeKey": route_key,
            "stage": "$default",
            "timeEpoch": 0,
        },
        "isBase64Encoded": false,
    });
    if !cookies.is_empty() {
        event["cookies"] = json!(cookies);
    }
    if !parameters.is_empty() {
        event["pathParameters"] = json!(parameters);
    }
    if !request.body.is_empty() {
        match std::str::from_utf8(&request.body) {
            Ok(text) => event["body"] = json!(text),
            Err(_) => {
                event["body"] = json!(STANDARD.encode(&request.body));
                event["isBase64Encoded"] = json!(true);
            }
        }
    }
    event
}

/// A path parameter without percent-encoding; bytes that are no text stay as they are.
fn decoded(value: &str) -> String {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let escaped = (byte == b'%').then(|| after.get(..2)).flatten();
        let escaped = escaped.filter(|hex| hex.iter().all(u8::is_ascii_hexdigit));
        let escaped = escaped.and_then(|hex| std::str::from_utf8(hex).ok());
        match escaped.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(escaped) => {
                bytes.push(escaped);
                rest = &after[2..];
            }
            None => {
                bytes.push(byte);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| value.to_owned())
}

/// An answer of the gateway itself, which no function was asked for.
pub(crate) fn refused(status: StatusCode, message: &str) -> HttpResponse {
    let body = json!({ "code": "InvalidRequest", "message": message, "details": null, "ref": "" });
    let mut response = functions::http::json(status, &body);
    functions::http::add_headers(&mut response);
    response
}
