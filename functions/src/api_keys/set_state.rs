//! `PUT /v1/apiKeys/{uid}/state` and its twin `PATCH /v1/apiKeys/{uid}`: revokes or re-activates an API key.

use domain::{Permission, Principal};
use store::StoreError;

use super::json;
use crate::{
    ApiError, App, caller,
    http::{self, Request, Response},
};

/// Handles the request. Setting the state that a key has is no error.
///
/// # Errors
///
/// [`ApiError::NotFound`]; re-activating after the expiry is `ApiKeyExpired`, and [`ApiError::Conflict`] if the key is
/// changed at the same time.
pub async fn handle(app: &App, request: Request) -> Result<Response, ApiError> {
    let principal = caller::principal(app, &request).await?;
    let state: json::State = http::body(&request)?;
    if state.is_active { reactivate(app, &request, &principal).await } else { revoke(app, &request, &principal).await }
}

async fn revoke(app: &App, request: &Request, principal: &Principal) -> Result<Response, ApiError> {
    let key = super::permitted(app, request, principal, Permission::ApiKeyUpdate).await?;
    match app.store.revoke_api_key(&key.revoke(app.clock.now())).await {
        Ok(()) => Ok(http::no_content()),
        // Nothing but the removal of the key can come between.
        Err(StoreError::Conflict) => Err(ApiError::NotFound),
        Err(error) => Err(error.into()),
    }
}

/// Unlike every other change it is not made again when it meets another one: that may have been a revocation, which
/// has been answered and must stand.
async fn reactivate(app: &App, request: &Request, principal: &Principal) -> Result<Response, ApiError> {
    let key = super::permitted(app, request, principal, Permission::ApiKeyUpdate).await?;
    super::check_may_prolong(app, principal, &key).await?;
    let after = key.clone().reactivate(app.clock.now())?;
    if !key.is_active {
        app.store.reactivate_api_key(&key, &after).await?;
    }
    Ok(http::no_content())
}
