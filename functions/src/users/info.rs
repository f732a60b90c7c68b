//! `GET /v1/users/info`: the uids of caller and tenant, which clients need before anything else.

use domain::{TenantUid, UserUid};
use serde::Serialize;

use crate::{
    ApiError, App, caller,
    http::{self, Request, Response},
};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Info {
    org_name: String,
    tenant_uid: TenantUid,
    user_uid: UserUid,
}

pub(super) async fn handle(app: &App, request: Request) -> Result<Response, ApiError> {
    let user = caller::principal(app, &request).await?.user;
    let tenant = app.store.tenant(user.tenant).await?.ok_or(ApiError::TenantGone)?;
    Ok(http::ok(&Info { org_name: tenant.org_name.to_string(), tenant_uid: user.tenant, user_uid: user.uid }))
}
