//! `PUT /v1/apiKeys/{uid}`: changes an API key's name, description and expiry.

use domain::Permission;
use store::{ReplaceRefused, StoreError};

use super::json;
use crate::{
    ApiError, App, caller,
    http::{self, Request, Response},
};

/// Handles the request. What it does not name stays as it is; value and user never change.
///
/// # Errors
///
/// [`ApiError::NotFound`], [`ApiError::DuplicateName`], and for what a key must be.
pub async fn handle(app: &App, request: Request) -> Result<Response, ApiError> {
    let principal = caller::principal(app, &request).await?;
    let entity: json::Entity = http::body(&request)?;
    for _ in 0..super::ATTEMPTS {
        let before = super::permitted(app, &request, &principal, Permission::ApiKeyUpdate).await?;
        let after = before.clone().update(entity.update()?, app.clock.now())?;
        if after.expires_at > before.expires_at {
            super::check_may_prolong(app, &principal, &before).await?;
        }
        match app.store.replace_api_key(&before, &after).await {
            Ok(()) => return Ok(http::no_content()),
            // It met another change of the key: see what the key is now and change that.
            Err(ReplaceRefused::Store(StoreError::Conflict)) => {}
            Err(refused) => return Err(refused.into()),
        }
    }
    Err(ApiError::Conflict)
}
