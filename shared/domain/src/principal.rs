//! On whose behalf a request acts, decided from what was presented and what the tables say of it at this moment.

use crate::{
    api_key::{ApiKey, ApiKeyValue, Digest},
    permission::{Permission, PermissionSet},
    session::Session,
    timestamp::Timestamp,
    token::Claims,
    uid::UserUid,
    user::User,
};

/// Whoever acts: a user, with what it may do now and by what it was recognised.
#[derive(Debug, Clone)]
pub struct Principal {
    /// The user as whom the request acts; its tenant is the request's tenant.
    pub user: User,
    /// What it may do, as of now.
    pub permissions: PermissionSet,
    /// By what it was recognised.
    pub credential: Credential,
}

/// A credential that held.
#[derive(Debug, Clone)]
pub enum Credential {
    /// The key itself was presented.
    ApiKey(ApiKey),
    /// A token was presented.
    Token {
        /// What it claims.
        claims: Claims,
        /// When the key ends that it was born of, if it was born of one.
        key_expires_at: Option<Timestamp>,
        /// The record of its session, if there is one.
        session: Option<Session>,
    },
}

/// The credential does not hold. Why is nobody's business but the log's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CredentialRefused {
    /// There is no such key, or the value is another one's.
    #[error("no such API key")]
    UnknownKey,
    /// Revoked or expired.
    #[error("the API key is revoked or expired")]
    DeadKey,
    /// There is no such user, or it was disabled.
    #[error("the user is gone or disabled")]
    DeadUser,
    /// User, tenant, session and key of a token do not belong together.
    #[error("the parts of the credential do not belong together")]
    Mismatch,
    /// Signed out, revoked, or never begun.
    #[error("the session has ended")]
    DeadSession,
}

/// What the tables say of a token, read at once.
#[derive(Debug, Default)]
pub struct TokenState {
    /// `sub`.
    pub user: Option<User>,
    /// `sid`.
    pub session: Option<Session>,
    /// `kuid`.
    pub api_key: Option<ApiKey>,
}

impl Principal {
    /// Decides on a presented key.
    ///
    /// - `stored`: the key that it names with the digest of its value.
    /// - `user`: the user that it names.
    ///
    /// # Errors
    ///
    /// As in [`CredentialRefused`].
    pub fn from_api_key(
        presented: &ApiKeyValue,
        stored: Option<(ApiKey, Digest)>,
        user: Option<User>,
        now: Timestamp,
    ) -> Result<Self, CredentialRefused> {
        let (key, digest) = stored.ok_or(CredentialRefused::UnknownKey)?;
        if presented.digest() != digest {
            return Err(CredentialRefused::UnknownKey);
        }
        let user = living(user)?;
        if key.user != user.uid || key.tenant != user.tenant {
            return Err(CredentialRefused::Mismatch);
        }
        if !key.is_usable(now) {
            return Err(CredentialRefused::DeadKey);
        }
        Ok(Self { permissions: user.permissions(), user, credential: Credential::ApiKey(key) })
    }

    /// Decides on a token whose signature and times were found good.
    ///
    /// # Errors
    ///
    /// As in [`CredentialRefused`].
    pub fn from_token(claims: Claims, state: TokenState, now: Timestamp) -> Result<Self, CredentialRefused> {
        let user = living(state.user)?;
        if user.uid != claims.sub || user.tenant != claims.tid {
            return Err(CredentialRefused::Mismatch);
        }
        let key_expires_at = match claims.kuid {
            None => None,
            Some(kuid) => {
                let key = state.api_key.ok_or(CredentialRefused::UnknownKey)?;
                if key.uid != kuid || key.user != user.uid || key.tenant != user.tenant {
                    return Err(CredentialRefused::Mismatch);
                }
                if !key.is_usable(now) {
                    return Err(CredentialRefused::DeadKey);
                }
                Some(key.expires_at)
            }
        };
        match &state.session {
            Some(session) if session.user != user.uid || session.tenant != user.tenant => {
                return Err(CredentialRefused::Mismatch);
            }
            Some(session) if session.revoked_at.is_some() => return Err(CredentialRefused::DeadSession),
            // A session that began before its user was signed out everywhere. A key's tokens live with their key.
            Some(session) if claims.kuid.is_none() && session.sign_outs != user.sign_outs => {
                return Err(CredentialRefused::DeadSession);
            }
            Some(_) => {}
            // A key's session has a record only once it is ended; any other has one from the sign-in on.
            None if claims.kuid.is_some() => {}
            None => return Err(CredentialRefused::DeadSession),
        }
        let credential = Credential::Token { claims, key_expires_at, session: state.session };
        Ok(Self { permissions: user.permissions(), user, credential })
    }

    /// Whether a key stands behind this: presented itself, or by a token that was born of it.
    pub const fn is_by_api_key(&self) -> bool {
        match &self.credential {
            Credential::ApiKey(_) => true,
            Credential::Token { claims, .. } => claims.kuid.is_some(),
        }
    }

    /// The session that calls, if it is one that a person began.
    pub const fn session(&self) -> Option<&Session> {
        match &self.credential {
            Credential::Token { claims, session, .. } if claims.kuid.is_none() => session.as_ref(),
            _ => None,
        }
    }

    /// Whether this permission is held throughout the tenant.
    pub fn has(&self, permission: Permission) -> bool {
        self.permissions.contains(permission)
    }

    /// Whether something of this user may be touched: one's own always, another's with the permission.
    pub fn may(&self, permission: Permission, owner: UserUid) -> bool {
        owner == self.user.uid || self.has(permission)
    }

    /// Whether a key of this user may be made, prolonged or re-activated, as far as the user goes. Whoever holds a key
    /// can act as its user, so nobody gives one that may do more than they.
    pub fn may_act_as(&self, user: &User) -> bool {
        user.uid == self.user.uid || self.permissions.covers(user.permissions())
    }
}

fn living(user: Option<User>) -> Result<User, CredentialRefused> {
    user.filter(|user| user.is_active).ok_or(CredentialRefused::DeadUser)
}

#[cfg(test)]
mod tests;
