//! `/v1/tenants/{tenantUid}/…`: what a tenant has set. Every setting can be read before it was ever written.

mod domains;
mod providers;

use domain::{
    Permission, Principal, Tenant, TenantUid,
    audit::{Action, Resource},
    password::{LENGTHS, PasswordPolicy},
    settings::{self, Banner, IDLE_MINUTES, SettingRefused, SocialLogins},
};
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::{ReplaceSettingsRefused, StoreError};
use utoipa::ToSchema;

use self::{
    domains::{DomainsBody, ProofsAnswer, proofs, set_domains, verify_domain},
    providers::{OidcBody, SamlAnswer, SamlBody, oidc, refuse_saml, saml, verify_oidc, write_oidc},
};
use crate::{
    ApiError, App, audit, caller,
    http::{self, Request, Response},
    openapi::Operation,
    sign_in,
    signing::Sealer,
    sso::has_provider,
    wire::{Object, null_as_default},
};

/// How often a change is made again that met another change of the same settings.
const ATTEMPTS: usize = 5;

/// Handles the request.
///
/// # Errors
///
/// [`ApiError::AccessDenied`] for another tenant; [`ApiError::NotFound`] for every other route.
pub async fn handle(app: &App, sealer: &Sealer, request: Request) -> Result<Response, ApiError> {
    let route = http::route(&request);
    let (method, setting) = route.split_once(" /v1/tenants/{tenantUid}/").ok_or(ApiError::NotFound)?;
    operation(app, sealer, &request, method, setting).ok_or(ApiError::NotFound)?.await
}

/// What is asked for, on the heap, since together they make a large future.
fn operation<'a>(
    app: &'a App,
    sealer: &'a Sealer,
    request: &'a Request,
    method: &str,
    setting: &'a str,
) -> Option<BoxFuture<'a, Result<Response, ApiError>>> {
    Some(match (method, setting) {
        ("GET", "authTokenSettings") => Box::pin(read(app, request, |tenant| json!(IdleBody::from(tenant)))),
        ("PUT", "authTokenSettings") => Box::pin(write(app, request, setting, set_idle_minutes)),
        ("GET", "password/policy") => {
            Box::pin(read(app, request, |tenant| json!(PolicyBody::from(&tenant.password_policy))))
        }
        ("POST", "password/policy") => Box::pin(write(app, request, setting, set_password_policy)),
        ("GET", "loginBanner") => Box::pin(read(app, request, |tenant| json!(BannerBody::from(tenant.banner.clone())))),
        ("PUT", "loginBanner") => Box::pin(write(app, request, setting, set_banner)),
        ("GET", "sso/auth/providers") => Box::pin(read(app, request, |tenant| json!(LoginsBody::from(tenant)))),
        ("POST", "sso/auth/providers") => Box::pin(write(app, request, setting, set_social_logins)),
        ("GET", "sso/policy") => Box::pin(read(app, request, |tenant| json!(SsoPolicyBody::from(tenant)))),
        ("PUT", "sso/policy") => Box::pin(set_sso_policy(app, request)),
        ("GET", "apiKeys/notices") => Box::pin(read(app, request, |tenant| json!(NoticesBody::from(tenant)))),
        ("PUT", "apiKeys/notices") => Box::pin(write(app, request, setting, set_notices)),
        ("GET", "domains") => {
            Box::pin(read(app, request, |tenant| json!(DomainsBody { domains: tenant.domains.clone() })))
        }
        ("POST", "domains") => Box::pin(write(app, request, setting, set_domains)),
        ("GET", "domains/proofs") => Box::pin(proofs(app, request)),
        ("POST", "domains/{domain}/verify") => Box::pin(verify_domain(app, request)),
        ("GET", "resourceLimits") => Box::pin(read(app, request, limits)),
        ("PATCH", "resourceLimits") => Box::pin(write(app, request, setting, set_limits)),
        ("GET", "oidc/config") => Box::pin(read(app, request, |tenant| oidc(app, tenant))),
        ("POST", "oidc/config") => Box::pin(write_oidc(app, sealer, request, setting)),
        ("POST", "oidc/config/verify") => Box::pin(verify_oidc(app, request)),
        ("GET", "saml/config") => Box::pin(read(app, request, |tenant| saml(app, tenant))),
        ("POST", "saml/config") => Box::pin(write(app, request, setting, refuse_saml)),
        _ => return None,
    })
}

pub(crate) fn operations() -> Vec<Operation> {
    vec![
        Operation::new("GET /v1/tenants/{tenantUid}/authTokenSettings", "After how many idle minutes a session ends")
            .answers::<IdleBody>(),
        Operation::new(
            "PUT /v1/tenants/{tenantUid}/authTokenSettings",
            "Sets after how many idle minutes a session ends",
        )
        .takes::<IdleBody>(),
        Operation::new("GET /v1/tenants/{tenantUid}/password/policy", "What passwords must be like")
            .answers::<PolicyBody>(),
        Operation::new("POST /v1/tenants/{tenantUid}/password/policy", "Sets what passwords must be like")
            .takes::<PolicyBody>(),
        Operation::new("GET /v1/tenants/{tenantUid}/loginBanner", "What is shown before signing in")
            .answers::<BannerBody>(),
        Operation::new("PUT /v1/tenants/{tenantUid}/loginBanner", "Sets what is shown before signing in")
            .takes::<BannerBody>(),
        Operation::new("GET /v1/tenants/{tenantUid}/sso/auth/providers", "The social logins").answers::<LoginsBody>(),
        Operation::new("POST /v1/tenants/{tenantUid}/sso/auth/providers", "Sets the social logins")
            .takes::<LoginsBody>(),
        Operation::new("GET /v1/tenants/{tenantUid}/apiKeys/notices", "Who is told when an API key expires")
            .answers::<NoticesBody>(),
        Operation::new("PUT /v1/tenants/{tenantUid}/apiKeys/notices", "Sets who is told when an API key expires")
            .takes::<NoticesBody>(),
        Operation::new("GET /v1/tenants/{tenantUid}/domains", "The mail domains").answers::<DomainsBody>(),
        Operation::new("POST /v1/tenants/{tenantUid}/domains", "Sets the mail domains").takes::<DomainsBody>(),
        Operation::new(
            "GET /v1/tenants/{tenantUid}/domains/proofs",
            "Which mail domains are proven, and how they can be",
        )
        .answers::<ProofsAnswer>(),
        Operation::new("POST /v1/tenants/{tenantUid}/domains/{domain}/verify", "Looks up the proof of a mail domain"),
        Operation::new("GET /v1/tenants/{tenantUid}/sso/policy", "Whether passwords open nothing")
            .answers::<SsoPolicyBody>(),
        Operation::new("PUT /v1/tenants/{tenantUid}/sso/policy", "Sets whether passwords open nothing")
            .takes::<SsoPolicyBody>(),
        Operation::new("GET /v1/tenants/{tenantUid}/resourceLimits", "How many there may be of what")
            .answers::<LimitsAnswer>(),
        Operation::new("PATCH /v1/tenants/{tenantUid}/resourceLimits", "Sets how many there may be of what")
            .takes::<LimitsBody>(),
        Operation::new("GET /v1/tenants/{tenantUid}/oidc/config", "The OpenID Connect provider").answers::<OidcBody>(),
        Operation::new("POST /v1/tenants/{tenantUid}/oidc/config", "Sets the OpenID Connect provider")
            .takes::<OidcBody>(),
        Operation::new("POST /v1/tenants/{tenantUid}/oidc/config/verify", "Whether the provider answers as one does"),
        Operation::new("GET /v1/tenants/{tenantUid}/saml/config", "The SAML provider, of which there is none")
            .answers::<SamlAnswer>(),
        Operation::new("POST /v1/tenants/{tenantUid}/saml/config", "Takes SAML switched off, which it is")
            .takes::<SamlBody>(),
    ]
}

async fn read(app: &App, request: &Request, shown: impl Fn(&Tenant) -> Value + Send) -> Result<Response, ApiError> {
    let principal = may_write(app, request).await?;
    let tenant = app.store.tenant(principal.user.tenant).await?.ok_or(ApiError::TenantGone)?;
    Ok(http::ok(&shown(&tenant)))
}

async fn write(
    app: &App,
    request: &Request,
    setting: &str,
    set: impl Fn(&Request, Tenant) -> Result<Tenant, ApiError> + Send + Sync,
) -> Result<Response, ApiError> {
    let principal = may_write(app, request).await?;
    change(app, request, &principal, setting, |tenant| set(request, tenant)).await
}

/// The caller, if they may see and change what their tenant has set.
async fn may_write(app: &App, request: &Request) -> Result<Principal, ApiError> {
    let principal = caller::principal(app, request).await?;
    check_own(request, principal.user.tenant)?;
    if principal.has(Permission::TenantUpdate) {
        Ok(principal)
    } else {
        Err(ApiError::Forbidden(Permission::TenantUpdate))
    }
}

async fn change(
    app: &App,
    request: &Request,
    principal: &Principal,
    setting: &str,
    set: impl Fn(Tenant) -> Result<Tenant, ApiError> + Send,
) -> Result<Response, ApiError> {
    for _ in 0..ATTEMPTS {
        let before = app.store.tenant(principal.user.tenant).await?.ok_or(ApiError::TenantGone)?;
        let after = set(before.clone())?;
        check_way_in(app, &before, &after)?;
        if before == after {
            return Ok(http::no_content());
        }
        let record = [audit::Trail::of(app, request, principal).record(
            Action::Update,
            Resource::tenant(&after),
            "Settings changed",
            format!("Changed: {}", in_words(setting)),
        )];
        match app.store.on_record(&record).replace_settings(&before, &after).await {
            Ok(()) => return Ok(audit::stated(http::no_content(), &record[0])),
            Err(ReplaceSettingsRefused::DomainTaken(domain)) => return Err(ApiError::DomainTaken(domain)),
            Err(ReplaceSettingsRefused::Store(StoreError::Conflict)) => {}
            Err(ReplaceSettingsRefused::Store(error)) => return Err(error.into()),
        }
    }
    Err(ApiError::Conflict)
}

/// What people call a setting, which the wire names by the end of its path.
fn in_words(setting: &str) -> &str {
    match setting {
        "authTokenSettings" => "session timeout",
        "password/policy" => "password policy",
        "loginBanner" => "login banner",
        "sso/auth/providers" => "sign-in methods",
        "apiKeys/notices" => "expiry notices",
        "sso/policy" => "whether single sign-on is required",
        "resourceLimits" => "resource limits",
        "oidc/config" => "OpenID Connect provider",
        "saml/config" => "SAML provider",
        other => other,
    }
}

/// Settings are the caller's own tenant's; the path says which only because the wire wants it so.
fn check_own(request: &Request, tenant: TenantUid) -> Result<(), ApiError> {
    if http::path_parameter(request, "tenantUid") == tenant.to_string() { Ok(()) } else { Err(ApiError::AccessDenied) }
}

#[derive(Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AuthTokenSettings)]
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

/// A password policy. What is zero does not arrive from Go's clients, so what is absent takes its default.
#[derive(Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
#[schema(as = PasswordPolicy)]
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
    // A regular expression says by itself how long a password must be, so beside one any length will do.
    let (min_length, max_length) =
        if body.is_regex { (*LENGTHS.start(), *LENGTHS.end()) } else { (default.min_length, default.max_length) };
    let policy = PasswordPolicy {
        regex: body.is_regex.then_some(body.regex),
        min_length: body.min_length.unwrap_or(min_length),
        max_length: body.max_length.unwrap_or(max_length),
        min_upper: body.min_num_of_block_letters.unwrap_or(default.min_upper),
        min_lower: body.min_num_of_small_letters.unwrap_or(default.min_lower),
        min_digits: body.min_num_of_digits.unwrap_or(default.min_digits),
        min_special: body.min_num_of_special_characters.unwrap_or(default.min_special),
        expiry_days: body.expiry_duration_in_days.unwrap_or(default.expiry_days),
        first_reminder_days: body.first_reminder_in_days.unwrap_or(default.first_reminder_days),
    };
    Ok(Tenant { password_policy: policy.check()?, ..tenant })
}

/// A login banner, with its capital M.
#[derive(Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = LoginBanner)]
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

#[derive(Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
#[schema(as = SocialLogins)]
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

/// Who is told, beside the user of the key.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ApiKeyNotices)]
struct NoticesBody {
    #[serde(default, deserialize_with = "null_as_default")]
    notify_tenant_admins: bool,
}

impl From<&Tenant> for NoticesBody {
    fn from(tenant: &Tenant) -> Self {
        Self { notify_tenant_admins: tenant.tells_admins_of_expiry }
    }
}

fn set_notices(request: &Request, tenant: Tenant) -> Result<Tenant, ApiError> {
    let body: NoticesBody = http::body(request)?;
    Ok(Tenant { tells_admins_of_expiry: body.notify_tenant_admins, ..tenant })
}

/// Whether people sign in by a provider only.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SsoPolicy)]
struct SsoPolicyBody {
    #[serde(default, deserialize_with = "null_as_default")]
    is_sso_required: bool,
}

impl From<&Tenant> for SsoPolicyBody {
    fn from(tenant: &Tenant) -> Self {
        Self { is_sso_required: tenant.is_sso_required }
    }
}

async fn set_sso_policy(app: &App, request: &Request) -> Result<Response, ApiError> {
    let principal = may_write(app, request).await?;
    let SsoPolicyBody { is_sso_required } = http::body(request)?;
    // Whoever would be locked out themselves has never seen it work.
    if is_sso_required && let Some(session) = principal.session() {
        let tenant = app.store.tenant(principal.user.tenant).await?.ok_or(ApiError::TenantGone)?;
        if session.method.provider().is_none() || !sign_in::may_go_on(app, &tenant, session).await? {
            return Err(ApiError::SsoUntried);
        }
    }
    change(app, request, &principal, "sso/policy", |tenant| {
        if is_sso_required && !has_provider(app, &tenant) {
            return Err(SettingRefused::NothingToRequire.into());
        }
        Ok(Tenant { is_sso_required, ..tenant })
    })
    .await
}

/// Refuses to leave people no way to sign in: without any provider, or with another one that nobody has come by yet.
fn check_way_in(app: &App, before: &Tenant, after: &Tenant) -> Result<(), ApiError> {
    let (old, new) = (&before.oidc, &after.oidc);
    let is_exchanged =
        old.is_enabled && new.is_enabled && (&old.issuer_url, &old.client_id) != (&new.issuer_url, &new.client_id);
    if after.is_sso_required && (is_exchanged || !has_provider(app, after)) {
        return Err(SettingRefused::SsoRequired.into());
    }
    Ok(())
}

#[derive(Serialize, ToSchema)]
#[schema(as = ResourceLimitsOfTenant)]
struct LimitsAnswer {
    resources: Vec<LimitAnswer>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = ResourceLimitOfTenant)]
#[serde(rename_all = "camelCase")]
struct LimitAnswer {
    kind: &'static str,
    label: &'static str,
    limit: u32,
    max_limit: u32,
}

fn limits(tenant: &Tenant) -> Value {
    let limits = tenant.limits;
    let kinds = [
        ("user", "Users", limits.user),
        ("apiKey", "API Keys", limits.api_key),
        ("team", "Teams", limits.team),
        ("role", "Roles", limits.role),
    ];
    let resource = |(kind, label, limit)| LimitAnswer { kind, label, limit, max_limit: settings::MAX_LIMIT };
    json!(LimitsAnswer { resources: kinds.map(resource).into() })
}

#[derive(Deserialize, ToSchema)]
#[schema(as = ResourceLimits)]
struct LimitsBody {
    #[schema(value_type = Vec<LimitBody>)]
    resources: Vec<Object<LimitBody>>,
}

#[derive(Deserialize, ToSchema)]
#[schema(as = ResourceLimit)]
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
