//! Projects, as far as clients of Palette ask for them before anything else.

use domain::{Permission, ProjectUid};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    ApiError, App, caller,
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
        "GET /v1/dashboard/projects/metadata" => metadata(app, request).await,
        "GET /v1/projects/alerts" | "GET /v1/projects/alert" => alerts(app, request).await,
        _ => Err(ApiError::NotFound),
    }
}

pub(crate) fn operations() -> Vec<Operation> {
    let alerts = |route| Operation::new(route, "What can send alerts").answers::<Alerts>();
    vec![
        Operation::new("GET /v1/dashboard/projects/metadata", "The projects that the caller can see")
            .query("name", "Of this name only")
            .answers::<List>(),
        alerts("GET /v1/projects/alerts"),
        alerts("GET /v1/projects/alert"),
    ]
}

#[derive(Serialize, ToSchema)]
#[schema(as = Projects)]
struct List {
    items: Vec<Item>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Project)]
struct Item {
    metadata: Metadata,
}

#[derive(Serialize, ToSchema)]
#[schema(as = ProjectMetadata)]
struct Metadata {
    name: String,
    #[schema(value_type = wire::Uid)]
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

#[derive(Serialize, ToSchema)]
struct Alerts {
    #[schema(value_type = Vec<Component>)]
    components: [Component; 1],
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AlertComponent)]
struct Component {
    name: &'static str,
    description: &'static str,
    #[schema(value_type = Vec<String>)]
    supported_channels: [&'static str; 1],
}

/// What can send alerts; the call by which the documentation shows that a token works.
async fn alerts(app: &App, request: Request) -> Result<Response, ApiError> {
    caller::principal(app, &request).await?;
    let component =
        Component { name: "ApiKey", description: "An API key is about to expire", supported_channels: ["email"] };
    Ok(http::ok(&Alerts { components: [component] }))
}
