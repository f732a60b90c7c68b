//! `GET /v1/auth/org`: what an organization offers to whoever signs in; without a name, what the installation offers.

use domain::tenant::OrgName;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    ApiError, App,
    http::{self, Request, Response},
    sso::{self, SsoLogin},
};

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = OrganizationDescription)]
pub(super) struct Description {
    org_name: String,
    auth_type: &'static str,
    redirect_url: String,
    root_domain: String,
    app_env: &'static str,
    security_mode: &'static str,
    /// Always 1: how many there are is nobody's business.
    total_tenants: u32,
    sso_logins: Vec<SsoLogin>,
    /// Whether passwords open nothing.
    is_sso_required: bool,
}

pub(super) async fn handle(app: &App, request: Request) -> Result<Response, ApiError> {
    let public_url = &app.settings.public_url;
    let tenant = match http::query_parameter(&request, "orgName").filter(|name| !name.is_empty()) {
        None => None,
        Some(name) => {
            let name = OrgName::parse(&name).map_err(|_| ApiError::NotFound)?;
            let uid = app.store.tenant_named(&name, app.clock.now()).await?.ok_or(ApiError::NotFound)?;
            Some(app.store.tenant(uid).await?.ok_or(ApiError::NotFound)?)
        }
    };
    Ok(http::ok(&Description {
        org_name: tenant.as_ref().map(|tenant| tenant.org_name.to_string()).unwrap_or_default(),
        auth_type: tenant.as_ref().map_or("password", super::auth_type),
        redirect_url: match &tenant {
            Some(tenant) => super::redirect_url(app, tenant),
            None => format!("{public_url}/"),
        },
        root_domain: public_url.split_once("://").map_or("", |(_, host)| host).to_owned(),
        app_env: "self-hosted",
        security_mode: "default",
        total_tenants: 1,
        sso_logins: sso::logins(app, tenant.as_ref()),
        is_sso_required: tenant.is_some_and(|tenant| tenant.is_sso_required),
    }))
}
