//! `/v1/audits`: what happened in a tenant; and the links that show whether anybody has changed it since.

use std::collections::{BTreeMap, HashMap};

use domain::{
    AuditUid, Permission, Principal, TenantUid, Timestamp, UserUid,
    audit::{LinkHash, Note, Record},
    tenant::OrgName,
};
use lambda_http::{
    Body,
    http::{HeaderValue, header},
};
use serde::{Deserialize, Serialize};
use store::{AuditRange, StoredRecord, record_of};
use utoipa::ToSchema;

use crate::{
    ApiError, App, caller,
    http::{self, Request, Response},
    mailer::{BatchAnswer, StreamEvent},
    openapi::Operation,
    wire::{self, ListMeta},
};

/// Records that are read at once.
const CHUNK: i32 = 100;
/// Chunks that are read for one page, so that a filter which finds nothing ends.
const CHUNKS: usize = 50;
/// Lines of a table, and bytes: what Lambda can answer with.
const MAX_LINES: usize = 10_000;
const MAX_TABLE_BYTES: usize = 4 * 1024 * 1024;
/// How far ahead of ours the clock of another instance may be.
const SKEW: std::time::Duration = std::time::Duration::from_mins(5);

/// Handles the request.
///
/// # Errors
///
/// Those of the operations; [`ApiError::NotFound`] for every other route.
pub async fn handle(app: &App, request: Request) -> Result<Response, ApiError> {
    match http::route(&request).as_str() {
        "GET /v1/audits" => list(app, request).await,
        "GET /v1/audits/{uid}" => get(app, request).await,
        "GET /v1/audits/{uid}/sysMsg" => messages(app, request).await,
        "PATCH /v1/audits/{uid}/userMsg" => note(app, request).await,
        _ => Err(ApiError::NotFound),
    }
}

pub(crate) fn operations() -> Vec<Operation> {
    vec![
        Operation::new("GET /v1/audits", "What happened, the latest first; as a table with `Accept: text/csv`")
            .query("startTime", "None before this time")
            .query("endTime", "None after this time")
            .query("userUid", "Of this actor alone")
            .query("resourceKind", "Such as `apiKey`")
            .query("resourceUid", "Of this thing alone")
            .query("actionType", "`create`, `update`, `delete` or `activity`")
            .query("limit", "Records of a page, at most 50")
            .query("offset", "Records to pass over")
            .query("continue", "What the page before said")
            .answers::<List>(),
        Operation::new("GET /v1/audits/{uid}", "One record").answers::<Item>(),
        Operation::new("GET /v1/audits/{uid}/sysMsg", "What one record says").answers::<Messages>(),
        Operation::new("PATCH /v1/audits/{uid}/userMsg", "A note of the actor's on what they did").takes::<NoteBody>(),
    ]
}

#[derive(Serialize, ToSchema)]
#[schema(as = Audits)]
struct List {
    items: Vec<Item>,
    listmeta: ListMeta,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Audit)]
struct Item {
    metadata: Metadata,
    spec: Spec,
    /// Its place in the chain; null for a moment after it happened.
    chain: Option<Chain>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AuditMetadata)]
struct Metadata {
    #[schema(value_type = wire::Uid)]
    uid: AuditUid,
    #[schema(value_type = wire::Time)]
    creation_timestamp: Timestamp,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AuditSpec)]
struct Spec {
    action_type: &'static str,
    action_msg: String,
    content_msg: String,
    user_msg: String,
    actor: Actor,
    resource: Resource,
    /// By what the actor was recognised.
    #[schema(value_type = Object)]
    credential: serde_json::Value,
    source: Source,
    /// Whose thing it was; null where it was nobody's.
    #[schema(value_type = Option<wire::Uid>)]
    subject_uid: Option<UserUid>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AuditActor)]
struct Actor {
    #[serde(rename = "actorType")]
    kind: &'static str,
    service_name: &'static str,
    project: Project,
    user: User,
}

#[derive(Default, Serialize, ToSchema)]
#[schema(as = AuditProject)]
struct Project {
    name: String,
    uid: String,
}

#[derive(Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AuditUser)]
struct User {
    uid: String,
    first_name: String,
    last_name: String,
    email_id: String,
    org: String,
}

#[derive(Serialize, ToSchema)]
#[schema(as = AuditResource)]
struct Resource {
    kind: String,
    label: String,
    name: String,
    uid: String,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AuditSource)]
struct Source {
    address: String,
    user_agent: String,
}

#[derive(Serialize, ToSchema)]
#[schema(as = AuditLink)]
struct Chain {
    seq: u64,
    #[schema(value_type = String)]
    previous: LinkHash,
    #[schema(value_type = String)]
    hash: LinkHash,
}

impl Item {
    fn new(stored: &StoredRecord, record: Record, note: Option<&String>, org: &OrgName) -> Self {
        let user = record.actor.user.map(|person| User {
            uid: person.uid.to_string(),
            first_name: person.first_name,
            last_name: person.last_name,
            email_id: person.email,
            org: org.to_string(),
        });
        let (actor_type, service_name) = if user.is_some() { ("user", "") } else { ("service", "latchkey") };
        let domain::audit::Resource { kind, label, name, uid } = record.resource;
        Self {
            metadata: Metadata { uid: record.uid, creation_timestamp: record.at },
            spec: Spec {
                action_type: record.action.as_str(),
                action_msg: record.message,
                content_msg: record.content,
                user_msg: note.cloned().unwrap_or_default(),
                actor: Actor {
                    kind: actor_type,
                    service_name,
                    project: Project::default(),
                    user: user.unwrap_or_default(),
                },
                resource: Resource { kind, label, name, uid },
                credential: serde_json::to_value(&record.actor.means).unwrap_or_default(),
                source: Source { address: record.actor.source, user_agent: record.actor.user_agent },
                subject_uid: record.subject,
            },
            chain: stored.link.map(|link| Chain { seq: link.seq, previous: link.previous, hash: link.hash }),
        }
    }
}

/// Which records are asked for.
struct Query {
    range: AuditRange,
    user: Option<String>,
    kind: Option<String>,
    resource: Option<String>,
    action: Option<String>,
    /// Records are in no project, so one that is named finds none.
    has_project: bool,
}

impl Query {
    fn of(app: &App, request: &Request, tenant: TenantUid) -> Result<Self, ApiError> {
        let text = |name: &str| http::query_parameter(request, name).filter(|text| !text.is_empty());
        let time =
            |name: &str| text(name).map_or(Ok(None), |text| Timestamp::parse(&text)).map_err(|_| ApiError::AuditQuery);
        if text("tenantUid").is_some_and(|uid| uid != tenant.to_string()) {
            return Err(ApiError::AccessDenied);
        }
        let first = Record::uid_at(time("startTime")?.unwrap_or(Timestamp::from_millis(0)), [0; 6]);
        let until = time("endTime")?.unwrap_or_else(|| app.clock.now() + SKEW);
        let last = match text("continue") {
            None => Record::uid_at(until, [0xff; 6]),
            Some(last) => {
                Record::uid_before(last.parse().map_err(|_| ApiError::AuditQuery)?).ok_or(ApiError::AuditQuery)?
            }
        };
        Ok(Self {
            range: AuditRange { first, last },
            user: text("userUid"),
            kind: text("resourceKind"),
            resource: text("resourceUid"),
            action: text("actionType"),
            has_project: text("projectUid").is_some(),
        })
    }

    fn finds(&self, record: &Record) -> bool {
        let is = |wanted: &Option<String>, value: &str| wanted.as_ref().is_none_or(|wanted| wanted == value);
        let user = record.actor.user.as_ref().map(|person| person.uid.to_string()).unwrap_or_default();
        !self.has_project
            && is(&self.user, &user)
            && is(&self.kind, &record.resource.kind)
            && is(&self.resource, &record.resource.uid)
            && is(&self.action, record.action.as_str())
    }

    /// Up to so many records, and where to go on if there may be more.
    async fn run(
        &self,
        app: &App,
        tenant: TenantUid,
        limit: usize,
        chunks: usize,
    ) -> Result<(Vec<(StoredRecord, Record)>, Option<AuditUid>), ApiError> {
        let (mut found, mut range) = (Vec::new(), self.range);
        for _ in 0..chunks {
            if range.first > range.last {
                return Ok((found, None));
            }
            let chunk = app.store.audits(tenant, range, CHUNK).await?;
            let is_last = chunk.len() < usize::try_from(CHUNK).unwrap_or_default();
            for stored in chunk {
                if found.len() == limit {
                    let last = found.last().map(|(stored, _): &(StoredRecord, Record)| stored.uid);
                    return Ok((found, last));
                }
                match Record::uid_before(stored.uid) {
                    Some(before) => range.last = before,
                    None => return Ok((found, None)),
                }
                let record = stored.record()?;
                if self.finds(&record) {
                    found.push((stored, record));
                }
            }
            if is_last {
                return Ok((found, None));
            }
        }
        // What was looked at last is the first that is not in the range any more.
        let next = found.last().map(|(stored, _)| stored.uid).filter(|_| found.len() == limit);
        Ok((found, next.or_else(|| above(range.last))))
    }
}

/// The least uid above this one.
fn above(uid: AuditUid) -> Option<AuditUid> {
    let mut bytes = *uid.as_bytes();
    for byte in bytes.iter_mut().rev() {
        let (more, carries) = byte.overflowing_add(1);
        *byte = more;
        if !carries {
            return Some(AuditUid::from_bytes(bytes));
        }
    }
    None
}

/// `GET /v1/audits`.
async fn list(app: &App, request: Request) -> Result<Response, ApiError> {
    let principal = caller::permitted(app, &request, Permission::AuditList).await?;
    let tenant = principal.user.tenant;
    let query = Query::of(app, &request, tenant)?;
    let org = app.store.tenant(tenant).await?.ok_or(ApiError::TenantGone)?.org_name;
    if wants_table(&request) {
        return table(app, tenant, &query, &org).await;
    }
    let (limit, offset) = wire::limit_and_offset(&request).map_err(|_| ApiError::AuditQuery)?;
    let offset = offset.min(MAX_LINES);
    let offset = if http::query_parameter(&request, "continue").is_some_and(|it| !it.is_empty()) { 0 } else { offset };
    let (mut found, next) = query.run(app, tenant, limit + offset, CHUNKS).await?;
    let found = found.split_off(offset.min(found.len()));
    let notes = notes(app, tenant, &found).await?;
    let items: Vec<Item> =
        found.into_iter().map(|(stored, record)| Item::new(&stored, record, notes.get(&stored.uid), &org)).collect();
    let listmeta = ListMeta::part(next.map(|uid| uid.to_string()), items.len(), limit, offset);
    Ok(http::ok(&List { items, listmeta }))
}

async fn notes(
    app: &App,
    tenant: TenantUid,
    found: &[(StoredRecord, Record)],
) -> Result<HashMap<AuditUid, String>, ApiError> {
    let uids: Vec<_> = found.iter().map(|(stored, _)| stored.uid).collect();
    let mut notes = HashMap::new();
    for uids in uids.chunks(100) {
        notes.extend(app.store.audit_notes(tenant, uids).await?);
    }
    Ok(notes)
}

fn wants_table(request: &Request) -> bool {
    let accepts = request.headers().get(header::ACCEPT).and_then(|accepts| accepts.to_str().ok());
    accepts.is_some_and(|accepts| accepts.split([',', ';']).any(|kind| kind.trim().eq_ignore_ascii_case("text/csv")))
}

/// The same as a table for a spreadsheet.
async fn table(app: &App, tenant: TenantUid, query: &Query, org: &OrgName) -> Result<Response, ApiError> {
    let chunks = MAX_LINES / usize::try_from(CHUNK).unwrap_or(1) * 2;
    let (found, _) = query.run(app, tenant, MAX_LINES, chunks).await?;
    let notes = notes(app, tenant, &found).await?;
    let mut table = "time,action,message,details,note,actor,actor e-mail,credential,source,user agent,resource kind,\
                     resource,resource uid,record\r\n"
        .to_owned();
    for (stored, record) in &found {
        let person = record.actor.user.as_ref();
        let means = serde_json::to_value(&record.actor.means).unwrap_or_default();
        let credential = [&means["kind"], &means["uid"], &means["apiKey"], &means["session"]];
        let credential: Vec<&str> = credential.into_iter().filter_map(serde_json::Value::as_str).collect();
        let cells = [
            record.at.to_string(),
            record.action.as_str().to_owned(),
            record.message.clone(),
            record.content.clone(),
            notes.get(&stored.uid).cloned().unwrap_or_default(),
            person.map_or_else(
                || "latchkey".to_owned(),
                |it| format!("{} {}", it.first_name, it.last_name).trim().to_owned(),
            ),
            person.map(|person| person.email.clone()).unwrap_or_default(),
            credential.join(" "),
            record.actor.source.clone(),
            record.actor.user_agent.clone(),
            record.resource.kind.clone(),
            record.resource.name.clone(),
            record.resource.uid.clone(),
            record.uid.to_string(),
        ];
        let cells: Vec<String> = cells.iter().map(|cell| in_table(cell)).collect();
        table += &(cells.join(",") + "\r\n");
        if table.len() > MAX_TABLE_BYTES {
            break;
        }
    }
    let mut response = Response::new(Body::Text(table));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8"));
    let disposition = HeaderValue::try_from(format!("attachment; filename=\"audit-{org}.csv\""));
    headers.insert(header::CONTENT_DISPOSITION, disposition.expect("a name of an organization is ASCII"));
    Ok(response)
}

/// A cell of a table. What a spreadsheet would take for a formula is made a text, in the middle of a cell too: where
/// people write commas in numbers, programs part cells by semicolons.
fn in_table(cell: &str) -> String {
    let mut text = String::with_capacity(cell.len() + 2);
    let mut is_start = true;
    for char in cell.chars() {
        if is_start && ['=', '+', '-', '@', '＝', '＋', '－', '＠'].contains(&char) {
            text.push('\'');
        }
        is_start = [';', '\t', '\r', '\n'].contains(&char) || is_start && [' ', '"', '\''].contains(&char);
        text.push(char);
    }
    // A tab at the start would be passed over.
    let text = if cell.starts_with(['\t', '\r']) { format!("'{text}") } else { text };
    format!("\"{}\"", text.replace('"', "\"\""))
}

/// `GET /v1/audits/{uid}`.
async fn get(app: &App, request: Request) -> Result<Response, ApiError> {
    let (principal, stored) = one(app, &request).await?;
    let tenant = app.store.tenant(principal.user.tenant).await?.ok_or(ApiError::TenantGone)?;
    let notes = app.store.audit_notes(tenant.uid, &[stored.uid]).await?;
    let record = stored.record()?;
    Ok(http::ok(&Item::new(&stored, record, notes.get(&stored.uid), &tenant.org_name)))
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AuditMessages)]
struct Messages {
    action_msg: String,
    content_msg: String,
}

/// `GET /v1/audits/{uid}/sysMsg`.
async fn messages(app: &App, request: Request) -> Result<Response, ApiError> {
    let (_, stored) = one(app, &request).await?;
    let record = stored.record()?;
    Ok(http::ok(&Messages { action_msg: record.message, content_msg: record.content }))
}

async fn one(app: &App, request: &Request) -> Result<(Principal, StoredRecord), ApiError> {
    let principal = caller::permitted(app, request, Permission::AuditGet).await?;
    let uid = http::uid(request).map_err(|_| ApiError::AuditNotFound)?;
    let stored = app.store.audit(principal.user.tenant, uid).await?.ok_or(ApiError::AuditNotFound)?;
    Ok((principal, stored))
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AuditNote)]
struct NoteBody {
    user_msg: String,
}

/// `PATCH /v1/audits/{uid}/userMsg`: for the actor alone, who may not be allowed to read the trail.
async fn note(app: &App, request: Request) -> Result<Response, ApiError> {
    let principal = caller::principal(app, &request).await?;
    let body: NoteBody = http::body(&request)?;
    let note = Note::parse(&body.user_msg)?;
    let uid: AuditUid = http::uid(&request).map_err(|_| ApiError::AuditNotFound)?;
    let stored = app.store.audit(principal.user.tenant, uid).await?.ok_or(ApiError::AuditNotFound)?;
    let record = stored.record()?;
    if record.actor.user.as_ref().is_some_and(|person| person.uid == principal.user.uid) {
        app.store.put_audit_note(&record, &note).await?;
        return Ok(http::no_content());
    }
    Err(if principal.has(Permission::AuditGet) { ApiError::NotTheActor } else { ApiError::AuditNotFound })
}

/// Puts the records of a batch of the table's stream at the ends of their chains.
pub async fn link(app: &App, event: StreamEvent) -> BatchAnswer {
    let mut trails: BTreeMap<TenantUid, (String, Vec<(AuditUid, String)>)> = BTreeMap::new();
    for (number, item) in event.inserted() {
        if let Some((tenant, uid, record)) = record_of(item) {
            let (_, trail) = trails.entry(tenant).or_insert_with(|| (number, Vec::new()));
            // A stream may deliver twice, and a transaction takes no item twice.
            if trail.iter().all(|(known, _)| *known != uid) {
                trail.push((uid, record));
            }
        }
    }
    let mut failed: Option<String> = None;
    for (tenant, (first, records)) in trails {
        if let Err(error) = app.store.link_audits(tenant, &records).await {
            tracing::error!(%error, "records were not linked");
            // Those of others are linked all the same, and stay so when they are delivered again. A shard counts on, so
            // of its numbers the shorter is the earlier.
            let is_earlier = failed.as_ref().is_none_or(|known| (first.len(), &first) < (known.len(), known));
            failed = if is_earlier { Some(first) } else { failed };
        }
    }
    failed.map_or_else(BatchAnswer::default, BatchAnswer::failed_at)
}
