//! API keys: one's own, and for admins those of everybody.

use std::{cmp::Ordering, time::Duration};

use askama::Template;
use domain::Timestamp;
use lambda_http::http::StatusCode;
use serde_json::{Value, json};

use super::{
    Console, Refusal,
    api::{Call, text, time},
    door::in_words,
    expiry::{self, Expiry},
    html,
    page::{self, Choice},
    session::{Session, Shell},
};
use crate::{ApiError, http::Response};

/// Keys of one page.
const PAGE: usize = 25;
/// Days in which the end of a key is near, and very near.
const SOON: Duration = Duration::from_hours(24 * 14);
const URGENT: Duration = Duration::from_hours(24 * 7);

/// Whose keys a list shows.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose {
    /// One's own.
    Own,
    /// Those of the whole tenant.
    All,
}

impl Whose {
    const fn url(self) -> &'static str {
        match self {
            Self::Own => "/api-keys",
            Self::All => "/tenant/api-keys",
        }
    }

    const fn label(self) -> &'static str {
        match self {
            Self::Own => "My API Keys",
            Self::All => "API Keys",
        }
    }

    /// From which list somebody came.
    fn of(back: &str) -> Self {
        if back.starts_with(Self::All.url()) { Self::All } else { Self::Own }
    }
}

struct UserChoice {
    uid: String,
    name: String,
    is_selected: bool,
}

struct Column {
    label: &'static str,
    has_url: bool,
    url: String,
    is_sorted: bool,
    is_descending: bool,
}

struct Row {
    uid: String,
    user: String,
    is_active: bool,
    name: String,
    has_description: bool,
    description: String,
    key_tail: String,
    user_name: String,
    expires_at: Timestamp,
    expires_on: String,
    is_urgent: bool,
    is_soon: bool,
    expires_in: String,
    is_revoked: bool,
    status_label: &'static str,
    used_at: Timestamp,
    last_use: String,
    edit_url: String,
    can_revoke: bool,
    state_url: String,
    can_reactivate: bool,
    delete_url: String,
}

impl Row {
    fn new(key: &Value, list: Whose, now: Timestamp) -> Self {
        let uid = text(&key["metadata"]["uid"]);
        let expires_at = time(&key["spec"]["expiry"]);
        let (is_expired, is_on) = (expires_at <= now, key["status"]["isActive"] == true);
        let last_use = &key["status"]["lastUse"]["timestamp"];
        let user = &key["spec"]["user"];
        let description = text(&key["metadata"]["annotations"]["description"]);
        let back = page::query(&[("back", list.url())]);
        let (is_active, is_revoked) = (is_on && !is_expired, !is_on && !is_expired);
        Self {
            user: text(&user["uid"]),
            is_active,
            name: text(&key["metadata"]["name"]),
            has_description: !description.is_empty(),
            description,
            key_tail: text(&key["spec"]["key"]),
            user_name: format!("{} {}", text(&user["firstName"]), text(&user["lastName"])).trim().to_owned(),
            expires_at,
            expires_on: expires_at.day_in_short(),
            is_urgent: is_active && expires_at <= now + URGENT,
            is_soon: is_active && expires_at > now + URGENT && expires_at <= now + SOON,
            expires_in: page::relative(expires_at, now),
            is_revoked,
            status_label: if is_expired {
                "Expired"
            } else if is_on {
                "Active"
            } else {
                "Revoked"
            },
            used_at: time(last_use),
            last_use: if last_use.is_null() { "never".to_owned() } else { page::relative(time(last_use), now) },
            edit_url: format!("/api-keys/{uid}/edit?{back}"),
            can_revoke: is_active,
            state_url: format!("/api-keys/{uid}/state"),
            can_reactivate: is_revoked,
            delete_url: format!("/api-keys/{uid}/delete?{back}"),
            uid,
        }
    }
}

#[derive(Template)]
#[template(path = "console/keys.html")]
struct Keys {
    page: Shell,
    intro: String,
    is_empty_first: bool,
    can_add: bool,
    new_url: String,
    empty_title: &'static str,
    list_url: &'static str,
    show_user_filter: bool,
    users: Vec<UserChoice>,
    statuses: Vec<Choice>,
    search: String,
    sort: String,
    is_filtered: bool,
    is_empty_filter: bool,
    page_text: String,
    columns: Vec<Column>,
    keys: Vec<Row>,
    show_user_column: bool,
    here: String,
    has_previous: bool,
    previous_url: String,
    has_next: bool,
    next_url: String,
}

/// The list, filtered, sorted and cut into pages here: the API gives it whole.
pub(super) async fn list(console: Console<'_>, session: &Session, whose: Whose) -> Result<Response, Refusal> {
    if whose == Whose::All && !session.may("apiKey.list") {
        return Err(Refusal::Error(ApiError::NotFound));
    }
    let now = console.app.clock.now();
    let query = console.form();
    let (user, status, search, sort) = (query.text("user"), query.text("status"), query.text("q"), query.text("sort"));
    let answer = Call::new("GET /v1/apiKeys").by(&session.token).send(console).await?;
    let all = answer["items"].as_array().into_iter().flatten();
    let mut rows: Vec<Row> = all.map(|key| Row::new(key, whose, now)).collect();
    if whose == Whose::Own {
        let own = session.uid();
        rows.retain(|row| row.user == own);
    }
    let is_empty_first = rows.is_empty();
    let revoked: Vec<String> = rows.iter().filter(|row| row.is_revoked).map(|row| row.uid.clone()).collect();
    let users = users_of(&rows, &user);
    let wanted = search.to_lowercase();
    rows.retain(|row| {
        (user.is_empty() || row.user == user)
            && (status.is_empty() || row.status_label.eq_ignore_ascii_case(&status))
            && (row.name.to_lowercase().contains(&wanted)
                || row.description.to_lowercase().contains(&wanted)
                || row.key_tail.trim_start_matches('…') == search)
    });
    sort_rows(&mut rows, &sort);

    let part = page::Part::of(&query, rows.len(), PAGE);
    let rows: Vec<Row> = rows.drain(part.start..part.end).collect();
    let url = |number: usize, sort: &str| {
        let number = page::number(number);
        let pairs = [("user", &*user), ("status", &status), ("q", &search), ("sort", sort), ("page", &number)];
        page::url(whose.url(), &pairs)
    };
    let show_user_column = whose == Whose::All;
    let mut shell = session.shell(whose.label()).flash(&query);
    (shell.nav_keys, shell.nav_tenant_keys) = (whose == Whose::Own, whose == Whose::All);
    // Of a key that is there and revoked: the address says which, and anybody can make an address.
    if query.text("note") == "revoked" && revoked.contains(&query.text("key")) {
        shell.has_undo = true;
        shell.undo_action = format!("/api-keys/{}/state", query.text("key"));
        whose.url().clone_into(&mut shell.undo_back);
        shell.undo_label = "Undo";
    }
    let is_empty_filter = rows.is_empty();
    let intro = match whose {
        Whose::Own => "Keys that act as you, for scripts and services.".to_owned(),
        Whose::All => format!("Every key of {}, whoever it belongs to.", session.org_name()),
    };
    let page = Keys {
        intro,
        is_empty_first,
        can_add: true,
        new_url: format!("/api-keys/new?{}", page::query(&[("back", whose.url())])),
        empty_title: if whose == Whose::Own { "You have no API key yet" } else { "There is no API key yet" },
        list_url: whose.url(),
        show_user_filter: whose == Whose::All,
        users,
        statuses: Choice::all(
            &[("", "Any status"), ("active", "Active"), ("revoked", "Revoked"), ("expired", "Expired")],
            &status,
        ),
        is_filtered: [&user, &status, &search].iter().any(|filter| !filter.is_empty()),
        is_empty_filter,
        page_text: part.text(),
        columns: columns(&sort, show_user_column, |sort| url(1, sort)),
        keys: rows,
        show_user_column,
        here: url(part.number, &sort),
        has_previous: part.start > 0,
        previous_url: url(part.number.saturating_sub(1), &sort),
        has_next: part.end < part.count,
        next_url: url(part.number.saturating_add(1), &sort),
        search,
        sort,
        page: shell,
    };
    Ok(html(StatusCode::OK, &page))
}

/// The users who have keys, each once, in the order of their names.
fn users_of(rows: &[Row], selected: &str) -> Vec<UserChoice> {
    let mut users: Vec<UserChoice> = Vec::new();
    for row in rows {
        if users.iter().all(|user| user.uid != row.user) {
            let (uid, name) = (row.user.clone(), row.user_name.clone());
            users.push(UserChoice { is_selected: uid == selected, uid, name });
        }
    }
    users.sort_by_key(|user| user.name.to_lowercase());
    users
}

/// - `sort`: the column, with a dash before it for the other direction.
fn sort_rows(rows: &mut [Row], sort: &str) {
    let (column, is_descending) = sort.strip_prefix('-').map_or((sort, false), |column| (column, true));
    let compare = |one: &Row, other: &Row| -> Ordering {
        match column {
            "name" => one.name.to_lowercase().cmp(&other.name.to_lowercase()),
            "user" => one.user_name.to_lowercase().cmp(&other.user_name.to_lowercase()),
            "status" => one.status_label.cmp(other.status_label),
            "used" => one.used_at.cmp(&other.used_at),
            _ => one.expires_at.cmp(&other.expires_at),
        }
        .then_with(|| one.uid.cmp(&other.uid))
    };
    rows.sort_by(|one, other| if is_descending { compare(other, one) } else { compare(one, other) });
}

fn columns(sort: &str, with_user: bool, url: impl Fn(&str) -> String) -> Vec<Column> {
    let (sorted, is_descending) = sort.strip_prefix('-').map_or((sort, false), |column| (column, true));
    let sorted = if sorted.is_empty() { "expires" } else { sorted };
    let column = |key: &str, label| {
        let is_sorted = key == sorted;
        let to = if is_sorted && !is_descending { format!("-{key}") } else { key.to_owned() };
        Column { label, has_url: true, url: url(&to), is_sorted, is_descending }
    };
    let unsorted =
        Column { label: "API Key", has_url: false, url: String::new(), is_sorted: false, is_descending: false };
    let mut columns = vec![column("name", "Name"), unsorted];
    if with_user {
        columns.push(column("user", "User"));
    }
    columns.extend([column("expires", "Expiration Date"), column("status", "Status"), column("used", "Last used")]);
    columns
}

#[derive(Template)]
#[template(path = "console/key_new.html")]
struct New {
    page: Shell,
    back_url: String,
    back_label: &'static str,
    name: String,
    has_name_error: bool,
    name_error: String,
    description: String,
    has_description_error: bool,
    description_error: String,
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
        name: sent.text("name"),
        has_name_error: false,
        name_error: String::new(),
        description: sent.text("description"),
        has_description_error: false,
        description_error: String::new(),
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
        Ok(Some(expires_at)) => expires_at,
        Ok(None) | Err(_) if chosen == "keep" => return Err(Refusal::Error(ApiError::NotFound)),
        Ok(None) => now,
        Err(reason) => {
            form.expiry.fail(reason.to_owned());
            return Ok(html(StatusCode::BAD_REQUEST, &form));
        }
    };
    let body = json!({
        "metadata": { "name": form.name, "annotations": { "description": form.description } },
        "spec": { "userUid": if show_user { user.clone() } else { String::new() }, "expiry": expires_at },
    });
    match Call::new("POST /v1/apiKeys").by(&session.token).body(body).send(console).await {
        Ok(created) => {
            let api_key = text(&created["apiKey"]);
            let user_name = form.users.iter().find(|choice| choice.is_selected).map(|choice| choice.name.clone());
            let url = &console.app.settings.public_url;
            let page = Created {
                page: session.shell("Your new API key"),
                user_name: user_name.unwrap_or_else(|| form.page.person_name.clone()),
                key_name: form.name,
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
                ApiError::Name(_) | ApiError::DuplicateName => (form.has_name_error, form.name_error) = (true, words),
                ApiError::Annotations(_) => (form.has_description_error, form.description_error) = (true, words),
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

async fn all_users(console: Console<'_>, session: &Session, selected: &str) -> Result<Vec<UserChoice>, ApiError> {
    let answer = Call::new("GET /v1/users/meta").by(&session.token).send(console).await?;
    let users = answer["items"].as_array().into_iter().flatten().map(|user| {
        let uid = text(&user["uid"]);
        let name = format!("{} ({})", text(&user["name"]), text(&user["emailId"]));
        UserChoice { is_selected: uid == selected, uid, name }
    });
    let mut users: Vec<UserChoice> = users.collect();
    users.sort_by_key(|user| user.name.to_lowercase());
    Ok(users)
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
    name: String,
    has_name_error: bool,
    name_error: String,
    description: String,
    has_description_error: bool,
    description_error: String,
    expiry: Expiry,
}

async fn row(console: Console<'_>, session: &Session, uid: &str, whose: Whose) -> Result<Row, ApiError> {
    let key = Call::new("GET /v1/apiKeys/{uid}").parameter("uid", uid).by(&session.token).send(console).await?;
    Ok(Row::new(&key, whose, console.app.clock.now()))
}

pub(super) async fn edit(console: Console<'_>, session: &Session, uid: &str) -> Result<Response, Refusal> {
    let now = console.app.clock.now();
    let sent = console.sent();
    let back = console.form().own_path("back", Whose::Own.url());
    let whose = Whose::of(&back);
    let key = row(console, session, uid, whose).await?;
    let typed = |name: &str, stored: &str| if console.is_post() { sent.text(name) } else { stored.to_owned() };
    let chosen = if sent.has("expiry") { sent.text("expiry") } else { "keep".to_owned() };
    let expiry = Expiry::new(&chosen, sent.text("expires_on"), Some(key.expires_at), now);
    let mut form = Edit {
        page: session.shell("Edit API Key"),
        back_label: whose.label(),
        action: format!("/api-keys/{uid}/edit"),
        name: typed("name", &key.name),
        has_name_error: false,
        name_error: String::new(),
        description: typed("description", &key.description),
        has_description_error: false,
        description_error: String::new(),
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
        Ok(expires_at) => expires_at,
        Err(reason) => {
            form.expiry.fail(reason.to_owned());
            return Ok(html(StatusCode::BAD_REQUEST, &form));
        }
    };
    let body = json!({
        "metadata": { "name": form.name, "annotations": { "description": form.description } },
        "spec": { "expiry": expires_at },
    });
    match Call::new("PUT /v1/apiKeys/{uid}").parameter("uid", uid).by(&session.token).body(body).send(console).await {
        Ok(_) => Ok(page::redirect(&page::with_note(&form.back_url, "saved"))),
        Err(error) => {
            let words = in_words(&error);
            match &error {
                ApiError::Name(_) | ApiError::DuplicateName => (form.has_name_error, form.name_error) = (true, words),
                ApiError::Annotations(_) => (form.has_description_error, form.description_error) = (true, words),
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
    user_name: String,
    last_use: String,
}

pub(super) async fn delete(console: Console<'_>, session: &Session, uid: &str) -> Result<Response, Refusal> {
    let back = console.form().own_path("back", Whose::Own.url());
    if console.is_post() {
        let call = Call::new("DELETE /v1/apiKeys/{uid}").parameter("uid", uid).by(&session.token);
        return match call.send(console).await {
            Ok(_) => Ok(page::redirect(&page::with_note(&back, "deleted"))),
            Err(ApiError::NotFound) => Ok(page::redirect(&page::with_note(&back, "gone"))),
            Err(error) => Err(error.into()),
        };
    }
    let key = row(console, session, uid, Whose::of(&back)).await?;
    let page = Delete {
        page: session.shell("Delete API Key"),
        action: format!("/api-keys/{uid}/delete"),
        back_url: back,
        name: key.name,
        user_name: key.user_name,
        last_use: key.last_use,
    };
    Ok(html(StatusCode::OK, &page))
}

pub(super) async fn set_state(console: Console<'_>, uid: &str, session: &Session) -> Result<Response, Refusal> {
    let sent = console.form();
    let back = sent.own_path("back", Whose::Own.url());
    let is_active = sent.flag("is_active")?;
    let call = Call::new("PUT /v1/apiKeys/{uid}/state").parameter("uid", uid).by(&session.token);
    let to = match call.body(json!({ "isActive": is_active })).send(console).await {
        Ok(_) if is_active => page::with_note(&back, "activated"),
        Ok(_) => format!("{}&{}", page::with_note(&back, "revoked"), page::query(&[("key", uid)])),
        Err(ApiError::NotFound) => page::with_note(&back, "gone"),
        Err(ApiError::ApiKey(_)) => page::with_note(&back, "expired"),
        Err(error) => return Err(error.into()),
    };
    Ok(page::redirect(&to))
}
