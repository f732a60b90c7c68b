//! `GET /v1/users/info`: the uids of caller and tenant, which clients need before anything else.

use domain::{TenantUid, UserUid};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    ApiError, App, caller,
    http::{self, Request, Response},
    wire,
};

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = UserInfo)]
pub(super) struct Info {
    org_name: String,
    #[schema(value_type = wire::Uid)]
    tenant_uid: TenantUid,
    #[schema(value_type = wire::Uid)]
    user_uid: UserUid,
}

pub(super) async fn handle(app: &App, request: Request) -> Result<Response, ApiError> {
    let user = caller::principal(app, &request).await?.user;
    let tenant = app.store.tenant(user.tenant).await?.ok_or(ApiError::TenantGone)?;
    Ok(http::ok(&Info { org_name: tenant.org_name.to_string(), tenant_uid: user.tenant, user_uid: user.uid }))
}
