//! `/v1/auth/sso`, `/v1/auth/org/{orgName}/oidc`: signing in by somebody who vouches for a person.
//!
//! A person goes to the provider with a `state` that is good for once, for ten minutes and in one browser ([`browser`]),
//! comes back with a code, and the provider is asked what the code stands for ([`oidc`], [`github`]). What that opens is
//! decided in one place ([`admission`]): by issuer and subject, never by the address alone.

mod admission;
pub(crate) mod browser;
mod callback;
mod failure;
mod github;
mod identities;
mod login;
mod logout;
mod oidc;
pub(crate) mod pending;
pub(crate) mod providers;

use std::time::Duration;

use domain::{
    Tenant,
    once::{OneTime, OneTimeToken, Purpose},
    sso::Provider,
    tenant::OrgName,
};
use lambda_http::{
    Body,
    http::{HeaderValue, StatusCode, header},
};
use serde::Serialize;
use utoipa::ToSchema;

pub use failure::SsoFailure;
use providers::Chosen;
pub use providers::{Github, Google, Registration, Secret, Social};

use crate::{
    ApiError, App, Signer,
    http::{self, Request, Response},
    openapi::Operation,
    organizations, outbound, token_answer,
};

/// How long a person may take to come back, and then to say what follows.
pub(crate) const ATTEMPT_LIFETIME: Duration = Duration::from_mins(10);

/// The products that forms of SAML offer, though SAML itself is not to be had here. Source: `contract.md` 1.5.
const IDENTITY_PROVIDERS: [(&str, &str); 6] = [
    ("azure", "Azure Active Directory"),
    ("okta", "Okta"),
    ("keycloak", "Keycloak"),
    ("onelogin", "OneLogin"),
    ("adfs", "Microsoft ADFS"),
    ("others", "Others"),
];

/// Handles the request.
///
/// # Errors
///
/// [`ApiError::SsoFailed`] where a program asks, a browser gets a page; [`ApiError::NotFound`] for what is not offered,
/// and for every other route.
pub async fn handle(app: &App, signer: &Signer, request: Request) -> Result<Response, ApiError> {
    // Each on the heap, since together they make a large future.
    match http::route(&request).as_str() {
        "GET /v1/auth/sso/idps" => Ok(http::ok(&IDENTITY_PROVIDERS.map(|(id, name)| Product { id, name }))),
        "GET /v1/auth/sso/providers" => Ok(http::ok(&logins(app, None))),
        "GET /v1/auth/sso/logins" => offered(app, &request).await,
        "GET /v1/auth/sso/{ssoApp}/login" => Box::pin(login::social(app, signer, &request)).await,
        "GET /v1/auth/sso/{ssoApp}/callback" => Box::pin(callback::social(app, signer, &request)).await,
        "GET /v1/auth/org/{orgName}/oidc/login" => Box::pin(login::of_tenant(app, signer, &request)).await,
        "GET /v1/auth/org/{orgName}/oidc/callback" => Box::pin(callback::of_tenant(app, signer, &request)).await,
        "GET /v1/auth/org/{orgName}/oidc/logout" => Box::pin(logout::handle(app, &request)).await,
        "GET /v1/users/auth/identities" => identities::list(app, &request).await,
        "POST /v1/users/auth/identities" => identities::create(app, &request).await,
        "DELETE /v1/users/auth/identities/{uid}" => identities::delete(app, &request).await,
        _ => Err(ApiError::NotFound),
    }
}

pub(crate) fn operations() -> Vec<Operation> {
    let login = |operation: Operation| {
        operation
            .open()
            .leads_elsewhere()
            .query("next", "The page of the console to go on to")
            .query("with", "What else than signing in is wanted, a token of the console")
    };
    let callback = |operation: Operation| {
        operation
            .open()
            .query("code", "What the provider gave")
            .query("state", "What the login gave")
            .query("error", "Why the provider gave no code")
            .query("error_description", "The same in words")
            .query("iss", "Which provider it was")
            .query("setCookie", "`false` for no cookie beside the token")
            .answers::<token_answer::Body<'_>>()
    };
    vec![
        Operation::new("GET /v1/auth/sso/idps", "The products that a form of SAML offers")
            .open()
            .answers::<Vec<Product>>(),
        Operation::new("GET /v1/auth/sso/providers", "Who vouches for people of every organization")
            .open()
            .answers::<Vec<SsoLogin>>(),
        Operation::new("GET /v1/auth/sso/logins", "Who vouches for people of an organization")
            .open()
            .query("org", "The organization; without, as providers")
            .answers::<Vec<SsoLogin>>(),
        login(Operation::new("GET /v1/auth/sso/{ssoApp}/login", "Leads a browser to Google or GitHub"))
            .query("org", "The organization to sign in to"),
        callback(Operation::new("GET /v1/auth/sso/{ssoApp}/callback", "Where Google or GitHub sends a person back to")),
        login(Operation::new(
            "GET /v1/auth/org/{orgName}/oidc/login",
            "Leads a browser to the organization's provider",
        )),
        callback(Operation::new(
            "GET /v1/auth/org/{orgName}/oidc/callback",
            "Where the organization's provider sends a person back to",
        )),
        Operation::new("GET /v1/auth/org/{orgName}/oidc/logout", "Where the provider sends whoever signed out there")
            .open()
            .query("state", "What the provider was given"),
    ]
    .into_iter()
    .chain(identities::operations())
    .collect()
}

#[derive(Serialize, ToSchema)]
#[schema(as = IdentityProviderProduct)]
pub(crate) struct Product {
    id: &'static str,
    name: &'static str,
}

/// A way to sign in, as whoever signs in sees it.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SsoLogin {
    pub(crate) name: &'static str,
    pub(crate) display_name: &'static str,
    logo: String,
    /// Where to send the browser.
    pub(crate) redirect_uri: String,
}

/// Who vouches for people of a tenant, or of every tenant: as far as the installation has them.
pub(crate) fn logins(app: &App, tenant: Option<&Tenant>) -> Vec<SsoLogin> {
    let is_offered = |provider: &Provider| {
        app.settings.social.has(*provider) && tenant.is_none_or(|tenant| tenant.offers(*provider))
    };
    let public_url = &app.settings.public_url;
    let login = |provider: Provider| {
        let name = provider.as_str();
        let of = tenant.map(|tenant| format!("?org={}", tenant.org_name)).unwrap_or_default();
        SsoLogin {
            name,
            display_name: provider.label(),
            logo: format!("{public_url}/assets/{name}.svg"),
            redirect_uri: format!("{public_url}/v1/auth/sso/{name}/login{of}"),
        }
    };
    Provider::SOCIAL.into_iter().filter(is_offered).map(login).collect()
}

/// Where a browser signs in by the tenant's own provider.
pub(crate) fn oidc_login_url(app: &App, org_name: &OrgName) -> String {
    format!("{}/v1/auth/org/{org_name}/oidc/login", app.settings.public_url)
}

/// Where people of an organization that takes no passwords sign in.
pub(crate) fn required_url(app: &App, tenant: &Tenant) -> String {
    let oidc = || tenant.offers(Provider::Oidc).then(|| oidc_login_url(app, &tenant.org_name));
    let social = || logins(app, Some(tenant)).into_iter().next().map(|login| login.redirect_uri);
    // Where the installation has lost the one that was left, there is a page that says so.
    oidc().or_else(social).unwrap_or_else(|| organizations::url_of(app, &tenant.org_name))
}

/// Whether people can come into a tenant by somebody who vouches for them.
pub(crate) fn has_provider(app: &App, tenant: &Tenant) -> bool {
    tenant.offers(Provider::Oidc) || !logins(app, Some(tenant)).is_empty()
}

/// Asks a tenant's provider what it says of itself, and tells in words what is wrong with that.
pub(crate) async fn verify(app: &App, tenant: &Tenant) -> Result<(), String> {
    let chosen = Chosen::of(app, None, Provider::Oidc, Some(tenant)).await;
    let Ok(Chosen::Oidc(oidc)) = chosen else { return Err("it is not enabled".to_owned()) };
    let asking = Box::pin(async {
        let client = oidc::client_of(app, &oidc)?;
        oidc::check(app, &oidc::discover(&client, &oidc).await?)
    });
    match tokio::time::timeout(outbound::TIME_LIMIT, asking).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(error.to_string().chars().filter(|char| !char.is_control()).take(300).collect()),
        Err(_) => Err(format!("no answer in {} seconds", outbound::TIME_LIMIT.as_secs())),
    }
}

async fn offered(app: &App, request: &Request) -> Result<Response, ApiError> {
    match http::query_parameter(request, "org").filter(|org| !org.is_empty()) {
        None => Ok(http::ok(&logins(app, None))),
        Some(org) => {
            let tenant = tenant_named(app, &org).await?.ok_or(ApiError::NotFound)?;
            Ok(http::ok(&logins(app, Some(&tenant))))
        }
    }
}

async fn tenant_named(app: &App, org: &str) -> Result<Option<Tenant>, ApiError> {
    let Ok(name) = OrgName::parse(org) else { return Ok(None) };
    match app.store.tenant_named(&name, app.clock.now()).await? {
        Some(uid) => Ok(app.store.tenant(uid).await?),
        None => Ok(None),
    }
}

/// Where a provider is to send people back to: another place for each, so that none can pass for another.
fn redirect_uri(app: &App, provider: Provider, tenant: Option<&Tenant>) -> String {
    let public_url = &app.settings.public_url;
    match (provider, tenant) {
        (Provider::Oidc, Some(tenant)) => format!("{public_url}/v1/auth/org/{}/oidc/callback", tenant.org_name),
        _ => format!("{public_url}/v1/auth/sso/{}/callback", provider.as_str()),
    }
}

/// A one-time token that no mail carries, good for as long as a person may take.
pub(crate) fn one_time(app: &App, purpose: Purpose) -> (OneTimeToken, OneTime) {
    let token = OneTimeToken::new(&app.entropy.bytes());
    let once = OneTime {
        digest: token.digest(),
        address: String::new(),
        email: String::new(),
        purpose,
        expires_at: app.clock.now() + ATTEMPT_LIFETIME,
    };
    (token, once)
}

/// Sends a browser on.
fn go_to(url: &str, status: StatusCode) -> Result<Response, ApiError> {
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = status;
    let url = HeaderValue::try_from(url).map_err(|error| ApiError::Internal(error.into()))?;
    response.headers_mut().insert(header::LOCATION, url);
    Ok(response)
}
