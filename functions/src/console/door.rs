//! Pages for whoever is not signed in yet.

use askama::Template;
use domain::tenant::OrgName;
use lambda_http::http::StatusCode;
use serde_json::json;

use super::{
    Console,
    api::{Call, text},
    choice, html, page,
    session::signed_in_anew,
    sso::{self, SsoLink},
    words::in_words,
};
use crate::{
    ApiError, caller,
    http::{self, Response},
};

/// What every signed-out page shows.
#[derive(Default)]
pub(super) struct Door {
    pub(super) title: String,
    pub(super) has_error: bool,
    pub(super) error_text: String,
    pub(super) has_notice: bool,
    pub(super) notice_text: String,
}

impl Door {
    pub(super) fn new(title: &str) -> Self {
        Self { title: title.to_owned(), ..Self::default() }
    }

    pub(super) fn error(mut self, error: &ApiError) -> Self {
        self.fail(in_words(error));
        self
    }

    /// Says what went wrong.
    pub(super) fn fail(&mut self, words: String) {
        (self.has_error, self.error_text) = (true, words);
    }
}

#[derive(Template)]
#[template(path = "console/error.html")]
struct ErrorPage {
    page: Door,
    text: String,
    has_reference: bool,
    reference: String,
}

/// What a page of this error is called.
pub(super) fn error_title(status: StatusCode) -> &'static str {
    match status {
        StatusCode::NOT_FOUND => "There is nothing here",
        status if status.is_server_error() => "That did not work",
        _ => "This cannot be done",
    }
}

pub(super) fn error(console: Console<'_>, error: &ApiError) -> Response {
    let (status, _) = error.status_and_code();
    let page = ErrorPage {
        page: Door::new(error_title(status)),
        text: in_words(error),
        has_reference: status.is_server_error(),
        reference: http::reference(console.request),
    };
    let mut response = html(status, &page);
    http::note_error(&mut response, error);
    response
}

#[derive(Default, Template)]
#[template(path = "console/sign_in.html")]
struct SignIn {
    page: Door,
    has_org: bool,
    org_name: String,
    next: String,
    org: String,
    has_banner: bool,
    banner_title: String,
    banner_text: String,
    email: String,
    sign_up_open: bool,
    sso_links: Vec<SsoLink>,
    /// Whether the person has agreed to the banner already.
    agreed: bool,
    /// Whether the banner stands alone until they do: a link could not carry that they have.
    banner_first: bool,
    password_hidden: bool,
    is_sso_required: bool,
    password_url: String,
    offers_provider_sign_out: bool,
}

/// The sign-in page as it is before anything was typed.
///
/// - `org`: the organization whose own page it is; empty for the page of all.
async fn sign_in_form(console: Console<'_>, org: &str, next: String) -> Result<SignIn, ApiError> {
    let mut form = SignIn { next, ..empty_sign_in(console, Door::new("Sign in")) };
    if !org.is_empty() {
        let route = Call::new("GET /v1/auth/org/{orgName}/loginBanner").parameter("orgName", org);
        let banner = route.send(console).await?;
        form.has_org = true;
        form.org_name = OrgName::folded(org).to_string();
        form.org.clone_from(&form.org_name);
        form.has_banner = banner["isEnabled"] == true;
        form.banner_title = text(&banner["title"]);
        form.banner_text = text(&banner["Message"]);
    }
    let query = page::query(&[("orgName", &form.org_name)]);
    let described = Call::new("GET /v1/auth/org").query(query).send(console).await?;
    form.sso_links = sso::links(console, &described, &[("next", &form.next)]);
    form.is_sso_required = described["isSsoRequired"] == true;
    // Once somebody has sent a password they see the form that they have sent.
    let asks_for_password = console.is_post() || console.form().has("password");
    form.password_hidden = form.is_sso_required || described["authType"] == "sso" && !asks_for_password;
    form.agreed = console.form().has("agreed") || console.form().has("acknowledged");
    form.banner_first = form.has_banner && !form.sso_links.is_empty() && !form.agreed;
    let agreed = if form.agreed { "true" } else { "" };
    form.password_url =
        page::url(&format!("/o/{}", form.org_name), &[("password", "1"), ("agreed", agreed), ("next", &form.next)]);
    Ok(form)
}

pub(super) async fn sign_in(console: Console<'_>, parts: &[&str]) -> Result<Response, ApiError> {
    let query = console.form();
    let org = if let ["o", org] = parts { (*org).to_owned() } else { query.text("org") };
    let mut form = sign_in_form(console, &org, query.own_path("next", "")).await?;
    if let Some(notice) = match query.text("note").as_str() {
        "signed-out" | "signed-out-sso" => Some("You are signed out."),
        "password" => Some("Your password is set. Sign in with it."),
        "ended" => Some("Your session has ended. Sign in once more."),
        "again" => Some("That took too long. Sign in once more."),
        note => sso::notice(note),
    } {
        form.page.has_notice = true;
        notice.clone_into(&mut form.page.notice_text);
    }
    form.offers_provider_sign_out =
        form.has_org && query.text("note") == "signed-out-sso" && form.sso_links.iter().any(|link| link.is_primary);
    Ok(html(StatusCode::OK, &form))
}

/// The page of all, with what went wrong on the way from it.
pub(super) async fn sign_in_again(console: Console<'_>, page: Door, status: StatusCode) -> Result<Response, ApiError> {
    let form = sign_in_form(console, "", String::new()).await?;
    Ok(html(status, &SignIn { page, ..form }))
}

fn empty_sign_in(console: Console<'_>, page: Door) -> SignIn {
    let sign_up_open = console.app.settings.sign_up;
    SignIn { page, sign_up_open, ..SignIn::default() }
}

pub(super) async fn post_sign_in(console: Console<'_>) -> Result<Response, ApiError> {
    check_origin(console)?;
    let sent = console.form();
    let (org, email, next) = (sent.text("org"), sent.text("email"), sent.own_path("next", ""));
    let asked_at = console.app.clock.now();
    let mut form = sign_in_form(console, &org, next.clone()).await?;
    if form.has_banner && !sent.has("acknowledged") {
        form.page.has_error = true;
        "Confirm that you have read the message first.".clone_into(&mut form.page.error_text);
        form.email = email;
        return Ok(html(StatusCode::BAD_REQUEST, &form));
    }
    let body = json!({ "emailId": email, "password": sent.text("password"), "org": org });
    match Call::new("POST /v1/auth/authenticate").body(body).send(console).await {
        Ok(answer) => {
            let next = if next.is_empty() { "/api-keys" } else { &next };
            Ok(signed_in_anew(console.app, console.request, &text(&answer["Authorization"]), next).await)
        }
        Err(ApiError::OrgSelectionRequired(organizations)) => {
            let names = organizations.iter().map(|organization| organization.name().to_owned()).collect();
            choice::ask(console, &email, names, next, asked_at).await
        }
        Err(ApiError::SsoRequired { org_name, .. }) => {
            Ok(page::redirect(&page::with_note(&format!("/o/{org_name}"), "sso-required", "")))
        }
        Err(error) => {
            form.page = form.page.error(&error);
            form.email = email;
            Ok(html(error.status_and_code().0, &form))
        }
    }
}

#[derive(Template)]
#[template(path = "console/organization.html")]
struct OrganizationPage {
    page: Door,
    org: String,
}

pub(super) fn organization() -> Response {
    html(StatusCode::OK, &OrganizationPage { page: Door::new("Sign in to your organization"), org: String::new() })
}

pub(super) async fn post_organization(console: Console<'_>) -> Result<Response, ApiError> {
    let org = console.form().text("org");
    let query = page::query(&[("orgName", &org)]);
    match Call::new("GET /v1/auth/org").query(query).send(console).await {
        Ok(found) if !org.trim().is_empty() => Ok(page::redirect(&format!("/o/{}", text(&found["orgName"])))),
        Ok(_) | Err(ApiError::NotFound) => {
            let mut door = Door::new("Sign in to your organization");
            door.has_error = true;
            "There is no organization of this name.".clone_into(&mut door.error_text);
            Ok(html(StatusCode::NOT_FOUND, &OrganizationPage { page: door, org }))
        }
        Err(error) => Err(error),
    }
}

/// What somebody has forgotten.
#[derive(Clone, Copy)]
pub(super) enum Forgot {
    Password,
    Organization,
}

#[derive(Template)]
#[template(path = "console/forgot.html")]
struct ForgotPage {
    page: Door,
    lead: &'static str,
    action: &'static str,
    is_sent: bool,
    sent_text: String,
    email: String,
}

pub(super) async fn forgot(console: Console<'_>, what: Forgot) -> Result<Response, ApiError> {
    let email = console.form().text("email");
    let (title, lead, action) = match what {
        Forgot::Password => (
            "Forgot password?",
            "We mail you a link to set another one. Until then your password stays as it is.",
            "/forgot-password",
        ),
        Forgot::Organization => (
            "Forgot your organization name?",
            "We mail you the names of your organizations and where you sign in.",
            "/forgot-organization",
        ),
    };
    let page = Door::new(title);
    let mut form = ForgotPage { page, lead, action, is_sent: false, sent_text: String::new(), email };
    if !console.is_post() {
        return Ok(html(StatusCode::OK, &form));
    }
    check_origin(console)?;
    let call = match what {
        Forgot::Password => Call::new("POST /v1/auth/user/password/reset").body(json!({ "emailId": form.email })),
        Forgot::Organization => {
            Call::new("GET /v1/auth/user/org/forgot").query(page::query(&[("emailId", &form.email)]))
        }
    };
    if let Err(error) = call.send(console).await {
        form.page = form.page.error(&error);
        return Ok(html(error.status_and_code().0, &form));
    }
    form.is_sent = true;
    let coming = match what {
        Forgot::Password => "a link to set another password is on its way. It works for 24 hours.",
        Forgot::Organization => "the names of its organizations are on their way.",
    };
    form.sent_text = format!("If {} has an account here, {coming}", form.email);
    Ok(html(StatusCode::OK, &form))
}

/// Forms of signed-out pages have no session to name, but they too must come from a page of ours: a stranger's page must
/// not sign a browser in as somebody else.
pub(super) fn check_origin(console: Console<'_>) -> Result<(), ApiError> {
    if caller::may_set_cookie(console.app, console.request) { Ok(()) } else { Err(ApiError::FormRefused) }
}
