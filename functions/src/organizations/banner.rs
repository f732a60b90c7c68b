//! `GET /v1/auth/org/{orgName}/loginBanner`: what an organization shows before signing in.

use crate::{
    ApiError, App,
    http::{self, Request, Response},
    tenant_settings::BannerBody,
};

pub(super) async fn handle(app: &App, request: Request) -> Result<Response, ApiError> {
    let tenant = super::named_tenant(app, &request).await?;
    Ok(http::ok(&BannerBody::from(tenant.banner)))
}
