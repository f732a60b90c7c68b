//! The way back from a provider.

use domain::{
    Tenant,
    once::{OneTimeToken, Purpose},
    sso::{Attempt, Provider, Wish},
};
use lambda_http::{
    RequestExt as _,
    http::{StatusCode, header},
};
use serde_json::Value;
use store::Proof;

use super::{
    SsoFailure, admission,
    admission::Admitted,
    browser::Browser,
    failure::{ProviderError, is_over},
    github, go_to,
    login::logged,
    oidc,
    providers::Chosen,
    redirect_uri,
};
use crate::{
    ApiError, App, Signer, console,
    http::{self, Request, Response},
    organizations::Organization,
    outbound, sign_in,
};

/// Characters of a code; providers give a few hundred.
const MAX_CODE_BYTES: usize = 4096;

/// Where a person is told what went wrong.
pub(super) struct Place {
    page: String,
}

impl Place {
    /// Before it is known what they wanted.
    pub(super) fn of(tenant: Option<&Tenant>, _: &Request) -> Self {
        Self { page: tenant.map_or_else(|| "/sign-in".to_owned(), |tenant| format!("/o/{}", tenant.org_name)) }
    }

    pub(super) fn of_wish(tenant: Option<&Tenant>, wish: &Wish, request: &Request) -> Self {
        match wish {
            Wish::Link { .. } => Self { page: "/profile".to_owned() },
            Wish::SignIn | Wish::Accept { .. } => Self::of(tenant, request),
        }
    }
}

/// Whether a browser asks.
fn wants_page(request: &Request) -> bool {
    let accepts = request.headers().get(header::ACCEPT).and_then(|accepts| accepts.to_str().ok());
    accepts.is_some_and(|accepts| accepts.contains("text/html"))
}

/// The answer: a person is told on a page what went wrong, a program in its language.
pub(super) fn answered(
    request: &Request,
    place: &Place,
    result: Result<Response, ApiError>,
) -> Result<Response, ApiError> {
    match result {
        Err(error @ ApiError::SsoFailed(_)) if wants_page(request) => {
            let ApiError::SsoFailed(failure) = &error else { return Err(error) };
            let mut response = go_to(&format!("{}?note={}", place.page, failure.note()), StatusCode::SEE_OTHER)?;
            http::note_error(&mut response, &error);
            Ok(response)
        }
        result => result,
    }
}

/// `GET /v1/auth/sso/{ssoApp}/callback`.
pub(super) async fn social(app: &App, signer: &Signer, request: &Request) -> Result<Response, ApiError> {
    let provider = Provider::social(&http::path_parameter(request, "ssoApp")).ok_or(ApiError::NotFound)?;
    come_back(app, signer, request, provider, None).await
}

/// `GET /v1/auth/org/{orgName}/oidc/callback`.
pub(super) async fn of_tenant(app: &App, signer: &Signer, request: &Request) -> Result<Response, ApiError> {
    let tenant = super::tenant_named(app, &http::path_parameter(request, "orgName")).await?;
    come_back(app, signer, request, Provider::Oidc, Some(tenant.ok_or(ApiError::NotFound)?)).await
}

/// - `of`: the tenant that the path names.
async fn come_back(
    app: &App,
    signer: &Signer,
    request: &Request,
    provider: Provider,
    of: Option<Tenant>,
) -> Result<Response, ApiError> {
    let mut place = Place::of(of.as_ref(), request);
    let result = Box::pin(receive(app, signer, request, provider, of, &mut place)).await;
    answered(request, &place, result)
}

/// The value of a query parameter that is there once.
fn only(request: &Request, name: &str) -> Option<String> {
    let parameters = request.query_string_parameters();
    let values = parameters.all(name).unwrap_or_default();
    match values.as_slice() {
        [value] => Some((*value).to_owned()),
        _ => None,
    }
}

async fn receive(
    app: &App,
    signer: &Signer,
    request: &Request,
    provider: Provider,
    of: Option<Tenant>,
    place: &mut Place,
) -> Result<Response, ApiError> {
    let state = only(request, "state").unwrap_or_default();
    let (attempt, browser) = attempt(app, request, &state, provider, of.as_ref()).await?;
    let tenant = match attempt.tenant {
        None => None,
        Some(uid) => Some(app.store.tenant(uid).await?.ok_or(SsoFailure::NotOffered)?),
    };
    *place = Place::of_wish(tenant.as_ref(), &attempt.wish, request);
    if let Some(error) = http::query_parameter(request, "error") {
        return Err(SsoFailure::of_provider(&error).into());
    }
    let code = only(request, "code").filter(|code| !code.is_empty() && code.len() <= MAX_CODE_BYTES);
    let code = code.ok_or(SsoFailure::State)?;
    // As things are now: it may have been switched off, or point elsewhere since.
    let chosen = match Chosen::of(app, signer.sealer(), provider, tenant.as_ref()).await {
        Err(ApiError::NotFound) => return Err(SsoFailure::NotOffered.into()),
        chosen => chosen?,
    };
    if chosen.issuer() != attempt.issuer || chosen.client_id() != attempt.client_id {
        return Err(SsoFailure::State.into());
    }
    let (redirect_uri, code_verifier) = (redirect_uri(app, provider, tenant.as_ref()), browser.code_verifier(&state));
    let iss = http::query_parameter(request, "iss");
    let vouched = match &chosen {
        Chosen::Github(github) => {
            let exchange = Box::pin(github::exchange(app, github, &redirect_uri, &code, &code_verifier));
            tokio::time::timeout(outbound::TIME_LIMIT, exchange).await
        }
        Chosen::Oidc(oidc) => {
            let nonce = browser.nonce(&state);
            let returned = oidc::Returned { code: &code, iss: iss.as_deref(), nonce, code_verifier, redirect_uri };
            tokio::time::timeout(outbound::TIME_LIMIT, Box::pin(oidc::exchange(app, oidc, returned))).await
        }
    };
    let vouched = vouched.unwrap_or(Err(ProviderError::Slow)).map_err(|error| logged(&error))?;
    match admission::admit(app, request, &attempt, vouched, tenant).await? {
        Admitted::User(found, identity) => {
            let (tenant, user) = *found;
            let proof = Proof::Identity { provider, identity: &identity };
            let answer = match sign_in::answer(app, signer, request, (&tenant, &user), proof).await {
                // Removed, disabled or unlinked at this moment.
                Err(ApiError::InvalidCredentials) => return Err(SsoFailure::NoAccount.into()),
                answer => answer?,
            };
            Ok(if wants_page(request) { signed_in(app, &answer, &attempt.next) } else { answer })
        }
        Admitted::Linked => {
            if wants_page(request) {
                go_to("/profile?note=linked", StatusCode::SEE_OTHER)
            } else {
                Ok(http::no_content())
            }
        }
        Admitted::Asks(pending, organizations) => {
            if wants_page(request) {
                let (token, once) = super::one_time(app, Purpose::SsoPending(*pending));
                app.store.put_once(&once).await?;
                return go_to(&format!("/sso?token={}", token.expose()), StatusCode::SEE_OTHER);
            }
            // A program has nobody to ask.
            Err(match organizations {
                Some(tenants) => ApiError::OrgSelectionRequired(
                    tenants.iter().map(|tenant| Organization::new(app, tenant)).collect(),
                ),
                None if pending.tenant.is_some() => SsoFailure::LinkFirst.into(),
                None => SsoFailure::NoAccount.into(),
            })
        }
    }
}

/// To the page that the person wanted, signed in.
fn signed_in(app: &App, answer: &Response, next: &str) -> Response {
    let bytes: &[u8] = answer.body();
    let body: Value = serde_json::from_slice(bytes).unwrap_or_default();
    let token = body["Authorization"].as_str().unwrap_or_default();
    console::signed_in(app, token, if next.is_empty() { "/api-keys" } else { next })
}

/// What was begun with this state in this browser, here, not too long ago; nobody can bring it a second time.
async fn attempt(
    app: &App,
    request: &Request,
    state: &str,
    provider: Provider,
    of: Option<&Tenant>,
) -> Result<(Attempt, Browser), ApiError> {
    let refused = || ApiError::from(SsoFailure::State);
    let token = OneTimeToken::parse(state).map_err(|_| refused())?;
    let browser = Browser::of(request).ok_or_else(refused)?;
    let once = app.store.once(&token.digest()).await?.filter(|once| !is_over(once, app.clock.now()));
    let Some(Purpose::Sso(attempt)) = once.map(|once| once.purpose) else { return Err(refused()) };
    // Before it is used up, so that whoever has only seen the address spoils nothing.
    let is_of_this_path =
        attempt.provider == provider && (provider != Provider::Oidc || of.map(|tenant| tenant.uid) == attempt.tenant);
    if !browser.is(&attempt.browser) || !is_of_this_path {
        return Err(refused());
    }
    app.store.take_once(&token.digest()).await?.ok_or_else(refused)?;
    Ok((attempt, browser))
}
