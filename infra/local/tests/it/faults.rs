//! What DynamoDB and KMS may do to a request, at each of its calls, and what must come of it.

use std::{collections::BTreeMap, time::Duration};

use domain::{Timestamp, role};
use local::faults::Fault;
use serde_json::{Value, json};

use crate::{
    access::{self, Row, Target},
    invariants,
    session::{OTHER, PASSWORD},
    stack::{Answer, Call, Created, LATER, Person, Stack, amount, counted},
};

/// Routes that only somebody who is signed in may use.
const BY_SESSION: [&str; 8] = [
    "GET /v1/users/auth/sessions",
    "DELETE /v1/users/auth/sessions",
    "DELETE /v1/users/auth/sessions/{uid}",
    "POST /v1/auth/org/{orgName}/switch",
    "GET /v1/users/auth/identities",
    "PATCH /v1/users/password/change",
    "PATCH /v1/users/{user}/password/change",
    "GET /v1/auth/refresh",
];

/// Routes that are refused whatever is asked, or answered without the tables, in a test without a provider; their
/// refusals read no less, so they are tried too. Every other one is tried with a request that succeeds.
const REFUSED: [&str; 9] = [
    "$default",
    "GET /v1/auth/sso/{ssoApp}/login",
    "GET /v1/auth/sso/{ssoApp}/callback",
    "GET /v1/auth/org/{orgName}/oidc/login",
    "GET /v1/auth/org/{orgName}/oidc/callback",
    "POST /v1/users/auth/identities",
    "DELETE /v1/users/auth/identities/{uid}",
    "POST /v1/tenants/{tenantUid}/domains/{domain}/verify",
    "POST /v1/tenants/{tenantUid}/oidc/config/verify",
];

/// Routes that do something else when they are asked in another way, which is tried too.
const VARIANTS: [(&str, &str); 4] = [
    ("POST /v1/auth/authenticate", BY_PASSWORD),
    ("GET /v1/users/me", AFTER_A_WHILE),
    ("PATCH /v1/apiKeys/{uid}", RE_ACTIVATION),
    ("POST /v1/tenants/{tenantUid}/oidc/config", WITH_A_SECRET),
];

const BY_PASSWORD: &str = "by password";
/// By a session whose last use was noted so long ago that it is noted again.
const AFTER_A_WHILE: &str = "after a while";
const RE_ACTIVATION: &str = "re-activation";
/// KMS seals it.
const WITH_A_SECRET: &str = "with a secret";

/// A request to a place of the route.
fn to(stack: &Stack, row: &Row, target: &Target, body: Option<Value>) -> Call {
    let (method, path) = row.place(target);
    let call = stack.request(method, &path);
    match body {
        Some(body) => call.json(&body),
        None => call,
    }
}

/// A request that succeeds, in an organization of its own, if nothing goes wrong.
async fn prepared(stack: &Stack, row: &Row, variant: Option<&str>) -> Call {
    let (org, email) = ("northwind", "ines@northwind.example");
    let named = |uid: &str| Target { org: org.to_owned(), ..Target::named(uid) };
    let call = |target: &Target, body: Option<Value>| to(stack, row, target, body);
    let sign_up = || json!({ "firstName": "Ines", "lastName": "Alba", "emailId": email, "orgName": org });
    let signed_up = async || {
        assert_eq!(stack.post("/v1/tenants/signup", sign_up()).await.status, 204);
        Target { token: stack.mailed_token(email), ..named("") }
    };
    match variant {
        Some(BY_PASSWORD) => {
            stack.sign_up_only(email, org, PASSWORD).await;
            return call(&named(""), Some(json!({ "emailId": email, "password": PASSWORD, "org": org })));
        }
        Some(AFTER_A_WHILE) => {
            let session = stack.sign_up(email, org, PASSWORD).await;
            stack.advance(Duration::from_mins(3));
            return call(&named(""), None).header("Authorization", &session.token);
        }
        _ => {}
    }
    match row.route {
        "POST /v1/tenants/signup" => return call(&named(""), Some(sign_up())),
        "POST /v1/tenants/signup/{signupToken}/activate" => return call(&signed_up().await, None),
        "PATCH /v1/auth/password/{passwordToken}/activate" => {
            let target = signed_up().await;
            let activate = format!("/v1/tenants/signup/{}/activate", target.token);
            assert_eq!(stack.request("POST", &activate).send().await.status, 204);
            return call(&target, Some(json!({ "password": PASSWORD })));
        }
        "POST /v1/auth/user/password/reset"
        | "PATCH /v1/users/password/reset"
        | "GET /v1/auth/user/org/forgot"
        | "PATCH /v1/auth/password/{passwordToken}/reset" => {
            stack.sign_up_only(email, org, PASSWORD).await;
            stack.advance(Duration::from_mins(2));
            let ask = json!({ "emailId": email });
            if row.route.contains("{passwordToken}") {
                assert_eq!(stack.post("/v1/auth/user/password/reset", ask).await.status, 204);
                let target = Target { token: stack.mailed_token(email), ..named("") };
                return call(&target, Some(json!({ "password": OTHER })));
            }
            let (method, path) = row.place(&named(""));
            return match method {
                "GET" => stack.request(method, &format!("{path}?emailId={email}")),
                _ => stack.request(method, &path).json(&ask),
            };
        }
        _ => {}
    }
    if BY_SESSION.contains(&row.route) {
        let session = stack.sign_up(email, org, PASSWORD).await;
        let me = session.call("GET", "/v1/users/me", None).await;
        let user = me.body["metadata"]["uid"].as_str().unwrap().to_owned();
        stack.session(email, PASSWORD, Some(org)).await;
        let sessions = session.call("GET", "/v1/users/auth/sessions", None).await;
        let mut others = sessions.body["items"].as_array().unwrap().iter();
        let other = others.find(|item| item["status"]["isCurrent"] == false).unwrap();
        let other = other["metadata"]["uid"].as_str().unwrap().to_owned();
        let body =
            row.body.as_ref().map(|_| json!({ "emailId": email, "currentPassword": PASSWORD, "newPassword": OTHER }));
        let target = Target { key: other, user, ..named("") };
        return call(&target, body).header("Authorization", &session.token);
    }
    by_key(stack, row, variant, org).await
}

/// The same, by the key of an admin.
async fn by_key(stack: &Stack, row: &Row, variant: Option<&str>, org: &str) -> Call {
    let organization = stack.tenant(org).await;
    let admin = organization.person("Ines", &[role::TENANT_ADMIN.uid]).await;
    let user = organization.user().await;
    let uid = if row.route.contains("/audits/{uid}") {
        assert_eq!(admin.patch(&admin.api_key("other").await.path(), json!({ "isActive": false })).await.status, 204);
        let audits = admin.get("/v1/audits").await;
        audits.body["items"][0]["metadata"]["uid"].as_str().unwrap().to_owned()
    } else if row.route.contains("/roles/{uid}") {
        role::TENANT_ADMIN.uid.to_string()
    } else if row.route.contains("{uid}") {
        let key = admin.api_key("other").await;
        if variant == Some(RE_ACTIVATION) {
            assert_eq!(admin.patch(&key.path(), json!({ "isActive": false })).await.status, 204);
        }
        key.uid
    } else {
        String::new()
    };
    let body = match row.route {
        _ if variant == Some(RE_ACTIVATION) => Some(json!({ "isActive": true })),
        _ if variant == Some(WITH_A_SECRET) => Some(json!({
            "isSsoEnabled": true, "issuerUrl": "https://id.northwind.example", "clientId": "console",
            "clientSecret": "hush-hush-hush-hush-hush", "scopes": ["openid", "email"],
            "requiredClaims": { "Email": "email" },
        })),
        "POST /v1/users/auth/tokens/revoke" => Some(json!({ "tokens": [admin.token().await] })),
        "POST /v1/users" => Some(json!({
            "spec": { "firstName": "Ada", "lastName": "Berg", "emailId": "ada@northwind.example" }
        })),
        "PATCH /v1/users/{user}" => Some(json!([{ "op": "replace", "path": "/status/isActive", "value": false }])),
        "POST /v1/tenants/validate" => Some(json!({ "orgName": "free" })),
        _ => row.body.clone(),
    };
    let target = Target {
        key: uid,
        user: user.user.uid.to_string(),
        tenant: organization.tenant.uid.to_string(),
        org: org.to_owned(),
        token: if row.route.contains("{token}") { admin.token().await } else { String::new() },
    };
    let call = to(stack, row, &target, body);
    if row.route == "GET /v1/auth/refresh/{token}" { call } else { call.header("ApiKey", &admin.key) }
}

/// The state without what differs from one organization or moment to the next: numbers, bytes, uids, digests.
fn masked(contents: &str) -> BTreeMap<String, usize> {
    counted(contents.lines().map(|line| {
        let mut line: Value = serde_json::from_str(line).unwrap();
        mask(&mut line);
        line.to_string()
    }))
}

fn mask(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                match name.as_str() {
                    // The last characters of a key are as random as the others.
                    "N" | "B" | "tail" => *value = Value::Null,
                    _ => mask(value),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(mask),
        // A hash, a sealed secret or the like has no words to tell apart.
        Value::String(text) if text.len() > 60 => text.clear(),
        Value::String(text) => {
            let varies = |word: &str| word.len() >= 16 || word.bytes().any(|byte| byte.is_ascii_digit());
            let words = text.split_inclusive(|char: char| !char.is_ascii_alphanumeric());
            *text = words.map(|word| if varies(word) { "*" } else { word }).collect();
        }
        _ => {}
    }
}

/// What a request has changed: items that came, and that went.
fn change(before: &BTreeMap<String, usize>, after: &BTreeMap<String, usize>) -> Vec<(String, isize)> {
    let count =
        |counts: &BTreeMap<String, usize>, item| isize::try_from(counts.get(item).copied().unwrap_or(0)).unwrap();
    let items = before.keys().chain(after.keys()).collect::<std::collections::BTreeSet<_>>();
    items
        .into_iter()
        .map(|item| (item.clone(), count(after, item) - count(before, item)))
        .filter(|(_, more)| *more != 0)
        .collect()
}

async fn settled(stack: &Stack) -> BTreeMap<String, usize> {
    stack.service.link_records().await;
    stack.service.deliver_mails().await;
    let contents = stack.contents().await;
    // An attempt counts from the moment it is made, whatever becomes of it, or many at once would count as none.
    let state = contents.lines().filter(|line| !line.contains(r#""sk":{"S":"ATTEMPTS"}"#));
    masked(&state.collect::<Vec<_>>().join("\n"))
}

/// Sends it while something may go wrong. Returns the answer, what has changed, and how many calls went wrong.
async fn sent(stack: &Stack, call: Call, fault: impl FnOnce()) -> (Answer, Vec<(String, isize)>, u64) {
    let before = settled(stack).await;
    fault();
    let answer = call.send_any().await;
    let (_, met) = stack.service.faults.clear();
    (answer, change(&before, &settled(stack).await), met)
}

/// A fresh organization on a Latchkey that has signed a token before.
async fn warm() -> Stack {
    let stack = Stack::start().await;
    let admin = stack.tenant("warm").await.admin().await;
    admin.token().await;
    stack
}

/// Of how many faults one is tried, unless somebody asks for more.
const EVERY: usize = 6;

/// Lets each call of a request go wrong in each way, once and as often as the SDK tries. Returns how often, and what came
/// of it that may not.
///
/// - `number`: of the route. Every run tries some of the faults, whoever has the time all of them.
async fn every_fault(number: usize, row: &Row, variant: Option<&str>) -> (usize, Vec<String>) {
    let of = amount("LATCHKEY_TEST_FAULTS_OF", EVERY);
    let name = format!("{} {}", row.route, variant.unwrap_or_default());
    let stack = warm().await;
    let call = prepared(&stack, row, variant).await;
    let (good, done, _) = sent(&stack, call, || ()).await;
    if (good.status >= 400) != REFUSED.contains(&row.route) {
        return (0, vec![format!("{name}, without a fault: {} {}", good.status, good.text)]);
    }
    if variant == Some(WITH_A_SECRET) && !good.operations.iter().any(|operation| operation.name == "Encrypt") {
        return (0, vec![format!("{name}: nothing is sealed")]);
    }
    let (mut tried, mut problems) = (0, Vec::new());
    let mut turn = number;
    for (at, operation) in good.operations.iter().enumerate() {
        // Nothing meets a read.
        let faults = Fault::ALL.into_iter().filter(|fault| *fault != Fault::Conflict || !operation.is_read());
        for (fault, times) in faults.flat_map(|fault| [(fault, 1), (fault, 3)]) {
            turn += 1;
            if !turn.is_multiple_of(of) {
                continue;
            }
            tried += 1;
            // One that has read as little as the first one, or the call would not come again.
            let stack = warm().await;
            let call = prepared(&stack, row, variant).await;
            let again = call.again();
            let faults = stack.service.faults.clone();
            let before = settled(&stack).await;
            let plan = || faults.fail_from(u32::try_from(at).unwrap(), times, fault);
            let (answer, mut changed, met) = sent(&stack, call, plan).await;
            // This is more than one transaction can hold. It goes on where it stopped when it is asked for again.
            if row.route == "DELETE /v1/users/{user}" && answer.status == 503 && !changed.is_empty() && changed != done
            {
                assert_eq!(again.send().await.status, good.status);
                changed = change(&before, &settled(&stack).await);
            }
            let as_ever = answer.status == good.status && changed == done;
            let put_off = answer.status == 503
                && answer.headers.contains_key("retry-after")
                && (changed == done || changed.is_empty());
            let what = format!("{name}, call {at} ({}), {fault:?} {times} times", operation.name);
            if met == 0 {
                problems.push(format!("{what}: it never came"));
            }
            // What goes wrong once is nobody's business.
            if !(as_ever || times == 3 && put_off) {
                problems.push(format!("{what}: {} {}\n{changed:#?}\nnot {done:#?}", answer.status, answer.text));
            }
            invariants::check(&stack.contents().await);
        }
    }
    (tried, problems)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_call_of_a_request_fails_it_is_done_whole_or_not_at_all() {
    let (mut tried, mut problems) = (0, Vec::new());
    let rows = access::table().into_iter().map(|row| (row, None));
    let variants = VARIANTS.into_iter().map(|(route, variant)| {
        let row = access::table().into_iter().find(|row| row.route == route);
        (row.expect("a route of the table"), Some(variant))
    });
    let mut rows = rows
        .chain(variants)
        .enumerate()
        .map(|(number, (row, variant))| tokio::spawn(async move { every_fault(number, &row, variant).await }));
    // Two at a time: there are no more cores to use.
    let mut running: std::collections::VecDeque<_> = rows.by_ref().take(2).collect();
    while let Some(row) = running.pop_front() {
        let (more, found) = row.await.unwrap();
        tried += more;
        problems.extend(found);
        running.extend(rows.next());
    }
    println!("{tried} faults");
    assert!(problems.is_empty(), "{}:\n{}", problems.len(), problems.join("\n"));
    assert!(tried * amount("LATCHKEY_TEST_FAULTS_OF", EVERY) > 2100, "{tried}");
}

/// What clients that try again came to.
#[derive(Debug, Default)]
struct Ledger {
    asked: usize,
    tries: usize,
    failed: usize,
    /// Names of keys that must be there in the end, and of those that must not.
    kept: Vec<String>,
    gone: Vec<String>,
}

/// Asks until there is an answer; `None` if there was none in twenty tries.
async fn ask(ledger: &mut Ledger, call: impl Fn() -> Call) -> Option<Answer> {
    ledger.asked += 1;
    for attempt in 0..20 {
        ledger.tries += 1;
        let answer = call().send_any().await;
        if answer.status != 503 {
            assert!(answer.status < 500, "{}: {}", answer.status, answer.text);
            return Some(answer);
        }
        assert!(answer.headers.contains_key("retry-after"));
        tokio::time::sleep(Duration::from_millis(10 << attempt.min(5))).await;
    }
    ledger.failed += 1;
    None
}

/// Presents a key, exchanges it, refreshes the token and revokes the key.
async fn use_key(person: &Person, ledger: &mut Ledger, key: &Created) {
    let me = || person.stack.request("GET", "/v1/users/me").header("ApiKey", &key.value);
    if let Some(answer) = ask(ledger, me).await {
        assert_eq!(answer.status, 200, "{}", answer.text);
    }
    let exchange = || person.stack.request("POST", "/v1/auth/authenticate").header("ApiKey", &key.value);
    if let Some(answer) = ask(ledger, exchange).await {
        assert_eq!(answer.status, 200, "{}", answer.text);
        let token = answer.body["Authorization"].as_str().unwrap().to_owned();
        let refresh = || person.stack.request("GET", "/v1/auth/refresh").header("Authorization", &token);
        if let Some(answer) = ask(ledger, refresh).await {
            assert_eq!(answer.status, 200, "{}", answer.text);
        }
    }
    let revoke = || person.request("PATCH", &key.path()).json(&json!({ "isActive": false }));
    if let Some(answer) = ask(ledger, revoke).await {
        assert_eq!(answer.status, 204, "{}", answer.text);
        if let Some(answer) = ask(ledger, me).await {
            assert_eq!(answer.status, 401, "{}", answer.text);
        }
    }
}

/// The life of keys, for a while. A request that comes again may find that it was carried out the first time.
async fn use_keys(person: Person, client: usize, until: Timestamp) -> Ledger {
    let mut ledger = Ledger::default();
    for number in 0.. {
        // A slow machine takes longer to do enough.
        if person.stack.clock.now() >= until && ledger.asked >= 30 {
            break;
        }
        let name = format!("key-{client}-{number}");
        let body = json!({ "metadata": { "name": name }, "spec": { "expiry": LATER } });
        let create = || person.request("POST", "/v1/apiKeys").json(&body);
        let Some(created) = ask(&mut ledger, create).await else { continue };
        ledger.kept.push(name.clone());
        let path = if created.status == 409 {
            // Carried out the first time, and the value is lost.
            let list = || person.request("GET", "/v1/apiKeys");
            let Some(listed) = ask(&mut ledger, list).await else { continue };
            let mut items = listed.body["items"].as_array().unwrap().iter();
            let uid = items.find(|item| item["metadata"]["name"] == name).unwrap()["metadata"]["uid"].as_str().unwrap();
            format!("/v1/apiKeys/{uid}")
        } else {
            assert_eq!(created.status, 201, "{}", created.text);
            let key = Created::of(&created);
            use_key(&person, &mut ledger, &key).await;
            key.path()
        };
        // A user may have twenty.
        if number % 8 > 0 || ledger.kept.len() > 14 {
            let delete = || person.request("DELETE", &path);
            if let Some(answer) = ask(&mut ledger, delete).await {
                assert!([204, 404].contains(&answer.status), "{}", answer.text);
                ledger.kept.pop();
                ledger.gone.push(name);
            }
        }
    }
    ledger
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn under_a_storm_of_faults_clients_that_try_again_get_through_and_nothing_is_doubled() {
    let stack = Stack::start().await;
    let organization = stack.tenant("northwind").await;
    let mut people = Vec::new();
    for _ in 0..8 {
        people.push(organization.user().await);
    }
    stack.request("POST", "/v1/auth/authenticate").header("ApiKey", &people[0].key).send().await;
    let span = Duration::from_secs(amount("LATCHKEY_TEST_STORM_OF_FAULTS_SECONDS", 5).try_into().unwrap());
    let until = stack.clock.now() + span;
    let rates = vec![(Fault::Throttle, 30), (Fault::Silence, 5), (Fault::FailAfter, 5)];
    stack.service.faults.fail_at_random(rates, 1);
    let clients: Vec<_> = people
        .iter()
        .enumerate()
        .map(|(client, person)| tokio::spawn(use_keys(person.clone(), client, until)))
        .collect();
    let mut all = Ledger::default();
    let mut expected = Vec::new();
    for client in clients {
        let ledger = client.await.unwrap();
        all.asked += ledger.asked;
        all.tries += ledger.tries;
        all.failed += ledger.failed;
        expected.push((ledger.kept, ledger.gone));
    }
    let (calls, met) = stack.service.faults.clear();
    for (person, (kept, gone)) in people.iter().zip(expected) {
        let listed = person.key_names().await;
        let count = |name: &String| listed.iter().filter(|listed| *listed == name).count();
        assert!(kept.iter().all(|name| count(name) == 1), "each once");
        assert!(gone.iter().all(|name| count(name) == 0));
        assert_eq!(listed.len(), kept.len() + 1, "and no other");
    }
    invariants::check(&stack.contents().await);
    println!("{} requests in {} tries, {} failed; {met} of {calls} calls went wrong", all.asked, all.tries, all.failed);
    assert!(met * 3 > calls, "{met} of {calls}");
    assert!(all.asked > 200 && all.failed * 1000 <= all.asked, "{all:?}");
}
