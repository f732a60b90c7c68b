//! What a provider may do that cheats or fails, and what it has to end with.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use serde_json::{Value, json};

use crate::{
    provider::{CLIENT, Going, Provider, SECRET, Script, SigningKey, forged, json_of},
    sso::{Guest, LOGIN, back, counts, location, northwind, person, signed_in, why},
};

/// What a provider is made to do.
type Cheat = Box<dyn FnOnce(&mut Script)>;

fn cheat(how: impl FnOnce(&mut Script) + 'static) -> Cheat {
    Box::new(how)
}

fn claims(change: impl Fn(&mut Value) + Send + Sync + 'static) -> Cheat {
    cheat(|script| script.claims = Arc::new(change))
}

fn token(change: impl Fn(String) -> String + Send + Sync + 'static) -> Cheat {
    cheat(|script| script.token = Arc::new(change))
}

fn without(name: &'static str) -> Cheat {
    claims(move |claims| drop(claims.as_object_mut().unwrap().remove(name)))
}

fn with(name: &'static str, value: Value) -> Cheat {
    claims(move |claims| claims[name] = value.clone())
}

/// Changes one character of the signature.
fn broken(token: &str) -> String {
    let (text, signature) = token.rsplit_once('.').unwrap();
    let first = if signature.starts_with('A') { 'B' } else { 'A' };
    format!("{text}.{first}{}", &signature[1..])
}

/// What a provider is asked at.
const PATHS: [&str; 4] = ["/.well-known/openid-configuration", "/jwks", "/token", "/userinfo"];

/// The cases of the conformance suite that every run has to have: the Basic plan, then the further nine.
const CONFORMANCE: [&str; 23] = [
    "oidcc-client-test",
    "client_secret_basic",
    "idtoken-sig-none",
    "invalid-aud",
    "invalid-iss",
    "userinfo-invalid-sub",
    "kid-absent-single-jwks",
    "kid-absent-multiple-jwks",
    "missing-iat",
    "missing-sub",
    "nonce-invalid",
    "scope-userinfo-claims",
    "userinfo-bearer-header",
    "userinfo-bearer-body",
    "discovery-issuer-mismatch",
    "signing-key-rotation",
    "signing-key-rotation-just-before-signing",
    "invalid-sig-rs256",
    "invalid-sig-es256",
    "invalid-sig-hs256",
    "invalid-athash",
    "missing-athash",
    "missing-aud",
];

/// Of the Basic plan of the `OpenID` conformance suite for relying parties, and of its rest, what has to end well.
fn honest() -> Vec<(&'static str, Cheat)> {
    vec![
        ("oidcc-client-test", cheat(|_| {})),
        (
            "client_secret_basic",
            cheat(|script| {
                script.metadata =
                    Arc::new(|it| it["token_endpoint_auth_methods_supported"] = json!(["client_secret_basic"]));
            }),
        ),
        (
            "client_secret_post",
            cheat(|script| {
                script.metadata =
                    Arc::new(|it| it["token_endpoint_auth_methods_supported"] = json!(["client_secret_post"]));
            }),
        ),
        (
            "kid-absent-single-jwks",
            cheat(|script| {
                script.published = vec![(None, SigningKey::rsa(1))];
                script.kid = None;
            }),
        ),
        (
            "scope-userinfo-claims",
            cheat(|script| {
                script.metadata = Arc::new(|it| drop(it.as_object_mut().unwrap().remove("userinfo_endpoint")));
            }),
        ),
        ("userinfo-bearer-header", cheat(|script| script.in_token = false)),
        (
            "userinfo that fails where the token tells enough",
            cheat(|script| drop(script.instead.insert("/userinfo".to_owned(), (503, Vec::new(), String::new())))),
        ),
        (
            "long answers",
            cheat(|script| {
                script.in_token = false;
                for path in PATHS {
                    script.padding.insert(path.to_owned(), 200 * 1024);
                }
            }),
        ),
        (
            "signing-key-rotation",
            cheat(|script| {
                script.published = vec![(Some("one"), SigningKey::rsa(1)), (Some("two"), SigningKey::rsa(2))];
                script.signs = 1;
                script.kid = Some("two");
            }),
        ),
        ("es256", cheat(|script| script.published = vec![(Some("one"), SigningKey::ec())])),
        ("missing-athash", without("at_hash")),
        (
            "email_verified as a text",
            cheat(|script| drop(script.person.insert("email_verified".to_owned(), json!("true")))),
        ),
    ]
}

/// Of the same, what has to end with nobody signed in.
fn of_conformance() -> Vec<(&'static str, Cheat)> {
    let metadata = |change: fn(&mut Value)| cheat(move |script| script.metadata = Arc::new(change));
    vec![
        // The Basic plan.
        ("idtoken-sig-none", token(|token| forged(&token, &json!({ "alg": "none", "typ": "JWT" }), None))),
        ("invalid-aud", with("aud", json!("somebody-else"))),
        ("invalid-iss", with("iss", json!("https://accounts.google.com"))),
        (
            "userinfo-invalid-sub",
            cheat(|script| {
                script.in_token = false;
                script.user_info = Arc::new(|claims| claims["sub"] = json!("8"));
            }),
        ),
        (
            "kid-absent-multiple-jwks",
            cheat(|script| {
                script.published = vec![(Some("one"), SigningKey::rsa(1)), (Some("two"), SigningKey::rsa(2))];
                script.kid = None;
            }),
        ),
        ("missing-iat", without("iat")),
        ("missing-sub", without("sub")),
        ("nonce-invalid", with("nonce", json!("another"))),
        // We send the token in the header, and nowhere else.
        (
            "userinfo-bearer-body",
            cheat(|script| {
                script.in_token = false;
                script.instead.insert("/userinfo".to_owned(), (401, Vec::new(), String::new()));
            }),
        ),
        // Of the further nine, six.
        ("discovery-issuer-mismatch", metadata(|it| it["issuer"] = json!("https://id.example"))),
        ("invalid-sig-rs256", token(|token| broken(&token))),
        (
            "invalid-sig-es256",
            cheat(|script| {
                script.published = vec![(Some("one"), SigningKey::ec())];
                script.token = Arc::new(|token| broken(&token));
            }),
        ),
        ("invalid-sig-hs256", token(|token| forged(&token, &json!({ "alg": "HS256", "typ": "JWT" }), Some("guess")))),
        ("invalid-athash", with("at_hash", json!("AAAAAAAAAAAAAAAAAAAAAA"))),
        ("missing-aud", without("aud")),
    ]
}

/// Other tokens that are none.
fn of_tokens() -> Vec<(&'static str, Cheat)> {
    let jwks = |keys: Value| {
        cheat(move |script| drop(script.instead.insert("/jwks".to_owned(), json_of(&json!({ "keys": keys })))))
    };
    vec![
        (
            "signed with our secret",
            token(|token| forged(&token, &json!({ "alg": "HS256", "typ": "JWT", "kid": "one" }), Some(SECRET))),
        ),
        ("alg nOnE", token(|token| forged(&token, &json!({ "alg": "nOnE", "typ": "JWT" }), None))),
        ("alg missing", token(|token| forged(&token, &json!({ "typ": "JWT" }), None))),
        (
            "a critical header",
            cheat(|script| {
                script.header = Arc::new(|header| {
                    header["crit"] = json!(["b64"]);
                    header["b64"] = json!(true);
                });
            }),
        ),
        ("no signature", token(|token| token.rsplit_once('.').unwrap().0.to_owned() + ".")),
        ("no token at all", token(|_| String::new())),
        ("four parts", token(|token| token + ".AAAA")),
        (
            "signed with a key that nobody published",
            cheat(|script| {
                let published = json!({ "keys": [SigningKey::rsa(1).jwk(Some("one"))] });
                script.instead.insert("/jwks".to_owned(), json_of(&published));
                script.published = vec![(Some("one"), SigningKey::rsa(2))];
            }),
        ),
        ("no keys at all", jwks(json!([]))),
        ("another kind of token", cheat(|script| script.header = Arc::new(|header| header["typ"] = json!("at+jwt")))),
        ("the name of another key", cheat(|script| script.kid = Some("three"))),
        (
            "a key of another kind under the name",
            jwks(json!([{ "kty": "oct", "kid": "one", "k": "c2VjcmV0", "use": "sig" }])),
        ),
        (
            "a key for encryption",
            cheat(|script| {
                let mut key = SigningKey::rsa(1).jwk(Some("one"));
                key["use"] = json!("enc");
                script.instead.insert("/jwks".to_owned(), json_of(&json!({ "keys": [key] })));
            }),
        ),
        (
            "two addresses",
            cheat(|script| {
                drop(script.person.insert("email".to_owned(), json!(["tom@northwind.example", "x@evil.example"])));
            }),
        ),
        ("missing-iss", without("iss")),
        ("missing-exp", without("exp")),
        ("missing-nonce", without("nonce")),
        ("empty nonce", with("nonce", json!(""))),
        ("empty sub", with("sub", json!(""))),
        ("sub of another type", with("sub", json!(7))),
        ("exp of another type", with("exp", json!("tomorrow"))),
        ("expired", claims(|it| it["exp"] = json!(it["iat"].as_i64().unwrap() - 1))),
        ("from the future", claims(|it| it["iat"] = json!(it["iat"].as_i64().unwrap() + 3600))),
        ("from yesterday", claims(|it| it["iat"] = json!(it["iat"].as_i64().unwrap() - 86_400))),
        ("an audience beside us", with("aud", json!([CLIENT, "somebody-else"]))),
        ("for another party", with("azp", json!("somebody-else"))),
        (
            "an issuer that only looks alike",
            claims(|it| it["iss"] = json!(format!("{}/", it["iss"].as_str().unwrap()))),
        ),
    ]
}

/// People whom a provider does not stand for.
fn of_unverified() -> Vec<(&'static str, Cheat)> {
    vec![
        (
            "an address that is not verified",
            cheat(|script| drop(script.person.insert("email_verified".to_owned(), json!(false)))),
        ),
        (
            "not verified, as a text",
            cheat(|script| drop(script.person.insert("email_verified".to_owned(), json!("false")))),
        ),
        (
            "not verified at userinfo only",
            cheat(|script| {
                script.in_token = false;
                script.user_info = Arc::new(|claims| claims["email_verified"] = json!(false));
            }),
        ),
        ("no address", cheat(|script| drop(script.person.remove("email")))),
        (
            "an address that is none",
            cheat(|script| drop(script.person.insert("email".to_owned(), json!("tom@northwind.example\r\nBcc: x")))),
        ),
    ]
}

/// People who are nobody's here.
fn of_strangers() -> Vec<(&'static str, Cheat)> {
    vec![
        (
            "an address of a domain that only looks alike",
            cheat(|script| drop(script.person.insert("email".to_owned(), json!("tom@northwind.example.evil.example")))),
        ),
        (
            "a subdomain",
            cheat(|script| drop(script.person.insert("email".to_owned(), json!("tom@sub.northwind.example")))),
        ),
    ]
}

/// Providers that do not answer.
fn of_failing() -> Vec<(&'static str, Cheat)> {
    let failing = |path: &'static str| {
        cheat(move |script| drop(script.instead.insert(path.to_owned(), (503, Vec::new(), String::new()))))
    };
    vec![
        ("discovery failing", failing("/.well-known/openid-configuration")),
        ("keys failing", failing("/jwks")),
        ("token failing", failing("/token")),
        (
            "userinfo failing, without which nothing is known",
            cheat(|script| {
                script.in_token = false;
                script.instead.insert("/userinfo".to_owned(), (503, Vec::new(), String::new()));
            }),
        ),
    ]
}

/// Providers that lead elsewhere, say too much or nothing that makes sense.
fn of_servers() -> Vec<(&'static str, Cheat)> {
    let metadata = |change: fn(&mut Value)| cheat(move |script| script.metadata = Arc::new(change));
    // Right but for its length.
    let huge = |path: &'static str| {
        cheat(move |script| {
            script.in_token = false;
            script.padding.insert(path.to_owned(), 300 * 1024);
        })
    };
    let redirect = |path: &'static str| {
        cheat(move |script| {
            drop(
                script
                    .instead
                    .insert(path.to_owned(), (302, vec![("location", "/elsewhere".to_owned())], String::new())),
            );
        })
    };
    let told = |path: &'static str, value: Value| {
        cheat(move |script| drop(script.instead.insert(path.to_owned(), json_of(&value))))
    };
    vec![
        ("iss promised and missing", metadata(|it| it["authorization_response_iss_parameter_supported"] = json!(true))),
        (
            "a token endpoint inside",
            metadata(|it| it["token_endpoint"] = json!("https://169.254.169.254/latest/meta-data")),
        ),
        ("a token endpoint without TLS", metadata(|it| it["token_endpoint"] = json!("http://id.example/token"))),
        ("no token endpoint", metadata(|it| drop(it.as_object_mut().unwrap().remove("token_endpoint")))),
        ("keys inside", metadata(|it| it["jwks_uri"] = json!("https://[fd00:ec2::254]/keys"))),
        ("keys in a file", metadata(|it| it["jwks_uri"] = json!("file:///etc/passwd"))),
        ("a script to sign in at", metadata(|it| it["authorization_endpoint"] = json!("javascript:alert(1)"))),
        (
            "only algorithms with a secret",
            metadata(|it| it["id_token_signing_alg_values_supported"] = json!(["HS256", "none"])),
        ),
        ("huge discovery", huge("/.well-known/openid-configuration")),
        ("huge keys", huge("/jwks")),
        ("huge token", huge("/token")),
        ("huge userinfo", huge("/userinfo")),
        ("discovery elsewhere", redirect("/.well-known/openid-configuration")),
        ("keys elsewhere", redirect("/jwks")),
        ("token elsewhere", redirect("/token")),
        (
            "userinfo elsewhere",
            cheat(|script| {
                script.in_token = false;
                script
                    .instead
                    .insert("/userinfo".to_owned(), (302, vec![("location", "/elsewhere".to_owned())], String::new()));
            }),
        ),
        ("discovery that is none", told("/.well-known/openid-configuration", json!(["no"]))),
        (
            "a token that is a number",
            told("/token", json!({ "access_token": "a", "token_type": "Bearer", "id_token": 7 })),
        ),
        (
            "a token answer without an ID token",
            told("/token", json!({ "access_token": "an-access-token", "token_type": "Bearer" })),
        ),
        ("keys that are none", told("/jwks", json!({ "keys": "no" }))),
    ]
}

#[tokio::test]
async fn of_what_a_provider_may_do_the_right_signs_in_and_the_wrong_never() {
    let (stack, provider, ines) = northwind().await;
    let mut names: BTreeSet<&str> = BTreeSet::new();
    for (name, cheat) in honest() {
        provider.knows(person("7", "tom@northwind.example"));
        provider.cheats(cheat);
        let answer = Guest::new(&stack).come(LOGIN, &provider).await;
        assert_eq!(answer.status, 200, "{name}: {}", answer.text);
        honest_again(&provider);
        names.insert(name);
    }
    // The key is exchanged while the person is on the way.
    let mut guest = Guest::new(&stack);
    let going = guest.begin(LOGIN).await;
    provider.cheats(|script| {
        script.published = vec![(Some("two"), SigningKey::rsa(2))];
        script.kid = Some("two");
    });
    let code = provider.code(&going);
    signed_in(&stack, &guest.ask(&back(&going, &code)).await);
    names.insert("signing-key-rotation-just-before-signing");
    honest_again(&provider);

    let before = counts(&stack).await;
    let groups = [
        ("invalid_answer", of_conformance()),
        ("invalid_answer", of_tokens()),
        ("invalid_answer", of_servers()),
        ("email_not_verified", of_unverified()),
        ("no_account", of_strangers()),
        ("provider_unavailable", of_failing()),
    ];
    let cases =
        groups.into_iter().flat_map(|(end, group)| group.into_iter().map(move |(name, cheat)| (name, end, cheat)));
    for (number, (name, end, cheat)) in cases.enumerate() {
        assert!(names.insert(name), "{name} stands there twice");
        // Somebody new each time, who would become a user if it went through.
        provider.knows(person(&format!("new-{number}"), &format!("new-{number}@northwind.example")));
        provider.cheats(cheat);
        let mut guest = Guest::new(&stack);
        let begun = guest.open(LOGIN).await;
        if begun.status == 302 {
            let going = Going::of(&location(&begun));
            let code = provider.code(&going);
            let refused = guest.ask(&back(&going, &code)).await;
            assert_eq!(why(&refused), (401, end.to_owned()), "{name}");
            assert!(!guest.cookies.contains_key("__Host-Authorization"), "{name}");
        } else {
            // It did not even come to that.
            let note = if end == "provider_unavailable" { "sso-down" } else { "sso-invalid" };
            assert_eq!((begun.status, location(&begun)), (303, format!("/o/northwind?note={note}")), "{name}");
        }
        assert!(!provider.asked().contains(&"/elsewhere".to_owned()), "{name}: a redirect was followed");
        honest_again(&provider);
    }
    assert_eq!(counts(&stack).await, before, "nobody came in");
    let missing: Vec<&str> = CONFORMANCE.into_iter().filter(|name| !names.contains(name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
    // What was refused was no fault of the way itself.
    provider.knows(person("7", "tom@northwind.example"));
    assert_eq!(Guest::new(&stack).come(LOGIN, &provider).await.status, 200);
    // And the admins can read what was wrong.
    let trail = ines.call("GET", "/v1/audits?limit=50", None).await.text;
    for said in [
        "By single sign-on: the identity provider does not answer (no answer: 503",
        "the identity provider's answer does not hold (",
    ] {
        assert!(trail.contains(said), "{said}: {trail}");
    }
}

#[tokio::test]
async fn what_a_provider_names_inside_the_network_is_never_asked() {
    let (stack, provider, _) = northwind().await;
    // It listens, on this very machine, at an address that may not be asked.
    let trap = tokio::net::TcpListener::bind("127.0.0.2:0").await.unwrap();
    let url = format!("http://127.0.0.2:{}", trap.local_addr().unwrap().port());
    let hits = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = hits.clone();
    tokio::spawn(async move {
        while trap.accept().await.is_ok() {
            counted.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        }
    });
    let before = counts(&stack).await;
    for member in ["token_endpoint", "jwks_uri", "userinfo_endpoint", "authorization_endpoint", "end_session_endpoint"]
    {
        provider.knows(person("7", "tom@northwind.example"));
        let url = url.clone();
        provider.cheats(|script| {
            script.in_token = false;
            script.metadata = Arc::new(move |it| it[member] = json!(url));
        });
        let mut guest = Guest::new(&stack);
        if member == "end_session_endpoint" {
            let out = guest.open("/v1/auth/org/northwind/oidc/logout").await;
            assert_eq!(location(&out), "/o/northwind?note=signed-out");
            continue;
        }
        let begun = guest.open(LOGIN).await;
        if begun.status == 302 {
            let going = Going::of(&location(&begun));
            let code = provider.code(&going);
            assert_eq!(why(&guest.ask(&back(&going, &code)).await).1, "invalid_answer", "{member}");
        } else {
            assert_eq!(location(&begun), "/o/northwind?note=sso-invalid", "{member}");
        }
    }
    assert_eq!(counts(&stack).await, before);
    assert_eq!(hits.load(std::sync::atomic::Ordering::SeqCst), 0);
    let address = url.strip_prefix("http://").unwrap().to_owned();
    tokio::net::TcpStream::connect(address).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(hits.load(std::sync::atomic::Ordering::SeqCst), 1, "the trap sees who comes");
}

/// Takes every cheat back.
fn honest_again(provider: &Provider) {
    provider.cheats(|script| {
        script.published = vec![(Some("one"), SigningKey::rsa(1))];
        (script.signs, script.kid, script.in_token) = (0, Some("one"), true);
        script.metadata = Arc::new(|_| {});
        script.claims = Arc::new(|_| {});
        script.header = Arc::new(|_| {});
        script.padding.clear();
        script.token = Arc::new(|token| token);
        script.user_info = Arc::new(|_| {});
        script.instead.clear();
    });
}
