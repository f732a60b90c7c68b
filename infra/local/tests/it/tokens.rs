//! Access tokens over the wire, and the shipped verifier against other people's vectors.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use domain::{
    Timestamp,
    token::{
        self, Realm, VerifyingKeys,
        jws::{Jws, PublicKey},
    },
};
use serde_json::{Value, json};

use crate::stack::{Person, Stack, token_of};

fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

async fn opens(stack: &Stack, token: &str) -> u16 {
    stack.request("GET", "/v1/users/me").header("Authorization", token).send().await.status
}

async fn refresh(stack: &Stack, token: &str) -> (u16, String) {
    let answer = stack.request("GET", "/v1/auth/refresh").header("Authorization", token).send().await;
    (answer.status, answer.body["Authorization"].as_str().unwrap_or_default().to_owned())
}

async fn revoke(person: &Person, tokens: &[&str]) -> u16 {
    person.post("/v1/users/auth/tokens/revoke", json!({ "tokens": tokens })).await.status
}

#[tokio::test]
async fn a_key_is_exchanged_for_a_token_of_fifteen_minutes() {
    let stack = Stack::start().await;
    let user = stack.tenant("northwind").await.user().await;
    for (path, header) in
        [("/v1/auth/authenticate".to_owned(), true), (format!("/v1/auth/authenticate?ApiKey={}", user.key), false)]
    {
        let call = stack.request("POST", &path);
        let call = if header { call.header("APIKEY", &user.key) } else { call };
        let answer = call.send().await;
        assert_eq!((answer.status, &answer.body["isMfa"]), (200, &json!(false)));
        let token = answer.body["Authorization"].as_str().unwrap();
        let claims = claims(token);
        assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 900);
        assert_eq!(claims["sub"], json!(user.user.uid));
        assert_eq!(claims["tid"], json!(user.user.tenant));
        assert_eq!(claims["kuid"], json!(user.key_uid));
        assert_eq!(claims["src"], json!("apikey"));
        assert_eq!(opens(&stack, token).await, 200);
        assert_eq!(opens(&stack, &format!("Bearer {token}")).await, 200);
        assert_eq!(opens(&stack, &format!("bearer {token}")).await, 200);
        assert!(token.len() < 1024);
    }
}

#[tokio::test]
async fn what_cannot_be_exchanged_is_refused() {
    let stack = Stack::start().await;
    let user = stack.tenant("northwind").await.user().await;
    let ask = async |body: &Value, key: Option<&str>| {
        let call = stack.request("POST", "/v1/auth/authenticate").json(body);
        let call = match key {
            Some(key) => call.header("ApiKey", key),
            None => call,
        };
        let answer = call.send().await;
        format!("{} {}", answer.status, answer.code())
    };
    assert_eq!(ask(&json!({}), None).await, "400 InvalidRequest");
    assert_eq!(ask(&json!({ "emailId": null, "password": "" }), None).await, "400 InvalidRequest");
    assert_eq!(ask(&json!({}), Some("bad")).await, "401 UnAuthorizedAccess");
    assert_eq!(ask(&json!({}), Some(&crate::stack::unknown_key(&stack))).await, "401 UnAuthorizedAccess");
    // A body with a password wins over the key that a client sends along whatever it does.
    let password = json!({ "emailId": user.user.email, "password": "x" });
    assert_eq!(ask(&password, Some(&user.key)).await, "401 InvalidCredentials");
    assert_eq!(ask(&json!({ "emailId": user.user.email }), Some(&user.key)).await, "401 InvalidCredentials");
    assert_eq!(ask(&json!({ "emailId": "", "password": null }), Some(&user.key)).await, "200 ");
}

#[tokio::test]
async fn refreshing_keeps_the_session_in_both_forms() {
    let stack = Stack::start().await;
    let user = stack.tenant("northwind").await.user().await;
    let token = user.token().await;
    stack.advance(Duration::from_mins(10));
    let (status, by_header) = refresh(&stack, &token).await;
    assert_eq!(status, 200);
    let by_path = stack.request("GET", &format!("/v1/auth/refresh/{token}?setCookie=true")).send().await;
    assert_eq!(by_path.status, 200);
    let by_path = by_path.body["Authorization"].as_str().unwrap();
    for new in [by_header.as_str(), by_path] {
        assert_eq!(claims(new)["sid"], claims(&token)["sid"]);
        assert_eq!(claims(new)["auth_time"], claims(&token)["auth_time"]);
        assert_ne!(claims(new)["jti"], claims(&token)["jti"]);
        assert_eq!(opens(&stack, new).await, 200);
    }
    assert_eq!(opens(&stack, &token).await, 200, "the old one lives until its own end");
    stack.advance(Duration::from_mins(6));
    assert_eq!((opens(&stack, &token).await, refresh(&stack, &token).await.0), (401, 401));
    assert_eq!(opens(&stack, &by_header).await, 200);
}

#[tokio::test]
async fn a_key_cannot_be_refreshed() {
    let stack = Stack::start().await;
    let user = stack.tenant("northwind").await.user().await;
    assert_eq!(user.get("/v1/auth/refresh").await.status, 401);
    assert_eq!(stack.request("GET", &format!("/v1/auth/refresh/{}", user.key)).send().await.status, 401);
}

#[tokio::test]
async fn a_session_ends_after_twelve_hours_however_often_it_is_refreshed() {
    let stack = Stack::start().await;
    let user = stack.tenant("northwind").await.user().await;
    let mut token = user.token().await;
    let began_at = claims(&token)["auth_time"].as_i64().unwrap();
    for _ in 0..71 {
        stack.advance(Duration::from_mins(10));
        let (status, next) = refresh(&stack, &token).await;
        assert_eq!(status, 200);
        token = next;
    }
    assert!(claims(&token)["exp"].as_i64().unwrap() <= began_at + 12 * 3600);
    stack.advance(Duration::from_mins(10));
    assert_eq!((opens(&stack, &token).await, refresh(&stack, &token).await.0), (401, 401));
}

#[tokio::test]
async fn whatever_ends_a_key_ends_its_tokens() {
    let stack = Stack::start().await;
    let user = stack.tenant("northwind").await.user().await;
    let key = user.api_key("deploy").await;
    let token = token_of(&stack, &key.value).await;
    assert_eq!(opens(&stack, &token).await, 200);
    user.patch(&key.path(), json!({ "isActive": false })).await;
    assert_eq!((opens(&stack, &token).await, refresh(&stack, &token).await.0), (401, 401));
    user.patch(&key.path(), json!({ "isActive": true })).await;
    assert_eq!(opens(&stack, &token).await, 200);
    user.delete(&key.path()).await;
    assert_eq!((opens(&stack, &token).await, refresh(&stack, &token).await.0), (401, 401));
}

#[tokio::test]
async fn a_revoked_token_takes_its_session_along_and_no_other() {
    let stack = Stack::start().await;
    let user = stack.tenant("northwind").await.user().await;
    let (token, other) = (user.token().await, user.token().await);
    let (_, refreshed) = refresh(&stack, &token).await;
    let signed_out = stack
        .request("POST", "/v1/users/auth/tokens/revoke")
        .header("Authorization", &refreshed)
        .json(&json!({ "tokens": [refreshed] }))
        .send()
        .await;
    assert_eq!(signed_out.status, 204);
    let cookie = signed_out.headers["set-cookie"].to_str().unwrap();
    assert_eq!(cookie, "__Host-Authorization=; Path=/; HttpOnly; Secure; SameSite=Lax; Max-Age=0");
    for dead in [&token, &refreshed] {
        assert_eq!((opens(&stack, dead).await, refresh(&stack, dead).await.0), (401, 401));
        assert_eq!(stack.request("GET", &format!("/v1/auth/refresh/{dead}")).send().await.status, 401);
    }
    assert_eq!(opens(&stack, &other).await, 200);
    assert_eq!(user.get("/v1/users/me").await.status, 200, "the key lives on");
}

#[tokio::test]
async fn only_its_owner_and_an_admin_of_the_tenant_revoke_a_token() {
    let stack = Stack::start().await;
    let (northwind, fabrikam) = (stack.tenant("northwind").await, stack.tenant("fabrikam").await);
    let (victim, colleague, admin) = (northwind.user().await, northwind.user().await, northwind.admin().await);
    let stranger = fabrikam.admin().await;
    let token = victim.token().await;
    for other in [&colleague, &stranger] {
        assert_eq!(revoke(other, &[&token, "junk", "", "a.b.c"]).await, 204, "passed over in silence");
        assert_eq!(opens(&stack, &token).await, 200);
    }
    assert_eq!(revoke(&admin, &[&token, &token]).await, 204);
    assert_eq!(opens(&stack, &token).await, 401);
    assert_eq!(revoke(&admin, &[&token]).await, 204, "again");
    assert_eq!(admin.post("/v1/users/auth/tokens/revoke", json!({ "tokens": null })).await.status, 204);
}

#[tokio::test]
async fn the_cookie_counts_for_our_own_pages_only() {
    let stack = Stack::start().await;
    let user = stack.tenant("northwind").await.user().await;
    let answer = user.request("POST", "/v1/auth/authenticate").send().await;
    let cookie = answer.headers["set-cookie"].to_str().unwrap();
    assert!(cookie.ends_with("; Path=/; HttpOnly; Secure; SameSite=Lax; Max-Age=900"), "{cookie}");
    let cookie = cookie.split(';').next().unwrap();
    let ask = async |headers: &[(&str, &str)]| {
        let mut call = stack.request("GET", "/v1/users/me").header("cookie", &format!("theme=dark; {cookie}"));
        for (name, value) in headers {
            call = call.header(name, value);
        }
        call.send().await.status
    };
    assert_eq!(ask(&[("sec-fetch-site", "same-origin")]).await, 200);
    assert_eq!(ask(&[("origin", crate::stack::PUBLIC_URL)]).await, 200);
    assert_eq!(ask(&[]).await, 401);
    assert_eq!(ask(&[("sec-fetch-site", "same-site")]).await, 401);
    assert_eq!(ask(&[("origin", "https://evil.example")]).await, 401);
    assert_eq!(ask(&[("sec-fetch-site", "same-origin"), ("ApiKey", "bad")]).await, 401, "no fall-through");
    // Nor may another site sign a browser in.
    for site in ["cross-site", "same-site", "none"] {
        let answer = user.request("POST", "/v1/auth/authenticate").header("sec-fetch-site", site).send().await;
        assert_eq!((answer.status, answer.headers.contains_key("set-cookie")), (200, false), "{site}");
    }
    for (origin, sets) in [("https://evil.example", false), ("null", false), (crate::stack::PUBLIC_URL, true)] {
        let answer = user.request("POST", "/v1/auth/authenticate").header("origin", origin).send().await;
        assert_eq!((answer.status, answer.headers.contains_key("set-cookie")), (200, sets), "{origin}");
    }
    let by_cookie =
        stack.request("GET", "/v1/auth/refresh").header("cookie", cookie).header("sec-fetch-site", "same-origin");
    assert_eq!(by_cookie.send().await.status, 200);
}

#[tokio::test]
async fn the_published_keys_are_public_and_verify_what_was_signed() {
    let stack = Stack::start().await;
    let user = stack.tenant("northwind").await.user().await;
    let token = user.token().await;
    let published = stack.request("GET", "/.well-known/jwks.json").send().await;
    let keys = published.body["keys"].as_array().unwrap();
    assert_eq!(keys.len(), 1);
    let members: Vec<_> = keys[0].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(members, ["alg", "crv", "kid", "kty", "use", "x", "y"]);
    let coordinate = |name: &str| URL_SAFE_NO_PAD.decode(keys[0][name].as_str().unwrap()).unwrap();
    let point = [vec![4], coordinate("x"), coordinate("y")].concat();
    let jws = Jws::parse(&token).unwrap();
    assert_eq!(jws.header.kid.as_deref(), keys[0]["kid"].as_str());
    assert!(jws.verify(&PublicKey::from_point(&point).unwrap()).is_ok());
}

#[tokio::test]
async fn a_token_of_another_installation_is_refused() {
    let (here, there) = (Stack::start().await, Stack::start().await);
    let token = there.tenant("northwind").await.user().await.token().await;
    assert_eq!(opens(&here, &token).await, 401);
    here.tenant("northwind").await.user().await.token().await;
    assert_eq!(opens(&here, &token).await, 401);
}

#[tokio::test]
async fn two_first_sign_ins_at_once_make_keys_that_both_verify() {
    let stack = Stack::start().await;
    let user = stack.tenant("northwind").await.user().await;
    let another = stack.another_instance().await;
    let (one, other) = tokio::join!(token_of(&stack, &user.key), token_of(&another, &user.key));
    for instance in [&stack, &another] {
        assert_eq!((opens(instance, &one).await, opens(instance, &other).await), (200, 200));
    }
}

#[tokio::test]
async fn a_key_made_by_another_instance_is_found_when_its_first_token_comes() {
    let stack = Stack::start().await;
    let user = stack.tenant("northwind").await.user().await;
    let another = stack.another_instance().await;
    // This instance has looked, and found nothing.
    assert_eq!(opens(&stack, "eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCIsImtpZCI6IngifQ.e30.AAAA").await, 401);
    let token = token_of(&another, &user.key).await;
    assert_eq!(opens(&stack, &token).await, 200);
}

#[tokio::test]
async fn a_signing_key_that_is_withdrawn_is_forgotten_within_five_minutes() {
    let stack = Stack::start().await;
    let user = stack.tenant("northwind").await.user().await;
    let token = user.token().await;
    assert_eq!(opens(&stack, &token).await, 200);
    let kid = Jws::parse(&token).unwrap().header.kid.unwrap();
    let withdrawn = json!({ "TableName": stack.service.table_names().tenants, "Key": { "pk": { "S": "SIGNING" }, "sk": { "S": kid } } });
    stack.service.backend.execute("DeleteItem", &withdrawn).await.unwrap();
    stack.advance(Duration::from_mins(5));
    assert_eq!(opens(&stack, &token).await, 401);
    let renewed = user.token().await;
    assert_ne!(Jws::parse(&renewed).unwrap().header.kid.unwrap(), kid, "the signer has forgotten it too");
    assert_eq!(opens(&stack, &renewed).await, 200);
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// Project Wycheproof: every JSON Web Signature whose key is on P-256.
#[test]
fn wycheproof_signatures_in_jose_form_are_judged_right() {
    let vectors = include_str!("../data/wycheproof/json_web_signature_es256.json");
    let vectors: Value = serde_json::from_str(vectors).unwrap();
    let realm = Realm { issuer: "i".to_owned(), audience: "a".to_owned() };
    let (mut accepted, mut refused, mut not_applicable) = (0, 0, 0);
    for group in vectors["testGroups"].as_array().unwrap() {
        let jwk = &group["public"];
        // Two groups are about taking in a foreign key that says it is for encryption. We take in no foreign keys.
        if jwk["use"] == "enc" || !jwk["key_ops"].is_null() {
            not_applicable += group["tests"].as_array().unwrap().len();
            continue;
        }
        let coordinate = |name: &str| URL_SAFE_NO_PAD.decode(jwk[name].as_str().unwrap()).unwrap();
        let key = PublicKey::from_point(&[vec![4], coordinate("x"), coordinate("y")].concat()).unwrap();
        let keys = VerifyingKeys::from([(jwk["kid"].as_str().unwrap().to_owned(), key.clone())]);
        for test in group["tests"].as_array().unwrap() {
            let text = test["jws"].as_str().unwrap();
            let holds = Jws::parse(text).is_ok_and(|jws| jws.verify(&key).is_ok());
            assert_eq!(holds, test["result"] == "valid", "{}: {}", test["tcId"], test["comment"]);
            // None of them is an access token of ours, whatever its signature.
            assert!(token::verify(text, &keys, &realm, Timestamp::from_secs(0)).is_err());
            if holds { accepted += 1 } else { refused += 1 }
        }
    }
    assert_eq!((accepted, refused, not_applicable), (2, 37, 2));
}

/// Project Wycheproof: ECDSA on P-256 with SHA-256, `r` and `s` side by side as JOSE has them.
#[test]
fn wycheproof_ecdsa_signatures_are_judged_right() {
    let vectors = include_str!("../data/wycheproof/ecdsa_secp256r1_sha256_p1363_test.json");
    let vectors: Value = serde_json::from_str(vectors).unwrap();
    let (mut accepted, mut refused) = (0, 0);
    for group in vectors["testGroups"].as_array().unwrap() {
        let key = PublicKey::from_point(&hex(group["publicKey"].as_str().unwrap())).unwrap();
        for test in group["tests"].as_array().unwrap() {
            let bytes = |name: &str| hex(test[name].as_str().unwrap());
            let holds = key.verify(&bytes("msg"), &bytes("sig")).is_ok();
            assert_eq!(holds, test["result"] == "valid", "{}: {}", test["tcId"], test["comment"]);
            if holds { accepted += 1 } else { refused += 1 }
        }
    }
    assert_eq!((accepted, refused), (173, 89));
}
