//! The stories once more, through gateway, Lambda runtime, tables, streams, schedule, KMS and SES of an emulator of AWS, to which
//! `cargo xtask e2e` has deployed the template.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    process::Connection,
    session::PASSWORD,
    story::{self, Site},
};

/// What was deployed.
struct Cloud {
    port: u16,
    deployed: Value,
}

impl Cloud {
    /// - `LATCHKEY_TEST_CLOUD`: what the deployment printed, in a file.
    /// - `LATCHKEY_TEST_CLOUD_PORT`: where the emulator is.
    #[allow(clippy::disallowed_methods, reason = "where it was deployed is the business of whoever runs the tests")]
    fn open() -> Self {
        let deployed = std::fs::read_to_string(std::env::var("LATCHKEY_TEST_CLOUD").unwrap()).unwrap();
        let port = std::env::var("LATCHKEY_TEST_CLOUD_PORT").unwrap().parse().unwrap();
        Self { port, deployed: serde_json::from_str(&deployed).unwrap() }
    }

    fn send(&self, method: &str, path: &str, header: &str, body: &str) -> (u16, String) {
        // A connection each: the emulator closes one whenever it likes.
        Connection::open(self.port).send_with(method, path, header, body).unwrap()
    }

    /// Asks one of the APIs.
    fn ask(&self, api: &str, method: &str, path: &str, header: &str, body: &str) -> (u16, Value) {
        let path = format!("{}{path}", self.deployed[api].as_str().unwrap());
        let (status, answer) = self.send(method, &path, header, body);
        (status, serde_json::from_str(&answer).unwrap_or(Value::String(answer)))
    }

    /// Asks a service of AWS.
    fn aws(&self, service: &str, target: &str, body: &Value) -> Value {
        let header = format!(
            "x-amz-target: {target}\r\ncontent-type: application/x-amz-json-1.1\r\nauthorization: AWS4-HMAC-SHA256 \
             Credential=test/20260101/us-east-1/{service}/aws4_request, SignedHeaders=host, Signature=0\r\n"
        );
        let (status, answer) = self.send("POST", "/", &header, &body.to_string());
        assert_eq!(status, 200, "{answer}");
        serde_json::from_str(&answer).unwrap()
    }
}

impl Site for Cloud {
    fn call(
        &mut self,
        method: &str,
        path: &str,
        credential: Option<(&str, &str)>,
        body: Option<&Value>,
    ) -> (u16, Value) {
        let header = credential.map(|(name, value)| format!("{name}: {value}\r\n")).unwrap_or_default();
        let header = format!("{header}content-type: application/json\r\n");
        self.ask("api", method, path, &header, &body.map(ToString::to_string).unwrap_or_default())
    }

    fn newest_mail(&mut self, to: &str) -> String {
        let mails = || -> Vec<String> {
            let (_, mails) = self.send("GET", "/_ministack/ses/messages", "", "");
            let mails: Value = serde_json::from_str(&mails).unwrap();
            let mails = mails["messages"].as_object().unwrap().values().filter_map(Value::as_array).flatten();
            let mails = mails.filter(|mail| mail["To"].to_string().contains(to));
            mails.map(|mail| mail["BodyText"].as_str().unwrap().to_owned()).collect()
        };
        // The stream takes a moment, and an older mail is not the one that is waited for.
        std::thread::sleep(Duration::from_secs(2));
        for _ in 0..60 {
            if let Some(mail) = mails().pop() {
                return mail;
            }
            std::thread::sleep(Duration::from_millis(500));
        }
        panic!("no mail to {to} came");
    }

    fn wait_for_the_next_mail(&mut self) {
        std::thread::sleep(Duration::from_secs(61));
    }
}

/// Waits for what the cloud does in its own time.
fn wait_for(what: &str, mut happened: impl FnMut() -> bool) {
    for _ in 0..100 {
        if happened() {
            return;
        }
        std::thread::sleep(Duration::from_secs(2));
    }
    panic!("{what} did not happen");
}

#[test]
#[ignore = "needs an emulator that the template was deployed to"]
fn the_stories_can_be_told_of_a_deployment() {
    let mut cloud = Cloud::open();
    let token = story::tell(&mut cloud, "-cloud");
    story::tell_of_a_key(&mut cloud, &token);
    let (_, info) = cloud.call("GET", "/v1/users/info", Some(("Authorization", &token)), None);
    let tenant = info["tenantUid"].as_str().unwrap().to_owned();

    // The API of others: a key and a token open it, and nothing else; a revoked key is refused by the next request.
    let key = json!({ "metadata": { "name": "things" }, "spec": { "expiry": "2099-01-01T00:00:00Z" } });
    let (status, created) = cloud.call("POST", "/v1/apiKeys", Some(("Authorization", &token)), Some(&key));
    assert_eq!(status, 201, "{created}");
    let (uid, key) = (created["uid"].as_str().unwrap().to_owned(), created["apiKey"].as_str().unwrap().to_owned());
    let things = |header: &str| cloud.ask("sample", "GET", "/things/7", header, "");
    let (status, thing) = things(&format!("ApiKey: {key}\r\n"));
    assert_eq!((status, &thing["thing"]), (200, &json!({ "id": "7", "tenant": tenant })), "{thing}");
    assert_eq!(thing["caller"]["apiKeyUid"], json!(uid));
    assert_eq!(things(&format!("Authorization: Bearer {token}\r\n")).1["caller"]["apiKeyUid"], json!(""));
    assert_eq!(cloud.ask("sample", "GET", &format!("/things/7?ApiKey={key}"), "", "").0, 200);
    for refused in ["", "ApiKey: lk_0\r\n", &format!("ApiKey: {key}\r\nAuthorization: {token}\r\n")] {
        assert_eq!(things(refused).0, 403, "{refused}");
    }
    let state = json!({ "isActive": false });
    let path = format!("/v1/apiKeys/{uid}/state");
    let revoked = format!("content-type: application/json\r\nAuthorization: {token}\r\n");
    assert_eq!(cloud.ask("api", "PUT", &path, &revoked, &state.to_string()).0, 204);
    assert_eq!(things(&format!("ApiKey: {key}\r\n")).0, 403);
    println!("the sample API lets through what the authorizer does");
}

#[test]
#[ignore = "needs an emulator that the template was deployed to"]
fn what_time_brings_comes_by_schedule_and_stream() {
    let mut cloud = Cloud::open();
    let email = "ada@contoso.example";
    let person = json!({ "firstName": "Ada", "lastName": "Lund", "emailId": email, "orgName": "contoso-cloud" });
    assert_eq!(cloud.call("POST", "/v1/tenants/signup", None, Some(&person)).0, 204);
    let mail = cloud.newest_mail(email);
    let link =
        mail.lines().find(|line| line.starts_with("http") && line.contains('#')).unwrap().split_once('#').unwrap().1;
    assert_eq!(cloud.call("POST", &format!("/v1/tenants/signup/{link}/activate"), None, Some(&json!({}))).0, 204);
    let password = json!({ "password": PASSWORD });
    assert_eq!(cloud.call("PATCH", &format!("/v1/auth/password/{link}/activate"), None, Some(&password)).0, 204);
    let sign_in = json!({ "emailId": email, "password": PASSWORD });
    let token = cloud.call("POST", "/v1/auth/authenticate", None, Some(&sign_in)).1["Authorization"]
        .as_str()
        .unwrap()
        .to_owned();
    let by = Some(("Authorization", token.as_str()));

    // A key that ends within seconds is made inactive by the schedule, and the record of it gets its place in the chain.
    let expiry = functions::app::Clock::system().now() + Duration::from_secs(5);
    let key = json!({ "metadata": { "name": "short" }, "spec": { "expiry": expiry } });
    let (status, created) = cloud.call("POST", "/v1/apiKeys", by, Some(&key));
    assert_eq!(status, 201, "{created}");
    let uid = created["uid"].as_str().unwrap();
    wait_for("the schedule", || {
        cloud.call("GET", &format!("/v1/apiKeys/{uid}"), by, None).1["status"]["isActive"] == json!(false)
    });
    let trail = cloud.call("GET", &format!("/v1/audits?resourceUid={uid}"), by, None).1;
    assert_eq!(trail["items"][0]["spec"]["actionMsg"], json!("API key expired"), "{trail}");
    println!("the schedule has run");

    // The console is there too, with what its pages load.
    let (status, page) = cloud.ask("api", "GET", "/sign-in", "accept: text/html\r\n", "");
    let page = page.as_str().unwrap();
    assert!(status == 200 && page.contains("<h1"), "{page}");
    // The cloud decides by the roles: what works for a function does not for one that has no policy.
    let by_token = format!("Authorization: {token}\r\n");
    assert_eq!(cloud.ask("api", "GET", "/v1/apiKeys", &by_token, "").0, 200);
    let (status, answer) = cloud.ask("api", "GET", "/powerless", &by_token, "");
    assert_eq!(status, 500, "{answer}");
    let (status, keys) = cloud.ask("api", "GET", "/.well-known/jwks.json", "", "");
    assert!(status == 200 && keys["keys"][0]["crv"] == "P-256", "{keys}");
    let (status, answer) = cloud.ask("api", "GET", "/nowhere/at/all", "", "");
    assert_eq!(status, 404, "{answer}");
    for attempt in ["not-a-password-7", "not-a-password-8"] {
        let wrong = json!({ "emailId": email, "password": attempt });
        assert_eq!(cloud.call("POST", "/v1/auth/authenticate", None, Some(&wrong)).0, 401);
    }

    // Every line of the log is JSON, a refusal is counted, and none of the secrets of this story stands there.
    let mut logged = String::new();
    let mut request = json!({ "logGroupName": cloud.deployed["log"] });
    loop {
        let events = cloud.aws("logs", "Logs_20140328.FilterLogEvents", &request);
        for event in events["events"].as_array().unwrap() {
            logged += event["message"].as_str().unwrap().trim_end();
            logged.push('\n');
        }
        match &events["nextToken"] {
            Value::Null => break,
            next => request["nextToken"] = next.clone(),
        }
    }
    let ours: Vec<Value> = logged
        .lines()
        .filter(|line| !["START ", "END ", "REPORT ", "INIT_"].iter().any(|start| line.starts_with(start)))
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}")))
        .collect();
    let metric = |name: &str| ours.iter().any(|line| line["_aws"].is_object() && line[name].is_number());
    for name in ["Refused", "SweepLag", "KeysExpired", "MailsSent"] {
        assert!(metric(name), "no line counts {name}:\n{logged}");
    }
    assert!(ours.iter().any(|line| line["route"] == "POST /v1/auth/authenticate" && line["reference"].is_string()));
    for secret in [PASSWORD, &token, link, created["apiKey"].as_str().unwrap(), "not-a-password-7"] {
        assert!(!logged.contains(secret), "the log holds {secret}");
    }
    println!("{} lines of the log are JSON, without a secret", ours.len());
}
