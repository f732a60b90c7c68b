//! Forms that several answers and requests share.

use std::{collections::BTreeMap, fmt, marker::PhantomData};

use domain::Timestamp;
use domain::user::MAX_NAME_CHARS;
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{IgnoredAny, MapAccess, Visitor, value::MapAccessDeserializer},
};
use utoipa::ToSchema;

use crate::{
    ApiError,
    http::{self, Request},
};

/// A uid: 24 lowercase hex digits.
#[derive(ToSchema)]
#[schema(pattern = "^[0-9a-f]{24}$")]
#[expect(dead_code, reason = "stands for the uids of `domain` in schemas only")]
pub(crate) struct Uid(String);

/// What a person chose to see; it means nothing here.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "stands for the login mode of `domain` in schemas only")]
pub(crate) enum LoginMode {
    Dev,
    Devops,
}

/// A time in UTC, to the millisecond.
#[derive(ToSchema)]
#[schema(format = DateTime)]
#[expect(dead_code, reason = "stands for `Timestamp` in schemas only")]
pub(crate) struct Time(String);

/// The `metadata` of an answer.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ApiKeyMetadata)]
pub(crate) struct Metadata {
    pub(crate) name: String,
    #[schema(value_type = Uid)]
    pub(crate) uid: String,
    pub(crate) annotations: BTreeMap<String, String>,
    pub(crate) labels: BTreeMap<String, String>,
    #[schema(value_type = Time)]
    pub(crate) creation_timestamp: Timestamp,
    #[schema(value_type = Time)]
    pub(crate) last_modified_timestamp: Timestamp,
    #[schema(value_type = Time)]
    pub(crate) deletion_timestamp: Timestamp,
}

/// An object without members.
#[derive(Serialize, ToSchema)]
pub(crate) struct Empty {}

/// What a list says of itself.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ListMeta {
    r#continue: String,
    count: usize,
    limit: usize,
    offset: usize,
}

impl ListMeta {
    /// Of a list that is not cut.
    pub(crate) fn whole(count: usize) -> Self {
        Self { r#continue: String::new(), count, limit: MAX_PAGE, offset: count }
    }

    /// Of a part of a list whose length nobody counts.
    pub(crate) fn part(next: Option<String>, count: usize, limit: usize, offset: usize) -> Self {
        Self { r#continue: next.unwrap_or_default(), count, limit, offset: offset + count }
    }

    /// Of one page of so many.
    pub(crate) fn of(page: Page, count: usize) -> Self {
        let next = page.end(count);
        let r#continue = if next < count { next.to_string() } else { String::new() };
        Self { r#continue, count, limit: page.limit, offset: next }
    }
}

/// Things of one page.
const MAX_PAGE: usize = 50;

/// Which part of a list is asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Page {
    /// 0 means all: Go's client looks for one user among all of them so.
    limit: usize,
    start: usize,
}

impl Page {
    pub(crate) fn of(request: &Request) -> Result<Self, ApiError> {
        let limit = limit(request)?;
        let start = number(request, "continue")?.or(number(request, "offset")?).unwrap_or(0);
        Ok(Self { limit, start })
    }

    fn end(self, count: usize) -> usize {
        if self.limit == 0 { count } else { self.start.saturating_add(self.limit).min(count) }
    }

    pub(crate) fn cut<T>(self, things: &[T]) -> &[T] {
        let end = self.end(things.len());
        things.get(self.start.min(end)..end).unwrap_or_default()
    }
}

/// How many things a page is to have; 0 means all.
fn limit(request: &Request) -> Result<usize, ApiError> {
    let limit = number(request, "limit")?.unwrap_or(MAX_PAGE);
    if limit > MAX_PAGE { Err(ApiError::Page) } else { Ok(limit) }
}

/// Limit and offset of a list that is too long to be asked for as a whole.
pub(crate) fn limit_and_offset(request: &Request) -> Result<(usize, usize), ApiError> {
    let limit = limit(request)?;
    Ok((if limit == 0 { MAX_PAGE } else { limit }, number(request, "offset")?.unwrap_or(0)))
}

fn number(request: &Request, name: &str) -> Result<Option<usize>, ApiError> {
    match http::query_parameter(request, name).filter(|text| !text.is_empty()) {
        Some(text) => text.parse().map(Some).map_err(|_| ApiError::Page),
        None => Ok(None),
    }
}

/// The given or family name of a person.
pub(crate) fn person_name(field: &'static str, text: &str) -> Result<String, ApiError> {
    let name = text.trim();
    // Names stand in mails to people who do not know their bearer, so nothing in them may look like a link.
    let is_name = |char: char| !char.is_control() && !"/@<>\u{200b}\u{202e}\u{2066}\u{2067}\u{2068}".contains(char);
    let looks_like_a_host =
        name.split('.').skip(1).any(|rest| rest.chars().take(2).filter(|char| char.is_alphanumeric()).count() == 2);
    let fits = (1..=MAX_NAME_CHARS).contains(&name.chars().count()) && name.chars().all(is_name) && !looks_like_a_host;
    if fits { Ok(name.to_owned()) } else { Err(ApiError::PersonName { field }) }
}

/// `null`, as Go's clients send what was never set, means the default.
pub(crate) fn null_as_default<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: Default + Deserialize<'de>,
    D: Deserializer<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// What is the server's to say. Unlike `skip_deserializing` it leaves the member in the schema.
pub(crate) fn ignored<'de, T: Default, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    IgnoredAny::deserialize(deserializer).map(|_| T::default())
}

/// A struct that stands as an object. `serde` alone would take an array for it too, field by field.
#[derive(Debug, Default)]
pub(crate) struct Object<T>(pub(crate) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Members<T> {
            type Value = T;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<T, A::Error> {
                T::deserialize(MapAccessDeserializer::new(members))
            }
        }

        deserializer.deserialize_map(Members(PhantomData)).map(Self)
    }
}
