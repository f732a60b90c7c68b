//! The console without a script: keys and people by hand, and who may.

use std::{fs, time::Duration};

use serde_json::json;

use crate::{
    browser::{Browser, forms},
    drift::root,
    session::{OTHER, PASSWORD, Session},
    stack::{PUBLIC_URL, Stack, token_of},
};

#[tokio::test]
async fn a_key_is_made_edited_revoked_re_activated_and_deleted_by_hand() {
    let stack = Stack::start().await;
    stack.sign_up("ines@northwind.example", "northwind", PASSWORD).await;
    let mut browser = Browser::signed_in(&stack, "ines@northwind.example", PASSWORD).await;
    browser.shows("You have no API key yet");
    browser.open("/api-keys/new").await;
    browser.submit("/api-keys/new", &[("name", ""), ("description", "kept")]).await;
    assert_eq!(browser.page.status, 400);
    browser.shows("id=\"name-error\"");
    browser.shows("value=\"kept\"");
    browser.submit("/api-keys/new", &[("name", "ci"), ("expiry", "custom"), ("expires_on", "2001-02-03")]).await;
    assert_eq!(browser.page.status, 400);
    browser.shows("Pick a date that is not in the past.");
    let name = "<b>ci & \"deploy\"</b>";
    browser.submit("/api-keys/new", &[("name", name), ("expiry", "7")]).await;
    assert_eq!(browser.page.status, 201);
    browser.shows("&#60;b&#62;ci &#38; &#34;deploy&#34;&#60;/b&#62;");
    let value = browser.page.text.split_once("id=\"api-key\">").unwrap().1.split('<').next().unwrap().to_owned();
    let works = || stack.request("GET", "/v1/users/me").header("ApiKey", &value).send();
    assert_eq!(works().await.status, 200);

    browser.open("/api-keys").await;
    assert!(!browser.page.text.contains(&value), "it is shown once");
    browser.shows("just now");
    let state = forms(&browser.page.text).into_iter().find(|form| form.action.ends_with("/state")).unwrap().action;
    browser.submit(&state, &[]).await;
    browser.shows("deploy&#34;&#60;/b&#62; revoked. It is refused from the next request on.");
    assert_eq!(works().await.status, 401);
    let back = forms(&browser.page.text).into_iter().filter(|form| form.action == state);
    let back: Vec<_> = back.map(|form| form.fields["is_active"].clone()).collect();
    assert_eq!(back, ["true", "true"], "beside the message and in the menu");
    browser.submit(&state, &[]).await;
    browser.shows(" re-activated.");
    assert_eq!(works().await.status, 200);

    let uid = state.split('/').nth(2).unwrap().to_owned();
    let edit = format!("/api-keys/{uid}/edit");
    browser.open(&edit).await;
    browser.shows("value=\"&#60;b&#62;ci");
    browser.submit(&edit, &[("name", "deploy"), ("description", "of the farm"), ("expiry", "90")]).await;
    browser.shows("Changes saved.");
    browser.shows("of the farm");
    browser.shows("in 90 days");
    assert_eq!(works().await.status, 200);

    browser.open(&format!("/api-keys/{uid}/delete")).await;
    browser.submit(&format!("/api-keys/{uid}/delete"), &[]).await;
    browser.shows("API key deleted.");
    browser.shows("You have no API key yet");
    assert_eq!(works().await.status, 401);
    browser.open(&edit).await;
    assert_eq!(browser.page.status, 404);
}

#[tokio::test]
async fn whoever_is_not_signed_in_is_asked_to_and_led_back() {
    let stack = Stack::start().await;
    stack.sign_up("ines@northwind.example", "northwind", PASSWORD).await;
    let mut browser = Browser::at(&stack, "/api-keys/new").await;
    assert_eq!(browser.path, "/sign-in?next=%2Fapi-keys%2Fnew");
    browser.submit("/sign-in", &[("email", "ines@northwind.example"), ("password", OTHER)]).await;
    assert_eq!(browser.page.status, 401);
    browser.shows("E-mail or password is not right");
    assert!(!browser.page.text.contains(OTHER));
    browser.submit("/sign-in", &[("password", PASSWORD)]).await;
    assert_eq!(browser.path, "/api-keys/new");
    // Not even an address of the API, which might put another session into the browser.
    let token = stack.session("ines@northwind.example", PASSWORD, None).await.token;
    for next in [
        "//evil.example",
        "https://evil.example",
        "/\\evil.example",
        "javascript:alert(1)",
        "/api-keys#x",
        "/api-keys/../v1/users/me",
        "/x/../v1/users/me",
        "/api-keys/%2e%2e/edit",
        "/sign-out",
        &format!("/v1/auth/refresh/{token}"),
    ] {
        let mut browser = Browser::at(&stack, "/sign-in").await;
        let filled = [("email", "ines@northwind.example"), ("password", PASSWORD), ("next", next)];
        browser.submit("/sign-in", &filled).await;
        assert_eq!(browser.path, "/api-keys", "{next}");
    }
}

#[tokio::test]
async fn a_session_lasts_while_its_person_is_active_and_ends_with_signing_out() {
    let stack = Stack::start().await;
    stack.sign_up("ines@northwind.example", "northwind", PASSWORD).await;
    let mut browser = Browser::signed_in(&stack, "ines@northwind.example", PASSWORD).await;
    let first = browser.cookie.clone().unwrap();
    for _ in 0..14 {
        stack.advance(Duration::from_mins(20));
        browser.open("/api-keys").await;
        assert_eq!(browser.path, "/api-keys");
    }
    let last = browser.cookie.clone().unwrap();
    assert_ne!(first, last);
    // A token that lay about does not come to life again, though its session lives.
    let mut finder = Browser::at(&stack, "/sign-in").await;
    finder.cookie = Some(first);
    finder.open("/api-keys").await;
    assert!(finder.path.starts_with("/sign-in"), "{}", finder.path);
    browser.open("/api-keys").await;
    assert_eq!(browser.path, "/api-keys");
    browser.submit("/sign-out", &[]).await;
    browser.shows("You are signed out.");
    assert_eq!(browser.cookie, None);
    browser.cookie = Some(last);
    browser.open("/api-keys").await;
    assert!(browser.path.starts_with("/sign-in"), "{}", browser.path);
}

#[tokio::test]
async fn signing_in_again_ends_the_session_that_the_browser_had() {
    const INES: &str = "ines@northwind.example";
    const TOM: &str = "tom@fabrikam.example";
    let stack = Stack::start().await;
    stack.sign_up_only(INES, "northwind", PASSWORD).await;
    stack.sign_up_only(TOM, "fabrikam", PASSWORD).await;
    let elsewhere = stack.session(INES, PASSWORD, None).await;
    let mut browser = Browser::signed_in(&stack, INES, PASSWORD).await;
    for email in [INES, TOM, INES] {
        let before = Session { stack: stack.clone(), token: browser.cookie.clone().unwrap() };
        browser.open("/sign-in").await;
        browser.submit("/sign-in", &[("email", email), ("password", "wrong")]).await;
        assert_eq!((browser.page.status, before.status().await), (401, 200), "nobody has signed in");
        browser.submit("/sign-in", &[("email", email), ("password", PASSWORD)]).await;
        browser.shows("My API Keys");
        assert_eq!(before.status().await, 401, "{email}");
    }
    assert_eq!(elsewhere.status().await, 200, "that of another browser goes on");
    // Nor does one live on whose token only waits to be renewed.
    stack.advance(Duration::from_mins(20));
    browser.open("/sign-in").await;
    browser.submit("/sign-in", &[("email", INES), ("password", PASSWORD)]).await;
    let ines = Session { stack: stack.clone(), token: browser.cookie.clone().unwrap() };
    let sessions = ines.call("GET", "/v1/users/auth/sessions", None).await;
    assert_eq!(sessions.body["items"].as_array().unwrap().len(), 2, "{}", sessions.text);
    let trail = ines.call("GET", "/v1/audits?limit=50", None).await.text;
    assert_eq!(trail.matches("somebody has signed in again in its browser").count(), 3, "{trail}");
    // A program that carries a cookie along gets one more session.
    let body = json!({ "emailId": INES, "password": PASSWORD });
    let authenticated = stack.request("POST", "/v1/auth/authenticate").header("cookie", &browser.cookies()).json(&body);
    assert_eq!(authenticated.send().await.status, 200);
    assert_eq!(ines.status().await, 200);
}

#[tokio::test]
async fn a_cookie_that_is_no_session_of_a_person_hinders_no_sign_in() {
    const INES: &str = "ines@northwind.example";
    let stack = Stack::start().await;
    let ines = stack.sign_up(INES, "northwind", PASSWORD).await;
    let body = json!({ "metadata": { "name": "key" }, "spec": { "expiry": crate::stack::LATER } });
    let key = ines.call("POST", "/v1/apiKeys", Some(body)).await.body["apiKey"].as_str().unwrap().to_owned();
    let of_key = token_of(&stack, &key).await;
    assert_eq!(ines.call("DELETE", "/v1/users/auth/sessions", None).await.status, 200);
    for cookie in [of_key.as_str(), &ines.token, "x", "a.b.c"] {
        let mut browser = Browser::at(&stack, "/sign-in").await;
        browser.cookie = Some(cookie.to_owned());
        browser.submit("/sign-in", &[("email", INES), ("password", PASSWORD)]).await;
        browser.shows("My API Keys");
    }
    let by_token = stack.request("GET", "/v1/users/me").header("Authorization", &of_key);
    assert_eq!(by_token.send().await.status, 200, "the tokens of a key live with their key");
}

#[test]
fn nothing_hinders_pasting_and_password_managers_find_their_fields() {
    let read = |folder: &str| {
        let files = fs::read_dir(root().join(folder)).unwrap().map(|file| file.unwrap().path());
        files.filter(|file| file.is_file()).map(|file| fs::read_to_string(file).unwrap()).collect::<Vec<_>>()
    };
    let templates = read("functions/templates/console");
    let tags =
        templates.iter().flat_map(|text| text.split("<input ").skip(1)).map(|rest| rest.split('>').next().unwrap());
    // The secret of a provider is no password of a person.
    let is_of_password = |tag: &&str| tag.contains("type=\"password\"") && !tag.contains("client_secret");
    let fields: Vec<&str> = tags.filter(is_of_password).collect();
    assert_eq!(fields.len(), 5);
    for tag in fields {
        let is_named = ["current", "new"].iter().any(|it| tag.contains(&format!("autocomplete=\"{it}-password\"")));
        assert!(is_named, "{tag}");
        for hindrance in ["readonly", "maxlength", "pattern", "inputmode"] {
            assert!(!tag.contains(hindrance), "{tag}");
        }
    }
    for text in templates.iter().chain(&read("functions/assets")) {
        for hindrance in ["paste", "beforeinput", "ondrop", "contextmenu"] {
            assert!(!text.to_lowercase().contains(hindrance), "{hindrance}");
        }
    }
}

#[tokio::test]
async fn a_form_of_another_site_or_session_changes_nothing() {
    let stack = Stack::start().await;
    stack.sign_up("ines@northwind.example", "northwind", PASSWORD).await;
    let mut browser = Browser::signed_in(&stack, "ines@northwind.example", PASSWORD).await;
    browser.open("/api-keys/new").await;
    let form = browser.form("/api-keys/new");
    let others =
        Browser::signed_in(&stack, "ines@northwind.example", PASSWORD).await.form("/sign-out").fields["csrf"].clone();
    assert_ne!(others, form.fields["csrf"]);
    let before = stack.contents().await;
    for (csrf, origin) in [
        (form.fields["csrf"].as_str(), "https://evil.example"),
        (form.fields["csrf"].as_str(), "null"),
        (others.as_str(), PUBLIC_URL),
        ("", PUBLIC_URL),
    ] {
        let fields = [("name", "theirs"), ("expiry", "7"), ("csrf", csrf)];
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let call = stack.request("POST", "/api-keys/new").header("accept", "text/html").header("origin", origin);
        let answer = call.header("cookie", &browser.cookies()).body(body).send_any().await;
        assert_eq!(answer.status, 403, "{csrf} {origin}: {}", answer.text);
    }
    assert_eq!(stack.contents().await, before);
    let program = stack.request("POST", "/v1/apiKeys").json(&json!({})).send().await;
    assert_eq!(program.status, 401);
}

#[tokio::test]
async fn an_admin_invites_disables_and_removes_a_person_by_hand() {
    let stack = Stack::start().await;
    stack.sign_up("ines@northwind.example", "northwind", PASSWORD).await;
    let mut ines = Browser::signed_in(&stack, "ines@northwind.example", PASSWORD).await;
    ines.open("/tenant/users/new").await;
    let names = [("first_name", "Tom"), ("last_name", "Berg")];
    ines.submit("/tenant/users/new", &[&names[..], &[("email", "nowhere")]].concat()).await;
    assert_eq!(ines.page.status, 400);
    ines.shows("id=\"email-error\"");
    ines.shows("value=\"Berg\"");
    ines.submit("/tenant/users/new", &[&names[..], &[("email", "tom@northwind.example")]].concat()).await;
    ines.shows("The invitation is on its way.");
    ines.shows("Invited");

    let token = stack.mailed_token("tom@northwind.example");
    let mut tom = Browser::at(&stack, "/activate").await;
    tom.submit("/activate", &[("token", &token), ("password", "short")]).await;
    assert_eq!(tom.page.status, 400);
    tom.shows("This password cannot be used: it is too short");
    tom.submit("/activate", &[("token", &token), ("password", OTHER)]).await;
    tom.shows("Your password is set.");
    tom.submit("/sign-in", &[("email", "tom@northwind.example"), ("password", OTHER)]).await;
    tom.shows("You have no API key yet");
    for page in ["/tenant/users", "/tenant/api-keys", "/tenant/users/new"] {
        assert!(!tom.page.text.contains(&format!("href=\"{page}\"")), "{page}");
    }
    tom.open("/tenant/users").await;
    assert!([403, 404].contains(&tom.page.status), "{}", tom.page.text);

    ines.open("/tenant/users?q=TOM").await;
    ines.shows("1 to 1 of 1");
    let state = forms(&ines.page.text).into_iter().find(|form| form.action.ends_with("/state")).unwrap().action;
    let of_tom = state.trim_end_matches("/state").to_owned();
    ines.submit(&state, &[]).await;
    ines.shows("Tom Berg disabled.");
    ines.shows("Undo");
    tom.open("/api-keys").await;
    assert!(tom.path.starts_with("/sign-in"), "{}", tom.path);
    ines.open("/tenant/users?status=disabled").await;
    ines.submit(&state, &[]).await;
    ines.shows("Tom Berg enabled.");

    ines.open(&format!("{of_tom}/roles")).await;
    ines.shows("Tom Berg, tom@northwind.example");
    let admin = domain::role::TENANT_ADMIN.uid.to_string();
    ines.submit(&format!("{of_tom}/roles"), &[("roles", &admin)]).await;
    ines.shows("Roles saved.");
    tom = Browser::signed_in(&stack, "tom@northwind.example", OTHER).await;
    tom.shows("href=\"/tenant/users\"");

    stack.advance(Duration::from_mins(2));
    ines.open(&format!("{of_tom}/reset")).await;
    ines.submit(&format!("{of_tom}/reset"), &[]).await;
    ines.shows("A link to set another password is on its way to Tom Berg.");
    assert_ne!(stack.mailed_token("tom@northwind.example"), token);
    ines.open(&format!("{of_tom}/delete")).await;
    ines.shows("There are no API keys.");
    ines.submit(&format!("{of_tom}/delete"), &[]).await;
    ines.shows("User deleted, with all API keys.");
    assert!(!ines.page.text.contains("tom@northwind.example"));
}

#[tokio::test]
async fn an_address_fills_in_no_form_and_makes_none() {
    let stack = Stack::start().await;
    stack.sign_up("ines@northwind.example", "northwind", PASSWORD).await;
    let mut ines = Browser::signed_in(&stack, "ines@northwind.example", PASSWORD).await;
    ines.open("/api-keys/new").await;
    ines.submit("/api-keys/new", &[("name", "ci")]).await;
    ines.open("/api-keys").await;
    let state = forms(&ines.page.text).into_iter().find(|form| form.action.ends_with("/state")).unwrap().action;
    let uid = state.split('/').nth(2).unwrap().to_owned();
    for key in ["..%2Ftenant%2Fusers%2Fnew%3Fx%3D", "%2F%2Fevil.example%2F", &uid, "0123456789abcdef01234567"] {
        ines.open(&format!("/api-keys?note=revoked&key={key}")).await;
        assert!(!ines.page.text.contains("Undo"), "{key}: {}", ines.page.text);
        let actions: Vec<_> = forms(&ines.page.text).into_iter().map(|form| form.action).collect();
        assert!(actions.iter().all(|action| action == "/sign-out" || action.ends_with("/state")), "{actions:?}");
    }
    // Nor does it offer to take back what somebody else did, or did long ago.
    ines.submit(&state, &[]).await;
    ines.shows("Undo");
    let made_here = ines.path.clone();
    let mut other = Browser::signed_in(&stack, "ines@northwind.example", PASSWORD).await;
    for address in
        [format!("/api-keys?note=revoked&to={uid}"), format!("/api-keys?note=revoked&to={uid}&undo=00"), made_here]
    {
        other.open(&address).await;
        assert!(!other.page.text.contains("Undo"), "{address}: {}", other.page.text);
    }
    // What has just happened is not told by where somebody came from.
    let back = format!("/api-keys?note=password-changed&to={uid}&status=revoked");
    let edit = page_query(&back);
    other.open(&format!("/api-keys/{uid}/edit?back={edit}")).await;
    other.submit(&format!("/api-keys/{uid}/edit"), &[]).await;
    assert_eq!(other.path, format!("/api-keys?status=revoked&note=saved&to={uid}"));
    let admin = domain::role::TENANT_ADMIN.uid;
    ines.open(&format!("/tenant/users/new?first_name=Eve&email=eve@evil.example&roles={admin}")).await;
    assert!(!ines.page.text.contains("evil") && !ines.page.text.contains(" checked"), "{}", ines.page.text);
    let csrf = ines.form("/tenant/users/new").fields["csrf"].clone();
    let before = stack.contents().await;
    let fields = format!("first_name=Eve&last_name=Evil&email=eve@evil.example&roles={admin}");
    ines.send("POST", &format!("/tenant/users/new?{fields}"), Some(format!("csrf={csrf}"))).await;
    assert_eq!(ines.page.status, 400);
    ines.send("POST", &format!("/tenant/users/new?csrf={csrf}"), Some(fields)).await;
    assert_eq!(ines.page.status, 403);
    assert_eq!(stack.contents().await, before);
    // A form of another site comes without the cookie, and signs nobody out.
    let stray = stack.request("POST", "/sign-out").header("origin", "https://evil.example").send_any().await;
    assert_eq!(stray.status, 303);
    assert!(!stray.headers.contains_key("set-cookie"));
}

#[tokio::test]
async fn a_session_ends_when_it_lies_idle_and_twelve_hours_after_the_sign_in() {
    let stack = Stack::start().await;
    stack.sign_up("ines@northwind.example", "northwind", PASSWORD).await;
    let mut ines = Browser::signed_in(&stack, "ines@northwind.example", PASSWORD).await;
    stack.advance(Duration::from_mins(239));
    ines.open("/api-keys").await;
    assert_eq!(ines.path, "/api-keys");
    stack.advance(Duration::from_mins(243));
    ines.open("/api-keys").await;
    assert_eq!(ines.path, "/sign-in?note=ended&next=%2Fapi-keys", "idle for longer than the tenant allows");
    assert_eq!((&ines.cookie, &ines.form_cookie), (&None, &None));

    let mut ines = Browser::signed_in(&stack, "ines@northwind.example", PASSWORD).await;
    for _ in 0..11 {
        stack.advance(Duration::from_hours(1));
        ines.open("/api-keys").await;
        assert_eq!(ines.path, "/api-keys");
    }
    stack.advance(Duration::from_mins(61));
    ines.open("/api-keys").await;
    assert_eq!(ines.path, "/sign-in?note=ended&next=%2Fapi-keys", "however busy, after twelve hours");
}

fn page_query(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// Sends a form as a page of another site would.
async fn from_elsewhere(stack: &Stack, path: &str, site: &[(&str, &str)], fields: &[(&str, &str)]) -> u16 {
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    let mut call = stack.request("POST", path).header("accept", "text/html");
    for (name, value) in site {
        call = call.header(name, value);
    }
    let answer = call.body(body).send_any().await;
    assert!(!answer.headers.contains_key("set-cookie"), "{path} {site:?} sets a cookie");
    answer.status
}

#[tokio::test]
async fn no_page_of_another_site_signs_anybody_in_or_sends_forms_of_the_doors() {
    let stack = Stack::start().await;
    stack.sign_up("ines@northwind.example", "northwind", PASSWORD).await;
    let mut asked = Browser::at(&stack, "/sign-in").await;
    let other = stack.sign_up("tom@fabrikam.example", "fabrikam", PASSWORD).await;
    let (_, token) = other.invite("ines@northwind.example", &[]).await;
    stack.set_password(&token, "activate", PASSWORD).await;
    let credentials = [("email", "ines@northwind.example"), ("password", PASSWORD)];
    asked.submit("/sign-in", &credentials).await;
    let choice = asked.form("/sign-in/organization").fields["choice"].clone();
    let before = stack.contents().await;
    let forms: [(&str, &[(&str, &str)]); 8] = [
        ("/sign-in", &[credentials[0], credentials[1], ("org", "northwind")]),
        ("/sign-in/organization", &[("choice", &choice), ("org", "northwind")]),
        ("/sign-up", &[("first_name", "A"), ("last_name", "B"), ("email", "a@b.example"), ("org", "contoso")]),
        ("/forgot-password", &[credentials[0]]),
        ("/forgot-organization", &[credentials[0]]),
        ("/activate", &[("token", "x")]),
        ("/confirm", &[("token", "x")]),
        ("/reset", &[("token", "x")]),
    ];
    for (path, fields) in forms {
        for site in [
            &[("sec-fetch-site", "cross-site"), ("origin", "https://evil.example")][..],
            &[("sec-fetch-site", "same-site"), ("origin", PUBLIC_URL)],
            &[("sec-fetch-site", "none")],
            &[("origin", "https://evil.example")],
            &[("origin", "null")],
        ] {
            assert_eq!(from_elsewhere(&stack, path, site, fields).await, 403, "{path} {site:?}");
        }
    }
    assert_eq!(stack.contents().await, before);
}

#[tokio::test]
async fn a_link_puts_no_session_into_a_browser() {
    let stack = Stack::start().await;
    let mal = stack.sign_up("mal@evil.example", "evilcorp", PASSWORD).await;
    stack.sign_up("ines@northwind.example", "northwind", PASSWORD).await;
    let ines = Browser::signed_in(&stack, "ines@northwind.example", PASSWORD).await;
    let path = format!("/v1/auth/refresh/{}", mal.token);
    let sets_cookie = async |headers: &[(&str, &str)]| {
        let mut call = stack.request("GET", &path);
        for (name, value) in headers {
            call = call.header(name, value);
        }
        let answer = call.send().await;
        assert_eq!(answer.status, 200, "the token is refreshed all the same");
        answer.headers.contains_key("set-cookie")
    };
    let cookies = ines.cookies();
    assert!(!sets_cookie(&[]).await, "an old browser says nothing of itself");
    assert!(!sets_cookie(&[("cookie", &cookies)]).await);
    assert!(!sets_cookie(&[("sec-fetch-site", "same-origin"), ("cookie", &cookies)]).await);
    // Its own session goes on in the cookie, unless a browser goes there as to a page.
    let own = format!("__Host-Authorization={}", mal.token);
    assert!(sets_cookie(&[("sec-fetch-site", "same-origin"), ("cookie", &own)]).await);
    let navigation = [("sec-fetch-site", "same-origin"), ("sec-fetch-mode", "navigate"), ("cookie", &own)];
    assert!(!sets_cookie(&navigation).await);
}

#[tokio::test]
async fn people_are_offered_what_their_roles_permit() {
    let stack = Stack::start().await;
    let admin = stack.sign_up("ines@northwind.example", "northwind", PASSWORD).await;
    let mut ines = Browser::signed_in(&stack, "ines@northwind.example", PASSWORD).await;
    ines.open("/api-keys/new").await;
    ines.submit("/api-keys/new", &[("name", "of-ines"), ("expiry", "7")]).await;
    ines.open("/api-keys").await;
    let key = forms(&ines.page.text).into_iter().find(|form| form.action.ends_with("/state")).unwrap().action;
    let key = key.trim_end_matches("/state").to_owned();
    let mut browsers = Vec::new();
    for (name, roles) in [
        ("none", vec![]),
        ("viewer", vec![domain::role::TENANT_VIEWER.uid]),
        ("user-admin", vec![domain::role::TENANT_USER_ADMIN.uid]),
    ] {
        let email = format!("{name}@northwind.example");
        let (_, token) = admin.invite(&email, &roles).await;
        stack.set_password(&token, "activate", OTHER).await;
        let mut browser = Browser::signed_in(&stack, &email, OTHER).await;
        // Their own things are everybody's.
        browser.open("/profile").await;
        browser.shows("This session");
        browser.submit("/profile/password", &[("current_password", PASSWORD)]).await;
        browser.shows("This is not your password.");
        browser.open("/api-keys/new").await;
        browser.submit("/api-keys/new", &[("name", "mine"), ("expiry", "7")]).await;
        assert_eq!(browser.page.status, 201);
        browsers.push(browser);
    }
    let [nobody, viewer, manager] = &mut browsers[..] else { panic!("three") };
    for page in ["/tenant/users", "/tenant/api-keys", "/tenant/settings", "/tenant/audit"] {
        assert!(!nobody.page.text.contains(page), "{page}");
    }
    viewer.open("/tenant/api-keys").await;
    viewer.shows("of-ines");
    assert!(!viewer.page.text.contains(&key), "nothing that a viewer may not do: {}", viewer.page.text);
    assert!(!viewer.page.text.contains("Add New API Key"));
    viewer.open("/tenant/users").await;
    assert!(!viewer.page.text.contains("Create User") && !viewer.page.text.contains("/reset"));
    for page in [format!("{key}/edit"), format!("{key}/delete"), "/tenant/users/new".to_owned()] {
        viewer.open(&page).await;
        assert_eq!(viewer.page.status, 403, "{page}");
        viewer.shows("Your roles do not permit this.");
        viewer.shows("href=\"/profile\"");
    }
    manager.open("/tenant/users").await;
    manager.shows("Create User");
    manager.open("/tenant/users/new").await;
    // A role that may do more than they is shown and cannot be given.
    let admin = format!("value=\"{}\" disabled", domain::role::TENANT_ADMIN.uid);
    manager.shows(&admin);
    let names = [("first_name", "Mei"), ("last_name", "Lin"), ("email", "mei@northwind.example")];
    manager.submit("/tenant/users/new", &names).await;
    manager.shows("The invitation is on its way.");
}

#[tokio::test]
async fn lists_keep_filters_and_pages_through_what_is_done_in_them() {
    let stack = Stack::start().await;
    let ines = stack.sign_up("ines@northwind.example", "northwind", PASSWORD).await;
    let limits = format!("/v1/tenants/{}/resourceLimits", ines.tenant_uid().await);
    let limit = json!({ "resources": [{ "kind": "apiKey", "limit": 100 }] });
    assert_eq!(ines.call("PATCH", &limits, Some(limit)).await.status, 204);
    for number in 0..27 {
        let body =
            json!({ "metadata": { "name": format!("key-{number:02}") }, "spec": { "expiry": crate::stack::LATER } });
        assert_eq!(ines.call("POST", "/v1/apiKeys", Some(body)).await.status, 201);
    }
    let mut ines = Browser::signed_in(&stack, "ines@northwind.example", PASSWORD).await;
    ines.open("/api-keys?status=active&sort=-name&page=2").await;
    ines.shows("26 to 27 of 27");
    let edit = ines.page.text.split("/edit?back=").nth(1).unwrap().split('"').next().unwrap().replace("&#38;", "&");
    let key = ines.page.text.split("/edit?back=").next().unwrap().rsplit('/').next().unwrap().to_owned();
    let edit = format!("/api-keys/{key}/edit?back={edit}");
    ines.open(&edit).await;
    ines.submit(&format!("/api-keys/{key}/edit"), &[("description", "kept its place")]).await;
    assert!(ines.path.starts_with("/api-keys?status=active&sort=-name&page=2&note=saved"), "{}", ines.path);
    ines.submit(&format!("/api-keys/{key}/state"), &[]).await;
    assert!(ines.path.starts_with("/api-keys?status=active&sort=-name&page=2&note=revoked"), "{}", ines.path);
    ines.shows("26 to 26 of 26");
    ines.shows("Undo");
    ines.submit(&format!("/api-keys/{key}/state"), &[]).await;
    ines.shows("26 to 27 of 27");
    // Beyond the last page is the last one.
    ines.open("/api-keys?page=99").await;
    ines.shows("26 to 27 of 27");
    ines.open("/api-keys?page=x").await;
    ines.shows("1 to 25 of 27");
}

#[tokio::test]
async fn too_much_text_is_refused_before_it_is_read_or_repeated() {
    let stack = Stack::start().await;
    stack.sign_up("ines@northwind.example", "northwind", PASSWORD).await;
    let mut ines = Browser::signed_in(&stack, "ines@northwind.example", PASSWORD).await;
    for path in
        ["/sign-in", "/forgot-password", "/sign-up", "/organization", "/tenant/settings/banner", "/api-keys/new"]
    {
        ines.send("POST", path, Some(format!("email={}", "\"".repeat(70_000)))).await;
        assert_eq!(ines.page.status, 413, "{path}");
        assert!(ines.page.text.len() < 20_000, "{path}");
    }
    ines.send("POST", "/organization", Some(format!("org={}", "x".repeat(60_000)))).await;
    assert_eq!(ines.page.status, 413);
    for path in ["/sign-in/", "//sign-in", "/api-keys/", "//"] {
        ines.send("GET", path, None).await;
        assert_eq!(ines.page.status, 404, "{path}: one address for one page");
    }
}
