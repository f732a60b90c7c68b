//! Access tokens: short-lived signed JWTs (RFC 9068) that any standard library can verify.
//!
//! [`jws`] knows signatures and nothing of what is signed; here is what our tokens claim and when those claims hold.
//! Whether the session, the user or the key behind a token is still alive is not for a token to say: see
//! [`crate::principal`].

pub mod jws;

use std::{collections::BTreeMap, fmt, time::Duration};

use serde::{Deserialize, Serialize};

use self::jws::{Jws, PublicKey};
use crate::{
    session,
    timestamp::Timestamp,
    uid::{ApiKeyUid, SessionUid, TenantUid, TokenUid, UserUid},
};

/// How long a token lives, unless its key or session ends before.
pub const LIFETIME: Duration = Duration::from_mins(15);

/// How far the clock of the issuer may be ahead of the verifier's, in seconds. It is granted to `iat` and `nbf` only:
/// granted to `exp` it would add to the skew and stretch the fifteen minutes.
const LEEWAY_SECS: i64 = 5;

/// `typ` of an access token. Source: RFC 9068, section 2.1.
const TYPE: &str = "at+jwt";

/// Longest token that is looked at. Ours have less than 1 KB.
const MAX_BYTES: usize = 4096;

/// How the user signed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// With an API key.
    ApiKey,
    /// With e-mail and password.
    Password,
    /// Through an identity provider.
    Sso,
    /// By switching from another organisation.
    Switch,
}

/// What a token states. Times are whole seconds since the Unix epoch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Who signed it: the public URL of this service.
    pub iss: String,
    /// For whom.
    pub aud: String,
    /// About which user.
    pub sub: UserUid,
    /// In which tenant.
    pub tid: TenantUid,
    /// The session it belongs to; refreshing keeps it.
    pub sid: SessionUid,
    /// Names this one token.
    pub jti: TokenUid,
    /// Signed at.
    pub iat: i64,
    /// Not valid before.
    pub nbf: i64,
    /// Not valid from here on.
    pub exp: i64,
    /// When the user signed in; refreshing keeps it.
    pub auth_time: i64,
    /// How the user signed in.
    pub src: Source,
    /// The API key it was born of: present if and only if `src` is `apikey`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kuid: Option<ApiKeyUid>,
}

/// Who signs tokens and for whom; a token of another pair is refused.
#[derive(Debug, Clone)]
pub struct Realm {
    /// `iss`.
    pub issuer: String,
    /// `aud`.
    pub audience: String,
}

/// What a sign-in begins: the parts of a token that its refreshed successors share.
#[derive(Debug)]
pub struct SignIn {
    /// The user who signed in.
    pub user: UserUid,
    /// In this tenant.
    pub tenant: TenantUid,
    /// Names the session.
    pub session: SessionUid,
    /// How.
    pub source: Source,
    /// With which key, and until when that key lives.
    pub api_key: Option<(ApiKeyUid, Timestamp)>,
}

/// Why a token was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenRefused {
    /// Not a token of ours: form, header, type, a claim missing or of a wrong type.
    #[error("not an access token")]
    Malformed,
    /// No key of this name is known.
    #[error("signed with an unknown key")]
    UnknownKey,
    /// The signature does not match.
    #[error("the signature does not match")]
    Signature,
    /// Another issuer or audience, or claims that contradict each other.
    #[error("the claims do not hold")]
    Claims,
    /// Too old.
    #[error("expired")]
    Expired,
    /// From the future.
    #[error("not valid yet")]
    NotYetValid,
}

/// The public keys that verify tokens, by `kid`.
pub type VerifyingKeys = BTreeMap<String, PublicKey>;

impl Claims {
    /// The claims of the first token after a sign-in.
    pub fn sign_in(realm: &Realm, sign_in: &SignIn, jti: TokenUid, now: Timestamp) -> Self {
        let (kuid, key_expires_at) = sign_in.api_key.unzip();
        let claims = Self {
            iss: realm.issuer.clone(),
            aud: realm.audience.clone(),
            sub: sign_in.user,
            tid: sign_in.tenant,
            sid: sign_in.session,
            jti,
            iat: now.secs(),
            nbf: now.secs(),
            exp: now.secs(),
            auth_time: now.secs(),
            src: sign_in.source,
            kuid,
        };
        Self { exp: claims.expiry(key_expires_at, now), ..claims }
    }

    /// The same claims of a session that carries on an earlier sign-in.
    #[must_use]
    pub fn begun_at(self, signed_in_at: Timestamp) -> Self {
        let claims = Self { auth_time: signed_in_at.secs(), ..self };
        Self { exp: claims.exp.min(claims.session_ends_at().secs()), ..claims }
    }

    /// The claims of the token that takes this one's place: same session, same sign-in, later end.
    ///
    /// # Errors
    ///
    /// [`TokenRefused::Expired`] when the session has reached its absolute limit.
    pub fn refresh(
        self,
        key_expires_at: Option<Timestamp>,
        jti: TokenUid,
        now: Timestamp,
    ) -> Result<Self, TokenRefused> {
        if self.session_ends_at() <= now {
            return Err(TokenRefused::Expired);
        }
        let exp = self.expiry(key_expires_at, now);
        Ok(Self { jti, iat: now.secs(), nbf: now.secs(), exp, ..self })
    }

    /// No token of this session lives longer, however often it is refreshed.
    pub fn session_ends_at(&self) -> Timestamp {
        Timestamp::from_secs(self.auth_time) + session::ABSOLUTE_LIMIT
    }

    fn expiry(&self, key_expires_at: Option<Timestamp>, now: Timestamp) -> i64 {
        let longest = (now + LIFETIME).min(self.session_ends_at());
        key_expires_at.map_or(longest, |key_expires_at| longest.min(key_expires_at)).secs()
    }

    fn check(&self, realm: &Realm, now: Timestamp) -> Result<(), TokenRefused> {
        let now = now.secs();
        let lifetime = LIFETIME.as_secs().cast_signed();
        // Bounds before differences: a hostile but correctly signed number must not overflow.
        let bounded = [self.iat, self.nbf, self.exp, self.auth_time].iter().all(|secs| (0..1 << 40).contains(secs));
        if !bounded
            || self.iss != realm.issuer
            || self.aud != realm.audience
            || self.kuid.is_some() != (self.src == Source::ApiKey)
            || self.exp - self.iat > lifetime
            || self.auth_time > self.iat
        {
            return Err(TokenRefused::Claims);
        }
        if self.exp <= now {
            return Err(TokenRefused::Expired);
        }
        if self.iat > now + LEEWAY_SECS || self.nbf > now + LEEWAY_SECS {
            return Err(TokenRefused::NotYetValid);
        }
        Ok(())
    }
}

/// Checks an access token and returns what it claims.
///
/// - `token`: a JWT in compact form, three base64url parts joined by dots.
/// - `keys`: the public keys by `kid`; no other key is ever looked for.
///
/// # Errors
///
/// As in [`TokenRefused`]. Source: RFC 9068, section 4; RFC 8725.
pub fn verify(token: &str, keys: &VerifyingKeys, realm: &Realm, now: Timestamp) -> Result<Claims, TokenRefused> {
    let claims = signed(token, keys)?;
    claims.check(realm, now)?;
    Ok(claims)
}

/// Checks a token that may have ended, for whoever can carry its session on: a person whose browser slept meanwhile.
///
/// # Errors
///
/// As [`verify`]; [`TokenRefused::Expired`] only when the session has reached its absolute limit.
pub fn verify_session(
    token: &str,
    keys: &VerifyingKeys,
    realm: &Realm,
    now: Timestamp,
) -> Result<Claims, TokenRefused> {
    let claims = signed(token, keys)?;
    claims.check(realm, now.min(Timestamp::from_secs(claims.exp.saturating_sub(1))))?;
    if claims.session_ends_at() <= now { Err(TokenRefused::Expired) } else { Ok(claims) }
}

fn signed(token: &str, keys: &VerifyingKeys) -> Result<Claims, TokenRefused> {
    if token.len() > MAX_BYTES {
        return Err(TokenRefused::Malformed);
    }
    let jws = Jws::parse(token).map_err(|_| TokenRefused::Malformed)?;
    if jws.header.typ.as_deref() != Some(TYPE) {
        return Err(TokenRefused::Malformed);
    }
    let kid = jws.header.kid.as_deref().ok_or(TokenRefused::Malformed)?;
    let key = keys.get(kid).ok_or(TokenRefused::UnknownKey)?;
    let payload = jws.verify(key).map_err(|_| TokenRefused::Signature)?;
    serde_json::from_slice(&payload).map_err(|_| TokenRefused::Malformed)
}

/// The part of a token that is signed: header and claims, each in base64url, joined by a dot.
pub fn signing_input(kid: &str, claims: &Claims) -> String {
    let header = jws::Header { alg: jws::ES256.to_owned(), typ: Some(TYPE.to_owned()), kid: Some(kid.to_owned()) };
    jws::signing_input(&header, claims)
}

/// A token in the clear, which cannot be printed by accident.
pub struct AccessToken(String);

impl AccessToken {
    /// Joins what was signed and its signature.
    pub fn new(signing_input: &str, signature: &[u8]) -> Self {
        Self(jws::compact(signing_input, signature))
    }

    /// The compact form, for the answer that carries it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessToken")
    }
}

#[cfg(test)]
mod tests;
