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
    let address = person::address_of(&principal.user)?;
    let person = app.store.person(address.canonical()).await?;
    let memberships = person::active_memberships(app, &person).await?;
    let organizations = memberships.iter().map(|(tenant, _)| Organization::new(app, tenant)).collect();
    Ok(http::ok(&List { organizations }))
}
