//! The roles of a user.

use domain::{Permission, role};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::{
    change,
    json::{self, Roles},
};
use crate::{
    ApiError, App, caller,
    http::{self, Request, Response},
    wire::{self, null_as_default},
};

/// `GET /v1/users/{uid}/roles`.
pub(super) async fn get(app: &App, request: Request) -> Result<Response, ApiError> {
    let principal = caller::principal(app, &request).await?;
    let user = super::permitted(app, &request, &principal, Permission::UserGet).await?;
    Ok(http::ok(&Roles { roles: json::role_refs(&user), inherited_roles: [] }))
}

#[derive(Deserialize, ToSchema)]
#[schema(as = RoleUids)]
pub(super) struct Body {
    #[serde(default, deserialize_with = "null_as_default")]
    roles: Vec<String>,
}

/// `PUT /v1/users/{uid}/roles`: replaces all of them. Nobody grants more than they hold, nor changes one who holds more.
pub(super) async fn put(app: &App, request: Request) -> Result<Response, ApiError> {
    let principal = caller::principal(app, &request).await?;
    let body: Body = http::body(&request)?;
    // Of one's own roles too: to be allowed to see oneself is not to be allowed this.
    if !principal.has(Permission::UserUpdate) {
        super::permitted(app, &request, &principal, Permission::UserGet).await?;
        return Err(ApiError::Forbidden(Permission::UserUpdate));
    }
    let roles = json::roles(&body.roles)?;
    if !principal.permissions.covers(role::permissions(&roles)) {
        return Err(ApiError::MoreThanHeld);
    }
    change::change(app, &request, &principal, Permission::UserUpdate, |user| {
        user.roles.clone_from(&roles);
        Ok(())
    })
    .await
}

/// `GET /v1/users/{uid}/projects`: roles are held in the whole tenant, none in a project alone.
pub(super) async fn projects(app: &App, request: Request) -> Result<Response, ApiError> {
    let principal = caller::principal(app, &request).await?;
    super::permitted(app, &request, &principal, Permission::UserGet).await?;
    Ok(http::ok(&ProjectsBody::default()))
}

#[derive(Default, Serialize, Deserialize, ToSchema)]
#[schema(as = ProjectRoles)]
pub(super) struct ProjectsBody {
    #[serde(default, deserialize_with = "null_as_default")]
    #[schema(value_type = Vec<Object>)]
    projects: Vec<Value>,
}

/// `PUT /v1/users/{uid}/projects`: takes an empty list, which is what there is.
pub(super) async fn put_projects(app: &App, request: Request) -> Result<Response, ApiError> {
    let principal = caller::principal(app, &request).await?;
    super::permitted(app, &request, &principal, Permission::UserUpdate).await?;
    let body: ProjectsBody = http::body(&request)?;
    if body.projects.is_empty() { Ok(http::no_content()) } else { Err(ApiError::NoProjectRoles) }
}

/// `GET /v1/users/{uid}/resourceRoles`, `GET /v1/workspaces/users/{uid}/roles`: nothing of ours; Terraform asks.
pub(super) async fn none_elsewhere(app: &App, request: Request) -> Result<Response, ApiError> {
    let principal = caller::principal(app, &request).await?;
    super::permitted(app, &request, &principal, Permission::UserGet).await?;
    Ok(http::ok(&wire::Empty {}))
}
