//! Signing up an organization.

use askama::Template;
use lambda_http::http::StatusCode;
use serde_json::json;

use super::{
    Console,
    api::Call,
    door::{Door, check_origin},
    fields::Names,
    html,
    sso::{self, SsoLink},
    words::in_words,
};
use crate::{ApiError, http::Response};

#[derive(Default, Template)]
#[template(path = "console/sign_up.html")]
struct SignUp {
    page: Door,
    is_sent: bool,
    sent_text: String,
    names: Names,
    names_are_own: bool,
    email: String,
    has_email_error: bool,
    email_error: String,
    org: String,
    has_org_error: bool,
    org_error: String,
    sso_links: Vec<SsoLink>,
}

pub(super) async fn sign_up(console: Console<'_>) -> Result<Response, ApiError> {
    if !console.app.settings.sign_up {
        return Err(ApiError::SignUpClosed);
    }
    let sent = console.form();
    let mut form = SignUp {
        page: Door::new("Sign up"),
        names: Names::of(&sent),
        names_are_own: true,
        email: sent.text("email"),
        org: sent.text("org"),
        ..SignUp::default()
    };
    let described = Call::new("GET /v1/auth/org").send(console).await?;
    form.sso_links = sso::links(console, &described, &[]);
    if !console.is_post() {
        return Ok(html(StatusCode::OK, &form));
    }
    check_origin(console)?;
    let body = json!({
        "firstName": form.names.first.value, "lastName": form.names.last.value, "emailId": form.email,
        "orgName": form.org,
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
        error if form.names.take(error) => {}
        ApiError::Email(_) => (form.has_email_error, form.email_error) = (true, words),
        ApiError::OrgName(_) | ApiError::OrgNameTaken => (form.has_org_error, form.org_error) = (true, words),
        error => form.page = form.page.error(error),
    }
    Ok(html(error.status_and_code().0, &form))
}
