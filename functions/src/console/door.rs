//! Pages for whoever is not signed in yet.

use askama::Template;
use domain::{
    password::{BrokenRule, PasswordPolicy},
    tenant::OrgName,
};
use lambda_http::http::StatusCode;
use serde_json::json;

use super::{
    Console,
    api::{Call, text},
    choice, html,
    page::{self, Form},
    session::signed_in,
};
use crate::{ApiError, caller, http::Response, person};

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

    fn error(mut self, error: &ApiError) -> Self {
        self.fail(in_words(error));
        self
    }

    /// Says what went wrong.
    pub(super) fn fail(&mut self, words: String) {
        (self.has_error, self.error_text) = (true, words);
    }
}

/// What is wrong, as a sentence.
pub(super) fn in_words(error: &ApiError) -> String {
    match error {
        ApiError::InvalidCredentials => {
            "E-mail or password is not right, or you do not belong to this organization.".to_owned()
        }
        ApiError::AccountLocked => "Too many attempts. Wait a few minutes before the next one.".to_owned(),
        ApiError::PasswordExpired => {
            "Your password has ended by the rules of the organization. We have mailed you a link to set another one."
                .to_owned()
        }
        ApiError::InvalidOneTimeToken => "This link is not valid, was used already or has expired.".to_owned(),
        ApiError::OrgNameTaken => "There is an organization of this name already.".to_owned(),
        ApiError::Unavailable(_) => "The service is busy at the moment. Try again.".to_owned(),
        other => {
            let text = other.to_string();
            let mut chars = text.chars();
            chars.next().map(|first| first.to_uppercase().to_string() + chars.as_str()).unwrap_or_default() + "."
        }
    }
}

#[derive(Template)]
#[template(path = "console/error.html")]
struct ErrorPage {
    page: Door,
    text: String,
    has_reference: bool,
    reference: &'static str,
    link_url: &'static str,
    link_label: &'static str,
}

pub(super) fn error(error: &ApiError) -> Response {
    let (status, _) = error.status_and_code();
    let title = match status {
        StatusCode::NOT_FOUND => "There is nothing here",
        status if status.is_server_error() => "That did not work",
        _ => "This cannot be done",
    };
    let page = ErrorPage {
        page: Door::new(title),
        text: in_words(error),
        has_reference: false,
        reference: "",
        link_url: "/",
        link_label: "Back to the start",
    };
    if let Some(cause) = error.cause() {
        tracing::warn!(cause, "a page was refused");
    }
    html(status, &page)
}

struct Link {
    url: String,
    name: String,
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
    banner_first: bool,
    has_sso: bool,
    sso_links: Vec<Link>,
    password_hidden: bool,
    email: String,
    shared_sign_in_url: &'static str,
    sign_up_open: bool,
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
    Ok(form)
}

pub(super) async fn sign_in(console: Console<'_>, parts: &[&str]) -> Result<Response, ApiError> {
    let query = console.form();
    let org = if let ["o", org] = parts { (*org).to_owned() } else { query.text("org") };
    let mut form = sign_in_form(console, &org, query.own_path("next", "")).await?;
    if let Some(notice) = match query.text("note").as_str() {
        "signed-out" => Some("You are signed out."),
        "password" => Some("Your password is set. Sign in with it."),
        "again" => Some("That took too long. Sign in once more."),
        _ => None,
    } {
        form.page.has_notice = true;
        notice.clone_into(&mut form.page.notice_text);
    }
    Ok(html(StatusCode::OK, &form))
}

/// The page of all, with what went wrong on the way from it.
pub(super) fn sign_in_again(console: Console<'_>, page: Door, status: StatusCode) -> Response {
    html(status, &empty_sign_in(console, page))
}

fn empty_sign_in(console: Console<'_>, page: Door) -> SignIn {
    let sign_up_open = console.app.settings.sign_up;
    SignIn { page, shared_sign_in_url: "/sign-in", sign_up_open, ..SignIn::default() }
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
            Ok(signed_in(console, &text(&answer["Authorization"]), next))
        }
        Err(ApiError::OrgSelectionRequired(organizations)) => {
            let names = organizations.iter().map(|organization| organization.name().to_owned()).collect();
            choice::ask(console, &email, names, next, asked_at).await
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

#[derive(Default, Template)]
#[template(path = "console/forgot_password.html")]
struct ForgotPassword {
    page: Door,
    is_sent: bool,
    sent_text: String,
    again_url: &'static str,
    email: String,
}

pub(super) async fn forgot_password(console: Console<'_>) -> Result<Response, ApiError> {
    let email = console.form().text("email");
    let mut form = ForgotPassword {
        page: Door::new("Forgot password?"),
        again_url: "/forgot-password",
        email,
        ..Default::default()
    };
    if console.is_post() {
        check_origin(console)?;
        let body = json!({ "emailId": form.email });
        if let Err(error) = Call::new("POST /v1/auth/user/password/reset").body(body).send(console).await {
            form.page = form.page.error(&error);
            return Ok(html(error.status_and_code().0, &form));
        }
        form.is_sent = true;
        form.sent_text = format!(
            "If {} has an account here, a link to set another password is on its way. It works for 24 hours.",
            form.email
        );
    }
    Ok(html(StatusCode::OK, &form))
}

#[derive(Default, Template)]
#[template(path = "console/forgot_organization.html")]
struct ForgotOrganization {
    page: Door,
    is_sent: bool,
    sent_text: String,
    again_url: &'static str,
    email: String,
}

pub(super) async fn forgot_organization(console: Console<'_>) -> Result<Response, ApiError> {
    let email = console.form().text("email");
    let page = Door::new("Forgot your organization name?");
    let mut form = ForgotOrganization { page, again_url: "/forgot-organization", email, ..Default::default() };
    if console.is_post() {
        check_origin(console)?;
        let query = page::query(&[("emailId", &form.email)]);
        if let Err(error) = Call::new("GET /v1/auth/user/org/forgot").query(query).send(console).await {
            form.page = form.page.error(&error);
            return Ok(html(error.status_and_code().0, &form));
        }
        form.is_sent = true;
        form.sent_text =
            format!("If {} has an account here, the names of its organizations are on their way.", form.email);
    }
    Ok(html(StatusCode::OK, &form))
}

#[derive(Default, Template)]
#[template(path = "console/sign_up.html")]
struct SignUp {
    page: Door,
    is_sent: bool,
    sent_text: String,
    again_url: &'static str,
    first_name: String,
    has_first_name_error: bool,
    first_name_error: String,
    last_name: String,
    has_last_name_error: bool,
    last_name_error: String,
    email: String,
    has_email_error: bool,
    email_error: String,
    org: String,
    has_org_error: bool,
    org_error: String,
    has_sso: bool,
    sso_links: Vec<Link>,
}

pub(super) async fn sign_up(console: Console<'_>) -> Result<Response, ApiError> {
    if !console.app.settings.sign_up {
        return Err(ApiError::SignUpClosed);
    }
    let sent: Form = console.form();
    let mut form = SignUp {
        page: Door::new("Sign up"),
        again_url: "/sign-up",
        first_name: sent.text("first_name"),
        last_name: sent.text("last_name"),
        email: sent.text("email"),
        org: sent.text("org"),
        ..SignUp::default()
    };
    if !console.is_post() {
        return Ok(html(StatusCode::OK, &form));
    }
    check_origin(console)?;
    let body = json!({
        "firstName": form.first_name, "lastName": form.last_name, "emailId": form.email, "orgName": form.org,
    });
    let Err(error) = Call::new("POST /v1/tenants/signup").body(body).send(console).await else {
        "Check your mail".clone_into(&mut form.page.title);
        form.is_sent = true;
        form.sent_text =
            format!("We have mailed a link to {}. It makes {} and lets you set your password.", form.email, form.org);
        return Ok(html(StatusCode::OK, &form));
    };
    let words = in_words(&error);
    match &error {
        ApiError::PersonName { field: "firstName" } => {
            (form.has_first_name_error, form.first_name_error) = (true, words);
        }
        ApiError::PersonName { .. } => (form.has_last_name_error, form.last_name_error) = (true, words),
        ApiError::Email(_) => (form.has_email_error, form.email_error) = (true, words),
        ApiError::OrgName(_) | ApiError::OrgNameTaken => (form.has_org_error, form.org_error) = (true, words),
        error => form.page = form.page.error(error),
    }
    Ok(html(error.status_and_code().0, &form))
}

#[derive(Template)]
#[template(path = "console/set_password.html")]
struct SetPassword {
    page: Door,
    intro: &'static str,
    action: String,
    has_token: bool,
    token: String,
    has_password_error: bool,
    password_error: String,
    rules: Vec<Rule>,
    email: String,
    button: &'static str,
}

pub(super) struct Rule {
    pub(super) id: &'static str,
    pub(super) value: u32,
    pub(super) text: String,
}

/// The rules of a policy, for a person to read and for the script to check.
pub(super) fn rules(policy: &PasswordPolicy) -> Vec<Rule> {
    let at_least = |count: u32, what: &str| format!("At least {count} {what}{}", if count == 1 { "" } else { "s" });
    let rule = |rule: BrokenRule, value: u32, text: String| Rule { id: rule.as_str(), value, text };
    let mut rules = vec![
        rule(BrokenRule::MinLength, policy.min_length, at_least(policy.min_length, "character")),
        rule(BrokenRule::MaxLength, policy.max_length, format!("At most {} characters", policy.max_length)),
        rule(BrokenRule::Upper, policy.min_upper, at_least(policy.min_upper, "upper-case letter")),
        rule(BrokenRule::Lower, policy.min_lower, at_least(policy.min_lower, "lower-case letter")),
        rule(BrokenRule::Digits, policy.min_digits, at_least(policy.min_digits, "digit")),
        rule(BrokenRule::Special, policy.min_special, at_least(policy.min_special, "other character")),
    ];
    rules.retain(|rule| rule.value > 0);
    if let Some(regex) = &policy.regex {
        // It stands in the place of lengths and counts.
        rules = vec![rule(BrokenRule::Regex, 0, format!("Matches {regex}"))];
    }
    rules.push(rule(BrokenRule::TooCommon, 0, "Not easy to guess".to_owned()));
    rules
}

/// Where mailed links lead. The token stands behind the `#`, so it comes with the form alone.
pub(super) async fn set_password(console: Console<'_>, how: &str) -> Result<Response, ApiError> {
    let sent = console.form();
    let (title, intro, button) = match how {
        "activate" => ("Accept the invitation", "Set a password, and you are in.", "Set password"),
        "confirm" => {
            ("Confirm your organization", "Set a password for your account as its admin.", "Make the organization")
        }
        _ => ("Set another password", "It replaces the one you have. Your API keys stay as they are.", "Set password"),
    };
    let mut form = SetPassword {
        page: Door::new(title),
        intro,
        action: format!("/{how}"),
        has_token: sent.has("token"),
        token: sent.text("token"),
        has_password_error: false,
        password_error: String::new(),
        rules: Vec::new(),
        email: String::new(),
        button,
    };
    if !console.is_post() {
        (form.has_token, form.token) = (false, String::new());
        return Ok(html(StatusCode::OK, &form));
    }
    check_origin(console)?;
    let token = form.token.trim().to_owned();
    match person::policy_of_link(console.app, &token).await {
        Ok((policy, email)) => (form.rules, form.email) = (rules(&policy), email),
        Err(error) => {
            (form.has_token, form.page) = (false, form.page.error(&error));
            return Ok(html(error.status_and_code().0, &form));
        }
    }
    if !sent.has("password") {
        return Ok(html(StatusCode::OK, &form));
    }
    if how == "confirm" {
        let make = Call::new("POST /v1/tenants/signup/{signupToken}/activate").parameter("signupToken", &token);
        // It was made already if the password was refused the first time.
        match make.send(console).await {
            Ok(_) | Err(ApiError::InvalidOneTimeToken) => {}
            Err(error) => {
                form.page = form.page.error(&error);
                return Ok(html(error.status_and_code().0, &form));
            }
        }
    }
    let route = if how == "reset" {
        "PATCH /v1/auth/password/{passwordToken}/reset"
    } else {
        "PATCH /v1/auth/password/{passwordToken}/activate"
    };
    let body = json!({ "password": sent.text("password") });
    match Call::new(route).parameter("passwordToken", &token).body(body).send(console).await {
        Ok(_) => Ok(page::redirect("/sign-in?note=password")),
        Err(error) => {
            if let ApiError::PasswordPolicy(broken) = &error {
                form.has_password_error = true;
                form.password_error = broken_in_words(broken);
            } else {
                form.page = form.page.error(&error);
            }
            Ok(html(error.status_and_code().0, &form))
        }
    }
}

pub(super) fn broken_in_words(broken: &[BrokenRule]) -> String {
    let words = broken.iter().map(|rule| match rule {
        BrokenRule::MinLength => "it is too short",
        BrokenRule::MaxLength => "it is too long",
        BrokenRule::Upper => "an upper-case letter is missing",
        BrokenRule::Lower => "a lower-case letter is missing",
        BrokenRule::Digits => "a digit is missing",
        BrokenRule::Special => "a character that is neither letter nor digit is missing",
        BrokenRule::Regex => "it has not the form that the organization asks for",
        BrokenRule::TooCommon => "it is too easy to guess",
        BrokenRule::Same => "it is the one you have had",
    });
    format!("This password cannot be used: {}.", words.collect::<Vec<_>>().join(", "))
}

/// Forms of signed-out pages have no session to name, but they too must come from a page of ours: a stranger's page must
/// not sign a browser in as somebody else.
pub(super) fn check_origin(console: Console<'_>) -> Result<(), ApiError> {
    if caller::may_set_cookie(console.app, console.request) { Ok(()) } else { Err(ApiError::FormRefused) }
}
