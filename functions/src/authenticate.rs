//! `POST /v1/auth/authenticate`: exchanges a credential for an access token of 15 minutes.

use domain::{
    Principal, SessionUid, TokenUid,
    principal::Credential,
    token::{Claims, SignIn, Source},
};
use serde::Deserialize;

use crate::{
    ApiError, App, Signer, caller,
    http::{self, Request, Response},
    token_answer,
};

/// The body: empty, `{}`, or e-mail and password.
#[derive(Debug, Default, Deserialize)]
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
    let principal = caller::principal_of_api_key(app, &request).await?.ok_or(ApiError::NothingToAuthenticateWith)?;
    let claims = Claims::sign_in(&app.realm(), &sign_in(app, principal), token_uid(app), app.clock.now());
    let token = signer.sign(app, &claims).await?;
    token_answer::answer(app, &request, &token, &claims)
}

fn sign_in(app: &App, principal: Principal) -> SignIn {
    let api_key = match principal.credential {
        Credential::ApiKey(key) => Some((key.uid, key.expires_at)),
        Credential::Token { .. } => unreachable!("recognised by a key"),
    };
    SignIn {
        user: principal.user.uid,
        tenant: principal.user.tenant,
        session: SessionUid::from_bytes(app.entropy.uid()),
        source: Source::ApiKey,
        api_key,
    }
}

fn token_uid(app: &App) -> TokenUid {
    TokenUid::from_bytes(app.entropy.uid())
}
