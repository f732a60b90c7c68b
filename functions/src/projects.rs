//! Projects, as far as clients of Palette ask for them before anything else.

use domain::{Permission, ProjectUid};
use serde::Serialize;

use crate::{
    ApiError, App, caller,
    http::{self, Request, Response},
};

/// Handles the request.
///
/// # Errors
///
/// Those of the operations; [`ApiError::NotFound`] for every other route.
pub async fn handle(app: &App, request: Request) -> Result<Response, ApiError> {
    match http::route(&request).as_str() {
        "GET /v1/dashboard/projects/metadata" => metadata(app, request).await,
        "GET /v1/projects/alerts" | "GET /v1/projects/alert" => alerts(app, request).await,
        _ => Err(ApiError::NotFound),
    }
}

#[derive(Serialize)]
struct List {
    items: Vec<Item>,
}

#[derive(Serialize)]
struct Item {
    metadata: Metadata,
}

#[derive(Serialize)]
struct Metadata {
    name: String,
    uid: ProjectUid,
}

/// The projects that the caller can see. The Terraform provider does not start without.
async fn metadata(app: &App, request: Request) -> Result<Response, ApiError> {
    let principal = caller::principal(app, &request).await?;
    let name = http::query_parameter(&request, "name").filter(|name| !name.is_empty());
    let projects = if principal.has(Permission::ProjectList) {
        app.store.projects(principal.user.tenant).await?
    } else {
        Vec::new()
    };
    let shown = projects.into_iter().filter(|project| name.as_ref().is_none_or(|name| *name == project.name));
    let items = shown.map(|project| Item { metadata: Metadata { name: project.name, uid: project.uid } }).collect();
    Ok(http::ok(&List { items }))
}

#[derive(Serialize)]
struct Alerts {
    components: [Component; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Component {
    name: &'static str,
    description: &'static str,
    supported_channels: [&'static str; 1],
}

/// What can send alerts; the call by which the documentation shows that a token works.
async fn alerts(app: &App, request: Request) -> Result<Response, ApiError> {
    caller::principal(app, &request).await?;
    let component =
        Component { name: "ApiKey", description: "An API key is about to expire", supported_channels: ["email"] };
    Ok(http::ok(&Alerts { components: [component] }))
}
