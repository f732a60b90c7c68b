//! The console in real Chromium: from signing up to the first key, and what an admin does all day.
//!
//! `cargo xtask test` runs it; see `chromium.rs`.

use std::{process::Command, time::Duration};

use fantoccini::key::Key;
use serde_json::{Value, json};

use crate::{
    chromium::{Chromium, Site},
    session::{OTHER, PASSWORD},
};

const INES: &str = "ines@northwind.example";
const TOM: &str = "tom@northwind.example";
const DAY: Duration = Duration::from_hours(24);

/// A site with an organization of two people.
async fn northwind() -> Site {
    let site = Site::start().await;
    let ines = site.stack.sign_up(INES, "northwind", PASSWORD).await;
    let (_, token) = ines.invite(TOM, &[]).await;
    site.stack.set_password(&token, "activate", OTHER).await;
    site
}

async fn add_key(browser: &Chromium, name: &str) -> String {
    browser.press("Add New API Key").await;
    browser.fill("API Key Name", name).await;
    browser.press("Generate").await;
    browser.shows("Copy the key now").await;
    let value = browser.run("return document.getElementById('api-key').textContent").await;
    browser.press("Done").await;
    browser.shows(name).await;
    value.as_str().unwrap().to_owned()
}

#[tokio::test]
#[ignore = "needs chromedriver: the suite console runs it"]
async fn from_signing_up_to_the_first_key_used_by_curl() {
    let site = Site::start().await;
    let browser = site.browser().await;
    browser.open("/").await;
    browser.press("Sign up").await;
    browser.fill("First Name", "Inês").await;
    browser.fill("Last Name", "Alba").await;
    browser.fill("E-mail", INES).await;
    browser.fill("Organization", "northwind").await;
    browser.press("Sign up").await;
    browser.shows("Check your mail").await;

    browser.open(&site.mailed_link(INES)).await;
    browser.shows("At least 12 characters").await;
    assert!(!browser.path().await.contains('#'), "the token leaves the address bar");
    let met = async || browser.run("return [...document.querySelectorAll('.met')].map(it => it.dataset.rule)").await;
    browser.fill("New password", "Harbour-7").await;
    let met_by_few = met().await;
    assert!(met_by_few.as_array().unwrap().contains(&json!("maxLength")), "{met_by_few}");
    assert!(!met_by_few.as_array().unwrap().contains(&json!("minLength")), "{met_by_few}");
    browser.press("Make the organization").await;
    browser.shows("This password cannot be used: it is too short").await;
    browser.fill("New password", PASSWORD).await;
    assert!(met().await.as_array().unwrap().contains(&json!("minLength")));
    browser.press("Show password").await;
    assert_eq!(browser.field("New password").await.attr("type").await.unwrap().as_deref(), Some("text"));
    browser.press("Make the organization").await;
    browser.shows("Your password is set.").await;
    browser.fill("E-mail", INES).await;
    browser.fill("Password", PASSWORD).await;
    browser.press("Sign in").await;

    browser.shows("You have no API key yet").await;
    browser.press("Add New API Key").await;
    browser.fill("API Key Name", "ci-deploy").await;
    browser.fill("Description", "deploys the farm").await;
    browser.tick("90 days").await;
    let result = browser.run("return document.querySelector('output').textContent").await;
    assert!(result.as_str().unwrap().ends_with("in 90 days"), "{result}");
    browser.press("Generate").await;
    browser.shows("Copy the key now and store it in a safe place.").await;
    let shown = browser.run("return ['api-key', 'curl'].map(id => document.getElementById(id).textContent)").await;
    let (value, curl) = (shown[0].as_str().unwrap(), shown[1].as_str().unwrap());
    browser.press("Copy").await;
    browser.shows("Copied").await;
    // On a thread of its own, since the server answers on this one.
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(curl).env("no_proxy", "*");
    let printed = tokio::task::spawn_blocking(move || shell.output().unwrap()).await.unwrap();
    let printed = String::from_utf8(printed.stdout).unwrap();
    assert!(printed.starts_with("{\"Authorization\":\"ey"), "{curl} printed {printed}");
    browser.press("Done").await;
    browser.shows("ci-deploy").await;
    browser.shows("just now").await;
    browser.shows(&format!("…{}", &value[value.len() - 4..])).await;
    assert!(!browser.client.source().await.unwrap().contains(value), "it is shown once");
    let search = browser.field("Search").await;
    search.click().await.unwrap();
    let paste = json!({ "type": "keyDown", "modifiers": 2, "key": "v", "code": "KeyV", "commands": ["paste"] });
    browser.devtools("Input.dispatchKeyEvent", paste).await;
    assert_eq!(search.prop("value").await.unwrap().as_deref(), Some(value), "what was copied");
    // The key is found by its end: the whole of it must not stand in an address.
    browser.press("Filter").await;
    browser.is_at("/api-keys").await;
    browser.shows("1 to 1 of 1").await;
    assert!(browser.path().await.contains(&format!("q={}&", &value[value.len() - 4..])), "{}", browser.path().await);
    browser.close().await;
}

#[tokio::test]
#[ignore = "needs chromedriver: the suite console runs it"]
async fn an_admin_has_the_keys_of_others_in_hand() {
    let site = northwind().await;
    let browser = site.browser().await;
    browser.sign_in(INES, PASSWORD).await;
    add_key(&browser, "own").await;
    browser.press("API Keys").await;
    browser.is_at("/tenant/api-keys").await;
    browser.press("Add New API Key").await;
    browser.fill("API Key Name", "of-tom").await;
    browser.select("User Name", "Tom Berg").await;
    browser.press("Generate").await;
    browser.shows("Whoever has it may do what Tom Berg").await;
    let value = browser.run("return document.getElementById('api-key').textContent").await;
    let works = async || {
        let call = site.stack.request("GET", "/v1/users/me").header("ApiKey", value.as_str().unwrap());
        call.send().await.status == 200
    };
    assert!(works().await);
    browser.press("Done").await;

    // Filter, search, sort.
    browser.select("User Name", "Tom Berg").await;
    browser.press("Filter").await;
    browser.shows("1 to 1 of 1").await;
    browser.shows("of-tom").await;
    browser.lacks("own").await;
    browser.select("Status", "Revoked").await;
    browser.press("Filter").await;
    browser.shows("No API key matches").await;
    browser.press("Show all API keys").await;
    browser.fill("Search", "OF-").await;
    browser.press("Filter").await;
    browser.shows("1 to 1 of 1").await;
    browser.press("Clear").await;
    browser.press("Name").await;
    let names = "return [...document.querySelectorAll('tbody th')].map(it => it.firstChild.textContent.trim())";
    assert_eq!(browser.run(names).await, json!(["of-tom", "own"]));
    browser.press("Name").await;
    assert_eq!(browser.run(names).await, json!(["own", "of-tom"]));

    // Edit.
    browser.press("Actions for of-tom").await;
    browser.press("Edit").await;
    browser.fill("API Key Name", "deploy").await;
    browser.fill("Description", "by night").await;
    browser.tick("7 days").await;
    browser.press("Save").await;
    browser.shows("Changes saved.").await;
    browser.shows("by night").await;
    browser.shows("in 7 days").await;

    // Revoke, and undo it; revoke, and re-activate.
    for back in ["Undo", "Re-activate"] {
        browser.press("Actions for deploy").await;
        browser.press("Revoke").await;
        browser.shows("deploy revoked.").await;
        assert!(!works().await);
        if back == "Re-activate" {
            browser.press("Actions for deploy").await;
        }
        browser.press(back).await;
        browser.shows("deploy re-activated.").await;
        assert!(works().await);
    }

    browser.press("Actions for deploy").await;
    browser.press("Delete").await;
    browser.shows("Tom Berg").await;
    browser.press("Cancel").await;
    browser.shows("by night").await;
    browser.press("Actions for deploy").await;
    browser.press("Delete").await;
    browser.shows("Delete API Key").await;
    browser.press("Delete").await;
    browser.shows("API key deleted.").await;
    browser.lacks("by night").await;
    assert!(!works().await);
    browser.close().await;
}

#[tokio::test]
#[ignore = "needs chromedriver: the suite console runs it"]
async fn whoever_has_two_organizations_chooses_and_switches() {
    let site = northwind().await;
    let eve = site.stack.sign_up("eve@fabrikam.example", "fabrikam", PASSWORD).await;
    let (_, token) = eve.invite(INES, &[]).await;
    site.stack.set_password(&token, "activate", PASSWORD).await;
    let browser = site.browser().await;
    browser.sign_in(INES, PASSWORD).await;
    browser.shows("Which one do you want to work in?").await;
    browser.press("fabrikam").await;
    browser.shows("You have no API key yet").await;
    add_key(&browser, "in-fabrikam").await;
    browser.press("User menu of Tom Berg").await;
    browser.press("Switch Tenant").await;
    browser.press("northwind").await;
    browser.shows("You have no API key yet").await;
    // The address of an organization asks nothing.
    let other = site.browser().await;
    other.open("/o/fabrikam").await;
    other.fill("E-mail", INES).await;
    other.fill("Password", PASSWORD).await;
    other.press("Sign in").await;
    other.shows("in-fabrikam").await;
    other.close().await;
    browser.close().await;
}

#[tokio::test]
#[ignore = "needs chromedriver: the suite console runs it"]
async fn a_forgotten_organization_is_mailed_and_looks_the_same_for_strangers() {
    let site = northwind().await;
    let browser = site.browser().await;
    browser.open("/sign-in").await;
    browser.press("Forgot your organization name?").await;
    browser.fill("E-mail", "nobody@northwind.example").await;
    browser.press("Send the mail").await;
    browser.shows("If nobody@northwind.example has an account here").await;
    let before = site.stack.mails().len();
    browser.open("/forgot-organization").await;
    browser.fill("E-mail", INES).await;
    browser.press("Send the mail").await;
    browser.shows("If ines@northwind.example has an account here").await;
    let mails = site.stack.mails();
    assert_eq!(mails.len(), before + 1);
    assert!(mails.last().unwrap().text.contains("northwind"), "{}", mails.last().unwrap().text);
    browser.open("/sign-in").await;
    browser.press("Sign in to your organization").await;
    browser.fill("Organization name", "northwnd").await;
    browser.press("Continue").await;
    browser.shows("There is no organization of this name.").await;
    browser.fill("Organization name", "Northwind").await;
    browser.press("Continue").await;
    browser.is_at("/o/northwind").await;
    browser.fill("E-mail", INES).await;
    browser.fill("Password", PASSWORD).await;
    browser.press("Sign in").await;
    browser.shows("You have no API key yet").await;
    browser.close().await;
}

#[tokio::test]
#[ignore = "needs chromedriver: the suite console runs it"]
async fn a_key_at_its_end_is_re_activated_only_with_more_time() {
    let site = northwind().await;
    let browser = site.browser().await;
    browser.sign_in(INES, PASSWORD).await;
    let day = |days: u32| (site.stack.clock.now() + DAY * days).to_string()[..10].to_owned();
    browser.press("Add New API Key").await;
    browser.fill("API Key Name", "short").await;
    browser.tick("Custom").await;
    browser.press("Generate").await;
    // The browser asks for the date; the page stays.
    assert_eq!(browser.run("return document.activeElement.id").await, "expires_on");
    browser.fill_date("Custom date", &day(1)).await;
    let result = browser.run("return document.querySelector('output').textContent").await;
    assert!(result.as_str().unwrap().starts_with("Expires on "), "{result}");
    browser.press("Generate").await;
    browser.shows("Copy the key now").await;
    let value = browser.run("return document.getElementById('api-key').textContent").await;
    browser.press("Done").await;
    let urgent = browser.run("return document.querySelector('tbody .bad-text').textContent").await;
    assert!(["in 1 day", "in 2 days"].contains(&urgent.as_str().unwrap()), "{urgent}");

    // To the very end: active in the seconds before, expired from then on.
    let end = domain::Timestamp::parse(&format!("{}T23:59:59.000Z", day(1))).unwrap().unwrap();
    let left = Duration::from_millis(u64::try_from(end.millis() - site.stack.clock.now().millis()).unwrap());
    let seconds = Duration::from_secs(10);
    let check = async || {
        let call = site.stack.request("GET", "/v1/users/me").header("ApiKey", value.as_str().unwrap());
        call.send().await.status
    };
    site.stack.advance(left.checked_sub(seconds).unwrap());
    assert_eq!(check().await, 200);
    browser.sign_in(INES, PASSWORD).await;
    browser.row_shows("short", "Active").await;
    site.stack.advance(seconds);
    assert_eq!(check().await, 401);
    browser.open("/api-keys").await;
    browser.row_shows("short", "Expired").await;
    browser.press("Actions for short").await;
    browser.lacks("Re-activate").await;
    browser.press("Edit").await;
    browser.tick("30 days").await;
    browser.press("Save").await;
    browser.row_shows("short", "Revoked").await;
    browser.press("Actions for short").await;
    browser.press("Re-activate").await;
    browser.shows("short re-activated.").await;
    assert_eq!(check().await, 200);
    browser.close().await;
}

#[tokio::test]
#[ignore = "needs chromedriver: the suite console runs it"]
async fn signing_out_in_one_tab_signs_out_the_other_and_going_back_shows_nothing() {
    let site = northwind().await;
    let browser = site.browser().await;
    browser.sign_in(INES, PASSWORD).await;
    add_key(&browser, "confidential").await;
    let first = browser.client.window().await.unwrap();
    let second = browser.client.new_window(true).await.unwrap().handle;
    browser.client.switch_to_window(second).await.unwrap();
    for page in ["/api-keys", "/profile", "/tenant/api-keys"] {
        browser.open(page).await;
    }
    browser.press("User menu of Ines Alba").await;
    browser.press("Logout").await;
    browser.shows("You are signed out.").await;
    for _ in 0..3 {
        browser.client.back().await.unwrap();
        browser.shows("Sign in").await;
        browser.lacks("confidential").await;
    }
    let before = site.stack.contents().await;
    browser.client.switch_to_window(first).await.unwrap();
    browser.press("Actions for confidential").await;
    browser.press("Revoke").await;
    browser.shows("Sign in").await;
    assert_eq!(site.stack.contents().await, before);
    browser.lacks("confidential").await;
    browser.close().await;
}

#[tokio::test]
#[ignore = "needs chromedriver: the suite console runs it"]
async fn without_a_script_people_sign_in_and_create_revoke_and_delete() {
    let site = northwind().await;
    let browser = site.browser().await;
    browser.devtools("Emulation.setScriptExecutionDisabled", json!({ "value": true })).await;
    browser.sign_in(INES, PASSWORD).await;
    browser.press("Add New API Key").await;
    browser.fill("API Key Name", "plain").await;
    browser.tick("30 days").await;
    browser.press("Generate").await;
    browser.shows("Copy the key now").await;
    browser.shows_so_many(0, "[data-copy]").await;
    browser.press("Done").await;
    browser.press("Actions for plain").await;
    browser.press("Revoke").await;
    browser.shows("plain revoked.").await;
    browser.press("Undo").await;
    browser.shows("plain re-activated.").await;
    browser.press("Actions for plain").await;
    browser.press("Delete").await;
    browser.shows("Delete API Key").await;
    browser.press("Delete").await;
    browser.shows("API key deleted.").await;
    // And a mailed link, whose code is typed in.
    site.stack.post("/v1/auth/user/password/reset", json!({ "emailId": INES })).await;
    browser.open(&site.mailed_link(INES)).await;
    browser.fill("Code from the mail", site.mailed_link(INES).split_once('#').unwrap().1).await;
    browser.press("Continue").await;
    browser.fill("New password", OTHER).await;
    browser.press("Set password").await;
    browser.shows("Your password is set.").await;
    browser.close().await;
}

/// Presses Tab until the focus is on what says this.
async fn tab_to(browser: &Chromium, label: &str) {
    for _ in 0..60 {
        browser.keys(&[Key::Tab]).await;
        let focused = "const it = document.activeElement; const of = it.labels && it.labels[0]; \
                       return [it.ariaLabel || (of || it).textContent.trim(), getComputedStyle(it).outlineStyle, \
                       getComputedStyle(it.closest('.choice') || it).outlineStyle]";
        let focused = browser.run(focused).await;
        if focused[0].as_str().unwrap_or_default().starts_with(label) {
            assert!([&focused[1], &focused[2]].iter().any(|style| **style != "none"), "{label} hides its focus");
            return;
        }
    }
    panic!("Tab does not lead to {label} at {}", browser.path().await);
}

#[tokio::test]
#[ignore = "needs chromedriver: the suite console runs it"]
async fn a_key_lives_and_dies_by_the_keyboard_alone() {
    let site = northwind().await;
    let browser = site.browser().await;
    browser.open("/sign-in").await;
    tab_to(&browser, "E-mail").await;
    browser.type_text(INES).await;
    tab_to(&browser, "Password").await;
    browser.type_text(PASSWORD).await;
    browser.keys(&[Key::Enter]).await;
    browser.shows("You have no API key yet").await;
    tab_to(&browser, "Add New API Key").await;
    browser.keys(&[Key::Enter]).await;
    tab_to(&browser, "API Key Name").await;
    browser.type_text("by-hand").await;
    tab_to(&browser, "30 days").await;
    browser.keys(&[Key::Right]).await;
    tab_to(&browser, "Generate").await;
    browser.keys(&[Key::Space]).await;
    browser.shows("Copy the key now").await;
    tab_to(&browser, "Done").await;
    browser.keys(&[Key::Enter]).await;
    browser.shows("in 60 days").await;
    tab_to(&browser, "Actions for by-hand").await;
    browser.keys(&[Key::Enter]).await;
    browser.shows_so_many(1, ".menu[open] .panel").await;
    browser.keys(&[Key::Escape]).await;
    let closed = "return [document.querySelectorAll('.menu[open]').length, document.activeElement.tagName]";
    assert_eq!(browser.run(closed).await, json!([0, "SUMMARY"]));
    browser.keys(&[Key::Space]).await;
    tab_to(&browser, "Revoke").await;
    browser.keys(&[Key::Enter]).await;
    browser.shows("by-hand revoked.").await;
    tab_to(&browser, "Undo").await;
    browser.keys(&[Key::Enter]).await;
    browser.shows("by-hand re-activated.").await;
    tab_to(&browser, "Actions for by-hand").await;
    browser.keys(&[Key::Enter]).await;
    tab_to(&browser, "Delete").await;
    browser.keys(&[Key::Enter]).await;
    browser.shows("Delete API Key").await;
    tab_to(&browser, "Delete").await;
    browser.keys(&[Key::Enter]).await;
    browser.shows("API key deleted.").await;
    tab_to(&browser, "User menu of Ines Alba").await;
    browser.keys(&[Key::Enter]).await;
    tab_to(&browser, "Logout").await;
    browser.keys(&[Key::Enter]).await;
    browser.shows("You are signed out.").await;
    browser.close().await;
}

#[tokio::test]
#[ignore = "needs chromedriver: the suite console runs it"]
async fn people_are_invited_by_hand_and_come_in_by_the_mailed_link() {
    let site = northwind().await;
    let browser = site.browser().await;
    browser.sign_in(INES, PASSWORD).await;
    browser.press("Users").await;
    browser.press("Create User").await;
    browser.fill("First Name", "Mei").await;
    browser.fill("Last Name", "Lin").await;
    browser.fill("E-mail", "mei@northwind.example").await;
    browser.tick("Tenant Viewer").await;
    browser.press("Create User").await;
    browser.shows("The invitation is on its way.").await;
    let guest = site.browser().await;
    guest.open(&site.mailed_link("mei@northwind.example")).await;
    guest.fill("New password", "Meadow-2-bridge").await;
    guest.press("Set password").await;
    guest.is_at("/o/northwind").await;
    guest.fill("E-mail", "mei@northwind.example").await;
    guest.fill("Password", "Meadow-2-bridge").await;
    guest.press("Sign in").await;
    guest.shows("You have no API key yet").await;
    // From a session elsewhere, the one here can be ended.
    let elsewhere = site.browser().await;
    elsewhere.sign_in("mei@northwind.example", "Meadow-2-bridge").await;
    elsewhere.press("User menu of Mei Lin").await;
    elsewhere.press("My Profile").await;
    elsewhere.shows("This session").await;
    elsewhere.press("End all others").await;
    elsewhere.shows("All other sessions ended.").await;
    guest.press("My API Keys").await;
    guest.shows("Your session has ended. Sign in once more.").await;
    browser.open("/tenant/users").await;
    browser.press("Actions for Mei Lin").await;
    browser.press("Disable").await;
    browser.shows("Mei Lin disabled.").await;
    elsewhere.press("My API Keys").await;
    elsewhere.shows("Your session has ended. Sign in once more.").await;
    let shown: Value = browser.run("return [...document.querySelectorAll('tr.off')].length").await;
    assert_eq!(shown, 1);
    for browser in [browser, guest, elsewhere] {
        browser.close().await;
    }
}

#[tokio::test]
#[ignore = "needs chromedriver: the suite console runs it"]
async fn a_key_is_for_the_user_who_was_chosen_however_one_searches() {
    let site = northwind().await;
    let ines = site.stack.session(INES, PASSWORD, None).await;
    for number in 0..8 {
        let email = format!("user{number}@northwind.example");
        let spec = json!({ "firstName": format!("User{number}"), "lastName": "Test", "emailId": email });
        ines.call("POST", "/v1/users", Some(json!({ "metadata": { "name": "x" }, "spec": spec }))).await;
        site.stack.set_password(&site.stack.mailed_token(&email), "activate", OTHER).await;
    }
    let browser = site.browser().await;
    browser.sign_in(INES, PASSWORD).await;
    browser.press("API Keys").await;
    browser.press("Add New API Key").await;
    browser.fill("API Key Name", "for-whom").await;
    let search = browser.client.find(fantoccini::Locator::Css(".search-first")).await.unwrap();
    let state = async || {
        browser
            .run("const it = document.getElementById('user'); return [it.selectedOptions[0].text, it.options.length]")
            .await
    };
    assert_eq!(state().await, json!(["Ines Alba (ines@northwind.example)", 10]));
    search.send_keys("user").await.unwrap();
    assert_eq!(state().await, json!(["Choose a user", 9]), "never somebody whom nobody chose");
    // Enter sends no form, and neither does a form without a user.
    browser.keys(&[Key::Enter]).await;
    browser.press("Generate").await;
    browser.is_at("/api-keys/new").await;
    browser.shows("Add New API Key").await;
    browser.shows_so_many(0, "#api-key").await;
    search.clear().await.unwrap();
    search.send_keys("nobody").await.unwrap();
    assert_eq!(state().await, json!(["No user matches", 1]));
    search.clear().await.unwrap();
    search.send_keys("TOM").await.unwrap();
    browser.select("User Name", "Tom Berg").await;
    search.clear().await.unwrap();
    assert_eq!(state().await, json!(["Tom Berg (tom@northwind.example)", 10]));
    browser.press("Generate").await;
    browser.shows("Whoever has it may do what Tom Berg").await;
    browser.close().await;
}
