//! The authorizer for the APIs of others: it says what our own API would do, and nothing wider.

use std::time::Duration;

use domain::Permission;
use functions::{
    authorizer::{Answer, AuthorizerError, Context, Event},
    metrics::Metric,
};
use local::draws::Draws;
use serde_json::{Value, json};

use crate::{
    session::PASSWORD,
    stack::{Call, Created, PUBLIC_URL, Person, Stack, random_uid, token_of, unknown_key},
};

/// What people and thieves present: all of it real, or made of what is.
struct Loot {
    keys: Vec<String>,
    tokens: Vec<String>,
    projects: Vec<String>,
}

impl Loot {
    async fn gather(stack: &Stack) -> Self {
        let (northwind, fabrikam) = (stack.tenant("northwind").await, stack.tenant("fabrikam").await);
        let (admin, user, stranger) = (northwind.admin().await, northwind.user().await, fabrikam.user().await);
        let old = user.token().await;
        let body = json!({ "metadata": { "name": "short" }, "spec": { "expiry": stack.clock.now() + Duration::from_mins(10) } });
        let expired = Created::of(&user.post("/v1/apiKeys", body).await).value;
        let (born_of_expired, session) = (token_of(stack, &expired).await, user.api_key("session").await);
        stack.advance(Duration::from_mins(20));

        let (revoked, deleted) = (user.api_key("revoked").await, user.api_key("deleted").await);
        let born_of_revoked = token_of(stack, &revoked.value).await;
        assert_eq!(user.put(&format!("{}/state", revoked.path()), json!({ "isActive": false })).await.status, 204);
        assert_eq!(user.delete(&deleted.path()).await.status, 204);
        let ended = token_of(stack, &session.value).await;
        let ends = json!({ "tokens": [ended] });
        assert_eq!(user.post("/v1/users/auth/tokens/revoke", ends).await.status, 204);
        let disabled = northwind.user().await;
        let born_of_disabled = disabled.token().await;
        let off = json!([{ "op": "replace", "path": "/status/isActive", "value": false }]);
        assert_eq!(admin.patch(&format!("/v1/users/{}", disabled.user.uid), off).await.status, 204);
        let person = stack.sign_up("ada@contoso.example", "contoso", PASSWORD).await.token;
        let elsewhere = Stack::start().await;
        let of_elsewhere = elsewhere.tenant("northwind").await.user().await.token().await;

        let living = token_of(stack, &admin.key).await;
        let (head, rest) = living.split_once('.').unwrap();
        let (body, signature) = rest.split_once('.').unwrap();
        let tampered = format!("{head}.{}A.{signature}", &body[..body.len() - 1]);
        let unsigned = format!("eyJhbGciOiJub25lIn0.{body}.");
        let projects = admin.get("/v1/dashboard/projects/metadata").await;
        let project = projects.body["items"][0]["metadata"]["uid"].as_str().unwrap().to_owned();
        let other = fabrikam.admin().await.get("/v1/dashboard/projects/metadata").await;
        let other = other.body["items"][0]["metadata"]["uid"].as_str().unwrap().to_owned();
        let mut swapped = user.key.clone();
        swapped.replace_range(60..62, "zz");
        Self {
            keys: vec![
                admin.key.clone(),
                user.key.clone(),
                stranger.key.clone(),
                expired,
                revoked.value,
                deleted.value,
                disabled.key,
                unknown_key(stack),
                swapped,
                format!("{},{}", admin.key, admin.key),
                format!("{} ", user.key),
                admin.key.to_uppercase(),
                "lk_".to_owned(),
                String::new(),
            ],
            tokens: vec![
                living,
                user.token().await,
                stranger.token().await,
                person,
                old,
                born_of_expired,
                born_of_revoked,
                ended,
                born_of_disabled,
                of_elsewhere,
                tampered,
                unsigned,
                admin.key,
                String::new(),
            ],
            projects: vec![project, other, random_uid(stack), "*".to_owned(), String::new()],
        }
    }

    /// The living ones stand in front, and come up as often as all others.
    fn draw<'a>(draws: &mut Draws, of: &'a [String]) -> &'a str {
        let among = if draws.below(2) == 0 { &of[..3] } else { of };
        let text: &String = draws.of(among);
        text
    }

    /// A request with a credential, with several, or with none.
    fn request(&self, stack: &Stack, draws: &mut Draws) -> Call {
        let mut headers: Vec<(&str, String)> = Vec::new();
        let mut query = String::new();
        let count = *draws.of(&[0, 1, 1, 1, 1, 1, 1, 2]);
        for _ in 0..count {
            match draws.below(4) {
                0 => {
                    let name = *draws.of(&["ApiKey", "apikey", "APIKEY", "apiKey"]);
                    headers.push((name, Self::draw(draws, &self.keys).to_owned()));
                }
                1 => {
                    let name = *draws.of(&["ApiKey", "apikey", "APIKEY", "api%4Bey"]);
                    query += &format!("&{name}={}", Self::draw(draws, &self.keys).replace(' ', "%20"));
                }
                2 => {
                    let scheme = *draws.of(&["", "", "Bearer ", "bearer ", "BEARER  ", "Basic ", "Bearer\t"]);
                    headers.push(("Authorization", format!("{scheme}{}", Self::draw(draws, &self.tokens))));
                }
                _ => {
                    let name = *draws.of(&["__Host-Authorization", "__Host-Authorization", "Authorization"]);
                    headers.push(("Cookie", format!("theme=dark; {name}={}", Self::draw(draws, &self.tokens))));
                    let from = [
                        ("Sec-Fetch-Site", "same-origin"),
                        ("Sec-Fetch-Site", "cross-site"),
                        ("Origin", PUBLIC_URL),
                        ("Origin", "https://evil.example"),
                        ("X-Nothing", ""),
                    ];
                    let (name, value) = *draws.of(&from);
                    headers.push((name, value.to_owned()));
                }
            }
        }
        if draws.below(8) == 0 {
            headers.push(("ProjectUid", draws.of(&self.projects).clone()));
        }
        if draws.below(8) == 0 {
            let claim = [("X-User-Id", "1"), ("X-Forwarded-For", "10.0.0.1"), ("X-HTTP-Method-Override", "DELETE")];
            let (name, value) = *draws.of(&claim);
            headers.push((name, value.to_owned()));
        }
        let query = query.strip_prefix('&').map(|query| format!("?{query}")).unwrap_or_default();
        let mut call = stack.request("GET", &format!("/v1/users/info{query}"));
        for (name, value) in headers {
            call = call.header(name, &value);
        }
        call
    }
}

#[tokio::test]
async fn of_five_thousand_requests_the_authorizer_lets_through_those_that_our_own_api_does() {
    let stack = Stack::start().await;
    let loot = Box::pin(Loot::gather(&stack)).await;
    let mut draws = Draws::new(1);
    let (mut let_through, mut refused) = (0, 0);
    for at in 0..crate::stack::amount("LATCHKEY_TEST_AUTHORIZER_REQUESTS", 5000) {
        let call = loot.request(&stack, &mut draws);
        // Whatever is asked of the other API: the credential alone counts.
        let method = *draws.of(&["GET", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"]);
        let path =
            *draws.of(&["/", "/*", "/things/1", "/things//1/", "/..%2fadmin", "/%2A/**", "/v1/auth/sso/providers"]);
        let said = call.at(method, path).authorize().await.unwrap();
        let answer = call.send().await;
        assert_eq!(said.is_authorized, answer.status == 200, "request {at}: {said:?}, {}", answer.text);
        match said.context {
            Some(context) => {
                let_through += 1;
                assert_eq!(json!(context.user_uid), answer.body["userUid"], "request {at}");
                assert_eq!(json!(context.tenant_uid), answer.body["tenantUid"], "request {at}");
            }
            None => refused += 1,
        }
    }
    println!("{let_through} let through, {refused} refused, no difference");
    assert!(let_through > 1000 && refused > 1000, "{let_through} let through, {refused} refused: this shows little");
}

#[tokio::test]
async fn the_api_behind_it_learns_who_calls_and_by_which_key() {
    let stack = Stack::start().await;
    let northwind = stack.tenant("northwind").await;
    let (admin, user) = (northwind.admin().await, northwind.user().await);
    let said = |call: Call| async move { call.authorize().await.unwrap().context.unwrap() };
    let context = said(admin.request("GET", "/things/1")).await;
    let all: Vec<&str> = Permission::ALL.iter().map(|permission| permission.as_str()).collect();
    assert_eq!(context.permissions.split(' ').collect::<Vec<_>>(), all);
    assert_eq!(context.api_key_uid, admin.key_uid.to_string());

    // A token tells of the key that it was born of, and a person's of none.
    let by_token = said(stack.request("GET", "/things/1").header("Authorization", &user.token().await)).await;
    assert_eq!(by_token, said(user.request("GET", "/things/1")).await);
    assert_eq!(
        by_token,
        Context {
            user_uid: user.user.uid.to_string(),
            tenant_uid: northwind.tenant.uid.to_string(),
            permissions: user.user.permissions().iter().map(Permission::as_str).collect::<Vec<_>>().join(" "),
            api_key_uid: user.key_uid.to_string(),
        }
    );
    let person = stack.sign_up("ada@contoso.example", "contoso", PASSWORD).await.token;
    let context = said(stack.request("GET", "/things/1").header("Authorization", &person)).await;
    assert_eq!(context.api_key_uid, "");

    // On the wire every member of the context is a text, as API Gateway maps them.
    let answer = serde_json::to_value(user.request("GET", "/").authorize().await.unwrap()).unwrap();
    assert_eq!(answer["isAuthorized"], true);
    let context = answer["context"].as_object().unwrap();
    assert_eq!(context.keys().collect::<Vec<_>>(), ["apiKeyUid", "permissions", "tenantUid", "userUid"]);
    assert!(context.values().all(Value::is_string), "{answer}");
    let refused = stack.request("GET", "/").authorize().await.unwrap();
    assert_eq!(serde_json::to_string(&refused).unwrap(), r#"{"isAuthorized":false}"#);
}

#[tokio::test]
async fn what_is_revoked_is_refused_by_the_very_next_request() {
    let stack = Stack::start().await;
    let northwind = stack.tenant("northwind").await;
    let (admin, user) = (northwind.admin().await, northwind.user().await);
    let key = user.api_key("ci").await;
    let token = token_of(&stack, &key.value).await;
    let by_key = stack.request("GET", "/things/1").header("ApiKey", &key.value);
    let by_token = stack.request("GET", "/things/1").header("Authorization", &token);
    let both = async || (passes(&by_key).await, passes(&by_token).await);
    assert_eq!(both().await, (true, true));
    set_active(&admin, &key, false).await;
    assert_eq!(both().await, (false, false));
    set_active(&admin, &key, true).await;
    assert_eq!(both().await, (true, true));

    // Roles are those of this moment too.
    let roles = json!({ "roles": [domain::role::TENANT_ADMIN.uid] });
    assert_eq!(admin.put(&format!("/v1/users/{}/roles", user.user.uid), roles).await.status, 204);
    assert!(by_key.authorize().await.unwrap().context.unwrap().permissions.contains("user.delete"));
    assert_eq!(admin.put(&format!("/v1/users/{}/roles", user.user.uid), json!({ "roles": [] })).await.status, 204);
    assert!(!by_key.authorize().await.unwrap().context.unwrap().permissions.contains("user.delete"));

    let off = json!([{ "op": "replace", "path": "/status/isActive", "value": false }]);
    assert_eq!(admin.patch(&format!("/v1/users/{}", user.user.uid), off).await.status, 204);
    assert_eq!(both().await, (false, false));
}

async fn passes(call: &Call) -> bool {
    call.authorize().await.unwrap().is_authorized
}

async fn set_active(admin: &Person, key: &Created, is_active: bool) {
    let set = admin.put(&format!("{}/state", key.path()), json!({ "isActive": is_active })).await;
    assert_eq!(set.status, 204, "{}", set.text);
}

#[tokio::test]
async fn no_path_widens_the_answer() {
    let stack = Stack::start().await;
    let user = stack.tenant("northwind").await.user().await;
    let plain = user.request("GET", "/things/1").authorize().await.unwrap();
    for path in ["/*", "/**/x", "/things/*/../*", "/things/%2A", "/?/", "/things/1/", "//things//1", "/%2e%2e/%2f"] {
        for method in ["GET", "DELETE", "OPTIONS"] {
            let answer = user.request(method, path).authorize().await.unwrap();
            assert_eq!(answer, plain, "{method} {path}");
            let text = serde_json::to_string(&answer).unwrap();
            assert!(!text.contains('*') && !text.contains("arn:") && !text.contains("Resource"), "{text}");
            assert_eq!(
                stack.request(method, path).authorize().await.unwrap(),
                Answer { is_authorized: false, context: None }
            );
        }
    }
}

#[tokio::test]
async fn what_cannot_be_found_out_is_neither_yes_nor_no() {
    let stack = Stack::start().await;
    let user = stack.tenant("northwind").await.user().await;
    // A format that the authorizer does not speak is the operator's mistake, and shows as one.
    for (version, kind) in [("1.0", "REQUEST"), ("2.0", "TOKEN"), ("", "")] {
        let event: Event = serde_json::from_value(json!({
            "version": version, "type": kind, "rawPath": "/", "headers": { "apikey": user.key },
        }))
        .unwrap();
        assert!(matches!(stack.service.authorize(event).await, Err(AuthorizerError::Format)));
    }
    assert_eq!(stack.watched(Metric::OwnFaults), [1, 1, 1]);
    // What API Gateway may leave out, or send as null.
    let event = json!({ "version": "2.0", "type": "REQUEST", "headers": { "apikey": user.key }, "cookies": null });
    assert!(stack.service.authorize(serde_json::from_value(event).unwrap()).await.unwrap().is_authorized);
    for event in [
        json!({ "version": "2.0", "type": "REQUEST" }),
        json!({ "version": "2.0", "type": "REQUEST", "rawPath": "no path", "rawQueryString": "%zz", "headers": null }),
    ] {
        assert!(!stack.service.authorize(serde_json::from_value(event).unwrap()).await.unwrap().is_authorized);
    }
    assert_eq!(stack.watched(Metric::Refused), [1, 1]);
    // A second key is not overlooked because the query is none.
    for (query, is_authorized) in [(json!({ "a": "<" }), true), (json!({ "a": "<", "ApiKey": user.key }), false)] {
        let event = json!({
            "version": "2.0", "type": "REQUEST", "rawQueryString": "a=<&ApiKey=k", "queryStringParameters": query,
            "headers": { "apikey": user.key },
        });
        let answer = stack.service.authorize(serde_json::from_value(event).unwrap()).await.unwrap();
        assert_eq!(answer.is_authorized, is_authorized, "{query}");
    }
    assert_eq!(stack.watched(Metric::Refused), [1]);
    let event = json!({ "version": "2.0", "type": "REQUEST", "headers": { "apikey": 7 } });
    let unreadable = stack.service.authorize(serde_json::from_value(event).unwrap()).await.unwrap_err();
    assert_eq!(unreadable.to_string(), "the event is unreadable");
    assert_eq!(stack.watched(Metric::OwnFaults), [1]);

    // A table that does not answer refuses nobody, and is no defect of ours.
    stack.service.faults.fail_calls(3);
    let undecided = user.request("GET", "/things/1").authorize().await;
    assert!(matches!(undecided, Err(AuthorizerError::Unavailable(_))), "{undecided:?}");
    assert_eq!(stack.watched(Metric::Unavailable), [1]);
    assert!(user.request("GET", "/things/1").authorize().await.unwrap().is_authorized);
}
