//! `GET /v1/auth/orgs`: all organizations of the caller, whichever one they are signed in to.

use serde::Serialize;
use utoipa::ToSchema;

use super::Organization;
use crate::{
    ApiError, App, caller,
    http::{self, Request, Response},
    person,
};

#[derive(Serialize, ToSchema)]
#[schema(as = Organizations)]
pub(super) struct List {
    organizations: Vec<Organization>,
}

pub(super) async fn handle(app: &App, request: Request) -> Result<Response, ApiError> {
    let principal = caller::principal(app, &request).await?;
    // A key opens one tenant, and whoever made it for the user is not to learn of the others.
    let Some(session) = principal.session() else {
        let tenant = app.store.tenant(principal.user.tenant).await?.ok_or(ApiError::TenantGone)?;
        return Ok(http::ok(&List { organizations: vec![Organization::new(app, &tenant)] }));
    };
    let address = person::address_of(&principal.user)?;
    let person = app.store.person(address.canonical()).await?;
    let memberships = person::reachable(app, session, &person).await?;
    let organizations = memberships.iter().map(|(tenant, _)| Organization::new(app, tenant)).collect();
    Ok(http::ok(&List { organizations }))
}
