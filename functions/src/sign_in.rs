//! What follows once a person has proven who they are: a session and its first token.

use domain::{
    SessionUid, TokenUid, User,
    session::{self, Session},
    token::{Claims, SignIn, Source},
};

use crate::{
    ApiError, App, Signer,
    http::{Request, Response},
    token_answer,
};

/// Begins a session and answers with its first token.
///
/// # Errors
///
/// [`ApiError::InvalidCredentials`] if the user was removed or disabled at this moment.
pub(crate) async fn answer(
    app: &App,
    signer: &Signer,
    request: &Request,
    user: &User,
    source: Source,
) -> Result<Response, ApiError> {
    let now = app.clock.now();
    let sign_in = SignIn {
        user: user.uid,
        tenant: user.tenant,
        session: SessionUid::from_bytes(app.entropy.uid()),
        source,
        api_key: None,
    };
    let claims = Claims::sign_in(&app.realm(), &sign_in, TokenUid::from_bytes(app.entropy.uid()), now);
    // Before the session is written, since after that nothing may fail.
    let token = signer.sign(app, &claims).await?;
    let answer = token_answer::answer(app, request, &token, &claims)?;
    let session = Session {
        uid: sign_in.session,
        tenant: user.tenant,
        user: user.uid,
        created_at: now,
        last_used_at: now,
        revoked_at: None,
        ends_at: now + session::ABSOLUTE_LIMIT,
    };
    match app.store.begin_session(&session).await {
        Ok(()) => Ok(answer),
        Err(store::StoreError::Conflict) => Err(ApiError::InvalidCredentials),
        Err(error) => Err(error.into()),
    }
}
