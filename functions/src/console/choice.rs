//! Choosing one of several organizations after the password was right.
//!
//! In between, the page carries a one-time token that stands for the password: for ten minutes, for this person, and
//! void as soon as the password changes. Programs have no such token; they send the password again, with the name.

use std::time::Duration;

use askama::Template;
use domain::{
    EmailAddress, Timestamp,
    once::{OneTimeToken, Purpose},
    tenant::OrgName,
};
use lambda_http::http::StatusCode;
use store::Proof;

use super::{
    Console,
    door::{Door, check_origin},
    html, page,
    session::signed_in_anew,
    words::in_words,
};
use crate::{ApiError, http::Response, mail, person, sign_in, token_answer::token_of};

/// How long somebody may think about it.
const LIFETIME: Duration = Duration::from_mins(10);

#[derive(Template)]
#[template(path = "console/choose_organization.html")]
struct Choose {
    page: Door,
    choice: String,
    next: String,
    organizations: Vec<String>,
}

/// Asks which one.
///
/// - `asked_at`: before the password was checked.
pub(super) async fn ask(
    console: Console<'_>,
    email: &str,
    organizations: Vec<String>,
    next: String,
    asked_at: Timestamp,
) -> Result<Response, ApiError> {
    let app = console.app;
    let address = EmailAddress::parse(email)?;
    let person = app.store.person(address.canonical()).await?;
    // What was checked is the password of then, and this one came between.
    let changed_at = person.password_changed_at.filter(|changed_at| *changed_at < asked_at);
    let purpose = Purpose::ChooseOrganization { password_changed_at: changed_at.ok_or(ApiError::InvalidCredentials)? };
    let (token, mut once) = mail::one_time(app, &address, purpose);
    once.expires_at = app.clock.now() + LIFETIME;
    app.store.put_once(&once).await?;
    let choice = token.expose().to_owned();
    Ok(html(StatusCode::OK, &Choose { page: Door::new("Choose an organization"), choice, next, organizations }))
}

/// Signs in to the one that was chosen.
pub(super) async fn take(console: Console<'_>) -> Result<Response, ApiError> {
    check_origin(console)?;
    let sent = console.form();
    let next = sent.own_path("next", "/api-keys");
    match sign_in_to(console, &sent.text("choice"), &OrgName::folded(&sent.text("org"))).await {
        Ok(token) => Ok(signed_in_anew(console.app, console.request, &token, &next).await),
        Err(ApiError::InvalidOneTimeToken | ApiError::InvalidCredentials) => {
            Ok(page::redirect(&page::url("/sign-in", &[("note", "again"), ("next", &sent.own_path("next", ""))])))
        }
        Err(ApiError::SsoRequired { org_name, .. }) => {
            Ok(page::redirect(&page::with_note(&format!("/o/{org_name}"), "sso-required", "")))
        }
        Err(error) => {
            let mut door = Door::new("Sign in");
            door.fail(in_words(&error));
            super::door::sign_in_again(console, door, error.status_and_code().0).await
        }
    }
}

async fn sign_in_to(console: Console<'_>, choice: &str, org: &OrgName) -> Result<String, ApiError> {
    let Console { app, signer, request } = console;
    let refused = || ApiError::InvalidOneTimeToken;
    let token = OneTimeToken::parse(choice).map_err(|_| refused())?;
    let once = app.store.once(&token.digest()).await?.ok_or_else(refused)?;
    let person = app.store.person(&once.address).await?;
    let is_choice = matches!(once.purpose, Purpose::ChooseOrganization { .. });
    if !is_choice || !once.is_usable(person.password_changed_at, app.clock.now()) {
        return Err(refused());
    }
    let memberships = person::active_memberships(app, &person).await?;
    let found = memberships.into_iter().find(|(tenant, _)| tenant.org_name == *org);
    let address = EmailAddress::parse(&once.email)?;
    let Some((tenant, user)) = found else {
        let why = "No active user in the organization";
        person::note_refusal(app, request, &address, &person, Some(org), why).await?;
        return Err(ApiError::InvalidCredentials);
    };
    if let Err(error) = person::check_age(app, &address, &person, &tenant).await {
        let org = Some(&tenant.org_name);
        person::note_refusal(app, request, &address, &person, org, "The password has ended").await?;
        return Err(error);
    }
    let hash = person.password_hash.as_deref().unwrap_or_default();
    let proof = Proof::Password { address: &once.address, hash, used: Some(&once) };
    let answer = sign_in::answer(app, signer, request, (&tenant, &user), proof).await?;
    Ok(token_of(&answer))
}
