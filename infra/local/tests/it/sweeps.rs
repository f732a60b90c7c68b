//! What time brings: expiry, notices, the last use of keys.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use domain::{
    Annotations, ApiKey, ApiKeyUid, Timestamp,
    api_key::{ApiKeyUpdate, ApiKeyValue, Name, NewApiKey},
};
use functions::sweeper::{Event, Report, SweepError};
use serde_json::json;
use store::StoreError;
use tokio::task::JoinSet;

use crate::{
    session::{PASSWORD, Session},
    stack::{Created, LATER, Organization, Person, Stack, amount, counted},
};

const DAY: Duration = Duration::from_hours(24);

impl Stack {
    pub(crate) async fn sweep(&self) -> Report {
        self.service.sweep(Event::default()).await.unwrap()
    }

    fn digests(&self) -> Vec<(String, String)> {
        let digests = self.mails().into_iter().filter(|mail| mail.text.contains("These API keys come to their end"));
        digests.map(|mail| (mail.to, mail.text)).collect()
    }
}

/// Makes a key without the limits of HTTP.
async fn make_key(stack: &Stack, person: &Person, name: &str, expires_at: Timestamp) -> (ApiKey, ApiKeyValue) {
    let uid = ApiKeyUid::from_bytes(stack.entropy.uid());
    let user = &person.user;
    let value = ApiKeyValue::new(user.uid, uid, &stack.entropy.bytes());
    let new = NewApiKey {
        uid,
        tenant: user.tenant,
        user: user.uid,
        creator: user.uid,
        name: Name::parse(name).unwrap(),
        annotations: Annotations::default(),
        tail: value.tail().to_owned(),
        expires_at: Some(expires_at),
    };
    let key = ApiKey::create(new, stack.clock.now()).unwrap();
    stack.service.store.on_record(&[]).create_api_key(&key, &value.digest(), 1000, None).await.unwrap();
    (key, value)
}

#[tokio::test]
async fn an_expired_key_becomes_inactive_once_and_leaves_the_index() {
    let stack = Stack::start().await;
    let northwind = stack.tenant("northwind").await;
    let (admin, user) = (northwind.admin().await, northwind.user().await);
    let now = stack.clock.now();
    let (key, value) = make_key(&stack, &user, "short", now + DAY).await;
    stack.sweep().await;
    stack.advance(DAY);
    // From the millisecond on, whether the sweeper has come or not.
    let opens = async || stack.request("GET", "/v1/users/me").header("ApiKey", value.expose()).send().await.status;
    assert_eq!(opens().await, 401);
    let path = format!("/v1/apiKeys/{}", key.uid);
    assert_eq!(admin.get(&path).await.body["status"]["isActive"], json!(true));
    let report = stack.sweep().await;
    assert_eq!(report.expired, 1);
    let shown = admin.get(&path).await.body;
    assert_eq!(shown["status"]["isActive"], json!(false));
    let list = user.get("/v1/apiKeys").await.body;
    let listed = list["items"].as_array().unwrap().iter().find(|it| it["metadata"]["name"] == "short").unwrap();
    assert_eq!(listed["status"]["isActive"], json!(false), "in the list too");
    let again = stack.sweep().await;
    assert_eq!((again.expired, again.read), (0, 0), "it has left the index");
    let trail = admin.get(&format!("/v1/audits?resourceUid={}", key.uid)).await.body;
    let records = trail["items"].as_array().unwrap();
    assert_eq!((records.len(), &records[0]["spec"]["actionMsg"]), (1, &json!("API key expired")));
    assert_eq!(records[0]["spec"]["actor"]["actorType"], json!("service"));
    // Re-activation is refused, also after a rename, until there is more time.
    let refused = user.patch(&path, json!({ "isActive": true })).await;
    assert_eq!((refused.status, refused.code()), (400, "ApiKeyExpired"));
    assert_eq!(user.put(&path, json!({ "metadata": { "name": "other" } })).await.status, 204);
    assert_eq!(stack.sweep().await.read, 0, "a rename does not bring it back into the index");
    assert_eq!(user.put(&path, json!({ "spec": { "expiry": LATER } })).await.status, 204);
    assert_eq!(opens().await, 401, "it has more time, and is still inactive");
    assert_eq!(user.patch(&path, json!({ "isActive": true })).await.status, 204);
    assert_eq!(opens().await, 200);
    crate::invariants::check(&stack.contents().await);
}

#[tokio::test]
async fn a_key_extended_at_the_last_moment_is_not_touched() {
    let stack = Stack::start().await;
    let user = stack.tenant("northwind").await.user().await;
    let now = stack.clock.now();
    let (key, value) = make_key(&stack, &user, "k", now + Duration::from_hours(1)).await;
    let store = &stack.service.store;
    let read = store.keys_expiring_on(key.expires_at.day(), key.expires_at, None).await.unwrap().keys.remove(0);
    let extended =
        key.clone().update(ApiKeyUpdate { expires_at: Some(now + DAY), ..ApiKeyUpdate::default() }, now).unwrap();
    // Read before, written after: the sweeper loses.
    store.on_record(&[]).replace_api_key(&key, &extended, None).await.unwrap();
    let late = key.expires_at + Duration::from_secs(1);
    assert!(!store.on_record(&[]).expire_api_key(&read, late).await.unwrap());
    assert_eq!(stack.request("GET", "/v1/users/me").header("ApiKey", value.expose()).send().await.status, 200);
    // The other way round the extension does not fail by it, though it was read before.
    let (key, value) = make_key(&stack, &user, "l", now + Duration::from_hours(1)).await;
    let read = store.keys_expiring_on(key.expires_at.day(), key.expires_at, None).await.unwrap().keys;
    let read = read.iter().find(|read| read.uid == key.uid).unwrap();
    assert!(store.on_record(&[]).expire_api_key(read, late).await.unwrap());
    let extended =
        key.clone().update(ApiKeyUpdate { expires_at: Some(now + DAY), ..ApiKeyUpdate::default() }, now).unwrap();
    store.on_record(&[]).replace_api_key(&key, &extended, None).await.unwrap();
    assert_eq!(stack.request("GET", "/v1/users/me").header("ApiKey", value.expose()).send().await.status, 200);
    crate::invariants::check(&stack.contents().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn extending_wins_every_race_against_the_sweeper() {
    let rounds = amount("LATCHKEY_TEST_RACES", 150);
    let stack = Stack::start().await;
    let user = stack.tenant("northwind").await.user().await;
    let mut swept_first = 0;
    for round in 0..rounds {
        let now = stack.clock.now();
        let (key, value) = make_key(&stack, &user, &format!("k{round}"), now + Duration::from_millis(200)).await;
        let store = stack.service.store.clone();
        let read = store.keys_expiring_on(key.expires_at.day(), key.expires_at, None).await.unwrap().keys;
        let read = read.into_iter().find(|read| read.uid == key.uid).unwrap();
        let after = key.expires_at + Duration::from_millis(1);
        let update = ApiKeyUpdate { expires_at: Some(now + DAY), ..ApiKeyUpdate::default() };
        let extended = key.clone().update(update, now).unwrap();
        let (other, before) = (store.clone(), key.clone());
        let extend = tokio::spawn(async move { other.on_record(&[]).replace_api_key(&before, &extended, None).await });
        let other = store.clone();
        let sweep = tokio::spawn(async move { other.on_record(&[]).expire_api_key(&read, after).await });
        extend.await.unwrap().unwrap();
        swept_first += usize::from(sweep.await.unwrap().unwrap());
        let found = store.api_key(user.user.tenant, key.uid).await.unwrap().unwrap();
        assert!(found.is_usable(stack.clock.now()), "round {round}");
        assert_eq!(stack.request("GET", "/v1/users/me").header("ApiKey", value.expose()).send().await.status, 200);
        store.on_record(&[]).delete_api_key(&found).await.unwrap();
    }
    println!("{rounds} races, the sweeper came first in {swept_first}; no extended key touched");
    crate::invariants::check(&stack.contents().await);
}

/// What is due of a key, by a model that knows nothing of buckets and indexes.
fn expected(created_at: Timestamp, expires_at: Timestamp, ended_at: Option<Timestamp>) -> BTreeSet<i64> {
    let days = [30, 7, 1, 0].map(|days| expires_at.day() - days);
    // The sweep of a day comes in its first hour.
    let is_alive = |day: i64| ended_at.is_none_or(|ended_at| day * 86_400_000 < ended_at.millis() - 3_600_000);
    days.into_iter().filter(|day| created_at.day() < *day && is_alive(*day)).collect()
}

#[tokio::test]
async fn in_a_year_of_five_hundred_keys_every_notice_comes_once_on_its_day() {
    const KEYS: usize = 500;
    let stack = Stack::start().await;
    let northwind = stack.tenant("northwind").await;
    // To the first minutes of a day.
    let start = Timestamp::from_millis((stack.clock.now().day() + 1) * 86_400_000 + 300_000);
    stack.advance(Duration::from_millis(u64::try_from(start.millis() - stack.clock.now().millis()).unwrap()));
    let people: Vec<Person> = futures(&northwind, 25).await;
    let mut keys: BTreeMap<String, (ApiKey, Option<Timestamp>, String)> = BTreeMap::new();
    let random = |of: u32| u32::from_be_bytes(stack.entropy.bytes()) % of;
    let mut revoked_or_deleted = 0;
    for number in 0..KEYS {
        let person = &people[number % people.len()];
        let lifetime = DAY * (1 + random(340)) + Duration::from_mins(u64::from(random(1440)));
        let name = format!("key-{number}");
        let (key, _) = make_key(&stack, person, &name, stack.clock.now() + lifetime).await;
        keys.insert(name, (key, None, person.user.email.clone()));
    }
    let mut sent: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    let mut seen = 0;
    let first_day = stack.clock.now().day();
    for _ in 0..370 {
        // Late in the day some are revoked or deleted, so the next day knows them no more.
        stack.sweep().await;
        let today = stack.clock.now().day();
        let digests = stack.digests();
        let new = &digests[seen..];
        let readers = counted(new.iter().map(|(to, _)| to.clone()));
        assert!(readers.values().all(|count| *count == 1), "one digest for each person and day");
        for (to, text) in new {
            for name in text.split('"').filter(|text| text.starts_with("key-")) {
                let (_, _, owner) = &keys[name];
                assert_eq!(owner, to, "nobody hears of another's keys");
                sent.entry(name.to_owned()).or_default().push(today);
            }
        }
        seen = digests.len();
        stack.advance(Duration::from_hours(12));
        if today < first_day + 330 && random(3) == 0 {
            let name = format!("key-{}", random(u32::try_from(KEYS).unwrap()));
            let (key, ended_at, _) = keys.get_mut(&name).unwrap();
            if ended_at.is_none() && !key.is_expired(stack.clock.now()) {
                let store = &stack.service.store;
                let found = store.api_key(key.tenant, key.uid).await.unwrap().unwrap();
                if random(2) == 0 {
                    store.on_record(&[]).delete_api_key(&found).await.unwrap();
                } else {
                    store.on_record(&[]).revoke_api_key(&found.revoke(stack.clock.now())).await.unwrap();
                }
                *ended_at = Some(stack.clock.now());
                revoked_or_deleted += 1;
            }
        }
        stack.advance(Duration::from_hours(12));
    }
    let mut notices = 0;
    for (name, (key, ended_at, _)) in &keys {
        let expected = expected(key.created_at, key.expires_at, *ended_at);
        let got = sent.remove(name).unwrap_or_default();
        assert_eq!(got, expected.iter().copied().collect::<Vec<_>>(), "{name}: {key:?} {ended_at:?}");
        notices += got.len();
    }
    println!(
        "{KEYS} keys, {revoked_or_deleted} revoked or deleted, {notices} notices in {seen} digests, each on its day"
    );
    assert!(revoked_or_deleted > 15 && notices > 1000);
}

async fn futures(organization: &Organization, count: usize) -> Vec<Person> {
    let mut people = Vec::new();
    for _ in 0..count {
        people.push(organization.user().await);
    }
    people
}

#[tokio::test]
async fn a_digest_says_what_expires_and_admins_hear_of_it_if_they_want() {
    let stack = Stack::start().await;
    let ines = stack.sign_up("ines@northwind.example", "northwind", PASSWORD).await;
    let (uid, invitation) = ines.invite("tom@northwind.example", &[]).await;
    stack.set_password(&invitation, "activate", PASSWORD).await;
    let now = stack.clock.now();
    for (name, days) in [("a", 8), ("b", 8), ("c", 31), ("d", 20)] {
        let body = json!({ "metadata": { "name": name }, "spec": { "userUid": uid, "expiry": (now + DAY * days).to_string() } });
        assert_eq!(ines.call("POST", "/v1/apiKeys", Some(body)).await.status, 201);
    }
    stack.sweep().await;
    assert_eq!(stack.digests().len(), 0);
    stack.advance(DAY);
    stack.sweep().await;
    stack.sweep().await;
    let digests = stack.digests();
    assert_eq!(digests.len(), 1, "{digests:?}");
    assert_eq!(digests[0].0, "tom@northwind.example");
    let ends = (now + DAY * 8).day_and_time_in_words();
    assert!(digests[0].1.contains(&format!("\"a\", in northwind: expires on {ends}")), "{}", digests[0].1);
    for (name, is_told) in [("\"b\"", true), ("\"c\"", true), ("\"d\"", false)] {
        assert_eq!(digests[0].1.contains(name), is_told, "{name}");
    }
    // A day without the schedule is caught up on.
    let tenant = stack.session("ines@northwind.example", PASSWORD, None).await.tenant_uid().await;
    let ines: Session = stack.session("ines@northwind.example", PASSWORD, None).await;
    let path = format!("/v1/tenants/{tenant}/apiKeys/notices");
    assert_eq!(ines.call("GET", &path, None).await.body, json!({ "notifyTenantAdmins": false }));
    assert_eq!(ines.call("PUT", &path, Some(json!({ "notifyTenantAdmins": true }))).await.status, 204);
    stack.advance(DAY * 7);
    stack.sweep().await;
    let digests = stack.digests();
    let to = counted(digests[1..].iter().map(|(to, _)| to.as_str()));
    assert_eq!(to, counted(["ines@northwind.example", "tom@northwind.example"]));
    let to_ines = &digests[1..].iter().find(|(to, _)| to == "ines@northwind.example").unwrap().1;
    assert!(to_ines.contains("\"a\" of Tom Berg, in northwind: expired on"), "{to_ines}");
}

/// Sweeps again while the tables do not keep up, as the schedule does with a call that failed.
async fn swept(instance: &Stack) -> Report {
    loop {
        match instance.service.sweep(Event::default()).await {
            Ok(report) => return report,
            Err(SweepError::Store(StoreError::Unavailable(_))) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn any_number_of_sweeps_at_once_has_the_effect_of_one() {
    let sweeps = amount("LATCHKEY_TEST_SWEEPS", 64);
    let stack = Stack::start().await;
    let northwind = stack.tenant("northwind").await;
    let people = futures(&northwind, 5).await;
    let now = stack.clock.now();
    for number in 0..100_u32 {
        let person = &people[number as usize % people.len()];
        make_key(&stack, person, &format!("key-{number}"), now + DAY * (1 + number / 10)).await;
    }
    stack.advance(DAY * 3 + Duration::from_hours(1));
    let instances = [stack.clone(), stack.another_instance().await, stack.another_instance().await];
    let mut running = JoinSet::new();
    for number in 0..sweeps {
        let instance = instances[number % instances.len()].clone();
        running.spawn(async move {
            // Some break off in the middle, as if they had been killed.
            let limit =
                if number % 3 == 0 { Duration::from_millis(number as u64 % 40) } else { Duration::from_mins(5) };
            tokio::time::timeout(limit, swept(&instance)).await.ok()
        });
    }
    let mut total = Report::default();
    while let Some(report) = running.join_next().await {
        if let Some(report) = report.unwrap() {
            total.expired += report.expired;
            total.digests += report.digests;
        }
    }
    // A stream forgets nothing with whoever has broken off.
    instances[0].service.find_undelivered().await.unwrap();
    for instance in &instances {
        instance.service.deliver_mails().await;
    }
    let digests: Vec<_> = instances.iter().flat_map(Stack::digests).collect();
    let by_person = counted(digests.iter().map(|(to, _)| to.clone()));
    assert_eq!(by_person.len(), 5);
    assert!(by_person.values().all(|count| *count == 1), "{by_person:?}");
    let last = stack.sweep().await;
    assert_eq!((last.expired, last.digests), (0, 0), "nothing was left over");
    let admin = northwind.admin().await;
    let mut expired = Vec::new();
    for record in admin.get("/v1/audits?actionType=update&limit=50").await.body["items"].as_array().unwrap() {
        expired.push(record["spec"]["resource"]["uid"].as_str().unwrap().to_owned());
    }
    assert_eq!(expired.len(), 30, "ten keys of each of three days");
    assert!(counted(expired).values().all(|count| *count == 1), "one record each");
    assert!(total.expired <= 30);
    crate::invariants::check(&stack.contents().await);
}

#[tokio::test]
async fn the_sweep_reads_what_expires_and_nothing_else() {
    let stack = Stack::start().await;
    let user = stack.tenant("northwind").await.user().await;
    let now = stack.clock.now();
    for number in 0..60_u32 {
        let expires_at = if number < 20 { now + DAY } else { now + DAY * (100 + number) };
        make_key(&stack, &user, &format!("key-{number}"), expires_at).await;
    }
    stack.sweep().await;
    stack.advance(DAY * 2);
    stack.sweep().await;
    stack.advance(DAY);
    let report = stack.sweep().await;
    assert_eq!((report.read, report.expired), (0, 0), "those that live are not read, nor those that were swept");
    // Whoever runs it by a policy of the template may not look through a table.
    let sweeper = stack.service.template.functions.iter().find(|function| function.name == "sweeper").unwrap();
    assert!(!format!("{:?}", sweeper.policy).contains("Scan"));
}

#[tokio::test]
async fn the_last_use_is_noted_once_an_hour_and_shown() {
    let stack = Stack::start().await;
    let user = stack.tenant("northwind").await.user().await;
    let key = user.api_key("deploy").await;
    // The first token of an installation makes its signing key.
    user.token().await;
    assert_eq!(user.get(&key.path()).await.body["status"]["lastUse"], json!(null));
    let agent = "latchkey-test/1";
    let mut writes = 0;
    for _ in 0..1000 {
        let call = stack.request("GET", "/v1/users/info").header("ApiKey", &key.value).header("user-agent", agent);
        writes += call.send().await.writes();
    }
    assert_eq!(writes, 1, "of a thousand checks");
    let shown = user.get(&key.path()).await.body["status"]["lastUse"].clone();
    assert_eq!((&shown["source"], &shown["userAgent"]), (&json!("127.0.0.1"), &json!("latchkey-test/1")));
    let list = user.get("/v1/apiKeys").await.body;
    let listed = list["items"].as_array().unwrap().iter().find(|it| it["metadata"]["name"] == "deploy").unwrap();
    assert_eq!(listed["status"]["lastUse"], shown);
    stack.advance(Duration::from_mins(61));
    let authenticated = stack.request("POST", "/v1/auth/authenticate").header("ApiKey", &key.value).send().await;
    assert_eq!(authenticated.writes(), 1);
    let later = user.get(&key.path()).await.body["status"]["lastUse"]["timestamp"].clone();
    assert!(later.as_str() > shown["timestamp"].as_str());
}

#[tokio::test]
async fn the_use_of_a_session_is_noted_every_few_minutes() {
    let stack = Stack::start().await;
    let session = stack.sign_up("ines@northwind.example", "northwind", PASSWORD).await;
    for wait in [0, 3, 3] {
        stack.advance(Duration::from_mins(wait));
        let mut writes = 0;
        for _ in 0..20 {
            let call = stack.request("GET", "/v1/users/info").header("Authorization", &session.token);
            writes += call.send().await.writes();
        }
        assert_eq!(writes, usize::from(wait > 0), "of twenty requests after {wait} minutes");
    }
}

#[tokio::test]
async fn whoever_tries_a_key_leaves_a_trace_whatever_else_they_are_refused() {
    let stack = Stack::start().await;
    let user = stack.tenant("northwind").await.user().await;
    let key = user.api_key("deploy").await;
    let call = stack.request("GET", "/v1/users/info").header("ApiKey", &key.value).header("Projectuid", "none");
    assert_eq!(call.send().await.status, 404);
    assert_eq!(user.get(&key.path()).await.body["status"]["lastUse"]["source"], json!("127.0.0.1"));
}

#[tokio::test]
async fn a_key_says_itself_that_it_ends_within_a_week() {
    let stack = Stack::start().await;
    let user = stack.tenant("northwind").await.user().await;
    let expires_at = stack.clock.now() + DAY * 8;
    let body = json!({ "metadata": { "name": "n" }, "spec": { "expiry": expires_at.to_string() } });
    let key = Created::of(&user.post("/v1/apiKeys", body).await);
    let says = async |method: &str, path: &str| {
        let answer = stack.request(method, path).header("ApiKey", &key.value).send().await;
        answer.headers.get("apikey-expires").map(|value| value.to_str().unwrap().to_owned())
    };
    assert_eq!(says("GET", "/v1/users/me").await, None);
    stack.advance(DAY);
    let end = Some(expires_at.to_string());
    assert_eq!(says("GET", "/v1/users/me").await, end);
    assert_eq!(says("POST", "/v1/auth/authenticate").await, end);
    assert_eq!(says("GET", "/v1/users").await, end, "on a refusal too");
    assert!(user.get("/v1/users/me").await.headers.get("apikey-expires").is_none(), "nobody else hears of it");
}

#[tokio::test]
async fn whoever_gives_a_key_no_more_time_does_not_bring_it_back() {
    let stack = Stack::start().await;
    let user = stack.tenant("northwind").await.user().await;
    let now = stack.clock.now();
    let store = &stack.service.store;
    let late = now + DAY + Duration::from_secs(1);
    let sweep = async |key: &ApiKey| {
        let found = store.keys_expiring_on(key.expires_at.day(), key.expires_at, None).await.unwrap().keys;
        let found = found.into_iter().find(|found| found.uid == key.uid).unwrap();
        assert!(store.on_record(&[]).expire_api_key(&found, late).await.unwrap());
    };
    // A rename that was read before the sweeper came.
    let (key, _) = make_key(&stack, &user, "renamed", now + DAY).await;
    let update = ApiKeyUpdate { name: Some(Name::parse("other").unwrap()), ..ApiKeyUpdate::default() };
    let renamed = key.clone().update(update, now).unwrap();
    sweep(&key).await;
    assert!(store.on_record(&[]).replace_api_key(&key, &renamed, None).await.is_err());
    // A re-activation that was.
    let (key, _) = make_key(&stack, &user, "revoked", now + DAY).await;
    store.on_record(&[]).revoke_api_key(&key.clone().revoke(now)).await.unwrap();
    let revoked = store.api_key(key.tenant, key.uid).await.unwrap().unwrap();
    let reactivated = revoked.clone().reactivate(now).unwrap();
    sweep(&key).await;
    assert!(store.on_record(&[]).reactivate_api_key(&revoked, &reactivated, None).await.is_err());
    for name in ["renamed", "revoked"] {
        let keys = store.api_keys_of_user(user.user.tenant, user.user.uid).await.unwrap();
        assert!(!keys.iter().find(|key| key.name.as_str() == name).unwrap().is_active, "{name}");
    }
}

#[tokio::test]
async fn with_more_time_an_expired_key_is_inactive_whether_the_sweeper_came_or_not() {
    let stack = Stack::start().await;
    let user = stack.tenant("northwind").await.user().await;
    for is_swept in [false, true] {
        let (key, value) = make_key(&stack, &user, &format!("k-{is_swept}"), stack.clock.now() + DAY).await;
        stack.advance(DAY);
        if is_swept {
            stack.sweep().await;
        }
        let path = format!("/v1/apiKeys/{}", key.uid);
        assert_eq!(user.put(&path, json!({ "spec": { "expiry": LATER } })).await.status, 204);
        let opens = async || stack.request("GET", "/v1/users/me").header("ApiKey", value.expose()).send().await.status;
        assert_eq!(opens().await, 401, "swept: {is_swept}");
        assert_eq!(user.patch(&path, json!({ "isActive": true })).await.status, 204);
        assert_eq!(opens().await, 200);
    }
}

#[tokio::test]
async fn a_run_that_broke_off_before_midnight_is_finished_without_telling_anybody_twice() {
    let stack = Stack::start().await;
    let northwind = stack.tenant("northwind").await;
    let (one, other) = (northwind.user().await, northwind.user().await);
    let now = stack.clock.now();
    make_key(&stack, &one, "one", now + DAY * 8).await;
    let (key, _) = make_key(&stack, &other, "other", now + DAY * 8).await;
    stack.advance(DAY);
    stack.sweep().await;
    assert_eq!(stack.digests().len(), 2);
    // As if the run had ended after the first of them: the day is not done, and the other person was told nothing.
    let table = stack.service.table_names().tenants;
    let email = other.user.email.clone();
    let delete =
        json!({ "TableName": table, "Key": { "pk": { "S": format!("MAILED#{email}") }, "sk": { "S": "DIGEST" } } });
    stack.service.backend.execute("DeleteItem", &delete).await.unwrap();
    let yesterday = (stack.clock.now().day() - 1).to_string();
    let done = json!({ "pk": { "S": "SWEEP" }, "sk": { "S": "DIGESTS" }, "day": { "N": yesterday } });
    stack.service.backend.execute("PutItem", &json!({ "TableName": table, "Item": done })).await.unwrap();
    stack.advance(DAY);
    stack.sweep().await;
    let again = stack.digests().split_off(2);
    assert_eq!(again.len(), 1, "{again:?}");
    assert_eq!(again[0].0, email);
    let ends = key.expires_at.day_and_time_in_words();
    assert!(again[0].1.contains(&format!("\"other\", in northwind: expires on {ends}")), "{}", again[0].1);
}

#[tokio::test]
async fn a_digest_of_very_many_keys_is_cut_and_holds_up_nothing() {
    let stack = Stack::start().await;
    let user = stack.tenant("northwind").await.user().await;
    let expires_at = stack.clock.now() + DAY * 2;
    for number in 0..130 {
        make_key(&stack, &user, &format!("{number}-{}", "\u{1f511}".repeat(60)), expires_at).await;
    }
    stack.advance(DAY);
    stack.sweep().await;
    let digest = stack.digests().pop().unwrap().1;
    assert_eq!(digest.matches("expires on").count(), 100);
    assert!(digest.contains("… and 30 more"), "{digest}");
    stack.advance(DAY);
    assert_eq!(stack.sweep().await.expired, 130);
}

#[tokio::test]
async fn the_user_of_a_key_hears_when_somebody_else_changes_how_long_it_lives() {
    let stack = Stack::start().await;
    let northwind = stack.tenant("northwind").await;
    let (admin, user) = (northwind.admin().await, northwind.user().await);
    let key = user.api_key("deploy").await;
    let soon = stack.clock.now() + Duration::from_hours(2);
    let before = stack.mails().len();
    assert_eq!(admin.put(&key.path(), json!({ "spec": { "expiry": soon.to_string() } })).await.status, 204);
    let mail = stack.mails().pop().unwrap();
    assert_eq!((mail.to.as_str(), mail.subject.as_str()), (user.user.email.as_str(), "Another end of your API key"));
    assert!(mail.text.contains(&soon.day_and_time_in_words()), "{}", mail.text);
    assert_eq!(admin.patch(&key.path(), json!({})).await.status, 204);
    assert_eq!(admin.patch(&key.path(), json!({ "isActive": true })).await.status, 204);
    assert_eq!(stack.mails().pop().unwrap().subject, "Your API key is active again");
    // Not of a rename, nor of what one does oneself.
    assert_eq!(admin.put(&key.path(), json!({ "metadata": { "name": "other" } })).await.status, 204);
    assert_eq!(user.put(&key.path(), json!({ "spec": { "expiry": LATER } })).await.status, 204);
    assert_eq!(stack.mails().len(), before + 2);
}
