//! What somebody could try by single sign-on who is let in somewhere, or was.

use std::time::Duration;

use serde_json::json;

use crate::{
    provider::Provider,
    session::{OTHER, PASSWORD},
    sso::{
        Guest, INES, LOGIN, MINUTE, back, config, configure, counts, location, northwind, person, prove, set,
        signed_in, uid, why,
    },
    sso_social::{GITHUB, come_by_github, social},
    stack::{LATER, PUBLIC_URL},
};

const ACTIVE: &str = "/status/isActive";
const GOOGLE: &str = "/v1/auth/sso/google/login";

#[tokio::test]
async fn whoever_names_the_issuer_of_another_organization_gets_nobody_of_it() {
    let (stack, provider, ines) = northwind().await;
    provider.knows(person("boss", "boss@northwind.example"));
    let boss = signed_in(&stack, &Guest::new(&stack).come(LOGIN, &provider).await);
    let victim = uid(&boss).await;
    // Northwind moves on, and Eve has got hold of the provider that it had.
    let next = Provider::start(stack.clock.clone()).await;
    assert_eq!(configure(&ines, config(&next.url)).await.status, 204);
    let eve = stack.sign_up("eve@fabrikam.example", "fabrikam", PASSWORD).await;
    assert_eq!(configure(&eve, config(&provider.url)).await.status, 204);
    // Of the same subject, with an address of hers: a page asks whether it is her.
    provider.knows(person("boss", "eve@fabrikam.example"));
    let mut guest = Guest::new(&stack);
    let going = guest.begin("/v1/auth/org/fabrikam/oidc/login").await;
    let code = provider.code(&going);
    let address = location(&guest.open(&back(&going, &code)).await);
    let page = guest.open(&address).await;
    let token = address.split_once('=').unwrap().1;
    let before = counts(&stack).await;
    for (action, body) in [
        ("/sso/organization", format!("token={token}&org=northwind")),
        ("/sso/sign-up", format!("token={token}&first_name=A&last_name=B&org=contoso")),
    ] {
        let answer = guest.send("POST", action, "text/html", Some(body)).await;
        assert_eq!(location(&answer), "/sign-in?note=sso-state", "{action}");
    }
    assert_eq!(counts(&stack).await, before);
    let linked = guest.submit(&page, "/sso/link", &[("password", PASSWORD)]).await;
    assert_eq!(location(&linked), "/api-keys");
    let hers = guest.session();
    assert_ne!(uid(&hers).await, victim);
    assert_eq!(hers.call("POST", "/v1/auth/org/northwind/switch", None).await.code(), "ResourceAccessDenied");
    // And what the old provider began at northwind goes on nowhere.
    assert_eq!(boss.call("GET", "/v1/auth/refresh", None).await.status, 401);
    assert_eq!(boss.call("POST", "/v1/auth/org/northwind/switch", None).await.status, 401);
    assert_eq!(boss.call("DELETE", "/v1/users/auth/sessions", None).await.status, 401);
}

#[tokio::test]
async fn a_session_that_may_not_go_on_is_carried_on_by_no_door() {
    let (stack, provider, ines) = northwind().await;
    provider.knows(person("ines", "ines@private.example"));
    let linking = ines.call("POST", "/v1/users/auth/identities", Some(json!({ "provider": "oidc" }))).await;
    let login = linking.body["redirectUri"].as_str().unwrap().strip_prefix(PUBLIC_URL).unwrap().to_owned();
    let mut guest = Guest::new(&stack);
    guest.cookies.insert("__Host-Authorization".to_owned(), ines.token.clone());
    let going = guest.begin(&login).await;
    let code = provider.code(&going);
    assert_eq!(location(&guest.open(&back(&going, &code)).await), "/profile?note=linked");
    let mail = stack.mails().into_iter().rev().find(|mail| mail.to == INES).unwrap();
    assert!(mail.subject == "A new way to sign in" && mail.text.contains("ines@private.example"), "{}", mail.text);
    let by_sso = signed_in(&stack, &Guest::new(&stack).come(LOGIN, &provider).await);

    // Passwords open nothing any more, so what one has begun ends, whichever door it tries.
    assert_eq!(set(&by_sso, "PUT", "sso/policy", json!({ "isSsoRequired": true })).await.status, 204);
    for (method, path) in [
        ("GET", "/v1/auth/refresh"),
        ("POST", "/v1/auth/org/northwind/switch"),
        ("DELETE", "/v1/users/auth/sessions"),
        ("GET", "/v1/users/auth/sessions"),
    ] {
        assert_eq!(ines.call(method, path, None).await.status, 401, "{method} {path}");
    }
    // While it is required nobody exchanges the provider for one that nobody has come by.
    let elsewhere = config("https://no.such.example");
    assert_eq!(configure(&by_sso, elsewhere).await.code(), "InvalidRequest");
    assert_eq!(set(&by_sso, "PUT", "sso/policy", json!({})).await.status, 204);

    // The identity is taken away: what it began ends.
    let other = signed_in(&stack, &Guest::new(&stack).come(LOGIN, &provider).await);
    let list = by_sso.call("GET", "/v1/users/auth/identities", None).await.body;
    let identity = format!("/v1/users/auth/identities/{}", list["items"][0]["metadata"]["uid"].as_str().unwrap());
    assert_eq!(by_sso.call("DELETE", &identity, None).await.status, 204);
    let mail = stack.mails().into_iter().rev().find(|mail| mail.to == INES).unwrap();
    assert_eq!(mail.subject, "A way to sign in is gone");
    let password = stack.session(INES, PASSWORD, None).await;
    for (method, path) in
        [("GET", "/v1/auth/refresh"), ("POST", "/v1/auth/org/northwind/switch"), ("DELETE", "/v1/users/auth/sessions")]
    {
        assert_eq!(other.call(method, path, None).await.status, 401, "{method} {path}");
    }
    assert_eq!(password.status().await, 200, "nor does it end anybody else's");
    // A provider that is another one by now is not required on the word of a session of the old one.
    provider.knows(person("mei", "mei@northwind.example"));
    let roles = json!({ "roles": [domain::role::TENANT_ADMIN.uid] });
    let mei = signed_in(&stack, &Guest::new(&stack).come(LOGIN, &provider).await);
    assert_eq!(password.call("PUT", &format!("/v1/users/{}/roles", uid(&mei).await), Some(roles)).await.status, 204);
    let next = Provider::start(stack.clock.clone()).await;
    assert_eq!(configure(&mei, config(&next.url)).await.status, 204);
    let refused = set(&mei, "PUT", "sso/policy", json!({ "isSsoRequired": true })).await;
    assert!(refused.status == 403 && refused.text.contains("has to work"), "{}", refused.text);
}

#[tokio::test]
async fn ending_all_others_ends_them_in_every_organization_that_one_gets_into() {
    let (stack, google, _) = social().await;
    google.knows(person("ada", "ada@gmail.example"));
    // One identity, two organizations, two addresses.
    let mut sessions = Vec::new();
    for (email, org) in [("ada@northwind.example", "northwind"), ("ada@fabrikam.example", "fabrikam")] {
        let ada = stack.sign_up(email, org, PASSWORD).await;
        let google_only = json!({ "isEnabled": true, "ssoLogins": ["google"] });
        assert_eq!(set(&ada, "POST", "sso/auth/providers", google_only).await.status, 204);
        let linking = ada.call("POST", "/v1/users/auth/identities", Some(json!({ "provider": "google" }))).await;
        let login = linking.body["redirectUri"].as_str().unwrap().strip_prefix(PUBLIC_URL).unwrap().to_owned();
        let mut guest = Guest::new(&stack);
        guest.cookies.insert("__Host-Authorization".to_owned(), ada.token.clone());
        let going = guest.begin(&login).await;
        let code = google.code(&going);
        assert_eq!(location(&guest.open(&back(&going, &code)).await), "/profile?note=linked");
        sessions.push(ada);
    }
    let here = signed_in(&stack, &Guest::new(&stack).come(&format!("{GOOGLE}?org=northwind"), &google).await);
    let there = signed_in(&stack, &Guest::new(&stack).come(&format!("{GOOGLE}?org=fabrikam"), &google).await);
    let list = here.call("GET", "/v1/users/auth/sessions", None).await;
    assert_eq!(list.body["items"].as_array().unwrap().len(), 4, "{}", list.text);
    let next = here.call("DELETE", "/v1/users/auth/sessions", None).await;
    let next = signed_in(&stack, &next);
    assert_eq!(next.status().await, 200);
    for gone in [&here, &there, &sessions[0], &sessions[1]] {
        assert_eq!(gone.status().await, 401);
    }
    // Switched by the same identity, and carried on.
    let switched = signed_in(&stack, &next.call("POST", "/v1/auth/org/fabrikam/switch", None).await);
    assert_eq!(switched.call("GET", "/v1/auth/refresh", None).await.status, 200);
}

#[tokio::test]
async fn a_password_that_is_reset_takes_identities_of_strangers_with_it() {
    let (stack, google, _) = social().await;
    let ines = stack.sign_up(INES, "northwind", PASSWORD).await;
    let logins = json!({ "isEnabled": true, "ssoLogins": ["google"] });
    assert_eq!(set(&ines, "POST", "sso/auth/providers", logins).await.status, 204);
    for (subject, email) in [("thief", "thief@gmail.example"), ("ines", INES)] {
        google.knows(person(subject, email));
        let linking = ines.call("POST", "/v1/users/auth/identities", Some(json!({ "provider": "google" }))).await;
        let login = linking.body["redirectUri"].as_str().unwrap().strip_prefix(PUBLIC_URL).unwrap().to_owned();
        let mut guest = Guest::new(&stack);
        guest.cookies.insert("__Host-Authorization".to_owned(), ines.token.clone());
        let going = guest.begin(&login).await;
        let code = google.code(&going);
        assert_eq!(location(&guest.open(&back(&going, &code)).await), "/profile?note=linked");
    }
    stack.advance(MINUTE);
    stack.post("/v1/auth/user/password/reset", json!({ "emailId": INES })).await;
    assert_eq!(stack.set_password(&stack.mailed_token(INES), "reset", OTHER).await.status, 204);
    let login = format!("{GOOGLE}?org=northwind");
    google.knows(person("thief", "thief@gmail.example"));
    assert_eq!(why(&Guest::new(&stack).come(&login, &google).await).1, "no_account");
    google.knows(person("ines", INES));
    signed_in(&stack, &Guest::new(&stack).come(&login, &google).await);
}

#[tokio::test]
async fn who_was_deleted_is_let_in_again_by_an_invitation_only() {
    let (stack, google, github) = social().await;
    let ines = stack.sign_up(INES, "northwind", PASSWORD).await;
    prove(&ines, "northwind.example").await;
    let logins = json!({ "isEnabled": true, "ssoLogins": ["google", "github"] });
    assert_eq!(set(&ines, "POST", "sso/auth/providers", logins).await.status, 204);
    let login = format!("{GITHUB}?org=northwind");
    github.knows(42, None, &[("tom@northwind.example", true, true)]);
    let tom = signed_in(&stack, &come_by_github(&mut Guest::new(&stack), &github, &login).await);
    assert_eq!(ines.call("DELETE", &format!("/v1/users/{}", uid(&tom).await), None).await.status, 204);
    assert_eq!(why(&come_by_github(&mut Guest::new(&stack), &github, &login).await).1, "no_account");
    // Whom GitHub vouches for is not whom the invitation was mailed to.
    let (_, token) = ines.invite("tom@northwind.example", &[domain::role::TENANT_ADMIN.uid]).await;
    assert_eq!(why(&come_by_github(&mut Guest::new(&stack), &github, &login).await).1, "link_first");
    stack.set_password(&token, "activate", OTHER).await;
    stack.session("tom@northwind.example", OTHER, None).await;
    // Google's word counts for addresses that it hands out itself.
    google.knows(person("g-1", "mei@northwind.example"));
    let path = format!("{GOOGLE}?org=northwind");
    assert_eq!(why(&Guest::new(&stack).come(&path, &google).await).1, "no_account");
    let mut hosted = person("g-1", "mei@northwind.example");
    hosted["hd"] = json!("elsewhere.example");
    google.knows(hosted.clone());
    assert_eq!(why(&Guest::new(&stack).come(&path, &google).await).1, "no_account");
    hosted["hd"] = json!("northwind.example");
    google.knows(hosted);
    let mei = signed_in(&stack, &Guest::new(&stack).come(&path, &google).await);
    assert_eq!(ines.call("DELETE", &format!("/v1/users/{}", uid(&mei).await), None).await.status, 204);
    signed_in(&stack, &Guest::new(&stack).come(&path, &google).await);
}

#[tokio::test]
async fn a_page_of_another_site_puts_nobody_into_an_organization() {
    let (stack, provider, _) = northwind().await;
    provider.knows(person("7", "tom@northwind.example"));
    let before = stack.contents().await;
    for site in ["cross-site", "same-site", "none"] {
        let call = stack.request("GET", &format!("{LOGIN}?next=%2Fprofile")).header("accept", "text/html");
        let answer = call.header("sec-fetch-site", site).send_any().await;
        assert_eq!((answer.status, location(&answer).as_str()), (303, "/o/northwind?next=%2Fprofile"), "{site}");
    }
    assert_eq!(stack.contents().await, before);
    assert_eq!(provider.asked(), Vec::<String>::new());
    let call = stack.request("GET", LOGIN).header("accept", "text/html").header("sec-fetch-site", "same-origin");
    assert_eq!(call.send_any().await.status, 302);
    // Nor does anybody fill the table by long addresses.
    let long = format!("{LOGIN}?next=%2Fapi-keys%3Fx%3D{}", "A".repeat(7000));
    Guest::new(&stack).begin(&long).await;
    assert!(!stack.contents().await.contains(&"A".repeat(600)));
}

#[tokio::test]
async fn nobody_accepts_the_invitation_of_another_browser() {
    let (stack, provider, ines) = northwind().await;
    let (_, token) = ines.invite("tom@elsewhere.example", &[]).await;
    provider.knows(person("victim", "victim@elsewhere.example"));
    let mut thief = Guest::new(&stack);
    let page = thief.open("/activate").await;
    let page = thief.submit(&page, "/activate", &[("token", &token)]).await;
    let link = page.text.split("href=\"/v1/auth/org/northwind/oidc/login?with=").nth(1).expect(&page.text);
    let link = format!("{LOGIN}?with={}", link.split('"').next().unwrap());
    let mut victim = Guest::new(&stack);
    assert_eq!(location(&victim.open(&link).await), "/o/northwind?note=sso-state");
    victim.begin(LOGIN).await;
    assert_eq!(location(&victim.open(&link).await), "/o/northwind?note=sso-state", "nor one with a cookie of its own");
    // A provider that is down once is asked again, by the same page.
    provider.cheats(|script| drop(script.instead.insert("/jwks".to_owned(), (503, Vec::new(), String::new()))));
    assert_eq!(location(&thief.open(&link).await), "/o/northwind?note=sso-down");
    provider.cheats(|script| script.instead.clear());
    thief.begin(&link).await;
}

#[tokio::test]
async fn a_password_that_an_admin_has_set_opens_nothing_that_is_founded_or_entered_without_one() {
    let (stack, google, _) = social().await;
    let ines = stack.sign_up(INES, "northwind", PASSWORD).await;
    let (zoe, token) = ines.invite("zoe@northwind.example", &[]).await;
    stack.set_password(&token, "activate", OTHER).await;
    let planted = json!({ "newPassword": "Planted-9-kettle" });
    let path = format!("/v1/users/{zoe}/password/change");
    assert_eq!(ines.call("PATCH", &path, Some(planted)).await.status, 204);
    // Whoever has set it signs in before she is gone, and moves on with her.
    let planted = stack.session("zoe@northwind.example", "Planted-9-kettle", Some("northwind")).await;
    google.knows(person("zoe", "zoe@northwind.example"));
    let mut guest = Guest::new(&stack);
    let going = guest.begin(GOOGLE).await;
    let code = google.code(&going);
    let address = location(&guest.open(&back(&going, &code)).await);
    let page = guest.open(&address).await;
    assert_eq!(planted.status().await, 200);
    assert_eq!(location(&guest.submit(&page, "/sso/sign-up", &[("org", "zoes-own")]).await), "/api-keys");
    assert_eq!(planted.call("POST", "/v1/auth/org/zoes-own/switch", None).await.status, 401);
    for org in ["zoes-own", "northwind"] {
        assert_eq!(stack.sign_in("zoe@northwind.example", "Planted-9-kettle", Some(org)).await.status, 401, "{org}");
    }
    // One that she has set herself stays.
    stack.advance(MINUTE);
    stack.post("/v1/auth/user/password/reset", json!({ "emailId": "zoe@northwind.example" })).await;
    let token = stack.mailed_token("zoe@northwind.example");
    assert_eq!(stack.set_password(&token, "reset", OTHER).await.status, 204);
    google.knows(person("zoe-2", "zoe@northwind.example"));
    let mut guest = Guest::new(&stack);
    let going = guest.begin(GOOGLE).await;
    let code = google.code(&going);
    let address = location(&guest.open(&back(&going, &code)).await);
    let page = guest.open(&address).await;
    assert_eq!(location(&guest.submit(&page, "/sso/sign-up", &[("org", "zoes-other")]).await), "/api-keys");
    assert_eq!(stack.sign_in("zoe@northwind.example", OTHER, Some("zoes-own")).await.status, 200);
}

#[tokio::test]
async fn what_a_provider_says_is_kept_only_as_far_as_it_makes_sense() {
    let (stack, provider, ines) = northwind().await;
    let long = "x".repeat(90_000);
    let mut tom = person("7", "tom@northwind.example");
    tom["given_name"] = json!(format!("<b>{long}"));
    tom["family_name"] = json!("evil.example/\u{202e}\n");
    provider.knows(tom);
    let session = signed_in(&stack, &Guest::new(&stack).come(LOGIN, &provider).await);
    let me = session.call("GET", "/v1/users/me", None).await.body;
    assert!(me["spec"]["firstName"].as_str().unwrap().chars().count() <= 64);
    assert_eq!(me["spec"]["lastName"], "evil example");
    let linking = ines.call("POST", "/v1/users/auth/identities", Some(json!({ "provider": "oidc" }))).await;
    let login = linking.body["redirectUri"].as_str().unwrap().strip_prefix(PUBLIC_URL).unwrap().to_owned();
    provider.knows(json!({ "sub": "8", "email": format!("a\n=cmd|{long}") }));
    let mut guest = Guest::new(&stack);
    guest.cookies.insert("__Host-Authorization".to_owned(), ines.token.clone());
    let going = guest.begin(&login).await;
    let code = provider.code(&going);
    assert_eq!(location(&guest.open(&back(&going, &code)).await), "/profile?note=linked");
    assert!(!stack.everything().await.contains(&"x".repeat(100)));
    // Nor more identities than one can keep an eye on.
    for number in 0..9 {
        provider.knows(json!({ "sub": format!("more-{number}") }));
        let linking = ines.call("POST", "/v1/users/auth/identities", Some(json!({ "provider": "oidc" }))).await;
        let login = linking.body["redirectUri"].as_str().unwrap().strip_prefix(PUBLIC_URL).unwrap().to_owned();
        let going = guest.begin(&login).await;
        let code = provider.code(&going);
        assert_eq!(location(&guest.open(&back(&going, &code)).await), "/profile?note=linked", "{number}");
    }
    let refused = ines.call("POST", "/v1/users/auth/identities", Some(json!({ "provider": "oidc" }))).await;
    assert_eq!((refused.status, refused.code()), (403, "ResourceLimitExceeded"));
    // With all of them somebody can be deleted.
    let eve = ines.invite("eve@northwind.example", &[domain::role::TENANT_ADMIN.uid]).await.1;
    stack.set_password(&eve, "activate", OTHER).await;
    let eve = stack.session("eve@northwind.example", OTHER, None).await;
    let path = format!("/v1/users/{}", uid(&ines).await);
    let active = json!([{ "op": "replace", "path": ACTIVE, "value": false }]);
    assert_eq!(eve.call("PATCH", &path, Some(active)).await.status, 204);
    assert_eq!(eve.call("DELETE", &path, None).await.status, 204);
    let left = stack.contents().await.matches("\"S\":\"LINK#").count();
    assert_eq!(left, 2, "those of Tom");
}

#[tokio::test]
async fn keys_and_verification_go_on_while_providers_hang() {
    let (stack, provider, ines) = northwind().await;
    let key = ines
        .call("POST", "/v1/apiKeys", Some(json!({ "metadata": { "name": "k" }, "spec": { "expiry": LATER } })))
        .await;
    let key = key.body["apiKey"].as_str().unwrap().to_owned();
    provider.cheats(|script| script.delay = Duration::from_secs(30));
    let verify = async {
        let path = format!("/v1/tenants/{}/oidc/config/verify", ines.tenant_uid().await);
        ines.call("POST", &path, None).await
    };
    let check = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        stack.request("GET", "/v1/users/me").header("ApiKey", &key).send().await.status
    };
    let (verified, checked) = tokio::join!(verify, check);
    assert_eq!(checked, 200);
    assert_eq!((verified.status, verified.code()), (400, "ProviderUnusable"));
    assert!(verified.text.contains("no answer in 5 seconds"), "{}", verified.text);
    provider.cheats(|script| {
        script.delay = Duration::ZERO;
        script.metadata = std::sync::Arc::new(|it| it["issuer"] = json!("https://id.example/"));
    });
    let verified = set(&ines, "POST", "oidc/config/verify", json!({})).await;
    assert!(verified.text.contains("https://id.example/"), "{}", verified.text);
    provider.cheats(|script| script.metadata = std::sync::Arc::new(|_| {}));
    assert_eq!(set(&ines, "POST", "oidc/config/verify", json!({})).await.status, 204);
    // Scopes that are one text, for who does not keep to the standard.
    let mut odd = config(&provider.url);
    odd["scopes"] = json!(["email", "profile"]);
    odd["scopesDelimiter"] = json!(",");
    assert_eq!(configure(&ines, odd).await.status, 204);
    assert_eq!(Guest::new(&stack).begin(LOGIN).await.scope, "openid,email,profile");
}

/// Whoever knows the old password signs in where the person has come in by a provider at this moment, and whoever sets the
/// new one has not read of that organization yet.
#[tokio::test]
async fn a_new_password_ends_sessions_by_the_old_one_where_the_person_came_in_meanwhile() {
    let (stack, provider, _) = northwind().await;
    let email = "tom@northwind.example";
    stack.sign_up(email, "southwind", PASSWORD).await;
    let store = &stack.service.store;
    let before = store.person(email).await.unwrap();
    provider.knows(person("7", email));
    signed_in(&stack, &Guest::new(&stack).come(LOGIN, &provider).await);
    let thief = stack.session(email, PASSWORD, Some("northwind")).await;
    let new = |before| store::NewPassword {
        address: email,
        email,
        hash: "$argon2id$new",
        is_by_admin: false,
        before,
        users: &[],
        used: None,
        activated: None,
    };
    let set = store.on_record(&[]).set_password(&new(&before), stack.clock.now()).await;
    assert!(matches!(set, Err(store::StoreError::Conflict)), "{set:?}");
    assert_eq!(thief.status().await, 200);
    // Nor is a first one set by somebody who has not read that they came.
    let mei = "mei@northwind.example";
    provider.knows(person("8", mei));
    signed_in(&stack, &Guest::new(&stack).come(LOGIN, &provider).await);
    let (unread, read) = (store::Person::default(), store.person(mei).await.unwrap());
    for (before, is_set) in [(&unread, false), (&read, true)] {
        let first = store::NewPassword { address: mei, email: mei, ..new(before) };
        let set = store.on_record(&[]).set_password(&first, stack.clock.now()).await;
        assert_eq!(set.is_ok(), is_set, "{set:?}");
    }
    let now = stack.session(email, PASSWORD, Some("southwind")).await;
    let change = json!({ "emailId": email, "currentPassword": PASSWORD, "newPassword": OTHER });
    assert_eq!(now.call("PATCH", "/v1/users/password/change", Some(change)).await.status, 204);
    assert_eq!(thief.status().await, 401);
}
