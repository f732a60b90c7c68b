//! The forms of users on the wire.

use domain::{
    RoleUid, Timestamp, User, UserUid,
    role::{self, Role},
    user::LoginMode,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    ApiError,
    wire::{self, ListMeta, Object, null_as_default, person_name},
};

/// A request to create or change a user.
#[derive(Deserialize, ToSchema)]
#[schema(as = UserEntity)]
pub(super) struct Entity {
    #[serde(default, deserialize_with = "null_as_default")]
    #[schema(value_type = Spec)]
    pub(super) spec: Object<Spec>,
}

#[derive(Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
#[schema(as = UserEntitySpec)]
pub(super) struct Spec {
    first_name: Option<String>,
    last_name: Option<String>,
    pub(super) email_id: Option<String>,
    #[serde(deserialize_with = "null_as_default")]
    pub(super) roles: Vec<String>,
    #[serde(deserialize_with = "null_as_default")]
    #[schema(value_type = wire::LoginMode)]
    pub(super) login_mode: LoginMode,
}

impl Spec {
    pub(super) fn first_name(&self) -> Result<Option<String>, ApiError> {
        self.first_name.as_deref().map(|name| person_name("spec.firstName", name)).transpose()
    }

    pub(super) fn last_name(&self) -> Result<Option<String>, ApiError> {
        self.last_name.as_deref().map(|name| person_name("spec.lastName", name)).transpose()
    }
}

/// The roles of these uids, all of which must exist.
pub(super) fn roles(uids: &[String]) -> Result<Vec<RoleUid>, ApiError> {
    let find = |text: &String| {
        let role = text.parse().ok().and_then(role::find);
        role.map(|role| role.uid).ok_or(ApiError::RoleNotFound)
    };
    let mut roles = uids.iter().map(find).collect::<Result<Vec<_>, _>>()?;
    roles.sort_unstable();
    roles.dedup();
    Ok(roles)
}

#[derive(Serialize, ToSchema)]
#[schema(as = CreatedUser)]
pub(super) struct Created {
    #[schema(value_type = wire::Uid)]
    pub(super) uid: UserUid,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Users)]
pub(super) struct List {
    pub(super) items: Vec<Item>,
    pub(super) listmeta: ListMeta,
}

#[derive(Serialize, ToSchema)]
#[schema(as = UserMetas)]
pub(super) struct Metas {
    pub(super) items: Vec<Meta>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = UserSummaries)]
pub(super) struct Summaries {
    pub(super) items: Vec<Summary>,
}

/// A user in an answer.
#[derive(Serialize, ToSchema)]
#[schema(as = User)]
pub(super) struct Item {
    metadata: Metadata,
    spec: ItemSpec,
    status: Status,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = UserMetadata)]
struct Metadata {
    name: String,
    #[schema(value_type = wire::Uid)]
    uid: UserUid,
    #[schema(value_type = wire::Time)]
    creation_timestamp: Timestamp,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = UserSpec)]
struct ItemSpec {
    first_name: String,
    last_name: String,
    email_id: String,
    #[schema(value_type = Vec<wire::Uid>)]
    roles: Vec<RoleUid>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = UserStatus)]
struct Status {
    is_active: bool,
    /// Whether the invitation is still to be accepted.
    is_pending: bool,
    /// Always empty: the link is a secret, and it is mailed.
    activation_link: &'static str,
    is_password_resetting: bool,
    #[schema(value_type = wire::Time)]
    last_sign_in: Timestamp,
}

impl From<&User> for Item {
    fn from(user: &User) -> Self {
        let spec = ItemSpec {
            first_name: user.first_name.clone(),
            last_name: user.last_name.clone(),
            email_id: user.email.clone(),
            roles: user.roles.clone(),
        };
        Self { metadata: user.into(), spec, status: user.into() }
    }
}

impl From<&User> for Metadata {
    fn from(user: &User) -> Self {
        Self { name: user.name(), uid: user.uid, creation_timestamp: user.created_at }
    }
}

impl From<&User> for Status {
    fn from(user: &User) -> Self {
        Self {
            is_active: user.is_active,
            is_pending: user.is_pending,
            activation_link: "",
            is_password_resetting: false,
            last_sign_in: user.last_sign_in.unwrap_or(Timestamp::UNSET),
        }
    }
}

/// A role by uid and name.
#[derive(Serialize, ToSchema)]
pub(super) struct RoleRef {
    #[schema(value_type = wire::Uid)]
    uid: RoleUid,
    name: &'static str,
}

/// The roles of a user by uid and name.
pub(super) fn role_refs(user: &User) -> Vec<RoleRef> {
    let held = role::BUILT_IN.into_iter().filter(|role: &&Role| user.roles.contains(&role.uid));
    held.map(|role| RoleRef { uid: role.uid, name: role.name }).collect()
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = UserRoles)]
pub(super) struct Roles {
    pub(super) roles: Vec<RoleRef>,
    /// From teams, of which there are none.
    #[schema(value_type = Vec<RoleRef>)]
    pub(super) inherited_roles: [(); 0],
}

/// A user in a drop-down list.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = UserMeta)]
pub(super) struct Meta {
    #[schema(value_type = wire::Uid)]
    uid: UserUid,
    name: String,
    email_id: String,
}

impl From<&User> for Meta {
    fn from(user: &User) -> Self {
        Self { uid: user.uid, name: user.name(), email_id: user.email.clone() }
    }
}

/// A user in a summary.
#[derive(Serialize, ToSchema)]
#[schema(as = UserSummary)]
pub(super) struct Summary {
    metadata: Metadata,
    spec: SummarySpec,
    status: Status,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = UserSummarySpec)]
struct SummarySpec {
    first_name: String,
    last_name: String,
    email_id: String,
    roles: Vec<RoleRef>,
    projects_count: u32,
    #[schema(value_type = Vec<RoleRef>)]
    projects: [(); 0],
    #[schema(value_type = Vec<RoleRef>)]
    teams: [(); 0],
}

impl From<&User> for Summary {
    fn from(user: &User) -> Self {
        let spec = SummarySpec {
            first_name: user.first_name.clone(),
            last_name: user.last_name.clone(),
            email_id: user.email.clone(),
            roles: role_refs(user),
            projects_count: 0,
            projects: [],
            teams: [],
        };
        Self { metadata: user.into(), spec, status: user.into() }
    }
}
