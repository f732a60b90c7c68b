//! The forms of users on the wire.

use domain::{
    RoleUid, Timestamp, User, UserUid,
    role::{self, Role},
    user::LoginMode,
};
use serde::{Deserialize, Serialize};

use crate::{
    ApiError,
    wire::{ListMeta, Object, null_as_default, person_name},
};

/// A request to create or change a user.
#[derive(Deserialize)]
pub(super) struct Entity {
    #[serde(default, deserialize_with = "null_as_default")]
    pub(super) spec: Object<Spec>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Spec {
    first_name: Option<String>,
    last_name: Option<String>,
    pub(super) email_id: Option<String>,
    #[serde(deserialize_with = "null_as_default")]
    pub(super) roles: Vec<String>,
    #[serde(deserialize_with = "null_as_default")]
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
        let uid: Option<RoleUid> = text.parse().ok();
        let role = role::BUILT_IN.into_iter().find(|role| Some(role.uid) == uid);
        role.map(|role| role.uid).ok_or(ApiError::RoleNotFound)
    };
    let mut roles = uids.iter().map(find).collect::<Result<Vec<_>, _>>()?;
    roles.sort_unstable();
    roles.dedup();
    Ok(roles)
}

#[derive(Serialize)]
pub(super) struct Created {
    pub(super) uid: UserUid,
}

#[derive(Serialize)]
pub(super) struct List<T> {
    pub(super) items: Vec<T>,
    pub(super) listmeta: ListMeta,
}

#[derive(Serialize)]
pub(super) struct Items<T> {
    pub(super) items: Vec<T>,
}

/// A user in an answer.
#[derive(Serialize)]
pub(super) struct Item {
    metadata: Metadata,
    spec: ItemSpec<RoleUid>,
    status: Status,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    name: String,
    uid: UserUid,
    creation_timestamp: Timestamp,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ItemSpec<R> {
    first_name: String,
    last_name: String,
    email_id: String,
    roles: Vec<R>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    is_active: bool,
    /// Always empty: the link is a secret, and it is mailed.
    activation_link: &'static str,
    is_password_resetting: bool,
    last_sign_in: Timestamp,
}

impl From<&User> for Item {
    fn from(user: &User) -> Self {
        Self { metadata: user.into(), spec: spec(user, user.roles.clone()), status: user.into() }
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
            activation_link: "",
            is_password_resetting: false,
            last_sign_in: user.last_sign_in.unwrap_or(Timestamp::UNSET),
        }
    }
}

fn spec<R>(user: &User, roles: Vec<R>) -> ItemSpec<R> {
    ItemSpec {
        first_name: user.first_name.clone(),
        last_name: user.last_name.clone(),
        email_id: user.email.clone(),
        roles,
    }
}

/// A role by uid and name.
#[derive(Serialize)]
pub(super) struct RoleRef {
    uid: RoleUid,
    name: &'static str,
}

/// The roles of a user by uid and name.
pub(super) fn role_refs(user: &User) -> Vec<RoleRef> {
    let held = role::BUILT_IN.into_iter().filter(|role: &&Role| user.roles.contains(&role.uid));
    held.map(|role| RoleRef { uid: role.uid, name: role.name }).collect()
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Roles {
    pub(super) roles: Vec<RoleRef>,
    /// From teams, of which there are none.
    pub(super) inherited_roles: [(); 0],
}

/// A user in a drop-down list.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Meta {
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
#[derive(Serialize)]
pub(super) struct Summary {
    metadata: Metadata,
    spec: SummarySpec,
    status: Status,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SummarySpec {
    #[serde(flatten)]
    spec: ItemSpec<RoleRef>,
    projects_count: u32,
    projects: [(); 0],
    teams: [(); 0],
}

impl From<&User> for Summary {
    fn from(user: &User) -> Self {
        let spec = spec(user, role_refs(user));
        let spec = SummarySpec { spec, projects_count: 0, projects: [], teams: [] };
        Self { metadata: user.into(), spec, status: user.into() }
    }
}
