//! The key strings of the `tenants` table, spelt here only.
//!
//! `TENANT#t` holds what is listed by tenant; a user's own record stands in a partition of its own, so that checking a
//! credential never touches the partition that a busy tenant shares.

use domain::{ApiKeyUid, AuditUid, ProjectUid, SessionUid, TenantUid, UserUid, tenant::OrgName};

use crate::item::{Item, ItemKey};

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

/// The key of an item that holds settings.
pub(crate) fn settings_of(item: &Item) -> Item {
    item.iter()
        .filter(|(name, _)| ["pk", "sk"].contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
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

pub(crate) const LOGIN: &str = "LOGIN";
pub(crate) const ATTEMPTS: &str = "ATTEMPTS";
pub(crate) const JOINS: &str = "JOINS";

/// All that is known of an address, in canonical form.
pub(crate) fn person_partition(address: &str) -> String {
    format!("EMAIL#{address}")
}

pub(crate) fn login(address: &str) -> ItemKey {
    ItemKey::new(person_partition(address), LOGIN)
}

pub(crate) fn joins(address: &str) -> ItemKey {
    ItemKey::new(person_partition(address), JOINS)
}

pub(crate) fn attempts(address: &str) -> ItemKey {
    ItemKey::new(person_partition(address), ATTEMPTS)
}

pub(crate) fn membership(address: &str, tenant: TenantUid) -> ItemKey {
    ItemKey::new(person_partition(address), format!("MEMBER#{tenant}"))
}

/// Held by the one tenant of this name.
pub(crate) fn organization(name: &OrgName) -> ItemKey {
    ItemKey::new(format!("ORG#{name}"), "ORG")
}

pub(crate) const DOMAIN_PREFIX: &str = "DOMAIN#";

/// Held by the one tenant whose domain this is.
pub(crate) fn domain(name: &str) -> ItemKey {
    ItemKey::new(format!("{DOMAIN_PREFIX}{name}"), "DOMAIN")
}

/// That somebody of this address was a user of the tenant and was deleted.
pub(crate) fn former(tenant: TenantUid, address: &str) -> ItemKey {
    ItemKey::new(tenant_partition(tenant), format!("FORMER#{address}"))
}

/// What identifies a person at a provider, with the users that it means, one in each tenant.
pub(crate) fn link_partition(identity: &str) -> String {
    format!("LINK#{identity}")
}

pub(crate) fn link(identity: &str, tenant: TenantUid) -> ItemKey {
    ItemKey::new(link_partition(identity), tenant_partition(tenant))
}

pub(crate) const LINK_PREFIX: &str = "LINK#";

/// The partition of a user's own record and identities.
pub(crate) fn user_partition(user: UserUid) -> String {
    format!("{USER_PREFIX}{user}")
}

pub(crate) fn link_of_user(user: UserUid, identity: &str) -> ItemKey {
    ItemKey::new(user_partition(user), format!("{LINK_PREFIX}{identity}"))
}

pub(crate) fn once(digest: &str) -> ItemKey {
    ItemKey::new(format!("ONCE#{digest}"), "ONCE")
}

/// What the partition of the mails to an address begins with.
pub(crate) const MAILED: &str = "MAILED#";

/// That a mail of a kind was posted to an address a moment ago.
pub(crate) fn mailed(address: &str, kind: &str) -> ItemKey {
    ItemKey::new(format!("MAILED#{address}"), kind)
}

/// Where something is written that nobody looks for.
pub(crate) fn decoy(uid: &str, number: usize) -> ItemKey {
    ItemKey::new(format!("MAILED#nobody-{uid}"), number.to_string())
}

pub(crate) fn mail(uid: &str) -> ItemKey {
    ItemKey::new(format!("MAIL#{uid}"), "MAIL")
}

/// Of which day an address has got the last digest.
pub(crate) fn digest(address: &str) -> ItemKey {
    ItemKey::new(format!("{MAILED}{address}"), "DIGEST")
}

/// How far the digests have come.
pub(crate) fn digests_done() -> ItemKey {
    ItemKey::new("SWEEP", "DIGESTS")
}

/// In the table of the audit trail.
pub(crate) fn audit(tenant: TenantUid, uid: AuditUid) -> ItemKey {
    ItemKey::new(tenant_partition(tenant), uid.to_string())
}

/// In the table of the audit trail: what the actor noted.
pub(crate) fn audit_note(tenant: TenantUid, uid: AuditUid) -> ItemKey {
    ItemKey::new(format!("NOTE#{tenant}"), uid.to_string())
}

/// In the table of the audit trail: how far the chain goes.
pub(crate) fn audit_head(tenant: TenantUid) -> ItemKey {
    ItemKey::new(format!("CHAIN#{tenant}"), "HEAD")
}

pub(crate) fn session(session: SessionUid) -> ItemKey {
    ItemKey::new(format!("SESSION#{session}"), "SESSION")
}

/// The sessions that people of this user began, which are listed.
pub(crate) fn sessions_partition(user: UserUid) -> String {
    format!("SESSIONS#{user}")
}

pub(crate) fn session_of_user(user: UserUid, session: SessionUid) -> ItemKey {
    ItemKey::new(sessions_partition(user), session.to_string())
}

pub(crate) fn signing_key(kid: &str) -> ItemKey {
    ItemKey::new(SIGNING_PARTITION, kid)
}
