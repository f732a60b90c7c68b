//! The audit trail: what happened, by kind and day, and as a table for a spreadsheet.

use askama::Template;
use domain::Timestamp;
use lambda_http::http::StatusCode;
use serde_json::Value;

use super::{
    Console, Refusal,
    api::{Call, text, time},
    html,
    page::{self, Choice, Form},
    session::{Session, Shell},
};
use crate::{ApiError, http::Response};

const URL: &str = "/tenant/audit";
/// Records of one page: as many as the API gives at once.
const PAGE: &str = "50";

const ACTIONS: [(&str, &str); 5] = [
    ("", "Any action"),
    ("create", "Created"),
    ("update", "Changed"),
    ("delete", "Deleted"),
    ("activity", "Signing in and the like"),
];
const RESOURCES: [(&str, &str); 5] =
    [("", "Anything"), ("apiKey", "API Key"), ("user", "User"), ("tenant", "Tenant"), ("session", "Session")];

struct Row {
    what: String,
    details: String,
    who: String,
    has_means: bool,
    means: String,
    resource_name: String,
    resource_label: String,
    source: String,
    datetime: String,
    day: String,
    clock: String,
}

impl Row {
    fn new(record: &Value) -> Self {
        let spec = &record["spec"];
        let at = time(&record["metadata"]["creationTimestamp"]);
        let user = &spec["actor"]["user"];
        let name = format!("{} {}", text(&user["firstName"]), text(&user["lastName"])).trim().to_owned();
        let who = [name, text(&user["emailId"])].into_iter().find(|name| !name.is_empty());
        let credential = &spec["credential"];
        let means = match credential["kind"].as_str().unwrap_or_default() {
            "apiKey" => "by API key",
            "token" if !credential["apiKey"].is_null() => "by API key",
            "password" => "by password",
            "link" => "by mailed link",
            _ => "",
        };
        let or_dash = |value: String| if value.is_empty() { "–".to_owned() } else { value };
        Self {
            what: text(&spec["actionMsg"]),
            details: text(&spec["contentMsg"]),
            who: who.unwrap_or_else(|| "Latchkey".to_owned()),
            has_means: !means.is_empty(),
            means: means.to_owned(),
            resource_name: or_dash(text(&spec["resource"]["name"])),
            resource_label: text(&spec["resource"]["label"]),
            source: or_dash(text(&spec["source"]["address"])),
            datetime: at.to_string(),
            day: at.day_in_short(),
            clock: at.to_string()[11..19].to_owned(),
        }
    }
}

#[derive(Template)]
#[template(path = "console/audit.html")]
struct Audit {
    page: Shell,
    csv_url: String,
    action_types: Vec<Choice>,
    resource_types: Vec<Choice>,
    start_date: String,
    end_date: String,
    has_dates_error: bool,
    dates_error: &'static str,
    is_filtered: bool,
    is_empty: bool,
    has_records: bool,
    page_text: String,
    records: Vec<Row>,
    is_older: bool,
    first_url: String,
    has_next: bool,
    next_url: String,
}

/// Which records are asked for, as it stands in the address.
struct Filter {
    action: String,
    resource: String,
    start: String,
    end: String,
}

impl Filter {
    fn of(query: &Form) -> Self {
        let one_of = |name: &str, all: &[(&str, &str)]| {
            Some(query.text(name)).filter(|value| all.iter().any(|(known, _)| known == value)).unwrap_or_default()
        };
        Self {
            action: one_of("action_type", &ACTIONS),
            resource: one_of("resource_type", &RESOURCES),
            start: query.text("start_date"),
            end: query.text("end_date"),
        }
    }

    fn url(&self, path: &str, next: &str) -> String {
        let pairs = [
            ("action_type", &*self.action),
            ("resource_type", &self.resource),
            ("start_date", &self.start),
            ("end_date", &self.end),
            ("continue", next),
        ];
        page::url(path, &pairs)
    }

    /// First and last moment of the days that were picked, in the words of the API; empty where none was.
    fn span(&self) -> Result<(String, String), &'static str> {
        let moment = |day: &str, clock: &str| match day {
            "" => Ok(None),
            day => Timestamp::parse(&format!("{day}T{clock}Z")).map_err(|_| "Pick days as in 2026-03-04."),
        };
        let (start, end) = (moment(&self.start, "00:00:00.000")?, moment(&self.end, "23:59:59.999")?);
        if start.zip(end).is_some_and(|(start, end)| end < start) {
            return Err("The end date lies before the start date.");
        }
        let words = |moment: Option<Timestamp>| moment.map(|at| at.to_string()).unwrap_or_default();
        Ok((words(start), words(end)))
    }

    /// The query of the API.
    fn query(&self, next: &str) -> Result<String, &'static str> {
        let (start, end) = self.span()?;
        Ok(page::query(&[
            ("actionType", &self.action),
            ("resourceKind", &self.resource),
            ("startTime", &start),
            ("endTime", &end),
            ("limit", PAGE),
            ("continue", next),
        ]))
    }
}

pub(super) async fn list(console: Console<'_>, session: &Session) -> Result<Response, Refusal> {
    let query = console.form();
    let (filter, from) = (Filter::of(&query), query.text("continue"));
    let mut shell = session.shell("Audit Logs");
    shell.nav_audit = true;
    let mut shown = Audit {
        page: shell,
        csv_url: filter.url("/tenant/audit.csv", ""),
        action_types: Choice::all(&ACTIONS, &filter.action),
        resource_types: Choice::all(&RESOURCES, &filter.resource),
        start_date: filter.start.clone(),
        end_date: filter.end.clone(),
        has_dates_error: false,
        dates_error: "",
        is_filtered: [&filter.action, &filter.resource, &filter.start, &filter.end].iter().any(|it| !it.is_empty()),
        is_empty: false,
        has_records: false,
        page_text: String::new(),
        records: Vec::new(),
        is_older: !from.is_empty(),
        first_url: filter.url(URL, ""),
        has_next: false,
        next_url: String::new(),
    };
    let asked = match filter.query(&from) {
        Ok(asked) => asked,
        Err(reason) => {
            (shown.has_dates_error, shown.dates_error) = (true, reason);
            // Who may not read the trail is told so all the same.
            Call::new("GET /v1/audits").query("limit=1".to_owned()).by(&session.token).send(console).await?;
            return Ok(html(StatusCode::BAD_REQUEST, &shown));
        }
    };
    let answer = Call::new("GET /v1/audits").query(asked).by(&session.token).send(console).await?;
    shown.records = answer["items"].as_array().into_iter().flatten().map(Row::new).collect();
    let next = text(&answer["listmeta"]["continue"]);
    shown.has_records = !shown.records.is_empty();
    shown.is_empty = !shown.has_records && next.is_empty();
    shown.page_text = match shown.records.len() {
        1 => "1 record".to_owned(),
        count => format!("{count} records"),
    };
    shown.has_next = !next.is_empty();
    shown.next_url = filter.url(URL, &next);
    Ok(html(StatusCode::OK, &shown))
}

/// The same as a file.
pub(super) async fn table(console: Console<'_>, session: &Session) -> Result<Response, Refusal> {
    let filter = Filter::of(&console.form());
    let query = filter.query("").map_err(|_| ApiError::AuditQuery)?;
    let call = Call::new("GET /v1/audits").query(query).by(&session.token).accepting("text/csv");
    Ok(call.answer(console).await?)
}
