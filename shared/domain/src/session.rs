//! Sessions: what one sign-in began and refreshing carries on.

use std::time::Duration;

use crate::{
    sso::Method,
    timestamp::Timestamp,
    uid::{SessionUid, TenantUid, UserUid},
};

/// How long one sign-in can be carried on by refreshing, however often.
pub const ABSOLUTE_LIMIT: Duration = Duration::from_hours(12);

/// How old the note of a session's last use may be before it is renewed: fine enough for limits of minutes, and no
/// write for every request.
pub const USE_RESOLUTION: Duration = Duration::from_mins(2);

/// The device that a session was begun on, by which its person recognises it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// The network address that the gateway saw.
    pub source: String,
    /// What the client says of itself.
    pub user_agent: String,
}

/// The record of a session.
///
/// A session that an API key began has none, so that the way from key to token writes nothing; one appears only when
/// the session is ended before its time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// `sid` in the tokens of the session.
    pub uid: SessionUid,
    /// The tenant it belongs to.
    pub tenant: TenantUid,
    /// The user who signed in.
    pub user: UserUid,
    /// When the person signed in.
    pub created_at: Timestamp,
    /// When it was last in real use, to within a few minutes.
    pub last_used_at: Timestamp,
    /// When it was ended by signing out or by revoking one of its tokens.
    pub revoked_at: Option<Timestamp>,
    /// When no token of it can be alive any more, so that the record may go.
    pub ends_at: Timestamp,
    /// How often its user had been signed out everywhere when it began.
    pub sign_outs: u64,
    /// By what its person was recognised, however often they have switched or refreshed since.
    pub method: Method,
}

impl Session {
    /// When the person signed in, however often they have switched since.
    pub fn signed_in_at(&self) -> Timestamp {
        Timestamp::from_millis(self.ends_at.millis() - i64::try_from(ABSOLUTE_LIMIT.as_millis()).unwrap_or_default())
    }

    /// Whether it has not been in real use for longer than the tenant allows.
    pub fn is_idle(&self, idle_minutes: u32, now: Timestamp) -> bool {
        self.last_used_at + Duration::from_mins(idle_minutes.into()) + USE_RESOLUTION < now
    }

    /// Whether a token of it still opens something, or would if it were renewed.
    ///
    /// - `sign_outs`: how often its user has been signed out everywhere by now.
    pub fn is_alive(&self, sign_outs: u64, idle_minutes: u32, now: Timestamp) -> bool {
        self.revoked_at.is_none()
            && now < self.ends_at
            && self.sign_outs == sign_outs
            && !self.is_idle(idle_minutes, now)
    }

    /// Whether its use should be noted again.
    pub fn is_use_due(&self, now: Timestamp) -> bool {
        self.last_used_at + USE_RESOLUTION <= now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_idle_after_the_tenants_span_and_its_use_is_noted_now_and_then() {
        let at = Timestamp::from_secs;
        let session = Session {
            uid: SessionUid::from_bytes([4; 12]),
            tenant: TenantUid::from_bytes([2; 12]),
            user: UserUid::from_bytes([3; 12]),
            created_at: at(0),
            last_used_at: at(0),
            revoked_at: None,
            ends_at: at(43_200),
            sign_outs: 3,
            method: Method::Password,
        };
        assert!(!session.is_idle(15, at(17 * 60)));
        assert!(session.is_idle(15, at(17 * 60 + 1)));
        assert!(!session.is_use_due(at(119)) && session.is_use_due(at(120)));
        assert!(session.is_alive(3, 15, at(60)) && !session.is_alive(3, 15, at(43_200)));
        assert!(!session.is_alive(4, 15, at(60)), "signed out everywhere since");
        assert!(!session.is_alive(3, 15, at(20 * 60)));
        // In use or not, it ends.
        let used = Session { last_used_at: at(43_190), ..session.clone() };
        assert!(used.is_alive(3, 15, at(43_199)) && !used.is_alive(3, 15, at(43_200)));
        assert_eq!(session.signed_in_at(), at(0));
        assert!(!Session { revoked_at: Some(at(1)), ..session }.is_alive(3, 15, at(60)));
    }
}
