//! Sessions: what one sign-in began and refreshing carries on.

use std::time::Duration;

use crate::{
    timestamp::Timestamp,
    uid::{SessionUid, TenantUid, UserUid},
};

/// How long one sign-in can be carried on by refreshing, however often.
pub const ABSOLUTE_LIMIT: Duration = Duration::from_hours(12);

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
    /// When it was ended by signing out or by revoking one of its tokens.
    pub revoked_at: Option<Timestamp>,
    /// When no token of it can be alive any more, so that the record may go.
    pub ends_at: Timestamp,
}
