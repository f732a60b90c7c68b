//! How often each request goes to DynamoDB.

use serde_json::json;

use crate::stack::{Answer, Stack, token_of};

fn operations(answer: &Answer) -> Vec<&str> {
    answer.operations.iter().map(|operation| operation.name.as_str()).collect()
}

#[tokio::test]
async fn a_request_takes_no_more_round_trips_than_promised() {
    let stack = Stack::start().await;
    let user = stack.tenant("northwind").await.user().await;
    let key = user.api_key("deploy").await;
    let token = token_of(&stack, &key.value).await;
    let by_token = |method: &str, path: &str| stack.request(method, path).header("Authorization", &token);
    // The first token that each function sees makes it read the public keys, and the first it signs the private one.
    by_token("GET", "/v1/apiKeys").send().await;
    by_token("GET", "/v1/auth/refresh").send().await;

    let authenticated = stack.request("POST", "/v1/auth/authenticate").header("ApiKey", &key.value).send().await;
    assert_eq!(operations(&authenticated), ["BatchGetItem"], "key to token: 1 read, 0 writes");
    assert_eq!(authenticated.status, 200);

    let refreshed = by_token("GET", "/v1/auth/refresh").send().await;
    assert_eq!(operations(&refreshed), ["BatchGetItem"], "token to principal: 1 read");

    let listed = user.get("/v1/apiKeys").await;
    assert_eq!(operations(&listed), ["BatchGetItem", "Query"], "the check of the key included");
    assert_eq!(operations(&by_token("GET", "/v1/apiKeys").send().await), ["BatchGetItem", "Query"]);

    let set = user.patch(&key.path(), json!({ "isActive": false })).await;
    assert_eq!(operations(&set), ["BatchGetItem", "GetItem", "TransactWriteItems"]);
    let set = user.put(&format!("{}/state", key.path()), json!({ "isActive": true })).await;
    assert_eq!(operations(&set), ["BatchGetItem", "GetItem", "TransactWriteItems"]);

    let read = user.get(&key.path()).await;
    assert_eq!((read.reads(), read.writes()), (2, 0));
    let created = user
        .post("/v1/apiKeys", json!({ "metadata": { "name": "n" }, "spec": { "expiry": crate::stack::LATER } }))
        .await;
    assert_eq!((created.reads(), created.writes()), (2, 1));
}

#[tokio::test]
async fn ten_thousand_junk_keys_cost_no_read() {
    let stack = Stack::start().await;
    let user = stack.tenant("northwind").await.user().await;
    let mut operations = 0;
    for number in 0..10_000_u32 {
        // Of the right length and alphabet; some are a good key with one character changed.
        let junk = if number % 2 == 0 {
            let uid = || domain::TokenUid::from_bytes(stack.entropy.uid());
            format!("lk_{}{}{}", uid(), uid(), uid())[..68].to_owned()
        } else {
            let at = 3 + number as usize % 65;
            let other = if user.key.as_bytes()[at] == b'A' { "B" } else { "A" };
            format!("{}{other}{}", &user.key[..at], &user.key[at + 1..])
        };
        let answer = stack.request("GET", "/v1/apiKeys").header("ApiKey", &junk).send().await;
        assert_eq!(answer.status, 401);
        operations += answer.operations.len();
    }
    assert_eq!(operations, 0);
}

#[tokio::test]
async fn a_flood_of_unknown_signing_keys_reads_the_table_once_a_second_at_most() {
    let stack = Stack::start().await;
    let user = stack.tenant("northwind").await.user().await;
    let token = user.token().await;
    let rest = token.split_once('.').unwrap().1;
    let mut reads = 0;
    for number in 0..500 {
        use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
        let header = format!(r#"{{"alg":"ES256","typ":"at+jwt","kid":"{number}"}}"#);
        let forged = format!("{}.{rest}", URL_SAFE_NO_PAD.encode(header));
        let answer = stack.request("GET", "/v1/apiKeys").header("Authorization", &forged).send().await;
        assert_eq!(answer.status, 401);
        reads += answer.operations.len();
    }
    // The clock of this test goes on while it runs: a slow machine may take several seconds.
    assert!(reads <= 20, "{reads} reads");
}
