//! People: signing up, in and out, invitations, passwords, organizations.

use std::{collections::BTreeSet, time::Duration};

use domain::role;
use insta::assert_snapshot;
use local::mailbox::Mailbox;
use serde_json::{Value, json};
use store::OutgoingMail;

use crate::stack::{Answer, Person, Stack, counted};

const PASSWORD: &str = "Harbour-7-lamp";
const OTHER: &str = "Granite-4-kettle";

impl Stack {
    fn mails(&self) -> Vec<OutgoingMail> {
        let Mailbox::Memory { mails, .. } = &self.service.mailbox else { panic!("tests keep mails in memory") };
        mails.lock().unwrap().clone()
    }

    /// The token in the newest mail to an address.
    fn mailed_token(&self, to: &str) -> String {
        let mail = self.mails().into_iter().rev().find(|mail| mail.to == to).expect("there is a mail");
        let link = mail.text.lines().find(|line| line.starts_with("https://latchkey.example/")).unwrap().to_owned();
        link.split_once('#').unwrap().1.to_owned()
    }

    async fn post(&self, path: &str, body: Value) -> Answer {
        self.request("POST", path).json(&body).send().await
    }

    async fn set_password(&self, token: &str, how: &str, password: &str) -> Answer {
        let path = format!("/v1/auth/password/{token}/{how}");
        self.request("PATCH", &path).json(&json!({ "password": password })).send().await
    }

    async fn sign_in(&self, email: &str, password: &str, org: Option<&str>) -> Answer {
        let body = json!({ "emailId": email, "password": password, "org": org });
        self.post("/v1/auth/authenticate", body).await
    }

    async fn session(&self, email: &str, password: &str, org: Option<&str>) -> Session {
        let answer = self.sign_in(email, password, org).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        Session { stack: self.clone(), token: answer.body["Authorization"].as_str().unwrap().to_owned() }
    }

    async fn sign_up(&self, email: &str, org: &str, password: &str) -> Session {
        // Two mails of a kind to one address need a minute between them.
        self.advance(Duration::from_mins(1));
        let body = json!({ "firstName": "Ines", "lastName": "Alba", "emailId": email, "orgName": org });
        assert_eq!(self.post("/v1/tenants/signup", body).await.status, 204);
        let token = self.mailed_token(email);
        let made = self.request("POST", &format!("/v1/tenants/signup/{token}/activate")).send().await;
        assert_eq!(made.status, 204, "{}", made.text);
        assert_eq!(self.set_password(&token, "activate", password).await.status, 204);
        self.session(email, password, Some(org)).await
    }
}

/// Somebody who is signed in.
struct Session {
    stack: Stack,
    token: String,
}

impl Session {
    async fn call(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        let call = self.stack.request(method, path).header("Authorization", &self.token);
        match body {
            Some(body) => call.json(&body).send().await,
            None => call.send().await,
        }
    }

    async fn invite(&self, email: &str, roles: &[domain::RoleUid]) -> (String, String) {
        let body = json!({ "metadata": { "name": "x" }, "spec": { "firstName": "Tom", "lastName": "Berg", "emailId": email, "roles": roles, "teams": null } });
        let created = self.call("POST", "/v1/users", Some(body)).await;
        assert_eq!(created.status, 201, "{}", created.text);
        (created.body["uid"].as_str().unwrap().to_owned(), self.stack.mailed_token(email))
    }

    async fn status(&self) -> u16 {
        self.call("GET", "/v1/users/me", None).await.status
    }

    async fn tenant_uid(&self) -> String {
        self.call("GET", "/v1/users/info", None).await.body["tenantUid"].as_str().unwrap().to_owned()
    }
}

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
    stack.advance(Duration::from_mins(2));
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
        ("sign up", Box::new(|email| stack.request("POST", "/v1/tenants/signup").json(&sign_up(email, "contoso")))),
    ];
    for (what, door) in &doors {
        let (one, other) = (door(known).send().await, door(unknown).send().await);
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
    let attempts: Vec<_> = (0..100)
        .map(|number| {
            let (stack, token) = (stack.clone(), ines.token.clone());
            tokio::spawn(async move {
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
async fn a_mail_that_cannot_be_sent_changes_no_answer_and_is_sent_later() {
    let stack = Stack::start().await;
    let Mailbox::Memory { is_down, .. } = stack.service.mailbox.clone() else { unreachable!() };
    is_down.store(true, std::sync::atomic::Ordering::SeqCst);
    let body = json!({ "firstName": "A", "lastName": "B", "emailId": "a@b.example", "orgName": "northwind" });
    assert_eq!(stack.post("/v1/tenants/signup", body).await.status, 204);
    assert_eq!(stack.mails().len(), 0);
    assert!(stack.contents().await.contains("MAIL#"), "it waits in the outbox");
    is_down.store(false, std::sync::atomic::Ordering::SeqCst);
    stack.service.deliver_mails().await;
    assert_eq!(stack.mails().len(), 1);
    assert!(!stack.contents().await.contains("MAIL#"));
}

#[tokio::test]
async fn a_mail_whose_link_has_expired_is_not_sent() {
    let stack = Stack::start().await;
    let Mailbox::Memory { is_down, .. } = stack.service.mailbox.clone() else { unreachable!() };
    is_down.store(true, std::sync::atomic::Ordering::SeqCst);
    let body = json!({ "firstName": "A", "lastName": "B", "emailId": "a@b.example", "orgName": "northwind" });
    stack.post("/v1/tenants/signup", body).await;
    is_down.store(false, std::sync::atomic::Ordering::SeqCst);
    stack.advance(Duration::from_hours(25));
    stack.service.find_unsent_mails().await.unwrap();
    stack.service.deliver_mails().await;
    assert_eq!(stack.mails().len(), 0);
    assert!(!stack.contents().await.contains("MAIL#"));
}

#[tokio::test]
async fn links_come_from_configuration_and_mails_go_to_one_stored_address() {
    let stack = Stack::start().await;
    stack.sign_up("ines@northwind.example", "northwind", PASSWORD).await;
    stack.advance(Duration::from_mins(2));
    let mut call =
        stack.request("POST", "/v1/auth/user/password/reset").json(&json!({ "emailId": "INES@northwind.example" }));
    call.set_host("evil.example");
    let call = call.header("X-Forwarded-Host", "evil.example").header("Forwarded", "host=evil.example");
    assert_eq!(call.send().await.status, 204);
    let mail = stack.mails().pop().unwrap();
    assert!(!mail.text.contains("evil.example") && !mail.html.contains("evil.example"));
    let count = stack.mails().len();
    for email in [
        json!(["ines@northwind.example", "x@evil.example"]),
        json!("ines@northwind.example,x@evil.example"),
        json!("ines@northwind.example\r\nBcc: x@evil.example"),
        json!(null),
        json!(""),
    ] {
        let refused = stack.post("/v1/auth/user/password/reset", json!({ "emailId": email })).await;
        assert_eq!((refused.status, refused.code()), (400, "InvalidRequest"), "{email}");
    }
    // Nor can anybody fill a mailbox: one mail of a kind in a minute.
    for _ in 0..5 {
        stack.post("/v1/auth/user/password/reset", json!({ "emailId": "ines@northwind.example" })).await;
    }
    assert_eq!(stack.mails().len(), count);
    let html = mail.html;
    assert!(html.contains("Set another password") && !html.contains("{{"), "{html}");
}

#[tokio::test]
async fn markup_in_names_stays_text_in_mails() {
    let stack = Stack::start().await;
    let admin = stack.tenant("northwind").await.admin().await;
    let path = format!("/v1/users/{}", admin.user.uid);
    let names = json!({ "spec": { "firstName": "O'Neil & \"Sons\"", "lastName": "{{ x }}" } });
    assert_eq!(admin.put(&path, names).await.status, 204);
    let body = json!({ "spec": { "firstName": "Tom", "lastName": "Berg", "emailId": "tom@northwind.example" } });
    assert_eq!(admin.post("/v1/users", body).await.status, 201);
    let mail = stack.mails().pop().unwrap();
    assert!(mail.html.contains("O&#39;Neil &#38; &#34;Sons&#34; {{ x }}"), "{}", mail.html);
    assert!(mail.text.contains("O'Neil & \"Sons\" {{ x }}"), "{}", mail.text);
}

#[tokio::test]
async fn sign_up_can_be_closed_and_names_are_taken_once() {
    let stack = Stack::start().await;
    stack.tenant("northwind").await;
    let body = |org: &str| json!({ "firstName": "A", "lastName": "B", "emailId": "a@b.example", "orgName": org });
    for (org, status, code) in [
        ("northwind", 409, "OrgNameTaken"),
        ("NORTHWIND", 409, "OrgNameTaken"),
        ("a", 400, "InvalidRequest"),
        ("admin", 400, "InvalidRequest"),
    ] {
        let answer = stack.post("/v1/tenants/signup", body(org)).await;
        assert_eq!((answer.status, answer.code()), (status, code), "{org}");
        assert_eq!(stack.post("/v1/tenants/validate", json!({ "orgName": org })).await.status, status);
    }
    assert_eq!(stack.post("/v1/tenants/validate", json!({ "orgName": "free" })).await.status, 204);
    let closed = stack.invitation_only().await;
    let refused = closed.post("/v1/tenants/signup", body("contoso")).await;
    assert_eq!((refused.status, refused.code()), (403, "OperationForbidden"));
}

#[tokio::test]
async fn a_session_ends_when_it_is_idle_for_longer_than_the_tenant_allows() {
    let stack = Stack::start().await;
    let mut ines = stack.sign_up("ines@northwind.example", "northwind", PASSWORD).await;
    let tenant = ines.tenant_uid().await;
    let path = format!("/v1/tenants/{tenant}/authTokenSettings");
    for (minutes, status) in [(14, 400), (1441, 400), (15, 204)] {
        assert_eq!(ines.call("PUT", &path, Some(json!({ "expiryTimeMinutes": minutes }))).await.status, status);
    }
    let refresh = async |session: &Session| {
        let answer = stack.request("GET", "/v1/auth/refresh").header("Authorization", &session.token).send().await;
        (answer.status, answer.body["Authorization"].as_str().unwrap_or_default().to_owned())
    };
    // In use: it goes on.
    for _ in 0..4 {
        stack.advance(Duration::from_mins(10));
        assert_eq!(ines.status().await, 200);
        ines.token = refresh(&ines).await.1;
    }
    // Only refreshed, as by a page that nobody looks at: it ends.
    stack.advance(Duration::from_mins(10));
    ines.token = refresh(&ines).await.1;
    stack.advance(Duration::from_mins(10));
    assert_eq!(refresh(&ines).await.0, 401);
}

#[tokio::test]
async fn a_new_tenant_has_defaults_for_every_setting() {
    let stack = Stack::start().await;
    let ines = stack.sign_up("ines@northwind.example", "northwind", PASSWORD).await;
    let tenant = ines.tenant_uid().await;
    let get = async |setting: &str| {
        let answer = ines.call("GET", &format!("/v1/tenants/{tenant}/{setting}"), None).await;
        assert_eq!(answer.status, 200, "{setting}");
        answer.body
    };
    assert_eq!(get("authTokenSettings").await, json!({ "expiryTimeMinutes": 240 }));
    assert_eq!(get("loginBanner").await, json!({ "Message": "", "isEnabled": false, "title": "" }));
    assert_eq!(get("sso/auth/providers").await, json!({ "isEnabled": false, "ssoLogins": [] }));
    assert_eq!(get("domains").await, json!({ "domains": [] }));
    let policy = get("password/policy").await;
    assert_eq!((&policy["regex"], &policy["minLength"], &policy["maxLength"]), (&json!(""), &json!(12), &json!(64)));
    let oidc = get("oidc/config").await;
    assert!(oidc["issuerTls"].is_object() && oidc["requiredClaims"].is_object());
    let names: Vec<_> =
        get("saml/config").await["attributes"].as_array().unwrap().iter().map(|it| it["name"].clone()).collect();
    assert_eq!(names, ["FirstName", "LastName", "Email", "SpectroTeam"]);
    assert_eq!(get("resourceLimits").await["resources"][1]["limit"], json!(20));
}

#[tokio::test]
async fn settings_are_kept_and_take_effect() {
    let stack = Stack::start().await;
    let ines = stack.sign_up("ines@northwind.example", "northwind", PASSWORD).await;
    let tenant = ines.tenant_uid().await;
    let path = |setting: &str| format!("/v1/tenants/{tenant}/{setting}");
    let banner = json!({ "Message": "Members only", "isEnabled": true, "title": "Welcome" });
    assert_eq!(ines.call("PUT", &path("loginBanner"), Some(banner.clone())).await.status, 204);
    let shown = stack.request("GET", "/v1/auth/org/NorthWind/loginBanner").send().await;
    assert_eq!((shown.status, shown.body), (200, banner));
    assert_eq!(stack.request("GET", "/v1/auth/org/nowhere/loginBanner").send().await.code(), "ResourceNotFound");
    // Terraform switches off so.
    let off = json!({ "isEnabled": false, "ssoLogins": [""] });
    assert_eq!(ines.call("POST", &path("sso/auth/providers"), Some(off)).await.status, 204);
    let limits = json!({ "resources": [{ "kind": "apiKey", "limit": 1 }] });
    assert_eq!(ines.call("PATCH", &path("resourceLimits"), Some(limits)).await.status, 204);
    let key = |name: &str| Some(json!({ "metadata": { "name": name }, "spec": { "expiry": crate::stack::LATER } }));
    assert_eq!(ines.call("POST", "/v1/apiKeys", key("one")).await.status, 201);
    assert_eq!(ines.call("POST", "/v1/apiKeys", key("two")).await.code(), "ResourceLimitExceeded");
    let users = json!({ "resources": [{ "kind": "user", "limit": 1 }] });
    assert_eq!(ines.call("PATCH", &path("resourceLimits"), Some(users)).await.status, 204);
    let body = json!({ "spec": { "firstName": "Tom", "lastName": "Berg", "emailId": "tom@northwind.example" } });
    assert_eq!(ines.call("POST", "/v1/users", Some(body)).await.code(), "ResourceLimitExceeded");
    for (setting, method, bad) in [
        ("loginBanner", "PUT", json!({ "Message": "x".repeat(1301) })),
        ("domains", "POST", json!({ "domains": ["not a domain"] })),
        ("sso/auth/providers", "POST", json!({ "isEnabled": true, "ssoLogins": ["facebook"] })),
        ("resourceLimits", "PATCH", json!({ "resources": [{ "kind": "moon", "limit": 1 }] })),
        ("password/policy", "POST", json!({ "minLength": 5 })),
        ("password/policy", "POST", json!({ "isRegex": true, "regex": "(" })),
        ("oidc/config", "POST", json!({ "isSsoEnabled": true })),
        ("oidc/config", "POST", json!({ "isSsoEnabled": true, "clientId": "c", "issuerUrl": "http://id.example" })),
        ("oidc/config", "POST", json!({ "issuerTls": { "insecureSkipVerify": true } })),
        ("saml/config", "POST", json!({ "isSsoEnabled": true })),
    ] {
        let refused = ines.call(method, &path(setting), Some(bad)).await;
        assert_eq!((refused.status, refused.code()), (400, "InvalidRequest"), "{setting}");
    }
}

#[tokio::test]
async fn the_secret_of_a_provider_is_sealed_masked_and_survives_being_switched_off() {
    let stack = Stack::start().await;
    let ines = stack.sign_up("ines@northwind.example", "northwind", PASSWORD).await;
    let path = format!("/v1/tenants/{}/oidc/config", ines.tenant_uid().await);
    let pem = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let config = json!({
        "isSsoEnabled": true, "issuerUrl": "https://id.northwind.example", "clientId": "console",
        "clientSecret": "hush-hush-hush", "callbackUrl": "https://evil.example", "scopes": ["openid", "email"],
        "issuerTls": { "caCertificateBase64": pem }, "requiredClaims": { "Email": "email", "SpectroTeam": "groups" },
        "userInfo": null, "defaultTeams": null,
    });
    assert_eq!(ines.call("POST", &path, Some(config)).await.status, 204);
    let mut shown = ines.call("GET", &path, None).await.body;
    assert_eq!(shown["clientSecret"], json!("********"));
    assert_eq!(shown["callbackUrl"], json!("https://latchkey.example/v1/auth/org/northwind/oidc/callback"));
    assert_eq!(shown["requiredClaims"]["SpectroTeam"], json!("groups"));
    assert!(shown["issuerTls"]["caCertificateBase64"].as_str().unwrap().starts_with("LS0tLS1CRUdJTi"));
    let contents = stack.contents().await;
    assert!(!contents.contains("hush"));
    let sealed = |contents: &str| contents.split("sealed_client_secret").nth(1).unwrap()[..60].to_owned();
    // Terraform reads the configuration, switches it off and posts it back.
    shown["isSsoEnabled"] = json!(false);
    assert_eq!(ines.call("POST", &path, Some(shown)).await.status, 204);
    assert_eq!(sealed(&stack.contents().await), sealed(&contents), "the secret is kept");
}

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
    // His session's record stays until its time is over; it opens nothing without a user.
    let left = stack.contents().await;
    let left: Vec<_> = left.lines().filter(|line| line.contains(&uid) && !line.contains("SESSION#")).collect();
    assert!(left.is_empty(), "{left:?}");
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
    // A policy that nothing fulfils does not bind who has not accepted.
    let tenant = evil.tenant_uid().await;
    let policy = json!({ "isRegex": true, "regex": "^[a&&b]$" });
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
async fn switching_ends_the_session_and_does_not_stretch_it() {
    let stack = Stack::start().await;
    stack.sign_up("ines@northwind.example", "northwind", PASSWORD).await;
    let mut session = stack.sign_up("ines@northwind.example", "fabrikam", PASSWORD).await;
    let mut org = "northwind";
    for _ in 0..71 {
        stack.advance(Duration::from_mins(10));
        let switched = session.call("POST", &format!("/v1/auth/org/{org}/switch"), None).await;
        assert_eq!(switched.status, 200, "{}", switched.text);
        assert_eq!(session.status().await, 401, "the old one has ended");
        session.token = switched.body["Authorization"].as_str().unwrap().to_owned();
        org = if org == "northwind" { "fabrikam" } else { "northwind" };
    }
    assert_eq!(session.status().await, 200);
    stack.advance(Duration::from_mins(11));
    assert_eq!(session.status().await, 401, "twelve hours after the password was given");
}

#[tokio::test]
async fn a_reset_ends_the_pause_and_voids_the_links_mailed_before() {
    let stack = Stack::start().await;
    stack.sign_up("ines@northwind.example", "northwind", PASSWORD).await;
    let reset = async || {
        stack.advance(Duration::from_mins(1));
        stack.post("/v1/auth/user/password/reset", json!({ "emailId": "ines@northwind.example" })).await;
        stack.mailed_token("ines@northwind.example")
    };
    let (older, newer) = (reset().await, reset().await);
    for _ in 0..7 {
        stack.sign_in("ines@northwind.example", "wrong", None).await;
    }
    assert_eq!(stack.sign_in("ines@northwind.example", PASSWORD, None).await.code(), "AccountLocked");
    assert_eq!(stack.set_password(&newer, "reset", OTHER).await.status, 204);
    assert_eq!(stack.sign_in("ines@northwind.example", OTHER, None).await.status, 200);
    assert_eq!(stack.set_password(&older, "reset", PASSWORD).await.code(), "InvalidPasswordToken");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_session_of_the_old_password_outlives_a_change_at_the_same_time() {
    let stack = Stack::start().await;
    stack.sign_up("ines@northwind.example", "northwind", PASSWORD).await;
    let passwords = [PASSWORD, OTHER];
    for round in 0..15 {
        let (old, new) = (passwords[round % 2], passwords[(round + 1) % 2]);
        let changer = stack.session("ines@northwind.example", old, None).await;
        let signing_in: Vec<_> = (0..3)
            .map(|_| {
                let (stack, old) = (stack.clone(), old.to_owned());
                tokio::spawn(async move { stack.sign_in("ines@northwind.example", &old, None).await })
            })
            .collect();
        let body = json!({ "emailId": "ines@northwind.example", "currentPassword": old, "newPassword": new });
        let answer = changer.call("PATCH", "/v1/users/password/change", Some(body)).await;
        let mut tokens = Vec::new();
        for signed_in in signing_in {
            tokens.extend(signed_in.await.unwrap().body["Authorization"].as_str().map(ToOwned::to_owned));
        }
        if answer.status == 204 {
            for token in tokens {
                let session = Session { stack: stack.clone(), token };
                assert_eq!(session.status().await, 401, "round {round}");
            }
        }
        stack.advance(Duration::from_mins(20));
        // Were too many attempts at once the reason, the old password still holds.
        if answer.status != 204 {
            let changer = stack.session("ines@northwind.example", old, None).await;
            let body = json!({ "emailId": "ines@northwind.example", "currentPassword": old, "newPassword": new });
            assert_eq!(changer.call("PATCH", "/v1/users/password/change", Some(body)).await.status, 204);
        }
    }
}

#[tokio::test]
async fn a_stream_that_delivers_twice_sends_once() {
    let stack = Stack::start().await;
    let body = json!({ "firstName": "A", "lastName": "B", "emailId": "a@b.example", "orgName": "northwind" });
    stack.post("/v1/tenants/signup", body).await;
    let mail = stack.mails().pop().unwrap();
    let app = stack.service.app("mailer");
    let image = json!({ "pk": { "S": format!("MAIL#{}", mail.uid) }, "sk": { "S": "MAIL" }, "uid": { "S": mail.uid }, "to": { "S": mail.to },
        "subject": { "S": mail.subject }, "text": { "S": mail.text }, "html": { "S": mail.html }, "expires_at": { "N": mail.expires_at.to_string() } });
    let event =
        json!({ "Records": [{ "eventName": "INSERT", "dynamodb": { "NewImage": image, "SequenceNumber": "1" } }] });
    let answer =
        functions::mailer::handle(app, serde_json::from_value(event).unwrap(), async |_| panic!("it was sent already"))
            .await;
    assert!(answer.is_complete());
    // The sample event is of the form that the stream has.
    let sample = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../events/mailer.json")).unwrap();
    assert!(
        functions::mailer::handle(app, serde_json::from_str(&sample).unwrap(), async |_| Ok(())).await.is_complete()
    );
}

#[tokio::test]
async fn oversized_names_and_addresses_are_no_fault_of_ours() {
    let stack = Stack::start().await;
    let long = "x".repeat(3000);
    for path in [format!("/v1/auth/org?orgName={long}"), format!("/v1/auth/org/{long}/loginBanner")] {
        assert_eq!(stack.request("GET", &path).send().await.code(), "ResourceNotFound");
    }
    assert_eq!(
        stack.request("GET", &format!("/v1/auth/user/org/forgot?emailId={long}@b.example")).send().await.status,
        400
    );
    assert_eq!(stack.sign_in(&format!("{long}@b.example"), "x", Some(&long)).await.status, 401);
    let admin = stack.tenant("northwind").await.admin().await;
    for name in ["https://evil.example", "a@b", "<b>", "\u{202e}abc", "", &long] {
        let body = json!({ "spec": { "firstName": name, "lastName": "B", "emailId": "tom@northwind.example" } });
        assert_eq!(admin.post("/v1/users", body).await.code(), "InvalidRequest", "{name}");
    }
}
