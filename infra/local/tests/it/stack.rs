//! A whole Latchkey of a test's own, and the people who use it.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr},
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use domain::{ApiKeyUid, RoleUid, Tenant, Timestamp, TokenUid, User, role};
use dynoxide::Database;
use functions::{
    app::{Clock, Entropy, Settings},
    authorizer,
    dns::Dns,
    metrics::{Metric, Metrics},
    outbound::Outside,
    signing::{Sealer, Signer},
    sso::Social,
};
use hyper::{HeaderMap, Method};
use local::{
    Service,
    backend::Backend,
    demo,
    export::export,
    gateway::{self, Gateway, HttpRequest},
    mailbox::Mailbox,
    outside::REACH,
    service::Options,
    trace::Operation,
};
use serde_json::{Value, json};

use crate::{openapi, privileges};

pub(crate) const PUBLIC_URL: &str = "https://latchkey.example";

/// A time that no key of a test reaches unless it wants to.
pub(crate) const LATER: &str = "2099-01-01T00:00:00.000Z";

#[derive(Clone)]
pub(crate) struct Stack {
    backend: Backend,
    table_prefix: String,
    sealer: Sealer,
    pub(crate) service: Arc<Service>,
    gateway: Arc<Gateway>,
    clock_offset: Arc<AtomicI64>,
    pub(crate) clock: Clock,
    pub(crate) entropy: Entropy,
    /// What names say of themselves in the DNS of the test.
    pub(crate) texts: Texts,
    metrics: Arc<Mutex<Vec<Value>>>,
}

pub(crate) type Texts = Arc<Mutex<BTreeMap<String, Vec<String>>>>;

fn settings(public_url: &str) -> Settings {
    Settings {
        public_url: public_url.to_owned(),
        audience: "latchkey".to_owned(),
        sign_up: true,
        social: Social::default(),
    }
}

impl Stack {
    pub(crate) async fn start() -> Self {
        let entropy = Entropy::system();
        let table_prefix = format!("{}-", TokenUid::from_bytes(entropy.uid()));
        let sealer = Sealer::from_bytes(&entropy.bytes());
        Self::on(backend(), table_prefix, sealer, Arc::default()).await
    }

    /// The same, where people reach it at this address, and these vouch for people of every organization.
    pub(crate) async fn with_social(public_url: &str, social: Social) -> Self {
        let entropy = Entropy::system();
        let table_prefix = format!("{}-", TokenUid::from_bytes(entropy.uid()));
        let sealer = Sealer::from_bytes(&entropy.bytes());
        let settings = Settings { social, ..settings(public_url) };
        Self::with(backend(), table_prefix, sealer, Arc::default(), settings).await
    }

    /// Another instance of every function on the same tables, with nothing in its memory.
    pub(crate) async fn another_instance(&self) -> Self {
        let offset = self.clock_offset.clone();
        Self::on(self.backend.clone(), self.table_prefix.clone(), self.sealer.clone(), offset).await
    }

    /// The same, for an installation where people come in by invitation only.
    pub(crate) async fn invitation_only(&self) -> Self {
        let offset = self.clock_offset.clone();
        let settings = Settings { sign_up: false, ..settings(PUBLIC_URL) };
        Self::with(self.backend.clone(), self.table_prefix.clone(), self.sealer.clone(), offset, settings).await
    }

    async fn on(backend: Backend, table_prefix: String, sealer: Sealer, clock_offset: Arc<AtomicI64>) -> Self {
        Self::with(backend, table_prefix, sealer, clock_offset, settings(PUBLIC_URL)).await
    }

    async fn with(
        backend: Backend,
        table_prefix: String,
        sealer: Sealer,
        clock_offset: Arc<AtomicI64>,
        settings: Settings,
    ) -> Self {
        let texts = Texts::default();
        let known = texts.clone();
        let dns = Dns::new(move |name| {
            let found = known.lock().unwrap().get(&name).cloned().unwrap_or_default();
            Box::pin(async move { Ok(found) })
        });
        let (offset, system) = (clock_offset.clone(), Clock::system());
        let clock = Clock::new(move || Timestamp::from_millis(system.now().millis() + offset.load(Ordering::SeqCst)));
        let metrics = Arc::<Mutex<Vec<Value>>>::default();
        let into = metrics.clone();
        let service = Service::start(Options {
            backend: backend.clone(),
            table_prefix: table_prefix.clone(),
            clock: clock.clone(),
            settings,
            outside: Outside { reach: REACH, dns },
            metrics: Metrics::new("test".to_owned(), String::new(), move |line| {
                into.lock().unwrap().push(line.clone());
            }),
            witness: privileges::witness(),
            mailbox: Mailbox::memory(),
            sealer: sealer.clone(),
        });
        let service = Arc::new(service.await.unwrap());
        let gateway = Arc::new(Gateway::new(&service.template));
        let entropy = Entropy::system();
        Self { backend, table_prefix, sealer, service, gateway, clock_offset, clock, entropy, texts, metrics }
    }

    /// What operators have seen of a metric since the last time.
    pub(crate) fn watched(&self, metric: Metric) -> Vec<i64> {
        let lines = std::mem::take(&mut *self.metrics.lock().unwrap());
        lines.iter().filter_map(|line| line[metric.name()].as_i64()).collect()
    }

    /// Makes a domain say in the DNS of the test that it is this tenant's.
    pub(crate) fn says_whose(&self, domain: &str, tenant: &str) {
        let texts = vec!["v=spf1 -all".to_owned(), format!("latchkey-tenant={tenant}")];
        self.texts.lock().unwrap().insert(format!("_latchkey.{domain}."), texts);
    }

    /// Signs tokens as the functions do.
    pub(crate) fn signer(&self) -> Signer {
        Signer::new(self.sealer.clone())
    }

    pub(crate) fn advance(&self, span: Duration) {
        self.clock_offset.fetch_add(i64::try_from(span.as_millis()).unwrap(), Ordering::SeqCst);
    }

    /// Sets the clock back to a moment that was.
    pub(crate) fn turn_back_to(&self, moment: Timestamp) {
        let since = self.clock.now().millis() - moment.millis();
        self.clock_offset.fetch_sub(since, Ordering::SeqCst);
    }

    pub(crate) async fn tenant(&self, org_name: &str) -> Organization {
        let tenant = demo::draw_tenant(&self.entropy, org_name);
        let roles = &[role::TENANT_ADMIN.uid];
        let founder = demo::draw_user(&self.entropy, &tenant, "Founder", "Test", roles, self.clock.now());
        demo::new_tenant(&self.service.store, &self.entropy, &tenant, &founder).await.unwrap();
        Organization { stack: self.clone(), tenant }
    }

    pub(crate) fn request(&self, method: &str, path_and_query: &str) -> Call {
        Call {
            stack: self.clone(),
            request: HttpRequest {
                method: method.parse().unwrap(),
                uri: path_and_query.parse().unwrap(),
                headers: HeaderMap::from_iter([("host".parse().unwrap(), "latchkey.example".parse().unwrap())]),
                body: Vec::new(),
                source: IpAddr::V4(Ipv4Addr::LOCALHOST),
            },
        }
    }

    /// Everything in the tables, to see that nothing changed; but for the audit trail and the notes of the last use of
    /// keys, which grow by what changes nothing.
    pub(crate) async fn contents(&self) -> String {
        let everything = self.everything().await;
        let state = everything.lines().filter_map(|line| {
            let mut line: Value = serde_json::from_str(line).unwrap();
            line["item"].as_object_mut().unwrap().retain(|name, _| !name.starts_with("last_used_"));
            (line["table"] != "AuditsTable").then(|| line.to_string())
        });
        state.collect::<Vec<_>>().join("\n")
    }

    /// Everything in the tables.
    pub(crate) async fn everything(&self) -> String {
        let mut lines = Vec::new();
        export(&self.service, &mut lines).await.unwrap();
        let mut lines: Vec<_> = String::from_utf8(lines).unwrap().lines().map(ToOwned::to_owned).collect();
        lines.sort();
        lines.join("\n")
    }
}

#[allow(clippy::disallowed_methods, reason = "which DynamoDB to test on is the business of whoever runs the tests")]
fn backend() -> Backend {
    match std::env::var("LATCHKEY_TEST_DYNAMODB") {
        Ok(url) => Backend::Remote(url),
        Err(_) => Backend::Embedded(Database::memory().unwrap()),
    }
}

/// How much to do, for whoever wants more than every run needs.
#[allow(clippy::disallowed_methods, reason = "how much to do is the business of whoever runs the tests")]
pub(crate) fn amount(name: &str, default: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

pub(crate) struct Organization {
    pub(crate) stack: Stack,
    pub(crate) tenant: Tenant,
}

impl Organization {
    /// A Tenant Admin.
    pub(crate) async fn admin(&self) -> Person {
        self.person("Ines", &[role::TENANT_ADMIN.uid]).await
    }

    /// A user without a role.
    pub(crate) async fn user(&self) -> Person {
        self.person("Tom", &[]).await
    }

    pub(crate) async fn person(&self, name: &str, roles: &[RoleUid]) -> Person {
        let stack = &self.stack;
        let now = stack.clock.now();
        let mut user = demo::draw_user(&stack.entropy, &self.tenant, name, "Test", roles, now);
        user.email = format!("{name}-{}@{}.example", user.uid, self.tenant.org_name).to_lowercase();
        demo::new_user(&stack.service.store, &stack.entropy, &self.tenant, &user).await.unwrap();
        let expires_at = now + Duration::from_hours(24 * 365);
        let key =
            demo::new_api_key(&stack.service.store, &stack.entropy, &user, "first", expires_at, now).await.unwrap();
        Person { stack: stack.clone(), user, key_uid: key.key, key: key.expose().to_owned() }
    }
}

/// A user with an API key called `first`, by which they call.
#[derive(Clone)]
pub(crate) struct Person {
    pub(crate) stack: Stack,
    pub(crate) user: User,
    pub(crate) key: String,
    pub(crate) key_uid: ApiKeyUid,
}

impl Person {
    pub(crate) fn request(&self, method: &str, path: &str) -> Call {
        self.stack.request(method, path).header("ApiKey", &self.key)
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.request("GET", path).send().await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.request("POST", path).json(&body).send().await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Answer {
        self.request("PUT", path).json(&body).send().await
    }

    pub(crate) async fn patch(&self, path: &str, body: Value) -> Answer {
        self.request("PATCH", path).json(&body).send().await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.request("DELETE", path).send().await
    }

    /// Creates a key of one's own.
    pub(crate) async fn api_key(&self, name: &str) -> Created {
        let body = json!({ "metadata": { "name": name }, "spec": { "expiry": LATER } });
        let answer = self.post("/v1/apiKeys", body).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        Created::of(&answer)
    }

    pub(crate) async fn token(&self) -> String {
        token_of(&self.stack, &self.key).await
    }

    pub(crate) async fn key_names(&self) -> Vec<String> {
        let list = self.get("/v1/apiKeys").await;
        let items = list.body["items"].as_array().unwrap().iter();
        items.map(|item| item["metadata"]["name"].as_str().unwrap().to_owned()).collect()
    }
}

pub(crate) async fn token_of(stack: &Stack, key: &str) -> String {
    let answer = stack.request("POST", "/v1/auth/authenticate").header("ApiKey", key).send().await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.body["Authorization"].as_str().unwrap().to_owned()
}

/// A key just created.
pub(crate) struct Created {
    pub(crate) uid: String,
    pub(crate) value: String,
}

impl Created {
    pub(crate) fn of(answer: &Answer) -> Self {
        let text = |name: &str| answer.body[name].as_str().unwrap().to_owned();
        Self { uid: text("uid"), value: text("apiKey") }
    }

    pub(crate) fn path(&self) -> String {
        format!("/v1/apiKeys/{}", self.uid)
    }
}

/// A request that is being put together.
pub(crate) struct Call {
    stack: Stack,
    request: HttpRequest,
}

impl Call {
    /// Adds a header, beside one of the same name if there is one.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.request.headers.append(hyper::header::HeaderName::try_from(name).unwrap(), value.parse().unwrap());
        self
    }

    pub(crate) fn set_host(&mut self, host: &str) {
        self.request.headers.insert("host", host.parse().unwrap());
    }

    pub(crate) fn json(self, body: &Value) -> Self {
        self.body(body.to_string()).header("content-type", "application/json")
    }

    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.request.body = body.into();
        self
    }

    pub(crate) async fn send(self) -> Answer {
        let method = self.request.method.clone();
        let path = self.request.uri.path().to_owned();
        let answer = self.send_any().await;
        answer.check_form(&method, &path);
        answer
    }

    /// What the authorizer says of this request, as if it went to another API.
    pub(crate) async fn authorize(&self) -> Result<authorizer::Answer, authorizer::AuthorizerError> {
        let event = gateway::authorizer_event(&self.request, "GET /things/{id}");
        self.stack.service.authorize(serde_json::from_value(event).unwrap()).await
    }

    /// The same request once more.
    pub(crate) fn again(&self) -> Self {
        self.at(self.request.method.as_str(), self.request.uri.path())
    }

    /// The same request to another place; the query stays.
    pub(crate) fn at(&self, method: &str, path: &str) -> Self {
        let query = self.request.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
        Self {
            stack: self.stack.clone(),
            request: HttpRequest {
                method: method.parse().unwrap(),
                uri: format!("{path}{query}").parse().unwrap(),
                headers: self.request.headers.clone(),
                body: self.request.body.clone(),
                source: self.request.source,
            },
        }
    }

    /// The same, of what is answered in another form than JSON.
    pub(crate) async fn send_any(self) -> Answer {
        let (response, operations) = self.stack.gateway.call(&self.stack.service, self.request).await;
        let (parts, body) = response.into_parts();
        let text = String::from_utf8(body.to_vec()).unwrap();
        Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body: serde_json::from_str(&text).unwrap_or(Value::Null),
            text,
            operations,
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
    pub(crate) text: String,
    pub(crate) operations: Vec<Operation>,
}

impl Answer {
    /// What holds of every answer whatever was asked.
    fn check_form(&self, method: &Method, path: &str) {
        assert!(self.status < 500, "{method} answered {}: {}", self.status, self.text);
        // Nobody is to keep anything but public documents, and the public keys only once there are some.
        let is_public = ["/.well-known/jwks.json", "/v1/openapi.json"].contains(&path);
        let kept = &self.headers["cache-control"];
        assert!(kept == "no-store" || is_public && kept == "public, max-age=300", "{path}: {kept:?}");
        for (name, value) in [
            ("strict-transport-security", "max-age=63072000; includeSubDomains"),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
            ("cross-origin-opener-policy", "same-origin"),
        ] {
            assert_eq!(self.headers[name], value);
        }
        assert!(!self.headers.contains_key("access-control-allow-origin"));
        if self.status == 204 {
            assert_eq!(self.text, "");
            assert!(!self.headers.contains_key("content-type"));
        } else {
            assert_eq!(self.headers["content-type"], "application/json");
            assert!(self.body.is_object() || self.body.is_array(), "{}", self.text);
        }
        openapi::check_answer(method, path, self.status, &self.body);
        if self.status >= 400 {
            let members: Vec<_> = self.body.as_object().unwrap().keys().map(String::as_str).collect();
            assert_eq!(members, ["code", "details", "message", "ref"]);
            assert!(self.body["code"].is_string() && self.body["message"].is_string());
            let message = self.body["message"].as_str().unwrap();
            for word in ["serde", "dynamo", "panick", ".rs", "table", "arn:", "connection reset", "lk_", "eyJ"] {
                assert!(!message.to_lowercase().contains(word), "{message}");
            }
            assert_eq!(self.status == 404, self.code().contains("NotFound"), "{}", self.text);
        }
    }

    pub(crate) fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }

    /// Status and body without the reference, which differs for every answer.
    pub(crate) fn bytes(&self) -> String {
        let mut body = self.body.clone();
        if let Some(body) = body.as_object_mut() {
            body.remove("ref");
        }
        format!("{} {body}", self.status)
    }

    pub(crate) fn reads(&self) -> usize {
        self.operations.iter().filter(|operation| operation.is_read()).count()
    }

    pub(crate) fn writes(&self) -> usize {
        self.operations.len() - self.reads()
    }
}

/// A well-formed key that nobody has.
pub(crate) fn unknown_key(stack: &Stack) -> String {
    let (user, key) = (domain::UserUid::from_bytes(stack.entropy.uid()), ApiKeyUid::from_bytes(stack.entropy.uid()));
    domain::api_key::ApiKeyValue::new(user, key, &stack.entropy.bytes()).expose().to_owned()
}

/// A uid that nothing has.
pub(crate) fn random_uid(stack: &Stack) -> String {
    TokenUid::from_bytes(stack.entropy.uid()).to_string()
}

/// Counts equal things.
pub(crate) fn counted<T: Ord>(things: impl IntoIterator<Item = T>) -> BTreeMap<T, usize> {
    let mut counts = BTreeMap::new();
    for thing in things {
        *counts.entry(thing).or_default() += 1;
    }
    counts
}
