//! `/v1/roles`, `/v1/permissions`: the built-in roles, which every tenant has and nobody changes.

use std::collections::BTreeMap;

use domain::{
    Permission, RoleUid,
    role::{self, Role},
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    ApiError, App, caller,
    http::{self, Request, Response},
    openapi::Operation,
    wire::{self, ListMeta},
};

/// Handles the request.
///
/// # Errors
///
/// Those of the operations; [`ApiError::NotFound`] for every other route.
pub async fn handle(app: &App, request: Request) -> Result<Response, ApiError> {
    match http::route(&request).as_str() {
        "GET /v1/roles" => list(app, request).await,
        "GET /v1/roles/{uid}" => get(app, request).await,
        "GET /v1/permissions" => permissions(app, request).await,
        _ => Err(ApiError::NotFound),
    }
}

pub(crate) fn operations() -> Vec<Operation> {
    vec![
        Operation::new("GET /v1/roles", "The built-in roles").answers::<List>(),
        Operation::new("GET /v1/roles/{uid}", "One role").answers::<Item>(),
        Operation::new("GET /v1/permissions", "What roles permit, by resource")
            .query("scope", "`tenant`, `project`, `resource` or `system`")
            .answers::<Vec<Group>>(),
    ]
}

#[derive(Serialize, ToSchema)]
#[schema(as = Roles)]
struct List {
    items: Vec<Item>,
    listmeta: ListMeta,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Role)]
struct Item {
    metadata: Metadata,
    spec: Spec,
    status: Status,
}

#[derive(Serialize, ToSchema)]
#[schema(as = RoleMetadata)]
struct Metadata {
    name: &'static str,
    #[schema(value_type = wire::Uid)]
    uid: RoleUid,
    annotations: BTreeMap<&'static str, &'static str>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = RoleSpec)]
struct Spec {
    scope: &'static str,
    r#type: &'static str,
    permissions: Vec<&'static str>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = RoleStatus)]
struct Status {
    is_enabled: bool,
}

impl From<&Role> for Item {
    fn from(role: &Role) -> Self {
        Self {
            metadata: Metadata { name: role.name, uid: role.uid, annotations: BTreeMap::from([("scope", "tenant")]) },
            spec: Spec {
                scope: "tenant",
                r#type: "system",
                permissions: role.permissions.iter().map(Permission::as_str).collect(),
            },
            status: Status { is_enabled: true },
        }
    }
}

async fn list(app: &App, request: Request) -> Result<Response, ApiError> {
    caller::permitted(app, &request, Permission::RoleList).await?;
    let items: Vec<Item> = role::BUILT_IN.into_iter().map(Item::from).collect();
    Ok(http::ok(&List { listmeta: ListMeta::whole(items.len()), items }))
}

async fn get(app: &App, request: Request) -> Result<Response, ApiError> {
    caller::permitted(app, &request, Permission::RoleGet).await?;
    let uid: RoleUid = http::uid(&request)?;
    let role = role::find(uid).ok_or(ApiError::NotFound)?;
    Ok(http::ok(&Item::from(role)))
}

#[derive(Serialize, ToSchema)]
#[schema(as = PermissionGroup)]
struct Group {
    name: &'static str,
    scope: &'static str,
    permissions: Vec<&'static str>,
}

/// What people call the resources of permissions.
const RESOURCES: [(&str, &str); 7] = [
    ("apiKey", "API Key"),
    ("audit", "Audit"),
    ("project", "Project"),
    ("role", "Role"),
    ("team", "Team"),
    ("tenant", "Tenant"),
    ("user", "User"),
];

async fn permissions(app: &App, request: Request) -> Result<Response, ApiError> {
    caller::principal(app, &request).await?;
    let scope = http::query_parameter(&request, "scope").unwrap_or_else(|| "tenant".to_owned());
    let of = |resource: &str| {
        let all = Permission::ALL.iter().map(|permission| permission.as_str());
        all.filter(|name| name.split_once('.').is_some_and(|(it, _)| it == resource)).collect()
    };
    let groups: Vec<Group> = match scope.as_str() {
        "tenant" => RESOURCES.iter().map(|(key, name)| Group { name, scope: "tenant", permissions: of(key) }).collect(),
        "system" | "project" | "resource" => Vec::new(),
        _ => return Err(ApiError::Field { field: "the query parameter scope".to_owned() }),
    };
    Ok(http::ok(&groups))
}
