//! Every route that sets a password or mails a link to do so.

mod by_token;
mod change;
mod request_reset;

use crate::{
    ApiError, App,
    http::{self, Request, Response},
};

/// Handles the request.
///
/// # Errors
///
/// Those of the operations; [`ApiError::NotFound`] for every other route.
pub async fn handle(app: &App, request: Request) -> Result<Response, ApiError> {
    match http::route(&request).as_str() {
        "POST /v1/auth/user/password/reset" | "PATCH /v1/users/password/reset" => {
            request_reset::by_address(app, request).await
        }
        "PATCH /v1/users/{uid}/password/reset" => request_reset::by_admin(app, request).await,
        "PATCH /v1/auth/password/{passwordToken}/reset" => by_token::reset(app, request).await,
        "PATCH /v1/auth/password/{passwordToken}/activate" => by_token::activate(app, request).await,
        "PATCH /v1/users/password/change" => change::own(app, request).await,
        "PATCH /v1/users/{uid}/password/change" => change::of_user(app, request).await,
        _ => Err(ApiError::NotFound),
    }
}
