//! `GET /v1/auth/refresh` and `GET /v1/auth/refresh/{token}`: a new token of the same session for a living one.

use domain::{
    TokenUid,
    audit::{Action, Means, Resource},
    principal::Credential,
    token::{AccessToken, Claims},
};
use lambda_http::{RequestExt as _, http::header};
use store::Membership;

use crate::{
    ApiError, App, Signer, audit,
    caller::{self, Refused},
    http::{Request, Response},
    openapi::Operation,
    person, sign_in, token_answer,
};

pub(crate) fn operations() -> Vec<Operation> {
    let operation = |route| {
        Operation::new(route, "A new token for a living one")
            .query("setCookie", "`false` for no cookie beside the token")
            .answers::<token_answer::Body<'_>>()
    };
    vec![operation("GET /v1/auth/refresh"), operation("GET /v1/auth/refresh/{token}").open()]
}

/// Handles the request.
///
/// # Errors
///
/// [`ApiError::Unauthorized`] for a token that is expired, revoked or none, and at the end of the session.
pub async fn handle(app: &App, signer: &Signer, request: Request) -> Result<Response, ApiError> {
    // With the token in the path other credentials do not matter: a client sends its key along whatever it does.
    let of_path = request.path_parameters().first("token").map(ToOwned::to_owned);
    let is_of_path = of_path.is_some();
    let token = match of_path {
        Some(token) => token,
        None => caller::presented_token(app, &request)?,
    };
    let claims = caller::claims(app, &token).await?;
    let refreshed = go_on(app, claims.clone()).await;
    if let Err(ApiError::Unauthorized(refused)) = &refreshed {
        note_refusal(app, &request, &claims, *refused).await?;
    }
    let claims = refreshed?;
    let token = signer.sign(app, &claims).await?;
    let mut answer = token_answer::answer(app, &request, &token, &claims)?;
    if is_of_path && !goes_on_in_cookie(app, &request, &claims).await {
        // Whoever can make a browser follow a link could put their own session into it.
        answer.headers_mut().remove(header::SET_COOKIE);
    }
    Ok(answer)
}

/// Whether the cookie of the request is of the same session.
async fn goes_on_in_cookie(app: &App, request: &Request, claims: &Claims) -> bool {
    let Some(cookie) = caller::cookie_token(request) else { return false };
    caller::claims_of_session(app, &cookie).await.is_ok_and(|cookie| cookie.sid == claims.sid)
}

/// The next token of a session, whether its last one is alive or not, unless the session has been idle too long.
///
/// # Errors
///
/// [`ApiError::Unauthorized`].
pub(crate) async fn renew(app: &App, signer: &Signer, claims: Claims) -> Result<AccessToken, ApiError> {
    let claims = go_on(app, claims).await?;
    Ok(signer.sign(app, &claims).await?)
}

/// The claims of the next token of the session.
async fn go_on(app: &App, claims: Claims) -> Result<Claims, ApiError> {
    let Credential::Token { claims, key_expires_at, session } = caller::state_of(app, claims).await?.credential else {
        return Err(Refused::NotAToken.into());
    };
    if let Some(session) = session.filter(|_| claims.kuid.is_none()) {
        let tenant = app.store.tenant(session.tenant).await?.ok_or(ApiError::TenantGone)?;
        if !sign_in::may_go_on(app, &tenant, &session).await? {
            return Err(Refused::Method.into());
        }
        let now = app.clock.now();
        // A browser in use has a token that ended a little while ago at most, whoever else keeps the session in use.
        let has_lain = now.secs() > claims.exp + i64::from(tenant.idle_minutes) * 60;
        if has_lain || session.is_idle(tenant.idle_minutes, now) {
            return Err(Refused::Idle.into());
        }
    }
    let jti = TokenUid::from_bytes(app.entropy.uid());
    Ok(claims.refresh(key_expires_at, jti, app.clock.now()).map_err(Refused::from)?)
}

/// A token that was good when it was signed: whoever has it now may have found it.
async fn note_refusal(app: &App, request: &Request, claims: &Claims, refused: Refused) -> Result<(), ApiError> {
    let membership = Membership { tenant: claims.tid, user: claims.sub, ..person::nobody() };
    let means = Means::Token { session: claims.sid, api_key: claims.kuid };
    let trail = audit::Trail::of_member(app, request, "", &membership, means);
    let resource = Resource::session(claims.sid);
    let content = format!("A token was not refreshed: {refused}");
    let record = trail.record_about(claims.sub, Action::Activity, resource, "Refresh refused", content);
    Ok(app.store.note(&record, true).await?)
}
