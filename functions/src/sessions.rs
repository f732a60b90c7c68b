//! `/v1/users/auth/sessions`: where the caller is signed in, and ending it from afar.
//!
//! Not in Palette's API, which ends sessions by their tokens only; but whoever has lost a device has no token of it.

use domain::{
    Principal, SessionUid, Timestamp,
    audit::{Action, Record, Resource},
    principal::Credential,
    session::{Device, Session},
};
use lambda_http::http::header;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    ApiError, App, audit, caller,
    http::{self, Request, Response},
    openapi::Operation,
    token_answer, wire,
};

/// Sessions that end together, each with its record: what one transaction of DynamoDB holds.
const AT_ONCE: usize = 50;

/// Handles the request.
///
/// # Errors
///
/// [`ApiError::NotByApiKey`] for whoever has not signed in; [`ApiError::NotFound`] for every other route.
pub async fn handle(app: &App, request: Request) -> Result<Response, ApiError> {
    match http::route(&request).as_str() {
        "GET /v1/users/auth/sessions" => list(app, request).await,
        "DELETE /v1/users/auth/sessions" => end_others(app, request).await,
        "DELETE /v1/users/auth/sessions/{uid}" => end(app, request).await,
        _ => Err(ApiError::NotFound),
    }
}

pub(crate) fn operations() -> Vec<Operation> {
    vec![
        Operation::new("GET /v1/users/auth/sessions", "Where the caller is signed in, the latest first")
            .answers::<List>(),
        Operation::new("DELETE /v1/users/auth/sessions", "Ends every session of the caller but the one that asks"),
        Operation::new("DELETE /v1/users/auth/sessions/{uid}", "Ends one session of the caller"),
    ]
}

#[derive(Serialize, ToSchema)]
#[schema(as = Sessions)]
struct List {
    items: Vec<Item>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Session)]
struct Item {
    metadata: Metadata,
    spec: Spec,
    status: Status,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SessionMetadata)]
struct Metadata {
    #[schema(value_type = wire::Uid)]
    uid: SessionUid,
    #[schema(value_type = wire::Time)]
    creation_timestamp: Timestamp,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SessionSpec)]
struct Spec {
    /// The network address that it was begun from.
    source: String,
    user_agent: String,
    /// When it ends at the latest.
    #[schema(value_type = wire::Time)]
    expiry: Timestamp,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SessionStatus)]
struct Status {
    /// Whether it is the one that asks.
    is_current: bool,
    /// To within a few minutes.
    #[schema(value_type = wire::Time)]
    last_used_timestamp: Timestamp,
}

/// Who asks, by which of their sessions, and all that live, the latest first.
struct Own {
    principal: Principal,
    current: SessionUid,
    sessions: Vec<(Session, Device)>,
}

async fn own(app: &App, request: &Request) -> Result<Own, ApiError> {
    let principal = caller::principal(app, request).await?;
    // A key that has leaked must not tell where its user is, nor lock them out.
    let current = match &principal.credential {
        Credential::Token { claims, session: Some(_), .. } if claims.kuid.is_none() => claims.sid,
        _ => return Err(ApiError::NotByApiKey),
    };
    let user = &principal.user;
    let tenant = app.store.tenant(user.tenant).await?.ok_or(ApiError::TenantGone)?;
    let mut sessions = app.store.sessions_of_user(user.uid).await?;
    let now = app.clock.now();
    sessions.retain(|(session, _)| session.is_alive(user.signed_out_at, tenant.idle_minutes, now));
    sessions.sort_by_key(|(session, _)| std::cmp::Reverse((session.last_used_at, session.created_at, session.uid)));
    Ok(Own { principal, current, sessions })
}

/// `GET /v1/users/auth/sessions`.
async fn list(app: &App, request: Request) -> Result<Response, ApiError> {
    let own = own(app, &request).await?;
    let items = own.sessions.into_iter().map(|(session, device)| Item {
        metadata: Metadata { uid: session.uid, creation_timestamp: session.created_at },
        spec: Spec { source: device.source, user_agent: device.user_agent, expiry: session.ends_at },
        status: Status { is_current: session.uid == own.current, last_used_timestamp: session.last_used_at },
    });
    Ok(http::ok(&List { items: items.collect() }))
}

/// `DELETE /v1/users/auth/sessions/{uid}`: one that does not live looks like one that never was.
async fn end(app: &App, request: Request) -> Result<Response, ApiError> {
    let own = own(app, &request).await?;
    let uid: SessionUid = http::uid(&request)?;
    let session = own.sessions.iter().find(|(session, _)| session.uid == uid).ok_or(ApiError::NotFound)?;
    let mut response = end_all(app, &request, &own, vec![session.0.clone()]).await?;
    if uid == own.current {
        response.headers_mut().insert(header::SET_COOKIE, token_answer::cleared_cookie());
    }
    Ok(response)
}

/// `DELETE /v1/users/auth/sessions`.
async fn end_others(app: &App, request: Request) -> Result<Response, ApiError> {
    let own = own(app, &request).await?;
    let others = own.sessions.iter().map(|(session, _)| session.clone()).filter(|session| session.uid != own.current);
    let others = others.collect();
    end_all(app, &request, &own, others).await
}

async fn end_all(app: &App, request: &Request, own: &Own, sessions: Vec<Session>) -> Result<Response, ApiError> {
    let now = app.clock.now();
    let sessions: Vec<Session> =
        sessions.into_iter().map(|session| Session { revoked_at: Some(now), ..session }).collect();
    let trail = audit::Trail::of(app, request, &own.principal);
    let mut response = http::no_content();
    for sessions in sessions.chunks(AT_ONCE) {
        let record = |session: &Session| {
            let what = if session.uid == own.current { "Signed out" } else { "Session ended" };
            let resource = Resource::session(session.uid);
            trail.record_about(
                session.user,
                Action::Activity,
                resource,
                what,
                format!("{what}: its tokens are revoked"),
            )
        };
        let records: Vec<Record> = sessions.iter().map(record).collect();
        app.store.on_record(&records).end_sessions(sessions).await?;
        if let Some(record) = records.first() {
            response = audit::stated(response, record);
        }
    }
    Ok(response)
}
