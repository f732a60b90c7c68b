//! `/v1/auth/org`, `/v1/auth/orgs`: what organizations there are for whoever signs in.

mod banner;
mod describe;
mod forgot;
mod list;
mod switch;

use domain::{Tenant, tenant::OrgName};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    ApiError, App, Signer,
    http::{self, Request, Response},
    openapi::Operation,
    sso::{self, SsoLogin},
    tenant_settings::BannerBody,
    token_answer,
};

/// Handles the request.
///
/// # Errors
///
/// Those of the operations; [`ApiError::NotFound`] for every other route.
pub async fn handle(app: &App, signer: &Signer, request: Request) -> Result<Response, ApiError> {
    match http::route(&request).as_str() {
        "GET /v1/auth/org" => describe::handle(app, request).await,
        "GET /v1/auth/orgs" => list::handle(app, request).await,
        "POST /v1/auth/org/{orgName}/switch" => switch::handle(app, signer, request).await,
        "GET /v1/auth/org/{orgName}/loginBanner" => banner::handle(app, request).await,
        "GET /v1/auth/user/org/forgot" => forgot::handle(app, request).await,
        _ => Err(ApiError::NotFound),
    }
}

pub(crate) fn operations() -> Vec<Operation> {
    vec![
        Operation::new("GET /v1/auth/org", "What an organization offers to whoever signs in")
            .open()
            .query("orgName", "Which one; without, what the installation offers")
            .answers::<describe::Description>(),
        Operation::new("GET /v1/auth/orgs", "All organizations of the caller").answers::<list::List>(),
        Operation::new("POST /v1/auth/org/{orgName}/switch", "Signs the caller in to another of their organizations")
            .query("setCookie", "`false` for no cookie beside the token")
            .answers::<token_answer::Body<'_>>(),
        Operation::new("GET /v1/auth/org/{orgName}/loginBanner", "What an organization shows before signing in")
            .open()
            .answers::<BannerBody>(),
        Operation::new("GET /v1/auth/user/org/forgot", "Mails a person the names of their organizations")
            .open()
            .query("emailId", "The person's address"),
    ]
}

/// An organization as whoever signs in sees it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Organization {
    name: String,
    auth_type: &'static str,
    redirect_url: String,
    sso_logins: Vec<SsoLogin>,
}

impl Organization {
    /// Of a tenant.
    pub fn new(app: &App, tenant: &Tenant) -> Self {
        Self {
            name: tenant.org_name.to_string(),
            auth_type: auth_type(tenant),
            redirect_url: redirect_url(app, tenant),
            sso_logins: sso::logins(app, Some(tenant)),
        }
    }
}

impl Organization {
    /// What people call it.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

/// How the people of an organization sign in, as the wire names it.
fn auth_type(tenant: &Tenant) -> &'static str {
    if tenant.oidc.is_enabled || tenant.is_sso_required { "sso" } else { "password" }
}

/// Where a browser goes to sign in: to the provider where there is one, else to a page of ours.
fn redirect_url(app: &App, tenant: &Tenant) -> String {
    if auth_type(tenant) == "sso" { sso::required_url(app, tenant) } else { url_of(app, &tenant.org_name) }
}

/// Where the people of an organization sign in.
pub(crate) fn url_of(app: &App, org_name: &OrgName) -> String {
    format!("{}/o/{org_name}", app.settings.public_url)
}

/// The tenant that the path names.
async fn named_tenant(app: &App, request: &Request) -> Result<Tenant, ApiError> {
    let name = OrgName::parse(&http::path_parameter(request, "orgName")).map_err(|_| ApiError::NotFound)?;
    let uid = app.store.tenant_named(&name, app.clock.now()).await?.ok_or(ApiError::NotFound)?;
    app.store.tenant(uid).await?.ok_or(ApiError::NotFound)
}
