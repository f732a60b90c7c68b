//! The audit trail: what happened in a tenant, who did it and by what, and the chain that shows whether anybody has
//! changed it since.
//!
//! A record is written with the change that it tells of and never again. A link follows a moment later: the hash over
//! the record and the link before, by another function, whose role alone may write links.

use std::fmt;

use ring::digest::{Context, SHA256};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use serde_json::value::RawValue;

use crate::{
    api_key::ApiKey,
    principal::{Credential, Principal},
    sso::Provider,
    tenant::Tenant,
    timestamp::Timestamp,
    uid::{ApiKeyUid, AuditUid, SessionUid, TenantUid, UID_BYTES, UserUid},
    user::User,
};

/// Bytes of a uid that tell the time.
const TIME_BYTES: usize = 6;
/// The last moment that they can tell.
const LAST_MILLIS: i64 = (1 << (8 * TIME_BYTES)) - 1;
/// Characters that are kept of what a client says of itself.
const MAX_USER_AGENT: usize = 256;
/// Characters of a note.
const NOTE: std::ops::RangeInclusive<usize> = 3..=255;

/// What kind of thing was done, as the wire names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Something came to be.
    Create,
    /// Something changed.
    Update,
    /// Something was removed.
    Delete,
    /// Somebody came in, or was refused.
    Activity,
}

impl Action {
    /// The wire's name of it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::Activity => "activity",
        }
    }
}

/// A person as they were when it happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// Names the user.
    pub uid: UserUid,
    /// Given name.
    pub first_name: String,
    /// Family name.
    pub last_name: String,
    /// Address.
    pub email: String,
}

impl From<&User> for Person {
    fn from(user: &User) -> Self {
        let User { uid, first_name, last_name, email, .. } = user.clone();
        Self { uid, first_name, last_name, email }
    }
}

/// By what somebody was recognised. Never the credential itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum Means {
    /// An API key.
    ApiKey {
        /// Which.
        uid: ApiKeyUid,
    },
    /// A token.
    Token {
        /// Of which session.
        session: SessionUid,
        /// Born of which key, if of one.
        #[serde(rename = "apiKey", skip_serializing_if = "Option::is_none", default)]
        api_key: Option<ApiKeyUid>,
    },
    /// A password.
    Password,
    /// A provider that vouched for them.
    Sso {
        /// Which.
        provider: Provider,
    },
    /// A mailed link.
    Link,
    /// Nothing: the service itself, or somebody who was not recognised.
    None,
}

impl From<&Credential> for Means {
    fn from(credential: &Credential) -> Self {
        match credential {
            Credential::ApiKey(key) => Self::ApiKey { uid: key.uid },
            Credential::Token { claims, .. } => Self::Token { session: claims.sid, api_key: claims.kuid },
        }
    }
}

/// Who acted, by what and from where: what is the same whatever they did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// Absent for the service itself.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub user: Option<Person>,
    /// By what they were recognised.
    pub means: Means,
    /// The network address that the gateway saw.
    pub source: String,
    /// What the client says of itself.
    pub user_agent: String,
}

impl Actor {
    /// The service itself.
    pub const fn service() -> Self {
        Self { user: None, means: Means::None, source: String::new(), user_agent: String::new() }
    }

    /// Somebody who was recognised, from this address.
    pub fn new(user: &User, means: Means, source: String, user_agent: &str) -> Self {
        Self { user: Some(user.into()), means, source, user_agent: String::new() }.saying(user_agent)
    }

    /// With what the client says of itself, cut and without control characters.
    #[must_use]
    pub fn saying(self, user_agent: &str) -> Self {
        Self { user_agent: shown_agent(user_agent), ..self }
    }

    /// Whoever calls, from this address.
    pub fn principal(principal: &Principal, source: String, user_agent: &str) -> Self {
        Self::new(&principal.user, (&principal.credential).into(), source, user_agent)
    }
}

/// What is kept of what a client says of itself.
pub fn shown_agent(user_agent: &str) -> String {
    user_agent.chars().filter(|char| !char.is_control()).take(MAX_USER_AGENT).collect()
}

/// The thing that it happened to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resource {
    /// Such as `apiKey`.
    pub kind: String,
    /// What people call the kind.
    pub label: String,
    /// What people call the thing.
    pub name: String,
    /// Names it on the wire.
    pub uid: String,
}

impl Resource {
    fn new(kind: &str, label: &str, name: &str, uid: impl ToString) -> Self {
        Self { kind: kind.to_owned(), label: label.to_owned(), name: name.to_owned(), uid: uid.to_string() }
    }

    /// An API key.
    pub fn api_key(key: &ApiKey) -> Self {
        Self::new("apiKey", "API Key", key.name.as_str(), key.uid)
    }

    /// An API key of which only this is known.
    pub fn expired_api_key(uid: ApiKeyUid, name: &str) -> Self {
        Self::new("apiKey", "API Key", name, uid)
    }

    /// A user.
    pub fn user(user: &User) -> Self {
        Self::new("user", "User", &user.name(), user.uid)
    }

    /// A user of whom only the address is known.
    pub fn member(user: UserUid, email: &str) -> Self {
        Self::new("user", "User", email, user)
    }

    /// A tenant, its settings included.
    pub fn tenant(tenant: &Tenant) -> Self {
        Self::new("tenant", "Tenant", tenant.org_name.as_str(), tenant.uid)
    }

    /// A session.
    pub fn session(session: SessionUid) -> Self {
        Self::new("session", "Session", "", session)
    }
}

/// What happened once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Names it; a later one has a greater uid.
    pub uid: AuditUid,
    /// In which tenant.
    pub tenant: TenantUid,
    /// When.
    pub at: Timestamp,
    /// What kind of thing.
    pub action: Action,
    /// What, in a few words.
    pub message: String,
    /// What exactly, in a sentence.
    pub content: String,
    /// Who.
    pub actor: Actor,
    /// To what.
    pub resource: Resource,
    /// Whose thing it is, where that is another user than the actor may be.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub subject: Option<UserUid>,
}

impl Record {
    /// The uid of a record of this moment.
    ///
    /// - `random`: keeps those of one millisecond apart.
    pub fn uid_at(at: Timestamp, random: [u8; UID_BYTES - TIME_BYTES]) -> AuditUid {
        let mut bytes = [0; UID_BYTES];
        let millis = at.millis().clamp(0, LAST_MILLIS);
        bytes[..TIME_BYTES].copy_from_slice(&millis.to_be_bytes()[8 - TIME_BYTES..]);
        bytes[TIME_BYTES..].copy_from_slice(&random);
        AuditUid::from_bytes(bytes)
    }

    /// The greatest uid below this one.
    pub fn uid_before(uid: AuditUid) -> Option<AuditUid> {
        let mut bytes = *uid.as_bytes();
        for byte in bytes.iter_mut().rev() {
            let (less, borrows) = byte.overflowing_sub(1);
            *byte = less;
            if !borrows {
                return Some(AuditUid::from_bytes(bytes));
            }
        }
        None
    }

    /// What is stored and hashed.
    pub fn to_text(&self) -> String {
        serde_json::to_string(self).expect("a record has a form in JSON")
    }
}

/// A note of the actor's on what they did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note(String);

/// The text is too short or too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("userMsg must have 3 to 255 characters, none of them a control character")]
pub struct NotANote;

impl Note {
    /// Reads a note.
    ///
    /// # Errors
    ///
    /// [`NotANote`].
    pub fn parse(text: &str) -> Result<Self, NotANote> {
        let note = text.trim();
        let fits = NOTE.contains(&note.chars().count()) && !note.chars().any(char::is_control);
        if fits { Ok(Self(note.to_owned())) } else { Err(NotANote) }
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// SHA-256 over a link and everything before it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct LinkHash([u8; 32]);

impl LinkHash {
    /// What the first link of a tenant follows.
    pub const NONE: Self = Self([0; 32]);

    /// The hash of the link after this one.
    ///
    /// - `seq`: counts the links of a tenant from 1.
    /// - `record`: the text of the record.
    #[must_use]
    pub fn next(&self, seq: u64, record: &str) -> Self {
        let mut context = Context::new(&SHA256);
        context.update(&self.0);
        context.update(&seq.to_be_bytes());
        context.update(record.as_bytes());
        Self(context.finish().as_ref().try_into().expect("SHA-256 gives 32 bytes"))
    }

    /// Reads the text form.
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        let is_lower = !text.bytes().any(|byte| byte.is_ascii_uppercase());
        (is_lower && hex::decode_to_slice(text, &mut bytes).is_ok()).then_some(Self(bytes))
    }
}

impl fmt::Display for LinkHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for LinkHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for LinkHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for LinkHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| D::Error::custom("not 64 lowercase hexadecimal characters"))
    }
}

/// A line of an exported trail: a record with its link.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// Its place in the chain.
    pub seq: u64,
    /// The hash of the link before.
    pub previous: LinkHash,
    /// The hash of this one.
    pub hash: LinkHash,
    /// The record, byte for byte as it was hashed.
    pub record: Box<RawValue>,
}

/// The last line of an exported trail: how far the chain goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// Whose trail it is.
    pub tenant: TenantUid,
    /// The place of the last link.
    pub seq: u64,
    /// Its hash.
    pub hash: LinkHash,
}

/// A trail that nobody has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// Records in it.
    pub count: u64,
    /// The place of the first one: 1 unless older ones have passed their time.
    pub first_seq: u64,
    /// How far it goes. Whoever has noted an earlier head can see that this trail continues it.
    pub head: Head,
}

/// What is wrong with a trail, and where that shows first.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}{}: {what}", .uid.map(|uid| format!(", record {uid}")).unwrap_or_default())]
pub struct Broken {
    /// Counted from 1.
    pub line: usize,
    /// The record, where that can be read.
    pub uid: Option<AuditUid>,
    /// What does not fit.
    pub what: Flaw,
}

/// What does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// It is not what an export writes.
    #[error("this is no line of an export")]
    Form,
    /// A record was taken out, put in or moved.
    #[error("it does not follow the line before")]
    Order,
    /// The record, its place or its hash was changed.
    #[error("the record is not what its hash says")]
    Content,
    /// It belongs to another tenant.
    #[error("it is another tenant's")]
    Tenant,
    /// The chain goes further than the export, or less far.
    #[error("the trail does not end where the chain does")]
    End,
}

/// Checks an exported trail: one [`Line`] for each record in the order of the chain, and a [`Head`].
///
/// # Errors
///
/// The first place where something does not fit.
pub fn verify(export: &[u8]) -> Result<Verified, Broken> {
    let text = export.strip_suffix(b"\n");
    let lines: Vec<&[u8]> = text.unwrap_or(export).split(|byte| *byte == b'\n').collect();
    let broken = |line: usize, uid, what| Broken { line: line + 1, uid, what };
    let Some((last, records)) = lines.split_last() else { return Err(broken(0, None, Flaw::Form)) };
    let mut before: Option<(u64, LinkHash)> = None;
    let mut first: Option<(u64, TenantUid)> = None;
    for (at, line) in records.iter().enumerate() {
        let line: Line = exactly(line).ok_or(broken(at, None, Flaw::Form))?;
        let place: Option<Place> = serde_json::from_str(line.record.get()).ok();
        let uid = place.as_ref().map(|place| place.uid);
        // The record first: what was changed is named, rather than what follows it.
        if line.previous.next(line.seq, line.record.get()) != line.hash {
            return Err(broken(at, uid, Flaw::Content));
        }
        let place = place.ok_or(broken(at, None, Flaw::Form))?;
        if before.is_some_and(|(seq, hash)| (line.seq, line.previous) != (seq + 1, hash)) {
            return Err(broken(at, uid, Flaw::Order));
        }
        if first.get_or_insert((line.seq, place.tenant)).1 != place.tenant {
            return Err(broken(at, uid, Flaw::Tenant));
        }
        before = Some((line.seq, line.hash));
    }
    let end = records.len();
    let head: Head = text.and_then(|_| exactly(last)).ok_or(broken(end, None, Flaw::Form))?;
    if first.is_some_and(|(_, tenant)| tenant != head.tenant) {
        return Err(broken(end, None, Flaw::Tenant));
    }
    // All records may have passed their time; what came before them is not known any more.
    if before.is_some_and(|last| last != (head.seq, head.hash)) {
        return Err(broken(end, None, Flaw::End));
    }
    Ok(Verified { count: end as u64, first_seq: first.map_or(head.seq + 1, |(seq, _)| seq), head })
}

#[derive(Deserialize)]
struct Place {
    uid: AuditUid,
    tenant: TenantUid,
}

/// What a line says, if it says it in exactly the bytes that an export would write.
fn exactly<T: Serialize + serde::de::DeserializeOwned>(line: &[u8]) -> Option<T> {
    let value: T = serde_json::from_slice(line).ok()?;
    (serde_json::to_vec(&value).ok()? == line).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TENANT: TenantUid = TenantUid::from_bytes([2; 12]);

    fn record(number: u8) -> Record {
        let at = Timestamp::from_secs(1_800_000_000 + i64::from(number));
        Record {
            uid: Record::uid_at(at, [number; 6]),
            tenant: TENANT,
            at,
            action: Action::Create,
            message: "API key created".to_owned(),
            content: format!("key \"{number}\" – for \u{1f}Tom"),
            actor: Actor::service(),
            resource: Resource::new("apiKey", "API Key", "deploy", number),
            subject: None,
        }
    }

    fn export(count: u8) -> Vec<u8> {
        let (mut previous, mut text) = (LinkHash::NONE, String::new());
        for seq in 1..=u64::from(count) {
            let record = record(u8::try_from(seq).unwrap()).to_text();
            let hash = previous.next(seq, &record);
            let line = Line { seq, previous, hash, record: RawValue::from_string(record).unwrap() };
            text += &(serde_json::to_string(&line).unwrap() + "\n");
            previous = hash;
        }
        let head = Head { tenant: TENANT, seq: count.into(), hash: previous };
        text += &(serde_json::to_string(&head).unwrap() + "\n");
        text.into_bytes()
    }

    #[test]
    fn an_untouched_trail_is_verified() {
        for count in [0, 1, 5] {
            let verified = verify(&export(count)).unwrap();
            assert_eq!((verified.count, verified.head.seq), (count.into(), count.into()));
        }
    }

    #[test]
    fn one_changed_byte_anywhere_is_found_in_its_line() {
        let good = export(4);
        for at in 0..good.len() {
            let line = String::from_utf8_lossy(&good[..at]).matches('\n').count() + 1;
            for change in [1, 0x20, 0x80] {
                let mut bad = good.clone();
                bad[at] ^= change;
                let broken = verify(&bad).expect_err("a changed byte");
                assert_eq!(broken.line, line, "byte {at}: {broken}");
            }
        }
    }

    #[test]
    fn what_is_missing_moved_or_added_is_found() {
        let text = String::from_utf8(export(5)).unwrap();
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        let without = |at: usize| [&lines[..at], &lines[at + 1..]].concat().concat();
        for at in 1..5 {
            assert_eq!(verify(without(at).as_bytes()).unwrap_err().line, at + 1);
        }
        // Older records pass their time; what is left is still a chain.
        assert_eq!(verify(without(0).as_bytes()).unwrap().first_seq, 2);
        let mut moved = lines.clone();
        moved.swap(1, 2);
        assert_eq!(verify(moved.concat().as_bytes()).unwrap_err().what, Flaw::Order);
        let doubled = [&lines[..2], &lines[1..]].concat().concat();
        assert_eq!(verify(doubled.as_bytes()).unwrap_err().line, 3);
        let cut = [&lines[..3], &lines[5..]].concat().concat();
        assert_eq!(verify(cut.as_bytes()).unwrap_err().what, Flaw::End);
        assert_eq!(verify(b"").unwrap_err().what, Flaw::Form);
    }

    #[test]
    fn later_records_sort_behind_earlier_ones() {
        let at = Timestamp::from_millis;
        let uids = [at(0), at(1), at(255), at(256), at(1_800_000_000_000)].map(|at| Record::uid_at(at, [9; 6]));
        assert!(uids.is_sorted());
        assert_eq!(Record::uid_at(at(1), [0xff; 6]).to_string(), "000000000001ffffffffffff");
        let before = |uid| Record::uid_before(uid).map(|uid| uid.to_string());
        assert_eq!(before(Record::uid_at(at(1), [0; 6])).unwrap(), "000000000000ffffffffffff");
        assert_eq!(before(Record::uid_at(at(0), [0; 6])), None);
        assert!(Record::uid_at(at(i64::MAX), [0; 6]) > uids[4] && Record::uid_at(at(-1), [0; 6]) < uids[1]);
    }

    #[test]
    fn a_note_has_three_characters_at_least() {
        assert_eq!(Note::parse(" why ").unwrap().as_str(), "why");
        for text in ["", "ab", "a\u{0}b", &"x".repeat(256)] {
            assert_eq!(Note::parse(text), Err(NotANote));
        }
    }
}
