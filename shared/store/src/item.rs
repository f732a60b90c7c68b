//! The form of items: rows as the tables hold them, and the domain's values made of them.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{
    Annotations, ApiKey, ApiKeyUid, ProjectUid, RoleUid, SessionUid, Tenant, TenantUid, Timestamp, User, UserUid,
    api_key::{Digest, LastUse, Name},
    once::OneTime,
    password::PasswordPolicy,
    session::{Device, Session},
    settings::{Banner, Limits, OidcProvider, SocialLogins},
    sso::{Identity, Link, Method, Provider},
    tenant::{OrgName, Project},
    user::LoginMode,
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
    item.insert(EXPIRY_DAY.to_owned(), number(key.expires_at.day()));
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

/// Of a key: the day of its expiry, by which the sweeper finds it until it has been swept.
pub(crate) const EXPIRY_DAY: &str = "expiry_day";

pub(crate) const FALSE: AttributeValue = AttributeValue::Bool(false);

pub(crate) fn key_of_api_key(key: ApiKeyUid) -> Item {
    Item::from([("uid".to_owned(), text(key))])
}

/// Reads what an attribute holds as JSON.
pub(crate) fn parse_json<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| StoreError::Broken(error.into()))
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
    #[serde(default)]
    tail: String,
    pub(crate) expires_at: i64,
    pub(crate) is_active: bool,
    created_at: i64,
    pub(crate) modified_at: i64,
    version: u64,
    pub(crate) ttl: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_used_at: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_used_from: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_used_by: Option<String>,
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
            tail: key.tail.clone(),
            expires_at: key.expires_at.millis(),
            is_active: key.is_active,
            created_at: key.created_at.millis(),
            modified_at: key.modified_at.millis(),
            version: key.version,
            ttl: key.expires_at.secs() + RETENTION_SECS,
            last_used_at: key.last_use.as_ref().map(|last_use| last_use.at.millis()),
            last_used_from: key.last_use.as_ref().map(|last_use| last_use.source.clone()),
            last_used_by: key.last_use.as_ref().map(|last_use| last_use.user_agent.clone()),
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
            tail: row.tail,
            expires_at: Timestamp::from_millis(row.expires_at),
            is_active: row.is_active,
            created_at: Timestamp::from_millis(row.created_at),
            modified_at: Timestamp::from_millis(row.modified_at),
            version: row.version,
            last_use: row.last_used_at.map(|at| LastUse {
                at: Timestamp::from_millis(at),
                source: row.last_used_from.unwrap_or_default(),
                user_agent: row.last_used_by.unwrap_or_default(),
            }),
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
    let row = UserRow::from(user);
    let mut profile = keys::user(user.uid).with(&row)?;
    profile.insert(KEY_COUNT.to_owned(), number(0));
    profile.insert(KEY_CHANGES.to_owned(), number(0));
    Ok(UserItems { profile, index: index_of_user(user)? })
}

pub(crate) fn index_of_user(user: &User) -> Result<Item, StoreError> {
    keys::user_index(user.tenant, user.uid).with(&UserRow::from(user))
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
        is_pending: row.is_pending,
        created_at: Timestamp::from_millis(row.created_at),
        login_mode: row.login_mode,
        last_sign_in: row.last_sign_in.map(Timestamp::from_millis),
        sign_outs: row.sign_outs,
    })
}

/// Of a user's profile: how often they were signed out everywhere.
pub(crate) const SIGN_OUTS: &str = "sign_outs";

/// How often a person has come into an organization without setting a password.
pub(crate) const JOINS: &str = "joins";

#[derive(Debug, Serialize, Deserialize)]
struct UserRow {
    uid: UserUid,
    tenant: TenantUid,
    email: String,
    first_name: String,
    last_name: String,
    roles: Vec<RoleUid>,
    is_active: bool,
    #[serde(default)]
    is_pending: bool,
    created_at: i64,
    #[serde(default)]
    login_mode: LoginMode,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_sign_in: Option<i64>,
    #[serde(default)]
    sign_outs: u64,
}

impl From<&User> for UserRow {
    fn from(user: &User) -> Self {
        Self {
            uid: user.uid,
            tenant: user.tenant,
            email: user.email.clone(),
            first_name: user.first_name.clone(),
            last_name: user.last_name.clone(),
            roles: user.roles.clone(),
            is_active: user.is_active,
            is_pending: user.is_pending,
            created_at: user.created_at.millis(),
            login_mode: user.login_mode,
            last_sign_in: user.last_sign_in.map(Timestamp::millis),
            sign_outs: user.sign_outs,
        }
    }
}

/// Of a tenant's settings: users there are, and how many of them are active admins.
pub(crate) const USER_COUNT: &str = "user_count";
pub(crate) const ADMIN_COUNT: &str = "admin_count";

#[derive(Debug, Serialize, Deserialize)]
struct TenantRow {
    uid: TenantUid,
    org_name: String,
    limits: Limits,
    idle_minutes: u32,
    password_policy: PolicyRow,
    banner: Banner,
    social_logins: SocialLogins,
    domains: Vec<String>,
    #[serde(default)]
    oidc: OidcProvider,
    #[serde(default)]
    tells_admins: bool,
    #[serde(default)]
    sso_required: bool,
}

#[derive(Debug, Serialize, Deserialize)]
struct PolicyRow {
    #[serde(skip_serializing_if = "Option::is_none")]
    regex: Option<String>,
    lengths: (u32, u32),
    counters: (u32, u32, u32, u32),
    days: (u32, u32),
}

pub(crate) fn of_tenant(tenant: &Tenant) -> Result<Item, StoreError> {
    let policy = &tenant.password_policy;
    keys::settings(tenant.uid).with(&TenantRow {
        uid: tenant.uid,
        org_name: tenant.org_name.to_string(),
        limits: tenant.limits,
        idle_minutes: tenant.idle_minutes,
        password_policy: PolicyRow {
            regex: policy.regex.clone(),
            lengths: (policy.min_length, policy.max_length),
            counters: (policy.min_upper, policy.min_lower, policy.min_digits, policy.min_special),
            days: (policy.expiry_days, policy.first_reminder_days),
        },
        banner: tenant.banner.clone(),
        social_logins: tenant.social_logins.clone(),
        domains: tenant.domains.clone(),
        oidc: tenant.oidc.clone(),
        tells_admins: tenant.tells_admins_of_expiry,
        sso_required: tenant.is_sso_required,
    })
}

pub(crate) fn tenant(item: Item) -> Result<Tenant, StoreError> {
    let row: TenantRow = from_item(item)?;
    let policy = row.password_policy;
    Ok(Tenant {
        uid: row.uid,
        org_name: OrgName::folded(&row.org_name),
        limits: row.limits,
        idle_minutes: row.idle_minutes,
        password_policy: PasswordPolicy {
            regex: policy.regex,
            min_length: policy.lengths.0,
            max_length: policy.lengths.1,
            min_upper: policy.counters.0,
            min_lower: policy.counters.1,
            min_digits: policy.counters.2,
            min_special: policy.counters.3,
            expiry_days: policy.days.0,
            first_reminder_days: policy.days.1,
        },
        banner: row.banner,
        social_logins: row.social_logins,
        domains: row.domains,
        oidc: row.oidc,
        is_sso_required: row.sso_required,
        tells_admins_of_expiry: row.tells_admins,
    })
}

/// What holds the name of an organization.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct OrganizationRow {
    pub(crate) tenant: TenantUid,
    /// Until then the name is kept for whoever is signing it up; then another may have it, unless they came in.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) unconfirmed_until: Option<i64>,
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

#[derive(Debug, Serialize, Deserialize)]
struct SessionRow {
    uid: SessionUid,
    tenant: TenantUid,
    user: UserUid,
    /// Absent for the session of a key, which has a record only once it is ended.
    created_at: Option<i64>,
    last_used_at: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked_at: Option<i64>,
    ends_at: i64,
    #[serde(default)]
    ttl: i64,
    #[serde(default)]
    sign_outs: u64,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    sso: Option<SsoRow>,
}

/// Of a session that a provider began.
#[derive(Debug, Serialize, Deserialize)]
struct SsoRow {
    provider: Provider,
    identity: String,
}

pub(crate) fn of_session(session: &Session) -> Result<Item, StoreError> {
    keys::session(session.uid).with(&SessionRow {
        uid: session.uid,
        tenant: session.tenant,
        user: session.user,
        created_at: Some(session.created_at.millis()),
        last_used_at: Some(session.last_used_at.millis()),
        revoked_at: session.revoked_at.map(Timestamp::millis),
        ends_at: session.ends_at.millis(),
        ttl: session.ends_at.secs() + 1,
        sign_outs: session.sign_outs,
        sso: match &session.method {
            Method::Password => None,
            Method::Sso { provider, identity } => Some(SsoRow { provider: *provider, identity: identity.clone() }),
        },
    })
}

pub(crate) fn of_device(session: &Session, device: &Device) -> Item {
    let mut item = keys::session_of_user(session.user, session.uid).item();
    item.insert("source".to_owned(), text(&device.source));
    item.insert("user_agent".to_owned(), text(&device.user_agent));
    item.insert("ttl".to_owned(), number(session.ends_at.secs() + 1));
    item
}

pub(crate) fn session(item: Item) -> Result<Session, StoreError> {
    let row: SessionRow = from_item(item)?;
    let created_at = Timestamp::from_millis(row.created_at.unwrap_or_default());
    Ok(Session {
        uid: row.uid,
        tenant: row.tenant,
        user: row.user,
        created_at,
        last_used_at: row.last_used_at.map_or(created_at, Timestamp::from_millis),
        revoked_at: row.revoked_at.map(Timestamp::from_millis),
        ends_at: Timestamp::from_millis(row.ends_at),
        sign_outs: row.sign_outs,
        method: row.sso.map_or(Method::Password, |sso| Method::Sso { provider: sso.provider, identity: sso.identity }),
    })
}

#[derive(Debug, Serialize, Deserialize)]
struct LinkRow {
    tenant: TenantUid,
    user: UserUid,
    identity: Identity,
    email: String,
    created_at: i64,
}

/// The items of a link: where the identity is found, and where the user's own are.
pub(crate) fn of_link(link: &Link) -> Result<[Item; 2], StoreError> {
    let row = LinkRow {
        tenant: link.tenant,
        user: link.user,
        identity: link.identity.clone(),
        email: link.email.clone(),
        created_at: link.created_at.millis(),
    };
    let identity = link.identity.digest();
    Ok([keys::link(&identity, link.tenant).with(&row)?, keys::link_of_user(link.user, &identity).with(&row)?])
}

pub(crate) fn link(item: Item) -> Result<Link, StoreError> {
    let row: LinkRow = from_item(item)?;
    Ok(Link {
        tenant: row.tenant,
        user: row.user,
        identity: row.identity,
        email: row.email,
        created_at: Timestamp::from_millis(row.created_at),
    })
}

#[derive(Debug, Serialize, Deserialize)]
struct OnceRow {
    digest: String,
    address: String,
    email: String,
    /// As JSON: what it holds is read back whole and never looked into by the table.
    purpose: String,
    expires_at: i64,
    ttl: i64,
}

pub(crate) fn of_once(once: &OneTime) -> Result<Item, StoreError> {
    keys::once(&once.digest).with(&OnceRow {
        digest: once.digest.clone(),
        address: once.address.clone(),
        email: once.email.clone(),
        purpose: serde_json::to_string(&once.purpose).map_err(|error| StoreError::Broken(error.into()))?,
        expires_at: once.expires_at.millis(),
        ttl: once.expires_at.secs() + 1,
    })
}

pub(crate) fn purpose(once: &OneTime) -> Result<AttributeValue, StoreError> {
    Ok(text(serde_json::to_string(&once.purpose).map_err(|error| StoreError::Broken(error.into()))?))
}

pub(crate) fn once(item: Item) -> Result<OneTime, StoreError> {
    let row: OnceRow = from_item(item)?;
    Ok(OneTime {
        digest: row.digest,
        address: row.address,
        email: row.email,
        purpose: serde_json::from_str(&row.purpose).map_err(|error| StoreError::Broken(error.into()))?,
        expires_at: Timestamp::from_millis(row.expires_at),
    })
}

/// A mail in the outbox, whose insertion is what sends it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutgoingMail {
    /// Names it.
    pub uid: String,
    /// One address.
    pub to: String,
    /// The subject.
    pub subject: String,
    /// The body as plain text.
    pub text: String,
    /// The body as HTML.
    pub html: String,
    /// From then on it is pointless: the link in it leads nowhere. Milliseconds since the Unix epoch.
    pub expires_at: i64,
}

impl std::fmt::Debug for OutgoingMail {
    /// Without the bodies, which hold links that are good for passwords.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OutgoingMail").field("uid", &self.uid).field("subject", &self.subject).finish_non_exhaustive()
    }
}

pub(crate) fn of_mail(mail: &OutgoingMail) -> Result<Item, StoreError> {
    let mut item = keys::mail(&mail.uid).with(mail)?;
    item.insert("ttl".to_owned(), number(mail.expires_at.div_euclid(1000) + 1));
    Ok(item)
}

/// The mail in an item of the outbox; `None` if the item is another.
///
/// # Errors
///
/// [`StoreError::Broken`] if it cannot be read.
pub fn mail(item: Item) -> Result<Option<OutgoingMail>, StoreError> {
    let is_mail = item.get("pk").and_then(|pk| pk.as_s().ok()).is_some_and(|pk| pk.starts_with("MAIL#"));
    if is_mail { Ok(Some(from_item(item)?)) } else { Ok(None) }
}

pub(crate) fn read<T: serde::de::DeserializeOwned>(item: Item) -> Result<T, StoreError> {
    Ok(from_item(item)?)
}

pub(crate) fn with_key(key: &ItemKey, row: &impl Serialize) -> Result<Item, StoreError> {
    key.with(row)
}
