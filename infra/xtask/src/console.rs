//! The console in real Chromium: its tests, its pictures, and how long its longest page takes.

use std::{
    fs,
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Command, Stdio},
};

use serde_json::{Value, json};

use crate::{
    flood::{Connection, Quantiles},
    run::{Failure, cargo, command, root, run, target},
    server::{self, Latchkey},
    suites::{Group, now},
    tools,
};

/// Pictures that the README shows.
const IN_README: [&str; 5] = [
    "api-keys-1280-light",
    "key-created-1280-dark",
    "sign-in-banner-390-light",
    "set-password-390-dark",
    "user-roles-390-light",
];

/// The tests of these names, with a chromedriver.
fn in_chromium(filter: &str, set: impl FnOnce(&mut Command)) -> Result<(), Failure> {
    let chromedriver = tools::chromedriver()?;
    let port = server::free_port()?;
    let mut driver = command(chromedriver, &[&format!("--port={port}"), "--allowed-ips=127.0.0.1"]);
    // It starts browsers, which must not outlive it.
    let driver = driver.process_group(0).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let _driver = Group(driver.id());
    server::wait_for_port(port)?;
    let mut tests = cargo(&["test", "--package", "local", "--test", "it", "--"]);
    tests.args(["--ignored", "--nocapture", "--test-threads", "2", filter]);
    tests.env("LATCHKEY_TEST_CHROMEDRIVER", format!("http://127.0.0.1:{port}"));
    set(&mut tests);
    run(&mut tests)
}

/// The suite `console`.
pub(crate) fn suite() -> Result<(), Failure> {
    let (axe, provider) = (tools::axe()?, tools::oidc_provider()?);
    in_chromium("console_", |tests| {
        tests.args(["--skip", "screenshots"]).env("LATCHKEY_TEST_AXE", axe);
        tests.env("LATCHKEY_TEST_OIDC_PROVIDER", provider);
    })
}

/// `cargo xtask screenshots`: every page, wide and narrow, light and dark.
///
/// - `for_readme`: whether those that the README shows are put there too.
pub(crate) fn screenshots(for_readme: bool) -> Result<(), Failure> {
    let folder = target().join("screenshots");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder)?;
    in_chromium("console_tour::screenshots", |tests| {
        tests.env("LATCHKEY_TEST_SCREENSHOTS", &folder);
    })?;
    println!("{} pictures in {}", fs::read_dir(&folder)?.count(), shown(&folder));
    if for_readme {
        let shown_there = root().join("infra/screenshots");
        let _ = fs::remove_dir_all(&shown_there);
        fs::create_dir_all(&shown_there)?;
        for name in IN_README {
            fs::copy(folder.join(format!("{name}.png")), shown_there.join(format!("{name}.png")))?;
        }
        println!("{} of them in {}", IN_README.len(), shown(&shown_there));
    }
    Ok(())
}

fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

/// Pages that are asked for, of each kind.
const PAGES: usize = 200;

/// `cargo xtask bench page`: the pages of API keys of somebody who has many, beside a form that shows none.
pub(crate) fn bench(profile: &str, keys: usize) -> Result<(), Failure> {
    run(&mut cargo(&["build", "--profile", profile, "--package", "local", "--bins"]))?;
    let server = Latchkey::start(profile, "page", &[])?;
    let mut connection = Connection::open(server.port)?;
    let (email, password) = server.admin()?;
    let body = json!({ "emailId": email, "password": password });
    let token = connection.call("POST", "/v1/auth/authenticate", "", &body.to_string())?;
    let token: Value = serde_json::from_slice(&token)?;
    let token = token["Authorization"].as_str().ok_or("no token")?;
    let by = format!("authorization: {token}\r\n");
    let info: Value = serde_json::from_slice(&connection.call("GET", "/v1/users/info", &by, "")?)?;
    let tenant = info["tenantUid"].as_str().ok_or("no tenant")?;
    let limit = json!({ "resources": [{ "kind": "apiKey", "limit": keys + 10 }] });
    connection.call("PATCH", &format!("/v1/tenants/{tenant}/resourceLimits"), &by, &limit.to_string())?;
    for number in 0..keys {
        let expiry = format!("20{}-01-01T00:00:00Z", 30 + number % 60);
        let key = json!({ "metadata": { "name": format!("key-{number}") }, "spec": { "expiry": expiry } });
        connection.call("POST", "/v1/apiKeys", &by, &key.to_string())?;
    }

    let cookie = format!("cookie: __Host-Authorization={token}; __Host-Form=0\r\naccept: text/html\r\n");
    println!(
        "\n{keys} keys of one person, profile {profile}\n\n| page | p50 ms | p99 ms | bytes |\n| --- | ---: | ---: | ---: |"
    );
    for page in
        ["/v1/apiKeys", "/api-keys/new", "/api-keys", "/tenant/api-keys", "/tenant/api-keys?q=key-77&sort=-name"]
    {
        let mut spans = Vec::new();
        let mut bytes = 0;
        for _ in 0..PAGES {
            let started_at = now();
            bytes = connection.call("GET", page, if page.starts_with("/v1/") { &by } else { &cookie }, "")?.len();
            spans.push(started_at.elapsed());
        }
        let Quantiles { p50, p99 } = Quantiles::of(spans);
        println!("| `{page}` | {p50:.1} | {p99:.1} | {bytes} |");
    }
    Ok(())
}
