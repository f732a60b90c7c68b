//! The key strings of the `tenants` table, spelt here only.
//!
//! `TENANT#t` holds what is listed by tenant; a user's own record stands in a partition of its own, so that checking a
//! credential never touches the partition that a busy tenant shares.

use domain::{ApiKeyUid, ProjectUid, SessionUid, TenantUid, UserUid};

use crate::item::ItemKey;

/// The partition of the signing keys. They share one, since all of them are read together.
pub(crate) const SIGNING_PARTITION: &str = "SIGNING";

pub(crate) const SETTINGS: &str = "SETTINGS";
pub(crate) const USER_PREFIX: &str = "USER#";
pub(crate) const PROJECT_PREFIX: &str = "PROJECT#";
pub(crate) const KEY_PREFIX: &str = "KEY#";
/// Sorts after every `USER#…`.
pub(crate) const AFTER_USERS: &str = "USER$";

pub(crate) fn tenant_partition(tenant: TenantUid) -> String {
    format!("TENANT#{tenant}")
}

pub(crate) fn settings(tenant: TenantUid) -> ItemKey {
    ItemKey::new(tenant_partition(tenant), SETTINGS)
}

pub(crate) fn project(tenant: TenantUid, project: ProjectUid) -> ItemKey {
    ItemKey::new(tenant_partition(tenant), format!("{PROJECT_PREFIX}{project}"))
}

pub(crate) fn user(user: UserUid) -> ItemKey {
    ItemKey::new(format!("{USER_PREFIX}{user}"), "PROFILE")
}

pub(crate) fn user_index(tenant: TenantUid, user: UserUid) -> ItemKey {
    ItemKey::new(tenant_partition(tenant), format!("{USER_PREFIX}{user}"))
}

pub(crate) fn api_keys_of(user: UserUid) -> String {
    format!("{KEY_PREFIX}{user}#")
}

pub(crate) fn api_key_index(tenant: TenantUid, user: UserUid, key: ApiKeyUid) -> ItemKey {
    ItemKey::new(tenant_partition(tenant), format!("{}{key}", api_keys_of(user)))
}

/// Held by the one key of the user that has this name. Sorts before what lists read.
pub(crate) fn api_key_name(tenant: TenantUid, user: UserUid, folded_name: &str) -> ItemKey {
    ItemKey::new(tenant_partition(tenant), format!("API_KEY_NAME#{user}#{folded_name}"))
}

pub(crate) fn session(session: SessionUid) -> ItemKey {
    ItemKey::new(format!("SESSION#{session}"), "SESSION")
}

pub(crate) fn signing_key(kid: &str) -> ItemKey {
    ItemKey::new(SIGNING_PARTITION, kid)
}
