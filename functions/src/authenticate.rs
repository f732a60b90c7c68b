//! `POST /v1/auth/authenticate`: exchanges a credential for an access token of 15 minutes.

use domain::{
    SessionUid, TokenUid,
    token::{Claims, SignIn, Source},
};
use serde::Deserialize;

use crate::{
    ApiError, App, Signer, caller,
    http::{self, Request, Response},
    token_answer,
};

/// The body: empty, `{}`, or e-mail and password.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Body {
    email_id: Option<String>,
    password: Option<String>,
}

/// Handles the request.
///
/// # Errors
///
/// [`ApiError::Unauthorized`] for a key that does not hold, [`ApiError::NothingToAuthenticateWith`] without any.
pub async fn handle(app: &App, signer: &Signer, request: Request) -> Result<Response, ApiError> {
    let body: Body = http::optional_body(&request)?.unwrap_or_default();
    // A client that is configured with a key sends it along whatever it does, so a body with e-mail or password wins.
    if [body.email_id, body.password].into_iter().flatten().any(|text| !text.is_empty()) {
        // Nobody has a password yet, so every password is a wrong one.
        return Err(ApiError::InvalidCredentials);
    }
    let (user, key) = caller::user_of_api_key(app, &request).await?.ok_or(ApiError::NothingToAuthenticateWith)?;
    let sign_in = SignIn {
        user: user.uid,
        tenant: user.tenant,
        session: SessionUid::from_bytes(app.entropy.uid()),
        source: Source::ApiKey,
        api_key: Some((key.uid, key.expires_at)),
    };
    let jti = TokenUid::from_bytes(app.entropy.uid());
    let claims = Claims::sign_in(&app.realm(), &sign_in, jti, app.clock.now());
    let token = signer.sign(app, &claims).await?;
    token_answer::answer(app, &request, &token, &claims)
}
