//! The life of an API key over the wire.

use std::time::Duration;

use domain::role;
use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::stack::{Created, LATER, Stack, random_uid};

/// A body as the Go client sends it: with what its caller never set.
fn go_entity(name: &str, user_uid: &str, expiry: &str) -> Value {
    const ZERO: &str = "0001-01-01T00:00:00.000Z";
    json!({
        "metadata": { "annotations": null, "creationTimestamp": ZERO, "deletionTimestamp": ZERO, "labels": null,
                      "lastModifiedTimestamp": ZERO, "name": name },
        "spec": { "expiry": expiry, "userUid": user_uid },
    })
}

#[tokio::test]
async fn a_key_opens_from_its_creation_to_its_end() {
    let stack = Stack::start().await;
    let user = stack.tenant("northwind").await.user().await;
    let key = user.api_key("deploy").await;
    let opens = async || {
        let answer = stack.request("GET", "/v1/users/me").header("apikey", &key.value).send().await;
        answer.status
    };
    assert_eq!(opens().await, 200);
    assert_eq!(user.put(&format!("{}/state", key.path()), json!({ "isActive": false })).await.status, 204);
    assert_eq!(opens().await, 401);
    assert_eq!(user.patch(&key.path(), json!({ "isActive": true })).await.status, 204);
    assert_eq!(opens().await, 200);
    assert_eq!(user.delete(&key.path()).await.status, 204);
    assert_eq!(opens().await, 401);
    let again = user.delete(&key.path()).await;
    assert_eq!((again.status, again.code()), (404, "ResourceNotFound"));
}

#[tokio::test]
async fn the_answers_have_the_documented_form() {
    let stack = Stack::start().await;
    let northwind = stack.tenant("northwind").await;
    let (admin, user) = (northwind.admin().await, northwind.user().await);
    let created = admin
        .post(
            "/v1/apiKeys",
            json!({
                "metadata": { "name": " ci-deploy ", "annotations": { "description": "used by the farm", "team": "a",
                              "ownerUid": "forged", "tenantUid": "forged", "scope": "system" } },
                "spec": { "userUid": user.user.uid, "expiry": "2099-06-02T07:06:07.0894+02:00" },
            }),
        )
        .await;
    assert_eq!(created.status, 201);
    assert_eq!(created.body.as_object().unwrap().len(), 2);
    let key = Created::of(&created);
    let mut shown = user.get(&key.path()).await.body;
    let tail = created.body["apiKey"].as_str().unwrap()[64..].to_owned();
    assert_eq!(shown["spec"]["key"], format!("…{tail}"), "the end, by which it is found");
    shown["spec"]["key"] = json!("…TAIL");
    let now = shown["metadata"]["creationTimestamp"].clone();
    assert_eq!(shown["metadata"]["lastModifiedTimestamp"], now);
    shown["metadata"]["creationTimestamp"] = json!("now");
    shown["metadata"]["lastModifiedTimestamp"] = json!("now");
    let shown = shown
        .to_string()
        .replace(&key.uid, "KEY")
        .replace(&user.user.uid.to_string(), "USER")
        .replace(&admin.user.uid.to_string(), "ADMIN")
        .replace(&user.user.tenant.to_string(), "TENANT");
    assert_snapshot!(shown, @r#"{"metadata":{"annotations":{"description":"used by the farm","ownerUid":"ADMIN","scope":"tenant","team":"a","tenantUid":"TENANT"},"creationTimestamp":"now","deletionTimestamp":"0001-01-01T00:00:00.000Z","labels":{},"lastModifiedTimestamp":"now","name":"ci-deploy","uid":"KEY"},"spec":{"expiry":"2099-06-02T05:06:07.089Z","key":"…TAIL","user":{"firstName":"Tom","lastName":"Test","uid":"USER"}},"status":{"isActive":true,"lastUse":null}}"#);
}

#[tokio::test]
async fn the_value_is_shown_once() {
    let stack = Stack::start().await;
    let admin = stack.tenant("northwind").await.admin().await;
    let key = admin.api_key("deploy").await;
    for path in ["/v1/apiKeys", &key.path()] {
        let answer = admin.get(path).await;
        let (shown, hidden) = (&key.value[64..], &key.value[63..]);
        assert!(answer.text.contains(&format!("\"key\":\"…{shown}\"")), "{}", answer.text);
        assert!(!answer.text.contains(&key.value[3..40]) && !answer.text.contains(hidden), "{}", answer.text);
    }
    let contents = stack.contents().await;
    assert!(!contents.contains(&key.value[3..40]) && !contents.contains(&key.value[63..]));
}

#[tokio::test]
async fn missing_tenant_and_own_uid_all_mean_myself() {
    let stack = Stack::start().await;
    let user = stack.tenant("northwind").await.user().await;
    for (name, uid) in
        [("own", user.user.uid.to_string()), ("tenant", user.user.tenant.to_string()), ("empty", String::new())]
    {
        let created = user.post("/v1/apiKeys", go_entity(name, &uid, LATER)).await;
        assert_eq!(created.status, 201, "{name}: {}", created.text);
        let shown = user.get(&Created::of(&created).path()).await;
        assert_eq!(shown.body["spec"]["user"]["uid"], json!(user.user.uid));
    }
}

#[tokio::test]
async fn an_admin_makes_keys_for_others_and_nobody_for_one_who_may_do_more() {
    let stack = Stack::start().await;
    let (northwind, fabrikam) = (stack.tenant("northwind").await, stack.tenant("fabrikam").await);
    let (admin, user) = (northwind.admin().await, northwind.user().await);
    let user_admin = northwind.person("Ada", &[role::TENANT_USER_ADMIN.uid]).await;
    let stranger = fabrikam.user().await;
    let make = async |person: &crate::stack::Person, uid: String| {
        person.post("/v1/apiKeys", go_entity("for you", &uid, LATER)).await
    };
    let created = make(&admin, user.user.uid.to_string()).await;
    assert_eq!(created.status, 201);
    let me = stack.request("GET", "/v1/users/me").header("ApiKey", &Created::of(&created).value).send().await;
    assert_eq!(me.body["metadata"]["uid"], json!(user.user.uid));
    assert!(user.key_names().await.contains(&"for you".to_owned()));

    let refused = make(&user_admin, admin.user.uid.to_string()).await;
    assert_eq!((refused.status, refused.code()), (403, "OperationForbidden"));
    let refused = make(&user, admin.user.uid.to_string()).await;
    assert_snapshot!(refused.bytes(), @r#"403 {"code":"OperationForbidden","details":null,"message":"this needs the permission apiKey.create"}"#);
    // Who may not make keys for others does not learn who there is.
    assert_eq!(make(&user, random_uid(&stack)).await.bytes(), refused.bytes());
    for uid in [stranger.user.uid.to_string(), random_uid(&stack), "x".to_owned()] {
        let refused = make(&admin, uid).await;
        assert_eq!((refused.status, refused.code()), (404, "UserNotFound"));
    }
}

#[tokio::test]
async fn a_user_lists_their_own_keys_and_an_admin_those_of_all() {
    let stack = Stack::start().await;
    let northwind = stack.tenant("northwind").await;
    let (admin, tom) = (northwind.admin().await, northwind.user().await);
    let viewer = northwind.person("Vera", &[role::TENANT_VIEWER.uid]).await;
    stack.tenant("fabrikam").await.admin().await.api_key("foreign").await;
    tom.api_key("second").await;
    assert_eq!(tom.key_names().await, ["first", "second"]);
    assert_eq!(admin.key_names().await, ["first", "first", "first", "second"]);
    assert_eq!(viewer.key_names().await, ["first", "first", "first", "second"]);
    // A viewer sees and does not touch.
    let path = format!("/v1/apiKeys/{}", tom.key_uid);
    assert_eq!(viewer.get(&path).await.status, 200);
    for refused in
        [viewer.patch(&path, json!({})).await, viewer.put(&path, json!({})).await, viewer.delete(&path).await]
    {
        assert_eq!((refused.status, refused.code()), (403, "OperationForbidden"));
    }
}

#[tokio::test]
async fn nobody_prolongs_the_key_of_one_who_may_do_more() {
    let stack = Stack::start().await;
    let northwind = stack.tenant("northwind").await;
    let (admin, user) = (northwind.admin().await, northwind.user().await);
    let user_admin = northwind.person("Ada", &[role::TENANT_USER_ADMIN.uid]).await;
    let key = admin.api_key("deploy").await;
    let longer = json!({ "spec": { "expiry": "2099-01-02T00:00:00Z" } });
    let refused = user_admin.put(&key.path(), longer.clone()).await;
    assert_eq!((refused.status, refused.code()), (403, "OperationForbidden"));
    // Taking away is another matter.
    let shorter = json!({ "metadata": { "name": "renamed" }, "spec": { "expiry": "2098-01-01T00:00:00Z" } });
    assert_eq!(user_admin.put(&key.path(), shorter).await.status, 204);
    assert_eq!(user_admin.patch(&key.path(), json!({ "isActive": false })).await.status, 204);
    let refused = user_admin.patch(&key.path(), json!({ "isActive": true })).await;
    assert_eq!((refused.status, refused.code()), (403, "OperationForbidden"));
    assert_eq!(admin.patch(&key.path(), json!({ "isActive": true })).await.status, 204);
    assert_eq!(user_admin.put(&format!("/v1/apiKeys/{}", user.key_uid), longer).await.status, 204);
}

#[tokio::test]
async fn an_update_changes_what_it_names() {
    let stack = Stack::start().await;
    let user = stack.tenant("northwind").await.user().await;
    let created = user
        .post("/v1/apiKeys", json!({ "metadata": { "name": "one", "annotations": { "description": "first" } }, "spec": { "expiry": LATER } }))
        .await;
    let key = Created::of(&created);
    let seen = async || {
        let body = user.get(&key.path()).await.body;
        format!(
            "{} {} {}",
            body["metadata"]["name"], body["metadata"]["annotations"]["description"], body["spec"]["expiry"]
        )
    };
    // The zero time is what the Go client sends when it edits only the name.
    assert_eq!(user.put(&key.path(), go_entity("two", "", "0001-01-01T00:00:00.000Z")).await.status, 204);
    assert_snapshot!(seen().await, @r#""two" "first" "2099-01-01T00:00:00.000Z""#);
    assert_eq!(
        user.put(&key.path(), json!({ "metadata": { "annotations": { "description": "second" } } })).await.status,
        204
    );
    assert_snapshot!(seen().await, @r#""two" "second" "2099-01-01T00:00:00.000Z""#);
    assert_eq!(user.put(&key.path(), json!({ "spec": { "expiry": "2098-01-01T00:00:00Z" } })).await.status, 204);
    assert_snapshot!(seen().await, @r#""two" "second" "2098-01-01T00:00:00.000Z""#);
    assert_eq!(user.put(&key.path(), json!({})).await.status, 204);
    // What it held is free again, and what it holds is not.
    user.api_key("one").await;
    let taken = user.put(&key.path(), json!({ "metadata": { "name": "ONE" } })).await;
    assert_eq!((taken.status, taken.code()), (409, "DuplicateName"));
    assert_eq!(user.put(&key.path(), json!({ "metadata": { "name": "TWO" } })).await.status, 204);
    assert_snapshot!(seen().await, @r#""TWO" "second" "2098-01-01T00:00:00.000Z""#);
}

#[tokio::test]
async fn value_user_and_state_cannot_be_assigned() {
    let stack = Stack::start().await;
    let northwind = stack.tenant("northwind").await;
    let (admin, user) = (northwind.admin().await, northwind.user().await);
    let everything = json!({
        "metadata": { "name": "assigned", "uid": random_uid(&stack), "creationTimestamp": "2001-01-01T00:00:00Z" },
        "spec": { "key": "chosen-secret", "user": { "uid": admin.user.uid }, "expiry": LATER, "digest": "x" },
        "status": { "isActive": false }, "tenantUid": random_uid(&stack), "pk": "x", "sk": "y", "ttl": 1,
        "roles": ["Tenant Admin"], "version": 99, "is_active": false,
    });
    let created = user.post("/v1/apiKeys", everything.clone()).await;
    assert_eq!(created.status, 201);
    let key = Created::of(&created);
    assert_ne!(key.uid, everything["metadata"]["uid"].as_str().unwrap());
    assert_eq!(user.put(&key.path(), everything).await.status, 204);
    let shown = user.get(&key.path()).await.body;
    assert_eq!(shown["status"]["isActive"], json!(true));
    assert_eq!(shown["spec"]["user"]["uid"], json!(user.user.uid));
    assert_ne!(shown["metadata"]["creationTimestamp"], json!("2001-01-01T00:00:00.000Z"));
    assert_eq!(stack.request("GET", "/v1/users/me").header("ApiKey", &key.value).send().await.status, 200);
    assert_eq!(
        user.get("/v1/users/me").await.body["status"]["tenantPermissions"][user.user.tenant.to_string()],
        json!([])
    );
}

#[tokio::test]
async fn both_doors_to_the_state_lead_to_the_same_room() {
    let stack = Stack::start().await;
    let user = stack.tenant("northwind").await.user().await;
    let key = user.api_key("deploy").await;
    let state = async || user.get(&key.path()).await.body["status"]["isActive"].clone();
    for (method, path) in [("PUT", format!("{}/state", key.path())), ("PATCH", key.path())] {
        let set = async |body: Value| user.request(method, &path).json(&body).send().await.status;
        assert_eq!((set(json!({})).await, state().await), (204, json!(false)), "{method}: {{}} revokes");
        assert_eq!((set(json!({ "isActive": false })).await, state().await), (204, json!(false)), "again");
        assert_eq!((set(json!({ "isActive": true })).await, state().await), (204, json!(true)));
        assert_eq!((set(json!({ "isActive": true })).await, state().await), (204, json!(true)), "again");
        assert_eq!((set(json!({ "isActive": null })).await, state().await), (204, json!(false)), "null is unset");
        assert_eq!((set(json!({ "isActive": true })).await, state().await), (204, json!(true)));
        let empty = user.request(method, &path).send().await;
        assert_eq!((empty.status, empty.code(), state().await), (400, "InvalidRequest", json!(true)));
    }
}

#[tokio::test]
async fn an_expired_key_opens_nothing_and_comes_back_only_with_a_later_expiry() {
    let stack = Stack::start().await;
    let user = stack.tenant("northwind").await.user().await;
    let soon = (stack.clock.now() + Duration::from_mins(1)).to_string();
    let created =
        user.post("/v1/apiKeys", json!({ "metadata": { "name": "short" }, "spec": { "expiry": soon } })).await;
    let key = Created::of(&created);
    let token = crate::stack::token_of(&stack, &key.value).await;
    let opens =
        async |name: &str, value: &str| stack.request("GET", "/v1/users/me").header(name, value).send().await.status;
    assert_eq!(user.patch(&key.path(), json!({ "isActive": false })).await.status, 204);
    assert_eq!(user.patch(&key.path(), json!({ "isActive": true })).await.status, 204);
    assert_eq!((opens("ApiKey", &key.value).await, opens("Authorization", &token).await), (200, 200));
    stack.advance(Duration::from_secs(61));
    assert_eq!((opens("ApiKey", &key.value).await, opens("Authorization", &token).await), (401, 401));
    let refused = user.patch(&key.path(), json!({ "isActive": true })).await;
    assert_eq!((refused.status, refused.code()), (400, "ApiKeyExpired"));
    assert_eq!(user.put(&key.path(), json!({ "spec": { "expiry": LATER } })).await.status, 204);
    assert_eq!(user.patch(&key.path(), json!({ "isActive": true })).await.status, 204);
    assert_eq!(opens("ApiKey", &key.value).await, 200);
}

#[tokio::test]
async fn names_are_unique_per_user_without_case() {
    let stack = Stack::start().await;
    let northwind = stack.tenant("northwind").await;
    let (tom, admin) = (northwind.user().await, northwind.admin().await);
    let key = tom.api_key("Deploy").await;
    let again = tom.post("/v1/apiKeys", go_entity(" deploy", "", LATER)).await;
    assert_snapshot!(again.bytes(), @r#"409 {"code":"DuplicateName","details":null,"message":"the user has an API key of this name already"}"#);
    admin.api_key("deploy").await;
    tom.delete(&key.path()).await;
    tom.api_key("deploy").await;
}

#[tokio::test]
async fn the_twenty_first_key_is_refused_and_deleting_makes_room() {
    let stack = Stack::start().await;
    let user = stack.tenant("northwind").await.user().await;
    let key = user.api_key("key-1").await;
    for number in 2..20 {
        user.api_key(&format!("key-{number}")).await;
    }
    let refused = user.post("/v1/apiKeys", go_entity("too many", "", LATER)).await;
    assert_snapshot!(refused.bytes(), @r#"403 {"code":"ResourceLimitExceeded","details":null,"message":"the user has 20 API keys, as many as the tenant allows; delete one first"}"#);
    assert_eq!(user.key_names().await.len(), 20);
    assert_eq!(user.delete(&key.path()).await.status, 204);
    user.api_key("one more").await;
}

#[tokio::test]
async fn a_key_may_delete_itself() {
    let stack = Stack::start().await;
    let user = stack.tenant("northwind").await.user().await;
    assert_eq!(user.delete(&format!("/v1/apiKeys/{}", user.key_uid)).await.status, 204);
    assert_eq!(user.get("/v1/users/me").await.status, 401);
}
