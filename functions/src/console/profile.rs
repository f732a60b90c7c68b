//! One's own names, password and sessions.

use askama::Template;
use domain::{EmailAddress, role::BUILT_IN, sso::Provider};
use lambda_http::http::StatusCode;
use serde_json::{Value, json};
use store::Person;

use super::{
    Console, Refusal,
    api::{Call, text, time},
    fields::{Field, Names},
    html,
    page::{self, Choice},
    session::{Session, Shell, signed_in},
    set_password::{Rule, rules},
    sso::has_own_provider,
    words::{broken_in_words, in_words},
};
use crate::{ApiError, http::Response, person};

const URL: &str = "/profile";

struct Row {
    uid: String,
    device: String,
    org_name: String,
    address: String,
    started: String,
    last_used: String,
    is_current: bool,
}

impl Row {
    fn new(console: Console<'_>, session: &Value) -> Self {
        let now = console.app.clock.now();
        let (spec, status) = (&session["spec"], &session["status"]);
        let address = text(&spec["source"]);
        Self {
            uid: text(&session["metadata"]["uid"]),
            device: device(&text(&spec["userAgent"])),
            org_name: text(&spec["orgName"]),
            address: if address.is_empty() { "–".to_owned() } else { address },
            started: page::relative(time(&session["metadata"]["creationTimestamp"]), now),
            last_used: page::relative(time(&status["lastUsedTimestamp"]), now),
            is_current: status["isCurrent"] == true,
        }
    }
}

/// What a person calls what a client calls itself: `Firefox on Linux`.
fn device(user_agent: &str) -> String {
    let first = |known: &[(&str, &'static str)]| {
        known.iter().find(|(mark, _)| user_agent.contains(mark)).map(|(_, name)| *name)
    };
    // Each browser calls itself by the names of those before it too, so the order decides.
    let browser = first(&[
        ("Edg/", "Edge"),
        ("OPR/", "Opera"),
        ("Firefox/", "Firefox"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
    ]);
    let system = first(&[
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Android", "Android"),
        ("Windows", "Windows"),
        ("Mac OS X", "macOS"),
        ("CrOS", "ChromeOS"),
        ("Linux", "Linux"),
    ]);
    match (browser, system) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        (Some(browser), None) => browser.to_owned(),
        _ => match user_agent.split(['/', ' ', '(']).next().unwrap_or_default() {
            "" => "Unknown".to_owned(),
            program => program.to_owned(),
        },
    }
}

#[derive(Template)]
#[template(path = "console/profile.html")]
struct Profile {
    page: Shell,
    names: Names,
    names_are_own: bool,
    /// Whether the person has one to change.
    has_password: bool,
    roles_text: String,
    has_current_password_error: bool,
    current_password_error: String,
    has_password_error: bool,
    password_error: String,
    rules: Vec<Rule>,
    has_password_again_error: bool,
    password_again_error: &'static str,
    has_identities: bool,
    identities: Vec<Identity>,
    /// What can be linked.
    providers: Vec<Choice>,
    has_other_sessions: bool,
    sessions: Vec<Row>,
}

/// By whom else the person can sign in.
struct Identity {
    uid: String,
    label: String,
    email: String,
    linked: String,
}

pub(super) async fn show(console: Console<'_>, session: &Session) -> Result<Response, Refusal> {
    let profile = profile(console, session).await?;
    Ok(html(StatusCode::OK, &profile))
}

async fn profile(console: Console<'_>, session: &Session) -> Result<Profile, Refusal> {
    // Everybody may know the names of their own roles, and not everybody may list all of them.
    let held: Vec<&str> = BUILT_IN.iter().filter(|role| session.holds(role.uid)).map(|role| role.name).collect();
    let answer = Call::new("GET /v1/users/auth/sessions").by(&session.token).send(console).await?;
    let sessions: Vec<Row> =
        answer["items"].as_array().into_iter().flatten().map(|session| Row::new(console, session)).collect();
    let mut shell = session.shell("My Profile").flash(&console.form(), "");
    shell.nav_profile = true;
    let answer = Call::new("GET /v1/users/auth/identities").by(&session.token).send(console).await?;
    let now = console.app.clock.now();
    let identities = answer["items"].as_array().into_iter().flatten().map(|identity| {
        let email = text(&identity["spec"]["emailId"]);
        Identity {
            uid: text(&identity["metadata"]["uid"]),
            label: shown(label(&text(&identity["spec"]["provider"]))),
            email: if email.is_empty() { text(&identity["spec"]["issuer"]) } else { email },
            linked: page::relative(time(&identity["metadata"]["creationTimestamp"]), now),
        }
    });
    let identities: Vec<Identity> = identities.collect();
    let person = person_of(console, &shell.person_email).await?;
    let query = page::query(&[("orgName", &shell.org_name)]);
    let described = Call::new("GET /v1/auth/org").query(query).send(console).await?;
    let social = described["ssoLogins"].as_array().into_iter().flatten().map(|login| text(&login["name"]));
    let offered: Vec<String> =
        has_own_provider(&described).then(|| "oidc".to_owned()).into_iter().chain(social).collect();
    let known = [("oidc", label("oidc")), ("google", label("google")), ("github", label("github"))];
    let providers = Choice::all(&known, "").into_iter().filter(|choice| offered.iter().any(|it| it == choice.value));
    let providers: Vec<Choice> = providers.collect();
    Ok(Profile {
        names: Names { first: Field::new(session.first_name()), last: Field::new(session.last_name()) },
        names_are_own: true,
        has_password: person.password_hash.is_some(),
        roles_text: if held.is_empty() { "none".to_owned() } else { held.join(", ") },
        has_current_password_error: false,
        current_password_error: String::new(),
        has_password_error: false,
        password_error: String::new(),
        rules: rules(&person::policy(console.app, &person, None).await?),
        has_password_again_error: false,
        password_again_error: "",
        has_identities: !identities.is_empty() || !providers.is_empty(),
        identities,
        providers,
        has_other_sessions: sessions.len() > 1,
        sessions,
        page: shell,
    })
}

/// Of the address, in all of their organizations.
async fn person_of(console: Console<'_>, email: &str) -> Result<Person, ApiError> {
    let address = EmailAddress::parse(email)?;
    Ok(console.app.store.person(address.canonical()).await?)
}

/// What people call a provider, which the wire names so.
fn label(provider: &str) -> &'static str {
    let social = Provider::social(provider);
    social.unwrap_or(Provider::Oidc).shown()
}

/// The same, at the beginning of a line.
fn shown(label: &str) -> String {
    let mut chars = label.chars();
    chars.next().map(|first| first.to_uppercase().to_string() + chars.as_str()).unwrap_or_default()
}

#[derive(Template)]
#[template(path = "console/connect.html")]
struct Connect {
    page: Shell,
    provider: &'static str,
    url: String,
}

/// Where to go to link one more. A page with a link, since forms must not lead elsewhere.
pub(super) async fn link_identity(console: Console<'_>, session: &Session) -> Result<Response, Refusal> {
    let provider = console.form().text("provider");
    let body = json!({ "provider": provider });
    match Call::new("POST /v1/users/auth/identities").by(&session.token).body(body).send(console).await {
        Ok(answer) => {
            let url = text(&answer["redirectUri"]);
            let label = label(&provider);
            let mut shell = session.shell(&format!("Link {label}"));
            shell.nav_profile = true;
            Ok(html(StatusCode::OK, &Connect { page: shell, provider: label, url }))
        }
        Err(ApiError::SignInAgain) => Ok(page::redirect(&page::with_note(URL, "sign-in-again", ""))),
        Err(ApiError::SsoFailed(failure)) => Ok(page::redirect(&page::with_note(URL, failure.note(), ""))),
        Err(error) => Err(error.into()),
    }
}

pub(super) async fn unlink_identity(console: Console<'_>, session: &Session) -> Result<Response, Refusal> {
    let uid = console.form().text("uid");
    let call = Call::new("DELETE /v1/users/auth/identities/{uid}").parameter("uid", &uid).by(&session.token);
    match call.send(console).await {
        Ok(_) | Err(ApiError::NotFound) => Ok(page::redirect(&page::with_note(URL, "unlinked", ""))),
        Err(error) => Err(error.into()),
    }
}

pub(super) async fn set_names(console: Console<'_>, session: &Session) -> Result<Response, Refusal> {
    let mut names = Names::of(&console.form());
    let body = json!({ "spec": { "firstName": names.first.value, "lastName": names.last.value } });
    let call = Call::new("PUT /v1/users/{uid}").parameter("uid", &session.uid()).by(&session.token).body(body);
    let error = match call.send(console).await {
        Ok(_) => return Ok(page::redirect(&page::with_note(URL, "saved", ""))),
        Err(error @ ApiError::Unauthorized(_)) => return Err(error.into()),
        Err(error) => error,
    };
    let mut form = profile(console, session).await?;
    if !names.take(&error) {
        form.page.fail(in_words(&error));
    }
    form.names = names;
    Ok(html(error.status_and_code().0, &form))
}

/// Changing the password ends every session; the one that has changed it goes on as a new one.
pub(super) async fn change_password(console: Console<'_>, session: &Session) -> Result<Response, Refusal> {
    let sent = console.form();
    let (email, password) = (session.email(), sent.text("password"));
    if sent.text("password_again") != password {
        let mut form = profile(console, session).await?;
        (form.has_password_again_error, form.password_again_error) = (true, "This is not the same password.");
        return Ok(html(StatusCode::BAD_REQUEST, &form));
    }
    let body = json!({ "emailId": email, "currentPassword": sent.text("current_password"), "newPassword": password });
    let call = Call::new("PATCH /v1/users/password/change").by(&session.token).body(body);
    let error = match call.send(console).await {
        Ok(_) => {
            let body = json!({ "emailId": email, "password": password, "org": session.org_name() });
            return Ok(match Call::new("POST /v1/auth/authenticate").body(body).send(console).await {
                Ok(answer) => signed_in(
                    console.app,
                    &text(&answer["Authorization"]),
                    &page::with_note(URL, "password-changed", ""),
                ),
                // The password is changed all the same.
                Err(_) => page::redirect("/sign-in?note=password"),
            });
        }
        Err(error @ ApiError::Unauthorized(_)) => return Err(error.into()),
        Err(error) => error,
    };
    let mut form = profile(console, session).await?;
    match &error {
        ApiError::InvalidCredentials => {
            (form.has_current_password_error, form.current_password_error) =
                (true, "This is not your password.".to_owned());
        }
        ApiError::AccountLocked => {
            (form.has_current_password_error, form.current_password_error) = (true, in_words(&error));
        }
        ApiError::PasswordPolicy(broken) => {
            (form.has_password_error, form.password_error) = (true, broken_in_words(broken));
        }
        ApiError::PasswordTooLong => (form.has_password_error, form.password_error) = (true, in_words(&error)),
        _ => form.page.fail(in_words(&error)),
    }
    Ok(html(error.status_and_code().0, &form))
}

pub(super) async fn end_session(console: Console<'_>, session: &Session) -> Result<Response, Refusal> {
    let uid = console.form().text("uid");
    let call = Call::new("DELETE /v1/users/auth/sessions/{uid}").parameter("uid", &uid).by(&session.token);
    match call.send(console).await {
        Ok(_) => Ok(page::redirect(&page::with_note(URL, "session-ended", ""))),
        Err(ApiError::NotFound) => Ok(page::redirect(&page::with_note(URL, "session-gone", ""))),
        Err(error) => Err(error.into()),
    }
}

pub(super) async fn end_others(console: Console<'_>, session: &Session) -> Result<Response, Refusal> {
    let answer = Call::new("DELETE /v1/users/auth/sessions").by(&session.token).send(console).await?;
    Ok(signed_in(console.app, &text(&answer["Authorization"]), &page::with_note(URL, "others-ended", "")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_have_the_names_that_people_give_them() {
        for (user_agent, name) in [
            ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox on Linux"),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 \
                 Safari/537.36 Edg/140.0.0.0",
                "Edge on Windows",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) \
                 Version/18.0 Mobile/15E148 Safari/604.1",
                "Safari on iPhone",
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) \
                 Chrome/140.0.0.0 Safari/537.36",
                "Chrome on macOS",
            ),
            ("curl/8.5.0", "curl"),
            ("", "Unknown"),
        ] {
            assert_eq!(device(user_agent), name);
        }
    }
}
