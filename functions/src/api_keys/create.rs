//! `POST /v1/apiKeys`: creates an API key and shows its value, this once.

use domain::{
    ApiKey, ApiKeyUid, Permission, Principal, User,
    api_key::{ApiKeyValue, NameRefused, NewApiKey},
};

use super::json;
use crate::{
    ApiError, App, caller,
    http::{self, Request, Response},
};

/// Handles the request.
///
/// # Errors
///
/// [`ApiError::Forbidden`] for another user without the permission, [`ApiError::MoreThanHeld`] for one who may do more,
/// [`ApiError::UserNotFound`], [`ApiError::DuplicateName`], [`ApiError::ApiKeyLimit`], and for what a key must be.
pub async fn handle(app: &App, request: Request) -> Result<Response, ApiError> {
    let principal = caller::principal(app, &request).await?;
    let entity: json::Entity = http::body(&request)?;
    let user = subject(app, &principal, entity.user_uid()).await?;

    let uid = ApiKeyUid::from_bytes(app.entropy.uid());
    let new = NewApiKey {
        uid,
        tenant: user.tenant,
        user: user.uid,
        creator: principal.user.uid,
        name: entity.name()?.ok_or(NameRefused::Length)?,
        annotations: entity.annotations()?.unwrap_or_default(),
        expires_at: entity.expires_at()?,
    };
    let key = ApiKey::create(new, app.clock.now())?;
    let value = ApiKeyValue::new(user.uid, uid, &app.entropy.bytes());

    let tenant = app.store.tenant(user.tenant).await?.ok_or(ApiError::TenantGone)?;
    let limit = tenant.limits.api_key;
    let created = app.store.create_api_key(&key, &value.digest(), limit).await;
    created.map_err(|refused| ApiError::from_create_refused(refused, limit))?;
    Ok(http::created(&json::Created { api_key: value.expose(), uid }))
}

/// The user whom the key is for: the caller, unless the request names another user of the tenant.
async fn subject(app: &App, principal: &Principal, user_uid: Option<&str>) -> Result<User, ApiError> {
    let own = [principal.user.uid.to_string(), principal.user.tenant.to_string(), String::new()];
    // The Go client's helper sends the uid of the tenant and means the caller.
    let Some(user_uid) = user_uid.filter(|uid| !own.iter().any(|own| own == uid)) else {
        return Ok(principal.user.clone());
    };
    // Before the user is looked up, so that the answer does not say whether there is one.
    if !principal.has(Permission::ApiKeyCreate) {
        return Err(ApiError::Forbidden(Permission::ApiKeyCreate));
    }
    let uid = user_uid.parse().map_err(|_| ApiError::UserNotFound)?;
    let user = app.store.user(principal.user.tenant, uid).await?.ok_or(ApiError::UserNotFound)?;
    if principal.may_act_as(&user) { Ok(user) } else { Err(ApiError::MoreThanHeld) }
}
