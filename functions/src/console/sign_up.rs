//! Signing up an organization.

use askama::Template;
use lambda_http::http::StatusCode;
use serde_json::json;

use super::{
    Console,
    api::Call,
    door::{Door, check_origin},
    html,
    words::in_words,
};
use crate::{ApiError, http::Response};

#[derive(Default, Template)]
#[template(path = "console/sign_up.html")]
struct SignUp {
    page: Door,
    is_sent: bool,
    sent_text: String,
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
}

pub(super) async fn sign_up(console: Console<'_>) -> Result<Response, ApiError> {
    if !console.app.settings.sign_up {
        return Err(ApiError::SignUpClosed);
    }
    let sent = console.form();
    let mut form = SignUp {
        page: Door::new("Sign up"),
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
