//! The people of the tenant: who they are, inviting, disabling and removing them, and their roles.

use askama::Template;
use domain::{Permission, RoleUid, role};
use lambda_http::http::StatusCode;
use serde_json::{Value, json};

use super::{
    Console, Refusal,
    api::{Call, text, time},
    fields::Names,
    html,
    page::{self, Choice, Pager},
    session::{Session, Shell},
    words::in_words,
};
use crate::{ApiError, http::Response};

const URL: &str = "/tenant/users";
/// Users of one page.
const PAGE: usize = 25;

struct Row {
    uid: String,
    name: String,
    email: String,
    roles: String,
    is_self: bool,
    is_active: bool,
    is_invited: bool,
    is_disabled: bool,
    status_label: &'static str,
    last_sign_in: String,
    can_edit: bool,
    can_disable: bool,
    can_enable: bool,
    can_delete: bool,
    keys_url: String,
    roles_url: String,
    reset_url: String,
    state_url: String,
    delete_url: String,
}

#[derive(Template)]
#[template(path = "console/users.html")]
struct Users {
    page: Shell,
    intro: String,
    can_add: bool,
    statuses: Vec<Choice>,
    search: String,
    is_filtered: bool,
    list_url: &'static str,
    search_hint: &'static str,
    thing: &'static str,
    is_empty_filter: bool,
    pager: Pager,
    users: Vec<Row>,
    here: String,
}

/// A role of the tenant.
struct Role {
    uid: String,
    name: &'static str,
    description: &'static str,
    is_checked: bool,
    is_disabled: bool,
}

impl Row {
    fn new(console: Console<'_>, session: &Session, user: &Value) -> Self {
        let uid = text(&user["metadata"]["uid"]);
        let signed_in = time(&user["status"]["lastSignIn"]);
        let is_invited = user["status"]["isPending"] == true;
        let is_active = user["status"]["isActive"] == true && !is_invited;
        let is_self = uid == session.uid();
        let roles: Vec<RoleUid> = user["spec"]["roles"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|uid| uid.as_str()?.parse().ok())
            .collect();
        // Nobody changes one who may do more than they.
        let is_within = role::permissions(&roles).iter().all(|permission| session.may(permission.as_str()));
        let may_change = session.may("user.update") && is_within;
        let held: Vec<&str> = roles.iter().filter_map(|uid| Some(role::find(*uid)?.name)).collect();
        Self {
            name: text(&user["metadata"]["name"]),
            email: text(&user["spec"]["emailId"]),
            roles: if held.is_empty() { "none".to_owned() } else { held.join(", ") },
            is_self,
            is_active,
            is_invited,
            is_disabled: !is_active && !is_invited,
            status_label: match (is_active, is_invited) {
                (_, true) => "Invited",
                (true, _) => "Active",
                _ => "Disabled",
            },
            last_sign_in: if user["status"]["lastSignIn"] == json!(domain::Timestamp::UNSET) {
                "never".to_owned()
            } else {
                page::relative(signed_in, console.app.clock.now())
            },
            can_edit: may_change,
            can_disable: may_change && is_active && !is_self,
            can_enable: may_change && !is_active && !is_invited && !is_self,
            can_delete: session.may("user.delete") && is_within && !is_self,
            keys_url: format!("/tenant/api-keys?{}", page::query(&[("user", &uid)])),
            roles_url: format!("{URL}/{uid}/roles"),
            reset_url: format!("{URL}/{uid}/reset"),
            state_url: format!("{URL}/{uid}/state"),
            delete_url: format!("{URL}/{uid}/delete"),
            uid,
        }
    }

    fn is_found(&self, status: &str, wanted: &str) -> bool {
        (status.is_empty() || self.status_label.eq_ignore_ascii_case(status))
            && (self.name.to_lowercase().contains(wanted) || self.email.contains(wanted))
    }
}

pub(super) async fn list(console: Console<'_>, session: &Session) -> Result<Response, Refusal> {
    let query = console.form();
    let (status, search) = (query.text("status"), query.text("q"));
    // Nobody sees a part of the people only, so they are asked for whole.
    let call = Call::new("GET /v1/users").query(page::query(&[("limit", "0")])).by(&session.token);
    let answer = call.send(console).await?;
    let all = answer["items"].as_array().into_iter().flatten();
    let mut rows: Vec<Row> = all.map(|user| Row::new(console, session, user)).collect();
    let named = rows.iter().find(|row| row.uid == query.text("to"));
    let mut shell = session.shell("Users").flash(&query, named.map_or("", |row| &row.name));
    let undo_action =
        named.filter(|row| row.can_enable && session.has_done(&query, &row.uid)).map(|row| row.state_url.clone());
    let wanted = search.trim().to_lowercase();
    rows.retain(|row| row.is_found(&status, &wanted));
    rows.sort_by_cached_key(|row| (row.name.to_lowercase(), row.email.clone()));
    let part = page::Part::of(&query, rows.len(), PAGE);
    let rows: Vec<Row> = rows.drain(part.start..part.end).collect();
    let url = |number: usize| page::url(URL, &[("status", &status), ("q", &search), ("page", &page::number(number))]);
    let here = url(part.number);
    shell.nav_users = true;
    if let Some(action) = undo_action {
        shell.undo(action, here.clone());
    }
    let page = Users {
        intro: format!("The people of {}.", session.org_name()),
        can_add: session.may("user.create"),
        statuses: Choice::all(
            &[("", "Any status"), ("active", "Active"), ("invited", "Invited"), ("disabled", "Disabled")],
            &status,
        ),
        is_filtered: !status.is_empty() || !search.is_empty(),
        is_empty_filter: rows.is_empty(),
        list_url: URL,
        search_hint: "Name or e-mail",
        thing: "user",
        pager: part.pager(url),
        here,
        users: rows,
        search,
        page: shell,
    };
    Ok(html(StatusCode::OK, &page))
}

/// The roles that there are; those that the person may not grant cannot be chosen.
fn roles(session: &Session) -> Vec<Role> {
    let role = |role: &&role::Role| Role {
        uid: role.uid.to_string(),
        name: role.name,
        description: description(role),
        is_checked: false,
        is_disabled: !role.permissions.iter().all(|permission| session.may(permission.as_str())),
    };
    role::BUILT_IN.iter().map(role).collect()
}

fn description(role: &role::Role) -> &'static str {
    match role.uid {
        uid if uid == role::TENANT_ADMIN.uid => "Everything in the organization, its settings and its audit logs.",
        uid if uid == role::TENANT_USER_ADMIN.uid => "Invites, changes and removes users, and manages their API keys.",
        uid if uid == role::TENANT_VIEWER.uid => "Sees users and API keys, and changes none but their own.",
        _ => "",
    }
}

/// What may not be done is not offered as a form either.
fn check(session: &Session, permission: Permission) -> Result<(), ApiError> {
    if session.may(permission.as_str()) { Ok(()) } else { Err(ApiError::Forbidden(permission)) }
}

#[derive(Default, Template)]
#[template(path = "console/user_new.html")]
struct New {
    page: Shell,
    names: Names,
    names_are_own: bool,
    email: String,
    has_email_error: bool,
    email_error: String,
    roles: Vec<Role>,
    has_roles_error: bool,
    roles_error: String,
}

pub(super) async fn new(console: Console<'_>, session: &Session) -> Result<Response, Refusal> {
    let sent = console.sent();
    check(session, Permission::UserCreate)?;
    let mut roles = roles(session);
    for role in &mut roles {
        role.is_checked = sent.list("roles").any(|uid| uid == role.uid);
    }
    let mut form = New {
        page: session.shell("Create User"),
        names: Names::of(&sent),
        email: sent.text("email"),
        roles,
        ..New::default()
    };
    form.page.nav_users = true;
    if !console.is_post() {
        return Ok(html(StatusCode::OK, &form));
    }
    let body = json!({ "spec": {
        "firstName": form.names.first.value, "lastName": form.names.last.value, "emailId": form.email,
        "roles": sent.list("roles").collect::<Vec<_>>(),
    } });
    let error = match Call::new("POST /v1/users").by(&session.token).body(body).send(console).await {
        Ok(_) => return Ok(page::redirect(&format!("{URL}?note=invited"))),
        Err(error @ ApiError::Unauthorized(_)) => return Err(error.into()),
        Err(error) => error,
    };
    let words = in_words(&error);
    match &error {
        error if form.names.take(error) => {}
        ApiError::Email(_) | ApiError::UserAlreadyExists => (form.has_email_error, form.email_error) = (true, words),
        ApiError::RoleNotFound | ApiError::MoreThanHeld => (form.has_roles_error, form.roles_error) = (true, words),
        _ => form.page.fail(words),
    }
    Ok(html(error.status_and_code().0, &form))
}

/// The user that the path names.
async fn user(console: Console<'_>, session: &Session, uid: &str) -> Result<Value, ApiError> {
    Call::new("GET /v1/users/{uid}").parameter("uid", uid).by(&session.token).send(console).await
}

#[derive(Template)]
#[template(path = "console/user_roles.html")]
struct RolesPage {
    page: Shell,
    action: String,
    user_name: String,
    user_email: String,
    roles: Vec<Role>,
    has_roles_error: bool,
    roles_error: String,
}

pub(super) async fn change_roles(console: Console<'_>, session: &Session, uid: &str) -> Result<Response, Refusal> {
    check(session, Permission::UserUpdate)?;
    let sent = console.sent();
    let user = user(console, session, uid).await?;
    let held: Vec<&str> = user["spec"]["roles"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let mut roles = roles(session);
    for role in &mut roles {
        let is_held = held.contains(&role.uid.as_str());
        // A box that cannot be ticked is not sent; what it stands for stays.
        role.is_checked = if console.is_post() && !role.is_disabled {
            sent.list("roles").any(|uid| uid == role.uid)
        } else {
            is_held
        };
    }
    let wanted: Vec<String> = roles.iter().filter(|role| role.is_checked).map(|role| role.uid.clone()).collect();
    let mut form = RolesPage {
        page: session.shell("Roles"),
        action: format!("{URL}/{uid}/roles"),
        user_name: text(&user["metadata"]["name"]),
        user_email: text(&user["spec"]["emailId"]),
        roles,
        has_roles_error: false,
        roles_error: String::new(),
    };
    form.page.nav_users = true;
    if !console.is_post() {
        return Ok(html(StatusCode::OK, &form));
    }
    let call = Call::new("PUT /v1/users/{uid}/roles").parameter("uid", uid).by(&session.token);
    match call.body(json!({ "roles": wanted })).send(console).await {
        Ok(_) => Ok(page::redirect(&page::with_note(URL, "roles", uid))),
        Err(error @ ApiError::Unauthorized(_)) => Err(error.into()),
        Err(error) => {
            (form.has_roles_error, form.roles_error) = (true, in_words(&error));
            Ok(html(error.status_and_code().0, &form))
        }
    }
}

/// The question whether to do something to a user.
#[derive(Template)]
#[template(path = "console/user_confirm.html")]
struct Confirm {
    page: Shell,
    action: String,
    user_name: String,
    user_email: String,
    consequence: String,
    /// Whether it cannot be undone.
    is_final: bool,
    button: &'static str,
}

pub(super) async fn reset(console: Console<'_>, session: &Session, uid: &str) -> Result<Response, Refusal> {
    if console.is_post() {
        let call = Call::new("PATCH /v1/users/{uid}/password/reset").parameter("uid", uid).by(&session.token);
        call.send(console).await?;
        return Ok(page::redirect(&page::with_note(URL, "reset", uid)));
    }
    check(session, Permission::UserUpdate)?;
    let user = user(console, session, uid).await?;
    let mut shell = session.shell("Reset Password");
    shell.nav_users = true;
    let page = Confirm {
        page: shell,
        action: format!("{URL}/{uid}/reset"),
        user_name: text(&user["metadata"]["name"]),
        user_email: text(&user["spec"]["emailId"]),
        consequence:
            "A link to set another password is mailed. It works once, within 24 hours. Until then the password \
                      stays as it is."
                .to_owned(),
        is_final: false,
        button: "send the mail",
    };
    Ok(html(StatusCode::OK, &page))
}

pub(super) async fn delete(console: Console<'_>, session: &Session, uid: &str) -> Result<Response, Refusal> {
    if console.is_post() {
        let call = Call::new("DELETE /v1/users/{uid}").parameter("uid", uid).by(&session.token);
        return match call.send(console).await {
            Ok(_) => Ok(page::redirect(&format!("{URL}?note=removed"))),
            Err(ApiError::LastAdmin) => Ok(page::redirect(&format!("{URL}?note=last-admin"))),
            Err(error) => Err(error.into()),
        };
    }
    check(session, Permission::UserDelete)?;
    let user = user(console, session, uid).await?;
    let keys = Call::new("GET /v1/apiKeys").by(&session.token).send(console).await?;
    let theirs = keys["items"].as_array().into_iter().flatten().filter(|key| key["spec"]["user"]["uid"] == uid);
    let (mut count, mut active) = (0_usize, 0_usize);
    for key in theirs {
        count += 1;
        active += usize::from(key["status"]["isActive"] == true);
    }
    let mut shell = session.shell("Delete User");
    shell.nav_users = true;
    let keys = match count {
        0 => "There are no API keys.".to_owned(),
        1 if active == 1 => "The one API key, which is active, is deleted too.".to_owned(),
        1 => "The one API key, which is not active, is deleted too.".to_owned(),
        count => format!("The {count} API keys, {active} of them active, are deleted too."),
    };
    let page = Confirm {
        page: shell,
        action: format!("{URL}/{uid}/delete"),
        user_name: text(&user["metadata"]["name"]),
        user_email: text(&user["spec"]["emailId"]),
        consequence: format!(
            "The sessions end at once. {keys} This cannot be undone. To lock the user out for a while only, disable the \
             account instead."
        ),
        is_final: true,
        button: "delete user",
    };
    Ok(html(StatusCode::OK, &page))
}

pub(super) async fn set_state(console: Console<'_>, session: &Session, uid: &str) -> Result<Response, Refusal> {
    let sent = console.form();
    let back = sent.own_path("back", URL);
    let is_active = sent.flag("is_active")?;
    let body = json!([{ "op": "replace", "path": "/status/isActive", "value": is_active }]);
    let call = Call::new("PATCH /v1/users/{uid}").parameter("uid", uid).by(&session.token).body(body);
    let note = match call.send(console).await {
        Ok(_) if is_active => "enabled",
        Ok(_) => "disabled",
        Err(ApiError::LastAdmin) => "last-admin",
        Err(error) => return Err(error.into()),
    };
    let to = page::with_note(&back, note, uid);
    Ok(page::redirect(&if note == "disabled" { page::with_undo(&to, &session.mark(uid)) } else { to }))
}
