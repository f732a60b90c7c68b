//! One-time tokens: what a mailed link carries, and what stands for a password between two pages.

use std::{fmt, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::{
    sso::{Attempt, Pending, Wish},
    timestamp::Timestamp,
    uid::{TenantUid, UserUid},
    user::LoginMode,
};

/// How long a link can be followed.
pub const LIFETIME: Duration = Duration::from_hours(24);

/// Random bytes of a token: 256 bits.
pub const SECRET_BYTES: usize = 32;

/// A token in the clear: in the mailed link and nowhere else.
pub struct OneTimeToken(Zeroizing<String>);

/// The text is no token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a one-time token")]
pub struct NotAOneTimeToken;

impl OneTimeToken {
    /// Makes a token of random bytes.
    pub fn new(secret: &[u8; SECRET_BYTES]) -> Self {
        Self(Zeroizing::new(URL_SAFE_NO_PAD.encode(secret)))
    }

    /// Reads what a link carried.
    ///
    /// # Errors
    ///
    /// [`NotAOneTimeToken`].
    pub fn parse(text: &str) -> Result<Self, NotAOneTimeToken> {
        let secret = Zeroizing::new(URL_SAFE_NO_PAD.decode(text).map_err(|_| NotAOneTimeToken)?);
        if secret.len() == SECRET_BYTES { Ok(Self(Zeroizing::new(text.to_owned()))) } else { Err(NotAOneTimeToken) }
    }

    /// What the table keeps: SHA-256 in hexadecimal.
    pub fn digest(&self) -> String {
        hex::encode(digest(&SHA256, self.0.as_bytes()))
    }

    /// For the link.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for OneTimeToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OneTimeToken")
    }
}

/// What a token may be used for. It is good for this and nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "purpose", rename_all = "snake_case")]
pub enum Purpose {
    /// To make the organization that somebody has signed up.
    SignUp(SignUp),
    /// To set a first password and make this user active.
    Activate {
        /// The tenant of the user.
        tenant: TenantUid,
        /// The user.
        user: UserUid,
    },
    /// To set another password.
    ResetPassword,
    /// To sign in to one of several organizations, by whoever has just given the password.
    ChooseOrganization {
        /// When that password was set.
        password_changed_at: Timestamp,
    },
    /// To come back from a provider: it is the `state` of OAuth 2.
    Sso(Attempt),
    /// To say what follows of what a provider has vouched for.
    SsoPending(Pending),
    /// To go to a provider with more in mind than signing in.
    SsoWish {
        /// What.
        wish: Wish,
        /// The page to go on to.
        next: String,
        /// The digest of the cookie of the browser that it is for; absent where the wish itself names a session.
        browser: Option<String>,
    },
}

/// What somebody filled in to sign up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignUp {
    /// Given name.
    pub first_name: String,
    /// Family name.
    pub last_name: String,
    /// The organization to be made.
    pub org_name: String,
    /// What they chose to see.
    #[serde(default)]
    pub login_mode: LoginMode,
}

/// A token as the table keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OneTime {
    /// Of the token.
    pub digest: String,
    /// The address it was mailed to, in canonical form.
    pub address: String,
    /// As the person typed the address.
    pub email: String,
    /// What it is good for.
    pub purpose: Purpose,
    /// From then on it is good for nothing.
    pub expires_at: Timestamp,
}

impl OneTime {
    /// Whether it can still be used.
    ///
    /// - `password_changed_at`: when the password was last set; what was mailed before to set another one is void, and so
    ///   is what stands for another password.
    pub fn is_usable(&self, password_changed_at: Option<Timestamp>, now: Timestamp) -> bool {
        let is_void = match &self.purpose {
            Purpose::ResetPassword => {
                password_changed_at.is_some_and(|changed_at| self.expires_at <= changed_at + LIFETIME)
            }
            Purpose::ChooseOrganization { password_changed_at: known } => password_changed_at != Some(*known),
            Purpose::SignUp(_)
            | Purpose::Activate { .. }
            | Purpose::Sso(_)
            | Purpose::SsoPending(_)
            | Purpose::SsoWish { .. } => false,
        };
        now < self.expires_at && !is_void
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_as_it_was_made_and_nothing_else_is_one() {
        let token = OneTimeToken::new(&[0x5c; SECRET_BYTES]);
        assert_eq!(OneTimeToken::parse(token.expose()).unwrap().digest(), token.digest());
        assert_eq!(format!("{token:?}"), "OneTimeToken");
        let longer = format!("{}A", token.expose());
        for text in
            ["", "x", "null", "undefined", "..%2f", &token.expose()[1..], &longer, "eyJhbGciOiJFUzI1NiJ9.e30.c2ln"]
        {
            assert!(OneTimeToken::parse(text).is_err(), "{text}");
        }
    }

    /// By `printf %s … | sha256sum`.
    #[test]
    fn the_table_keeps_the_digest() {
        let token = OneTimeToken::new(&[0; SECRET_BYTES]);
        assert_eq!(token.expose(), "A".repeat(43));
        assert_eq!(token.digest(), "0f007385b6f9d4b7eeb2748605afe1a984a0a3bfa3f014d09e2a784ce9e5cd1a");
    }

    #[test]
    fn a_token_ends_with_its_time_and_with_another_password() {
        let now = Timestamp::from_secs(1_800_000_000);
        let later = |millis: i64| Timestamp::from_millis(now.millis() + millis);
        let mailed = |purpose| OneTime {
            digest: String::new(),
            address: String::new(),
            email: String::new(),
            purpose,
            expires_at: now + LIFETIME,
        };
        let last = Timestamp::from_millis((now + LIFETIME).millis() - 1);
        let reset = mailed(Purpose::ResetPassword);
        assert!(reset.is_usable(None, last) && !reset.is_usable(None, now + LIFETIME));
        // Set before it was mailed, at that moment, and afterwards.
        assert!(reset.is_usable(Some(later(-1)), now));
        assert!(!reset.is_usable(Some(now), now) && !reset.is_usable(Some(later(1)), last));
        let choice = mailed(Purpose::ChooseOrganization { password_changed_at: now });
        assert!(choice.is_usable(Some(now), last) && !choice.is_usable(Some(now), now + LIFETIME));
        assert!(!choice.is_usable(Some(later(1)), now) && !choice.is_usable(None, now));
        let activation =
            mailed(Purpose::Activate { tenant: TenantUid::from_bytes([1; 12]), user: UserUid::from_bytes([2; 12]) });
        assert!(activation.is_usable(Some(later(1)), last) && !activation.is_usable(None, now + LIFETIME));
    }
}
