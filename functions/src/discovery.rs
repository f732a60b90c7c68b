//! `GET /.well-known/jwks.json`: the public keys of tokens, for whoever verifies them without asking us;
//! `GET /v1/openapi.json`: the wire, for programs. And `$default`: whatever no route is for, since API Gateway's own answer would have another form than ours.

use domain::token::jws::Jwk;
use lambda_http::http::{HeaderValue, header};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    ApiError, App,
    http::{self, Request, Response},
    openapi::{self, Operation},
    signing, wire,
};

/// How long others may keep the public keys. An empty list is not kept: the first key of an installation signs at once.
const CACHE: HeaderValue = HeaderValue::from_static("public, max-age=300");

/// Handles the request.
///
/// # Errors
///
/// [`ApiError::NotFound`] for every other route.
pub async fn handle(app: &App, request: Request) -> Result<Response, ApiError> {
    match http::route(&request).as_str() {
        "GET /.well-known/jwks.json" => jwks(app).await,
        "GET /v1/openapi.json" => Ok(openapi_document(app)),
        _ => Err(ApiError::NotFound),
    }
}

pub(crate) fn operations() -> Vec<Operation> {
    vec![
        Operation::new("GET /.well-known/jwks.json", "The public keys of tokens").open().answers::<Jwks>(),
        Operation::new("GET /v1/openapi.json", "This document").open().answers::<wire::Empty>(),
    ]
}

#[derive(Serialize, ToSchema)]
struct Jwks {
    #[schema(value_type = Vec<Object>)]
    keys: Vec<Jwk>,
}

async fn jwks(app: &App) -> Result<Response, ApiError> {
    let keys = signing::public_keys(&app.store).await?;
    let mut response = http::ok(&Jwks { keys: keys.iter().map(|(kid, key)| key.jwk(kid)).collect() });
    if !keys.is_empty() {
        response.headers_mut().insert(header::CACHE_CONTROL, CACHE);
    }
    Ok(response)
}

fn openapi_document(app: &App) -> Response {
    let mut response = http::ok(&openapi::document(&app.settings.public_url));
    response.headers_mut().insert(header::CACHE_CONTROL, CACHE);
    response
}
