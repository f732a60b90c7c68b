//! `/v1/users/auth/sessions`: where the caller is signed in, and ending it from afar.
//!
//! Not in Palette's API, which ends sessions by their tokens only; but whoever has lost a device has no token of it.

use domain::{
    EmailAddress, Principal, SessionUid, Tenant, Timestamp, TokenUid, User, UserUid,
    audit::{Action, Means, Record, Resource},
    principal::Credential,
    session::{Device, Session},
    sso::Method,
    token::{Claims, SignIn},
};
use lambda_http::http::header;
use serde::Serialize;
use store::{Membership, Person};
use utoipa::ToSchema;

use crate::{
    ApiError, App, Signer, audit,
    caller::{self, Refused},
    http::{self, Request, Response},
    openapi::Operation,
    person, sign_in, token_answer, wire,
};

/// Handles the request.
///
/// # Errors
///
/// [`ApiError::NotByApiKey`] for whoever has not signed in; [`ApiError::NotFound`] for every other route.
pub async fn handle(app: &App, signer: &Signer, request: Request) -> Result<Response, ApiError> {
    match http::route(&request).as_str() {
        "GET /v1/users/auth/sessions" => Box::pin(list(app, request)).await,
        "DELETE /v1/users/auth/sessions" => Box::pin(end_others(app, signer, request)).await,
        "DELETE /v1/users/auth/sessions/{uid}" => Box::pin(end(app, request)).await,
        _ => Err(ApiError::NotFound),
    }
}

pub(crate) fn operations() -> Vec<Operation> {
    vec![
        Operation::new("GET /v1/users/auth/sessions", "Where the caller is signed in, the one that asks first")
            .answers::<List>(),
        Operation::new(
            "DELETE /v1/users/auth/sessions",
            "Ends every session of the caller in all organizations, and carries on the one that asks by a new token",
        )
        .query("setCookie", "`false` for no cookie beside the token")
        .answers::<token_answer::Body<'_>>(),
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
    /// The organization that it is in.
    org_name: String,
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

/// A session that lives, where it is and in which organization.
struct Living {
    session: Session,
    device: Device,
    tenant: Tenant,
    user: User,
}

/// Who asks, and by which of their sessions.
struct Asking {
    principal: Principal,
    claims: Claims,
    session: Session,
    address: EmailAddress,
    person: Person,
    /// Of the person, in the organizations that the session gets into.
    users: Vec<(Tenant, User)>,
}

impl Asking {
    async fn of(app: &App, request: &Request) -> Result<Self, ApiError> {
        let principal = caller::principal(app, request).await?;
        // A key that has leaked must not tell where its user is, nor lock them out.
        let session = principal.session().cloned().ok_or(ApiError::NotByApiKey)?;
        let Credential::Token { claims, .. } = &principal.credential else { return Err(ApiError::NotByApiKey) };
        let claims = claims.clone();
        let tenant = app.store.tenant(session.tenant).await?.ok_or(ApiError::TenantGone)?;
        if !sign_in::may_go_on(app, &tenant, &session).await? {
            return Err(Refused::Method.into());
        }
        let address = person::address_of(&principal.user)?;
        let person = app.store.person(address.canonical()).await?;
        let users = person::reachable(app, &session, &person).await?;
        Ok(Self { principal, claims, session, address, person, users })
    }

    /// The sessions in all organizations of the person, since from each one gets into the others: the one that asks
    /// first, then the latest.
    async fn living(&self, app: &App) -> Result<Vec<Living>, ApiError> {
        let now = app.clock.now();
        let mut living = Vec::new();
        for (tenant, user) in &self.users {
            for (session, device) in app.store.sessions_of_user(user.uid).await? {
                if session.is_alive(user.sign_outs, tenant.idle_minutes, now) {
                    living.push(Living { session, device, tenant: tenant.clone(), user: user.clone() });
                }
            }
        }
        living.sort_by_key(|Living { session, .. }| {
            let others = session.uid != self.session.uid;
            (others, std::cmp::Reverse((session.last_used_at, session.created_at, session.uid)))
        });
        Ok(living)
    }
}

/// `GET /v1/users/auth/sessions`.
async fn list(app: &App, request: Request) -> Result<Response, ApiError> {
    let asking = Asking::of(app, &request).await?;
    let items = asking.living(app).await?.into_iter().map(|Living { session, device, tenant, .. }| Item {
        metadata: Metadata { uid: session.uid, creation_timestamp: session.created_at },
        spec: Spec {
            org_name: tenant.org_name.to_string(),
            source: device.source,
            user_agent: device.user_agent,
            expiry: session.ends_at,
        },
        status: Status { is_current: session.uid == asking.session.uid, last_used_timestamp: session.last_used_at },
    });
    Ok(http::ok(&List { items: items.collect() }))
}

/// `DELETE /v1/users/auth/sessions/{uid}`: one that does not live looks like one that never was.
async fn end(app: &App, request: Request) -> Result<Response, ApiError> {
    let asking = Asking::of(app, &request).await?;
    let uid: SessionUid = http::uid(&request)?;
    let living = asking.living(app).await?;
    let Living { session, user, .. } =
        living.iter().find(|living| living.session.uid == uid).ok_or(ApiError::NotFound)?;
    let is_own = uid == asking.session.uid;
    let what = if is_own { "Signed out" } else { "Session ended" };
    let trail = trail(app, &request, &asking, user);
    let content = format!("{what}: its tokens are revoked");
    let record = [trail.record_about(user.uid, Action::Activity, Resource::session(uid), what, content)];
    let ended = Session { revoked_at: Some(app.clock.now()), ..session.clone() };
    app.store.on_record(&record).end_sessions(&[ended]).await?;
    let mut response = audit::stated(http::no_content(), &record[0]);
    if is_own {
        response.headers_mut().insert(header::SET_COOKIE, token_answer::cleared_cookie());
    }
    Ok(response)
}

/// In another organization nobody knows the user of this one.
fn trail<'a>(app: &'a App, request: &Request, asking: &Asking, user: &User) -> audit::Trail<'a> {
    if user.uid == asking.principal.user.uid {
        audit::Trail::of(app, request, &asking.principal)
    } else {
        audit::Trail::of_user(app, request, user, Means::None)
    }
}

/// `DELETE /v1/users/auth/sessions`: whatever was begun before is over, in whichever organization and even if it moves on
/// at this moment; so the session that asks goes on as a new one.
async fn end_others(app: &App, signer: &Signer, request: Request) -> Result<Response, ApiError> {
    let asking = Asking::of(app, &request).await?;
    let (user, before, now) = (&asking.principal.user, &asking.session, app.clock.now());
    let sign_in = SignIn {
        user: user.uid,
        tenant: user.tenant,
        session: SessionUid::from_bytes(app.entropy.uid()),
        source: asking.claims.src,
        api_key: None,
    };
    let jti = TokenUid::from_bytes(app.entropy.uid());
    let claims = Claims::sign_in(&app.realm(), &sign_in, jti, now).begun_at(before.signed_in_at());
    // Before anything is ended, since after that nothing may fail.
    let token = signer.sign(app, &claims).await?;
    let answer = token_answer::answer(app, &request, &token, &claims)?;
    let next = Session {
        uid: sign_in.session,
        created_at: now,
        last_used_at: now,
        sign_outs: user.sign_outs + 1,
        ..before.clone()
    };
    let record = |membership: &Membership| -> Record {
        let email = asking.address.canonical();
        let trail = if membership.user == user.uid {
            audit::Trail::of(app, &request, &asking.principal)
        } else {
            audit::Trail::of_member(app, &request, email, membership, Means::None)
        };
        let what = "All other sessions ended";
        let resource = Resource::member(membership.user, email);
        trail.record_about(membership.user, Action::Activity, resource, what, format!("{what}: {email}"))
    };
    // By the password they are all of the person, disabled ones too; otherwise those that the identity opens.
    let of_password = asking.person.accepted().filter(|_| before.method == Method::Password).cloned();
    let reachable = asking.users.iter().map(|(tenant, user)| Membership {
        tenant: tenant.uid,
        org_name: tenant.org_name.clone(),
        user: user.uid,
        is_accepted: true,
    });
    let mut meant: Vec<Membership> = reachable.collect();
    meant.extend(of_password.filter(|one| !asking.users.iter().any(|(_, user)| user.uid == one.user)));
    // The organization of the session first: its record is what the answer names.
    meant.sort_by_key(|membership| membership.user != user.uid);
    let mut records: Vec<Record> = meant.iter().map(record).collect();
    let resource = Resource::session(next.uid);
    let content = format!("{} goes on in a session of its own", user.name());
    records.push(audit::Trail::of(app, &request, &asking.principal).record(
        Action::Activity,
        resource,
        "Signed in",
        content,
    ));
    let users: Vec<UserUid> = meant.iter().map(|membership| membership.user).collect();
    let device = sign_in::device(&request);
    let person = (asking.address.canonical(), &asking.person);
    app.store.on_record(&records).end_other_sessions((&next, &device), before, user, &users, person, now).await?;
    Ok(records.first().map_or(answer.clone(), |record| audit::stated(answer, record)))
}
