//! The way back from a provider.

use domain::{
    Tenant,
    audit::{Action, Means, Resource},
    once::{OneTimeToken, Purpose},
    sso::{Attempt, Provider, Vouched, Wish},
};
use lambda_http::{RequestExt as _, http::StatusCode};
use store::{Membership, Proof};

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
    ApiError, App, Signer, audit, console,
    http::{self, Request, Response},
    organizations::Organization,
    outbound, person, sign_in,
    token_answer::token_of,
};

/// Bytes of a code; providers give a few hundred.
const MAX_CODE_BYTES: usize = 4096;

/// Where a person is told what went wrong.
pub(super) struct Place {
    page: String,
}

impl Place {
    /// Before it is known what they wanted.
    pub(super) fn of(tenant: Option<&Tenant>) -> Self {
        Self { page: tenant.map_or_else(|| "/sign-in".to_owned(), |tenant| format!("/o/{}", tenant.org_name)) }
    }

    pub(super) fn of_wish(tenant: Option<&Tenant>, wish: &Wish) -> Self {
        match wish {
            Wish::Link { .. } => Self { page: "/profile".to_owned() },
            Wish::SignIn | Wish::Accept { .. } => Self::of(tenant),
        }
    }

    /// Its address, with something more to say.
    pub(super) fn with(&self, name: &str, value: &str) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        if value.is_empty() {
            self.page.clone()
        } else {
            format!("{}?{}", self.page, query.append_pair(name, value).finish())
        }
    }
}

/// The answer: a person is told on a page what went wrong, a program in its language.
pub(super) fn answered(
    app: &App,
    signer: &Signer,
    request: &Request,
    place: &Place,
    result: Result<Response, ApiError>,
) -> Result<Response, ApiError> {
    match result {
        Err(error) if http::wants_page(request) => {
            let note = match &error {
                ApiError::SsoFailed(failure) => failure.note(),
                ApiError::SsoRequired { .. } => "sso-required",
                error => return Ok(console::error_page(app, signer, request, error)),
            };
            let mut response = go_to(&place.with("note", note), StatusCode::SEE_OTHER)?;
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
    let mut place = Place::of(of.as_ref());
    let result = Box::pin(receive(app, signer, request, provider, of, &mut place)).await;
    answered(app, signer, request, &place, result)
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
    *place = Place::of_wish(tenant.as_ref(), &attempt.wish);
    let admitted = match vouched(app, signer, request, &attempt, &browser, &state, tenant.as_ref()).await {
        Ok(vouched) => admission::admit(app, request, &attempt, vouched, tenant.clone()).await.map_err(Refused::from),
        Err(refused) => Err(refused),
    };
    let admitted = match admitted {
        Ok(admitted) => admitted,
        Err(Refused { error, detail }) => {
            note_refusal(app, request, provider, tenant.as_ref(), &error, &detail).await?;
            return Err(error);
        }
    };
    match admitted {
        Admitted::User(found, identity) => {
            let (tenant, user) = *found;
            let proof = Proof::Identity(&identity);
            let answer = match sign_in::answer(app, signer, request, (&tenant, &user), proof).await {
                // Removed, disabled or unlinked at this moment.
                Err(ApiError::InvalidCredentials) => return Err(SsoFailure::NoAccount.into()),
                answer => answer?,
            };
            if http::wants_page(request) {
                Ok(signed_in(app, request, &answer, &attempt.next).await)
            } else {
                Ok(answer)
            }
        }
        Admitted::Linked => {
            if http::wants_page(request) {
                go_to("/profile?note=linked", StatusCode::SEE_OTHER)
            } else {
                Ok(http::no_content())
            }
        }
        Admitted::Asks(pending, organizations) => {
            if http::wants_page(request) {
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
async fn signed_in(app: &App, request: &Request, answer: &Response, next: &str) -> Response {
    let next = if next.is_empty() { "/api-keys" } else { next };
    audit::stated_as(console::signed_in_anew(app, request, &token_of(answer), next).await, answer)
}

/// Why somebody is not let in, and what the trail gets to know of it beside.
struct Refused {
    error: ApiError,
    detail: String,
}

impl From<ApiError> for Refused {
    fn from(error: ApiError) -> Self {
        Self { error, detail: String::new() }
    }
}

impl From<SsoFailure> for Refused {
    fn from(failure: SsoFailure) -> Self {
        ApiError::from(failure).into()
    }
}

/// What the provider says of whoever came back.
async fn vouched(
    app: &App,
    signer: &Signer,
    request: &Request,
    attempt: &Attempt,
    browser: &Browser,
    state: &str,
    tenant: Option<&Tenant>,
) -> Result<Vouched, Refused> {
    if let Some(error) = http::query_parameter(request, "error") {
        return Err(SsoFailure::of_provider(&error).into());
    }
    let code = only(request, "code").filter(|code| !code.is_empty() && code.len() <= MAX_CODE_BYTES);
    let code = code.ok_or(SsoFailure::State)?;
    // As things are now: it may have been switched off, or point elsewhere since.
    let chosen = Chosen::of(app, Some(signer.sealer()), attempt.provider, tenant).await?;
    if chosen.issuer() != attempt.issuer || chosen.client_id() != attempt.client_id {
        return Err(SsoFailure::State.into());
    }
    let (redirect_uri, code_verifier) = (redirect_uri(app, attempt.provider, tenant), browser.code_verifier(state));
    let iss = http::query_parameter(request, "iss");
    let vouched = match &chosen {
        Chosen::Github(github) => {
            let exchange = Box::pin(github::exchange(app, github, &redirect_uri, &code, &code_verifier));
            tokio::time::timeout(outbound::TIME_LIMIT, exchange).await
        }
        Chosen::Oidc(oidc) => {
            let nonce = browser.nonce(state);
            let returned = oidc::Returned { code: &code, iss: iss.as_deref(), nonce, code_verifier, redirect_uri };
            tokio::time::timeout(outbound::TIME_LIMIT, Box::pin(oidc::exchange(app, oidc, returned))).await
        }
    };
    vouched.unwrap_or(Err(ProviderError::Slow)).map_err(|error| {
        let detail = error.to_string().chars().filter(|char| !char.is_control()).take(200).collect();
        Refused { error: logged(&error), detail }
    })
}

/// Leaves a record in the organization that was meant, whose admins may have set something wrong.
async fn note_refusal(
    app: &App,
    request: &Request,
    provider: Provider,
    tenant: Option<&Tenant>,
    error: &ApiError,
    detail: &str,
) -> Result<(), ApiError> {
    let (ApiError::SsoFailed(failure), Some(tenant)) = (error, tenant) else { return Ok(()) };
    let somebody = Membership { tenant: tenant.uid, ..person::nobody() };
    let trail = audit::Trail::of_member(app, request, "", &somebody, Means::Sso { provider });
    let detail = if detail.is_empty() { String::new() } else { format!(" ({detail})") };
    let content = format!("By {}: {failure}{detail}", provider.label());
    let record = trail.record(Action::Activity, Resource::tenant(tenant), "Sign-in refused", content);
    Ok(app.store.note(&record, true).await?)
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
