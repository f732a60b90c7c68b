//! Whatever is malformed is refused with a 4xx in our form, and changes nothing.

use local::gateway;
use serde_json::{Value, json};

use crate::{
    access,
    stack::{LATER, Person, Stack},
};

/// Bodies that are no JSON, or JSON that can be read in two ways, or not an object.
fn malformed() -> Vec<Vec<u8>> {
    let mut bodies: Vec<Vec<u8>> = [
        "",
        " ",
        "{",
        "}",
        "null",
        "true",
        "1",
        "\"text\"",
        "[]",
        "{}x",
        "{}{}",
        "{'a':1}",
        "{\"a\":}",
        "{\"a\":1,}",
        "\u{feff}{}",
        r#"{"metadata":{"name":"a","name":"b"},"tokens":[],"isActive":true}"#,
        r#"{"a":1,"a":1}"#,
        r#"{"metadata":{"name":"\ud800"},"tokens":["\ud800"]}"#,
        "<xml/>",
        "emailId=a&password=b",
    ]
    .iter()
    .map(|body| body.as_bytes().to_vec())
    .collect();
    bodies.push(b"{\"metadata\":{\"name\":\"\xff\"},\"tokens\":[\"\xff\"]}".to_vec());
    bodies.push(b"\xff\xfe".to_vec());
    bodies.push("[".repeat(60_000).into_bytes());
    bodies.push("{\"a\":".repeat(12_000).into_bytes());
    bodies.push(format!("{}1{}", "{\"a\":".repeat(33), "}".repeat(33)).into_bytes());
    bodies.push(format!("{{\"a\":\"{}\"}}", "x".repeat(64 * 1024)).into_bytes());
    bodies.push(format!("{{\"a\":\"{}\"}}", "x".repeat(9 * 1024 * 1024)).into_bytes());
    bodies
}

/// Every route of the access table that takes a body, so that a new one is tested too.
fn routes_with_a_body(user: &Person) -> Vec<(&'static str, String)> {
    let rows = access::table().into_iter().filter(|row| row.body.is_some() && !OPTIONAL_BODY.contains(&row.route));
    let routes = rows.map(|row| row.route.split_once(' ').unwrap());
    let named = |path: &str| {
        path.replace("{uid}", &user.key_uid.to_string())
            .replace("{user}", &user.user.uid.to_string())
            .replace("{tenantUid}", &user.user.tenant.to_string())
    };
    routes.map(|(method, path)| (method, named(path))).collect()
}

/// Their body may be empty.
const OPTIONAL_BODY: [&str; 2] = ["POST /v1/auth/authenticate", "POST /v1/users/summary"];

#[tokio::test]
async fn a_malformed_body_is_refused_everywhere() {
    let stack = Stack::start().await;
    let user = stack.tenant("northwind").await.admin().await;
    let before = stack.contents().await;
    for (method, path) in routes_with_a_body(&user) {
        for body in malformed() {
            let start = String::from_utf8_lossy(&body[..body.len().min(40)]).into_owned();
            let answer = user.request(method, &path).body(body.clone()).send().await;
            let too_large = body.len() > 64 * 1024;
            // Some are refused before their body is looked at: by the token in the path, or since a key may not do it.
            let refused_before =
                path.contains("Token}") || path.ends_with("password/change") || path.ends_with("identities");
            let expected = match (refused_before, too_large) {
                (true, _) => vec![401, 403],
                (false, true) => vec![413],
                (false, false) => vec![400],
            };
            assert!(expected.contains(&answer.status), "{method} {path} with {start}: {}", answer.text);
        }
    }
    // Authenticating takes an empty body, and refuses the rest even beside a good key.
    for body in malformed().into_iter().filter(|body| !body.trim_ascii().is_empty()) {
        let answer = user.request("POST", "/v1/auth/authenticate").body(body.clone()).send().await;
        assert!([400, 413].contains(&answer.status), "{}", String::from_utf8_lossy(&body[..body.len().min(40)]));
    }
    assert_eq!(stack.contents().await, before);
}

#[tokio::test]
async fn a_value_of_the_wrong_type_is_named_by_its_place_and_not_repeated() {
    let stack = Stack::start().await;
    let user = stack.tenant("northwind").await.user().await;
    let before = stack.contents().await;
    let good = json!({ "metadata": { "name": "n", "annotations": { "description": "d" } }, "spec": { "userUid": user.user.uid, "expiry": LATER } });
    let wrong = [json!(true), json!(7), json!(1.5), json!([]), json!(["hush-hush"]), json!({ "hush-hush": 1 })];
    for place in [
        "/metadata",
        "/metadata/name",
        "/metadata/annotations",
        "/metadata/annotations/description",
        "/spec",
        "/spec/userUid",
        "/spec/expiry",
    ] {
        for value in &wrong {
            let mut body = good.clone();
            *body.pointer_mut(place).unwrap() = value.clone();
            // An object may stand where an object is wanted: what it lacks or holds is judged by itself.
            if value.is_object() && ["/metadata", "/spec"].contains(&place) {
                continue;
            }
            for (method, path) in [("POST", "/v1/apiKeys".to_owned()), ("PUT", format!("/v1/apiKeys/{}", user.key_uid))]
            {
                let answer = user.request(method, &path).json(&body).send().await;
                assert_eq!((answer.status, answer.code()), (400, "InvalidRequest"), "{method} with {place} = {value}");
                assert!(!answer.text.contains("hush"), "{}", answer.text);
            }
        }
    }
    let named = user.post("/v1/apiKeys", json!({ "metadata": { "name": "n" }, "spec": { "expiry": 12 } })).await;
    assert_eq!(named.body["message"], json!("spec.expiry is missing or of the wrong type"));
    for body in [json!({ "isActive": "true" }), json!({ "isActive": 1 }), json!({ "isActive": [] })] {
        let answer = user.patch(&format!("/v1/apiKeys/{}", user.key_uid), body).await;
        assert_eq!((answer.status, answer.code()), (400, "InvalidRequest"));
    }
    for body in [json!({}), json!({ "tokens": "eyJhb" }), json!({ "tokens": [1] }), json!({ "tokens": { "a": 1 } })] {
        let answer = user.post("/v1/users/auth/tokens/revoke", body).await;
        assert_eq!((answer.status, answer.code()), (400, "InvalidRequest"));
        assert!(!answer.text.contains("eyJhb"));
    }
    let many = json!({ "tokens": vec!["x"; 51] });
    assert_eq!(user.post("/v1/users/auth/tokens/revoke", many).await.code(), "InvalidRequest");
    assert_eq!(stack.contents().await, before);
}

#[tokio::test]
async fn what_a_key_must_be_is_said_in_words() {
    let stack = Stack::start().await;
    let user = stack.tenant("northwind").await.user().await;
    let before = stack.contents().await;
    let create = async |body: Value| {
        let answer = user.post("/v1/apiKeys", body).await;
        assert_eq!((answer.status, answer.code()), (400, "InvalidRequest"), "{}", answer.text);
        answer.body["message"].as_str().unwrap().to_owned()
    };
    let name = |name: &str| json!({ "metadata": { "name": name }, "spec": { "expiry": LATER } });
    let expiry = |expiry: Value| json!({ "metadata": { "name": "n" }, "spec": { "expiry": expiry } });
    assert_eq!(create(json!({})).await, "metadata.name: the name must have 1 to 64 characters");
    assert_eq!(
        create(json!({ "metadata": null, "spec": null })).await,
        "metadata.name: the name must have 1 to 64 characters"
    );
    assert_eq!(create(name("   ")).await, "metadata.name: the name must have 1 to 64 characters");
    assert_eq!(create(name(&"x".repeat(65))).await, "metadata.name: the name must have 1 to 64 characters");
    assert_eq!(create(name("a\u{7}b")).await, "metadata.name: the name must not contain control characters");
    for none in [json!(null), json!("0001-01-01T00:00:00.000Z"), json!("0001-01-01T00:00:00+05:00")] {
        assert_eq!(create(expiry(none)).await, "spec.expiry is required: an API key must expire");
    }
    for past in ["2020-01-01T00:00:00Z", "1969-12-31T23:59:59Z", "0002-01-01T00:00:00Z"] {
        assert_eq!(create(expiry(json!(past))).await, "spec.expiry must lie in the future");
    }
    for text in [
        "",
        "tomorrow",
        "2099-01-01",
        "2099-02-30T00:00:00Z",
        "2099-01-01T25:00:00Z",
        "2099-01-01T00:00:00",
        "4070908800",
        "10000-01-01T00:00:00Z",
    ] {
        let message = create(expiry(json!(text))).await;
        assert_eq!(
            message, "spec.expiry: a time must be an RFC 3339 date-time such as 2026-03-04T05:06:07.089Z",
            "{text}"
        );
    }
    let annotations = |annotations: Value| json!({ "metadata": { "name": "n", "annotations": annotations }, "spec": { "expiry": LATER } });
    assert_eq!(
        create(annotations(json!({ "description": "x".repeat(256) }))).await,
        "metadata.annotations: the description may have at most 255 characters"
    );
    assert_eq!(
        create(annotations(json!({ "": "x" }))).await,
        "metadata.annotations: an annotation's name must have 1 to 256 bytes and its value at most 256"
    );
    let many: serde_json::Map<_, _> = (0..17).map(|number| (number.to_string(), json!(""))).collect();
    assert_eq!(
        create(annotations(Value::Object(many))).await,
        "metadata.annotations: there may be at most 16 annotations"
    );
    assert_eq!(stack.contents().await, before);
}

#[tokio::test]
async fn an_array_is_no_object() {
    let stack = Stack::start().await;
    let user = stack.tenant("northwind").await.user().await;
    let before = stack.contents().await;
    let path = format!("/v1/apiKeys/{}", user.key_uid);
    for (method, path, body) in [
        ("PATCH", path.as_str(), json!([])),
        ("PATCH", &path, json!([true])),
        ("PUT", &format!("{path}/state"), json!([false])),
        ("PUT", &path, json!([{}])),
        ("PUT", &path, json!({ "metadata": ["renamed", {}] })),
        ("POST", "/v1/apiKeys", json!([["name", {}], [null, LATER]])),
        ("POST", "/v1/apiKeys", json!({ "metadata": { "name": "n" }, "spec": [null, LATER] })),
        ("POST", "/v1/users/auth/tokens/revoke", json!([["x"]])),
        ("POST", "/v1/auth/authenticate", json!(["a@b.example", "password"])),
    ] {
        let answer = user.request(method, path).json(&body).send().await;
        assert_eq!((answer.status, answer.code()), (400, "InvalidRequest"), "{method} {path} with {body}");
    }
    assert_eq!(stack.contents().await, before);
    let named = user.post("/v1/users/auth/tokens/revoke", json!({})).await;
    assert_eq!(named.body["message"], json!("a member of the body is missing or of the wrong type"));
}

#[tokio::test]
async fn a_host_path_or_query_that_makes_no_url_breaks_nothing() {
    let stack = Stack::start().await;
    for host in ["a b", "[::", "%", ":", "h:99999", "a:b:c", "{}", "|", "", "h/../x?y"] {
        let mut call = stack.request("GET", "/v1/users/me");
        call.set_host(host);
        assert_eq!(call.send().await.code(), "UnAuthorizedAccess", "{host}");
    }
    assert_eq!(stack.request("OPTIONS", "*").send().await.status, 400);
    let user = stack.tenant("northwind").await.user().await;
    for (name, value) in [("x-forwarded-proto", "::"), ("x-forwarded-proto", "ht tp"), ("x-forwarded-host", "evil")] {
        assert_eq!(user.request("GET", "/v1/users/me").header(name, value).send().await.status, 200);
    }
}

#[tokio::test]
async fn an_event_that_makes_no_url_is_answered_all_the_same() {
    let stack = Stack::start().await;
    let users = stack.service.template.functions.iter().find(|function| function.name == "users").unwrap();
    for (query, path) in
        [("a=<", "/v1/users/me"), ("a=\"b\" ", "/v1/users/me"), ("", "no slash"), ("", "/a b"), ("%zz&&=", "/%")]
    {
        let event = json!({ "version": "2.0", "routeKey": "GET /v1/users/me", "rawPath": path, "rawQueryString": query,
            "headers": { "host": "a b", "x-forwarded-proto": "::" },
            "requestContext": { "http": { "method": "GET", "path": path }, "routeKey": "GET /v1/users/me", "stage": "prod" } });
        let answer = gateway::invoke(&stack.service, users, &event.to_string()).await.unwrap();
        assert_eq!(answer["statusCode"], json!(401), "{query} {path}");
    }
}

#[tokio::test]
async fn query_flags_are_true_or_false() {
    let stack = Stack::start().await;
    let user = stack.tenant("northwind").await.user().await;
    let ask = async |query: &str| user.request("POST", &format!("/v1/auth/authenticate{query}")).send().await;
    for query in ["", "?setCookie=true", "?setCookie=1", "?setCookie="] {
        assert!(ask(query).await.headers.contains_key("set-cookie"), "{query}");
    }
    for query in ["?setCookie=false", "?setCookie=0"] {
        assert!(!ask(query).await.headers.contains_key("set-cookie"), "{query}");
    }
    let refused = ask("?setCookie=perhaps").await;
    assert_eq!((refused.status, refused.code()), (400, "InvalidRequest"));
}
