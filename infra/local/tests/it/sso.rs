//! Signing in by somebody who vouches for a person: who gets in, and who never does.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::{
    browser::forms,
    provider::{ACCESS_TOKEN, CLIENT, GITHUB_TOKEN, Going, Provider, SECRET},
    session::{OTHER, PASSWORD, Session},
    sso_social::{GITHUB, social},
    stack::{Answer, PUBLIC_URL, Stack},
};

pub(crate) const INES: &str = "ines@northwind.example";
pub(crate) const LOGIN: &str = "/v1/auth/org/northwind/oidc/login";
pub(crate) const MINUTE: Duration = Duration::from_mins(1);

/// A browser, with the cookies that it was given.
pub(crate) struct Guest {
    pub(crate) stack: Stack,
    pub(crate) cookies: BTreeMap<String, String>,
}

impl Guest {
    pub(crate) fn new(stack: &Stack) -> Self {
        Self { stack: stack.clone(), cookies: BTreeMap::new() }
    }

    pub(crate) async fn send(&mut self, method: &str, path: &str, accept: &str, body: Option<String>) -> Answer {
        let mut call = self.stack.request(method, path).header("accept", accept);
        if !self.cookies.is_empty() {
            let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            call = call.header("cookie", &cookies.join("; "));
        }
        if let Some(body) = body {
            let kind = "application/x-www-form-urlencoded";
            call = call.header("content-type", kind).header("origin", PUBLIC_URL).body(body);
        }
        let answer = call.send_any().await;
        assert!(answer.status < 500, "{path}: {} {}", answer.status, answer.text);
        for cookie in answer.headers.get_all("set-cookie") {
            let cookie = cookie.to_str().unwrap();
            let (name, rest) = cookie.split_once('=').unwrap();
            for part in ["; Path=/", "; HttpOnly", "; Secure", "; SameSite=Lax"] {
                assert!(name.starts_with("__Host-") && cookie.contains(part), "{cookie}");
            }
            self.cookies.insert(name.to_owned(), rest.split(';').next().unwrap().to_owned());
        }
        answer
    }

    /// As a browser that goes to an address.
    pub(crate) async fn open(&mut self, path: &str) -> Answer {
        self.send("GET", path, "text/html,*/*;q=0.8", None).await
    }

    /// As a program.
    pub(crate) async fn ask(&mut self, path: &str) -> Answer {
        self.send("GET", path, "application/json", None).await
    }

    /// Sends the form of a page that leads to `action`.
    pub(crate) async fn submit(&mut self, page: &Answer, action: &str, filled: &[(&str, &str)]) -> Answer {
        let found = forms(&page.text);
        let mut form = found.into_iter().find(|form| form.action == action).unwrap_or_else(|| panic!("{}", page.text));
        form.fields.extend(filled.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(&form.fields).finish();
        self.send("POST", &form.action, "text/html,*/*;q=0.8", Some(body)).await
    }

    /// Goes to a provider.
    pub(crate) async fn begin(&mut self, path: &str) -> Going {
        let answer = self.open(path).await;
        assert_eq!(answer.status, 302, "{path}: {} {:?}", answer.text, answer.headers.get("location"));
        Going::of(&location(&answer))
    }

    /// Goes to the provider of an organization and comes back, as a program.
    pub(crate) async fn come(&mut self, path: &str, provider: &Provider) -> Answer {
        let going = self.begin(path).await;
        let code = provider.code(&going);
        self.ask(&back(&going, &code)).await
    }

    pub(crate) fn session(&self) -> Session {
        Session { stack: self.stack.clone(), token: self.cookies["__Host-Authorization"].clone() }
    }
}

pub(crate) fn location(answer: &Answer) -> String {
    answer.headers["location"].to_str().unwrap().to_owned()
}

/// The address that a person comes back to.
pub(crate) fn back(going: &Going, code: &str) -> String {
    let query = form_urlencoded::Serializer::new(String::new())
        .extend_pairs([("code", code), ("state", &going.state)])
        .finish();
    format!("{}?{query}", going.callback())
}

pub(crate) fn signed_in(stack: &Stack, answer: &Answer) -> Session {
    assert_eq!(answer.status, 200, "{}", answer.text);
    Session { stack: stack.clone(), token: answer.body["Authorization"].as_str().unwrap().to_owned() }
}

pub(crate) fn why(answer: &Answer) -> (u16, String) {
    assert_eq!(answer.code(), "SsoFailed", "{}", answer.text);
    (answer.status, answer.body["details"]["error"].as_str().unwrap().to_owned())
}

pub(crate) async fn uid(session: &Session) -> String {
    session.call("GET", "/v1/users/info", None).await.body["userUid"].as_str().unwrap().to_owned()
}

/// How many sessions there are, and how many users.
pub(crate) async fn counts(stack: &Stack) -> (usize, usize) {
    let contents = stack.contents().await;
    let count = |start: &str| contents.lines().filter(|line| line.contains(&format!("\"S\":\"{start}"))).count();
    (count("SESSION#"), contents.lines().filter(|line| line.contains("\"S\":\"PROFILE\"")).count())
}

pub(crate) fn person(subject: &str, email: &str) -> Value {
    json!({ "sub": subject, "email": email, "email_verified": true, "given_name": "Tom", "family_name": "Berg" })
}

pub(crate) fn config(issuer: &str) -> Value {
    json!({ "isSsoEnabled": true, "issuerUrl": issuer, "clientId": CLIENT, "clientSecret": SECRET })
}

pub(crate) async fn configure(admin: &Session, config: Value) -> Answer {
    let path = format!("/v1/tenants/{}/oidc/config", admin.tenant_uid().await);
    admin.call("POST", &path, Some(config)).await
}

pub(crate) async fn set(admin: &Session, method: &str, setting: &str, body: Value) -> Answer {
    let path = format!("/v1/tenants/{}/{setting}", admin.tenant_uid().await);
    admin.call(method, &path, Some(body)).await
}

/// Makes a domain say that it is the organization's, and the organization look.
pub(crate) async fn prove(admin: &Session, domain: &str) {
    assert_eq!(set(admin, "POST", "domains", json!({ "domains": [domain] })).await.status, 204);
    admin.stack.says_whose(domain, &admin.tenant_uid().await);
    let verified = set(admin, "POST", &format!("domains/{domain}/verify"), json!({})).await;
    assert_eq!(verified.status, 204, "{}", verified.text);
}

/// An organization with a provider, and a domain that is proven.
pub(crate) async fn northwind() -> (Stack, Provider, Session) {
    let stack = Stack::start().await;
    let provider = Provider::start(stack.clock.clone()).await;
    let ines = stack.sign_up(INES, "northwind", PASSWORD).await;
    let done = configure(&ines, config(&provider.url)).await;
    assert_eq!(done.status, 204, "{}", done.text);
    prove(&ines, "northwind.example").await;
    (stack, provider, ines)
}

#[tokio::test]
async fn who_comes_for_the_first_time_becomes_a_user_and_is_found_again() {
    let (stack, provider, ines) = northwind().await;
    provider.knows(person("7", "tom@northwind.example"));
    let first = signed_in(&stack, &Guest::new(&stack).come(LOGIN, &provider).await);
    let me = first.call("GET", "/v1/users/me", None).await.body;
    assert_eq!(me["metadata"]["name"], "Tom Berg");
    assert_eq!(
        me["spec"],
        json!({ "emailId": "tom@northwind.example", "firstName": "Tom", "lastName": "Berg", "roles": [] })
    );
    // Whatever he is called by now, he is the same.
    provider.knows(person("7", "thomas@elsewhere.example"));
    let second = signed_in(&stack, &Guest::new(&stack).come(LOGIN, &provider).await);
    assert_eq!(uid(&first).await, uid(&second).await);
    // And another one is another, whatever they are called.
    provider.knows(person("8", "tom@northwind.example"));
    assert_eq!(why(&Guest::new(&stack).come(LOGIN, &provider).await), (401, "link_first".to_owned()));
    provider.knows(person("8", "mei@northwind.example"));
    let other = signed_in(&stack, &Guest::new(&stack).come(LOGIN, &provider).await);
    assert_ne!(uid(&first).await, uid(&other).await);
    // The token says how, and the trail too.
    let payload = first.token.split('.').nth(1).unwrap().to_owned();
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap();
    assert_eq!(claims["src"], "sso");
    let trail = ines.call("GET", "/v1/audits", None).await.text;
    for said in
        ["Tom Berg (tom@northwind.example) came by single sign-on for the first time", "signed in by single sign-on"]
    {
        assert!(trail.contains(said), "{trail}");
    }
    // Signing out ends the session, as any other.
    let revoke = json!({ "tokens": [first.token] });
    assert_eq!(first.call("POST", "/v1/users/auth/tokens/revoke", Some(revoke)).await.status, 204);
    assert_eq!((first.status().await, second.status().await), (401, 200));
}

#[tokio::test]
async fn signing_in_by_a_provider_ends_the_session_that_the_browser_had() {
    let (stack, provider, ines) = northwind().await;
    provider.knows(person("7", "tom@northwind.example"));
    let mut guest = Guest::new(&stack);
    guest.cookies.insert("__Host-Authorization".to_owned(), ines.token.clone());
    let elsewhere = signed_in(&stack, &Guest::new(&stack).come(LOGIN, &provider).await);
    for _ in 0..2 {
        let before = guest.session();
        let going = guest.begin(LOGIN).await;
        assert_eq!(before.status().await, 200, "whoever has only gone there has not signed in");
        let code = provider.code(&going);
        let answer = guest.open(&back(&going, &code)).await;
        assert_eq!((answer.status, location(&answer).as_str()), (303, "/api-keys"));
        assert_eq!((before.status().await, guest.session().status().await), (401, 200));
    }
    // By one's password, after the provider has said who it may be.
    let (_, token) = stack.session(INES, PASSWORD, None).await.invite("mei@northwind.example", &[]).await;
    stack.set_password(&token, "activate", OTHER).await;
    provider.knows(person("8", "mei@northwind.example"));
    let before = guest.session();
    let going = guest.begin(LOGIN).await;
    let code = provider.code(&going);
    let address = location(&guest.open(&back(&going, &code)).await);
    let page = guest.open(&address).await;
    assert_eq!(before.status().await, 200);
    assert_eq!(guest.submit(&page, "/sso/link", &[("password", OTHER)]).await.status, 303);
    assert_eq!((before.status().await, guest.session().status().await), (401, 200));
    assert_eq!(elsewhere.status().await, 200, "that of another browser goes on");
}

/// What an answer says, headers and all.
pub(crate) fn said(answer: &Answer) -> String {
    format!("{:?} {}", answer.headers, answer.text)
}

#[tokio::test]
async fn what_a_provider_hands_out_reaches_neither_the_browser_nor_the_tables() {
    let (stack, provider, ines) = northwind().await;
    let handed: Arc<Mutex<Vec<String>>> = Arc::default();
    let into = handed.clone();
    provider.cheats(move |script| {
        script.token = Arc::new(move |token: String| {
            into.lock().unwrap().push(token.clone());
            token
        });
    });
    provider.knows(person("7", "tom@northwind.example"));
    let mut told = Vec::new();
    // As a person and as a program.
    let mut guest = Guest::new(&stack);
    let going = guest.begin(LOGIN).await;
    let code = provider.code(&going);
    told.push(said(&guest.open(&back(&going, &code)).await));
    for page in ["/api-keys", "/profile"] {
        told.push(said(&guest.open(page).await));
    }
    let program = Guest::new(&stack).come(LOGIN, &provider).await;
    told.push(said(&program));
    let tom = signed_in(&stack, &program);
    for path in ["/v1/users/me", "/v1/users/auth/identities", "/v1/users/auth/sessions", "/v1/auth/refresh"] {
        told.push(said(&tom.call("GET", path, None).await));
    }
    // And where a person is still to say who they are.
    provider.knows(person("9", INES));
    let mut guest = Guest::new(&stack);
    let going = guest.begin(LOGIN).await;
    let code = provider.code(&going);
    let asked = guest.open(&back(&going, &code)).await;
    told.push(said(&asked));
    told.push(said(&guest.open(&location(&asked)).await));
    told.push(said(&ines.call("GET", "/v1/audits?limit=50", None).await));
    told.push(stack.everything().await);

    let (social, _, github) = social().await;
    github.knows(7, Some("Tom Berg"), &[("tom@northwind.example", true, true)]);
    let mut guest = Guest::new(&social);
    let going = guest.begin(GITHUB).await;
    let code = github.code(&going);
    let asked = guest.open(&back(&going, &code)).await;
    let page = guest.open(&location(&asked)).await;
    let filled = [("first_name", "Tom"), ("last_name", "Berg"), ("org", "northwind")];
    let signed_up = guest.submit(&page, "/sso/sign-up", &filled).await;
    assert_eq!(signed_up.status, 303, "{}", signed_up.text);
    assert_eq!(guest.session().status().await, 200);
    told.extend([said(&asked), said(&page), said(&signed_up), social.everything().await]);

    let handed = handed.lock().unwrap();
    assert_eq!(handed.len(), 3);
    let secrets = handed.iter().flat_map(|token| token.split('.').skip(1)).chain([ACCESS_TOKEN, GITHUB_TOKEN]);
    for secret in secrets {
        assert!(told.iter().all(|told| !told.contains(secret)), "{secret}");
    }
}

#[tokio::test]
async fn the_same_person_of_the_same_provider_is_another_user_in_another_organization() {
    let (stack, provider, _) = northwind().await;
    let eve = stack.sign_up("eve@fabrikam.example", "fabrikam", PASSWORD).await;
    assert_eq!(configure(&eve, config(&provider.url)).await.status, 204);
    provider.knows(person("7", "tom@northwind.example"));
    let login = "/v1/auth/org/fabrikam/oidc/login";
    let here = signed_in(&stack, &Guest::new(&stack).come(LOGIN, &provider).await);
    // The domain is another organization's, so there he is nobody.
    assert_eq!(why(&Guest::new(&stack).come(login, &provider).await).1, "no_account");
    provider.knows(person("7", "tom@fabrikam.example"));
    prove(&eve, "fabrikam.example").await;
    let there = signed_in(&stack, &Guest::new(&stack).come(login, &provider).await);
    assert_ne!(uid(&here).await, uid(&there).await);
    // Neither gets into the other, nor hears of it.
    for (session, other) in [(&here, "fabrikam"), (&there, "northwind")] {
        let list = session.call("GET", "/v1/auth/orgs", None).await;
        assert_eq!(list.body["organizations"].as_array().unwrap().len(), 1, "{}", list.text);
        let switched = session.call("POST", &format!("/v1/auth/org/{other}/switch"), None).await;
        assert_eq!((switched.status, switched.code()), (403, "ResourceAccessDenied"));
    }
}

#[tokio::test]
async fn a_provider_vouches_for_its_own_organization_and_for_nothing_else_of_a_person() {
    // Eve's provider is hers, and says whatever she wants. She has proven a domain that Ines has an address of too.
    let (stack, _, _) = northwind().await;
    let eve = stack.sign_up("eve@shared.example", "fabrikam", PASSWORD).await;
    let evil = Provider::start(stack.clock.clone()).await;
    assert_eq!(configure(&eve, config(&evil.url)).await.status, 204);
    prove(&eve, "shared.example").await;
    let victim = stack.sign_up("ada@shared.example", "contoso", OTHER).await;
    evil.knows(person("1", "ada@shared.example"));
    let fake = signed_in(&stack, &Guest::new(&stack).come("/v1/auth/org/fabrikam/oidc/login", &evil).await);
    let list = fake.call("GET", "/v1/auth/orgs", None).await;
    assert!(list.text.contains("fabrikam") && !list.text.contains("contoso"), "{}", list.text);
    let switched = fake.call("POST", "/v1/auth/org/contoso/switch", None).await;
    assert_eq!((switched.status, switched.code()), (403, "ResourceAccessDenied"));
    let sessions = fake.call("GET", "/v1/users/auth/sessions", None).await;
    assert_eq!(sessions.body["items"].as_array().unwrap().len(), 1, "{}", sessions.text);
    assert_eq!(fake.call("DELETE", "/v1/users/auth/sessions", None).await.status, 200);
    assert_eq!(victim.status().await, 200, "she is not signed out where nobody has vouched for her");
}

#[tokio::test]
async fn a_state_is_good_once_in_one_browser_for_ten_minutes_on_its_own_path() {
    let (stack, provider, _) = northwind().await;
    let eve = stack.sign_up("eve@fabrikam.example", "fabrikam", PASSWORD).await;
    assert_eq!(configure(&eve, config(&provider.url)).await.status, 204);
    provider.knows(person("7", "tom@northwind.example"));
    let state = |answer: &Answer| assert_eq!(why(answer), (401, "invalid_state".to_owned()));

    let before = counts(&stack).await;
    // Another browser, whose address somebody has seen, with a cookie of its own or without.
    let (mut tom, mut thief) = (Guest::new(&stack), Guest::new(&stack));
    let going = tom.begin(LOGIN).await;
    let code = provider.code(&going);
    state(&Guest::new(&stack).ask(&back(&going, &code)).await);
    thief.begin(LOGIN).await;
    state(&thief.ask(&back(&going, &code)).await);
    // The thief's code in Tom's browser: to be signed in as somebody else.
    let theirs = thief.begin(LOGIN).await;
    let bait = provider.code(&theirs);
    state(&tom.ask(&back(&theirs, &bait)).await);
    // And the thief's code behind Tom's own state: PKCE and nonce are of another browser.
    let injected = Going { state: tom.begin(LOGIN).await.state, ..theirs.clone() };
    assert_eq!(why(&tom.ask(&back(&injected, &bait)).await).1, "invalid_answer");
    // The path of another organization, of another provider.
    for path in [
        back(&going, &code).replace("/northwind/", "/fabrikam/"),
        back(&going, &code).replace("/org/northwind/oidc/", "/sso/google/"),
    ] {
        state(&tom.ask(&path).await);
    }
    // Missing, twice, none.
    for query in ["", "code=x", "state=x&code=y", &format!("state={0}&state={0}&code={code}", going.state)] {
        state(&tom.ask(&format!("{}?{query}", going.callback())).await);
    }
    assert_eq!(counts(&stack).await, before);
    // None of that has spoilt Tom's.
    let address = back(&going, &code);
    assert_eq!(tom.ask(&address).await.status, 200);
    state(&tom.ask(&address).await);

    // Of fifty at once one gets in, at the most.
    let going = tom.begin(LOGIN).await;
    let code = provider.code(&going);
    let address = back(&going, &code);
    let cookie = format!("__Host-Sso={}", tom.cookies["__Host-Sso"]);
    let tries = (0..50).map(|_| stack.request("GET", &address).header("cookie", &cookie).send_any());
    let answers = futures_of(tries).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
    assert!(answers.iter().all(|answer| [200, 401].contains(&answer.status)));

    // Too late.
    let going = tom.begin(LOGIN).await;
    let code = provider.code(&going);
    stack.advance(10 * MINUTE + Duration::from_secs(1));
    state(&tom.ask(&back(&going, &code)).await);
    // What the provider refuses is over too.
    let going = tom.begin(LOGIN).await;
    let denied = format!("{}?error=access_denied&state={}", going.callback(), going.state);
    assert_eq!(why(&tom.ask(&denied).await).1, "access_denied");
    let code = provider.code(&going);
    state(&tom.ask(&back(&going, &code)).await);
    let going = tom.begin(LOGIN).await;
    let strange = format!("{}?error=%3Cscript%3E&error_description=x&state={}", going.callback(), going.state);
    assert_eq!(why(&tom.ask(&strange).await).1, "unknown_error");
}

async fn futures_of<F: Future<Output = Answer>>(tries: impl Iterator<Item = F>) -> Vec<Answer> {
    let mut waiting: Vec<_> = tries.map(Box::pin).collect();
    let mut done = Vec::new();
    std::future::poll_fn(|context| {
        waiting.retain_mut(|one| match one.as_mut().poll(context) {
            std::task::Poll::Ready(answer) => {
                done.push(answer);
                false
            }
            std::task::Poll::Pending => true,
        });
        if waiting.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    done
}

#[tokio::test]
async fn a_provider_cannot_pass_for_another() {
    let (stack, provider, ines) = northwind().await;
    let evil = Provider::start(stack.clock.clone()).await;
    provider.knows(person("7", "tom@northwind.example"));
    // It says on the way back who it is, and is not who was asked.
    let mut guest = Guest::new(&stack);
    let going = guest.begin(LOGIN).await;
    let code = provider.code(&going);
    let mixed = format!(
        "{}&iss={}",
        back(&going, &code),
        form_urlencoded::byte_serialize(evil.url.as_bytes()).collect::<String>()
    );
    assert_eq!(why(&guest.ask(&mixed).await).1, "invalid_answer");
    let going = guest.begin(LOGIN).await;
    let code = provider.code(&going);
    let right = format!(
        "{}&iss={}",
        back(&going, &code),
        form_urlencoded::byte_serialize(provider.url.as_bytes()).collect::<String>()
    );
    assert_eq!(guest.ask(&right).await.status, 200);
    // The issuer is exchanged while somebody is on the way: what they bring is not shown to the new one.
    let going = guest.begin(LOGIN).await;
    let code = provider.code(&going);
    evil.asked();
    assert_eq!(configure(&ines, config(&evil.url)).await.status, 204);
    assert_eq!(why(&guest.ask(&back(&going, &code)).await).1, "invalid_state");
    assert_eq!(evil.asked(), Vec::<String>::new());
    // The same subject of another issuer is another person.
    evil.knows(person("7", "tom@northwind.example"));
    assert_eq!(why(&Guest::new(&stack).come(LOGIN, &evil).await).1, "link_first");
    // Switched off it opens nothing, begun before or not.
    let going = guest.begin(LOGIN).await;
    let code = evil.code(&going);
    let mut off = config(&evil.url);
    off["isSsoEnabled"] = json!(false);
    assert_eq!(configure(&ines, off).await.status, 204);
    assert_eq!(why(&guest.ask(&back(&going, &code)).await).1, "not_offered");
    let begun = guest.open(LOGIN).await;
    assert_eq!((begun.status, location(&begun).as_str()), (303, "/o/northwind?note=sso-not-offered"));
}

#[tokio::test]
async fn a_provider_that_is_down_or_slow_keeps_nobody_from_anything_else() {
    let (stack, provider, ines) = northwind().await;
    let tom = stack.tenant("contoso").await.user().await;
    provider.knows(person("7", "mei@northwind.example"));
    let mut guest = Guest::new(&stack);
    let going = guest.begin(LOGIN).await;
    let code = provider.code(&going);
    provider.cheats(|script| script.delay = Duration::from_secs(30));
    let address = back(&going, &code);
    let started_at = now();
    let mut another = Guest::new(&stack);
    let (callback, login, others) = tokio::join!(guest.open(&address).timed(), another.open(LOGIN).timed(), async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let key = tom.get("/v1/users/me").await.status;
        let password = stack.sign_in(INES, PASSWORD, Some("northwind")).await.status;
        (key, password, started_at.elapsed())
    });
    assert_eq!((others.0, others.1), (200, 200));
    assert!(others.2 < Duration::from_secs(4), "{:?}", others.2);
    for (answer, took) in [callback, login] {
        assert_eq!((answer.status, location(&answer).as_str()), (303, "/o/northwind?note=sso-down"));
        assert!(took < Duration::from_secs(6), "{took:?}");
    }
    let page = guest.open("/o/northwind?note=sso-down").await;
    assert!(
        page.text.contains("does not answer at the moment") && page.text.contains("Use your password"),
        "{}",
        page.text
    );
    // Nobody is there at all.
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    assert_eq!(configure(&ines, config(&format!("http://127.0.0.1:{gone}"))).await.status, 204);
    let begun = Guest::new(&stack).open(LOGIN).await;
    assert_eq!(location(&begun), "/o/northwind?note=sso-down");
}

#[allow(clippy::disallowed_methods, reason = "how long something took")]
fn now() -> Instant {
    Instant::now()
}

trait Timed: Future + Sized {
    async fn timed(self) -> (Self::Output, Duration) {
        let started_at = now();
        let output = self.await;
        (output, started_at.elapsed())
    }
}

impl<F: Future> Timed for F {}

#[tokio::test]
async fn an_issuer_inside_the_network_is_refused_and_so_is_one_that_hides_something() {
    let (stack, _, ines) = northwind().await;
    for issuer in [
        "http://id.example",
        "https://10.0.0.1",
        "https://192.168.0.1:8443",
        "https://169.254.169.254/latest",
        "https://[fd00:ec2::254]",
        "https://[::ffff:10.0.0.1]",
        "https://0x0a000001",
        "https://167772161",
        "https://100.64.0.1",
        "https://user:pass@id.example",
        "https://id.example#x",
        "https://id.example?x=1",
        "ftp://id.example",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "//id.example",
        "https://",
        "id.example",
        "https://id.example@10.0.0.1",
        "http://localhost.evil.example:80",
        "http://127.0.0.2:80",
    ] {
        let refused = configure(&ines, config(issuer)).await;
        assert_eq!((refused.status, refused.code()), (400, "InvalidRequest"), "{issuer}: {}", refused.text);
    }
    // A name that leads nowhere. (That those which lead inside are not followed is shown beside the resolver.)
    assert_eq!(configure(&ines, config("https://inside.invalid")).await.status, 204);
    let begun = Guest::new(&stack).open(LOGIN).await;
    assert_eq!((begun.status, location(&begun).as_str()), (303, "/o/northwind?note=sso-down"));
    // The secret goes to no other issuer than it was given for.
    let mut elsewhere = config("https://evil.example");
    elsewhere["clientSecret"] = json!("********");
    let refused = configure(&ines, elsewhere).await;
    assert!(refused.status == 400 && refused.text.contains("clientSecret again"), "{}", refused.text);
    for certificate in
        ["no certificate", "bm8gY2VydGlmaWNhdGU=", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"]
    {
        let mut bad = config("https://id.example");
        bad["issuerTls"] = json!({ "caCertificateBase64": certificate });
        assert_eq!(configure(&ines, bad).await.status, 400, "{certificate}");
    }
}

#[tokio::test]
async fn a_sign_in_goes_on_to_a_page_of_ours_and_nowhere_else() {
    let (stack, provider, _) = northwind().await;
    provider.knows(person("7", "tom@northwind.example"));
    for (next, leads_to) in [
        ("/profile", "/profile"),
        ("/api-keys?q=ci", "/api-keys?q=ci"),
        ("", "/api-keys"),
        ("https://evil.example", "/api-keys"),
        ("//evil.example", "/api-keys"),
        ("/\\evil.example", "/api-keys"),
        ("/%09/evil.example", "/api-keys"),
        ("/\t/evil.example", "/api-keys"),
        ("javascript:alert(1)", "/api-keys"),
        ("/v1/auth/refresh/x", "/api-keys"),
        ("/sign-out", "/api-keys"),
        ("/profile\r\nset-cookie: x=y", "/api-keys"),
        ("/../v1/openapi.json", "/api-keys"),
    ] {
        let mut guest = Guest::new(&stack);
        let query = form_urlencoded::Serializer::new(String::new()).append_pair("next", next).finish();
        let going = guest.begin(&format!("{LOGIN}?{query}")).await;
        let code = provider.code(&going);
        let answer = guest.open(&back(&going, &code)).await;
        assert_eq!((answer.status, location(&answer).as_str()), (303, leads_to), "{next}");
        let page = guest.open(leads_to).await;
        assert_eq!(page.status, 200, "{next}: {:?}", page.headers.get("location"));
        assert_eq!(guest.session().status().await, 200);
    }
}

#[tokio::test]
async fn an_account_that_is_there_is_linked_by_its_password_only() {
    let (stack, provider, ines) = northwind().await;
    let (tom, token) = ines.invite("tom@northwind.example", &[]).await;
    stack.set_password(&token, "activate", OTHER).await;
    provider.knows(person("7", "tom@northwind.example"));
    let mut guest = Guest::new(&stack);
    let going = guest.begin(&format!("{LOGIN}?next=%2Fprofile")).await;
    let code = provider.code(&going);
    let answer = guest.open(&back(&going, &code)).await;
    let address = location(&answer);
    assert!(answer.status == 303 && address.starts_with("/sso?token="), "{address}");
    assert!(!guest.cookies.contains_key("__Host-Authorization"));
    let page = guest.open(&address).await;
    assert!(page.text.contains("Is this you?") && page.text.contains("tom@northwind.example"), "{}", page.text);
    // In another browser the address is worth nothing.
    let elsewhere = Guest::new(&stack).open(&address).await;
    assert_eq!(location(&elsewhere), "/sign-in?note=sso-state");
    let refused = guest.submit(&page, "/sso/link", &[("password", PASSWORD)]).await;
    assert!(refused.status == 401 && refused.text.contains("This is not your password here."), "{}", refused.text);
    let linked = guest.submit(&page, "/sso/link", &[("password", OTHER)]).await;
    assert_eq!((linked.status, location(&linked).as_str()), (303, "/profile"));
    assert_eq!(uid(&guest.session()).await, tom);
    let again = guest.submit(&page, "/sso/link", &[("password", OTHER)]).await;
    assert_eq!(location(&again), "/sign-in?note=sso-state", "it is used up");
    // From now on it opens by itself.
    let session = signed_in(&stack, &Guest::new(&stack).come(LOGIN, &provider).await);
    assert_eq!(uid(&session).await, tom);
    let identities = session.call("GET", "/v1/users/auth/identities", None).await;
    assert_eq!(
        identities.body["items"][0]["spec"],
        json!({ "provider": "oidc", "issuer": provider.url, "emailId": "tom@northwind.example" })
    );
    // Attempts at the password count here as everywhere.
    provider.knows(person("9", INES));
    let mut thief = Guest::new(&stack);
    let going = thief.begin(LOGIN).await;
    let code = provider.code(&going);
    let address = location(&thief.open(&back(&going, &code)).await);
    let page = thief.open(&address).await;
    for _ in 0..5 {
        assert_eq!(thief.submit(&page, "/sso/link", &[("password", "guess")]).await.status, 401);
    }
    assert_eq!(thief.submit(&page, "/sso/link", &[("password", PASSWORD)]).await.status, 403);
    // And a session that lasts.
    stack.advance(11 * MINUTE);
    let refreshed = session.call("GET", "/v1/auth/refresh", None).await;
    assert_eq!(refreshed.status, 200);
    // Unlinked, it is nobody's, and what it began is not carried on.
    let identity = identities.body["items"][0]["metadata"]["uid"].as_str().unwrap().to_owned();
    assert_eq!(ines.call("DELETE", &format!("/v1/users/auth/identities/{identity}"), None).await.status, 404);
    let path = format!("/v1/users/auth/identities/{identity}");
    let session = signed_in(&stack, &refreshed);
    assert_eq!(session.call("DELETE", &path, None).await.status, 204);
    assert_eq!(session.call("GET", "/v1/auth/refresh", None).await.status, 401);
    provider.knows(person("7", "tom@northwind.example"));
    assert_eq!(why(&Guest::new(&stack).come(LOGIN, &provider).await).1, "link_first");
}

#[tokio::test]
async fn a_session_links_an_identity_when_it_is_young_and_asks_itself() {
    let (stack, provider, ines) = northwind().await;
    let body = Some(json!({ "provider": "oidc" }));
    let path = "/v1/users/auth/identities";
    let mut guest = Guest::new(&stack);
    guest.cookies.insert("__Host-Authorization".to_owned(), ines.token.clone());
    let login = async |session: &Session| {
        let answer = session.call("POST", path, body.clone()).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.body["redirectUri"].as_str().unwrap().strip_prefix(PUBLIC_URL).unwrap().to_owned()
    };
    provider.knows(person("ines", "ines@private.example"));
    // A stranger's address: to link their identity to whoever follows it.
    let eve = stack.sign_up("eve@fabrikam.example", "fabrikam", PASSWORD).await;
    assert_eq!(configure(&eve, config(&provider.url)).await.status, 204);
    let bait = login(&eve).await;
    let going = guest.begin(&bait).await;
    let code = provider.code(&going);
    assert_eq!(why(&guest.ask(&back(&going, &code)).await).1, "invalid_state");
    // Her own.
    let going = guest.begin(&login(&ines).await).await;
    let code = provider.code(&going);
    let done = guest.open(&back(&going, &code)).await;
    assert_eq!((done.status, location(&done).as_str()), (303, "/profile?note=linked"));
    let session = signed_in(&stack, &Guest::new(&stack).come(LOGIN, &provider).await);
    assert_eq!(uid(&session).await, uid(&ines).await);
    // An identity is one user's, and an address good for ten minutes.
    let old = login(&ines).await;
    stack.advance(10 * MINUTE);
    assert_eq!(location(&guest.open(&old).await), "/o/northwind?note=sso-state");
    let (_, token) = ines.invite("tom@northwind.example", &[]).await;
    stack.set_password(&token, "activate", OTHER).await;
    let tom = stack.session("tom@northwind.example", OTHER, None).await;
    let mut guest = Guest::new(&stack);
    guest.cookies.insert("__Host-Authorization".to_owned(), tom.token.clone());
    let going = guest.begin(&login(&tom).await).await;
    let code = provider.code(&going);
    assert_eq!(location(&guest.open(&back(&going, &code)).await), "/profile?note=sso-taken");
    // By no key, and not long after the sign-in.
    let key = ines
        .call(
            "POST",
            "/v1/apiKeys",
            Some(json!({ "metadata": { "name": "k" }, "spec": { "expiry": crate::stack::LATER } })),
        )
        .await;
    let by_key = stack.request("POST", path).header("ApiKey", key.body["apiKey"].as_str().unwrap());
    let refused = by_key.json(&json!({ "provider": "oidc" })).send().await;
    assert_eq!((refused.status, refused.code()), (403, "OperationForbidden"));
    assert_eq!(ines.call("POST", path, Some(json!({ "provider": "google" }))).await.code(), "InvalidRequest");
    stack.advance(MINUTE);
    let ines = signed_in(&stack, &ines.call("GET", "/v1/auth/refresh", None).await);
    stack.advance(5 * MINUTE);
    let refused = ines.call("POST", path, body.clone()).await;
    assert!(refused.status == 403 && refused.text.contains("sign in again"), "{}", refused.text);
}

#[tokio::test]
async fn an_invitation_is_accepted_by_a_provider_without_a_password() {
    let (stack, provider, ines) = northwind().await;
    let (tom, token) = ines.invite("tom@elsewhere.example", &[domain::role::TENANT_VIEWER.uid]).await;
    provider.knows(person("7", "tom@elsewhere.example"));
    // The address is of no domain of theirs, so the provider alone does not do.
    assert_eq!(why(&Guest::new(&stack).come(LOGIN, &provider).await).1, "link_first");
    let mut guest = Guest::new(&stack);
    let page = guest.open("/activate").await;
    let page = guest.submit(&page, "/activate", &[("token", &token)]).await;
    let link = page.text.split("href=\"/v1/auth/org/northwind/oidc/login?with=").nth(1).expect(&page.text);
    let with = link.split('"').next().unwrap();
    let going = guest.begin(&format!("{LOGIN}?with={with}")).await;
    let code = provider.code(&going);
    let done = guest.open(&back(&going, &code)).await;
    assert_eq!((done.status, location(&done).as_str()), (303, "/api-keys"));
    assert_eq!(uid(&guest.session()).await, tom);
    let me = guest.session().call("GET", "/v1/users/me", None).await;
    assert_eq!(me.body["spec"]["roles"], json!([domain::role::TENANT_VIEWER.uid]));
    assert_eq!(
        stack.set_password(&token, "activate", OTHER).await.code(),
        "InvalidPasswordToken",
        "the mail is used up"
    );
    // Who is asked in with an address of the domain needs no mail at all.
    let (mei, _) = ines.invite("mei@northwind.example", &[]).await;
    provider.knows(person("8", "mei@northwind.example"));
    let session = signed_in(&stack, &Guest::new(&stack).come(LOGIN, &provider).await);
    assert_eq!(uid(&session).await, mei);
}

#[tokio::test]
async fn where_single_sign_on_is_required_no_password_opens_anything() {
    let (stack, provider, ines) = northwind().await;
    provider.knows(person("ines", INES));
    let (required, path) = (json!({ "isSsoRequired": true }), "sso/policy");
    let untried = set(&ines, "PUT", path, required.clone()).await;
    assert!(untried.status == 403 && untried.text.contains("has to work"), "{}", untried.text);
    // Ines belongs to a second organization, and links her identity in the first.
    let eve = stack.sign_up("eve@fabrikam.example", "fabrikam", PASSWORD).await;
    let (_, token) = eve.invite(INES, &[]).await;
    stack.set_password(&token, "activate", PASSWORD).await;
    let both = stack.session(INES, PASSWORD, Some("fabrikam")).await;
    let mut guest = Guest::new(&stack);
    let going = guest.begin(LOGIN).await;
    let code = provider.code(&going);
    let address = location(&guest.open(&back(&going, &code)).await);
    let page = guest.open(&address).await;
    guest.submit(&page, "/sso/link", &[("password", PASSWORD)]).await;
    let by_sso = guest.session();
    let by_password = stack.session(INES, PASSWORD, Some("northwind")).await;
    let key = by_sso
        .call(
            "POST",
            "/v1/apiKeys",
            Some(json!({ "metadata": { "name": "k" }, "spec": { "expiry": crate::stack::LATER } })),
        )
        .await;
    let key = key.body["apiKey"].as_str().unwrap().to_owned();
    assert_eq!(set(&by_sso, "PUT", path, required.clone()).await.status, 204);
    let shown = stack.request("GET", "/v1/auth/org?orgName=northwind").send().await.body;
    assert_eq!((shown["authType"].as_str(), shown["isSsoRequired"].as_bool()), (Some("sso"), Some(true)));

    let refused = |answer: &Answer| {
        assert_eq!((answer.status, answer.code()), (403, "SsoRequired"), "{}", answer.text);
        assert_eq!(answer.body["details"]["redirectUrl"], json!(format!("{PUBLIC_URL}{LOGIN}")));
    };
    // The front door, and that of who belongs to several.
    refused(&stack.sign_in(INES, PASSWORD, Some("northwind")).await);
    let several = stack.sign_in(INES, PASSWORD, None).await;
    assert_eq!(several.code(), "OrgSelectionRequired");
    let kinds: Vec<&str> = several.body["details"]["organizations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["authType"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["password", "sso"]);
    // Switching there; and in the console, at each of its doors.
    refused(&both.call("POST", "/v1/auth/org/northwind/switch", None).await);
    let mut browser = Guest::new(&stack);
    let page = browser.open("/o/northwind").await;
    assert!(!page.text.contains("type=\"password\"") && !page.text.contains("Use your password"), "{}", page.text);
    let body = format!("email={INES}&password={PASSWORD}&org=northwind");
    let posted = browser.send("POST", "/sign-in", "text/html", Some(body)).await;
    assert_eq!(location(&posted), "/o/northwind?note=sso-required");
    let body = format!("email={INES}&password={PASSWORD}");
    let chosen = browser.send("POST", "/sign-in", "text/html", Some(body)).await;
    let chosen = browser.submit(&chosen, "/sign-in/organization", &[("org", "northwind")]).await;
    assert_eq!(location(&chosen), "/o/northwind?note=sso-required");
    assert!(!browser.cookies.contains_key("__Host-Authorization"));
    // A session that a password began is not carried on, one by the provider is, and keys go on.
    assert_eq!(by_password.call("GET", "/v1/auth/refresh", None).await.status, 401);
    assert_eq!(by_sso.call("GET", "/v1/auth/refresh", None).await.status, 200);
    assert_eq!(stack.request("GET", "/v1/users/me").header("ApiKey", &key).send().await.status, 200);
    // Another password changes nothing, nor does a mailed link.
    stack.advance(MINUTE);
    stack.post("/v1/auth/user/password/reset", json!({ "emailId": INES })).await;
    assert_eq!(stack.set_password(&stack.mailed_token(INES), "reset", OTHER).await.status, 204);
    refused(&stack.sign_in(INES, OTHER, Some("northwind")).await);
    // The last way in cannot be switched off, and nothing is required where there is none.
    let by_sso = signed_in(&stack, &Guest::new(&stack).come(LOGIN, &provider).await);
    let mut off = config(&provider.url);
    off["isSsoEnabled"] = json!(false);
    assert_eq!(configure(&by_sso, off.clone()).await.code(), "InvalidRequest");
    assert_eq!(set(&by_sso, "PUT", path, json!({})).await.status, 204);
    assert_eq!(stack.sign_in(INES, OTHER, Some("northwind")).await.status, 200);
    assert_eq!(configure(&by_sso, off).await.status, 204);
    assert_eq!(by_sso.call("GET", "/v1/auth/refresh", None).await.status, 401, "nor does what it began go on");
    let path = format!("/v1/tenants/{}/{path}", ines_tenant(&stack).await);
    let by_key = stack.request("PUT", &path).header("ApiKey", &key).json(&required).send().await;
    assert_eq!(by_key.code(), "InvalidRequest", "{}", by_key.text);
}

async fn ines_tenant(stack: &Stack) -> String {
    stack.session(INES, OTHER, Some("northwind")).await.tenant_uid().await
}

#[tokio::test]
async fn a_domain_is_whose_dns_says_so() {
    let stack = Stack::start().await;
    let provider = Provider::start(stack.clock.clone()).await;
    let ines = stack.sign_up(INES, "northwind", PASSWORD).await;
    assert_eq!(configure(&ines, config(&provider.url)).await.status, 204);
    assert_eq!(
        set(&ines, "POST", "domains", json!({ "domains": ["northwind.example", "shop.example"] })).await.status,
        204
    );
    provider.knows(person("7", "tom@northwind.example"));
    // Naming a domain is not having it.
    assert_eq!(why(&Guest::new(&stack).come(LOGIN, &provider).await).1, "no_account");
    let tenant = ines.tenant_uid().await;
    let proofs = set(&ines, "GET", "domains/proofs", json!({})).await.body;
    let item = json!({ "domain": "northwind.example", "isProven": false, "isTaken": false,
        "record": { "type": "TXT", "name": "_latchkey.northwind.example", "value": format!("latchkey-tenant={tenant}") } });
    assert_eq!(proofs["items"][0], item);
    let verify = async |session: &Session, domain: &str| {
        set(session, "POST", &format!("domains/{domain}/verify"), json!({})).await
    };
    let say = |domain: &str, texts: &[&str]| {
        let texts = texts.iter().map(|text| (*text).to_owned()).collect();
        stack.texts.lock().unwrap().insert(format!("_latchkey.{domain}."), texts);
    };
    let refused = verify(&ines, "northwind.example").await;
    assert_eq!((refused.status, refused.code()), (400, "DomainNotProven"));
    assert_eq!(refused.body["details"], item["record"]);
    say("northwind.example", &["latchkey-tenant=", &format!("latchkey-tenant={tenant}x"), "x"]);
    assert_eq!(verify(&ines, "northwind.example").await.code(), "DomainNotProven");
    assert_eq!(verify(&ines, "no_domain").await.code(), "InvalidRequest");
    // Somebody who has it takes it from who only said so.
    let eve = stack.sign_up("eve@shop.example", "shop", PASSWORD).await;
    assert_eq!(set(&eve, "POST", "domains", json!({ "domains": ["shop.example"] })).await.status, 409);
    say("shop.example", &[&format!("latchkey-tenant={}", eve.tenant_uid().await)]);
    assert_eq!(verify(&ines, "shop.example").await.code(), "DomainNotProven");
    assert_eq!(verify(&eve, "shop.example").await.status, 204);
    assert_eq!(set(&eve, "GET", "domains", json!({})).await.body, json!({ "domains": ["shop.example"] }));
    let proofs = set(&ines, "GET", "domains/proofs", json!({})).await.body;
    assert_eq!(proofs["items"][1]["isTaken"], true);
    // Nobody takes it from her while the DNS says that it is hers, whoever else it names.
    let hers = format!("latchkey-tenant={}", eve.tenant_uid().await);
    say("shop.example", &[&format!("latchkey-tenant={tenant}"), &hers]);
    assert_eq!(verify(&ines, "shop.example").await.code(), "ResourceConflict");
    assert_eq!(set(&ines, "POST", "domains", json!({ "domains": ["northwind.example"] })).await.status, 204);
    let proofs = set(&eve, "GET", "domains/proofs", json!({})).await.body;
    assert_eq!(proofs["items"][0]["isProven"], true, "what another gives up is not hers");
    say("northwind.example", &[&format!(" latchkey-tenant={tenant} ")]);
    assert_eq!(verify(&ines, "NorthWind.example").await.status, 204);
    signed_in(&stack, &Guest::new(&stack).come(LOGIN, &provider).await);
    // Sold, it is whose the DNS says from then on.
    say("shop.example", &[&format!("latchkey-tenant={tenant}")]);
    assert_eq!(verify(&ines, "shop.example").await.status, 204);
    assert_eq!(set(&eve, "GET", "domains/proofs", json!({})).await.body["items"][0]["isTaken"], true);
    // Given up, it opens nothing more; who came by it stays.
    assert_eq!(set(&ines, "POST", "domains", json!({ "domains": [] })).await.status, 204);
    provider.knows(person("8", "mei@northwind.example"));
    assert_eq!(why(&Guest::new(&stack).come(LOGIN, &provider).await).1, "no_account");
    provider.knows(person("7", "tom@northwind.example"));
    signed_in(&stack, &Guest::new(&stack).come(LOGIN, &provider).await);
}

#[tokio::test]
async fn users_who_are_disabled_deleted_or_too_many_do_not_come_in() {
    let (stack, provider, ines) = northwind().await;
    provider.knows(person("7", "tom@northwind.example"));
    let tom = signed_in(&stack, &Guest::new(&stack).come(LOGIN, &provider).await);
    let path = format!("/v1/users/{}", uid(&tom).await);
    let active = |value: bool| Some(json!([{ "op": "replace", "path": "/status/isActive", "value": value }]));
    assert_eq!(ines.call("PATCH", &path, active(false)).await.status, 204);
    assert_eq!(tom.status().await, 401);
    assert_eq!(why(&Guest::new(&stack).come(LOGIN, &provider).await).1, "no_account");
    assert!(ines.call("GET", "/v1/audits", None).await.text.contains("By single sign-on: The user is not active"));
    assert_eq!(ines.call("PATCH", &path, active(true)).await.status, 204);
    signed_in(&stack, &Guest::new(&stack).come(LOGIN, &provider).await);
    let deleted = ines.call("DELETE", &path, None).await;
    assert_eq!(deleted.status, 204, "{}", deleted.text);
    assert!(!stack.contents().await.contains("LINK#"), "identities go with their user");
    // Who comes again is somebody new.
    let again = signed_in(&stack, &Guest::new(&stack).come(LOGIN, &provider).await);
    assert_ne!(format!("/v1/users/{}", uid(&again).await), path);
    assert_eq!(
        set(&ines, "PATCH", "resourceLimits", json!({ "resources": [{ "kind": "user", "limit": 2 }] })).await.status,
        204
    );
    provider.knows(person("8", "mei@northwind.example"));
    assert_eq!(why(&Guest::new(&stack).come(LOGIN, &provider).await).1, "limit_reached");
}
