//! API keys: long-lived credentials of one user in one tenant.
//!
//! The value a program presents is in [`value`]; here is the life of a key. Expiry is by time, revoking can be undone
//! until then, deleting is final. The value and the user never change.

pub mod value;

use std::{fmt, time::Duration};

pub use value::{ApiKeyValue, Digest};

use crate::{
    annotations::Annotations,
    timestamp::Timestamp,
    uid::{ApiKeyUid, TenantUid, UserUid},
};

/// Characters of a name.
pub const MAX_NAME: usize = 64;

/// A key's name: 1 to 64 characters without control characters, trimmed.
#[derive(Clone, PartialEq, Eq)]
pub struct Name(String);

/// Why a name was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameRefused {
    /// Empty after trimming, or too long.
    #[error("the name must have 1 to {MAX_NAME} characters")]
    Length,
    /// It holds a control character.
    #[error("the name must not contain control characters")]
    Control,
}

impl Name {
    /// Trims a name and checks it.
    ///
    /// # Errors
    ///
    /// As in [`NameRefused`].
    pub fn parse(text: &str) -> Result<Self, NameRefused> {
        let name = text.trim();
        if name.is_empty() || name.chars().count() > MAX_NAME {
            return Err(NameRefused::Length);
        }
        if name.chars().any(char::is_control) {
            return Err(NameRefused::Control);
        }
        Ok(Self(name.to_owned()))
    }

    /// Takes what the table holds, which was checked when it was written.
    pub fn stored(name: String) -> Self {
        Self(name)
    }

    /// As its owner wrote it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The form in which names of one user must differ: case is no difference.
    pub fn folded(&self) -> String {
        self.0.to_lowercase()
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An API key without its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Names it on the wire.
    pub uid: ApiKeyUid,
    /// The one tenant it opens.
    pub tenant: TenantUid,
    /// The user as whom it acts.
    pub user: UserUid,
    /// Who made it; another user when an admin did.
    pub creator: UserUid,
    /// Unique among the keys of its user.
    pub name: Name,
    /// The description and whatever else its owner noted.
    pub annotations: Annotations,
    /// The end of its value, by which whoever has the value finds the key; empty for keys of before it was kept.
    pub tail: String,
    /// From this moment on it opens nothing.
    pub expires_at: Timestamp,
    /// Cleared by revoking, set by re-activating.
    pub is_active: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub modified_at: Timestamp,
    /// Raised by every change, so that a change of what has since changed can be refused.
    pub version: u64,
    /// When it was last presented, to within an hour.
    pub last_use: Option<LastUse>,
}

/// When a key was presented, and from where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastUse {
    /// When.
    pub at: Timestamp,
    /// The network address that the gateway saw.
    pub source: String,
    /// What the client says of itself.
    pub user_agent: String,
}

/// How old the note of a key's last use may be before it is renewed: no write for every request.
pub const USE_RESOLUTION: Duration = Duration::from_hours(1);

/// Days before its expiry on which the user of a key is told; 0 is the day of the expiry itself.
pub const NOTICE_DAYS: [i64; 4] = [30, 7, 1, 0];

/// Days before its expiry in which a key's own answers tell of it.
const WARNING: Duration = Duration::from_hours(7 * 24);

/// What a new key is made of.
#[derive(Debug)]
pub struct NewApiKey {
    /// Drawn at random.
    pub uid: ApiKeyUid,
    /// The tenant of both users.
    pub tenant: TenantUid,
    /// As whom it will act.
    pub user: UserUid,
    /// Who makes it.
    pub creator: UserUid,
    /// What to call it.
    pub name: Name,
    /// The description and the like.
    pub annotations: Annotations,
    /// The end of its value: [`ApiKeyValue::tail`].
    pub tail: String,
    /// When it ends; a key without an end is not made.
    pub expires_at: Option<Timestamp>,
}

/// Changes of a key; what is `None` stays as it is.
#[derive(Debug, Default)]
pub struct ApiKeyUpdate {
    /// Another name.
    pub name: Option<Name>,
    /// Other annotations, in place of all of those before.
    pub annotations: Option<Annotations>,
    /// Another expiry.
    pub expires_at: Option<Timestamp>,
}

/// Why a key was not made, or left as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ApiKeyRefused {
    /// No expiry was given.
    #[error("spec.expiry is required: an API key must expire")]
    ExpiryMissing,
    /// The expiry is now or in the past.
    #[error("spec.expiry must lie in the future")]
    ExpiryInPast,
    /// An expired key cannot be re-activated.
    #[error("the API key has expired; extend its expiry first")]
    Expired,
}

/// Whether whoever uses a key that ends at this moment should hear that it ends soon.
pub fn ends_soon(expires_at: Timestamp, now: Timestamp) -> bool {
    expires_at <= now + WARNING
}

impl ApiKey {
    /// Makes a key, active from now on.
    ///
    /// # Errors
    ///
    /// [`ApiKeyRefused::ExpiryMissing`], [`ApiKeyRefused::ExpiryInPast`].
    pub fn create(new: NewApiKey, now: Timestamp) -> Result<Self, ApiKeyRefused> {
        let expires_at = new.expires_at.ok_or(ApiKeyRefused::ExpiryMissing)?;
        if expires_at <= now {
            return Err(ApiKeyRefused::ExpiryInPast);
        }
        Ok(Self {
            uid: new.uid,
            tenant: new.tenant,
            user: new.user,
            creator: new.creator,
            name: new.name,
            annotations: new.annotations,
            tail: new.tail,
            expires_at,
            is_active: true,
            created_at: now,
            modified_at: now,
            version: 1,
            last_use: None,
        })
    }

    /// Changes what may change of a key.
    ///
    /// Sending back the expiry it has is no change, so that an expired key can still be renamed. With more time an expired
    /// key does not open anything by itself: it has to be re-activated, whether the sweeper has been there or not.
    ///
    /// # Errors
    ///
    /// [`ApiKeyRefused::ExpiryInPast`].
    pub fn update(self, update: ApiKeyUpdate, now: Timestamp) -> Result<Self, ApiKeyRefused> {
        let expires_at = update.expires_at.unwrap_or(self.expires_at);
        if expires_at != self.expires_at && expires_at <= now {
            return Err(ApiKeyRefused::ExpiryInPast);
        }
        Ok(Self {
            name: update.name.unwrap_or(self.name),
            annotations: update.annotations.unwrap_or(self.annotations),
            expires_at,
            is_active: self.is_active && now < self.expires_at,
            modified_at: now,
            ..self
        })
    }

    /// Whether an update has changed anything of it.
    pub fn differs_from(&self, before: &Self) -> bool {
        self.name != before.name || self.annotations != before.annotations || self.expires_at != before.expires_at
    }

    /// Takes the key out of use until it is re-activated. Revoking twice is no error.
    #[must_use]
    pub fn revoke(self, now: Timestamp) -> Self {
        Self { is_active: false, modified_at: now, ..self }
    }

    /// Takes a revoked key back into use.
    ///
    /// # Errors
    ///
    /// [`ApiKeyRefused::Expired`] from the expiry on.
    pub fn reactivate(self, now: Timestamp) -> Result<Self, ApiKeyRefused> {
        if self.is_expired(now) {
            return Err(ApiKeyRefused::Expired);
        }
        Ok(Self { is_active: true, modified_at: now, ..self })
    }

    /// Whether the key has come to its end.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_at <= now
    }

    /// Whether the use of the key should be noted.
    pub fn is_use_due(&self, now: Timestamp) -> bool {
        self.last_use.as_ref().is_none_or(|last_use| last_use.at + USE_RESOLUTION <= now)
    }

    /// Whether the key opens anything at this moment.
    pub fn is_usable(&self, now: Timestamp) -> bool {
        self.is_active && !self.is_expired(now)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);
    pub(crate) const LATER: Timestamp = Timestamp::from_secs(1_800_086_400);

    pub(crate) fn api_key() -> ApiKey {
        ApiKey::create(new(Some(LATER)), NOW).unwrap()
    }

    pub(crate) fn new(expires_at: Option<Timestamp>) -> NewApiKey {
        NewApiKey {
            uid: ApiKeyUid::from_bytes([1; 12]),
            tenant: TenantUid::from_bytes([2; 12]),
            user: UserUid::from_bytes([3; 12]),
            creator: UserUid::from_bytes([3; 12]),
            name: Name::parse("deploy").unwrap(),
            annotations: Annotations::default(),
            tail: "QeUa".to_owned(),
            expires_at,
        }
    }

    #[test]
    fn a_key_must_expire_in_the_future() {
        assert_eq!(ApiKey::create(new(None), NOW), Err(ApiKeyRefused::ExpiryMissing));
        assert_eq!(ApiKey::create(new(Some(NOW)), NOW), Err(ApiKeyRefused::ExpiryInPast));
        let soonest = Timestamp::from_millis(NOW.millis() + 1);
        assert!(ApiKey::create(new(Some(soonest)), NOW).is_ok_and(|key| key.is_usable(NOW)));
    }

    #[test]
    fn names_are_told_apart_without_case_and_shown_with_it() {
        let name = Name::parse("Deploy-EU").unwrap();
        assert_eq!(name.folded(), "deploy-eu");
        assert_eq!(format!("{name:?}"), "\"Deploy-EU\"");
    }

    #[test]
    fn an_update_changes_what_it_names_and_says_so() {
        let (before, now) = (api_key(), NOW + Duration::from_mins(1));
        let annotations = Annotations::parse([("team".to_owned(), "a".to_owned())].into()).unwrap();
        let updates = [
            ApiKeyUpdate { name: Some(Name::parse("other").unwrap()), ..ApiKeyUpdate::default() },
            ApiKeyUpdate { annotations: Some(annotations), ..ApiKeyUpdate::default() },
            ApiKeyUpdate { expires_at: Some(LATER + WARNING), ..ApiKeyUpdate::default() },
        ];
        let same = before.clone().update(ApiKeyUpdate::default(), now).unwrap();
        assert!(!same.differs_from(&before));
        for update in updates {
            let (name, annotations, expires_at) = (update.name.clone(), update.annotations.clone(), update.expires_at);
            let after = before.clone().update(update, now).unwrap();
            assert!(after.differs_from(&before) && before.differs_from(&after));
            assert_eq!(after.name, name.unwrap_or_else(|| before.name.clone()));
            assert_eq!(after.annotations, annotations.unwrap_or_default());
            assert_eq!(after.expires_at, expires_at.unwrap_or(LATER));
            assert_eq!((after.is_active, after.modified_at, after.created_at), (true, now, NOW));
        }
    }

    #[test]
    fn every_change_of_the_state_is_a_modification() {
        let now = NOW + Duration::from_mins(1);
        let revoked = api_key().revoke(now);
        assert_eq!((revoked.is_active, revoked.modified_at), (false, now));
        let again = revoked.reactivate(now + Duration::from_mins(1)).unwrap();
        assert_eq!((again.is_active, again.modified_at), (true, now + Duration::from_mins(1)));
    }

    #[test]
    fn a_key_ends_soon_in_its_last_seven_days() {
        let days = |days: u64| NOW + Duration::from_hours(24 * days);
        assert!(ends_soon(days(7), NOW));
        assert!(!ends_soon(Timestamp::from_millis(days(7).millis() + 1), NOW));
    }

    #[test]
    fn expiry_is_true_to_the_millisecond() {
        let last = Timestamp::from_millis(LATER.millis() - 1);
        assert!(api_key().is_usable(last));
        assert!(!api_key().is_usable(LATER));
    }

    #[test]
    fn an_update_leaves_alone_what_it_does_not_name() {
        let renamed = ApiKeyUpdate { name: Some(Name::parse("ci").unwrap()), ..ApiKeyUpdate::default() };
        let key = api_key().update(renamed, LATER).unwrap();
        assert_eq!((key.name.as_str(), key.expires_at, key.modified_at), ("ci", LATER, LATER));
    }

    #[test]
    fn an_expired_key_can_be_renamed_and_extended_but_not_ended_in_the_past() {
        let with_expiry = |expires_at| ApiKeyUpdate { expires_at: Some(expires_at), ..ApiKeyUpdate::default() };
        let past = Timestamp::from_millis(LATER.millis() - 1);
        assert!(api_key().update(with_expiry(LATER), LATER).is_ok());
        assert_eq!(api_key().update(with_expiry(past), LATER), Err(ApiKeyRefused::ExpiryInPast));
        let extended = api_key().update(with_expiry(Timestamp::from_millis(LATER.millis() + 1)), LATER).unwrap();
        assert!(!extended.is_usable(LATER), "it has to be re-activated");
        assert!(extended.reactivate(LATER).unwrap().is_usable(LATER));
    }

    #[test]
    fn a_revoked_key_comes_back_only_before_its_expiry() {
        let revoked = api_key().revoke(NOW);
        assert!(!revoked.is_usable(NOW));
        assert!(revoked.clone().revoke(NOW).reactivate(NOW).unwrap().is_usable(NOW));
        assert_eq!(revoked.reactivate(LATER), Err(ApiKeyRefused::Expired));
    }

    #[test]
    fn its_use_is_noted_once_an_hour_and_its_end_told_a_week_before() {
        let mut key = api_key();
        assert!(key.is_use_due(NOW));
        key.last_use = Some(LastUse { at: NOW, source: String::new(), user_agent: String::new() });
        assert!(!key.is_use_due(NOW + Duration::from_mins(59)) && key.is_use_due(NOW + Duration::from_hours(1)));
        assert!(ends_soon(NOW + WARNING, NOW) && !ends_soon(NOW + WARNING, Timestamp::from_millis(NOW.millis() - 1)));
    }

    #[test]
    fn names_are_trimmed_bounded_and_compared_without_case() {
        assert_eq!(Name::parse("  Deploy ").unwrap().folded(), Name::parse("DEPLOY").unwrap().folded());
        assert!(Name::parse(&"ä".repeat(64)).is_ok());
        assert_eq!(Name::parse(&"ä".repeat(65)), Err(NameRefused::Length));
        assert_eq!(Name::parse("  "), Err(NameRefused::Length));
        assert_eq!(Name::parse("a\u{0}b"), Err(NameRefused::Control));
    }
}
