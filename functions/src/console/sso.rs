//! What pages show of single sign-on: the ways in, and what a person says after a provider has vouched for them.

use askama::Template;
use domain::{Tenant, password::Password, tenant::OrgName};
use lambda_http::http::StatusCode;
use serde_json::Value;

use super::{
    Console,
    api::text,
    door::{Door, check_origin},
    fields::{Field, Names},
    html, page,
    session::signed_in_anew,
    words::in_words,
};
use crate::{
    ApiError,
    http::Response,
    sso::{SsoFailure, pending::Visitor},
    token_answer::token_of,
};

/// A way in that leads elsewhere.
pub(super) struct SsoLink {
    pub(super) url: String,
    pub(super) label: String,
    /// Whether it is the way that the organization wants.
    pub(super) is_primary: bool,
}

/// Whether an organization has a provider of its own, by the same answer.
pub(super) fn has_own_provider(described: &Value) -> bool {
    described["redirectUrl"].as_str().is_some_and(|url| url.ends_with("/oidc/login"))
}

/// The ways that an answer of `GET /v1/auth/org` offers.
///
/// - `query`: what goes along.
pub(super) fn links(console: Console<'_>, described: &Value, query: &[(&str, &str)]) -> Vec<SsoLink> {
    let public_url = &console.app.settings.public_url;
    let url = |url: &Value| {
        let url = text(url);
        let path = url.strip_prefix(&**public_url).unwrap_or(&url).to_owned();
        let query = page::query(query);
        let joint = if path.contains('?') { '&' } else { '?' };
        if query.is_empty() { path } else { format!("{path}{joint}{query}") }
    };
    let own = has_own_provider(described).then(|| SsoLink {
        url: url(&described["redirectUrl"]),
        label: "Sign in with single sign-on".to_owned(),
        is_primary: true,
    });
    let logins = described["ssoLogins"].as_array().into_iter().flatten();
    let social = logins.map(|login| SsoLink {
        url: url(&login["redirectUri"]),
        label: format!("Continue with {}", text(&login["displayName"])),
        is_primary: false,
    });
    own.into_iter().chain(social).collect()
}

/// What became of a sign-in at a provider, by the word that the address has for it.
pub(super) fn notice(note: &str) -> Option<&'static str> {
    Some(match note {
        "sso-state" => "That sign-in took too long, was begun in another browser, or is over. Start again.",
        "sso-refused" => "Your identity provider did not sign you in.",
        "sso-down" => "Your identity provider does not answer at the moment. Try again later.",
        "sso-invalid" => {
            "What your identity provider answered does not hold, so nobody was signed in. Tell an admin of your \
             organization."
        }
        "sso-not-offered" => "Your organization does not offer this way to sign in.",
        "sso-not-verified" => {
            "Your identity provider does not say that an e-mail address is yours. Verify it there, then try again."
        }
        "sso-no-account" => {
            "There is no account here that you could come into this way. Ask an admin of your organization."
        }
        "sso-link-first" => {
            "You are invited to this organization. Follow the link that we have mailed you; it lets you sign in this way. \
             If it has expired, ask an admin to send it again."
        }
        "sso-taken" => "That identity is linked to an account already.",
        "sso-full" => "There is no room for one more. Ask an admin of your organization.",
        "sso-required" => "Your organization lets people sign in by its identity provider only.",
        _ => return None,
    })
}

#[derive(Template)]
#[template(path = "console/sso.html")]
struct Page {
    page: Door,
    token: String,
    provider: &'static str,
    email: String,
    /// The organizations to choose from.
    organizations: Vec<String>,
    /// The organization that the person has an account in.
    org: String,
    has_password_error: bool,
    password_error: String,
    names: Names,
    names_are_own: bool,
    new_org: Field,
}

impl Page {
    async fn of(console: Console<'_>, token: &str) -> Result<(Self, Visitor), ApiError> {
        let visitor = Visitor::of(console.app, console.request, token).await?;
        let vouched = &visitor.pending.vouched;
        let tenant: Option<Tenant> = visitor.tenant(console.app).await?;
        let organizations = if tenant.is_some() { Vec::new() } else { visitor.organizations(console.app).await? };
        let organizations: Vec<String> = organizations.iter().map(|tenant| tenant.org_name.to_string()).collect();
        let org = tenant.map(|tenant| tenant.org_name.to_string()).unwrap_or_default();
        let title = match (org.is_empty(), organizations.is_empty()) {
            (false, _) => "Is this you?",
            (true, false) => "Choose an organization",
            (true, true) => "Sign up",
        };
        let address = vouched.address().ok_or(SsoFailure::NotVerified)?;
        let (first, last) = vouched.names(&address);
        let form = Self {
            page: Door::new(title),
            token: token.to_owned(),
            provider: vouched.provider().shown(),
            email: address.typed().to_owned(),
            organizations,
            org,
            has_password_error: false,
            password_error: String::new(),
            names: Names { first: Field::new(first), last: Field::new(last) },
            names_are_own: true,
            new_org: Field::default(),
        };
        Ok((form, visitor))
    }
}

/// `GET /sso`, and the forms of it. The token is of this browser, so the address opens nothing elsewhere.
pub(super) async fn answer(console: Console<'_>, what: Option<&str>) -> Result<Response, ApiError> {
    match Box::pin(answer_form(console, what)).await {
        Err(ApiError::SsoFailed(failure)) => Ok(page::redirect(&page::with_note("/sign-in", failure.note(), ""))),
        answer => answer,
    }
}

async fn answer_form(console: Console<'_>, what: Option<&str>) -> Result<Response, ApiError> {
    let Console { app, signer, request } = console;
    let sent = console.form();
    if what.is_some() {
        check_origin(console)?;
    }
    let (mut form, visitor) = Page::of(console, &sent.text("token")).await?;
    let done = match what {
        None => return Ok(html(StatusCode::OK, &form)),
        Some("organization") => {
            Box::pin(visitor.choose(app, signer, request, &OrgName::folded(&sent.text("org")))).await
        }
        Some("link") => Box::pin(visitor.link(app, signer, request, Password::new(sent.text("password")))).await,
        Some("sign-up") => {
            form.names = Names::of(&sent);
            form.new_org = Field::new(sent.text("org"));
            let (first, last, org) = (sent.text("first_name"), sent.text("last_name"), sent.text("org"));
            Box::pin(visitor.sign_up(app, signer, request, (&first, &last, &org))).await
        }
        Some(_) => return Err(ApiError::NotFound),
    };
    let error = match done {
        Ok(answer) => {
            let next = page::own_path(&visitor.pending.next, "/api-keys");
            return Ok(signed_in_anew(app, request, &token_of(&answer), &next).await);
        }
        Err(error @ ApiError::SsoFailed(_)) => return Err(error),
        Err(error) => error,
    };
    let words = in_words(&error);
    match &error {
        error if form.names.take(error) => {}
        ApiError::OrgName(_) | ApiError::OrgNameTaken => form.new_org.fail(words),
        ApiError::InvalidCredentials => {
            (form.has_password_error, form.password_error) = (true, "This is not your password here.".to_owned());
        }
        ApiError::AccountLocked => (form.has_password_error, form.password_error) = (true, words),
        error => form.page = form.page.error(error),
    }
    Ok(html(error.status_and_code().0, &form))
}
