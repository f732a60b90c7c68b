//! `GET /v1/users/me`: the caller with roles and permissions; the usual way to ask whether a key works.

use std::collections::BTreeMap;

use domain::{Permission, PermissionSet, RoleUid, TenantUid, UserUid, user::LoginMode};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    ApiError, App, caller,
    http::{self, Request, Response},
    wire,
};

#[derive(Serialize, ToSchema)]
pub(super) struct Me {
    metadata: Metadata,
    spec: Spec,
    status: Status,
}

#[derive(Serialize, ToSchema)]
#[schema(as = MeMetadata)]
struct Metadata {
    name: String,
    #[schema(value_type = wire::Uid)]
    uid: UserUid,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = MeSpec)]
struct Spec {
    email_id: String,
    first_name: String,
    last_name: String,
    #[schema(value_type = Vec<wire::Uid>)]
    roles: Vec<RoleUid>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = MeStatus)]
struct Status {
    is_active: bool,
    is_contract_accepted: bool,
    #[schema(value_type = wire::LoginMode)]
    login_mode: LoginMode,
    activation_link: &'static str,
    tenant: Tenant,
    tenant_permissions: BTreeMap<String, Vec<&'static str>>,
    project_permissions: BTreeMap<String, Vec<&'static str>>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = MeTenant)]
struct Tenant {
    org_name: String,
    #[schema(value_type = wire::Uid)]
    tenant_uid: TenantUid,
}

pub(super) async fn handle(app: &App, request: Request) -> Result<Response, ApiError> {
    let principal = caller::principal(app, &request).await?;
    let user = principal.user;
    let tenant = app.store.tenant(user.tenant).await?.ok_or(ApiError::TenantGone)?;
    let projects = app.store.projects(user.tenant).await?;
    let in_projects = project_permissions(principal.permissions);
    Ok(http::ok(&Me {
        metadata: Metadata { name: user.name(), uid: user.uid },
        status: Status {
            is_active: user.is_active,
            is_contract_accepted: true,
            login_mode: user.login_mode,
            activation_link: "",
            tenant: Tenant { org_name: tenant.org_name.to_string(), tenant_uid: user.tenant },
            tenant_permissions: BTreeMap::from([(user.tenant.to_string(), names(principal.permissions))]),
            project_permissions: if in_projects.is_empty() {
                BTreeMap::new()
            } else {
                projects.iter().map(|project| (project.uid.to_string(), in_projects.clone())).collect()
            },
        },
        spec: Spec { email_id: user.email, first_name: user.first_name, last_name: user.last_name, roles: user.roles },
    }))
}

fn names(permissions: PermissionSet) -> Vec<&'static str> {
    permissions.iter().map(Permission::as_str).collect()
}

/// What is held at tenant scope holds in each of its projects.
fn project_permissions(permissions: PermissionSet) -> Vec<&'static str> {
    names(permissions).into_iter().filter(|name| name.starts_with("project.")).collect()
}
