//! `PUT /v1/apiKeys/{uid}/state` and its twin `PATCH /v1/apiKeys/{uid}`: revokes or re-activates an API key.

use domain::{ApiKey, Permission};
use store::{CreateRefused, StoreError};

use super::json;
use crate::{
    ApiError, App, caller,
    http::{self, Request, Response},
};

/// Handles the request. Setting the state that a key has is no error.
///
/// # Errors
///
/// [`ApiError::NotFound`]; re-activating after the expiry is `ApiKeyExpired`.
pub async fn handle(app: &App, request: Request) -> Result<Response, ApiError> {
    let principal = caller::principal(app, &request).await?;
    let state: json::State = http::body(&request)?;
    for _ in 0..super::ATTEMPTS {
        let key = super::permitted(app, &request, &principal, Permission::ApiKeyUpdate).await?;
        if state.is_active {
            super::check_may_prolong(app, &principal, &key).await?;
        }
        match set(app, key, state.is_active).await {
            Ok(()) => return Ok(http::no_content()),
            // Removed meanwhile, or it met another change: see what is there now.
            Err(ApiError::Conflict) => {}
            Err(error) => return Err(error),
        }
    }
    Err(ApiError::Conflict)
}

async fn set(app: &App, key: ApiKey, is_active: bool) -> Result<(), ApiError> {
    let now = app.clock.now();
    if !is_active {
        return Ok(app.store.revoke_api_key(&key.revoke(now)).await?);
    }
    let after = key.clone().reactivate(now)?;
    if key.is_active {
        return Ok(());
    }
    match app.store.replace_api_key(&key, &after).await {
        Ok(()) => Ok(()),
        Err(CreateRefused::Store(StoreError::Conflict)) => Err(ApiError::Conflict),
        Err(refused) => Err(ApiError::from_create_refused(refused, 0)),
    }
}
