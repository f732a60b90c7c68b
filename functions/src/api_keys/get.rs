//! `GET /v1/apiKeys/{uid}`: one API key, without its value.

use domain::Permission;

use super::json::Item;
use crate::{
    ApiError, App, caller,
    http::{self, Request, Response},
};

/// Handles the request.
///
/// # Errors
///
/// [`ApiError::NotFound`], also for a key that the caller may not know of.
pub async fn handle(app: &App, request: Request) -> Result<Response, ApiError> {
    let principal = caller::principal(app, &request).await?;
    let key = super::permitted(app, &request, &principal, Permission::ApiKeyGet).await?;
    let user = if key.user == principal.user.uid {
        Some(principal.user)
    } else {
        app.store.user(key.tenant, key.user).await?
    };
    Ok(http::ok(&Item::new(user.as_ref(), key)))
}
