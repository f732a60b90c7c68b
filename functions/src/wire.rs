//! Forms that several answers and requests share.

use std::collections::BTreeMap;

use domain::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};

/// The `metadata` of an answer.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Metadata {
    pub(crate) name: String,
    pub(crate) uid: String,
    pub(crate) annotations: BTreeMap<String, String>,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) creation_timestamp: Timestamp,
    pub(crate) last_modified_timestamp: Timestamp,
    pub(crate) deletion_timestamp: Timestamp,
}

/// `null`, as Go's clients send what was never set, means the default.
pub(crate) fn null_as_default<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: Default + Deserialize<'de>,
    D: Deserializer<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}
