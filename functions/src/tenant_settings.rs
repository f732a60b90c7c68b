//! `/v1/tenants/{tenantUid}/…`: what a tenant has set. Every setting can be read before it was ever written.

use domain::{
    Permission, Tenant, TenantUid,
    password::PasswordPolicy,
    settings::{self, Banner, IDLE_MINUTES, SettingRefused, SocialLogins},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::StoreError;

use crate::{
    ApiError, App, caller,
    http::{self, Request, Response},
    wire::{Object, null_as_default},
};

/// How often a change is made again that met another change of the same settings.
const ATTEMPTS: usize = 5;

/// Handles the request.
///
/// # Errors
///
/// [`ApiError::AccessDenied`] for another tenant; [`ApiError::NotFound`] for every other route.
pub async fn handle(app: &App, request: Request) -> Result<Response, ApiError> {
    let route = http::route(&request);
    let (method, setting) = route.split_once(" /v1/tenants/{tenantUid}/").ok_or(ApiError::NotFound)?;
    match (method, setting) {
        ("GET", "authTokenSettings") => read(app, &request, |tenant| json!(IdleBody::from(tenant))).await,
        ("PUT", "authTokenSettings") => write(app, &request, set_idle_minutes).await,
        ("GET", "password/policy") => {
            read(app, &request, |tenant| json!(PolicyBody::from(&tenant.password_policy))).await
        }
        ("POST", "password/policy") => write(app, &request, set_password_policy).await,
        ("GET", "loginBanner") => read(app, &request, |tenant| json!(BannerBody::from(tenant.banner.clone()))).await,
        ("PUT", "loginBanner") => write(app, &request, set_banner).await,
        ("GET", "sso/auth/providers") => read(app, &request, |tenant| json!(LoginsBody::from(tenant))).await,
        ("POST", "sso/auth/providers") => write(app, &request, set_social_logins).await,
        ("GET", "domains") => read(app, &request, |tenant| json!({ "domains": tenant.domains })).await,
        ("POST", "domains") => write(app, &request, set_domains).await,
        ("GET", "resourceLimits") => read(app, &request, limits).await,
        ("PATCH", "resourceLimits") => write(app, &request, set_limits).await,
        ("GET", "oidc/config") => read(app, &request, |tenant| oidc(app, tenant)).await,
        ("GET", "saml/config") => read(app, &request, |tenant| saml(app, tenant)).await,
        ("POST", "oidc/config" | "saml/config") => write(app, &request, refuse_sso).await,
        _ => Err(ApiError::NotFound),
    }
}

async fn read(app: &App, request: &Request, shown: impl Fn(&Tenant) -> Value) -> Result<Response, ApiError> {
    let principal = caller::principal(app, request).await?;
    check_own(request, principal.user.tenant)?;
    let tenant = app.store.tenant(principal.user.tenant).await?.ok_or(ApiError::TenantGone)?;
    Ok(http::ok(&shown(&tenant)))
}

async fn write(
    app: &App,
    request: &Request,
    set: impl Fn(&Request, Tenant) -> Result<Tenant, ApiError>,
) -> Result<Response, ApiError> {
    let principal = caller::principal(app, request).await?;
    check_own(request, principal.user.tenant)?;
    if !principal.has(Permission::TenantUpdate) {
        return Err(ApiError::Forbidden(Permission::TenantUpdate));
    }
    for _ in 0..ATTEMPTS {
        let before = app.store.tenant(principal.user.tenant).await?.ok_or(ApiError::TenantGone)?;
        let after = set(request, before.clone())?;
        match app.store.replace_settings(&before, &after).await {
            Ok(()) => return Ok(http::no_content()),
            Err(StoreError::Conflict) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(ApiError::Conflict)
}

/// Settings are the caller's own tenant's; the path says which only because the wire wants it so.
fn check_own(request: &Request, tenant: TenantUid) -> Result<(), ApiError> {
    if http::path_parameter(request, "tenantUid") == tenant.to_string() { Ok(()) } else { Err(ApiError::AccessDenied) }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct IdleBody {
    expiry_time_minutes: u32,
}

impl From<&Tenant> for IdleBody {
    fn from(tenant: &Tenant) -> Self {
        Self { expiry_time_minutes: tenant.idle_minutes }
    }
}

fn set_idle_minutes(request: &Request, tenant: Tenant) -> Result<Tenant, ApiError> {
    let body: IdleBody = http::body(request)?;
    if !IDLE_MINUTES.contains(&body.expiry_time_minutes) {
        return Err(SettingRefused::IdleMinutes.into());
    }
    Ok(Tenant { idle_minutes: body.expiry_time_minutes, ..tenant })
}

/// A policy on the wire. What is zero does not arrive from Go's clients, so what is absent takes its default.
#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct PolicyBody {
    is_regex: bool,
    #[serde(deserialize_with = "null_as_default")]
    regex: String,
    min_length: Option<u32>,
    max_length: Option<u32>,
    min_num_of_block_letters: Option<u32>,
    min_num_of_small_letters: Option<u32>,
    min_num_of_digits: Option<u32>,
    min_num_of_special_characters: Option<u32>,
    expiry_duration_in_days: Option<u32>,
    first_reminder_in_days: Option<u32>,
}

impl From<&PasswordPolicy> for PolicyBody {
    fn from(policy: &PasswordPolicy) -> Self {
        Self {
            is_regex: policy.regex.is_some(),
            regex: policy.regex.clone().unwrap_or_default(),
            min_length: Some(policy.min_length),
            max_length: Some(policy.max_length),
            min_num_of_block_letters: Some(policy.min_upper),
            min_num_of_small_letters: Some(policy.min_lower),
            min_num_of_digits: Some(policy.min_digits),
            min_num_of_special_characters: Some(policy.min_special),
            expiry_duration_in_days: Some(policy.expiry_days),
            first_reminder_in_days: Some(policy.first_reminder_days),
        }
    }
}

fn set_password_policy(request: &Request, tenant: Tenant) -> Result<Tenant, ApiError> {
    let body: PolicyBody = http::body(request)?;
    let default = PasswordPolicy::default();
    let policy = PasswordPolicy {
        regex: body.is_regex.then_some(body.regex),
        min_length: body.min_length.unwrap_or(default.min_length),
        max_length: body.max_length.unwrap_or(default.max_length),
        min_upper: body.min_num_of_block_letters.unwrap_or(default.min_upper),
        min_lower: body.min_num_of_small_letters.unwrap_or(default.min_lower),
        min_digits: body.min_num_of_digits.unwrap_or(default.min_digits),
        min_special: body.min_num_of_special_characters.unwrap_or(default.min_special),
        expiry_days: body.expiry_duration_in_days.unwrap_or(default.expiry_days),
        first_reminder_days: body.first_reminder_in_days.unwrap_or(default.first_reminder_days),
    };
    Ok(Tenant { password_policy: policy.check()?, ..tenant })
}

/// A banner on the wire, with its capital M.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
pub struct BannerBody {
    #[serde(rename = "Message", deserialize_with = "null_as_default")]
    message: String,
    #[serde(rename = "isEnabled", deserialize_with = "null_as_default")]
    is_enabled: bool,
    #[serde(deserialize_with = "null_as_default")]
    title: String,
}

impl From<Banner> for BannerBody {
    fn from(banner: Banner) -> Self {
        Self { message: banner.message, is_enabled: banner.is_enabled, title: banner.title }
    }
}

fn set_banner(request: &Request, tenant: Tenant) -> Result<Tenant, ApiError> {
    let BannerBody { message, is_enabled, title } = http::body(request)?;
    Ok(Tenant { banner: Banner { title, message, is_enabled }.check()?, ..tenant })
}

#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct LoginsBody {
    #[serde(deserialize_with = "null_as_default")]
    is_enabled: bool,
    #[serde(deserialize_with = "null_as_default")]
    sso_logins: Vec<String>,
}

impl From<&Tenant> for LoginsBody {
    fn from(tenant: &Tenant) -> Self {
        Self { is_enabled: tenant.social_logins.is_enabled, sso_logins: tenant.social_logins.names.clone() }
    }
}

fn set_social_logins(request: &Request, tenant: Tenant) -> Result<Tenant, ApiError> {
    let body: LoginsBody = http::body(request)?;
    let logins = SocialLogins { is_enabled: body.is_enabled, names: body.sso_logins }.check()?;
    Ok(Tenant { social_logins: logins, ..tenant })
}

#[derive(Deserialize)]
struct DomainsBody {
    #[serde(deserialize_with = "null_as_default")]
    domains: Vec<String>,
}

fn set_domains(request: &Request, tenant: Tenant) -> Result<Tenant, ApiError> {
    let body: DomainsBody = http::body(request)?;
    Ok(Tenant { domains: settings::check_domains(body.domains)?, ..tenant })
}

fn limits(tenant: &Tenant) -> Value {
    let limits = tenant.limits;
    let kinds = [
        ("user", "Users", limits.user),
        ("apiKey", "API Keys", limits.api_key),
        ("team", "Teams", limits.team),
        ("role", "Roles", limits.role),
    ];
    let resources = kinds.map(
        |(kind, label, limit)| json!({ "kind": kind, "label": label, "limit": limit, "maxLimit": settings::MAX_LIMIT }),
    );
    json!({ "resources": resources })
}

#[derive(Deserialize)]
struct LimitsBody {
    resources: Vec<Object<LimitBody>>,
}

#[derive(Deserialize)]
struct LimitBody {
    kind: String,
    limit: u32,
}

fn set_limits(request: &Request, mut tenant: Tenant) -> Result<Tenant, ApiError> {
    let body: LimitsBody = http::body(request)?;
    for Object(limit) in body.resources {
        tenant.limits.set(&limit.kind, limit.limit)?;
    }
    Ok(tenant)
}

/// The OIDC provider of a tenant: none. Every object is there, since Terraform follows them without a look.
fn oidc(app: &App, tenant: &Tenant) -> Value {
    let base = format!("{}/v1/auth/org/{}/oidc", app.settings.public_url, tenant.org_name);
    json!({
        "isSsoEnabled": false, "issuerUrl": "", "clientId": "", "clientSecret": "",
        "callbackUrl": format!("{base}/callback"), "logoutUrl": format!("{base}/logout"),
        "scopes": [], "scopesDelimiter": "", "defaultTeams": [], "syncSsoTeams": false,
        "issuerTls": { "caCertificateBase64": "", "insecureSkipVerify": false },
        "requiredClaims": { "Email": "", "FirstName": "", "LastName": "", "SpectroTeam": "" },
        "userInfo": { "useUserInfo": false, "claims": { "Email": "", "FirstName": "", "LastName": "", "SpectroTeam": "" } },
    })
}

/// The SAML provider of a tenant: none. The four attributes are always there.
fn saml(app: &App, tenant: &Tenant) -> Value {
    let public_url = &app.settings.public_url;
    let callback = format!("{public_url}/v1/auth/org/{}/saml/callback", tenant.org_name);
    let attribute = |name: &str, value: &str| {
        json!({ "name": name, "mappedAttribute": name, "attributeValue": value,
                "nameFormat": "urn:oasis:names:tc:SAML:2.0:attrname-format:unspecified" })
    };
    json!({
        "isSsoEnabled": false, "isSingleLogoutEnabled": false, "singleLogoutUrl": "", "entityId": public_url,
        "issuer": public_url, "audienceUrl": callback, "acsUrl": callback, "certificate": "",
        "serviceProviderMetadata": "", "federationMetadata": "", "identityProvider": "", "nameIdFormat": "",
        "defaultTeams": [], "syncSsoTeams": false,
        "attributes": [
            attribute("FirstName", "[FIRST_NAME_OF_USER]"),
            attribute("LastName", "[LAST_NAME_OF_USER]"),
            attribute("Email", "[EMAIL_OF_USER]"),
            attribute("SpectroTeam", "[SPECTRO_TEAM_OF_USER]"),
        ],
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SsoBody {
    #[serde(default, deserialize_with = "null_as_default")]
    is_sso_enabled: bool,
}

/// Switching single sign-on off is what it is already; switching it on is not to be had.
fn refuse_sso(request: &Request, tenant: Tenant) -> Result<Tenant, ApiError> {
    let body: SsoBody = http::body(request)?;
    if body.is_sso_enabled { Err(ApiError::SsoUnavailable) } else { Ok(tenant) }
}
