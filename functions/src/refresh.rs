//! `GET /v1/auth/refresh` and `GET /v1/auth/refresh/{token}`: a new token of the same session for a living one.

use domain::{TokenUid, principal::Credential};
use lambda_http::RequestExt as _;

use crate::{
    ApiError, App, Signer,
    caller::{self, Refused},
    http::{Request, Response},
    openapi::Operation,
    token_answer,
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
    let token = match request.path_parameters().first("token") {
        Some(token) => token.to_owned(),
        None => caller::presented_token(app, &request)?,
    };
    let Credential::Token { claims, key_expires_at, session } = caller::token(app, &token).await?.credential else {
        return Err(Refused::NotAToken.into());
    };
    if let Some(session) = session.filter(|_| claims.kuid.is_none()) {
        let tenant = app.store.tenant(session.tenant).await?.ok_or(ApiError::TenantGone)?;
        if session.is_idle(tenant.idle_minutes, app.clock.now()) {
            return Err(Refused::Idle.into());
        }
    }
    let jti = TokenUid::from_bytes(app.entropy.uid());
    let claims = claims.refresh(key_expires_at, jti, app.clock.now()).map_err(Refused::from)?;
    let token = signer.sign(app, &claims).await?;
    token_answer::answer(app, &request, &token, &claims)
}
