//! Lists of API keys: one's own, and for admins those of everybody.

use std::{cmp::Ordering, time::Duration};

use askama::Template;
use domain::Timestamp;
use lambda_http::http::StatusCode;
use serde_json::Value;

use super::{
    Console, Refusal,
    api::{Call, text, time},
    html,
    page::{self, Choice, Pager},
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
    pub(super) const fn url(self) -> &'static str {
        match self {
            Self::Own => "/api-keys",
            Self::All => "/tenant/api-keys",
        }
    }

    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::Own => "My API Keys",
            Self::All => "API Keys",
        }
    }

    /// From which list somebody came.
    pub(super) fn of(back: &str) -> Self {
        if back.starts_with(Self::All.url()) { Self::All } else { Self::Own }
    }
}

/// Somebody whom a list or a form offers.
pub(super) struct UserChoice {
    pub(super) uid: String,
    pub(super) name: String,
    pub(super) is_selected: bool,
}

struct Column {
    label: &'static str,
    has_url: bool,
    url: String,
    is_sorted: bool,
    is_descending: bool,
}

/// A key as a person sees it.
pub(super) struct Row {
    uid: String,
    user: String,
    is_active: bool,
    pub(super) name: String,
    has_description: bool,
    pub(super) description: String,
    pub(super) key_tail: String,
    pub(super) user_name: String,
    pub(super) expires_at: Timestamp,
    expires_on: String,
    /// To the minute, for whoever points at it.
    expires_exactly: String,
    is_urgent: bool,
    is_soon: bool,
    expires_in: String,
    is_revoked: bool,
    pub(super) status_label: &'static str,
    used_at: Timestamp,
    pub(super) last_use: String,
    last_use_exactly: String,
    pub(super) can_edit: bool,
    can_revoke: bool,
    can_reactivate: bool,
    pub(super) can_delete: bool,
    edit_url: String,
    state_url: String,
    delete_url: String,
}

impl Row {
    pub(super) fn new(session: &Session, key: &Value, now: Timestamp) -> Self {
        let uid = text(&key["metadata"]["uid"]);
        let expires_at = time(&key["spec"]["expiry"]);
        let (is_expired, is_on) = (expires_at <= now, key["status"]["isActive"] == true);
        let last_use = &key["status"]["lastUse"]["timestamp"];
        let user = &key["spec"]["user"];
        let description = text(&key["metadata"]["annotations"]["description"]);
        let (is_active, is_revoked) = (is_on && !is_expired, !is_on && !is_expired);
        let belongs_to_self = session.uid() == user["uid"];
        let may_change = belongs_to_self || session.may("apiKey.update");
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
            expires_exactly: expires_at.day_and_time_in_words(),
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
            last_use_exactly: if last_use.is_null() { String::new() } else { time(last_use).day_and_time_in_words() },
            can_edit: may_change,
            can_revoke: may_change && is_active,
            can_reactivate: may_change && is_revoked,
            can_delete: belongs_to_self || session.may("apiKey.delete"),
            edit_url: String::new(),
            state_url: format!("/api-keys/{uid}/state"),
            delete_url: String::new(),
            uid,
        }
    }

    /// With the way back to the list as it is shown.
    fn leading_back_to(mut self, list: &str) -> Self {
        let back = page::query(&[("back", list)]);
        self.edit_url = format!("/api-keys/{}/edit?{back}", self.uid);
        self.delete_url = format!("/api-keys/{}/delete?{back}", self.uid);
        self
    }

    /// - `wanted`: in lower case.
    fn is_found(&self, wanted: &str) -> bool {
        [&self.name, &self.description, &self.user_name, &self.key_tail]
            .iter()
            .any(|text| text.to_lowercase().contains(wanted))
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
    search_hint: &'static str,
    thing: &'static str,
    is_empty_filter: bool,
    pager: Pager,
    columns: Vec<Column>,
    keys: Vec<Row>,
    show_user_column: bool,
    here: String,
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
    let mut rows: Vec<Row> = all.map(|key| Row::new(session, key, now)).collect();
    if whose == Whose::Own {
        let own = session.uid();
        rows.retain(|row| row.user == own);
    }
    let is_empty_first = rows.is_empty();
    // Of a key that is there: the address says which, and anybody can make an address.
    let named = rows.iter().find(|row| row.uid == query.text("to"));
    let mut shell = session.shell(whose.label()).flash(&query, named.map_or("", |row| &row.name));
    let undo_action =
        named.filter(|row| row.can_reactivate && session.has_done(&query, &row.uid)).map(|row| row.state_url.clone());
    let users = match whose {
        Whose::All if session.may("user.list") => all_users(console, session, &user).await?,
        Whose::All => users_of(&rows, &user),
        Whose::Own => Vec::new(),
    };
    let wanted = search.trim().to_lowercase();
    rows.retain(|row| {
        (user.is_empty() || row.user == user)
            && (status.is_empty() || row.status_label.eq_ignore_ascii_case(&status))
            && row.is_found(&wanted)
    });
    sort_rows(&mut rows, &sort);

    let part = page::Part::of(&query, rows.len(), PAGE);
    let url = |number: usize, sort: &str| {
        let number = page::number(number);
        let pairs = [("user", &*user), ("status", &status), ("q", &search), ("sort", sort), ("page", &number)];
        page::url(whose.url(), &pairs)
    };
    let here = url(part.number, &sort);
    let rows: Vec<Row> = rows.drain(part.start..part.end).map(|row| row.leading_back_to(&here)).collect();
    let show_user_column = whose == Whose::All;
    (shell.nav_keys, shell.nav_tenant_keys) = (whose == Whose::Own, whose == Whose::All);
    if let Some(action) = undo_action {
        shell.undo(action, here.clone());
    }
    let intro = match whose {
        Whose::Own => "Keys that act as you, for scripts and services.".to_owned(),
        Whose::All => format!("Every key of {}, whoever it belongs to.", session.org_name()),
    };
    let page = Keys {
        intro,
        is_empty_first,
        can_add: whose == Whose::Own || session.may("apiKey.create"),
        new_url: format!("/api-keys/new?{}", page::query(&[("back", &here)])),
        empty_title: if whose == Whose::Own { "You have no API key yet" } else { "There is no API key yet" },
        list_url: whose.url(),
        show_user_filter: whose == Whose::All,
        users,
        statuses: Choice::all(
            &[("", "Any status"), ("active", "Active"), ("revoked", "Revoked"), ("expired", "Expired")],
            &status,
        ),
        is_filtered: [&user, &status, &search].iter().any(|filter| !filter.is_empty()),
        is_empty_filter: rows.is_empty(),
        search_hint: "Name, description or end of the key",
        thing: "API key",
        pager: part.pager(|number| url(number, &sort)),
        columns: columns(&sort, show_user_column, |sort| url(1, sort)),
        keys: rows,
        show_user_column,
        here,
        search,
        sort,
        page: shell,
    };
    Ok(html(StatusCode::OK, &page))
}

/// All users of the tenant, by name and address.
pub(super) async fn all_users(
    console: Console<'_>,
    session: &Session,
    selected: &str,
) -> Result<Vec<UserChoice>, ApiError> {
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
