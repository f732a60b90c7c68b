//! The form of items: rows as the tables hold them, and the domain's values made of them.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{
    Annotations, ApiKey, ApiKeyUid, ProjectUid, RoleUid, SessionUid, Tenant, TenantUid, Timestamp, User, UserUid,
    api_key::{Digest, Name},
    session::Session,
    tenant::Project,
};
use serde::{Deserialize, Serialize};
use serde_dynamo::{from_item, to_item};

use crate::{StoreError, keys, number, text};

/// An item as the SDK takes it.
pub type Item = HashMap<String, AttributeValue>;

/// How long an item stays after its end, so that people can still see what it was: 30 days, in seconds.
const RETENTION_SECS: i64 = 30 * 86_400;

/// The primary key of an item of the `tenants` table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemKey {
    pub(crate) pk: String,
    pub(crate) sk: String,
}

impl ItemKey {
    pub(crate) fn new(pk: impl Into<String>, sk: impl Into<String>) -> Self {
        Self { pk: pk.into(), sk: sk.into() }
    }

    pub(crate) fn item(&self) -> Item {
        Item::from([("pk".to_owned(), text(&self.pk)), ("sk".to_owned(), text(&self.sk))])
    }

    fn with(&self, row: &impl Serialize) -> Result<Item, StoreError> {
        let mut item: Item = to_item(row)?;
        item.extend(self.item());
        Ok(item)
    }
}

/// The items that one API key consists of.
#[derive(Debug)]
pub struct ApiKeyItems {
    /// In `keys`: the key with the digest of its value.
    pub key: Item,
    /// In `tenants`: what lists show, so that a list is one strongly consistent query.
    pub index: Item,
    /// In `tenants`: held so that no second key of the user has this name.
    pub name: Item,
}

/// The items of a key.
///
/// # Errors
///
/// None in practice: every field has a form in DynamoDB.
pub fn of_api_key(key: &ApiKey, digest: &Digest) -> Result<ApiKeyItems, StoreError> {
    let mut item: Item = to_item(ApiKeyRow::from(key))?;
    item.insert("digest".to_owned(), AttributeValue::B(digest.as_bytes().to_vec().into()));
    Ok(ApiKeyItems { key: item, index: index_of_api_key(key)?, name: name_of_api_key(key) })
}

pub(crate) fn index_of_api_key(key: &ApiKey) -> Result<Item, StoreError> {
    keys::api_key_index(key.tenant, key.user, key.uid).with(&ApiKeyRow::from(key))
}

pub(crate) fn name_of_api_key(key: &ApiKey) -> Item {
    let mut name = keys::api_key_name(key.tenant, key.user, &key.name.folded()).item();
    name.insert("key".to_owned(), text(key.uid));
    name.insert("ttl".to_owned(), number(ApiKeyRow::from(key).ttl));
    name
}

pub(crate) fn api_key(item: Item) -> Result<ApiKey, StoreError> {
    Ok(from_item::<_, ApiKeyRow>(item)?.into())
}

pub(crate) fn digest(item: &Item) -> Result<Digest, StoreError> {
    let bytes = item.get("digest").and_then(|value| value.as_b().ok()).map(AsRef::<[u8]>::as_ref);
    let bytes = bytes.and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
    bytes.map(Digest::from_bytes).ok_or_else(|| StoreError::Broken("an API key without a digest".into()))
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ApiKeyRow {
    uid: ApiKeyUid,
    tenant: TenantUid,
    user: UserUid,
    creator: UserUid,
    pub(crate) name: String,
    pub(crate) annotations: BTreeMap<String, String>,
    pub(crate) expires_at: i64,
    /// The sweeper's bucket: days since the epoch.
    pub(crate) expiry_day: i64,
    pub(crate) is_active: bool,
    created_at: i64,
    pub(crate) modified_at: i64,
    version: u64,
    pub(crate) ttl: i64,
}

impl From<&ApiKey> for ApiKeyRow {
    fn from(key: &ApiKey) -> Self {
        Self {
            uid: key.uid,
            tenant: key.tenant,
            user: key.user,
            creator: key.creator,
            name: key.name.as_str().to_owned(),
            annotations: key.annotations.entries().clone(),
            expires_at: key.expires_at.millis(),
            expiry_day: key.expires_at.day(),
            is_active: key.is_active,
            created_at: key.created_at.millis(),
            modified_at: key.modified_at.millis(),
            version: key.version,
            ttl: key.expires_at.secs() + RETENTION_SECS,
        }
    }
}

impl From<ApiKeyRow> for ApiKey {
    fn from(row: ApiKeyRow) -> Self {
        Self {
            uid: row.uid,
            tenant: row.tenant,
            user: row.user,
            creator: row.creator,
            name: Name::stored(row.name),
            annotations: Annotations::stored(row.annotations),
            expires_at: Timestamp::from_millis(row.expires_at),
            is_active: row.is_active,
            created_at: Timestamp::from_millis(row.created_at),
            modified_at: Timestamp::from_millis(row.modified_at),
            version: row.version,
        }
    }
}

/// The items that one user consists of.
#[derive(Debug)]
pub struct UserItems {
    /// The user's own record, read whenever a credential is checked.
    pub profile: Item,
    /// What lists of the tenant show.
    pub index: Item,
}

/// The items of a user who has no keys yet.
///
/// # Errors
///
/// None in practice: every field has a form in DynamoDB.
pub fn of_user(user: &User) -> Result<UserItems, StoreError> {
    let row = UserRow {
        uid: user.uid,
        tenant: user.tenant,
        email: user.email.clone(),
        first_name: user.first_name.clone(),
        last_name: user.last_name.clone(),
        roles: user.roles.clone(),
        is_active: user.is_active,
        created_at: user.created_at.millis(),
    };
    let mut profile = keys::user(user.uid).with(&row)?;
    profile.insert(KEY_COUNT.to_owned(), number(0));
    profile.insert(KEY_CHANGES.to_owned(), number(0));
    Ok(UserItems { profile, index: keys::user_index(user.tenant, user.uid).with(&row)? })
}

/// Of a user's profile: how many API keys there are.
pub const KEY_COUNT: &str = "key_count";
/// Of a user's profile: how many have been created and deleted so far.
pub(crate) const KEY_CHANGES: &str = "key_changes";

pub(crate) fn user(item: Item) -> Result<User, StoreError> {
    let row: UserRow = from_item(item)?;
    Ok(User {
        uid: row.uid,
        tenant: row.tenant,
        email: row.email,
        first_name: row.first_name,
        last_name: row.last_name,
        roles: row.roles,
        is_active: row.is_active,
        created_at: Timestamp::from_millis(row.created_at),
    })
}

#[derive(Debug, Serialize, Deserialize)]
struct UserRow {
    uid: UserUid,
    tenant: TenantUid,
    email: String,
    first_name: String,
    last_name: String,
    roles: Vec<RoleUid>,
    is_active: bool,
    created_at: i64,
}

#[derive(Debug, Serialize, Deserialize)]
struct TenantRow {
    uid: TenantUid,
    org_name: String,
    api_key_limit: u32,
}

pub(crate) fn of_tenant(tenant: &Tenant) -> Result<Item, StoreError> {
    keys::settings(tenant.uid).with(&TenantRow {
        uid: tenant.uid,
        org_name: tenant.org_name.clone(),
        api_key_limit: tenant.api_key_limit,
    })
}

pub(crate) fn tenant(item: Item) -> Result<Tenant, StoreError> {
    let TenantRow { uid, org_name, api_key_limit } = from_item(item)?;
    Ok(Tenant { uid, org_name, api_key_limit })
}

#[derive(Debug, Serialize, Deserialize)]
struct ProjectRow {
    uid: ProjectUid,
    name: String,
}

pub(crate) fn of_project(tenant: TenantUid, project: &Project) -> Result<Item, StoreError> {
    keys::project(tenant, project.uid).with(&ProjectRow { uid: project.uid, name: project.name.clone() })
}

pub(crate) fn project(item: Item) -> Result<Project, StoreError> {
    let ProjectRow { uid, name } = from_item(item)?;
    Ok(Project { uid, name })
}

#[derive(Debug, Deserialize)]
struct SessionRow {
    uid: SessionUid,
    tenant: TenantUid,
    user: UserUid,
    revoked_at: Option<i64>,
    ends_at: i64,
}

pub(crate) fn session(item: Item) -> Result<Session, StoreError> {
    let row: SessionRow = from_item(item)?;
    Ok(Session {
        uid: row.uid,
        tenant: row.tenant,
        user: row.user,
        revoked_at: row.revoked_at.map(Timestamp::from_millis),
        ends_at: Timestamp::from_millis(row.ends_at),
    })
}
