//! Secrets leave no trace: those of a whole story are looked for, in every spelling, wherever something is written.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::{self, Write as _},
    fs::{self, File},
    path::Path,
};

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use serde_json::{Value, json};

use crate::{
    process::{Folder, Local, Running, latchkey, output},
    session::{OTHER, PASSWORD},
    story::{self, Site},
};

/// By which a provider knows Latchkey.
const CLIENT_SECRET: &str = "Vq7-hush-Lm2-hush-Zk9";

/// A site that keeps what must not be found.
struct Watched<'a> {
    site: Local<'a>,
    /// Secrets by what they are.
    secrets: BTreeMap<String, &'static str>,
    /// Answers that say what was wrong.
    errors: String,
}

impl Watched<'_> {
    fn keep(&mut self, what: &'static str, secret: &str) {
        // Of a token the signature is the secret, and the rest opens nothing.
        self.secrets.insert(secret.rsplit('.').next().unwrap_or(secret).to_owned(), what);
    }
}

impl Site for Watched<'_> {
    fn call(
        &mut self,
        method: &str,
        path: &str,
        credential: Option<(&str, &str)>,
        body: Option<&Value>,
    ) -> (u16, Value) {
        let (status, answer) = self.site.call(method, path, credential, body);
        for (member, what) in [("apiKey", "key"), ("Authorization", "token")] {
            if let Some(secret) = answer[member].as_str() {
                self.keep(what, secret);
            }
        }
        if status >= 400 {
            self.errors += &answer.to_string();
        }
        (status, answer)
    }

    fn newest_mail(&mut self, to: &str) -> String {
        let mail = self.site.newest_mail(to);
        for token in mail.lines().filter_map(|line| line.split_once('#').filter(|_| line.starts_with("http"))) {
            self.keep("link", token.1);
        }
        mail
    }

    fn wait_for_the_next_mail(&mut self) {
        self.site.wait_for_the_next_mail();
    }
}

/// Each character in the same spelling.
fn each(secret: &str, spell: fn(&mut String, u16) -> fmt::Result) -> String {
    let mut text = String::new();
    for unit in secret.encode_utf16() {
        spell(&mut text, unit).unwrap();
    }
    text
}

/// How a secret may be spelled where something is written.
fn spellings(secret: &str) -> Vec<(&'static str, Vec<u8>)> {
    let hex = each(secret, |text, unit| write!(text, "{unit:02x}"));
    let mut spellings = vec![
        ("plain", secret.to_owned()),
        ("hex", hex.clone()),
        ("HEX", hex.to_uppercase()),
        ("percent", each(secret, |text, unit| write!(text, "%{unit:02X}"))),
        ("escaped", each(secret, |text, unit| write!(text, "\\u{unit:04x}"))),
        ("backwards", secret.chars().rev().collect()),
    ];
    // What stands before it shifts its place in the groups of three bytes; the first and last group may be shared.
    for before in ["", "x", "xx"] {
        let shifted = format!("{before}{secret}");
        let inner = |text: String| text[usize::from(!before.is_empty()) * 4..text.len() - 4].to_owned();
        spellings.push(("base64", inner(STANDARD_NO_PAD.encode(&shifted))));
        spellings.push(("base64url", inner(URL_SAFE_NO_PAD.encode(&shifted))));
    }
    let mut spellings: Vec<_> = spellings.into_iter().map(|(name, text)| (name, text.into_bytes())).collect();
    spellings.push(("utf-16", secret.encode_utf16().flat_map(u16::to_le_bytes).collect()));
    spellings
}

fn found(bytes: &[u8], secrets: &BTreeMap<String, &'static str>) -> BTreeSet<(&'static str, &'static str)> {
    let mut found = BTreeSet::new();
    for (secret, what) in secrets {
        for (spelling, wanted) in spellings(secret) {
            if memchr::memmem::find(bytes, &wanted).is_some() {
                found.insert((*what, spelling));
            }
        }
    }
    found
}

fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(self::files(&path));
        } else {
            files.push((path.display().to_string(), fs::read(&path).unwrap()));
        }
    }
    files
}

#[test]
fn no_secret_of_a_story_is_left_in_logs_tables_files_mails_or_errors() {
    let (folder, logs) = (Folder::new(), Folder::new());
    fs::create_dir_all(&logs.0).unwrap();
    let (log, trace) = (logs.0.join("log"), logs.0.join("trace"));
    let mut command = latchkey(&folder.0, &["--port", "0", "--trace"]);
    let server = Running::started(command.arg(&trace).stderr(File::create(&log).unwrap()));
    let site = Local::new(&folder.0, &server);
    let mut watched = Watched { site, secrets: BTreeMap::new(), errors: String::new() };
    watched.keep("key", &server.exported("USER_KEY"));
    let admin_key = server.exported("ADMIN_KEY");
    watched.keep("key", &admin_key);
    let token = story::tell(&mut watched, "-wren");
    story::tell_of_a_key(&mut watched, &token);
    let admin = Some(("ApiKey", admin_key.as_str()));
    let (_, info) = watched.call("GET", "/v1/users/info", admin, None);
    let config = format!("/v1/tenants/{}/oidc/config", info["tenantUid"].as_str().unwrap());
    let body = json!({
        "isSsoEnabled": true, "issuerUrl": "https://id.north-wren.example", "clientId": "console",
        "clientSecret": CLIENT_SECRET, "scopes": ["openid", "email"], "requiredClaims": { "Email": "email" },
    });
    assert_eq!(watched.call("POST", &config, admin, Some(&body)).0, 204);
    assert_eq!(watched.call("GET", &config, admin, None).0, 200);
    watched.keep("client secret", CLIENT_SECRET);
    // And where a secret stands in a place that is not for it.
    let secrets: Vec<String> = watched.secrets.keys().cloned().collect();
    for secret in secrets.iter().map(String::as_str).chain([PASSWORD, OTHER, &token]) {
        let body = json!({ "metadata": { "name": secret, secret: secret }, "spec": { "expiry": secret } });
        for (method, path, credential) in [
            ("GET", format!("/v1/apiKeys/{secret}?emailId={secret}&ApiKey={secret}"), None),
            ("GET", format!("/v1/auth/refresh/{secret}"), None),
            ("GET", format!("/v1/nothing/{secret}"), Some(("Authorization", secret))),
            ("POST", "/v1/apiKeys".to_owned(), Some(("Authorization", token.as_str()))),
            ("PATCH", format!("/v1/auth/password/{secret}/reset"), Some(("ApiKey", secret))),
        ] {
            let (status, answer) = watched.call(method, &path, credential, Some(&body));
            assert!((200..500).contains(&status), "{method} {path}: {answer}");
        }
        let sign_in = json!({ "emailId": format!("{secret}@north-wren.example"), "password": secret });
        assert_eq!(watched.call("POST", "/v1/auth/authenticate", None, Some(&sign_in)).0, 401);
    }
    watched.keep("password", PASSWORD);
    watched.keep("password", OTHER);
    let Watched { secrets, errors, .. } = watched;
    let kinds: BTreeSet<_> = secrets.values().copied().collect();
    assert_eq!(kinds, ["client secret", "key", "link", "password", "token"].into());
    assert!(secrets.len() > 15, "{}", secrets.len());
    assert_eq!(server.terminate().code(), Some(0));

    assert!(errors.len() > 5_000, "{}", errors.len());
    assert_eq!(found(errors.as_bytes(), &secrets), [].into(), "errors");
    let written = output(&folder.0, &["export"]).stdout;
    assert!(written.len() > 20_000, "{}", written.len());
    assert_eq!(found(&written, &secrets), [].into(), "tables");
    for (name, bytes) in files(&logs.0) {
        assert!(bytes.len() > 5_000, "{name}");
        assert_eq!(found(&bytes, &secrets), [].into(), "{name}");
    }
    for (name, bytes) in files(&folder.0) {
        // A link is for the mail that carries it.
        let expected = if name.contains("/mail/") { [("link", "plain")].into() } else { BTreeSet::new() };
        assert!(found(&bytes, &secrets).is_subset(&expected), "{name}: {:?}", found(&bytes, &secrets));
    }
}

#[test]
fn every_spelling_of_a_secret_is_found() {
    let secrets = BTreeMap::from([("lk_Tn5-Qw_8zR".to_owned(), "key")]);
    let secret = secrets.keys().next().unwrap();
    let utf_16: Vec<u8> = secret.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let backwards: String = secret.chars().rev().collect();
    let spelled = [
        format!("a {secret} b").into_bytes(),
        b"6c6b5f546e352d51775f387a52".to_vec(),
        b"6C6B5F546E352D51775F387A52".to_vec(),
        b"%6C%6B%5F%54%6E%35%2D%51%77%5F%38%7A%52".to_vec(),
        br"\u006c\u006b\u005f\u0054\u006e\u0035\u002d\u0051\u0077\u005f\u0038\u007a\u0052".to_vec(),
        backwards.into_bytes(),
        STANDARD_NO_PAD.encode(format!("key: {secret}")).into_bytes(),
        URL_SAFE_NO_PAD.encode(format!("the key is {secret}, he said")).into_bytes(),
        utf_16,
    ];
    for bytes in spelled {
        assert!(!found(&bytes, &secrets).is_empty(), "{}", String::from_utf8_lossy(&bytes));
    }
    assert_eq!(found(b"lk_Tn5", &secrets), [].into());
}
