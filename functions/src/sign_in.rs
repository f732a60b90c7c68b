//! What follows once a person has proven who they are: a session and its first token.

use domain::{
    SessionUid, Tenant, TokenUid, User,
    audit::{Action, Means, Resource, shown_agent},
    session::{self, Device, Session},
    sso::{Identity, Link, Method, Provider},
    token::{Claims, SignIn, Source},
};
use store::{Proof, StoreError};

use crate::{
    ApiError, App, Signer, audit,
    http::{self, Request, Response},
    sso, token_answer,
};

/// Begins a session and answers with its first token.
///
/// - `proof`: by a password or an identity the session is a new one; by another session it carries that one on, which ends.
///
/// # Errors
///
/// [`ApiError::SsoRequired`] if the tenant does not let anybody come this way; [`ApiError::InvalidCredentials`] if the
/// proof no longer holds, or the user was removed or disabled meanwhile.
pub(crate) async fn answer(
    app: &App,
    signer: &Signer,
    request: &Request,
    (tenant, user): (&Tenant, &User),
    proof: Proof<'_>,
) -> Result<Response, ApiError> {
    let method = match proof {
        Proof::Password { .. } => Method::Password,
        Proof::Session { session, .. } => session.method.clone(),
        Proof::Identity(identity) => Method::Sso { provider: identity.provider, identity: identity.digest() },
    };
    // Here, so that no door can forget to ask.
    if !tenant.admits(&method) {
        return Err(ApiError::SsoRequired {
            org_name: tenant.org_name.clone(),
            redirect_url: sso::required_url(app, tenant),
        });
    }
    let now = app.clock.now();
    let (source, began_at, ends_at) = match proof {
        Proof::Password { .. } => (Source::Password, now, now + session::ABSOLUTE_LIMIT),
        // However often somebody switches, the limit is that of the sign-in.
        Proof::Session { session, .. } => (Source::Switch, session.signed_in_at(), session.ends_at),
        Proof::Identity(_) => (Source::Sso, now, now + session::ABSOLUTE_LIMIT),
    };
    let sign_in = SignIn {
        user: user.uid,
        tenant: user.tenant,
        session: SessionUid::from_bytes(app.entropy.uid()),
        source,
        api_key: None,
    };
    let jti = TokenUid::from_bytes(app.entropy.uid());
    let claims = Claims::sign_in(&app.realm(), &sign_in, jti, now).begun_at(began_at);
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
        ends_at,
        // By a session of the same user: as that was when it was let in.
        sign_outs: match proof {
            Proof::Session { user: source, .. } if source.uid == user.uid => source.sign_outs,
            _ => user.sign_outs,
        },
        method,
    };
    let device = device(request);
    let (means, how) = match proof {
        Proof::Password { .. } => (Means::Password, "with a password".to_owned()),
        Proof::Identity(Identity { provider, .. }) => {
            (Means::Sso { provider: *provider }, format!("by {}", provider.label()))
        }
        Proof::Session { session, .. } => {
            (Means::Token { session: session.uid, api_key: None }, "by switching from another organization".to_owned())
        }
    };
    let mut records = vec![audit::Trail::of_user(app, request, user, means).record(
        Action::Activity,
        Resource::session(session.uid),
        "Signed in",
        format!("{} signed in {how}", user.name()),
    )];
    if let Proof::Session { session, user: source } = proof
        && source.tenant != user.tenant
    {
        let means = Means::Token { session: session.uid, api_key: None };
        let content = format!("{} switched to another organization", source.name());
        let trail = audit::Trail::of_user(app, request, source, means);
        records.push(trail.record(Action::Activity, Resource::session(session.uid), "Session ended", content));
    }
    match app.store.on_record(&records).begin_session(&session, &device, user, proof).await {
        Ok(()) => Ok(audit::stated(answer, &records[0])),
        Err(StoreError::Conflict) => Err(ApiError::InvalidCredentials),
        Err(error) => Err(error.into()),
    }
}

/// Whether a session may go on as things are: the tenant still lets people come the way that it was begun, and the identity
/// is still the user's, of the provider that the tenant has now.
///
/// # Errors
///
/// [`ApiError::Unavailable`].
pub(crate) async fn may_go_on(app: &App, tenant: &Tenant, session: &Session) -> Result<bool, ApiError> {
    if !tenant.admits(&session.method) {
        return Ok(false);
    }
    let Method::Sso { provider, identity } = &session.method else { return Ok(true) };
    let link = app.store.link(identity, session.tenant).await?.filter(|link| link.user == session.user);
    let is_current = |link: Link| *provider != Provider::Oidc || link.identity.issuer == tenant.oidc.issuer_url;
    Ok(link.is_some_and(is_current))
}

/// Where a request comes from.
pub(crate) fn device(request: &Request) -> Device {
    Device { source: http::source_address(request), user_agent: shown_agent(audit::user_agent(request)) }
}
