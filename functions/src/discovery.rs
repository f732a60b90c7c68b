//! `GET /.well-known/jwks.json`: the public keys of tokens, for whoever verifies them without asking us. And `$default`:
//! whatever no route is for, since API Gateway's own answer would have another form than ours.

use domain::token::jws::Jwk;
use lambda_http::http::{HeaderValue, header};
use serde::Serialize;

use crate::{
    ApiError, App,
    http::{self, Request, Response},
    signing,
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
        _ => Err(ApiError::NotFound),
    }
}

#[derive(Serialize)]
struct Jwks {
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
