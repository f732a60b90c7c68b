//! `/v1/apiKeys`: creating, listing, reading, changing, revoking, re-activating and deleting API keys. One file per
//! operation, each a function of its own.

pub mod create;
pub mod delete;
pub mod get;
mod json;
pub mod list;
pub mod set_state;
pub mod update;

use domain::{ApiKey, Permission, PermissionSet, Principal};
use store::OutgoingMail;

use crate::{
    ApiError, App,
    http::{self, Request},
    mail::{self, Letter},
    openapi::Operation,
    person,
};

pub(crate) fn operations() -> Vec<Operation> {
    vec![
        Operation::new("POST /v1/apiKeys", "Creates an API key and shows its value, this once")
            .takes::<json::Entity>()
            .creates::<json::Created<'_>>(),
        Operation::new("GET /v1/apiKeys", "One's own API keys; all of the tenant's with the permission")
            .answers::<json::List>(),
        Operation::new("GET /v1/apiKeys/{uid}", "One API key, without its value").answers::<json::Item>(),
        Operation::new("PUT /v1/apiKeys/{uid}", "Changes name, description and expiry").takes::<json::Entity>(),
        Operation::new("PUT /v1/apiKeys/{uid}/state", "Revokes or re-activates").takes::<json::State>(),
        Operation::new("PATCH /v1/apiKeys/{uid}", "Revokes or re-activates").takes::<json::State>(),
        Operation::new("DELETE /v1/apiKeys/{uid}", "Removes an API key for good"),
    ]
}

/// How often a change is made again that met another change of the same key.
const ATTEMPTS: usize = 5;

/// The key that the path names, if the caller may do this with it. Otherwise it looks as if it were not there, unless
/// the caller may see it.
async fn permitted(
    app: &App,
    request: &Request,
    principal: &Principal,
    permission: Permission,
) -> Result<ApiKey, ApiError> {
    let key = app.store.api_key(principal.user.tenant, http::uid(request)?).await?;
    let key = key.filter(|key| principal.may(Permission::ApiKeyGet, key.user)).ok_or(ApiError::NotFound)?;
    if principal.may(permission, key.user) { Ok(key) } else { Err(ApiError::Forbidden(permission)) }
}

/// What the user of a key hears when somebody else changes how long it lives.
///
/// - `letter`: says it, given the key and who did it.
async fn notice(
    app: &App,
    principal: &Principal,
    key: &ApiKey,
    letter: fn(&App, &ApiKey, &str) -> Letter,
) -> Result<Option<OutgoingMail>, ApiError> {
    if principal.user.uid == key.user {
        return Ok(None);
    }
    let Some(user) = app.store.user(key.tenant, key.user).await? else { return Ok(None) };
    let letter = letter(app, key, &principal.user.name());
    Ok(Some(mail::outgoing(app, &person::address_of(&user)?, letter)?))
}

/// Whether the caller may give the key more life than it has, by a later expiry or by re-activating it: not if its
/// user may do more than the caller.
async fn check_may_prolong(app: &App, principal: &Principal, key: &ApiKey) -> Result<(), ApiError> {
    // Who may do everything may do no less than anybody, so only for the others the user is read.
    if key.user == principal.user.uid || principal.permissions == PermissionSet::ALL {
        return Ok(());
    }
    let user = app.store.user(key.tenant, key.user).await?.ok_or(ApiError::NotFound)?;
    if principal.may_act_as(&user) { Ok(()) } else { Err(ApiError::MoreThanHeld) }
}
