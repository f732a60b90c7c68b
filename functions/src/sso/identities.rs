//! `/v1/users/auth/identities`: by whom else the caller can sign in.
//!
//! Not in Palette's API. To link one more takes a session that has just begun, and never a key.

use std::time::Duration;

use domain::{
    Principal, Timestamp,
    audit::{Action, Resource},
    once::Purpose,
    session::Session,
    sso::{Link, Provider, Wish},
};
use lambda_http::RequestExt as _;
use serde::{Deserialize, Serialize};
use store::StoreError;
use utoipa::ToSchema;

use super::{admission::check_room, logins, oidc_login_url, one_time};
use crate::{
    ApiError, App, audit, caller,
    http::{self, Request, Response},
    mail,
    openapi::Operation,
    person, wire,
};

/// How long ago somebody may have signed in who links another identity.
const RECENT: Duration = Duration::from_mins(15);

pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::new("GET /v1/users/auth/identities", "By whom else the caller can sign in").answers::<List>(),
        Operation::new("POST /v1/users/auth/identities", "Where a browser of the caller's session links one more")
            .takes::<Body>()
            .answers::<Answer>(),
        Operation::new("DELETE /v1/users/auth/identities/{uid}", "Takes one away"),
    ]
}

#[derive(Serialize, ToSchema)]
#[schema(as = Identities)]
struct List {
    items: Vec<Item>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Identity)]
struct Item {
    metadata: Metadata,
    spec: Spec,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = IdentityMetadata)]
struct Metadata {
    /// Names it here: a digest of issuer and subject.
    uid: String,
    #[schema(value_type = wire::Time)]
    creation_timestamp: Timestamp,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = IdentitySpec)]
struct Spec {
    /// `google`, `github` or `oidc`.
    provider: &'static str,
    issuer: String,
    /// The address that the provider had when it was linked.
    email_id: String,
}

impl From<Link> for Item {
    fn from(link: Link) -> Self {
        Self {
            metadata: Metadata { uid: link.identity.digest(), creation_timestamp: link.created_at },
            spec: Spec {
                provider: link.identity.provider.as_str(),
                issuer: link.identity.issuer,
                email_id: link.email,
            },
        }
    }
}

/// Who asks, and in which session.
async fn asking(app: &App, request: &Request) -> Result<(Principal, Session), ApiError> {
    let principal = caller::principal(app, request).await?;
    let session = principal.session().cloned().ok_or(ApiError::NotByApiKey)?;
    Ok((principal, session))
}

/// `GET /v1/users/auth/identities`.
pub(super) async fn list(app: &App, request: &Request) -> Result<Response, ApiError> {
    let (principal, _) = asking(app, request).await?;
    let mut links = app.store.links_of_user(principal.user.uid).await?;
    links.sort_by_key(|link| link.created_at);
    Ok(http::ok(&List { items: links.into_iter().map(Item::from).collect() }))
}

#[derive(Deserialize, ToSchema)]
#[schema(as = NewIdentity)]
struct Body {
    /// `google`, `github` or `oidc`.
    provider: String,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = IdentityLogin)]
struct Answer {
    /// Where to send the browser, within ten minutes.
    redirect_uri: String,
}

/// `POST /v1/users/auth/identities`.
pub(super) async fn create(app: &App, request: &Request) -> Result<Response, ApiError> {
    let (Principal { user, .. }, session) = asking(app, request).await?;
    if session.signed_in_at() + RECENT < app.clock.now() {
        return Err(ApiError::SignInAgain);
    }
    let body: Body = http::body(request)?;
    let tenant = app.store.tenant(user.tenant).await?.ok_or(ApiError::TenantGone)?;
    let url = match Provider::social(&body.provider) {
        Some(_) => logins(app, Some(&tenant)).into_iter().find(|login| login.name == body.provider),
        None => None,
    }
    .map(|login| login.redirect_uri)
    .or_else(|| {
        let is_oidc = body.provider == Provider::Oidc.as_str() && tenant.offers(Provider::Oidc);
        is_oidc.then(|| oidc_login_url(app, &tenant.org_name))
    });
    let url = url.ok_or(ApiError::ProviderNotOffered)?;
    check_room(app, user.uid).await?;
    let wish = Wish::Link { tenant: tenant.uid, user: user.uid, session: session.uid };
    // The wish names the session, so it needs no browser.
    let (token, once) = one_time(app, Purpose::SsoWish { wish, next: String::new(), browser: None });
    app.store.put_once(&once).await?;
    Ok(http::ok(&Answer {
        redirect_uri: format!("{url}{}with={}", if url.contains('?') { '&' } else { '?' }, token.expose()),
    }))
}

/// `DELETE /v1/users/auth/identities/{uid}`.
pub(super) async fn delete(app: &App, request: &Request) -> Result<Response, ApiError> {
    let (principal, _) = asking(app, request).await?;
    let user = &principal.user;
    let parameters = request.path_parameters();
    let uid = parameters.first("uid").unwrap_or_default();
    let links = app.store.links_of_user(user.uid).await?;
    let link = links.into_iter().find(|link| link.identity.digest() == uid).ok_or(ApiError::NotFound)?;
    let content =
        format!("{} can no longer sign in by {} as {}", user.name(), link.identity.provider.label(), link.email);
    let trail = audit::Trail::of(app, request, &principal);
    let record = [trail.record(Action::Update, Resource::user(user), "Identity unlinked", content)];
    let address = person::address_of(user)?;
    let tenant = app.store.tenant(user.tenant).await?.ok_or(ApiError::TenantGone)?;
    let mail = mail::outgoing(app, &address, mail::identity_unlinked(app, tenant.org_name.as_str(), &link))?;
    match app.store.on_record(&record).unlink(&link, Some(&mail)).await {
        Ok(()) => Ok(audit::stated(http::no_content(), &record[0])),
        Err(StoreError::Conflict) => Err(ApiError::NotFound),
        Err(error) => Err(error.into()),
    }
}
