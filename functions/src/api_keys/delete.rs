//! `DELETE /v1/apiKeys/{uid}`: removes an API key for good.

use domain::{
    Permission,
    audit::{Action, Resource},
};
use store::StoreError;

use crate::{
    ApiError, App, audit, caller,
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
        let record = [audit::Trail::of(app, &request, &principal).record_about(
            key.user,
            Action::Delete,
            Resource::api_key(&key),
            "API key deleted",
            format!("Key {} deleted", key.name.as_str()),
        )];
        match app.store.on_record(&record).delete_api_key(&key).await {
            Ok(()) => return Ok(audit::stated(http::no_content(), &record[0])),
            Err(StoreError::Conflict) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(ApiError::Conflict)
}
