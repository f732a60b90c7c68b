//! `DELETE /v1/apiKeys/{uid}`: removes an API key for good.

use domain::Permission;
use store::StoreError;

use crate::{
    ApiError, App, caller,
    http::{self, Request, Response},
};

/// Handles the request. A key may delete itself.
///
/// # Errors
///
/// [`ApiError::NotFound`], so too the second time.
pub async fn handle(app: &App, request: Request) -> Result<Response, ApiError> {
    let principal = caller::principal(app, &request).await?;
    for _ in 0..super::ATTEMPTS {
        let key = super::permitted(app, &request, &principal, Permission::ApiKeyDelete).await?;
        match app.store.delete_api_key(&key).await {
            Ok(()) => return Ok(http::no_content()),
            Err(StoreError::Conflict) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(ApiError::Conflict)
}
