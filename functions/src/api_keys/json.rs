//! The forms of API keys on the wire.

use std::collections::BTreeMap;

use domain::{
    Annotations, ApiKey, ApiKeyUid, Timestamp, User, UserUid,
    api_key::{ApiKeyUpdate, Name},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    ApiError,
    wire::{self, Object, null_as_default},
};

/// A request to create or change a key. Whatever else a client sends is ignored: uids, times, state and value are not
/// the client's to choose.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = ApiKeyEntity)]
pub(super) struct Entity {
    #[serde(default, deserialize_with = "null_as_default")]
    #[schema(value_type = Metadata)]
    metadata: Object<Metadata>,
    #[serde(default, deserialize_with = "null_as_default")]
    #[schema(value_type = Spec)]
    spec: Object<Spec>,
}

#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(as = ApiKeyEntityMetadata)]
struct Metadata {
    name: Option<String>,
    annotations: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ApiKeyEntitySpec)]
struct Spec {
    #[schema(value_type = Option<wire::Uid>)]
    user_uid: Option<String>,
    #[schema(value_type = Option<wire::Time>)]
    expiry: Option<String>,
}

impl Entity {
    pub(super) fn name(&self) -> Result<Option<Name>, ApiError> {
        Ok(self.metadata.0.name.as_deref().map(Name::parse).transpose()?)
    }

    pub(super) fn annotations(&self) -> Result<Option<Annotations>, ApiError> {
        Ok(self.metadata.0.annotations.clone().map(Annotations::parse).transpose()?)
    }

    /// The user whom the key is for, as the client names them.
    pub(super) fn user_uid(&self) -> Option<&str> {
        self.spec.0.user_uid.as_deref()
    }

    /// The expiry; `None` if it is absent or Go's zero time.
    pub(super) fn expires_at(&self) -> Result<Option<Timestamp>, ApiError> {
        let Some(text) = &self.spec.0.expiry else { return Ok(None) };
        Timestamp::parse(text).map_err(|source| ApiError::Time { field: "spec.expiry", source })
    }

    pub(super) fn update(&self) -> Result<ApiKeyUpdate, ApiError> {
        Ok(ApiKeyUpdate { name: self.name()?, annotations: self.annotations()?, expires_at: self.expires_at()? })
    }
}

/// A request to revoke or re-activate. Go's clients leave out what is false.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ApiKeyState)]
pub(super) struct State {
    #[serde(default, deserialize_with = "null_as_default")]
    pub(super) is_active: bool,
}

/// The one answer that holds the value of a key.
#[derive(Serialize, ToSchema)]
#[schema(as = CreatedApiKey)]
pub(super) struct Created<'a> {
    #[serde(rename = "apiKey")]
    pub(super) api_key: &'a str,
    #[schema(value_type = wire::Uid)]
    pub(super) uid: ApiKeyUid,
}

/// A list, which is not paged.
#[derive(Serialize, ToSchema)]
#[schema(as = ApiKeys)]
pub(super) struct List {
    pub(super) items: Vec<Item>,
}

/// One key in an answer, without its value.
#[derive(Serialize, ToSchema)]
#[schema(as = ApiKey)]
pub(super) struct Item {
    metadata: wire::Metadata,
    spec: ItemSpec,
    status: Status,
}

#[derive(Serialize, ToSchema)]
#[schema(as = ApiKeySpec)]
struct ItemSpec {
    #[schema(value_type = wire::Time)]
    expiry: Timestamp,
    /// The end of its value, after dots; absent for keys of before it was kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    user: ItemUser,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ApiKeyUser)]
struct ItemUser {
    #[schema(value_type = wire::Uid)]
    uid: UserUid,
    first_name: String,
    last_name: String,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ApiKeyStatus)]
struct Status {
    is_active: bool,
    /// When it was last presented, to within an hour; null before the first time.
    last_use: Option<LastUse>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ApiKeyLastUse)]
struct LastUse {
    #[schema(value_type = wire::Time)]
    timestamp: Timestamp,
    /// The network address that it came from.
    source: String,
    user_agent: String,
}

impl From<domain::api_key::LastUse> for LastUse {
    fn from(last_use: domain::api_key::LastUse) -> Self {
        Self { timestamp: last_use.at, source: last_use.source, user_agent: last_use.user_agent }
    }
}

impl Item {
    /// - `user`: the user of the key; `None` if it is being removed at this moment.
    pub(super) fn new(user: Option<&User>, key: ApiKey) -> Self {
        let mut annotations = key.annotations.entries().clone();
        annotations.insert("ownerUid".to_owned(), key.creator.to_string());
        annotations.insert("tenantUid".to_owned(), key.tenant.to_string());
        annotations.insert("scope".to_owned(), "tenant".to_owned());
        Self {
            metadata: wire::Metadata {
                name: key.name.as_str().to_owned(),
                uid: key.uid.to_string(),
                annotations,
                labels: BTreeMap::new(),
                creation_timestamp: key.created_at,
                last_modified_timestamp: key.modified_at,
                deletion_timestamp: Timestamp::UNSET,
            },
            spec: ItemSpec {
                expiry: key.expires_at,
                key: (!key.tail.is_empty()).then(|| format!("…{}", key.tail)),
                user: ItemUser {
                    uid: key.user,
                    first_name: user.map(|user| user.first_name.clone()).unwrap_or_default(),
                    last_name: user.map(|user| user.last_name.clone()).unwrap_or_default(),
                },
            },
            status: Status { is_active: key.is_active, last_use: key.last_use.map(Into::into) },
        }
    }
}
