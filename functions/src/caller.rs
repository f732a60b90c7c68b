//! Credentials of a request → principal. The one place that decides who calls.
//!
//! A credential may stand in the header or query `ApiKey` in any letter case, or in the header `Authorization`, bare or
//! after `Bearer`. There must be exactly one: two, or one repeated, is refused, and no bad one is passed over for a
//! good one. The cookie counts only when there is none of these and the request comes from our own pages.

use std::time::Duration;

use domain::{
    ApiKey, Permission, Principal, ProjectUid, User,
    api_key::{ApiKeyValue, LastUse, USE_RESOLUTION},
    audit::shown_agent,
    principal::{Credential, CredentialRefused},
    token::{Claims, TokenRefused},
};
use lambda_http::{
    RequestExt as _,
    http::{HeaderMap, header},
};
use store::StoreError;

use crate::{
    ApiError, App, audit,
    http::{self, Request},
};

/// The cookie that carries a token for browsers. The prefix binds it to this very host and to HTTPS.
pub const COOKIE: &str = "__Host-Authorization";

const API_KEY: &str = "apikey";

/// How long a request waits for the note of a key's use to be written: it can go without.
const NOTE_TIMEOUT: Duration = Duration::from_millis(250);

/// Why a credential was refused: for the log, never for the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// There was none.
    #[error("no credential")]
    Missing,
    /// There were two, or one twice.
    #[error("more than one credential")]
    Several,
    /// What stood where a key belongs is none.
    #[error("not an API key")]
    NotAnApiKey,
    /// A key stood where a token belongs.
    #[error("an API key in place of a token")]
    NotAToken,
    /// What stood where a token belongs is none, or no longer.
    #[error("token: {0}")]
    Token(#[from] TokenRefused),
    /// The session has not been in real use for longer than the tenant allows.
    #[error("the session has been idle too long")]
    Idle,
    /// The tenant no longer lets anybody come the way that the session was begun.
    #[error("the session was begun in a way that is not offered any more")]
    Method,
    /// Key, token, user or session do not hold.
    #[error("{0}")]
    Credential(#[from] CredentialRefused),
}

/// What was presented, not yet looked at.
enum Presented {
    ApiKey(String),
    Token(String),
}

/// Who calls, or the refusal.
///
/// # Errors
///
/// [`ApiError::Unauthorized`]; [`ApiError::ProjectNotFound`] if the request names a project that is not the tenant's.
pub async fn principal(app: &App, request: &Request) -> Result<Principal, ApiError> {
    let principal = match presented(request)? {
        Some(Presented::ApiKey(text)) => api_key(app, &text).await?,
        Some(Presented::Token(text)) => token(app, &text).await?,
        None => token(app, &cookie(app, request)?).await?,
    };
    // Before anything else may be refused, or whoever tries a key that they found would leave no trace.
    match &principal.credential {
        Credential::ApiKey(key) => note_key_use(app, request, key).await,
        Credential::Token { key_expires_at, .. } => {
            http::note_expiry(app, request, *key_expires_at);
            note_use(app, &principal).await?;
        }
    }
    check_project(app, request, &principal).await?;
    Ok(principal)
}

/// Notes when and from where a key was presented, once an hour at most, and that it ends soon. The request goes on
/// whether that can be written or not.
async fn note_key_use(app: &App, request: &Request, key: &ApiKey) {
    let now = app.clock.now();
    http::note_expiry(app, request, Some(key.expires_at));
    if !key.is_use_due(now) {
        return;
    }
    let last_use =
        LastUse { at: now, source: http::source_address(request), user_agent: shown_agent(audit::user_agent(request)) };
    let noted = app.store.note_api_key_use(key, &last_use, now - USE_RESOLUTION);
    match tokio::time::timeout(NOTE_TIMEOUT, noted).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, "the use of a key was not noted"),
        Err(_) => tracing::warn!("the use of a key was not noted in time"),
    }
}

/// Who calls, if they may do this throughout their tenant.
///
/// # Errors
///
/// As [`principal`]; [`ApiError::Forbidden`].
pub async fn permitted(app: &App, request: &Request, permission: Permission) -> Result<Principal, ApiError> {
    let principal = principal(app, request).await?;
    if principal.has(permission) { Ok(principal) } else { Err(ApiError::Forbidden(permission)) }
}

/// Notes that the session of a person is in real use, every few minutes. The session of a key has no such note.
async fn note_use(app: &App, principal: &Principal) -> Result<(), ApiError> {
    let Credential::Token { claims, session: Some(session), .. } = &principal.credential else { return Ok(()) };
    let now = app.clock.now();
    if claims.kuid.is_some() || !session.is_use_due(now) {
        return Ok(());
    }
    match app.store.touch_session(session, now).await {
        // Ended and removed at this moment: whoever comes next is refused.
        Ok(()) | Err(StoreError::Conflict) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Who presents an API key in header or query, and the key; `None` if nobody does.
///
/// # Errors
///
/// [`ApiError::Unauthorized`], also when there is another credential beside it.
pub async fn user_of_api_key(app: &App, request: &Request) -> Result<Option<(User, ApiKey)>, ApiError> {
    let Some(Presented::ApiKey(text)) = presented(request)? else { return Ok(None) };
    let principal = api_key(app, &text).await?;
    let Credential::ApiKey(key) = principal.credential else { return Ok(None) };
    note_key_use(app, request, &key).await;
    Ok(Some((principal.user, key)))
}

/// The token of the request, in the header or the cookie.
///
/// # Errors
///
/// [`ApiError::Unauthorized`], also when a key is presented in its stead.
pub fn presented_token(app: &App, request: &Request) -> Result<String, ApiError> {
    match presented(request)? {
        Some(Presented::ApiKey(_)) => Err(Refused::NotAToken.into()),
        Some(Presented::Token(text)) => Ok(text),
        None => Ok(cookie(app, request)?),
    }
}

/// On whose behalf this token speaks.
///
/// # Errors
///
/// [`ApiError::Unauthorized`].
pub async fn token(app: &App, text: &str) -> Result<Principal, ApiError> {
    let claims = claims(app, text).await?;
    state_of(app, claims).await
}

/// What this token claims, if it was signed here and its session may go on, whether its own time has passed or not.
///
/// # Errors
///
/// [`ApiError::Unauthorized`].
pub(crate) async fn claims_of_session(app: &App, text: &str) -> Result<Claims, ApiError> {
    Ok(app.verifier.verify_session(app, text).await?.map_err(Refused::from)?)
}

/// What this token claims, if it was signed here and its time has not passed.
///
/// # Errors
///
/// [`ApiError::Unauthorized`].
pub async fn claims(app: &App, text: &str) -> Result<Claims, ApiError> {
    Ok(app.verifier.verify(app, text).await?.map_err(Refused::from)?)
}

/// On whose behalf these claims speak, by what the tables say now.
///
/// # Errors
///
/// [`ApiError::Unauthorized`].
pub async fn state_of(app: &App, claims: Claims) -> Result<Principal, ApiError> {
    let state = app.store.token_state(&claims).await?;
    Ok(Principal::from_token(claims, state, app.clock.now()).map_err(Refused::from)?)
}

async fn api_key(app: &App, text: &str) -> Result<Principal, ApiError> {
    // A value with a wrong checksum is refused before any read, so inventing values costs the tables nothing.
    let presented = ApiKeyValue::parse(text).map_err(|_| Refused::NotAnApiKey)?;
    let (stored, user) = app.store.api_key_and_user(&presented).await?;
    Ok(Principal::from_api_key(&presented, stored, user, app.clock.now()).map_err(Refused::from)?)
}

/// The one credential of the request, if any. API Gateway joins repeated headers by a comma, which neither a key nor a
/// token contains, so a repeated one is refused when it is read, if not here.
fn presented(request: &Request) -> Result<Option<Presented>, Refused> {
    let mut all = Vec::new();
    for value in request.headers().get_all(API_KEY) {
        all.push(Presented::ApiKey(value.to_str().map_err(|_| Refused::NotAnApiKey)?.to_owned()));
    }
    for (name, value) in request.query_string_parameters().iter() {
        if name.eq_ignore_ascii_case(API_KEY) {
            all.push(Presented::ApiKey(value.to_owned()));
        }
    }
    for value in request.headers().get_all(header::AUTHORIZATION) {
        let value = value.to_str().map_err(|_| TokenRefused::Malformed)?;
        all.push(Presented::Token(without_bearer(value).to_owned()));
    }
    if all.len() > 1 {
        return Err(Refused::Several);
    }
    Ok(all.pop())
}

fn without_bearer(value: &str) -> &str {
    match value.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim_start(),
        _ => value,
    }
}

/// The token in the cookie, if the request comes from our own pages.
fn cookie(app: &App, request: &Request) -> Result<String, Refused> {
    if !is_same_origin(request.headers(), &app.settings.public_url) {
        return Err(Refused::Missing);
    }
    any_cookie(request, COOKIE)
}

/// The token in the cookie, for a page that changes nothing or asks for more than the cookie.
pub(crate) fn cookie_token(request: &Request) -> Option<String> {
    cookie_named(request, COOKIE)
}

/// The value of the one cookie of this name.
pub(crate) fn cookie_named(request: &Request, name: &str) -> Option<String> {
    any_cookie(request, name).ok().filter(|value| !value.is_empty())
}

fn any_cookie(request: &Request, wanted: &str) -> Result<String, Refused> {
    let cookies =
        request.headers().get_all(header::COOKIE).iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b';'));
    // Another site under the same domain may set cookies beside ours that are no text. Names are trimmed of ASCII only, as
    // browsers do, or one that a browser takes for another name would pass for ours.
    let mut tokens = cookies
        .filter_map(|cookie| std::str::from_utf8(cookie.trim_ascii()).ok()?.split_once('='))
        .filter(|(name, _)| *name == wanted);
    let (_, token) = tokens.next().ok_or(Refused::Missing)?;
    if tokens.next().is_some() {
        return Err(Refused::Several);
    }
    Ok(token.to_owned())
}

/// Whether a browser goes to this address as to a page.
pub(crate) fn is_navigation(request: &Request) -> bool {
    request.headers().get("sec-fetch-mode").is_some_and(|mode| mode == "navigate")
}

/// Whether a browser sent this from one of our own pages. `Sec-Fetch-Site` cannot be set by a page, and where a browser
/// is too old to send it, `Origin` tells; a request that has neither comes from no page of ours.
fn is_same_origin(headers: &HeaderMap, public_url: &str) -> bool {
    says_same_origin(headers, public_url).unwrap_or(false)
}

/// What the browser says of the page that caused the request; `None` if it says nothing.
fn says_same_origin(headers: &HeaderMap, public_url: &str) -> Option<bool> {
    match (headers.get("sec-fetch-site"), headers.get("origin")) {
        (Some(site), _) => Some(site == "same-origin"),
        (None, Some(origin)) => Some(origin == public_url),
        (None, None) => None,
    }
}

/// Whether a cookie may be set: never by a request that a page of another site caused, or a stranger could sign a
/// browser in as somebody else. Programs send neither `Sec-Fetch-Site` nor `Origin`, and keep no cookie.
pub fn may_set_cookie(app: &App, request: &Request) -> bool {
    says_same_origin(request.headers(), &app.settings.public_url).unwrap_or(true)
}

/// A project that the request names must be one of the tenant's; what it is asked for does not depend on it.
async fn check_project(app: &App, request: &Request, principal: &Principal) -> Result<(), ApiError> {
    let Some(project) = request.headers().get("projectuid") else { return Ok(()) };
    let uid: Option<ProjectUid> = project.to_str().ok().and_then(|uid| uid.parse().ok());
    let uid = uid.ok_or(ApiError::ProjectNotFound)?;
    app.store.project(principal.user.tenant, uid).await?.map(drop).ok_or(ApiError::ProjectNotFound)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use lambda_http::http::HeaderValue;

    use super::*;

    type Pairs = [(&'static str, &'static str)];

    fn headers(pairs: &Pairs) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value))).collect()
    }

    fn request(pairs: &Pairs) -> Request {
        let mut request = Request::default();
        *request.headers_mut() = headers(pairs);
        request
    }

    /// What is presented by these headers and parameters, as text.
    fn text(pairs: &Pairs, query: &Pairs) -> Result<Option<String>, Refused> {
        let mut parameters: HashMap<String, Vec<String>> = HashMap::new();
        for (name, value) in query {
            parameters.entry((*name).to_owned()).or_default().push((*value).to_owned());
        }
        let presented = presented(&request(pairs).with_query_string_parameters(parameters))?;
        Ok(presented.map(|presented| match presented {
            Presented::ApiKey(text) => format!("key {text}"),
            Presented::Token(text) => format!("token {text}"),
        }))
    }

    #[test]
    fn a_credential_may_stand_in_three_places() {
        assert_eq!(text(&[], &[]), Ok(None));
        assert_eq!(text(&[("x-api-key", "k"), ("cookie", "a=b")], &[("key", "k")]), Ok(None));
        assert_eq!(text(&[("apikey", "k")], &[]), Ok(Some("key k".to_owned())));
        for name in ["apikey", "ApiKey", "APIKEY"] {
            assert_eq!(text(&[], &[("limit", "1"), (name, "k")]), Ok(Some("key k".to_owned())), "{name}");
        }
        assert_eq!(text(&[("authorization", "bearer t")], &[]), Ok(Some("token t".to_owned())));
        // Empty is something, and no credential: nobody is let in by the cookie instead.
        assert_eq!(text(&[("apikey", "")], &[]), Ok(Some("key ".to_owned())));
        assert_eq!(text(&[("authorization", "")], &[]), Ok(Some("token ".to_owned())));
    }

    #[test]
    fn there_must_be_one_credential_only() {
        for (pairs, query) in [
            (&[("apikey", "k"), ("authorization", "t")] as &Pairs, &[] as &Pairs),
            (&[("apikey", "k"), ("apikey", "k")], &[]),
            (&[("authorization", "t"), ("authorization", "t")], &[]),
            (&[("apikey", "k")], &[("apikey", "k")]),
            (&[("authorization", "t")], &[("ApiKey", "k")]),
            (&[], &[("apikey", "k"), ("ApiKey", "k")]),
            (&[], &[("apikey", "k"), ("apikey", "k")]),
            (&[("apikey", "k"), ("apikey", "k"), ("authorization", "t")], &[]),
        ] {
            assert_eq!(text(pairs, query), Err(Refused::Several), "{pairs:?} {query:?}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_no_credential_and_none_that_is_missing() {
        for (name, refused) in
            [("apikey", Refused::NotAnApiKey), ("authorization", Refused::Token(TokenRefused::Malformed))]
        {
            let mut request = Request::default();
            request.headers_mut().insert(name, HeaderValue::from_bytes(b"\xff").unwrap());
            assert_eq!(presented(&request).map(drop), Err(refused), "{name}");
        }
    }

    #[test]
    fn the_cookie_is_taken_by_its_very_name() {
        let token = |pairs: &Pairs| any_cookie(&request(pairs), COOKIE);
        for cookies in [
            "__Host-Authorization=t",
            "a=b; __Host-Authorization=t; c=d",
            "a;__Host-Authorization=t",
            "__Host-authorization=x; Authorization=x; __Host-Authorization=t",
        ] {
            assert_eq!(token(&[("cookie", cookies)]), Ok("t".to_owned()), "{cookies}");
        }
        assert_eq!(token(&[("cookie", "a=b"), ("cookie", "__Host-Authorization=t=u")]), Ok("t=u".to_owned()));
        let others = HeaderValue::from_bytes(b"a=\xff; __Host-Authorization=t; \xe9").unwrap();
        let mut beside = Request::default();
        beside.headers_mut().insert(header::COOKIE, others);
        assert_eq!(any_cookie(&beside, COOKIE), Ok("t".to_owned()));
        let spaced = HeaderValue::from_bytes("\u{2003}__Host-Authorization=t".as_bytes()).unwrap();
        beside.headers_mut().insert(header::COOKIE, spaced);
        assert_eq!(any_cookie(&beside, COOKIE), Err(Refused::Missing));
        for cookies in ["", "a=b", "__Host-Authorization", "a=__Host-Authorization=t"] {
            assert_eq!(token(&[("cookie", cookies)]), Err(Refused::Missing), "{cookies}");
        }
        let twice = "__Host-Authorization=t; __Host-Authorization=t";
        assert_eq!(token(&[("cookie", twice)]), Err(Refused::Several));
        let again = [("cookie", "__Host-Authorization=t"), ("cookie", "__Host-Authorization=u")];
        assert_eq!(token(&again), Err(Refused::Several));
    }

    #[test]
    fn a_cookie_without_a_value_is_none() {
        assert_eq!(cookie_token(&request(&[("cookie", "__Host-Authorization=t; a=b")])), Some("t".to_owned()));
        assert_eq!(cookie_named(&request(&[("cookie", "__Host-Authorization=t; a=b")]), "a"), Some("b".to_owned()));
        for cookies in ["__Host-Authorization=", "a=b", "__Host-Authorization=t; __Host-Authorization=t"] {
            assert_eq!(cookie_token(&request(&[("cookie", cookies)])), None, "{cookies}");
        }
    }

    #[test]
    fn a_navigation_says_so() {
        assert!(is_navigation(&request(&[("sec-fetch-mode", "navigate")])));
        for pairs in [&[("sec-fetch-mode", "cors")] as &Pairs, &[("sec-fetch-dest", "document")], &[]] {
            assert!(!is_navigation(&request(pairs)), "{pairs:?}");
        }
    }

    #[test]
    fn only_our_own_pages_are_of_the_same_origin() {
        let same = |pairs: &[(&'static str, &'static str)]| is_same_origin(&headers(pairs), "https://a.example");
        assert!(same(&[("sec-fetch-site", "same-origin")]));
        assert!(same(&[("origin", "https://a.example")]));
        assert!(!same(&[]));
        for site in ["cross-site", "same-site", "none", "", "Same-Origin "] {
            assert!(!same(&[("sec-fetch-site", site)]), "{site}");
        }
        assert!(!same(&[("sec-fetch-site", "cross-site"), ("origin", "https://a.example")]));
        for origin in ["https://b.example", "http://a.example", "https://a.example.evil", "null", ""] {
            assert!(!same(&[("origin", origin)]), "{origin}");
        }
    }

    #[test]
    fn the_scheme_word_is_optional_and_has_no_case() {
        for value in ["a.b.c", "Bearer a.b.c", "bearer a.b.c", "BEARER  a.b.c"] {
            assert_eq!(without_bearer(value), "a.b.c");
        }
        assert_eq!(without_bearer("Basic a.b.c"), "Basic a.b.c");
        assert_eq!(without_bearer("Bearer"), "Bearer");
    }
}
