//! A whole Latchkey in memory, for the targets that send requests.

use std::{collections::BTreeMap, env, future::ready, process};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use domain::Timestamp;
use dynoxide::Database;
use functions::{
    app::{Clock, Entropy, Settings},
    dns::Dns,
    metrics::Metrics,
    outbound::{Outside, Reach},
    signing::Sealer,
    sso::Social,
};
use lambda_http::aws_lambda_events::apigw::ApiGatewayV2httpResponse;
use local::{
    Service, backend::Backend, demo, mailbox::Mailbox, policy::Witness, service::Options, template::Route, trace,
};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use tokio::runtime::{self, Runtime};

/// When everything happens.
const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);
const PUBLIC_URL: &str = "https://latchkey.example";

/// A whole Latchkey with a demo in it. It forgets what a request has changed, so that no input depends on another.
pub struct Latchkey {
    runtime: Runtime,
    service: Service,
    database: Database,
    /// Where its contents lie as they were at the start.
    start: String,
    /// By method: the place of a function and the route.
    routes: BTreeMap<String, matchit::Router<(usize, String)>>,
    default: usize,
    /// What may stand in braces in a request, and what for.
    names: Vec<(&'static str, String)>,
}

impl Latchkey {
    /// Starts it.
    pub fn start() -> Self {
        let runtime = runtime::Builder::new_current_thread().enable_time().build().expect("there are threads");
        let database = Database::memory().expect("there is memory");
        let service = runtime.block_on(Service::start(Options {
            backend: Backend::Embedded(database.clone()),
            table_prefix: String::new(),
            clock: Clock::new(|| NOW),
            settings: Settings {
                public_url: PUBLIC_URL.to_owned(),
                audience: "latchkey".to_owned(),
                sign_up: true,
                social: Social::default(),
            },
            sealer: Sealer::from_bytes(&[7; 32]),
            mailbox: Mailbox::memory(),
            // Nobody outside is asked, whatever an input names.
            outside: Outside { reach: Reach { addresses: |_| false, plain_hosts: |_| false }, dns: Dns::absent() },
            metrics: Metrics::default(),
            witness: Witness::new(|seen| {
                assert!(seen.is_allowed, "the policy of {} lacks {:?}", seen.function, seen.access);
            }),
        }));
        let service = service.expect("an empty database takes tables");
        let mut routes: BTreeMap<String, matchit::Router<(usize, String)>> = BTreeMap::new();
        let mut default = 0;
        for (at, function) in service.template.functions.iter().enumerate() {
            for route in &function.routes {
                match route {
                    Route::Default => default = at,
                    Route::Exact { method, path } => {
                        let path = path.replace("{page+}", "{*page}");
                        let routes = routes.entry(method.clone()).or_default();
                        routes.insert(path, (at, route.key())).expect("routes do not contradict each other");
                    }
                }
            }
        }
        let start = env::temp_dir().join(format!("latchkey-fuzz-{}.db", process::id())).display().to_string();
        let mut latchkey = Self { runtime, service, database, start, routes, default, names: Vec::new() };
        latchkey.fill();
        latchkey
    }

    /// Makes the demo, and lets people sign in, so that nothing of that is left to do for a request.
    fn fill(&mut self) {
        let demo = self.runtime.block_on(demo::create(&self.service.store, &Entropy::system(), NOW));
        let demo = demo.expect("an empty table takes it");
        let (admin, user) = (demo.admin, demo.user);
        self.names = vec![
            ("{tenant}", demo.tenant.uid.to_string()),
            ("{admin}", admin.0.uid.to_string()),
            ("{user}", user.0.uid.to_string()),
            ("{key}", user.1.key.to_string()),
            ("{secret}", admin.1.expose().to_owned()),
            ("{user-secret}", user.1.expose().to_owned()),
            ("{password}", demo.password),
            ("{email}", admin.0.email),
        ];
        let token = self.ask("POST /v1/auth/authenticate\napikey: {secret}").json();
        self.name("{token}", &token["Authorization"]);
        let body = r#"{"emailId":"{email}","org":"northwind","password":"{password}"}"#;
        let session = self.ask(&format!("POST /v1/auth/authenticate\n\n{body}")).json();
        self.name("{session}", &session["Authorization"]);
        let audits = self.ask("GET /v1/audits\napikey: {secret}").json();
        self.name("{audit}", &audits["items"][0]["metadata"]["uid"]);
        let page = self.ask("GET /profile\ncookie: __Host-Authorization={session}");
        let between = |text: &str, start: &str, end: &str| {
            let (_, rest) = text.split_once(start).expect("it is there");
            Value::from(rest.split(end).next().unwrap_or_default())
        };
        self.name("{csrf}", &between(&page.body, "name=\"csrf\" value=\"", "\""));
        self.name("{form}", &between(&page.cookies.join(";"), "__Host-Form=", ";"));
        // Whatever is noted once an hour is noted now.
        self.ask("GET /v1/apiKeys\napikey: {user-secret}");
        self.ask("GET /v1/apiKeys\nauthorization: {token}");
        self.database.vacuum_into(&self.start).expect("there is room for a copy");
    }

    fn name(&mut self, name: &'static str, value: &Value) {
        self.names.push((name, value.as_str().expect("it has been answered").to_owned()));
    }

    fn ask(&self, request: &str) -> Answer {
        let answer = self.send(request.as_bytes()).expect("it is a request").0;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer
    }

    /// Answers a request, and undoes what that has changed. `None` if no gateway would have let it through.
    ///
    /// - `request`: method, path and query; headers; an empty line, the body. `{token}` and the like stand for what they
    ///   name.
    pub fn answer(&self, request: &[u8]) -> Option<Answer> {
        let (answer, has_changed) = self.send(request)?;
        if has_changed {
            self.database.restore_from(&self.start).expect("the copy is there");
        }
        Some(answer)
    }

    fn send(&self, request: &[u8]) -> Option<(Answer, bool)> {
        let (function, event) = self.event(request);
        let event = serde_json::from_value(event).ok()?;
        let (answer, operations) = self.runtime.block_on(trace::traced(async {
            let answer = Box::pin(self.service.invoke(&self.service.template.functions[function], event)).await;
            Box::pin(self.service.link_records()).await;
            Box::pin(self.service.deliver_mails_by(|_| ready(Ok(())))).await;
            answer
        }));
        Some((Answer::of(answer), operations.iter().any(|operation| !operation.is_read())))
    }

    /// What API Gateway makes of a request, and which function it is for.
    fn event(&self, request: &[u8]) -> (usize, Value) {
        let end = request.windows(2).position(|two| two == b"\n\n");
        let (head, body) = end.map_or((request, &[][..]), |end| (&request[..end], &request[end + 2..]));
        let head = self.filled(String::from_utf8_lossy(head).into_owned());
        let mut lines = head.split('\n');
        let (method, target) = lines.next().and_then(|line| line.split_once(' ')).unwrap_or(("GET", "/"));
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let (mut headers, mut cookies) = (BTreeMap::<String, String>::new(), Vec::new());
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            let (name, value) = (name.to_ascii_lowercase(), value.trim());
            if name == "cookie" {
                cookies.extend(value.split("; "));
            } else {
                headers.entry(name).and_modify(|joined| *joined += &format!(",{value}")).or_insert(value.to_owned());
            }
        }
        let matched = self.routes.get(method).and_then(|routes| routes.at(path).ok());
        let (function, route) =
            matched.as_ref().map_or((self.default, "$default"), |matched| (matched.value.0, matched.value.1.as_str()));
        let decoded = |value: &str| percent_decode_str(value).decode_utf8_lossy().into_owned();
        let parameters: BTreeMap<_, _> = matched
            .iter()
            .flat_map(|matched| matched.params.iter())
            .map(|(name, value)| (name, decoded(value)))
            .collect();
        let (body, is_base64) = match String::from_utf8(body.to_vec()) {
            Ok(text) => (self.filled(text), false),
            Err(_) => (STANDARD.encode(body), true),
        };
        let event = json!({
            "version": "2.0",
            "routeKey": route,
            "rawPath": path,
            "rawQueryString": query,
            "headers": headers,
            "cookies": if cookies.is_empty() { Value::Null } else { json!(cookies) },
            "pathParameters": parameters,
            "requestContext": {
                "domainName": headers.get("host"),
                "http": { "method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "203.0.113.7" },
                "routeKey": route,
                "stage": "$default",
                "timeEpoch": 0,
            },
            "body": if body.is_empty() { Value::Null } else { json!(body) },
            "isBase64Encoded": is_base64,
        });
        (function, event)
    }

    fn filled(&self, text: String) -> String {
        self.names.iter().fold(text, |text, (name, value)| text.replace(name, value))
    }
}

/// What a function answers.
pub struct Answer {
    pub status: i64,
    pub body: String,
    pub cookies: Vec<String>,
    kind: String,
}

impl Answer {
    fn of(answer: ApiGatewayV2httpResponse) -> Self {
        let kind = answer.headers.get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let body = answer.body.as_ref().map(|body| String::from_utf8_lossy(body).into_owned());
        Self {
            status: answer.status_code,
            kind: kind.to_owned(),
            body: body.unwrap_or_default(),
            cookies: answer.cookies,
        }
    }

    /// What it says.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// Panics at a fault of ours, or if it does not have the form that it should have.
    pub fn check(&self) {
        let Self { status, kind, body, .. } = self;
        assert!((200..500).contains(status), "{status}: {body}");
        let is_json = kind == "application/json";
        let said = if is_json { self.json() } else { Value::Null };
        if *status >= 400 && is_json {
            let has = |name: &str| said[name].as_str().is_some_and(|text| !text.is_empty());
            assert!(has("code") && has("message") && has("ref") && said.get("details").is_some(), "{status}: {body}");
        } else if *status >= 400 {
            assert!(kind.starts_with("text/html"), "{status}, {kind}: {body}");
        }
    }
}
