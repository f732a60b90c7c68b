//! Every page of the console in real Chromium: without a violation of WCAG 2.2 AA, reachable by the keyboard, light in
//! every sense, and photographed by `cargo xtask screenshots`.

use std::{path::Path, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use fantoccini::{
    actions::{InputSource as _, KeyAction, KeyActions},
    key::Key,
};
use functions::{
    app::Clock,
    sso::{Google, Registration, Secret, Social},
};
use serde_json::{Value, json};

use crate::{
    chromium::{Chromium, Site, setting},
    provider::{CLIENT, Provider, SECRET},
    session::{OTHER, PASSWORD, Session},
};

const INES: &str = "ines@northwind.example";
const TOM: &str = "tom@northwind.example";
const DAY: Duration = Duration::from_hours(24);
/// What a page may weigh with everything it loads, as it comes over the wire.
const MAX_WEIGHT: u64 = 60 * 1024;

/// A key that expires in so many days.
async fn key(site: &Site, by: &Session, user: &str, name: &str, description: &str, days: u32) -> (String, String) {
    let expiry = site.stack.clock.now() + DAY * days;
    let body = json!({
        "metadata": { "name": name, "annotations": { "description": description } },
        "spec": { "userUid": user, "expiry": expiry },
    });
    let made = by.call("POST", "/v1/apiKeys", Some(body)).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let text = |field: &str| made.body[field].as_str().unwrap().to_owned();
    (text("uid"), text("apiKey"))
}

struct Northwind {
    site: Site,
    /// A key of Ines.
    key: String,
    /// The user Tom.
    tom: String,
    /// Who vouches for people: as Google does, and of fabrikam.
    provider: Provider,
}

/// An organization as one meets them: people who are there, who are asked in and who have left, keys near and far from
/// their end.
async fn northwind() -> Northwind {
    let provider = Provider::start(Clock::system()).await;
    let registration = Registration { id: CLIENT.to_owned(), secret: Some(Secret::new(SECRET.to_owned())) };
    let google = Google { issuer: provider.url.clone(), client: registration };
    let site = Site::with_social(Social { google: Some(google), github: None }).await;
    provider.cheats(|script| script.clock = site.stack.clock.clone());
    let stack = &site.stack;
    let ines = stack.sign_up(INES, "northwind", PASSWORD).await;
    let (tom, token) = ines.invite(TOM, &[domain::role::TENANT_VIEWER.uid]).await;
    stack.set_password(&token, "activate", OTHER).await;
    let mut others = Vec::new();
    for (first, last) in [("Mei", "Lin"), ("Sade", "Okafor"), ("Jonas", "Weber")] {
        let email = format!("{}@northwind.example", first.to_lowercase());
        let spec = json!({ "firstName": first, "lastName": last, "emailId": email });
        let body = json!({ "metadata": { "name": first }, "spec": spec });
        let uid = ines.call("POST", "/v1/users", Some(body)).await.body["uid"].as_str().unwrap().to_owned();
        if first != "Jonas" {
            stack.set_password(&stack.mailed_token(&email), "activate", OTHER).await;
        }
        others.push(uid);
    }
    let disable = json!([{ "op": "replace", "path": "/status/isActive", "value": false }]);
    let expired = key(&site, &ines, "", "migration", "moved the old farm", 1).await;
    drop(expired);
    let ines = {
        // Time passes, and with it one key and the session.
        stack.advance(DAY + Duration::from_mins(1));
        stack.session(INES, PASSWORD, None).await
    };
    let (deploy, value) = key(&site, &ines, "", "ci-deploy", "deploys the farm", 90).await;
    assert_eq!(stack.request("GET", "/v1/users/me").header("ApiKey", &value).send().await.status, 200);
    key(&site, &ines, "", "backup", "", 12).await;
    let (revoked, _) = key(&site, &ines, "", "laptop", "Ines' own", 60).await;
    ines.call("PUT", &format!("/v1/apiKeys/{revoked}/state"), Some(json!({}))).await;
    key(&site, &ines, &tom, "terraform", "plans and applies", 5).await;
    key(&site, &ines, &others[0], "monitoring", "", 30).await;
    key(&site, &ines, &others[1], "reports", "every Monday", 75).await;
    ines.call("PATCH", &format!("/v1/users/{}", others[1]), Some(disable)).await;
    // The first invitation has ended meanwhile.
    let again = ines.call("PATCH", &format!("/v1/users/{}/password/reset", others[2]), None).await;
    assert_eq!(again.status, 204, "{}", again.text);
    // More than a page of them.
    for number in 0..20 {
        let user = if number < 15 { &others[0] } else { &tom };
        key(&site, &ines, user, &format!("worker-{number:02}"), "", 100 + number).await;
    }
    let tenant = ines.tenant_uid().await;
    let banner =
        json!({ "title": "Authorized use only", "Message": "What you do here is recorded.", "isEnabled": true });
    ines.call("PUT", &format!("/v1/tenants/{tenant}/loginBanner"), Some(banner)).await;
    let domains = json!({ "domains": ["northwind.example", "northwind.test"] });
    assert_eq!(ines.call("POST", &format!("/v1/tenants/{tenant}/domains"), Some(domains)).await.status, 204);
    // A person of two organizations.
    let eve = stack.sign_up("eve@fabrikam.example", "fabrikam", PASSWORD).await;
    let (_, token) = eve.invite(INES, &[]).await;
    stack.set_password(&token, "activate", PASSWORD).await;
    // Which has a provider, and asks somebody in.
    let oidc = json!({ "isSsoEnabled": true, "issuerUrl": provider.url, "clientId": CLIENT, "clientSecret": SECRET });
    let path = format!("/v1/tenants/{}/oidc/config", eve.tenant_uid().await);
    assert_eq!(eve.call("POST", &path, Some(oidc)).await.status, 204);
    eve.invite("ada@fabrikam.example", &[]).await;
    // She is signed in elsewhere too.
    stack.session(INES, PASSWORD, Some("northwind")).await;
    Northwind { key: deploy, tom, site, provider }
}

impl Northwind {
    /// Goes to every page, and calls `visit` on it with its name.
    async fn tour(&self, browser: &Chromium, mut visit: impl AsyncFnMut(&str)) {
        self.doors(browser, &mut visit).await;
        self.single_sign_on(browser, &mut visit).await;
        self.keys(browser, &mut visit).await;
        self.tenant(browser, &mut visit).await;
    }

    async fn doors(&self, browser: &Chromium, visit: &mut impl AsyncFnMut(&str)) {
        for (name, path) in [
            ("sign-in", "/sign-in"),
            ("sign-in-banner", "/o/northwind"),
            ("organization", "/organization"),
            ("forgot-password", "/forgot-password"),
            ("forgot-organization", "/forgot-organization"),
            ("sign-up", "/sign-up"),
            ("link-without-code", "/activate"),
        ] {
            browser.open(path).await;
            visit(name).await;
        }
        browser.sign_in(INES, OTHER).await;
        browser.shows("E-mail or password is not right").await;
        visit("sign-in-refused").await;
        browser.open("/forgot-password").await;
        browser.fill("E-mail", TOM).await;
        browser.press("Send the mail").await;
        browser.shows("on its way").await;
        visit("forgot-password-sent").await;
        browser.open(&self.site.mailed_link(TOM)).await;
        browser.shows("At least 12 characters").await;
        browser.fill("New password", "Harbour-7").await;
        visit("set-password").await;
        browser.press("Set password").await;
        browser.shows("This password cannot be used").await;
        visit("set-password-refused").await;
        browser.open(&format!("/reset#{}", "A".repeat(43))).await;
        browser.shows("This link is not valid").await;
        visit("link-dead").await;
        browser.open("/forgot-organization").await;
        browser.fill("E-mail", TOM).await;
        browser.press("Send the mail").await;
        browser.shows("on their way").await;
        visit("forgot-organization-sent").await;
        browser.open("/organization").await;
        browser.fill("Organization name", "northwnd").await;
        browser.press("Continue").await;
        browser.shows("There is no organization of this name.").await;
        visit("organization-refused").await;
        browser.open("/o/northwind").await;
        browser.run("document.querySelector('form').noValidate = true").await;
        browser.fill("E-mail", TOM).await;
        browser.press("Sign in").await;
        browser.shows("Confirm that you have read the message first.").await;
        visit("sign-in-banner-refused").await;
        browser.open("/sign-up").await;
        browser.fill("First Name", "Ada").await;
        browser.fill("Last Name", "Nowak").await;
        browser.fill("E-mail", "ada@contoso.example").await;
        browser.fill("Organization", "northwind").await;
        browser.press("Sign up").await;
        browser.shows("There is an organization of this name already.").await;
        visit("sign-up-refused").await;
        browser.fill("Organization", "contoso").await;
        browser.press("Sign up").await;
        browser.shows("Check your mail").await;
        visit("sign-up-sent").await;
        browser.open(&self.site.mailed_link("ada@contoso.example")).await;
        browser.shows("At least 12 characters").await;
        visit("set-password-confirm").await;
        browser.open(&self.site.mailed_link("jonas@northwind.example")).await;
        browser.shows("Accept the invitation").await;
        browser.shows("At least 12 characters").await;
        visit("set-password-activate").await;
        browser.sign_in(INES, PASSWORD).await;
        browser.shows("Which one do you want to work in?").await;
        visit("choose-organization").await;
    }

    async fn single_sign_on(&self, browser: &Chromium, visit: &mut impl AsyncFnMut(&str)) {
        for (name, path) in [
            ("sign-in-sso", "/o/fabrikam"),
            ("sign-in-sso-password", "/o/fabrikam?password=1"),
            ("sign-in-sso-down", "/o/fabrikam?note=sso-down"),
            ("signed-out-sso", "/o/fabrikam?note=signed-out-sso"),
        ] {
            browser.open(path).await;
            visit(name).await;
        }
        browser.open(&self.site.mailed_link("ada@fabrikam.example")).await;
        browser.shows("Come in by your identity provider").await;
        visit("set-password-activate-sso").await;
        self.provider.knows(json!({
            "sub": "bo", "email": "bo@contoso.example", "email_verified": true, "given_name": "Bo", "family_name": "Ek"
        }));
        browser.open("/sign-up").await;
        browser.press("Continue with Google").await;
        browser.shows("You need no password").await;
        visit("sso-sign-up").await;
        browser.fill("Organization", "northwind").await;
        browser.press("Sign up").await;
        browser.shows("There is an organization of this name already.").await;
        visit("sso-sign-up-refused").await;
        self.provider.knows(json!({ "sub": "ines", "email": INES }));
        browser.open("/o/fabrikam").await;
        browser.press("Sign in with single sign-on").await;
        browser.shows("Is this you?").await;
        visit("sso-link").await;
        browser.fill("Password", OTHER).await;
        browser.press("Link and sign in").await;
        browser.shows("This is not your password here.").await;
        visit("sso-link-refused").await;
    }

    async fn keys(&self, browser: &Chromium, visit: &mut impl AsyncFnMut(&str)) {
        browser.sign_in(TOM, OTHER).await;
        browser.press("User menu of Tom Berg").await;
        browser.press("Logout").await;
        browser.shows("You are signed out.").await;
        visit("signed-out").await;
        browser.sign_in("mei@northwind.example", OTHER).await;
        browser.press("Add New API Key").await;
        browser.shows("Generate").await;
        visit("key-new").await;
        browser.open("/tenant/settings").await;
        browser.shows("Your roles do not permit this.").await;
        visit("forbidden").await;
        browser.sign_in(INES, PASSWORD).await;
        browser.press("fabrikam").await;
        browser.shows("You have no API key yet").await;
        visit("api-keys-empty").await;
        browser.press("User menu of Tom Berg").await;
        visit("user-menu").await;
        browser.press("Switch Tenant").await;
        visit("switch").await;
        browser.open("/profile").await;
        browser.shows("End all others").await;
        visit("profile-of-two-organizations").await;
        browser.press("Link your identity provider").await;
        browser.shows("We send you to your identity provider").await;
        visit("profile-link").await;
        browser.press("Continue to your identity provider").await;
        browser.shows("Linked.").await;
        visit("profile-linked").await;
        browser.open("/switch").await;
        browser.press("northwind").await;
        browser.shows("ci-deploy").await;
        visit("api-keys").await;
        browser.press("Actions for backup").await;
        visit("api-keys-menu").await;
        browser.press("Revoke").await;
        browser.shows("Undo").await;
        visit("api-keys-revoked").await;
        browser.press("Undo").await;
        browser.shows("backup re-activated.").await;
        browser.press("Actions for migration").await;
        browser.press("Edit").await;
        browser.shows("Expired on").await;
        visit("key-edit-expired").await;
        browser.open("/api-keys?q=nothing").await;
        visit("api-keys-nothing-found").await;
        browser.open("/api-keys/new").await;
        browser.tick("Custom").await;
        visit("key-new-custom").await;
        browser.open("/api-keys/new?back=%2Ftenant%2Fapi-keys").await;
        browser.fill("API Key Name", "ci-deploy").await;
        browser.press("Generate").await;
        browser.shows("already").await;
        visit("key-new-refused").await;
        browser.fill("API Key Name", "staging").await;
        browser.fill("Description", "of the second farm").await;
        browser.press("Generate").await;
        browser.shows("Copy the key now").await;
        visit("key-created").await;
        for page in ["edit", "delete"] {
            browser.open(&format!("/api-keys/{}/{page}", self.key)).await;
            visit(&format!("key-{page}")).await;
        }
        browser.open("/tenant/api-keys").await;
        visit("tenant-api-keys").await;
        browser.open("/tenant/api-keys?page=2").await;
        visit("tenant-api-keys-page-2").await;
        browser.open("/nowhere").await;
        visit("not-found").await;
    }

    async fn tenant(&self, browser: &Chromium, visit: &mut impl AsyncFnMut(&str)) {
        browser.open("/tenant/users").await;
        visit("users").await;
        browser.press("Actions for Tom Berg").await;
        visit("users-menu").await;
        browser.open("/tenant/users?q=nobody").await;
        visit("users-nothing-found").await;
        browser.open("/tenant/users/new").await;
        visit("user-new").await;
        browser.fill("First Name", "Tom").await;
        browser.fill("Last Name", "Berg").await;
        browser.fill("E-mail", TOM).await;
        browser.press("Create User").await;
        browser.shows("has a user of this address already").await;
        visit("user-new-refused").await;
        for page in ["roles", "reset", "delete"] {
            browser.open(&format!("/tenant/users/{}/{page}", self.tom)).await;
            visit(&format!("user-{page}")).await;
        }
        browser.open("/tenant/settings").await;
        visit("settings").await;
        browser.fill("Domains, one a line", "not a domain").await;
        browser.run("document.getElementById('domain_list').form.requestSubmit()").await;
        browser.shows("Each line must be a domain").await;
        visit("settings-refused").await;
        browser.open("/tenant/settings").await;
        browser.tick("Enable").await;
        browser.fill("Issuer", "https://10.0.0.1").await;
        browser.fill("Client ID", "console").await;
        browser.run("document.getElementById('issuer').form.requestSubmit()").await;
        browser.shows("The issuer must have a public address.").await;
        visit("settings-sso-refused").await;
        browser.open("/tenant/settings").await;
        browser.run("const it = document.getElementById('min_length'); it.form.noValidate = true; it.value = 3; it.form.requestSubmit()").await;
        browser.shows("Lengths lie between 6 and 128 characters").await;
        visit("settings-policy-refused").await;
        browser.open("/tenant/settings").await;
        browser.press("Apply").await;
        browser.shows("Saved.").await;
        visit("settings-saved").await;
        for (name, path) in [
            ("audit", "/tenant/audit"),
            ("audit-filtered", "/tenant/audit?resource_type=apiKey&action_type=create"),
            ("audit-empty", "/tenant/audit?end_date=2001-02-03"),
            ("audit-refused", "/tenant/audit?start_date=2026-03-04&end_date=2026-03-03"),
            ("profile", "/profile"),
        ] {
            browser.open(path).await;
            visit(name).await;
        }
        browser.fill("Current password", OTHER).await;
        browser.fill("New password", "Meadow-2-bridge").await;
        browser.fill("New password again", "Meadow-2-bridge").await;
        browser.press("Change password").await;
        browser.shows("This is not your password.").await;
        visit("profile-refused").await;
    }
}

#[tokio::test]
#[ignore = "needs chromedriver: the suite console runs it"]
async fn no_page_violates_wcag_or_runs_over_its_width() {
    let axe = std::fs::read_to_string(setting("LATCHKEY_TEST_AXE")).unwrap();
    let northwind = northwind().await;
    let browser = northwind.site.browser().await;
    let (mut pages, mut violations) = (0, Vec::new());
    northwind
        .tour(&browser, async |name| {
            pages += 1;
            for (width, height, scheme) in [
                (1280, 900, "light"),
                (1280, 900, "dark"),
                (390, 844, "light"),
                (390, 844, "dark"),
                (320, 640, "light"),
            ] {
                browser.looks(width, height, scheme).await;
                let wide = browser.run("return document.documentElement.scrollWidth").await;
                if wide.as_u64().unwrap() > u64::from(width) {
                    violations.push(format!("{name}: {wide} pixels wide on {width}"));
                }
                if width == 320 {
                    continue;
                }
                if width == 1280 && scheme == "light" {
                    browser.run(&axe).await;
                }
                let tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
                let found =
                    browser.client.execute("return axe.run({ runOnly: arguments[0] })", vec![json!(tags)]).await;
                let found = found.unwrap();
                assert!(found["passes"].as_array().unwrap().len() > 10, "{name}: axe looked at nothing");
                for violation in found["violations"].as_array().unwrap() {
                    let nodes = violation["nodes"].as_array().unwrap().iter().map(|node| node["html"].to_string());
                    let nodes: Vec<_> = nodes.collect();
                    violations.push(format!("{name} {scheme}: {} {}", violation["id"], nodes.join(" ")));
                }
            }
            browser.looks(1280, 900, "light").await;
        })
        .await;
    assert!(violations.is_empty(), "{violations:#?}");
    println!("{pages} pages, each wide and narrow, light and dark: no violation");
    browser.close().await;
}

/// What has to get the focus, and those of it that hide it.
const FOCUSABLE: &str = "
    const boxes = [...document.querySelectorAll('details')].map(box => [box, box.open]);
    const all = [...document.querySelectorAll('a[href], button, input:not([type=hidden]), select, textarea, summary')];
    const wanted = all.filter(it => (it.closest('details') || it.checkVisibility()) && !it.disabled);
    const [seen, hiding] = [new Set(), new Set()];
    const walk = new AbortController();
    addEventListener('focusin', ({ target }) => {
      seen.add(target);
      // As Enter does, which is tried below.
      if (target.tagName === 'SUMMARY') target.parentNode.open = true;
      const outlines = [target, target.closest('.choice') || target].map(it => getComputedStyle(it).outlineStyle);
      if (outlines.every(style => style === 'none') && target.id !== 'main') hiding.add(target);
    }, walk);
    document.activeElement.blur();
    // Of several that exclude each other one gets the focus, and arrows lead to the others.
    const isSeen = it => seen.has(it) || it.type === 'radio' && [...seen].some(other => other.name === it.name);
    const tags = list => list.map(it => it.outerHTML.slice(0, 120));
    window.restore = () => { walk.abort(); boxes.forEach(([box, isOpen]) => { box.open = isOpen; }); };
    window.focusReport = () => ({ missing: tags(wanted.filter(it => !isSeen(it))), hiding: tags([...hiding]) });
    return wanted.length;";

#[tokio::test]
#[ignore = "needs chromedriver: the suite console runs it"]
async fn every_action_of_every_page_is_reached_by_the_keyboard() {
    let northwind = northwind().await;
    let browser = northwind.site.browser().await;
    let (mut reached, mut faults) = (0, Vec::new());
    northwind
        .tour(&browser, async |name| {
            // Where the next step of the tour looks for what is open now, another time is not the same page.
            let path = browser.path().await;
            let mut found = Vec::new();
            // A browser on a busy machine has been seen to draw a ring too late; what a page hides it hides each time.
            for _ in 0..2 {
                let count = browser.run(FOCUSABLE).await.as_u64().unwrap();
                let value = char::from(Key::Tab);
                // Dates have several places each.
                let tabs = (0..count + 30).fold(KeyActions::new("keyboard".to_owned()), |actions, _| {
                    actions.then(KeyAction::Down { value }).then(KeyAction::Up { value })
                });
                browser.client.perform_actions(tabs).await.unwrap();
                let report = browser.run("return focusReport()").await;
                browser.run("restore()").await;
                let listed = |fault: &str| report[fault].as_array().unwrap().clone().into_iter();
                let of = |fault: &'static str| listed(fault).map(move |tag| format!("{fault}: {tag}"));
                found = of("missing").chain(of("hiding")).collect();
                reached += count;
                if found.is_empty() {
                    break;
                }
            }
            faults.extend(found.into_iter().map(|fault| format!("{name} at {path}, {fault}")));
            // What is closed is opened by a key: one of each kind.
            for kind in [".user-menu > summary", "tbody summary", ".disclosure > summary"] {
                let focus =
                    format!("const it = document.querySelector('{kind}'); it?.focus(); return it?.parentNode.open");
                let Value::Bool(was_open) = browser.run(&focus).await else { continue };
                for is_open in [!was_open, was_open] {
                    browser.keys(&[Key::Enter]).await;
                    if browser.run(&focus).await != is_open {
                        faults.push(format!("{name} at {path}: Enter does not toggle {kind}"));
                    }
                }
            }
            // What was open is open for the next step.
            browser.run("document.activeElement.blur(); restore()").await;
        })
        .await;
    assert!(faults.is_empty(), "{faults:#?}");
    println!("{reached} things to act on were reached");
    browser.close().await;
}

/// Bytes that the page and all that it loads took on their way, and what was not ours of it.
const WEIGHT: &str = "
    const loaded = [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')];
    const others = loaded.map(entry => entry.name).filter(url => !url.startsWith(location.origin));
    return [loaded.reduce((sum, entry) => sum + entry.encodedBodySize, 0), loaded.length, others];";

#[tokio::test]
#[ignore = "needs chromedriver: the suite console runs it"]
async fn every_page_is_light_and_loads_nothing_from_elsewhere() {
    let northwind = northwind().await;
    let browser = northwind.site.browser().await;
    let mut heaviest = (0, String::new());
    northwind
        .tour(&browser, async |name| {
            let weight = browser.run(WEIGHT).await;
            assert_eq!(weight[2], json!([]), "{name} loads from elsewhere");
            assert!(weight[1].as_u64().unwrap() >= 3, "{name}: stylesheet and script count too: {weight}");
            let bytes = weight[0].as_u64().unwrap();
            assert!(bytes <= MAX_WEIGHT, "{name} weighs {bytes} bytes");
            if bytes > heaviest.0 {
                heaviest = (bytes, name.to_owned());
            }
        })
        .await;
    println!("the heaviest page is {}: {} bytes with all that it loads", heaviest.1, heaviest.0);
    browser.close().await;
}

#[tokio::test]
#[ignore = "cargo xtask screenshots runs it"]
async fn screenshots() {
    let folder = setting("LATCHKEY_TEST_SCREENSHOTS");
    let northwind = northwind().await;
    let browser = northwind.site.browser().await;
    northwind
        .tour(&browser, async |name| {
            for (width, height) in [(1280, 800), (390, 844)] {
                for scheme in ["light", "dark"] {
                    browser.looks(width, height, scheme).await;
                    let tall = browser.run("return document.documentElement.scrollHeight").await;
                    let tall = tall.as_u64().unwrap().max(u64::from(height));
                    let clip = json!({ "x": 0, "y": 0, "width": width, "height": tall, "scale": 1 });
                    let shot = json!({ "format": "png", "captureBeyondViewport": true, "clip": clip });
                    let shot: Value = browser.devtools("Page.captureScreenshot", shot).await;
                    let bytes = STANDARD.decode(shot["data"].as_str().unwrap()).unwrap();
                    std::fs::write(Path::new(&folder).join(format!("{name}-{width}-{scheme}.png")), bytes).unwrap();
                }
            }
            browser.looks(1280, 900, "light").await;
        })
        .await;
    browser.close().await;
}
