//! Chromium, driven as a person would: by what is written on buttons and beside fields, and by the keyboard.
//!
//! It needs `LATCHKEY_TEST_CHROMEDRIVER`, the URL of a chromedriver; `cargo xtask test` starts one.

use std::{path::PathBuf, time::Duration};

use fantoccini::{
    Client, ClientBuilder, Locator,
    actions::{InputSource as _, KeyAction, KeyActions},
    elements::Element,
    key::Key,
    wd::WebDriverCompatibleCommand,
};
use functions::{app::Entropy, sso::Social};
use hyper::Method;
use hyper_util::client::legacy::connect::HttpConnector;
use local::server::Server;
use serde_json::{Map, Value, json};
use tokio::{net::TcpListener, sync::oneshot};
use url::{ParseError, Url};

use crate::stack::Stack;

/// How long a page may take to show what it should.
const PATIENCE: Duration = Duration::from_secs(15);

#[allow(clippy::disallowed_methods, reason = "what is installed where is the business of whoever runs the tests")]
pub(crate) fn setting(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is set by cargo xtask"))
}

/// A Latchkey on a loopback port, which ends with the value.
pub(crate) struct Site {
    pub(crate) stack: Stack,
    pub(crate) url: String,
    _stop: oneshot::Sender<()>,
}

impl Site {
    pub(crate) async fn start() -> Self {
        Self::with_social(Social::default()).await
    }

    /// The same, where these vouch for people of every organization.
    pub(crate) async fn with_social(social: Social) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        // By the name, since cookies that are for HTTPS only are taken from `localhost` without it.
        let url = format!("http://localhost:{}", listener.local_addr().unwrap().port());
        let stack = Stack::with_social(&url, social).await;
        let (stop, stopped) = oneshot::channel();
        let server = Server::new(stack.service.clone(), None).await.unwrap();
        tokio::spawn(server.run(listener, async { drop(stopped.await) }));
        Self { stack, url, _stop: stop }
    }

    /// The link in the newest mail to an address.
    pub(crate) fn mailed_link(&self, to: &str) -> String {
        let mail = self.stack.mails().into_iter().rev().find(|mail| mail.to == to).expect("there is a mail");
        mail.text.lines().find(|line| line.starts_with(&self.url)).unwrap().to_owned()
    }

    /// A browser that has never been here.
    pub(crate) async fn browser(&self) -> Chromium {
        let profile = PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("chromium-{}", domain::TokenUid::from_bytes(Entropy::system().uid())));
        let arguments = [
            "--headless=new",
            // It runs as root where tests run in a container, and shows nothing but pages of ours.
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--no-first-run",
            "--no-proxy-server",
            "--window-size=1280,900",
            &format!("--user-data-dir={}", profile.display()),
        ];
        let options = json!({ "args": arguments, "prefs": { "credentials_enable_service": false } });
        let capabilities = Map::from_iter([
            ("goog:chromeOptions".to_owned(), options),
            ("goog:loggingPrefs".to_owned(), json!({ "browser": "ALL" })),
        ]);
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities)
            .connect(&setting("LATCHKEY_TEST_CHROMEDRIVER"))
            .await
            .expect("chromedriver starts Chromium");
        Chromium { client, profile, url: self.url.clone() }
    }
}

pub(crate) struct Chromium {
    pub(crate) client: Client,
    profile: PathBuf,
    url: String,
}

impl Drop for Chromium {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.profile);
    }
}

/// A command that chromedriver has beyond the standard.
#[derive(Debug)]
struct Extension {
    path: &'static str,
    body: Value,
}

impl WebDriverCompatibleCommand for Extension {
    fn endpoint(&self, base_url: &Url, session_id: Option<&str>) -> Result<Url, ParseError> {
        base_url.join(&format!("session/{}/{}", session_id.unwrap_or_default(), self.path))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        (Method::POST, Some(self.body.to_string()))
    }
}

/// A text as `XPath` writes it.
fn quoted(text: &str) -> String {
    assert!(!text.contains('"'), "{text}");
    format!("\"{text}\"")
}

impl Chromium {
    /// Ends the browser. Nothing may have been reported by it: no script that failed, nothing that the policy refused.
    pub(crate) async fn close(self) {
        let entries = self.client.issue_cmd(Extension { path: "se/log", body: json!({ "type": "browser" }) }).await;
        for entry in entries.unwrap().as_array().into_iter().flatten() {
            let message = entry["message"].as_str().unwrap_or_default();
            // What many of the tests are about, and what signing out asks for.
            let expected = [
                "the server responded with a status of 4",
                "Cleared data types: \"cache\"",
                // Of the pages of a provider.
                "Input elements should have autocomplete attributes",
            ];
            assert!(expected.iter().any(|it| message.contains(it)), "the browser reports: {message}");
        }
        self.client.clone().close().await.unwrap();
    }

    /// A command of the protocol of Chrome's developer tools.
    pub(crate) async fn devtools(&self, command: &str, parameters: Value) -> Value {
        let body = json!({ "cmd": command, "params": parameters });
        self.client.issue_cmd(Extension { path: "goog/cdp/execute", body }).await.unwrap()
    }

    pub(crate) async fn open(&self, path: &str) {
        let url = if path.starts_with("http") { path.to_owned() } else { format!("{}{path}", self.url) };
        self.client.goto(&url).await.unwrap();
    }

    /// Path and query of the page.
    pub(crate) async fn path(&self) -> String {
        let url = self.client.current_url().await.unwrap().to_string();
        url.strip_prefix(&self.url).unwrap_or(&url).to_owned()
    }

    pub(crate) async fn run(&self, script: &str) -> Value {
        self.client.execute(script, Vec::new()).await.unwrap()
    }

    /// What a person can read on the page.
    pub(crate) async fn text(&self) -> String {
        let body = self.client.find(Locator::Css("body")).await.unwrap();
        body.text().await.unwrap()
    }

    async fn until(&self, what: &str, mut is_so: impl AsyncFnMut() -> bool) {
        let waiting = async {
            while !is_so().await {
                tokio::time::sleep(Duration::from_millis(30)).await;
            }
        };
        let came = tokio::time::timeout(PATIENCE, waiting).await.is_ok();
        assert!(came, "{what} never came at {}: {}", self.path().await, self.text().await);
    }

    pub(crate) async fn shows(&self, text: &str) {
        self.until(text, async || {
            // The page may be on its way.
            match self.client.find(Locator::Css("body")).await {
                Ok(body) => body.text().await.is_ok_and(|shown| shown.contains(text)),
                Err(_) => false,
            }
        })
        .await;
    }

    /// Waits until the row of a table that is named so says this.
    pub(crate) async fn row_shows(&self, name: &str, text: &str) {
        let path = format!("//tbody/tr[th[starts-with(normalize-space(.), {})]]", quoted(name));
        self.until(text, async || match self.client.find(Locator::XPath(&path)).await {
            Ok(row) => row.text().await.is_ok_and(|shown| shown.contains(text)),
            Err(_) => false,
        })
        .await;
    }

    /// Waits until so many things that this selects can be seen.
    pub(crate) async fn shows_so_many(&self, count: usize, selector: &str) {
        let script =
            format!("return [...document.querySelectorAll('{selector}')].filter(it => it.checkVisibility()).length");
        self.until(selector, async || self.run(&script).await == count).await;
    }

    pub(crate) async fn is_at(&self, path: &str) {
        self.until(path, async || self.path().await.split(['?', '#']).next() == Some(path)).await;
    }

    pub(crate) async fn lacks(&self, text: &str) {
        let shown = self.text().await;
        assert!(!shown.contains(text), "{} shows {text:?}: {shown}", self.path().await);
    }

    /// The field beside this label.
    pub(crate) async fn field(&self, label: &str) -> Element {
        let label = quoted(label);
        let path = format!(
            "//*[self::input or self::select or self::textarea][@id = //label[starts-with(normalize-space(.), {label})]/@for]"
        );
        self.client
            .wait()
            .at_most(PATIENCE)
            .every(Duration::from_millis(30))
            .for_element(Locator::XPath(&path))
            .await
            .unwrap()
    }

    pub(crate) async fn fill(&self, label: &str, text: &str) {
        let field = self.field(label).await;
        field.clear().await.unwrap();
        field.send_keys(text).await.unwrap();
    }

    /// A day, which a field takes as it stands in forms, whatever the language of the browser.
    pub(crate) async fn fill_date(&self, label: &str, date: &str) {
        let field = serde_json::to_value(self.field(label).await).unwrap();
        let script =
            "arguments[0].value = arguments[1]; arguments[0].dispatchEvent(new Event('input', { bubbles: true }))";
        self.client.execute(script, vec![field, json!(date)]).await.unwrap();
    }

    /// Chooses in a list by what stands there.
    pub(crate) async fn select(&self, label: &str, option: &str) {
        let field = self.field(label).await;
        let path = format!("./option[starts-with(normalize-space(.), {})]", quoted(option));
        field.find(Locator::XPath(&path)).await.unwrap().click().await.unwrap();
    }

    /// Ticks, or chooses one of several, by what stands beside it.
    pub(crate) async fn tick(&self, label: &str) {
        let path = format!("//label[starts-with(normalize-space(.), {})]", quoted(label));
        self.client.find(Locator::XPath(&path)).await.unwrap().click().await.unwrap();
    }

    /// What can be pressed and says this, by its text or to a screen reader, and can be seen.
    pub(crate) async fn press(&self, label: &str) {
        let text = quoted(label);
        let path = format!(
            "//*[self::a or self::button or self::summary][normalize-space(.) = {text} or @aria-label = {text}]"
        );
        for _ in 0..100 {
            for found in self.client.find_all(Locator::XPath(&path)).await.unwrap_or_default() {
                if found.is_displayed().await.unwrap_or(false) {
                    return found.click().await.unwrap();
                }
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{} has nothing to press that says {label:?}: {}", self.path().await, self.text().await);
    }

    /// Presses keys, one after the other.
    pub(crate) async fn keys(&self, keys: &[Key]) {
        let actions = keys.iter().fold(KeyActions::new("keyboard".to_owned()), |actions, key| {
            let value = char::from(*key);
            actions.then(KeyAction::Down { value }).then(KeyAction::Up { value })
        });
        self.client.perform_actions(actions).await.unwrap();
    }

    /// Types into what has the focus.
    pub(crate) async fn type_text(&self, text: &str) {
        let actions = text.chars().fold(KeyActions::new("keyboard".to_owned()), |actions, value| {
            actions.then(KeyAction::Down { value }).then(KeyAction::Up { value })
        });
        self.client.perform_actions(actions).await.unwrap();
    }

    /// Signs in on the page of all.
    pub(crate) async fn sign_in(&self, email: &str, password: &str) {
        self.open("/sign-in").await;
        self.fill("E-mail", email).await;
        self.fill("Password", password).await;
        self.press("Sign in").await;
    }

    /// - `scheme`: `light` or `dark`.
    pub(crate) async fn looks(&self, width: u32, height: u32, scheme: &str) {
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.devtools("Emulation.setDeviceMetricsOverride", metrics).await;
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.devtools("Emulation.setEmulatedMedia", features).await;
    }
}
