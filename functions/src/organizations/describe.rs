//! `GET /v1/auth/org`: what an organization offers to whoever signs in; without a name, what the installation offers.

use domain::tenant::OrgName;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    ApiError, App,
    http::{self, Request, Response},
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
    #[schema(value_type = Vec<String>)]
    sso_logins: [(); 0],
}

pub(super) async fn handle(app: &App, request: Request) -> Result<Response, ApiError> {
    let public_url = &app.settings.public_url;
    let (org_name, redirect_url) = match http::query_parameter(&request, "orgName").filter(|name| !name.is_empty()) {
        None => (String::new(), format!("{public_url}/")),
        Some(name) => {
            let name = OrgName::parse(&name).map_err(|_| ApiError::NotFound)?;
            app.store.tenant_named(&name, app.clock.now()).await?.ok_or(ApiError::NotFound)?;
            (name.to_string(), super::url_of(app, &name))
        }
    };
    Ok(http::ok(&Description {
        org_name,
        auth_type: "password",
        redirect_url,
        root_domain: public_url.split_once("://").map_or("", |(_, host)| host).to_owned(),
        app_env: "self-hosted",
        security_mode: "default",
        total_tenants: 1,
        sso_logins: [],
    }))
}
