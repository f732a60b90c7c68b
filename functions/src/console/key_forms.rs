//! Making an API key, changing it, revoking and deleting it.

use askama::Template;
use domain::Permission;
use lambda_http::http::StatusCode;
use serde_json::json;

use super::{
    Console, Refusal,
    api::{Call, text},
    expiry::{self, Expiry},
    fields::{Field, KeyTexts},
    html,
    keys::{Row, UserChoice, Whose, all_users},
    page,
    session::{Session, Shell},
    words::in_words,
};
use crate::{ApiError, http::Response};

#[derive(Template)]
#[template(path = "console/key_new.html")]
struct New {
    page: Shell,
    back_url: String,
    back_label: &'static str,
    texts: KeyTexts,
    show_user: bool,
    has_user_error: bool,
    users: Vec<UserChoice>,
    user_error: String,
    expiry: Expiry,
}

#[derive(Template)]
#[template(path = "console/key_created.html")]
struct Created {
    page: Shell,
    user_name: String,
    key_name: String,
    api_key: String,
    expiry_text: String,
    curl_line: String,
    done_url: String,
}

pub(super) async fn new(console: Console<'_>, session: &Session) -> Result<Response, Refusal> {
    let now = console.app.clock.now();
    let sent = console.sent();
    let back = console.form().own_path("back", Whose::Own.url());
    let whose = Whose::of(&back);
    let show_user = whose == Whose::All && session.may("apiKey.create") && session.may("user.list");
    let chosen = if sent.has("expiry") { sent.text("expiry") } else { "30".to_owned() };
    let user = if sent.has("user") { sent.text("user") } else { session.uid() };
    let expiry = Expiry::new(&chosen, sent.text("expires_on"), None, now);
    let mut form = New {
        page: session.shell("Add New API Key"),
        back_label: whose.label(),
        texts: KeyTexts::of(&sent),
        show_user,
        has_user_error: false,
        users: if show_user { all_users(console, session, &user).await? } else { Vec::new() },
        user_error: String::new(),
        expiry,
        back_url: back,
    };
    (form.page.nav_keys, form.page.nav_tenant_keys) = (whose == Whose::Own, whose == Whose::All);
    if !console.is_post() {
        return Ok(html(StatusCode::OK, &form));
    }
    let expires_at = match form.expiry.chosen(&chosen, now) {
        Ok(expires_at) => expires_at,
        Err(reason) => {
            form.expiry.fail(reason.to_owned());
            return Ok(html(StatusCode::BAD_REQUEST, &form));
        }
    };
    let body = json!({
        "metadata": { "name": form.texts.name.value, "annotations": { "description": form.texts.description.value } },
        "spec": { "userUid": if show_user { user.clone() } else { String::new() }, "expiry": expires_at },
    });
    match Call::new("POST /v1/apiKeys").by(&session.token).body(body).send(console).await {
        Ok(created) => {
            let api_key = text(&created["apiKey"]);
            let user_name = form.users.iter().find(|choice| choice.is_selected).map(|choice| choice.name.clone());
            let url = &console.app.settings.public_url;
            let mut shell = session.shell("Your new API key");
            (shell.nav_keys, shell.nav_tenant_keys) = (whose == Whose::Own, whose == Whose::All);
            let page = Created {
                page: shell,
                user_name: user_name.unwrap_or_else(|| form.page.person_name.clone()),
                key_name: form.texts.name.value,
                curl_line: format!("curl -X POST -H 'ApiKey: {api_key}' {url}/v1/auth/authenticate"),
                api_key,
                expiry_text: expiry::in_words(expires_at, now),
                done_url: form.back_url,
            };
            Ok(html(StatusCode::CREATED, &page))
        }
        Err(error) => {
            let words = in_words(&error);
            match &error {
                error if form.texts.take(error) => {}
                ApiError::UserNotFound | ApiError::MoreThanHeld | ApiError::Pending => {
                    (form.has_user_error, form.user_error) = (true, words);
                }
                ApiError::Unauthorized(_) => return Err(error.into()),
                _ => form.page.fail(words),
            }
            Ok(html(error.status_and_code().0, &form))
        }
    }
}

#[derive(Template)]
#[template(path = "console/key_edit.html")]
struct Edit {
    page: Shell,
    back_url: String,
    back_label: &'static str,
    action: String,
    key_tail: String,
    user_name: String,
    status_label: &'static str,
    texts: KeyTexts,
    expiry: Expiry,
}

async fn row(console: Console<'_>, session: &Session, uid: &str) -> Result<Row, ApiError> {
    let key = Call::new("GET /v1/apiKeys/{uid}").parameter("uid", uid).by(&session.token).send(console).await?;
    Ok(Row::new(session, &key, console.app.clock.now()))
}

pub(super) async fn edit(console: Console<'_>, session: &Session, uid: &str) -> Result<Response, Refusal> {
    let now = console.app.clock.now();
    let sent = console.sent();
    let back = console.form().own_path("back", Whose::Own.url());
    let whose = Whose::of(&back);
    let key = row(console, session, uid).await?;
    if !key.can_edit {
        return Err(Refusal::Error(ApiError::Forbidden(Permission::ApiKeyUpdate)));
    }
    let texts = if console.is_post() {
        KeyTexts::of(&sent)
    } else {
        KeyTexts { name: Field::new(key.name), description: Field::new(key.description) }
    };
    let chosen = if sent.has("expiry") { sent.text("expiry") } else { expiry::KEEP.to_owned() };
    let expiry = Expiry::new(&chosen, sent.text("expires_on"), Some(key.expires_at), now);
    let mut form = Edit {
        page: session.shell("Edit API Key"),
        back_label: whose.label(),
        action: format!("/api-keys/{uid}/edit"),
        texts,
        key_tail: key.key_tail,
        user_name: key.user_name,
        status_label: key.status_label,
        expiry,
        back_url: back,
    };
    if !console.is_post() {
        return Ok(html(StatusCode::OK, &form));
    }
    let expires_at = match form.expiry.chosen(&chosen, now) {
        Ok(expires_at) => Some(expires_at).filter(|_| chosen != expiry::KEEP),
        Err(reason) => {
            form.expiry.fail(reason.to_owned());
            return Ok(html(StatusCode::BAD_REQUEST, &form));
        }
    };
    let body = json!({
        "metadata": { "name": form.texts.name.value, "annotations": { "description": form.texts.description.value } },
        "spec": { "expiry": expires_at },
    });
    match Call::new("PUT /v1/apiKeys/{uid}").parameter("uid", uid).by(&session.token).body(body).send(console).await {
        Ok(_) => Ok(page::redirect(&page::with_note(&form.back_url, "saved", uid))),
        Err(error) => {
            let words = in_words(&error);
            match &error {
                error if form.texts.take(error) => {}
                ApiError::ApiKey(_) => form.expiry.fail(words),
                ApiError::Unauthorized(_) => return Err(error.into()),
                _ => form.page.fail(words),
            }
            Ok(html(error.status_and_code().0, &form))
        }
    }
}

#[derive(Template)]
#[template(path = "console/key_delete.html")]
struct Delete {
    page: Shell,
    action: String,
    back_url: String,
    name: String,
    key_tail: String,
    description: String,
    user_name: String,
    last_use: String,
}

pub(super) async fn delete(console: Console<'_>, session: &Session, uid: &str) -> Result<Response, Refusal> {
    let back = console.form().own_path("back", Whose::Own.url());
    if console.is_post() {
        let call = Call::new("DELETE /v1/apiKeys/{uid}").parameter("uid", uid).by(&session.token);
        return match call.send(console).await {
            Ok(_) => Ok(page::redirect(&page::with_note(&back, "deleted", ""))),
            Err(ApiError::NotFound) => Ok(page::redirect(&page::with_note(&back, "gone", ""))),
            Err(error) => Err(error.into()),
        };
    }
    let key = row(console, session, uid).await?;
    if !key.can_delete {
        return Err(Refusal::Error(ApiError::Forbidden(Permission::ApiKeyDelete)));
    }
    let whose = Whose::of(&back);
    let mut shell = session.shell("Delete API Key");
    (shell.nav_keys, shell.nav_tenant_keys) = (whose == Whose::Own, whose == Whose::All);
    let page = Delete {
        page: shell,
        action: format!("/api-keys/{uid}/delete"),
        back_url: back,
        name: key.name,
        key_tail: key.key_tail,
        description: key.description,
        user_name: key.user_name,
        last_use: key.last_use,
    };
    Ok(html(StatusCode::OK, &page))
}

pub(super) async fn set_state(console: Console<'_>, session: &Session, uid: &str) -> Result<Response, Refusal> {
    let sent = console.form();
    let back = sent.own_path("back", Whose::Own.url());
    let is_active = sent.flag("is_active")?;
    let call = Call::new("PUT /v1/apiKeys/{uid}/state").parameter("uid", uid).by(&session.token);
    let to = match call.body(json!({ "isActive": is_active })).send(console).await {
        Ok(_) if is_active => page::with_note(&back, "activated", uid),
        Ok(_) => page::with_undo(&page::with_note(&back, "revoked", uid), &session.mark(uid)),
        Err(ApiError::NotFound) => page::with_note(&back, "gone", ""),
        Err(ApiError::ApiKey(_)) => page::with_note(&back, "expired", uid),
        Err(error) => return Err(error.into()),
    };
    Ok(page::redirect(&to))
}
