//! Reading users: one, a page, all in short, and by a filter.

use std::cmp::Ordering;

use domain::{Permission, User};
use serde::Deserialize;
use utoipa::ToSchema;

use super::json::{Item, List, Meta, Metas, Summaries, Summary};
use crate::{
    ApiError, App, caller,
    http::{self, Request, Response},
    wire::{self, ListMeta, Object, null_as_default},
};

/// `GET /v1/users/{uid}`.
pub(super) async fn one(app: &App, request: Request) -> Result<Response, ApiError> {
    let principal = caller::principal(app, &request).await?;
    let user = super::permitted(app, &request, &principal, Permission::UserGet).await?;
    Ok(http::ok(&Item::from(&user)))
}

/// `GET /v1/users`.
pub(super) async fn handle(app: &App, request: Request) -> Result<Response, ApiError> {
    let mut users = sorted(app, &request).await?;
    if let Some(filters) = http::query_parameter(&request, "filters").filter(|filters| !filters.is_empty()) {
        for term in filters.replace("ANDspec.", "\0spec.").replace("ANDmetadata.", "\0metadata.").split('\0') {
            let (path, value) = term.split_once('=').ok_or(ApiError::Filters)?;
            match path.trim() {
                "metadata.name" => users.retain(|user| user.name() == value),
                "spec.emailId" => users.retain(|user| user.email.eq_ignore_ascii_case(value)),
                _ => return Err(ApiError::Filters),
            }
        }
    }
    let page = wire::Page::of(&request)?;
    let listmeta = ListMeta::of(page, users.len());
    let items = page.cut(&users).iter().map(Item::from).collect();
    Ok(http::ok(&List { items, listmeta }))
}

/// `GET /v1/users/meta`.
pub(super) async fn meta(app: &App, request: Request) -> Result<Response, ApiError> {
    let users = sorted(app, &request).await?;
    Ok(http::ok(&Metas { items: users.iter().map(Meta::from).collect() }))
}

#[derive(Default, Deserialize, ToSchema)]
#[schema(as = UserSummaryRequest)]
pub(super) struct SummaryBody {
    #[serde(default, deserialize_with = "null_as_default")]
    #[schema(value_type = Filter)]
    filter: Object<Filter>,
    #[serde(default, deserialize_with = "null_as_default")]
    #[schema(value_type = Vec<Sort>)]
    sort: Vec<Object<Sort>>,
}

#[derive(Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = UserFilter)]
struct Filter {
    #[serde(default, deserialize_with = "null_as_default")]
    #[schema(value_type = TextFilter)]
    email_id: Object<TextFilter>,
    #[serde(default, deserialize_with = "null_as_default")]
    #[schema(value_type = TextFilter)]
    name: Object<TextFilter>,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
struct TextFilter {
    eq: Option<String>,
    ne: Option<String>,
    contains: Option<String>,
    begins_with: Option<String>,
    ignore_case: bool,
}

impl Default for TextFilter {
    fn default() -> Self {
        Self { eq: None, ne: None, contains: None, begins_with: None, ignore_case: true }
    }
}

impl TextFilter {
    fn matches(&self, text: &str) -> bool {
        let fold = |text: &str| if self.ignore_case { text.to_lowercase() } else { text.to_owned() };
        let text = fold(text);
        let holds = |wanted: &Option<String>, test: fn(&str, &str) -> bool| {
            wanted.as_ref().filter(|wanted| !wanted.is_empty()).is_none_or(|wanted| test(&text, &fold(wanted)))
        };
        holds(&self.eq, |text, wanted| text == wanted)
            && holds(&self.ne, |text, wanted| text != wanted)
            && holds(&self.contains, |text, wanted| text.contains(wanted))
            && holds(&self.begins_with, |text, wanted| text.starts_with(wanted))
    }
}

#[derive(Deserialize, ToSchema)]
struct Sort {
    field: String,
    #[serde(default, deserialize_with = "null_as_default")]
    order: String,
}

/// `POST /v1/users/summary`: finds a user in the request right after its creation, as Terraform needs.
pub(super) async fn summary(app: &App, request: Request) -> Result<Response, ApiError> {
    let mut users = sorted(app, &request).await?;
    let SummaryBody { filter: Object(filter), sort } = http::optional_body(&request)?.unwrap_or_default();
    users.retain(|user| filter.email_id.0.matches(&user.email) && filter.name.0.matches(&user.name()));
    // The first criterion is the strongest, so it is applied last.
    for Object(sort) in sort.into_iter().rev() {
        match sort.field.as_str() {
            "name" => users.sort_by(|one, other| ordered(&sort.order, one.name().cmp(&other.name()))),
            "creationTimestamp" => {
                users.sort_by(|one, other| ordered(&sort.order, one.created_at.cmp(&other.created_at)));
            }
            _ => return Err(ApiError::Field { field: "sort.field".to_owned() }),
        }
    }
    Ok(http::ok(&Summaries { items: users.iter().map(Summary::from).collect() }))
}

fn ordered(order: &str, ascending: Ordering) -> Ordering {
    if order == "desc" { ascending.reverse() } else { ascending }
}

async fn sorted(app: &App, request: &Request) -> Result<Vec<User>, ApiError> {
    let principal = caller::permitted(app, request, Permission::UserList).await?;
    let mut users = app.store.users(principal.user.tenant).await?;
    users.sort_by_key(|user| (user.created_at, user.uid));
    Ok(users)
}
