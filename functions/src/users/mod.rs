//! `/v1/users`: who one is.

mod info;
mod me;

use crate::{
    ApiError, App,
    http::{self, Request, Response},
};

/// Handles the request.
///
/// # Errors
///
/// [`ApiError::Unauthorized`]; [`ApiError::NotFound`] for every other route.
pub async fn handle(app: &App, request: Request) -> Result<Response, ApiError> {
    match http::route(&request).as_str() {
        "GET /v1/users/info" => info::handle(app, request).await,
        "GET /v1/users/me" => me::handle(app, request).await,
        _ => Err(ApiError::NotFound),
    }
}
