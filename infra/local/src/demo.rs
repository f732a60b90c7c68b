//! Tenants to start with: the demo of a first start, and what tests and loads need.

use std::time::Duration;

use domain::{
    Annotations, ApiKey, ApiKeyUid, ProjectUid, RoleUid, Tenant, TenantUid, Timestamp, User, UserUid,
    api_key::{ApiKeyRefused, ApiKeyValue, Name, NewApiKey},
    audit::{Action, Actor, Record, Resource},
    password::Password,
    role,
    settings::Limits,
    tenant::{DEFAULT_PROJECT, OrgName, Project},
    user::LoginMode,
};
use functions::{app::Entropy, password_hash::Hasher};
use store::{CreateRefused, CreateTenantRefused, CreateUserRefused, Founding, NewPassword, Person, Store, StoreError};

/// How long the keys of a demo live.
const KEY_LIFETIME: Duration = Duration::from_hours(90 * 24);

/// The demo of a first start could not be made.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The tenant was refused.
    #[error(transparent)]
    Tenant(#[from] CreateTenantRefused),
    /// A user was refused.
    #[error(transparent)]
    User(#[from] CreateUserRefused),
    /// A key was refused.
    #[error(transparent)]
    ApiKey(#[from] CreateRefused),
    /// A key makes no sense.
    #[error(transparent)]
    Rule(#[from] ApiKeyRefused),
    /// The password could not be hashed.
    #[error(transparent)]
    Password(#[from] functions::ApiError),
    /// The password could not be set.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What a first start makes and shows.
#[derive(Debug)]
pub struct Demo {
    /// The tenant.
    pub tenant: Tenant,
    /// A Tenant Admin and a key of theirs.
    pub admin: (User, ApiKeyValue),
    /// The password of that admin.
    pub password: String,
    /// A user without a role and a key of theirs.
    pub user: (User, ApiKeyValue),
}

/// Makes the demo.
///
/// # Errors
///
/// [`DemoError`].
pub async fn create(store: &Store, entropy: &Entropy, now: Timestamp) -> Result<Demo, DemoError> {
    let tenant = draw_tenant(entropy, "northwind");
    let admin = draw_user(entropy, &tenant, "Ines", "Alba", &[role::TENANT_ADMIN.uid], now);
    let user = draw_user(entropy, &tenant, "Tom", "Berg", &[], now);
    new_tenant(store, entropy, &tenant, &admin).await?;
    new_user(store, entropy, &tenant, &user).await?;
    let expires_at = now + KEY_LIFETIME;
    let admin_key = new_api_key(store, entropy, &admin, "demo", expires_at, now).await?;
    let user_key = new_api_key(store, entropy, &user, "demo", expires_at, now).await?;
    let password = new_password(store, entropy, &tenant, &admin).await?;
    Ok(Demo { tenant, admin: (admin, admin_key), password, user: (user, user_key) })
}

/// Draws a password and sets it.
async fn new_password(store: &Store, entropy: &Entropy, tenant: &Tenant, user: &User) -> Result<String, DemoError> {
    let text = format!("Demo-{}", UserUid::from_bytes(entropy.uid()));
    let hash = Hasher::new(1).queue()?.hash(Password::new(text.clone()), entropy).await?;
    let new = NewPassword {
        address: &user.email,
        email: &user.email,
        hash: &hash,
        is_by_admin: false,
        before: &Person::default(),
        users: &[],
        used: None,
        activated: None,
    };
    let record = [record(entropy, tenant.uid, Resource::user(user), user.created_at)];
    store.on_record(&record).set_password(&new, user.created_at).await?;
    Ok(text)
}

/// Draws up a tenant, which is not written yet.
pub fn draw_tenant(entropy: &Entropy, org_name: &str) -> Tenant {
    Tenant::new(TenantUid::from_bytes(entropy.uid()), OrgName::folded(org_name))
}

/// Makes a tenant with its first admin.
///
/// # Errors
///
/// [`CreateTenantRefused`].
pub async fn new_tenant(
    store: &Store,
    entropy: &Entropy,
    tenant: &Tenant,
    admin: &User,
) -> Result<(), CreateTenantRefused> {
    let project = Project { uid: ProjectUid::from_bytes(entropy.uid()), name: DEFAULT_PROJECT.to_owned() };
    let record = [record(entropy, tenant.uid, Resource::tenant(tenant), admin.created_at)];
    store.on_record(&record).create_tenant(tenant, &project, admin, Founding::AtHand).await
}

/// Makes a user.
///
/// # Errors
///
/// [`CreateUserRefused`].
pub async fn new_user(store: &Store, entropy: &Entropy, tenant: &Tenant, user: &User) -> Result<(), CreateUserRefused> {
    let record = [record(entropy, tenant.uid, Resource::user(user), user.created_at)];
    store.on_record(&record).create_user(user, tenant, None, None).await
}

/// What the audit trail says of what is there from the start.
pub fn record(entropy: &Entropy, tenant: TenantUid, resource: Resource, at: Timestamp) -> Record {
    Record {
        uid: Record::uid_at(at, entropy.bytes()),
        tenant,
        at,
        action: Action::Create,
        message: "Made on this machine".to_owned(),
        content: "It was there from the start".to_owned(),
        actor: Actor::service(),
        resource,
        subject: None,
    }
}

/// Draws up an active user, who is not written yet.
pub fn draw_user(
    entropy: &Entropy,
    tenant: &Tenant,
    first_name: &str,
    last_name: &str,
    roles: &[RoleUid],
    now: Timestamp,
) -> User {
    User {
        uid: UserUid::from_bytes(entropy.uid()),
        tenant: tenant.uid,
        email: format!("{}@{}.example", first_name.to_lowercase(), tenant.org_name),
        first_name: first_name.to_owned(),
        last_name: last_name.to_owned(),
        roles: roles.to_vec(),
        is_active: true,
        is_pending: false,
        created_at: now,
        login_mode: LoginMode::default(),
        last_sign_in: None,
        sign_outs: 0,
    }
}

/// Draws up a key, which is not written yet.
///
/// # Errors
///
/// [`ApiKeyRefused`].
pub fn draw_api_key(
    entropy: &Entropy,
    user: &User,
    name: &str,
    expires_at: Timestamp,
    now: Timestamp,
) -> Result<(ApiKey, ApiKeyValue), ApiKeyRefused> {
    let uid = ApiKeyUid::from_bytes(entropy.uid());
    let value = ApiKeyValue::new(user.uid, uid, &entropy.bytes());
    let new = NewApiKey {
        uid,
        tenant: user.tenant,
        user: user.uid,
        creator: user.uid,
        name: Name::stored(name.to_owned()),
        annotations: Annotations::default(),
        tail: value.tail().to_owned(),
        expires_at: Some(expires_at),
    };
    Ok((ApiKey::create(new, now)?, value))
}

/// Makes a key.
///
/// # Errors
///
/// [`DemoError`].
pub async fn new_api_key(
    store: &Store,
    entropy: &Entropy,
    user: &User,
    name: &str,
    expires_at: Timestamp,
    now: Timestamp,
) -> Result<ApiKeyValue, DemoError> {
    let (key, value) = draw_api_key(entropy, user, name, expires_at, now)?;
    let record = [record(entropy, user.tenant, Resource::api_key(&key), now)];
    store.on_record(&record).create_api_key(&key, &value.digest(), Limits::default().api_key, None).await?;
    Ok(value)
}
