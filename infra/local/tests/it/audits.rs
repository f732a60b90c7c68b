//! The audit trail: one record for each change, and a chain that shows whether anybody has changed one.

use std::time::Duration;

use domain::{audit, role};
use local::export::export_trail;
use serde_json::{Value, json};

use crate::{
    session::{OTHER, PASSWORD, Session},
    stack::{Answer, LATER, Person, Stack},
};

async fn trail(stack: &Stack, org: &str) -> Vec<u8> {
    let mut export = Vec::new();
    export_trail(&stack.service, org, stack.clock.now(), &mut export).await.unwrap();
    export
}

/// Message, action, kind and uid of the resource of each record, the latest first.
async fn records(admin: &Person, query: &str) -> Vec<Value> {
    let answer = admin.get(&format!("/v1/audits{query}")).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.body["items"].as_array().unwrap().clone()
}

fn messages(records: &[Value]) -> Vec<&str> {
    records.iter().map(|record| record["spec"]["actionMsg"].as_str().unwrap()).collect()
}

fn audit_uid(answer: &Answer) -> String {
    answer.headers["audituid"].to_str().unwrap().to_owned()
}

#[tokio::test]
async fn every_change_of_a_key_leaves_one_record_that_its_answer_names() {
    let stack = Stack::start().await;
    let northwind = stack.tenant("northwind").await;
    let (admin, user) = (northwind.admin().await, northwind.user().await);
    let body = json!({ "metadata": { "name": "deploy" }, "spec": { "userUid": user.user.uid, "expiry": LATER } });
    let created = admin.request("POST", "/v1/apiKeys").header("user-agent", "curl/8").json(&body).send().await;
    let path = format!("/v1/apiKeys/{}", created.body["uid"].as_str().unwrap());
    let answers = [
        created,
        user.put(&path, json!({ "metadata": { "name": "ci" } })).await,
        user.patch(&path, json!({ "isActive": false })).await,
        admin.put(&format!("{path}/state"), json!({ "isActive": true })).await,
        admin.delete(&path).await,
    ];
    let uids: Vec<String> = answers.iter().map(audit_uid).collect();
    let seen = records(&admin, "?resourceKind=apiKey&limit=5").await;
    let mut seen_uids: Vec<&str> = seen.iter().map(|record| record["metadata"]["uid"].as_str().unwrap()).collect();
    seen_uids.reverse();
    assert_eq!(seen_uids, uids);
    assert_eq!(
        messages(&seen),
        ["API key deleted", "API key re-activated", "API key revoked", "API key changed", "API key created"]
    );
    let first = admin.get(&format!("/v1/audits/{}", uids[0])).await.body;
    assert_eq!(first["spec"]["actor"]["user"]["uid"], json!(admin.user.uid), "who");
    assert_eq!(first["spec"]["actor"]["user"]["org"], json!("northwind"));
    assert_eq!(first["spec"]["subjectUid"], json!(user.user.uid), "in whose name");
    assert_eq!(first["spec"]["credential"], json!({ "kind": "apiKey", "uid": admin.key_uid }), "by what");
    assert_eq!(first["spec"]["source"], json!({ "address": "127.0.0.1", "userAgent": "curl/8" }), "from where");
    assert_eq!(first["spec"]["actionType"], json!("create"));
    let words = admin.get(&format!("/v1/audits/{}/sysMsg", uids[1])).await.body;
    assert_eq!(words["contentMsg"], json!("Key deploy changed: name deploy → ci"));
    // What changes nothing leaves nothing.
    let other = user.api_key("other").await;
    let before = records(&admin, "").await.len();
    let nothing = user.patch(&other.path(), json!({ "isActive": true })).await;
    assert!(nothing.status == 204 && !nothing.headers.contains_key("audituid"));
    assert_eq!(user.patch(&other.path(), json!({})).await.status, 204);
    assert_eq!(records(&admin, "").await.len(), before + 1);
}

#[tokio::test]
async fn people_and_settings_leave_records_and_refusals_too() {
    let stack = Stack::start().await;
    let ines = stack.sign_up("ines@northwind.example", "northwind", PASSWORD).await;
    let tenant = ines.tenant_uid().await;
    let (uid, invitation) = ines.invite("tom@northwind.example", &[role::TENANT_VIEWER.uid]).await;
    assert_eq!(stack.set_password(&invitation, "activate", OTHER).await.status, 204);
    stack.sign_in("tom@northwind.example", "wrong", None).await;
    let tom = stack.session("tom@northwind.example", OTHER, None).await;
    let idle = json!({ "expiryTimeMinutes": 60 });
    assert_eq!(ines.call("PUT", &format!("/v1/tenants/{tenant}/authTokenSettings"), Some(idle)).await.status, 204);
    let roles = json!({ "roles": [] });
    assert_eq!(ines.call("PUT", &format!("/v1/users/{uid}/roles"), Some(roles)).await.status, 204);
    let change = json!({ "emailId": "tom@northwind.example", "currentPassword": OTHER, "newPassword": PASSWORD });
    assert_eq!(tom.call("PATCH", "/v1/users/password/change", Some(change)).await.status, 204);
    let refused = stack.request("GET", "/v1/auth/refresh").header("Authorization", &tom.token).send().await;
    assert_eq!(refused.status, 401);
    let out = json!({ "tokens": [stack.session("tom@northwind.example", PASSWORD, None).await.token] });
    assert_eq!(ines.call("POST", "/v1/users/auth/tokens/revoke", Some(out)).await.status, 204);
    assert_eq!(
        stack.post("/v1/auth/user/password/reset", json!({ "emailId": "tom@northwind.example" })).await.status,
        204
    );
    assert_eq!(ines.call("DELETE", &format!("/v1/users/{uid}"), None).await.status, 204);

    let list = ines.call("GET", "/v1/audits", None).await.body;
    let seen = messages(list["items"].as_array().unwrap());
    assert_eq!(
        seen,
        [
            "User deleted",
            "User disabled",
            "Link to set a password asked for",
            "Session ended",
            "Signed in",
            "Refresh refused",
            "Password changed",
            "User changed",
            "Settings changed",
            "Signed in",
            "Sign-in refused",
            "User activated",
            "User invited",
            "Signed in",
            "User activated",
            "Organization created",
        ]
    );
    let everything = stack.everything().await;
    let records: Vec<&str> = everything.lines().filter(|line| line.contains("AuditsTable")).collect();
    for secret in [PASSWORD, OTHER, &ines.token, invitation.as_str(), "argon2"] {
        assert!(!records.iter().any(|record| record.contains(secret)), "no secret in the trail");
    }
}

#[tokio::test]
async fn lists_are_filtered_paged_and_made_tables() {
    let stack = Stack::start().await;
    let northwind = stack.tenant("northwind").await;
    let (admin, user) = (northwind.admin().await, northwind.user().await);
    for number in 0..12 {
        user.api_key(&format!("=key-{number}")).await;
    }
    let by_user = format!("?userUid={}&resourceKind=apiKey&actionType=create", user.user.uid);
    assert_eq!(records(&admin, &by_user).await.len(), 12);
    // Page after page, each record once, in order.
    let (mut seen, mut next) = (Vec::new(), String::new());
    loop {
        let page = admin.get(&format!("/v1/audits{by_user}&limit=5&continue={next}")).await.body;
        seen.extend(page["items"].as_array().unwrap().iter().map(|it| it["metadata"]["uid"].clone()));
        next = page["listmeta"]["continue"].as_str().unwrap().to_owned();
        if next.is_empty() {
            break;
        }
    }
    assert_eq!(seen.len(), 12);
    assert!(seen.windows(2).all(|pair| pair[0].as_str() > pair[1].as_str()));
    let offset = records(&admin, &format!("{by_user}&offset=10")).await;
    assert_eq!(offset.len(), 2);
    let now = stack.clock.now();
    let at = |moment: domain::Timestamp| moment.to_string().replace('+', "%2B");
    assert_eq!(records(&admin, &format!("{by_user}&startTime={}", at(now + Duration::from_secs(1)))).await.len(), 0);
    assert_eq!(records(&admin, &format!("{by_user}&endTime={}", at(now - Duration::from_hours(1)))).await.len(), 0);
    assert_eq!(records(&admin, &format!("{by_user}&startTime=2020-01-02T03:04:05.678%2B02:00")).await.len(), 12);
    for bad in ["?limit=51", "?startTime=yesterday", "?continue=x", "?limit=-1"] {
        let refused = admin.get(&format!("/v1/audits{bad}")).await;
        assert_eq!((refused.status, refused.code()), (400, "InvalidRequest"), "{bad}");
    }
    let other = stack.tenant("fabrikam").await.admin().await;
    let foreign = seen[0].as_str().unwrap();
    let random = crate::stack::random_uid(&stack);
    assert_eq!(
        other.get(&format!("/v1/audits/{foreign}")).await.bytes(),
        other.get(&format!("/v1/audits/{random}")).await.bytes()
    );
    assert_eq!(other.get(&format!("/v1/audits?tenantUid={}", admin.user.tenant)).await.status, 403);
    let table = admin.request("GET", &format!("/v1/audits{by_user}")).header("accept", "text/csv").send_any().await;
    assert_eq!(table.headers["content-type"], "text/csv; charset=utf-8");
    assert_eq!(table.headers["content-disposition"], "attachment; filename=\"audit-northwind.csv\"");
    assert_eq!(table.text.lines().count(), 13);
    assert!(table.text.contains(",\"'=key-3\","), "no formula: {}", table.text);
}

#[tokio::test]
async fn only_the_actor_notes_why() {
    let stack = Stack::start().await;
    let northwind = stack.tenant("northwind").await;
    let (admin, user) = (northwind.admin().await, northwind.user().await);
    let body = json!({ "metadata": { "name": "n" }, "spec": { "expiry": LATER } });
    let uid = audit_uid(&user.post("/v1/apiKeys", body).await);
    let path = format!("/v1/audits/{uid}/userMsg");
    assert_eq!(user.patch(&path, json!({ "userMsg": "for the nightly build" })).await.status, 204);
    let refused = admin.patch(&path, json!({ "userMsg": "not mine" })).await;
    assert_eq!((refused.status, refused.code()), (403, "OperationForbidden"));
    assert_eq!(northwind.user().await.patch(&path, json!({ "userMsg": "not mine" })).await.status, 404);
    assert_eq!(user.patch(&path, json!({ "userMsg": "ab" })).await.status, 400);
    let shown = admin.get(&format!("/v1/audits/{uid}")).await.body;
    assert_eq!(shown["spec"]["userMsg"], json!("for the nightly build"));
    // The note is beside the record, which stays what it was.
    audit::verify(&trail(&stack, "northwind").await).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn changes_at_the_same_time_make_one_chain_in_which_one_changed_byte_is_found() {
    let stack = Stack::start().await;
    let northwind = stack.tenant("northwind").await;
    let admin = northwind.admin().await;
    let users = [northwind.user().await, northwind.user().await, northwind.user().await];
    let other_instance = stack.another_instance().await;
    let creates: Vec<_> = (0..45)
        .map(|number| {
            let user = users[number % 3].clone();
            let stack = if number % 2 == 0 { stack.clone() } else { other_instance.clone() };
            tokio::spawn(async move {
                let body = json!({ "metadata": { "name": format!("key-{number}") }, "spec": { "expiry": LATER } });
                stack.request("POST", "/v1/apiKeys").header("ApiKey", &user.key).json(&body).send().await.status
            })
        })
        .collect();
    for create in creates {
        assert_eq!(create.await.unwrap(), 201);
    }
    stack.service.link_records().await;
    other_instance.service.link_records().await;
    let export = trail(&stack, "northwind").await;
    let verified = audit::verify(&export).unwrap();
    assert_eq!(verified.head.tenant, admin.user.tenant);
    // The tenant, its five users with a key each, and the keys.
    let count = String::from_utf8(export.clone()).unwrap().lines().count() - 1;
    assert_eq!(verified.count, count as u64);
    assert!(count >= 45 + 9, "{count}");
    for at in (0..export.len()).step_by(7) {
        let mut changed = export.clone();
        changed[at] ^= 1;
        let line = String::from_utf8_lossy(&export[..at]).matches('\n').count() + 1;
        assert_eq!(audit::verify(&changed).unwrap_err().line, line);
    }
    // Delivered once more, and twice in one batch, nothing is linked twice.
    stack.service.find_undelivered().await.unwrap();
    stack.service.link_records().await;
    assert_eq!(trail(&stack, "northwind").await, export);
    let body = json!({ "metadata": { "name": "last" }, "spec": { "expiry": LATER } });
    assert_eq!(user_without_linking(&stack, &users[0], body).await, 201);
    stack.service.find_undelivered().await.unwrap();
    stack.service.link_records().await;
    let verified = audit::verify(&trail(&stack, "northwind").await).unwrap();
    assert_eq!(verified.count, count as u64 + 1);
}

/// Creates a key by the function itself, whose record the server then knows of twice: by its stream and by a search.
async fn user_without_linking(stack: &Stack, user: &Person, body: Value) -> i64 {
    let event = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../events/api_key_create.json"));
    let mut event: Value = serde_json::from_str(&event.unwrap()).unwrap();
    event["headers"]["apikey"] = json!(user.key);
    event["body"] = json!(body.to_string());
    let function = stack.service.template.functions.iter().find(|function| function.name == "api_key_create").unwrap();
    let answer = local::gateway::invoke(&stack.service, function, &event.to_string()).await.unwrap();
    answer["statusCode"].as_i64().unwrap()
}

#[tokio::test]
async fn a_person_hears_of_keys_that_they_have_not_made_by_signing_in() {
    let stack = Stack::start().await;
    let ines = stack.sign_up("ines@northwind.example", "northwind", PASSWORD).await;
    let (uid, invitation) = ines.invite("tom@northwind.example", &[]).await;
    let key = |name: &str| json!({ "metadata": { "name": name }, "spec": { "userUid": uid, "expiry": LATER } });
    let pending = ines.call("POST", "/v1/apiKeys", Some(key("early"))).await;
    assert_eq!((pending.status, pending.code()), (403, "OperationForbidden"), "before he has proven the address");
    stack.set_password(&invitation, "activate", OTHER).await;
    let subjects = || {
        let mails = stack.mails().into_iter().filter(|mail| mail.to == "tom@northwind.example");
        mails.map(|mail| (mail.subject, mail.text)).collect::<Vec<_>>()
    };
    let before = subjects().len();
    let made = ines.call("POST", "/v1/apiKeys", Some(key("by an admin"))).await;
    let (subject, text) = subjects().pop().unwrap();
    assert_eq!(subject, "A new API key in your name");
    assert!(text.contains("\"by an admin\", made by Ines Alba, until 1 January 2099"), "{text}");
    let value = made.body["apiKey"].as_str().unwrap().to_owned();
    assert!(!text.contains(&value[3..]), "never the key itself");
    let child = json!({ "metadata": { "name": "child" }, "spec": { "expiry": LATER } });
    assert_eq!(stack.request("POST", "/v1/apiKeys").header("ApiKey", &value).json(&child).send().await.status, 201);
    assert!(subjects().pop().unwrap().1.contains("made by your API key \"by an admin\""));
    let tom: Session = stack.session("tom@northwind.example", OTHER, None).await;
    let own = json!({ "metadata": { "name": "own" }, "spec": { "expiry": LATER } });
    assert_eq!(tom.call("POST", "/v1/apiKeys", Some(own)).await.status, 201);
    assert_eq!(subjects().len(), before + 2, "not of those that he makes himself");
}
