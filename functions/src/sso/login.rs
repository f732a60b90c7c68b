//! The way to a provider.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use domain::{
    Tenant,
    once::{OneTimeToken, Purpose},
    sso::{Attempt, Provider, Wish},
};
use lambda_http::http::StatusCode;
use ring::digest::{SHA256, digest};

use super::{
    SsoFailure,
    browser::Browser,
    callback::{Place, answered},
    failure::{ProviderError, is_over},
    github, go_to, oidc, one_time,
    providers::Chosen,
    redirect_uri, tenant_named,
};
use crate::{
    ApiError, App, Signer, caller, console,
    http::{self, Request, Response},
    outbound,
};

/// Bytes of the address of a page to go on to, which is kept for whoever asks.
const MAX_NEXT_BYTES: usize = 512;

/// What a person takes along to a provider.
pub(super) struct Going<'a> {
    pub(super) state: &'a str,
    pub(super) nonce: String,
    pub(super) code_verifier: String,
    pub(super) challenge: String,
    pub(super) redirect_uri: String,
}

/// `GET /v1/auth/sso/{ssoApp}/login`.
pub(super) async fn social(app: &App, signer: &Signer, request: &Request) -> Result<Response, ApiError> {
    let provider = Provider::social(&http::path_parameter(request, "ssoApp")).ok_or(ApiError::NotFound)?;
    if !app.settings.social.has(provider) {
        return Err(ApiError::NotFound);
    }
    let tenant = match http::query_parameter(request, "org").filter(|org| !org.is_empty()) {
        None => None,
        Some(org) => Some(tenant_named(app, &org).await?.ok_or(ApiError::NotFound)?),
    };
    begin(app, signer, request, provider, tenant).await
}

/// `GET /v1/auth/org/{orgName}/oidc/login`.
pub(super) async fn of_tenant(app: &App, signer: &Signer, request: &Request) -> Result<Response, ApiError> {
    let tenant = tenant_named(app, &http::path_parameter(request, "orgName")).await?.ok_or(ApiError::NotFound)?;
    begin(app, signer, request, Provider::Oidc, Some(tenant)).await
}

async fn begin(
    app: &App,
    signer: &Signer,
    request: &Request,
    provider: Provider,
    tenant: Option<Tenant>,
) -> Result<Response, ApiError> {
    // A page of another site is to put nobody into an organization, nor lead anybody to its provider under our name.
    if http::wants_page(request) && !caller::may_set_cookie(app, request) {
        let next = http::query_parameter(request, "next").unwrap_or_default();
        return go_to(&Place::of(tenant.as_ref()).with("next", &console::own_path(&next)), StatusCode::SEE_OTHER);
    }
    let mut place = Place::of(tenant.as_ref());
    let begun = Box::pin(send_off(app, request, provider, tenant, &mut place)).await;
    answered(app, signer, request, &place, begun)
}

async fn send_off(
    app: &App,
    request: &Request,
    provider: Provider,
    tenant: Option<Tenant>,
    place: &mut Place,
) -> Result<Response, ApiError> {
    let (wish, next) = wish(app, request).await?;
    let tenant = match (&wish, tenant) {
        (Wish::SignIn, tenant) => tenant,
        (Wish::Link { tenant: wished, .. } | Wish::Accept { tenant: wished, .. }, tenant) => {
            if tenant.is_some_and(|tenant| tenant.uid != *wished) {
                return Err(SsoFailure::State.into());
            }
            Some(app.store.tenant(*wished).await?.ok_or(SsoFailure::State)?)
        }
    };
    *place = Place::of_wish(tenant.as_ref(), &wish);
    let chosen = Chosen::of(app, None, provider, tenant.as_ref()).await?;
    let browser = Browser::of_or_new(app, request);
    let attempt = Attempt {
        provider,
        tenant: tenant.as_ref().map(|tenant| tenant.uid),
        issuer: chosen.issuer().to_owned(),
        client_id: chosen.client_id().to_owned(),
        browser: browser.digest(),
        wish,
        next,
    };
    let (state, once) = one_time(app, Purpose::Sso(attempt));
    let code_verifier = browser.code_verifier(state.expose());
    let going = Going {
        nonce: browser.nonce(state.expose()),
        challenge: URL_SAFE_NO_PAD.encode(digest(&SHA256, code_verifier.as_bytes())),
        code_verifier,
        redirect_uri: redirect_uri(app, provider, tenant.as_ref()),
        state: state.expose(),
    };
    let url = match &chosen {
        Chosen::Github(github) => github::authorize_url(github, &going),
        Chosen::Oidc(oidc) => {
            let url = Box::pin(oidc::authorize_url(app, oidc, &going));
            tokio::time::timeout(outbound::TIME_LIMIT, url).await.unwrap_or(Err(ProviderError::Slow))
        }
    };
    let url = url.map_err(|error| logged(&error))?;
    // Only now: a provider that is down leaves nothing behind.
    app.store.put_once(&once).await?;
    let mut response = go_to(&url, StatusCode::FOUND)?;
    browser.keep(&mut response);
    Ok(response)
}

/// What is wanted beside signing in, by a token that a page of ours was given; and where to go on to.
///
/// It is not used up: what it stands for names a session or an invitation, which are good once, and a provider that does not
/// answer at the first try may do so at the second.
async fn wish(app: &App, request: &Request) -> Result<(Wish, String), ApiError> {
    let Some(token) = http::query_parameter(request, "with") else {
        let next = http::query_parameter(request, "next").filter(|next| next.len() <= MAX_NEXT_BYTES);
        return Ok((Wish::SignIn, console::own_path(&next.unwrap_or_default())));
    };
    let token = OneTimeToken::parse(&token).map_err(|_| SsoFailure::State)?;
    let once = app.store.once(&token.digest()).await?.filter(|once| !is_over(once, app.clock.now()));
    let Some(Purpose::SsoWish { wish, next, browser }) = once.map(|once| once.purpose) else {
        return Err(SsoFailure::State.into());
    };
    // Or somebody could have a stranger accept their own invitation.
    if browser.is_some_and(|kept| !Browser::of(request).is_some_and(|browser| browser.is(&kept))) {
        return Err(SsoFailure::State.into());
    }
    Ok((wish, next))
}

/// What went wrong at a provider, which the log gets whole and the person in a word.
pub(super) fn logged(error: &ProviderError) -> ApiError {
    tracing::warn!(%error, "a provider was of no use");
    error.failure().into()
}
