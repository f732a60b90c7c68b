//! `PUT /v1/apiKeys/{uid}/state` and its twin `PATCH /v1/apiKeys/{uid}`: revokes or re-activates an API key.

use domain::{
    ApiKey, Permission, Principal,
    audit::{Action, Record, Resource},
};
use store::StoreError;

use super::json;
use crate::{
    ApiError, App, audit, caller,
    http::{self, Request, Response},
    mail,
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
    let record = [record(app, request, principal, &key, "revoked")];
    match app.store.on_record(&record).revoke_api_key(&key.revoke(app.clock.now())).await {
        Ok(()) => Ok(audit::stated(http::no_content(), &record[0])),
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
    if key.is_active {
        return Ok(http::no_content());
    }
    let record = [record(app, request, principal, &key, "re-activated")];
    let notice = super::notice(app, principal, &after, mail::reactivated).await?;
    app.store.on_record(&record).reactivate_api_key(&key, &after, notice.as_ref()).await?;
    Ok(audit::stated(http::no_content(), &record[0]))
}

fn record(app: &App, request: &Request, principal: &Principal, key: &ApiKey, what: &str) -> Record {
    audit::Trail::of(app, request, principal).record_about(
        key.user,
        Action::Update,
        Resource::api_key(key),
        &format!("API key {what}"),
        format!("Key {} {what}", key.name.as_str()),
    )
}
