//! Single sign-on in real Chromium, with a strict provider that has pages of its own.
//!
//! `LATCHKEY_TEST_OIDC_PROVIDER` names the folder in which npm's `oidc-provider` is installed; `cargo xtask test` makes it.

use std::{
    io::{BufRead as _, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use fantoccini::Locator;
use serde_json::json;

use crate::{
    chromium::{Chromium, Site, setting},
    session::{PASSWORD, Session},
};

const INES: &str = "ines@northwind.example";
const EVE: &str = "eve@fabrikam.example";

/// A provider in a process of its own, which ends with the value.
struct Provider {
    process: Child,
    url: String,
}

impl Provider {
    /// - `orgs`: the organizations that it has a client for, each called as the organization is.
    fn start(site: &Site, orgs: &[&str]) -> Self {
        let folder = PathBuf::from(setting("LATCHKEY_TEST_OIDC_PROVIDER"));
        let script = folder.join("provider.mjs");
        std::fs::write(&script, include_str!("provider.mjs")).unwrap();
        let client = |org: &&str| {
            let base = format!("{}/v1/auth/org/{org}/oidc", site.url);
            json!({ "id": org, "secret": secret(org), "redirectUri": format!("{base}/callback"), "logoutUri": format!("{base}/logout") })
        };
        let clients: Vec<_> = orgs.iter().map(client).collect();
        let mut process = Command::new("node")
            .arg(script)
            .current_dir(folder)
            .env("PROVIDER", json!({ "clients": clients }).to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut said = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut said).unwrap();
        let url = said.trim().strip_prefix("LISTENING ").expect("the provider starts").to_owned();
        Self { process, url }
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn secret(org: &str) -> String {
    format!("a secret of {org} + 100 %")
}

/// Signs in at the provider, as whoever never was there.
async fn at_provider(browser: &Chromium, login: &str) {
    browser.shows("Sign-in").await;
    browser.client.wait().for_element(Locator::Css("input[name=login]")).await.unwrap().send_keys(login).await.unwrap();
    let password = browser.client.find(Locator::Css("input[name=password]")).await.unwrap();
    password.send_keys("whatever").await.unwrap();
    browser.press("Sign-in").await;
    browser.shows("Authorize").await;
    browser.press("Continue").await;
}

async fn sign_out(browser: &Chromium, name: &str) {
    browser.open("/api-keys").await;
    browser.press(&format!("User menu of {name}")).await;
    browser.press("Logout").await;
    browser.shows("You are signed out.").await;
}

async fn session(site: &Site, browser: &Chromium) -> Session {
    let cookie = browser.client.get_named_cookie("__Host-Authorization").await.unwrap();
    Session { stack: site.stack.clone(), token: cookie.value().to_owned() }
}

async fn uid(session: &Session) -> String {
    session.call("GET", "/v1/users/info", None).await.body["userUid"].as_str().unwrap().to_owned()
}

/// Fills in the settings of a provider, as an admin does.
async fn set_up(browser: &Chromium, provider: &Provider, org: &str) {
    browser.open("/tenant/settings").await;
    browser.tick("Enable").await;
    browser.fill("Issuer", &provider.url).await;
    browser.fill("Client ID", org).await;
    browser.fill("Client secret", &secret(org)).await;
    browser.run("document.getElementById('issuer').form.requestSubmit()").await;
    browser.shows("Saved.").await;
}

/// Makes a domain say that it is the organization's, and presses the button.
async fn prove(site: &Site, browser: &Chromium, domain: &str) {
    let tenant = session(site, browser).await.tenant_uid().await;
    browser.fill("Domains, one a line", domain).await;
    browser.run("document.getElementById('domain_list').form.requestSubmit()").await;
    browser.shows(&format!("_latchkey.{domain}")).await;
    browser.press(&format!("Verify {domain}")).await;
    browser.shows("There is no TXT record").await;
    let texts = vec![format!("latchkey-tenant={tenant}")];
    site.stack.texts.lock().unwrap().insert(format!("_latchkey.{domain}."), texts);
    browser.press(&format!("Verify {domain}")).await;
    browser.shows("The domain is proven.").await;
}

#[tokio::test]
#[ignore = "needs chromedriver: the suite console runs it"]
async fn a_provider_lets_its_people_into_each_organization_and_out_again() {
    let site = Site::start().await;
    let provider = Provider::start(&site, &["northwind", "fabrikam"]);
    site.stack.sign_up(INES, "northwind", PASSWORD).await;
    site.stack.sign_up(EVE, "fabrikam", PASSWORD).await;
    let ines = site.browser().await;
    ines.sign_in(INES, PASSWORD).await;
    ines.shows("You have no API key yet").await;
    set_up(&ines, &provider, "northwind").await;
    prove(&site, &ines, "northwind.example").await;

    // The first time he becomes a user.
    let tom = site.browser().await;
    tom.open("/o/northwind").await;
    tom.press("Sign in with single sign-on").await;
    at_provider(&tom, "tom").await;
    tom.shows("You have no API key yet").await;
    tom.shows("Tom Berg").await;
    let first = session(&site, &tom).await;
    let here = uid(&first).await;
    tom.press("Add New API Key").await;
    tom.fill("API Key Name", "of-northwind").await;
    tom.press("Generate").await;
    tom.shows("Copy the key now").await;
    // Signing out ends the session; the provider still knows him.
    sign_out(&tom, "Tom Berg").await;
    assert_eq!(first.status().await, 401);
    tom.open("/api-keys").await;
    tom.is_at("/sign-in").await;
    // The second time he is found, and asked nothing.
    tom.open("/o/northwind").await;
    tom.press("Sign in with single sign-on").await;
    tom.shows("of-northwind").await;
    assert_eq!(uid(&session(&site, &tom).await).await, here);
    // Out there too.
    sign_out(&tom, "Tom Berg").await;
    tom.press("Sign out there too").await;
    tom.press("Yes, sign me out").await;
    tom.shows("You are signed out.").await;
    tom.is_at("/o/northwind").await;
    tom.press("Sign in with single sign-on").await;
    tom.shows("[ Cancel ]").await;

    // Eve has the same provider, and asks the same Tom in.
    let eve = site.browser().await;
    eve.sign_in(EVE, PASSWORD).await;
    eve.shows("You have no API key yet").await;
    set_up(&eve, &provider, "fabrikam").await;
    session(&site, &eve).await.invite("tom@northwind.example", &[]).await;
    tom.open(&site.mailed_link("tom@northwind.example")).await;
    tom.shows("Come in by your identity provider, or set a password.").await;
    tom.press("Sign in with single sign-on").await;
    at_provider(&tom, "tom").await;
    tom.shows("You have no API key yet").await;
    let there = session(&site, &tom).await;
    assert_ne!(uid(&there).await, here);
    tom.open("/switch").await;
    tom.lacks("northwind").await;
    assert_eq!(there.call("POST", "/v1/auth/org/northwind/switch", None).await.status, 403);
    // At the first he is still who he was.
    tom.open("/o/northwind").await;
    tom.press("Sign in with single sign-on").await;
    tom.shows("Authorize").await;
    tom.press("Continue").await;
    tom.shows("of-northwind").await;
    for browser in [ines, tom, eve] {
        browser.close().await;
    }
}

#[tokio::test]
#[ignore = "needs chromedriver: the suite console runs it"]
async fn an_admin_links_herself_and_then_requires_the_provider_of_everybody() {
    let site = Site::start().await;
    let provider = Provider::start(&site, &["northwind"]);
    site.stack.sign_up(INES, "northwind", PASSWORD).await;
    let ines = site.browser().await;
    ines.sign_in(INES, PASSWORD).await;
    ines.shows("You have no API key yet").await;
    set_up(&ines, &provider, "northwind").await;
    ines.tick("Require single sign-on").await;
    ines.run("document.getElementById('sso-policy').requestSubmit()").await;
    ines.shows("it has to work for you before it is required").await;
    // She goes back at the provider, and then does not.
    ines.open("/profile").await;
    ines.press("Link your identity provider").await;
    ines.press("Continue to your identity provider").await;
    ines.press("[ Cancel ]").await;
    ines.shows("Your identity provider did not sign you in.").await;
    ines.is_at("/profile").await;
    ines.press("Link your identity provider").await;
    ines.press("Continue to your identity provider").await;
    at_provider(&ines, "ines").await;
    ines.shows("Linked. You can sign in this way from now on.").await;
    sign_out(&ines, "Ines Alba").await;
    ines.open("/o/northwind").await;
    ines.press("Sign in with single sign-on").await;
    ines.shows("You have no API key yet").await;
    ines.open("/tenant/settings").await;
    ines.tick("Require single sign-on").await;
    ines.run("document.getElementById('sso-policy').requestSubmit()").await;
    ines.shows("Saved.").await;
    // From now on nobody gets in by a password, from whichever page.
    let other = site.browser().await;
    other.sign_in(INES, PASSWORD).await;
    other.shows("lets people sign in by its identity provider only").await;
    other.is_at("/o/northwind").await;
    other.lacks("Password").await;
    // Nor by an address that the provider does not stand for.
    other.press("Sign in with single sign-on").await;
    at_provider(&other, "unverified-joe").await;
    other.shows("does not say that an e-mail address is yours").await;
    // With the provider gone there is a page that says so.
    drop(provider);
    other.press("Sign in with single sign-on").await;
    other.shows("does not answer at the moment").await;
    for browser in [ines, other] {
        browser.close().await;
    }
}
