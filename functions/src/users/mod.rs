//! `/v1/users`: the people of a tenant, and who one is oneself.

mod change;
mod create;
mod delete;
mod info;
mod json;
mod list;
mod me;
mod roles;

use domain::{Permission, Principal, User, UserUid};

use crate::{
    ApiError, App,
    http::{self, Request, Response},
};

/// Handles the request.
///
/// # Errors
///
/// Those of the operations; [`ApiError::NotFound`] for every other route.
pub async fn handle(app: &App, request: Request) -> Result<Response, ApiError> {
    match http::route(&request).as_str() {
        "GET /v1/users/info" => info::handle(app, request).await,
        "GET /v1/users/me" => me::handle(app, request).await,
        "GET /v1/users" => list::handle(app, request).await,
        "GET /v1/users/meta" => list::meta(app, request).await,
        "POST /v1/users/summary" => list::summary(app, request).await,
        "GET /v1/users/{uid}" => list::one(app, request).await,
        "POST /v1/users" => create::handle(app, request).await,
        "PUT /v1/users/{uid}" => change::replace(app, request).await,
        "PATCH /v1/users/{uid}" => change::patch(app, request).await,
        "PATCH /v1/users/{uid}/status/loginMode" => change::login_mode(app, request).await,
        "DELETE /v1/users/{uid}" => delete::handle(app, request).await,
        "GET /v1/users/{uid}/roles" => roles::get(app, request).await,
        "PUT /v1/users/{uid}/roles" => roles::put(app, request).await,
        "GET /v1/users/{uid}/projects" => roles::projects(app, request).await,
        "PUT /v1/users/{uid}/projects" => roles::put_projects(app, request).await,
        "GET /v1/users/{uid}/resourceRoles" | "GET /v1/workspaces/users/{uid}/roles" => {
            roles::none_elsewhere(app, request).await
        }
        _ => Err(ApiError::NotFound),
    }
}

/// How often a change is made again that met another change of the same user.
const ATTEMPTS: usize = 5;

/// The user that the path names, if the caller may do this with them. Whoever may not see users sees none.
async fn permitted(
    app: &App,
    request: &Request,
    principal: &Principal,
    permission: Permission,
) -> Result<User, ApiError> {
    let uid: UserUid = http::uid(request).map_err(|_| ApiError::UserNotFound)?;
    if !principal.may(Permission::UserGet, uid) {
        return Err(ApiError::UserNotFound);
    }
    let user = app.store.user(principal.user.tenant, uid).await?.ok_or(ApiError::UserNotFound)?;
    if principal.may(permission, uid) { Ok(user) } else { Err(ApiError::Forbidden(permission)) }
}

/// Nobody changes one who may do more than they.
fn check_may_manage(principal: &Principal, user: &User) -> Result<(), ApiError> {
    if principal.may_act_as(user) { Ok(()) } else { Err(ApiError::MoreThanHeld) }
}
