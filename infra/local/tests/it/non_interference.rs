//! What one organization does is invisible to another one.

use domain::role;
use local::draws::Draws;
use serde_json::json;

use crate::{
    access::{self, Target},
    session::{OTHER, PASSWORD, Session},
    stack::{Answer, LATER, Organization, Person, Stack, amount, random_uid},
};

/// Everything that people of an organization, programs and passers-by can read of it.
struct Crawl {
    stack: Stack,
    admin: Person,
    session: Session,
    org: String,
}

impl Crawl {
    async fn new(stack: &Stack, org: &str) -> Self {
        let session = stack.sign_up(&format!("ines@{org}.example"), org, PASSWORD).await;
        let uid = session.tenant_uid().await.parse().unwrap();
        let tenant = stack.service.store.tenant(uid).await.unwrap().unwrap();
        let admin = Organization { stack: stack.clone(), tenant }.person("Ada", &[role::TENANT_ADMIN.uid]).await;
        Self { stack: stack.clone(), admin, session, org: org.to_owned() }
    }

    /// What each route answers, without date and reference.
    async fn answers(&self) -> Vec<String> {
        let mut seen = Vec::new();
        let mut note = |what: &str, answer: &Answer| {
            let headers: Vec<_> =
                answer.headers.iter().filter(|(name, _)| !["date", "x-request-id"].contains(&name.as_str())).collect();
            seen.push(format!("{what}: {headers:?} {}", answer.bytes()));
        };
        let users = self.admin.get("/v1/users").await;
        let keys = self.admin.get("/v1/apiKeys").await;
        let audits = self.admin.get("/v1/audits").await;
        let uids = |list: &Answer| {
            let items = list.body["items"].as_array().unwrap().clone();
            items.iter().map(|item| item["metadata"]["uid"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        let (users, keys, audits) = (uids(&users), uids(&keys), uids(&audits));
        assert!(users.len() == 2 && keys.len() > 1 && audits.len() > 3);
        let tenant = self.admin.user.tenant.to_string();
        for row in access::table() {
            let Some(pattern) = row.route.strip_prefix("GET ") else { continue };
            // These make something new each time they are asked.
            if pattern.contains("/refresh") || pattern.ends_with("/login") || pattern.ends_with("/forgot") {
                continue;
            }
            let of = if pattern.contains("/audits/") {
                &audits
            } else if pattern.contains("{user}") {
                &users
            } else {
                &keys
            };
            for uid in of {
                let target = Target { tenant: tenant.clone(), org: self.org.clone(), ..Target::named(uid) };
                let (_, path) = row.place(&target);
                note(&path, &self.admin.request("GET", &path).send_any().await);
                note(
                    &path,
                    &self.stack.request("GET", &path).header("Authorization", &self.session.token).send_any().await,
                );
                note(&path, &self.stack.request("GET", &path).send_any().await);
                if !row.route.contains("{uid}") && !row.route.contains("{user}") {
                    break;
                }
            }
        }
        for org in [self.org.as_str(), "free-name"] {
            note("validate", &self.stack.post("/v1/tenants/validate", json!({ "orgName": org })).await);
            note("banner", &self.stack.request("GET", &format!("/v1/auth/org/{org}/loginBanner")).send().await);
        }
        seen
    }
}

/// Somebody of the other organization does something, in order or out of it.
async fn act(
    draws: &mut Draws,
    admin: &Person,
    others: &Crawl,
    keys: &mut Vec<String>,
    users: &mut Vec<String>,
    number: usize,
) -> Answer {
    let tenant = admin.user.tenant.to_string();
    let nobody = random_uid(&admin.stack);
    let theirs = [others.admin.key_uid.to_string(), others.admin.user.uid.to_string()];
    let key = keys.get(draws.below(keys.len().max(1))).cloned().unwrap_or_else(|| nobody.clone());
    let key = if draws.below(10) == 0 { theirs[0].clone() } else { key };
    let user = users.get(draws.below(users.len().max(1))).cloned().unwrap_or(nobody);
    let user = if draws.below(10) == 0 { theirs[1].clone() } else { user };
    let their_tenant = others.admin.user.tenant.to_string();
    let tenant = if draws.below(10) == 0 { their_tenant } else { tenant };
    match draws.below(17) {
        0 | 1 => {
            let body = json!({ "metadata": { "name": format!("key-{number}") }, "spec": { "expiry": LATER, "userUid": draws.of(&[admin.user.uid.to_string(), user]) } });
            let answer = admin.post("/v1/apiKeys", body).await;
            keys.extend(answer.body["uid"].as_str().map(ToOwned::to_owned));
            answer
        }
        2 => {
            admin.put(&format!("/v1/apiKeys/{key}"), json!({ "metadata": { "name": format!("edit-{number}") } })).await
        }
        3 => admin.patch(&format!("/v1/apiKeys/{key}"), json!({ "isActive": number.is_multiple_of(2) })).await,
        4 => {
            keys.retain(|known| *known != key);
            admin.delete(&format!("/v1/apiKeys/{key}")).await
        }
        5 => {
            // An address may be of both organizations.
            let email = draws.of(&[format!("tom-{number}@one.example"), "ines@two-org.example".to_owned()]).clone();
            let body = json!({ "spec": { "firstName": "Tom", "lastName": "Berg", "emailId": email } });
            let answer = admin.post("/v1/users", body).await;
            users.extend(answer.body["uid"].as_str().map(ToOwned::to_owned));
            answer
        }
        6 => admin.put(&format!("/v1/users/{user}"), json!({ "spec": { "lastName": format!("Berg {number}") } })).await,
        7 => {
            let roles: Vec<_> = (number.is_multiple_of(2)).then_some(role::TENANT_ADMIN.uid).into_iter().collect();
            admin.put(&format!("/v1/users/{user}/roles"), json!({ "roles": roles })).await
        }
        8 => {
            users.retain(|known| *known != user);
            admin.delete(&format!("/v1/users/{user}")).await
        }
        9 => {
            let body = json!({ "title": format!("Banner {number}"), "message": "m", "isEnabled": true });
            admin.put(&format!("/v1/tenants/{tenant}/loginBanner"), body).await
        }
        10 => {
            let body = json!({ "minLength": 8 + number % 8, "expiryDurationInDays": 100 });
            admin.post(&format!("/v1/tenants/{tenant}/password/policy"), body).await
        }
        11 => {
            let body = json!({ "expiryTimeMinutes": 15 + number % 60 });
            admin.put(&format!("/v1/tenants/{tenant}/authTokenSettings"), body).await
        }
        12 => {
            let body = json!({ "domains": ["two-org.example", format!("one-{number}.example")] });
            admin.post(&format!("/v1/tenants/{tenant}/domains"), body).await
        }
        13 => {
            let path = draws.of(&["/v1/users", "/v1/apiKeys", "/v1/audits", "/v1/users/me"]);
            admin.get(&format!("{path}?limit={}", 1 + number % 50)).await
        }
        14 => {
            let path = draws.of(&[format!("/v1/apiKeys/{key}"), format!("/v1/users/{user}")]).clone();
            admin.get(&path).await
        }
        15 => {
            // Refused people of the other organization, and of none.
            let org = draws.of(&["one-org", "no-org"]);
            let key = format!("{}x", admin.key);
            let refused = admin.stack.request("GET", "/v1/users/me").header("ApiKey", &key).send().await;
            assert_eq!(refused.status, 401);
            if number.is_multiple_of(40) {
                admin.stack.sign_in("tom@one.example", OTHER, Some(org)).await
            } else {
                refused
            }
        }
        _ => {
            let token = admin.token().await;
            admin.post("/v1/users/auth/tokens/revoke", json!({ "tokens": [token] })).await
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_one_organization_does_another_sees_none_of_it() {
    let stack = Stack::start().await;
    let others = Crawl::new(&stack, "two-org").await;
    let admin = stack.tenant("one-org").await.admin().await;
    others.admin.api_key("ci").await;
    // The first look notes that its key and its session were used.
    others.answers().await;
    let moment = stack.clock.now();
    let before = others.answers().await;
    assert!(before.len() > 150, "{}", before.len());

    let mut draws = Draws::new(u64::try_from(amount("LATCHKEY_TEST_SEED", 1)).unwrap());
    let (mut keys, mut users) = (Vec::new(), Vec::new());
    let mut statuses: Vec<u16> = Vec::new();
    for number in 0..amount("LATCHKEY_TEST_OPERATIONS", 2000) {
        statuses.push(act(&mut draws, &admin, &others, &mut keys, &mut users, number).await.status);
    }
    // It is no trace of anybody that time has passed: minutes after its last use a session notes another one.
    stack.turn_back_to(moment);
    let after = others.answers().await;
    for (before, after) in before.iter().zip(&after) {
        assert_eq!(before, after);
    }
    assert_eq!(before.len(), after.len());
    let done = statuses.iter().filter(|status| **status < 300).count();
    assert!(done * 2 > statuses.len(), "{:?}", crate::stack::counted(statuses));
    eprintln!("{} operations, {done} of them done; {} answers alike", statuses.len(), after.len());
}
