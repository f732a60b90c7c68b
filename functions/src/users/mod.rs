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
    openapi::Operation,
    wire,
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

pub(crate) fn operations() -> Vec<Operation> {
    vec![
        Operation::new("GET /v1/users/info", "The uids of caller and tenant").answers::<info::Info>(),
        Operation::new("GET /v1/users/me", "The caller with roles and permissions").answers::<me::Me>(),
        Operation::new("GET /v1/users", "The users of the tenant, a page of them")
            .query("filters", "`metadata.name=…` or `spec.emailId=…`")
            .query("limit", "Users of a page, at most 50; 0 for all")
            .query("offset", "The first of the page")
            .query("continue", "What the page before said")
            .answers::<json::List>(),
        Operation::new("GET /v1/users/meta", "All users in short").answers::<json::Metas>(),
        Operation::new("POST /v1/users/summary", "The users that a filter finds")
            .may_take::<list::SummaryBody>()
            .answers::<json::Summaries>(),
        Operation::new("GET /v1/users/{uid}", "One user").answers::<json::Item>(),
        Operation::new("POST /v1/users", "Invites a person").takes::<json::Entity>().creates::<json::Created>(),
        Operation::new("PUT /v1/users/{uid}", "Changes the names of a user").takes::<json::Entity>(),
        Operation::new("PATCH /v1/users/{uid}", "Changes names or state of a user by JSON Patch")
            .takes::<Vec<change::Operation>>(),
        Operation::new("PATCH /v1/users/{uid}/status/loginMode", "Sets what the user chose to see")
            .takes::<change::LoginModeBody>(),
        Operation::new("DELETE /v1/users/{uid}", "Removes a user with their API keys"),
        Operation::new("GET /v1/users/{uid}/roles", "The roles of a user").answers::<json::Roles>(),
        Operation::new("PUT /v1/users/{uid}/roles", "Replaces the roles of a user").takes::<roles::Body>(),
        Operation::new("GET /v1/users/{uid}/projects", "The roles of a user in projects alone: none")
            .answers::<roles::ProjectsBody>(),
        Operation::new("PUT /v1/users/{uid}/projects", "Takes an empty list, which is what there is")
            .takes::<roles::ProjectsBody>(),
        Operation::new("GET /v1/users/{uid}/resourceRoles", "Nothing; Terraform asks").answers::<wire::Empty>(),
        Operation::new("GET /v1/workspaces/users/{uid}/roles", "Nothing; Terraform asks").answers::<wire::Empty>(),
    ]
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
