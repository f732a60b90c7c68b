//! `/v1/auth/org`, `/v1/auth/orgs`: what organizations there are for whoever signs in.

mod banner;
mod describe;
mod forgot;
mod list;
mod switch;

use domain::{Tenant, tenant::OrgName};
use serde::Serialize;

use crate::{
    ApiError, App, Signer,
    http::{self, Request, Response},
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

/// An organization as whoever signs in sees it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Organization {
    name: String,
    auth_type: &'static str,
    redirect_url: String,
    sso_logins: [(); 0],
}

impl Organization {
    /// Of a tenant.
    pub fn new(app: &App, tenant: &Tenant) -> Self {
        Self {
            name: tenant.org_name.to_string(),
            auth_type: "password",
            redirect_url: url_of(app, &tenant.org_name),
            sso_logins: [],
        }
    }
}

/// Where the people of an organization sign in.
fn url_of(app: &App, org_name: &OrgName) -> String {
    format!("{}/o/{org_name}", app.settings.public_url)
}

/// The tenant that the path names.
async fn named_tenant(app: &App, request: &Request) -> Result<Tenant, ApiError> {
    let name = OrgName::parse(&http::path_parameter(request, "orgName")).map_err(|_| ApiError::NotFound)?;
    let uid = app.store.tenant_named(&name).await?.ok_or(ApiError::NotFound)?;
    app.store.tenant(uid).await?.ok_or(ApiError::NotFound)
}
