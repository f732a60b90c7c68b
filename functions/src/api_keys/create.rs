//! `POST /v1/apiKeys`: creates an API key and shows its value, this once.

use domain::{
    ApiKey, ApiKeyUid, Permission, Principal, User,
    api_key::{ApiKeyValue, NameRefused, NewApiKey},
    audit::{Action, Resource},
    principal::Credential,
};
use store::OutgoingMail;

use super::json;
use crate::{
    ApiError, App, audit, caller,
    http::{self, Request, Response},
    mail, person,
};

/// Handles the request.
///
/// # Errors
///
/// [`ApiError::Forbidden`] for another user without the permission, [`ApiError::MoreThanHeld`] for one who may do more,
/// [`ApiError::UserNotFound`], [`ApiError::Pending`], [`ApiError::DuplicateName`], [`ApiError::ApiKeyLimit`], and for what a key must be.
pub async fn handle(app: &App, request: Request) -> Result<Response, ApiError> {
    let principal = caller::principal(app, &request).await?;
    let entity: json::Entity = http::body(&request)?;
    let user = subject(app, &principal, entity.user_uid()).await?;

    let uid = ApiKeyUid::from_bytes(app.entropy.uid());
    let value = ApiKeyValue::new(user.uid, uid, &app.entropy.bytes());
    let new = NewApiKey {
        uid,
        tenant: user.tenant,
        user: user.uid,
        creator: principal.user.uid,
        name: entity.name()?.ok_or(NameRefused::Length)?,
        annotations: entity.annotations()?.unwrap_or_default(),
        tail: value.tail().to_owned(),
        expires_at: entity.expires_at()?,
    };
    let key = ApiKey::create(new, app.clock.now())?;

    let tenant = app.store.tenant(user.tenant).await?.ok_or(ApiError::TenantGone)?;
    let limit = tenant.limits.api_key;
    let record = [audit::Trail::of(app, &request, &principal).record_about(
        user.uid,
        Action::Create,
        Resource::api_key(&key),
        "API key created",
        format!(
            "Key {} created for {}, until {}",
            key.name.as_str(),
            user.name(),
            key.expires_at.day_and_time_in_words()
        ),
    )];
    let notice = notice(app, &principal, &user, &key)?;
    let created = app.store.on_record(&record).create_api_key(&key, &value.digest(), limit, notice.as_ref()).await;
    created.map_err(|refused| ApiError::from_create_refused(refused, limit))?;
    Ok(audit::stated(http::created(&json::Created { api_key: value.expose(), uid }), &record[0]))
}

/// Tells the user of a key that they have not made by signing in: somebody else did, or one of their keys.
fn notice(app: &App, principal: &Principal, user: &User, key: &ApiKey) -> Result<Option<OutgoingMail>, ApiError> {
    let by = match &principal.credential {
        _ if principal.user.uid != user.uid => principal.user.name(),
        Credential::ApiKey(by) => format!("your API key \"{}\"", by.name.as_str()),
        Credential::Token { claims, .. } if claims.kuid.is_some() => "one of your API keys".to_owned(),
        Credential::Token { .. } => return Ok(None),
    };
    let letter = mail::api_key_created(app, key, &by);
    Ok(Some(mail::outgoing(app, &person::address_of(user)?, letter)?))
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
    // Nobody holds a key before the address is proven to be theirs.
    if user.is_pending {
        return Err(ApiError::Pending);
    }
    if principal.may_act_as(&user) { Ok(user) } else { Err(ApiError::MoreThanHeld) }
}
