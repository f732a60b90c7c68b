//! Setting a password by a mailed link.

use askama::Template;
use domain::{
    once::Purpose,
    password::{BrokenRule, PasswordPolicy},
    sso::Wish,
};
use lambda_http::http::StatusCode;
use serde_json::json;

use super::{
    Console,
    api::Call,
    door::{Door, check_origin},
    html, page,
    sso::{self, SsoLink},
    words::broken_in_words,
};
use crate::{
    ApiError,
    http::Response,
    person::{self, Link},
    sso::{browser::Browser, one_time},
};

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
    sso_links: Vec<SsoLink>,
    password_hidden: bool,
    /// Which the ways in are for.
    browser: Option<Browser>,
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

impl SetPassword {
    /// Where the organization lets people come by a provider, an invitation is accepted that way too. The token that goes
    /// along stands for the one of the mail, which no address is to hold.
    async fn offer_sso(&mut self, console: Console<'_>, link: &Link) -> Result<(), ApiError> {
        let (Some(org), Some((tenant, user))) = (&link.org, link.invited) else { return Ok(()) };
        let query = page::query(&[("orgName", org.as_str())]);
        let described = Call::new("GET /v1/auth/org").query(query).send(console).await?;
        if sso::links(console, &described, &[]).is_empty() {
            return Ok(());
        }
        let wish = Wish::Accept { tenant, user, invitation: link.digest.clone() };
        let browser = Browser::of_or_new(console.app, console.request);
        let purpose = Purpose::SsoWish { wish, next: String::new(), browser: Some(browser.digest()) };
        let (token, once) = one_time(console.app, purpose);
        console.app.store.put_once(&once).await?;
        self.sso_links = sso::links(console, &described, &[("with", token.expose())]);
        self.password_hidden = described["isSsoRequired"] == true;
        self.browser = Some(browser);
        Ok(())
    }
}

/// Where mailed links lead. The token stands behind the `#`, so it comes with the form alone.
pub(super) async fn set_password(console: Console<'_>, how: &str) -> Result<Response, ApiError> {
    let sent = console.form();
    let (title, intro, button) = match how {
        "activate" => ("Accept the invitation", "Set a password, then sign in with it.", "Set password"),
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
        sso_links: Vec::new(),
        password_hidden: false,
        browser: None,
    };
    if !console.is_post() {
        (form.has_token, form.token) = (false, String::new());
        return Ok(html(StatusCode::OK, &form));
    }
    check_origin(console)?;
    let token = form.token.trim().to_owned();
    let org = match person::link(console.app, &token).await {
        Ok(link) => {
            (form.rules, form.email) = (rules(&link.policy), link.email.clone());
            if how == "activate" && !sent.has("password") {
                form.offer_sso(console, &link).await?;
            }
            link.org
        }
        Err(error) => {
            (form.has_token, form.page) = (false, form.page.error(&error));
            return Ok(html(error.status_and_code().0, &form));
        }
    };
    if !sent.has("password") {
        let mut page = html(StatusCode::OK, &form);
        if let Some(browser) = &form.browser {
            browser.keep(&mut page);
        }
        return Ok(page);
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
        Ok(_) => {
            // Whoever was asked into an organization is not asked which.
            let sign_in = org.map_or_else(|| "/sign-in".to_owned(), |org| format!("/o/{org}"));
            Ok(page::redirect(&page::with_note(&sign_in, "password", "")))
        }
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
