//! The console without a script: keys and people by hand, and who may.

use std::time::Duration;

use serde_json::json;

use crate::{
    browser::{Browser, forms},
    session::{OTHER, PASSWORD},
    stack::{PUBLIC_URL, Stack},
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
    browser.shows("API key revoked. It is refused from the next request on.");
    assert_eq!(works().await.status, 401);
    let back = forms(&browser.page.text).into_iter().filter(|form| form.action == state);
    let back: Vec<_> = back.map(|form| form.fields["is_active"].clone()).collect();
    assert_eq!(back, ["true", "true"], "beside the message and in the menu");
    browser.submit(&state, &[]).await;
    browser.shows("API key re-activated.");
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
    for next in ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)"] {
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
    ines.shows("User disabled.");
    tom.open("/api-keys").await;
    assert!(tom.path.starts_with("/sign-in"), "{}", tom.path);
    ines.open("/tenant/users?status=disabled").await;
    ines.submit(&state, &[]).await;
    ines.shows("User enabled.");

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
    ines.shows("A link to set another password is on its way.");
    assert_ne!(stack.mailed_token("tom@northwind.example"), token);
    ines.open(&format!("{of_tom}/delete")).await;
    ines.shows("there is none");
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
    assert_eq!(ines.path, "/sign-in?next=%2Fapi-keys", "idle for longer than the tenant allows");
    assert_eq!((&ines.cookie, &ines.form_cookie), (&None, &None));

    let mut ines = Browser::signed_in(&stack, "ines@northwind.example", PASSWORD).await;
    for _ in 0..11 {
        stack.advance(Duration::from_hours(1));
        ines.open("/api-keys").await;
        assert_eq!(ines.path, "/api-keys");
    }
    stack.advance(Duration::from_mins(61));
    ines.open("/api-keys").await;
    assert_eq!(ines.path, "/sign-in?next=%2Fapi-keys", "however busy, after twelve hours");
}
