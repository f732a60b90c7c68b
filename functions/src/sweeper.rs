//! What time brings: keys that have expired become inactive, their people are told before, signing keys are replaced.
//!
//! It is called every hour, and may as well be called twice at once, late, or not for a while: what it does is found in
//! the tables and written under conditions, so that any number of calls have the effect of one. It reads the days that
//! matter by an index and never looks through a table.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use domain::{
    EmailAddress, Tenant, TenantUid, Timestamp, User, UserUid,
    api_key::NOTICE_DAYS,
    audit::{Action, Resource},
};
use futures_util::{StreamExt as _, stream};
use serde::{Deserialize, Serialize};
use store::{ExpiringKey, StoreError};

use crate::{
    ApiError, App,
    audit::Trail,
    mail::{self, Expiring},
    metrics::Metric,
    person,
    signing::{self, Sealer, SigningError},
};

/// Days after its expiry in which a key is looked for: as long as the table keeps it, and a little more.
const LOOK_BACK_DAYS: i64 = 32;
/// Days whose digests are caught up on, should the schedule have stood still.
const CATCH_UP_DAYS: i64 = 7;
/// People whose notes are read at once.
const AT_A_TIME: usize = 100;
/// Keys that are written at once.
const AT_ONCE: usize = 8;

/// What a call is to do beside the usual. An event of the schedule has other members, which mean nothing here.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Event {
    /// The signing key that somebody else may know.
    pub revoke: Option<String>,
    /// Whether the signing key is to be replaced before its time.
    pub rotate: bool,
}

/// What a call has done.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Keys that were read of the index.
    pub read: usize,
    /// Pages of the index that were read.
    pub pages: usize,
    /// Keys that became inactive.
    pub expired: usize,
    /// Seconds that had passed since the end of one of them, at the most.
    pub lag: i64,
    /// Digests that went into the outbox.
    pub digests: usize,
    /// Signing keys that were made.
    pub signing_keys_made: usize,
    /// Signing keys that were removed.
    pub signing_keys_removed: usize,
}

/// Why a call did not do everything. The next one goes on.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    /// The tables did not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A signing key could not be made.
    #[error(transparent)]
    Signing(#[from] SigningError),
    /// A mail could not be put together.
    #[error("a digest could not be put together: {0}")]
    Mail(ApiError),
}

/// Does whatever is due.
///
/// # Errors
///
/// As in [`SweepError`]; what was done until then stays done.
pub async fn handle(app: &App, sealer: &Sealer, event: Event) -> Result<Report, SweepError> {
    // One moment for all of it, or a day could end in between.
    let now = app.clock.now();
    let mut report = Report::default();
    // What goes wrong with one of them does not keep the others from being done.
    let keys = replace_signing_keys(app, sealer, &event, &mut report).await;
    // Before keys leave the index, since those that end today are told of.
    let digests = send_digests(app, now, &mut report).await;
    let expired = expire(app, now, &mut report).await;
    tracing::info!(?report, "swept");
    // Whoever could not look does not know of any lag, and says nothing, which is what the alarm is about.
    if expired.is_ok() {
        app.metrics.note(now, Metric::SweepLag, report.lag);
    }
    if report.expired > 0 {
        app.metrics.note(now, Metric::KeysExpired, i64::try_from(report.expired).unwrap_or(i64::MAX));
    }
    keys?;
    digests?;
    expired?;
    Ok(report)
}

async fn replace_signing_keys(
    app: &App,
    sealer: &Sealer,
    event: &Event,
    report: &mut Report,
) -> Result<(), SweepError> {
    if let Some(kid) = &event.revoke {
        signing::revoke(app, sealer, kid, report).await?;
    }
    Ok(signing::rotate(app, sealer, event.rotate, report).await?)
}

/// Makes inactive what has expired.
async fn expire(app: &App, now: Timestamp, report: &mut Report) -> Result<(), SweepError> {
    let mut failed = None;
    for day in now.day() - LOOK_BACK_DAYS..=now.day() {
        let mut start = None;
        loop {
            let page = app.store.keys_expiring_on(day, now, start).await?;
            report.read += page.keys.len();
            report.pages += 1;
            let done: Vec<_> =
                stream::iter(page.keys).map(|key| expire_one(app, key, now)).buffer_unordered(AT_ONCE).collect().await;
            for expired in done {
                match expired {
                    Ok(None) => {}
                    Ok(Some(lag)) => {
                        report.expired += 1;
                        report.lag = report.lag.max(lag);
                    }
                    // The others are not to wait for it.
                    Err(error) => failed = Some(error),
                }
            }
            start = page.next;
            if start.is_none() {
                break;
            }
        }
    }
    failed.map_or(Ok(()), |error| Err(error.into()))
}

/// Makes a key inactive, and tells how many seconds after its end, if nobody else has done it.
async fn expire_one(app: &App, key: ExpiringKey, now: Timestamp) -> Result<Option<i64>, StoreError> {
    let record = [Trail::of_service(app, key.tenant).record_about(
        key.user,
        Action::Update,
        Resource::expired_api_key(key.uid, &key.name),
        "API key expired",
        format!("Key {} expired on {}", key.name, key.expires_at),
    )];
    let expired = app.store.on_record(&record).expire_api_key(&key, now).await?;
    Ok(expired.then(|| (now.millis() - key.expires_at.millis()) / 1000))
}

/// Tells people of their keys that expire in 30, 7 and 1 days and today, one mail a day for each person.
async fn send_digests(app: &App, now: Timestamp, report: &mut Report) -> Result<(), SweepError> {
    let today = now.day();
    let next = app.store.digests_done().await?.map_or(today, |done| done + 1);
    if next > today {
        return Ok(());
    }
    let mut due: BTreeMap<UserUid, BTreeSet<Due>> = BTreeMap::new();
    for day in next.max(today - CATCH_UP_DAYS)..=today {
        for days in NOTICE_DAYS {
            read_due(app, day, days, &mut due, report).await?;
        }
    }
    let letters: Vec<_> = letters(app, due).await?.into_iter().collect();
    let mut failed = None;
    for some in letters.chunks(AT_A_TIME) {
        let addresses: Vec<&str> = some.iter().map(|(address, _)| address.as_str()).collect();
        let told = app.store.digests_of(&addresses).await?;
        for (address, (email, keys)) in some {
            let told = told.get(address).copied();
            // What an earlier run has told them, before it broke off or before midnight, is not told again.
            let new = keys.iter().filter(|(day, _)| told.is_none_or(|told| told < *day));
            let keys: Vec<Expiring> = new.map(|(_, key)| key.clone()).collect::<BTreeSet<_>>().into_iter().collect();
            if keys.is_empty() {
                continue;
            }
            match post_digest(app, address, email, &keys, now, told).await {
                Ok(posted) => report.digests += usize::from(posted),
                Err(error) => failed = Some(error),
            }
        }
    }
    match failed {
        None => Ok(app.store.note_digests_done(today).await?),
        Some(error) => Err(error),
    }
}

async fn post_digest(
    app: &App,
    address: &str,
    email: &EmailAddress,
    keys: &[Expiring],
    now: Timestamp,
    told: Option<i64>,
) -> Result<bool, SweepError> {
    let letter = mail::digest(app, keys, now);
    let mail = mail::outgoing(app, email, letter).map_err(SweepError::Mail)?;
    Ok(app.store.post_digest(address, told, now.day(), &mail).await?)
}

/// A key that somebody is to be told of.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Due {
    /// The day on which they are to be told.
    day: i64,
    expires_at: Timestamp,
    tenant: TenantUid,
    name: String,
}

/// The keys of which was to be told on a day that they expire so many days later.
async fn read_due(
    app: &App,
    day: i64,
    days: i64,
    due: &mut BTreeMap<UserUid, BTreeSet<Due>>,
    report: &mut Report,
) -> Result<(), StoreError> {
    let end_of_day = Timestamp::from_millis((day + days + 1) * 86_400_000 - 1);
    let mut start = None;
    loop {
        let page = app.store.keys_expiring_on(day + days, end_of_day, start).await?;
        report.read += page.keys.len();
        report.pages += 1;
        // Whoever has made a key on this very day knows when it ends.
        let told = page.keys.into_iter().filter(|key| key.is_active && key.created_at.day() < day);
        for ExpiringKey { user, tenant, name, expires_at, .. } in told {
            due.entry(user).or_default().insert(Due { day, expires_at, tenant, name });
        }
        start = page.next;
        if start.is_none() {
            return Ok(());
        }
    }
}

/// To whom which keys are told, by canonical address; each with the day on which that is due.
type Letters = BTreeMap<String, (EmailAddress, BTreeSet<(i64, Expiring)>)>;

async fn letters(app: &App, due: BTreeMap<UserUid, BTreeSet<Due>>) -> Result<Letters, SweepError> {
    let uids: Vec<UserUid> = due.keys().copied().collect();
    let users: HashMap<UserUid, User> =
        app.store.users_by_uid(&uids).await?.into_iter().map(|user| (user.uid, user)).collect();
    let mut tenants: HashMap<TenantUid, (Tenant, Vec<User>)> = HashMap::new();
    let mut letters = Letters::new();
    for (uid, keys) in due {
        // The keys of one who is disabled open nothing already.
        let Some(user) = users.get(&uid).filter(|user| user.is_active) else { continue };
        let (tenant, admins) = match tenants.entry(user.tenant) {
            std::collections::hash_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::hash_map::Entry::Vacant(unknown) => {
                let Some(tenant) = app.store.tenant(user.tenant).await? else { continue };
                let admins = if tenant.tells_admins_of_expiry { admins(app, tenant.uid).await? } else { Vec::new() };
                unknown.insert((tenant, admins))
            }
        };
        for key in keys {
            let own = Expiring {
                expires_at: key.expires_at,
                org_name: tenant.org_name.to_string(),
                user: None,
                name: key.name,
            };
            for admin in admins.iter().filter(|admin| admin.uid != user.uid) {
                add(&mut letters, admin, key.day, Expiring { user: Some(user.name()), ..own.clone() });
            }
            add(&mut letters, user, key.day, own);
        }
    }
    Ok(letters)
}

fn add(letters: &mut Letters, reader: &User, day: i64, key: Expiring) {
    // An address that was taken once and is none now: there is nobody to write to.
    let Ok(email) = person::address_of(reader) else { return };
    letters.entry(email.canonical().to_owned()).or_insert_with(|| (email, BTreeSet::new())).1.insert((day, key));
}

async fn admins(app: &App, tenant: TenantUid) -> Result<Vec<User>, StoreError> {
    let users = app.store.users(tenant).await?;
    Ok(users.into_iter().filter(|user| user.is_active && user.is_admin()).collect())
}
