//! The users of a tenant: inviting, changing, removing, and who may.

use std::time::Duration;

use domain::role;
use serde_json::json;

use crate::{
    session::{OTHER, PASSWORD, Session},
    stack::{Person, Stack},
};

#[tokio::test]
async fn users_are_found_at_once_and_all_of_them_with_limit_zero() {
    let stack = Stack::start().await;
    let northwind = stack.tenant("northwind").await;
    let admin = northwind.admin().await;
    for number in 0..60 {
        let body = json!({ "spec": { "firstName": format!("U{number}"), "lastName": "Test", "emailId": format!("u{number}@northwind.example") } });
        assert_eq!(admin.post("/v1/users", body).await.status, 201);
    }
    let filter = json!({ "filter": { "emailId": { "eq": "U59@northwind.example" } }, "sort": null });
    let found = admin.post("/v1/users/summary", filter).await;
    assert_eq!(found.body["items"].as_array().unwrap().len(), 1);
    assert_eq!(found.body["items"][0]["spec"]["firstName"], json!("U59"));
    let page = async |query: &str| admin.get(&format!("/v1/users{query}")).await.body;
    assert_eq!(page("?limit=0").await["items"].as_array().unwrap().len(), 62);
    let first = page("").await;
    assert_eq!(first["items"].as_array().unwrap().len(), 50);
    assert_eq!(first["listmeta"], json!({ "continue": "50", "count": 62, "limit": 50, "offset": 50 }));
    let rest = page("?continue=50").await;
    assert_eq!((rest["items"].as_array().unwrap().len(), &rest["listmeta"]["continue"]), (12, &json!("")));
    assert_eq!(page("?filters=spec.emailId=u7@northwind.example").await["items"].as_array().unwrap().len(), 1);
    assert_eq!(admin.get("/v1/users?limit=51").await.status, 400);
    assert_eq!(admin.get("/v1/users/meta").await.body["items"].as_array().unwrap().len(), 62);
    let twice = admin
        .post("/v1/users", json!({ "spec": { "firstName": "U", "lastName": "T", "emailId": "U7@northwind.EXAMPLE" } }))
        .await;
    assert_eq!((twice.status, twice.code()), (409, "UserAlreadyExists"));
}

async fn roles(person: &Person, user: &Person, roles: &[domain::RoleUid]) -> String {
    let answer = person.put(&format!("/v1/users/{}/roles", user.user.uid), json!({ "roles": roles })).await;
    format!("{} {}", answer.status, answer.code())
}

#[tokio::test]
async fn nobody_grants_what_they_lack_and_the_last_admin_stays() {
    let stack = Stack::start().await;
    let ines = stack.sign_up("ines@northwind.example", "northwind", PASSWORD).await;
    let (ada_uid, invitation) = ines.invite("ada@northwind.example", &[role::TENANT_USER_ADMIN.uid]).await;
    stack.set_password(&invitation, "activate", PASSWORD).await;
    let ada = stack.session("ada@northwind.example", PASSWORD, None).await;
    let ines_uid = ines.call("GET", "/v1/users/info", None).await.body["userUid"].as_str().unwrap().to_owned();
    let set = async |session: &Session, uid: &str, roles: &[domain::RoleUid]| {
        let answer = session.call("PUT", &format!("/v1/users/{uid}/roles"), Some(json!({ "roles": roles }))).await;
        format!("{} {}", answer.status, answer.code())
    };
    let (admin, user_admin) = (role::TENANT_ADMIN.uid, role::TENANT_USER_ADMIN.uid);
    assert_eq!(set(&ada, &ada_uid, &[admin]).await, "403 OperationForbidden");
    assert_eq!(set(&ada, &ines_uid, &[]).await, "403 OperationForbidden");
    let body =
        json!({ "spec": { "firstName": "E", "lastName": "V", "emailId": "eve@northwind.example", "roles": [admin] } });
    assert_eq!(ada.call("POST", "/v1/users", Some(body)).await.code(), "OperationForbidden");
    assert_eq!(ada.call("DELETE", &format!("/v1/users/{ines_uid}"), None).await.status, 403);
    let disable = json!([{ "op": "replace", "path": "/status/isActive", "value": false }]);
    assert_eq!(ada.call("PATCH", &format!("/v1/users/{ines_uid}"), Some(disable.clone())).await.status, 403);

    assert_eq!(set(&ines, &ines_uid, &[user_admin]).await, "403 OperationForbidden", "the last admin");
    assert_eq!(set(&ines, &ada_uid, &[admin]).await, "204 ");
    assert_eq!(ines.call("DELETE", &format!("/v1/users/{ines_uid}"), None).await.status, 403, "oneself");
    assert_eq!(set(&ines, &ines_uid, &[user_admin]).await, "204 ", "another one is there");
    assert_eq!(ines.call("GET", "/v1/roles", None).await.status, 403, "at once");
    assert_eq!(ada.call("PATCH", &format!("/v1/users/{ines_uid}"), Some(disable)).await.status, 204);
    assert_eq!(ines.status().await, 401, "at once");
    assert_eq!(ada.call("DELETE", &format!("/v1/users/{ines_uid}"), None).await.status, 204);
    assert_eq!(ada.call("GET", &format!("/v1/users/{ines_uid}"), None).await.code(), "UserNotFound");
    assert_eq!(set(&ada, &ada_uid, &[]).await, "403 OperationForbidden", "the last admin again");
    crate::invariants::check(&stack.contents().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_admins_who_demote_each_other_leave_one() {
    let stack = Stack::start().await;
    for round in 0..20 {
        let tenant = stack.tenant(&format!("tenant-{round}")).await;
        let (one, other) = (tenant.admin().await, tenant.admin().await);
        // Besides the two there is the founder, who is demoted first.
        let founder = stack
            .service
            .store
            .users(tenant.tenant.uid)
            .await
            .unwrap()
            .into_iter()
            .find(|user| user.first_name == "Founder")
            .unwrap();
        assert_eq!(one.put(&format!("/v1/users/{}/roles", founder.uid), json!({ "roles": [] })).await.status, 204);
        let (first, second) = (one.clone(), other.clone());
        let demote = tokio::spawn(async move { roles(&first, &second, &[]).await });
        let back = roles(&other, &one, &[]).await;
        let outcomes = [demote.await.unwrap(), back];
        let demoted = outcomes.iter().filter(|outcome| outcome.starts_with("204")).count();
        assert_eq!(demoted, 1, "{outcomes:?}");
    }
}

#[tokio::test]
async fn a_removed_user_takes_keys_and_sessions_along_and_comes_back_as_another() {
    let stack = Stack::start().await;
    let ines = stack.sign_up("ines@northwind.example", "northwind", PASSWORD).await;
    let (uid, invitation) = ines.invite("tom@northwind.example", &[]).await;
    stack.set_password(&invitation, "activate", OTHER).await;
    let tom = stack.session("tom@northwind.example", OTHER, None).await;
    let body = json!({ "metadata": { "name": "key" }, "spec": { "expiry": crate::stack::LATER } });
    let key = tom.call("POST", "/v1/apiKeys", Some(body)).await.body["apiKey"].as_str().unwrap().to_owned();
    assert_eq!(ines.call("DELETE", &format!("/v1/users/{uid}"), None).await.status, 204);
    assert_eq!(tom.status().await, 401);
    assert_eq!(stack.request("GET", "/v1/users/me").header("ApiKey", &key).send().await.status, 401);
    assert_eq!(stack.sign_in("tom@northwind.example", OTHER, None).await.code(), "InvalidCredentials");
    // The records of his session stay until its time is over; they open nothing without a user.
    let left = stack.contents().await;
    let left: Vec<_> = left.lines().filter(|line| line.contains(&uid) && !line.contains("SESSION")).collect();
    assert!(left.is_empty(), "{left:?}");
    stack.advance(Duration::from_mins(1));
    let (again, invitation) = ines.invite("tom@northwind.example", &[]).await;
    assert_ne!(again, uid);
    stack.set_password(&invitation, "activate", OTHER).await;
    assert_eq!(
        stack.request("GET", "/v1/users/me").header("ApiKey", &key).send().await.status,
        401,
        "nor does his key"
    );
    assert_eq!(tom.status().await, 401);
}

#[tokio::test]
async fn what_only_the_service_decides_cannot_be_assigned() {
    let stack = Stack::start().await;
    let user = stack.tenant("northwind").await.user().await;
    let path = format!("/v1/users/{}", user.user.uid);
    let body = json!({ "metadata": { "uid": "x", "creationTimestamp": "2001-01-01T00:00:00Z" },
        "spec": { "firstName": "Thomas", "roles": [role::TENANT_ADMIN.uid] }, "status": { "isActive": false },
        "emailVerified": true, "tenantUid": "x", "is_active": false, "roles": ["Tenant Admin"] });
    assert_eq!(user.put(&path, body).await.status, 204);
    let shown = user.get(&path).await.body;
    assert_eq!(shown["spec"]["firstName"], json!("Thomas"));
    assert_eq!((&shown["spec"]["roles"], &shown["status"]["isActive"]), (&json!([]), &json!(true)));
    assert_eq!(user.get("/v1/users").await.status, 403);
    assert_eq!(
        user.put(&path, json!({ "spec": { "emailId": "other@northwind.example" } })).await.code(),
        "InvalidRequest"
    );
    for operation in [
        json!({ "op": "replace", "path": "/spec/roles", "value": [role::TENANT_ADMIN.uid] }),
        json!({ "op": "replace", "path": "/status/isActive", "value": false }),
        json!({ "op": "remove", "path": "/spec/firstName" }),
        json!({ "op": "move", "from": "/spec/firstName", "path": "/spec/lastName" }),
        json!({ "op": "replace", "path": "/spec/firstName", "value": 7 }),
    ] {
        let refused = user.request("PATCH", &path).body(json!([operation]).to_string()).send().await;
        assert_eq!((refused.status, refused.code()), (400, "InvalidRequest"), "{operation}");
    }
    let renamed = json!([{ "op": "replace", "path": "/spec/lastName", "value": "Berg" }]);
    assert_eq!(user.request("PATCH", &path).body(renamed.to_string()).send().await.status, 204);
    assert_eq!(user.patch(&format!("{path}/status/loginMode"), json!({ "loginMode": "dev" })).await.status, 204);
    assert_eq!(user.get("/v1/users/me").await.body["status"]["loginMode"], json!("dev"));
}

#[tokio::test]
async fn what_clients_of_palette_ask_first_is_answered() {
    let stack = Stack::start().await;
    let northwind = stack.tenant("northwind").await;
    let (admin, user) = (northwind.admin().await, northwind.user().await);
    let projects = admin.get("/v1/dashboard/projects/metadata?name=").await;
    assert_eq!(projects.body["items"][0]["metadata"]["name"], json!("Default"));
    assert_eq!(admin.get("/v1/dashboard/projects/metadata?name=Other").await.body["items"], json!([]));
    for path in ["/v1/projects/alerts", "/v1/projects/alert"] {
        assert_eq!(user.get(path).await.body["components"][0]["supportedChannels"], json!(["email"]));
    }
    assert_eq!(admin.get("/v1/users").await.status, 200);
    assert_eq!(user.get("/v1/users").await.status, 403);
    let roles = admin.get("/v1/roles").await;
    assert_eq!(roles.body["items"][0]["metadata"]["name"], json!("Tenant Admin"));
    let admin_role = format!("/v1/roles/{}", role::TENANT_ADMIN.uid);
    assert_eq!(admin.get(&admin_role).await.body["spec"]["type"], json!("system"));
    let path = format!("/v1/users/{}", user.user.uid);
    assert_eq!(admin.get(&format!("{path}/roles")).await.body, json!({ "roles": [], "inheritedRoles": [] }));
    assert_eq!(admin.put(&format!("{path}/projects"), json!({ "projects": [] })).await.status, 204);
    assert_eq!(admin.get(&format!("{path}/resourceRoles")).await.text, "{}");
    assert_eq!(admin.get(&format!("/v1/workspaces/users/{}/roles", user.user.uid)).await.text, "{}");
    let described = stack.request("GET", "/v1/auth/org?orgName=northwind").send().await;
    assert_eq!((described.status, &described.body["authType"]), (200, &json!("password")));
    assert_eq!(stack.request("GET", "/v1/auth/org?orgName=nowhere").send().await.code(), "ResourceNotFound");
}

#[tokio::test]
async fn permissions_are_a_bare_array() {
    let stack = Stack::start().await;
    let user = stack.tenant("northwind").await.user().await;
    let answer = user.request("GET", "/v1/permissions?scope=tenant").send().await;
    assert_eq!(
        answer.body[0],
        json!({ "name": "API Key", "scope": "tenant", "permissions": ["apiKey.create", "apiKey.delete", "apiKey.get", "apiKey.list", "apiKey.update"] })
    );
    assert_eq!(user.get("/v1/permissions?scope=moon").await.status, 400);
}

#[tokio::test]
async fn an_admin_sets_the_password_only_of_one_who_is_theirs_alone() {
    let stack = Stack::start().await;
    let ines = stack.sign_up("ines@northwind.example", "northwind", PASSWORD).await;
    let (tom_uid, invitation) = ines.invite("tom@northwind.example", &[]).await;
    stack.set_password(&invitation, "activate", OTHER).await;
    let path = format!("/v1/users/{tom_uid}/password/change");
    let body = json!({ "newPassword": "Quarry-9-lantern" });
    assert_eq!(ines.call("PATCH", &path, Some(body.clone())).await.status, 204);
    assert_eq!(stack.sign_in("tom@northwind.example", "Quarry-9-lantern", None).await.status, 200);
    // Tom comes to belong to another organization too.
    stack.sign_up("tom@northwind.example", "fabrikam", OTHER).await;
    assert_eq!(ines.call("PATCH", &path, Some(body)).await.code(), "OperationForbidden");
    stack.advance(Duration::from_mins(2));
    assert_eq!(ines.call("PATCH", &format!("/v1/users/{tom_uid}/password/reset"), None).await.status, 204);
    let token = stack.mailed_token("tom@northwind.example");
    assert_eq!(stack.set_password(&token, "reset", PASSWORD).await.status, 204);
}

#[tokio::test]
async fn an_invitation_gives_the_inviter_nothing_and_takes_nothing_from_the_invited() {
    let stack = Stack::start().await;
    let victim = "victim@corp.example";
    let evil = stack.sign_up("evil@evil.example", "evil-org", PASSWORD).await;
    let (uid, invitation) = evil.invite(victim, &[]).await;
    // Nobody but the person can accept, set a password, or make the user active.
    let refused =
        evil.call("PATCH", &format!("/v1/users/{uid}/password/change"), Some(json!({ "newPassword": OTHER }))).await;
    assert_eq!((refused.status, refused.code()), (403, "OperationForbidden"));
    for is_active in [true, false] {
        let body = json!([{ "op": "replace", "path": "/status/isActive", "value": is_active }]);
        assert_eq!(evil.call("PATCH", &format!("/v1/users/{uid}"), Some(body)).await.code(), "OperationForbidden");
    }
    // A policy does not bind who has not accepted.
    let tenant = evil.tenant_uid().await;
    let policy = json!({ "minLength": 40 });
    assert_eq!(evil.call("POST", &format!("/v1/tenants/{tenant}/password/policy"), Some(policy)).await.status, 204);
    let corp = stack.sign_up(victim, "corp", PASSWORD).await;
    assert_eq!(corp.status().await, 200);
    let forgot = format!("/v1/auth/user/org/forgot?emailId={victim}");
    stack.request("GET", &forgot).send().await;
    let mail = stack.mails().pop().unwrap();
    assert!(mail.text.contains("/o/corp") && !mail.text.contains("evil-org"), "{}", mail.text);
    assert_eq!(stack.sign_in(victim, PASSWORD, None).await.status, 200, "nor does it make them choose");
    assert_eq!(
        stack.set_password(&invitation, "activate", OTHER).await.code(),
        "PasswordPolicyViolation",
        "who accepts is bound"
    );
    // Taken back, the link is void.
    assert_eq!(evil.call("DELETE", &format!("/v1/users/{uid}"), None).await.status, 204);
    assert_eq!(stack.set_password(&invitation, "activate", OTHER).await.code(), "InvalidPasswordToken");
    assert_eq!(stack.sign_in(victim, PASSWORD, None).await.status, 200);
}

#[tokio::test]
async fn nobody_is_bombed_with_invitations_or_lured_by_names() {
    let stack = Stack::start().await;
    let admin = stack.tenant("northwind").await.admin().await;
    let body = |name: &str| json!({ "spec": { "firstName": name, "lastName": "Berg", "emailId": "tom@corp.example" } });
    let created = admin.post("/v1/users", body("Tom")).await;
    assert_eq!(created.status, 201);
    let path = format!("/v1/users/{}", created.body["uid"].as_str().unwrap());
    assert_eq!(admin.delete(&path).await.status, 204);
    let again = admin.post("/v1/users", body("Tom")).await;
    assert_eq!((again.status, again.code()), (409, "ResourceConflict"));
    stack.advance(std::time::Duration::from_mins(1));
    assert_eq!(admin.post("/v1/users", body("J.R. St. Tom")).await.status, 201);
    for name in ["evil-prize.com", "Claim at evil.example now", "a.bc"] {
        assert_eq!(admin.post("/v1/users", body(name)).await.code(), "InvalidRequest", "{name}");
    }
}

#[tokio::test]
async fn a_key_tells_nothing_of_other_organizations() {
    let stack = Stack::start().await;
    let ines = stack.sign_up("ines@northwind.example", "northwind", PASSWORD).await;
    stack.sign_up("ines@northwind.example", "fabrikam", PASSWORD).await;
    let ines = {
        drop(ines);
        stack.session("ines@northwind.example", PASSWORD, Some("northwind")).await
    };
    assert_eq!(ines.call("GET", "/v1/auth/orgs", None).await.body["organizations"].as_array().unwrap().len(), 2);
    let body = json!({ "metadata": { "name": "key" }, "spec": { "expiry": crate::stack::LATER } });
    let key = ines.call("POST", "/v1/apiKeys", Some(body)).await.body["apiKey"].as_str().unwrap().to_owned();
    let token = crate::stack::token_of(&stack, &key).await;
    for (header, value) in [("ApiKey", &key), ("Authorization", &token)] {
        let organizations = stack.request("GET", "/v1/auth/orgs").header(header, value).send().await.body;
        let names: Vec<_> = organizations["organizations"].as_array().unwrap().iter().map(|it| &it["name"]).collect();
        assert_eq!(names, [&json!("northwind")]);
    }
}
