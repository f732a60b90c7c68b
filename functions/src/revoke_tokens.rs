//! `POST /v1/users/auth/tokens/revoke`: ends the sessions that these tokens belong to.

use std::collections::BTreeMap;

use domain::{
    Permission, Principal,
    audit::{Action, Record, Resource},
    principal::Credential,
    session::Session,
    token::Claims,
};
use lambda_http::http::header;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    ApiError, App, audit, caller,
    http::{self, Request, Response},
    openapi::Operation,
    token_answer, wire,
};

/// Tokens of one request: they are revoked together or not at all, and a transaction has its limits.
const MAX_TOKENS: usize = 50;

#[derive(Deserialize, ToSchema)]
#[schema(as = Tokens)]
struct Body {
    #[serde(deserialize_with = "wire::null_as_default")]
    tokens: Vec<String>,
}

pub(crate) fn operations() -> Vec<Operation> {
    let summary = "Ends the sessions that tokens belong to; signing out, with one's own";
    vec![Operation::new("POST /v1/users/auth/tokens/revoke", summary).takes::<Body>()]
}

/// Handles the request. Tokens that are expired, unknown or somebody else's are passed over in silence, so that the
/// answer says nothing about them.
///
/// # Errors
///
/// [`ApiError::Unauthorized`]; [`ApiError::TooManyTokens`].
pub async fn handle(app: &App, request: Request) -> Result<Response, ApiError> {
    let principal = caller::principal(app, &request).await?;
    let body: Body = http::body(&request)?;
    if body.tokens.len() > MAX_TOKENS {
        return Err(ApiError::TooManyTokens(MAX_TOKENS));
    }

    let mut sessions = BTreeMap::new();
    for token in &body.tokens {
        if let Ok(claims) = app.verifier.verify(app, token).await?
            && may_revoke(&principal, &claims)
        {
            sessions.insert(claims.sid, ended(app, &claims));
        }
    }
    let sessions: Vec<Session> = sessions.into_values().collect();
    let trail = audit::Trail::of(app, &request, &principal);
    let records: Vec<Record> = sessions.iter().map(|session| record(&trail, &principal, session)).collect();
    app.store.on_record(&records).end_sessions(&sessions).await?;

    let mut response = http::no_content();
    if let Some(record) = records.first() {
        response = audit::stated(response, record);
    }
    if sessions.iter().any(|session| is_own(&principal, session)) {
        response.headers_mut().insert(header::SET_COOKIE, token_answer::cleared_cookie());
    }
    Ok(response)
}

fn record(trail: &audit::Trail<'_>, principal: &Principal, session: &Session) -> Record {
    let what = if is_own(principal, session) { "Signed out" } else { "Session ended" };
    let resource = Resource::session(session.uid);
    trail.record_about(session.user, Action::Activity, resource, what, format!("{what}: its tokens are revoked"))
}

fn may_revoke(principal: &Principal, claims: &Claims) -> bool {
    claims.tid == principal.user.tenant && principal.may(Permission::UserUpdate, claims.sub)
}

fn ended(app: &App, claims: &Claims) -> Session {
    Session {
        uid: claims.sid,
        tenant: claims.tid,
        user: claims.sub,
        created_at: domain::Timestamp::from_secs(claims.auth_time),
        last_used_at: domain::Timestamp::from_secs(claims.auth_time),
        revoked_at: Some(app.clock.now()),
        ends_at: claims.session_ends_at(),
        sign_outs: 0,
        method: domain::sso::Method::default(),
    }
}

/// Whether the caller has ended the session it calls from, which is signing out.
fn is_own(principal: &Principal, session: &Session) -> bool {
    matches!(&principal.credential, Credential::Token { claims, .. } if claims.sid == session.uid)
}
