//! Signing up, in and out, passwords, organizations.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use domain::role;
use insta::assert_snapshot;
use serde_json::json;

use crate::{
    session::{OTHER, PASSWORD, Session},
    stack::{Answer, Stack, counted},
};

#[tokio::test]
async fn from_sign_up_to_a_second_organization() {
    let stack = Stack::start().await;
    let ines = stack.sign_up("Ines@Northwind.example", "northwind", PASSWORD).await;
    let me = ines.call("GET", "/v1/users/me", None).await.body;
    assert_eq!(me["status"]["tenant"]["orgName"], json!("northwind"));
    assert_eq!(me["spec"]["roles"], json!([role::TENANT_ADMIN.uid]));

    // She invites Tom, who cannot get in before he has followed the link.
    let (tom_uid, invitation) = ines.invite("tom@northwind.example", &[]).await;
    assert_eq!(stack.sign_in("tom@northwind.example", PASSWORD, None).await.code(), "InvalidCredentials");
    assert_eq!(stack.set_password(&invitation, "activate", OTHER).await.status, 204);
    let tom = stack.session("tom@northwind.example", OTHER, None).await;

    // She makes a key for him, which he sees.
    let body =
        json!({ "metadata": { "name": "from ines" }, "spec": { "userUid": tom_uid, "expiry": crate::stack::LATER } });
    let created = ines.call("POST", "/v1/apiKeys", Some(body)).await;
    assert_eq!(created.status, 201, "{}", created.text);
    let seen = tom.call("GET", "/v1/apiKeys", None).await;
    assert_eq!(seen.body["items"][0]["metadata"]["name"], json!("from ines"));

    // The same address in a second organization: which one is asked only after the password was right.
    let second = stack.sign_up("ines@northwind.example", "fabrikam", OTHER).await;
    assert_eq!(second.status().await, 200);
    assert_eq!(
        stack.sign_in("ines@northwind.example", PASSWORD, None).await.code(),
        "InvalidCredentials",
        "one password"
    );
    let asked = stack.sign_in("ines@northwind.example", OTHER, None).await;
    assert_snapshot!(asked.bytes(), @r#"400 {"code":"OrgSelectionRequired","details":{"organizations":[{"authType":"password","name":"fabrikam","redirectUrl":"https://latchkey.example/o/fabrikam","ssoLogins":[]},{"authType":"password","name":"northwind","redirectUrl":"https://latchkey.example/o/northwind","ssoLogins":[]}]},"message":"choose an organization and send its name as org"}"#);
    let ines = stack.session("INES@northwind.example", OTHER, Some("NorthWind")).await;

    // Both are named by mail, and she can switch between them.
    let forgot = stack.request("GET", "/v1/auth/user/org/forgot?emailId=ines%40northwind.example").send().await;
    assert_eq!(forgot.status, 204);
    let mail = stack.mails().pop().unwrap();
    assert!(mail.text.contains("/o/northwind") && mail.text.contains("/o/fabrikam"), "{}", mail.text);
    let orgs = ines.call("GET", "/v1/auth/orgs", None).await;
    assert_eq!(orgs.body["organizations"].as_array().unwrap().len(), 2);
    let switched = ines.call("POST", "/v1/auth/org/fabrikam/switch", None).await;
    assert_eq!(switched.status, 200);
    let there = Session { stack: stack.clone(), token: switched.body["Authorization"].as_str().unwrap().to_owned() };
    assert_eq!(there.call("GET", "/v1/users/info", None).await.body["orgName"], json!("fabrikam"));
    let refused = tom.call("POST", "/v1/auth/org/fabrikam/switch", None).await;
    assert_eq!((refused.status, refused.code()), (403, "ResourceAccessDenied"));
    let absent = tom.call("POST", "/v1/auth/org/no-such-org/switch", None).await;
    assert_eq!(absent.bytes(), refused.bytes());
}

#[tokio::test]
async fn keys_do_not_open_doors_for_people() {
    let stack = Stack::start().await;
    let user = stack.tenant("northwind").await.user().await;
    let body = json!({ "emailId": user.user.email, "currentPassword": "x", "newPassword": PASSWORD });
    for (method, path) in [
        ("PATCH", "/v1/users/password/change".to_owned()),
        ("PATCH", format!("/v1/users/{}/password/change", user.user.uid)),
        ("POST", "/v1/auth/org/northwind/switch".to_owned()),
    ] {
        let answer = user.request(method, &path).json(&body).send().await;
        assert_eq!((answer.status, answer.code()), (403, "OperationForbidden"), "{path}");
        let token = user.token().await;
        let answer = stack.request(method, &path).header("Authorization", &token).json(&body).send().await;
        assert_eq!((answer.status, answer.code()), (403, "OperationForbidden"), "{path} by a token of a key");
    }
}

#[tokio::test]
async fn a_new_password_ends_sessions_and_keeps_keys() {
    let stack = Stack::start().await;
    let ines = stack.sign_up("ines@northwind.example", "northwind", PASSWORD).await;
    let other = stack.session("ines@northwind.example", PASSWORD, None).await;
    let body = json!({ "metadata": { "name": "key" }, "spec": { "expiry": crate::stack::LATER } });
    let key = ines.call("POST", "/v1/apiKeys", Some(body)).await.body["apiKey"].as_str().unwrap().to_owned();
    let key_token = crate::stack::token_of(&stack, &key).await;

    let change = json!({ "emailId": "ines@northwind.example", "currentPassword": PASSWORD, "newPassword": OTHER });
    assert_eq!(ines.call("PATCH", "/v1/users/password/change", Some(change)).await.status, 204);
    assert_eq!((ines.status().await, other.status().await), (401, 401));
    let refreshed = stack.request("GET", "/v1/auth/refresh").header("Authorization", &other.token).send().await;
    assert_eq!(refreshed.status, 401);
    for (header, value) in [("ApiKey", &key), ("Authorization", &key_token)] {
        assert_eq!(stack.request("GET", "/v1/users/me").header(header, value).send().await.status, 200);
    }
    assert_eq!(stack.sign_in("ines@northwind.example", PASSWORD, None).await.status, 401);
    assert_eq!(stack.session("ines@northwind.example", OTHER, None).await.status().await, 200);
}

#[tokio::test]
async fn a_password_must_be_what_the_tenant_asks() {
    let stack = Stack::start().await;
    let ines = stack.sign_up("ines@northwind.example", "northwind", PASSWORD).await;
    let tenant = ines.tenant_uid().await;
    let policy = json!({ "minLength": 20, "minNumOfDigits": 2 });
    assert_eq!(ines.call("POST", &format!("/v1/tenants/{tenant}/password/policy"), Some(policy)).await.status, 204);
    let change =
        |new: &str| json!({ "emailId": "ines@northwind.example", "currentPassword": PASSWORD, "newPassword": new });
    let refused = ines.call("PATCH", "/v1/users/password/change", Some(change(OTHER))).await;
    assert_snapshot!(refused.bytes(), @r#"400 {"code":"PasswordPolicyViolation","details":{"rules":["minLength","minNumOfDigits"]},"message":"the password breaks rules of the organization"}"#);
    for new in ["Northwind-northwind-1-2-Northwind-Northwind-Northwind-Northwind-Northwind", &"x".repeat(5000)] {
        assert_eq!(ines.call("PATCH", "/v1/users/password/change", Some(change(new))).await.status, 400);
    }
    assert_eq!(ines.status().await, 200);
}

#[tokio::test]
async fn a_password_made_of_what_everybody_knows_of_its_person_is_refused() {
    let stack = Stack::start().await;
    let ada = stack.sign_up("ada@elsewhere.example", "northwind", PASSWORD).await;
    let me = ada.call("GET", "/v1/users/info", None).await.body["userUid"].as_str().unwrap().to_owned();
    let names = json!({ "spec": { "firstName": "Maximiliane", "lastName": "Hasenstab" } });
    assert_eq!(ada.call("PUT", &format!("/v1/users/{me}"), Some(names)).await.status, 204);
    let change = |email: &str, new: &str| json!({ "emailId": email, "currentPassword": PASSWORD, "newPassword": new });
    let theirs = ["Elsewhere-7!", "Northwind-7!", "N0rthw1nd-7!", "Maximiliane7!", "Hasenstab-7!"];
    for new in theirs.iter().chain(&["Latchkey-27!"]) {
        let refused = ada.call("PATCH", "/v1/users/password/change", Some(change("ada@elsewhere.example", new))).await;
        assert_eq!((refused.status, &refused.body["details"]), (400, &json!({ "rules": ["tooCommon"] })), "{new}");
    }
    // The same by a link, of a user who is not active yet.
    let (_, token) = ada.invite("tom@fabrikam.example", &[]).await;
    assert_eq!(stack.set_password(&token, "activate", "Northwind-7!").await.code(), "PasswordPolicyViolation");
    assert_eq!(stack.set_password(&token, "activate", PASSWORD).await.status, 204);
    // Of somebody else they are anybody's guess.
    stack.sign_up_only("mei@contoso.example", "contoso", PASSWORD).await;
    let mut current = PASSWORD;
    for new in theirs {
        let mei = stack.session("mei@contoso.example", current, None).await;
        let body = json!({ "emailId": "mei@contoso.example", "currentPassword": current, "newPassword": new });
        let changed = mei.call("PATCH", "/v1/users/password/change", Some(body)).await;
        assert_eq!(changed.status, 204, "{new}: {}", changed.text);
        current = new;
    }
}

#[tokio::test]
async fn a_password_of_sixty_four_characters_is_taken_and_counts_to_the_last() {
    let stack = Stack::start().await;
    let long = format!("{PASSWORD}-and-{OTHER}-under-the-bridge-of-1887-and");
    assert_eq!(long.len(), 64);
    let ines = stack.sign_up("ines@northwind.example", "northwind", &long).await;
    assert_eq!(ines.status().await, 200);
    assert_eq!(stack.sign_in("ines@northwind.example", &long[..63], None).await.status, 401);
    let too_long =
        json!({ "emailId": "ines@northwind.example", "currentPassword": long, "newPassword": long.clone() + "x" });
    let refused = ines.call("PATCH", "/v1/users/password/change", Some(too_long)).await;
    assert_eq!(refused.body["details"], json!({ "rules": ["maxLength"] }));
}

#[tokio::test]
async fn a_new_installation_holds_no_account() {
    let stack = Stack::start().await;
    assert_eq!(stack.everything().await, "");
    for (email, password) in [("admin", "admin"), ("admin@latchkey.example", "admin"), ("root@localhost", "")] {
        assert_ne!(stack.sign_in(email, password, None).await.status, 200, "{email}");
    }
}

#[tokio::test]
async fn a_password_ends_when_the_tenant_says_and_that_is_announced() {
    let stack = Stack::start().await;
    let email = "ines@northwind.example";
    let ines = stack.sign_up(email, "northwind", PASSWORD).await;
    let path = format!("/v1/tenants/{}/password/policy", ines.tenant_uid().await);
    let policy = json!({ "expiryDurationInDays": 90, "firstReminderInDays": 5 });
    assert_eq!(ines.call("POST", &path, Some(policy)).await.status, 204);
    let body = json!({ "metadata": { "name": "key" }, "spec": { "expiry": crate::stack::LATER } });
    let key = ines.call("POST", "/v1/apiKeys", Some(body)).await.body["apiKey"].as_str().unwrap().to_owned();
    let days = |days: u64| Duration::from_hours(24 * days);
    let subjects = || stack.mails().into_iter().map(|mail| mail.subject).collect::<Vec<_>>();
    let count = |subject: &str| subjects().iter().filter(|it| *it == subject).count();

    stack.advance(days(84));
    assert_eq!(stack.sign_in(email, PASSWORD, None).await.status, 200);
    assert_eq!(count("Your password ends soon"), 0);
    stack.advance(days(1));
    for _ in 0..3 {
        assert_eq!(stack.sign_in(email, PASSWORD, None).await.status, 200);
    }
    assert_eq!(count("Your password ends soon"), 1, "once a day");
    // Another organization gives it more time, and leads nowhere else.
    stack.sign_up(email, "fabrikam", OTHER).await;
    stack.advance(days(90));
    let session = stack.session(email, OTHER, Some("fabrikam")).await;
    let switched = session.call("POST", "/v1/auth/org/northwind/switch", None).await;
    assert_eq!((switched.status, switched.code()), (403, "PasswordExpired"));
    let refused = stack.sign_in(email, OTHER, Some("northwind")).await;
    assert_snapshot!(refused.bytes(), @r#"403 {"code":"PasswordExpired","details":null,"message":"the password has ended by the rules of the organization; a link to set another one was mailed"}"#);
    assert_eq!(
        stack.sign_in(email, PASSWORD, Some("northwind")).await.code(),
        "InvalidCredentials",
        "no hint before it is right"
    );
    assert_eq!(count("Your password has ended"), 1);
    assert_eq!(stack.request("GET", "/v1/users/me").header("ApiKey", &key).send().await.status, 200, "keys go on");

    let link = stack.mailed_token(email);
    let same = stack.set_password(&link, "reset", OTHER).await;
    assert_eq!((same.status, &same.body["details"]), (400, &json!({ "rules": ["sameAsBefore"] })));
    assert_eq!(stack.set_password(&link, "reset", PASSWORD).await.status, 204);
    let again = stack.session(email, PASSWORD, Some("northwind")).await;
    let body = json!({ "emailId": email, "currentPassword": PASSWORD, "newPassword": PASSWORD });
    let same = again.call("PATCH", "/v1/users/password/change", Some(body)).await;
    assert_eq!((same.status, &same.body["details"]), (400, &json!({ "rules": ["sameAsBefore"] })));
}

#[tokio::test]
async fn an_invitation_that_has_expired_is_mailed_again() {
    let stack = Stack::start().await;
    let ines = stack.sign_up("ines@northwind.example", "northwind", PASSWORD).await;
    let (uid, first) = ines.invite("tom@northwind.example", &[]).await;
    stack.advance(Duration::from_hours(25));
    assert_eq!(stack.set_password(&first, "activate", OTHER).await.code(), "InvalidPasswordToken");
    let ines = stack.session("ines@northwind.example", PASSWORD, None).await;
    for _ in 0..3 {
        assert_eq!(ines.call("PATCH", &format!("/v1/users/{uid}/password/reset"), None).await.status, 204);
    }
    let mails = stack.mails().into_iter().filter(|mail| mail.to == "tom@northwind.example");
    assert_eq!(mails.map(|mail| mail.subject).collect::<Vec<_>>(), ["Invitation to northwind"; 2], "one in a minute");
    assert_eq!(stack.set_password(&stack.mailed_token("tom@northwind.example"), "activate", OTHER).await.status, 204);
    assert_eq!(stack.sign_in("tom@northwind.example", OTHER, None).await.status, 200);
}

#[tokio::test]
async fn a_link_is_good_for_one_thing_once_and_for_a_day() {
    let stack = Stack::start().await;
    let ines = stack.sign_up("ines@northwind.example", "northwind", PASSWORD).await;
    let reset = async || {
        stack.advance(Duration::from_mins(1));
        let asked = stack.post("/v1/auth/user/password/reset", json!({ "emailId": "ines@northwind.example" })).await;
        assert_eq!(asked.status, 204);
        stack.mailed_token("ines@northwind.example")
    };
    let token = reset().await;
    let used = stack.set_password(&token, "reset", OTHER).await;
    assert_eq!(used.status, 204);
    let again = stack.set_password(&token, "reset", OTHER).await;
    assert_snapshot!(again.bytes(), @r#"401 {"code":"InvalidPasswordToken","details":null,"message":"the link is not valid, was used already or has expired"}"#);
    let (_, invitation) =
        stack.session("ines@northwind.example", OTHER, None).await.invite("tom@northwind.example", &[]).await;
    assert_eq!(stack.set_password(&invitation, "reset", OTHER).await.bytes(), again.bytes(), "another kind");
    let token = reset().await;
    assert_eq!(stack.set_password(&token, "activate", OTHER).await.bytes(), again.bytes(), "another kind");
    for junk in ["x", "null", "undefined", "%20", "..%2f", &"A".repeat(43), &ines.token] {
        assert_eq!(stack.set_password(junk, "reset", OTHER).await.bytes(), again.bytes(), "{junk}");
        let made = stack.request("POST", &format!("/v1/tenants/signup/{junk}/activate")).send().await;
        assert_eq!(made.bytes(), again.bytes(), "{junk}");
    }
    stack.advance(Duration::from_hours(24));
    assert_eq!(stack.set_password(&token, "reset", OTHER).await.bytes(), again.bytes(), "expired");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_fifty_uses_of_a_link_at_once_exactly_one_succeeds() {
    let stack = Stack::start().await;
    stack.sign_up("ines@northwind.example", "northwind", PASSWORD).await;
    stack.advance(Duration::from_mins(1));
    stack.post("/v1/auth/user/password/reset", json!({ "emailId": "ines@northwind.example" })).await;
    let token = stack.mailed_token("ines@northwind.example");
    let uses: Vec<_> = (0..50)
        .map(|number| {
            let (stack, token) = (stack.clone(), token.clone());
            tokio::spawn(async move {
                stack.set_password(&token, "reset", &format!("Granite-{number}-kettle")).await.status
            })
        })
        .collect();
    let mut statuses = Vec::new();
    for used in uses {
        statuses.push(used.await.unwrap());
    }
    assert_eq!(counted(statuses), counted([vec![204], vec![401; 49]].concat()));
}

/// A request about an address.
type Door<'a> = Box<dyn Fn(&str) -> crate::stack::Call + 'a>;

#[tokio::test]
async fn known_and_unknown_addresses_are_answered_with_the_same_bytes_and_the_same_work() {
    let stack = Stack::start().await;
    stack.sign_up("ines@northwind.example", "northwind", PASSWORD).await;
    let tom = stack.sign_up("tom@fabrikam.example", "fabrikam", PASSWORD).await;
    stack.advance(Duration::from_mins(2));
    // What the first request of a session reads and notes is read and noted.
    let body = json!({ "emailId": "x@y.example", "currentPassword": "wrong", "newPassword": OTHER });
    assert_eq!(tom.call("PATCH", "/v1/users/password/change", Some(body)).await.status, 401);
    let (known, unknown) = ("ines@northwind.example", "nobody@northwind.example");
    let sign_up =
        |email: &str, org: &str| json!({ "firstName": "A", "lastName": "B", "emailId": email, "orgName": org });
    let doors: Vec<(&str, Door<'_>)> = vec![
        (
            "sign in",
            Box::new(|email| {
                stack.request("POST", "/v1/auth/authenticate").json(&json!({ "emailId": email, "password": "wrong" }))
            }),
        ),
        (
            "sign in to an organization",
            Box::new(|email| {
                stack
                    .request("POST", "/v1/auth/authenticate")
                    .json(&json!({ "emailId": email, "password": "wrong", "org": "northwind" }))
            }),
        ),
        (
            "forgot password",
            Box::new(|email| stack.request("POST", "/v1/auth/user/password/reset").json(&json!({ "emailId": email }))),
        ),
        (
            "reset",
            Box::new(|email| stack.request("PATCH", "/v1/users/password/reset").json(&json!({ "emailId": email }))),
        ),
        (
            "forgot organization",
            Box::new(|email| stack.request("GET", &format!("/v1/auth/user/org/forgot?emailId={email}"))),
        ),
        (
            "change",
            Box::new(|email| {
                let body = json!({ "emailId": email, "currentPassword": "wrong", "newPassword": OTHER });
                let call = stack.request("PATCH", "/v1/users/password/change").header("Authorization", &tom.token);
                call.json(&body)
            }),
        ),
        ("sign up", Box::new(|email| stack.request("POST", "/v1/tenants/signup").json(&sign_up(email, "contoso")))),
    ];
    for (what, door) in &doors {
        let hashes = || stack.service.app("authenticate").hasher.count();
        let start = hashes();
        let one = door(known).send().await;
        let of_known = hashes() - start;
        let other = door(unknown).send().await;
        assert_eq!(hashes() - start, 2 * of_known, "{what}: as many hashes");
        assert_eq!(of_known, usize::from(what.starts_with("sign in")), "{what}");
        assert_eq!(one.bytes(), other.bytes(), "{what}");
        assert_eq!(one.operations, other.operations, "{what}");
        let headers = |answer: &Answer| answer.headers.keys().map(ToString::to_string).collect::<BTreeSet<_>>();
        assert_eq!(headers(&one), headers(&other), "{what}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_a_hundred_wrong_passwords_five_are_evaluated_and_keys_and_sessions_go_on() {
    let stack = Stack::start().await;
    let ines = stack.sign_up("ines@northwind.example", "northwind", PASSWORD).await;
    let body = json!({ "metadata": { "name": "key" }, "spec": { "expiry": crate::stack::LATER } });
    let key = ines.call("POST", "/v1/apiKeys", Some(body)).await.body["apiKey"].as_str().unwrap().to_owned();
    // Fewer at once than may wait for hashing, where one too many is told to come back and counts as no attempt.
    let at_once = Arc::new(tokio::sync::Semaphore::new(50));
    let attempts: Vec<_> = (0..100)
        .map(|number| {
            let (stack, token, at_once) = (stack.clone(), ines.token.clone(), at_once.clone());
            tokio::spawn(async move {
                let _permit = at_once.acquire().await.unwrap();
                let email = if number % 2 == 0 { "ines@northwind.example" } else { " INES@Northwind.Example " };
                let wrong = format!("wrong-{number}");
                let call = if number % 3 == 0 {
                    let body = json!({ "emailId": email, "currentPassword": wrong, "newPassword": OTHER });
                    stack.request("PATCH", "/v1/users/password/change").header("Authorization", &token).json(&body)
                } else {
                    stack.request("POST", "/v1/auth/authenticate").json(&json!({ "emailId": email, "password": wrong }))
                };
                let answer = call.header("X-Forwarded-For", &format!("203.0.113.{number}")).send().await;
                (answer.status, answer.code().to_owned())
            })
        })
        .collect();
    let mut answers = Vec::new();
    for attempt in attempts {
        answers.push(attempt.await.unwrap());
    }
    let answers = counted(answers);
    let evaluated = answers.get(&(401, "InvalidCredentials".to_owned())).copied().unwrap_or_default();
    let refused = answers.get(&(403, "AccountLocked".to_owned())).copied().unwrap_or_default();
    assert_eq!(evaluated + refused, 100, "{answers:?}");
    assert!((1..=5).contains(&evaluated), "{answers:?}");
    assert_eq!(
        stack.sign_in("ines@northwind.example", PASSWORD, None).await.code(),
        "AccountLocked",
        "the right one too"
    );
    assert_eq!(ines.status().await, 200);
    assert_eq!(stack.request("GET", "/v1/users/me").header("ApiKey", &key).send().await.status, 200);
    stack.advance(Duration::from_mins(1));
    assert_eq!(stack.sign_in("ines@northwind.example", PASSWORD, None).await.status, 200, "a minute later");
}

#[tokio::test]
async fn a_planted_password_does_not_open_what_is_signed_up_later() {
    let stack = Stack::start().await;
    // Somebody had the address before, with a password of their own.
    let first = stack.sign_up("ines@northwind.example", "planted", OTHER).await;
    assert_eq!(first.status().await, 200);
    stack.advance(Duration::from_mins(1));
    let body =
        json!({ "firstName": "Ines", "lastName": "Alba", "emailId": "ines@northwind.example", "orgName": "northwind" });
    assert_eq!(stack.post("/v1/tenants/signup", body).await.status, 204);
    let token = stack.mailed_token("ines@northwind.example");
    assert_eq!(stack.request("POST", &format!("/v1/tenants/signup/{token}/activate")).send().await.status, 204);
    // Between the two steps the old password opens the old organization and not the new one.
    assert_eq!(stack.sign_in("ines@northwind.example", OTHER, Some("northwind")).await.code(), "InvalidCredentials");
    assert_eq!(stack.sign_in("ines@northwind.example", OTHER, Some("planted")).await.status, 200);
    assert_eq!(stack.set_password(&token, "activate", PASSWORD).await.status, 204);
    assert_eq!(stack.sign_in("ines@northwind.example", PASSWORD, Some("northwind")).await.status, 200);
    let again = stack.request("POST", &format!("/v1/tenants/signup/{token}/activate")).send().await;
    assert_eq!(again.code(), "InvalidPasswordToken");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_twenty_confirmations_of_a_sign_up_at_once_exactly_one_succeeds() {
    let stack = Stack::start().await;
    let body = json!({ "firstName": "A", "lastName": "B", "emailId": "a@b.example", "orgName": "northwind" });
    stack.post("/v1/tenants/signup", body).await;
    let path = format!("/v1/tenants/signup/{}/activate", stack.mailed_token("a@b.example"));
    let uses: Vec<_> = (0..20)
        .map(|_| {
            let (stack, path) = (stack.clone(), path.clone());
            tokio::spawn(async move { stack.request("POST", &path).send().await.code().to_owned() })
        })
        .collect();
    let mut codes = Vec::new();
    for used in uses {
        codes.push(used.await.unwrap());
    }
    assert_eq!(counted(codes), counted([vec![String::new()], vec!["InvalidPasswordToken".to_owned(); 19]].concat()));
}

#[tokio::test]
async fn a_password_that_changed_meanwhile_is_not_overwritten() {
    let stack = Stack::start().await;
    let email = "ines@northwind.example";
    let ines = stack.sign_up(email, "northwind", PASSWORD).await;
    let store = &stack.service.store;
    let read = store.person(email).await.unwrap();
    let change = json!({ "emailId": email, "currentPassword": PASSWORD, "newPassword": OTHER });
    assert_eq!(ines.call("PATCH", "/v1/users/password/change", Some(change)).await.status, 204);
    for before in [&read, &store::Person::default()] {
        let new = store::NewPassword {
            address: email,
            email,
            hash: "$argon2id$planted",
            is_by_admin: false,
            before,
            users: &[],
            used: None,
            activated: None,
        };
        let set = store.on_record(&[]).set_password(&new, stack.clock.now()).await;
        assert!(matches!(set, Err(store::StoreError::Conflict)));
    }
    assert_eq!(stack.sign_in(email, OTHER, None).await.status, 200);
}

#[tokio::test]
async fn mails_go_to_the_address_as_its_owner_spells_it() {
    let stack = Stack::start().await;
    stack.sign_up("Ines@Northwind.example", "northwind", PASSWORD).await;
    stack.advance(Duration::from_mins(1));
    let asked = json!({ "emailId": "INES@NORTHWIND.example" });
    stack.post("/v1/auth/user/password/reset", asked).await;
    stack.request("GET", "/v1/auth/user/org/forgot?emailId=iNES%40northwind.example").send().await;
    let mails = stack.mails();
    let to: Vec<&str> = mails.iter().rev().take(2).map(|mail| mail.to.as_str()).collect();
    assert_eq!(to, ["Ines@Northwind.example"; 2]);
}

#[tokio::test]
async fn a_name_that_nobody_came_into_is_free_again_and_one_that_somebody_did_is_not() {
    let stack = Stack::start().await;
    let body = |email: &str| json!({ "firstName": "A", "lastName": "B", "emailId": email, "orgName": "northwind" });
    assert_eq!(stack.post("/v1/tenants/signup", body("first@a.example")).await.status, 204);
    let first = stack.mailed_token("first@a.example");
    let path = format!("/v1/tenants/signup/{first}/activate");
    assert_eq!(stack.request("POST", &path).send().await.status, 204);
    // For a day it is theirs to come into.
    assert_eq!(stack.post("/v1/tenants/signup", body("second@a.example")).await.code(), "OrgNameTaken");
    stack.advance(Duration::from_hours(24));
    let second = stack.sign_up("second@a.example", "northwind", PASSWORD).await;
    assert_eq!(second.status().await, 200);
    assert_eq!(stack.set_password(&first, "activate", OTHER).await.code(), "InvalidPasswordToken");
    stack.advance(Duration::from_hours(24 * 60));
    assert_eq!(stack.post("/v1/tenants/signup", body("third@a.example")).await.code(), "OrgNameTaken");
}

#[tokio::test]
async fn no_link_does_what_another_is_for() {
    let stack = Stack::start().await;
    let ines = stack.sign_up("ines@northwind.example", "northwind", PASSWORD).await;
    let (_, invitation) = ines.invite("tom@northwind.example", &[]).await;
    stack.advance(Duration::from_mins(1));
    stack.post("/v1/auth/user/password/reset", json!({ "emailId": "ines@northwind.example" })).await;
    let reset = stack.mailed_token("ines@northwind.example");
    let body = json!({ "firstName": "A", "lastName": "B", "emailId": "a@b.example", "orgName": "fabrikam" });
    stack.post("/v1/tenants/signup", body).await;
    let sign_up = stack.mailed_token("a@b.example");
    let before = stack.contents().await;
    for (token, route) in [
        (&reset, "activate"),
        (&invitation, "reset"),
        (&sign_up, "reset"),
        (&sign_up, "activate"),
        (&reset, "sign up"),
        (&invitation, "sign up"),
    ] {
        let answer = match route {
            "sign up" => stack.request("POST", &format!("/v1/tenants/signup/{token}/activate")).send().await,
            how => stack.set_password(token, how, OTHER).await,
        };
        assert_eq!((answer.status, answer.code()), (401, "InvalidPasswordToken"), "{route}");
    }
    assert_eq!(stack.contents().await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_fifty_acceptances_of_an_invitation_at_once_exactly_one_succeeds() {
    let stack = Stack::start().await;
    let ines = stack.sign_up("ines@northwind.example", "northwind", PASSWORD).await;
    let (_, invitation) = ines.invite("tom@northwind.example", &[]).await;
    let uses: Vec<_> = (0..50)
        .map(|number| {
            let (stack, token) = (stack.clone(), invitation.clone());
            tokio::spawn(async move {
                stack.set_password(&token, "activate", &format!("Granite-{number}-kettle")).await.status
            })
        })
        .collect();
    let mut statuses = Vec::new();
    for used in uses {
        statuses.push(used.await.unwrap());
    }
    assert_eq!(counted(statuses), counted([vec![204], vec![401; 49]].concat()));
}

#[tokio::test]
async fn what_was_mailed_before_sign_up_was_closed_founds_nothing() {
    let stack = Stack::start().await;
    let body = json!({ "firstName": "A", "lastName": "B", "emailId": "a@b.example", "orgName": "northwind" });
    assert_eq!(stack.post("/v1/tenants/signup", body).await.status, 204);
    let path = format!("/v1/tenants/signup/{}/activate", stack.mailed_token("a@b.example"));
    let closed = stack.invitation_only().await;
    assert_eq!(closed.request("POST", &path).send().await.code(), "OperationForbidden");
    assert_eq!(closed.post("/v1/tenants/validate", json!({ "orgName": "free" })).await.code(), "OperationForbidden");
}
