//! The console without a script: what a tenant has set, what happened in it, and one's own profile.

use std::time::Duration;

use serde_json::json;

use crate::{
    browser::{Browser, forms},
    session::{OTHER, PASSWORD},
    stack::Stack,
};

const INES: &str = "ines@northwind.example";

async fn ines(stack: &Stack) -> Browser {
    stack.sign_up(INES, "northwind", PASSWORD).await;
    Browser::signed_in(stack, INES, PASSWORD).await
}

#[tokio::test]
async fn every_section_of_the_settings_is_saved_by_itself_and_loses_nothing_when_refused() {
    let stack = Stack::start().await;
    let mut ines = ines(&stack).await;
    ines.open("/tenant/settings").await;
    ines.shows("id=\"min_length\" name=\"min_length\" type=\"number\" min=\"6\" max=\"128\" required value=\"12\"");
    let policy = "/tenant/settings/password-policy";
    let before = stack.contents().await;
    for (field, value, reason) in [
        ("min_length", "3", "Lengths lie between 6 and 128 characters"),
        ("min_digits", "200", "do not fit into the maximum length"),
        ("expiry_days", "0", "Passwords expire after 1 to 1000 days"),
        ("max_length", "many", "Enter whole numbers."),
        ("max_length", "-4", "Enter whole numbers."),
    ] {
        ines.open("/tenant/settings").await;
        ines.submit(policy, &[(field, value), ("first_reminder_days", "0")]).await;
        assert_eq!(ines.page.status, 400, "{field}");
        ines.shows(reason);
        ines.shows(&format!("value=\"{value}\""));
    }
    ines.submit(policy, &[("max_length", "64"), ("is_regex", "true"), ("regex", "(?=x)")]).await;
    assert_eq!(ines.page.status, 400);
    ines.shows("value=\"(?=x)\"");
    ines.submit("/tenant/settings/session-timeout", &[("session_minutes", "5")]).await;
    assert_eq!(ines.page.status, 400);
    ines.shows("Choose between 15 and 1440 minutes.");
    ines.submit("/tenant/settings/domains", &[("domains", "northwind.example\r\nnot a domain")]).await;
    assert_eq!(ines.page.status, 400);
    ines.shows("northwind.example\r\nnot a domain</textarea>");
    ines.submit("/tenant/settings/limits", &[("limit_apiKey", "0")]).await;
    assert_eq!(ines.page.status, 400);
    ines.submit("/tenant/settings/banner", &[("banner_message", &"x".repeat(1301))]).await;
    assert_eq!(ines.page.status, 400);
    assert_eq!(stack.contents().await, before);
}

#[tokio::test]
async fn what_is_saved_in_the_settings_holds() {
    let stack = Stack::start().await;
    let mut ines = ines(&stack).await;
    for (section, filled) in [
        ("password-policy", vec![("min_length", "20"), ("min_digits", "0")]),
        ("session-timeout", vec![("session_minutes", "30")]),
        (
            "banner",
            vec![("banner_enabled", "true"), ("banner_title", "Notice"), ("banner_message", "Be <b>kind</b>\r\nhere")],
        ),
        ("sign-in-methods", vec![("google", "true")]),
        ("domains", vec![("domains", "northwind.example\r\n\r\nnorthwind.test\r\n")]),
        ("notices", vec![("notify_admins", "true")]),
        ("limits", vec![("limit_apiKey", "1")]),
    ] {
        ines.open("/tenant/settings").await;
        ines.submit(&format!("/tenant/settings/{section}"), &filled).await;
        let (_, form) = ines.page.text.split_once(&format!("action=\"/tenant/settings/{section}\"")).unwrap();
        assert!(form.split("</form>").next().unwrap().contains("<p>Saved.</p>"), "{section}: {form}");
    }
    for shown in [
        "value=\"20\"",
        "name=\"session_minutes\" type=\"number\" min=\"15\" max=\"1440\" required value=\"30\"",
        "name=\"banner_enabled\" value=\"true\" checked",
        "Be &#60;b&#62;kind&#60;/b&#62;\nhere</textarea>",
        "name=\"google\" value=\"true\" checked",
        "northwind.example\nnorthwind.test</textarea>",
        "name=\"notify_admins\" value=\"true\" checked",
    ] {
        ines.shows(shown);
    }
    assert!(!ines.page.text.contains("name=\"github\" value=\"true\" checked"));
    // The limit, at the form of a key.
    for (name, status) in [("one", 201), ("two", 403)] {
        ines.open("/api-keys/new").await;
        ines.submit("/api-keys/new", &[("name", name), ("expiry", "7")]).await;
        assert_eq!(ines.page.status, status, "{}", ines.page.text);
    }
    // The banner, at the organization's own page only.
    let mut guest = Browser::at(&stack, "/o/northwind").await;
    guest.shows("Be &#60;b&#62;kind&#60;/b&#62;");
    guest.submit("/sign-in", &[("email", INES), ("password", PASSWORD)]).await;
    guest.shows("Confirm that you have read the message first.");
    guest.submit("/sign-in", &[("password", PASSWORD), ("acknowledged", "true")]).await;
    guest.shows("My API Keys");
    // The policy, where a mailed link leads.
    stack.post("/v1/auth/user/password/reset", json!({ "emailId": INES })).await;
    let token = stack.mailed_token(INES);
    let mut guest = Browser::at(&stack, "/reset").await;
    assert!(!guest.page.text.contains("data-rule"), "whose policy it is, the link tells");
    guest.submit("/reset", &[("token", &token)]).await;
    guest.shows("At least 20 characters");
    assert!(!guest.page.text.contains("digit"), "{}", guest.page.text);
    guest.submit("/reset", &[("password", OTHER)]).await;
    guest.shows("This password cannot be used: it is too short.");
    guest.submit("/reset", &[("password", "Harbour-lamp-and-kettle")]).await;
    guest.shows("Your password is set.");
    guest.open("/reset").await;
    guest.submit("/reset", &[("token", &token)]).await;
    guest.shows("This link is not valid, was used already or has expired.");
}

#[tokio::test]
async fn the_trail_is_shown_by_kind_and_day_and_as_a_table() {
    let stack = Stack::start().await;
    let mut ines = ines(&stack).await;
    ines.open("/api-keys/new").await;
    ines.submit("/api-keys/new", &[("name", "=1+1 <b>"), ("expiry", "7")]).await;
    let today = stack.clock.now().to_string()[..10].to_owned();
    ines.open("/tenant/audit").await;
    ines.shows("API key created");
    ines.shows("Signed in");
    ines.shows("&#60;b&#62;");
    ines.open(&format!("/tenant/audit?action_type=create&resource_type=apiKey&start_date={today}&end_date={today}"))
        .await;
    ines.shows("API key created");
    ines.shows("1 record<");
    ines.open("/tenant/audit?end_date=2001-02-03").await;
    ines.shows("Nothing recorded");
    for dates in ["start_date=yesterday", "start_date=2026-03-04&end_date=2026-03-03"] {
        ines.open(&format!("/tenant/audit?{dates}")).await;
        assert_eq!(ines.page.status, 400);
        ines.shows("id=\"dates-error\"");
    }
    let table = ines.fetch(&format!("/tenant/audit.csv?resource_type=apiKey&start_date={today}")).await;
    assert_eq!(table.headers["content-type"], "text/csv; charset=utf-8");
    assert_eq!(table.text.lines().count(), 2, "{}", table.text);
    assert!(table.text.contains("\"'=1+1 <b>\""), "{}", table.text);

    // More than a page, and back to the newest.
    for _ in 0..60 {
        stack.sign_in(INES, PASSWORD, None).await;
    }
    ines.open("/tenant/audit").await;
    ines.shows("50 records");
    let older = ines.page.text.split("rel=\"next\" href=\"").nth(1).unwrap().split('"').next().unwrap();
    ines.open(&older.replace("&#38;", "&")).await;
    ines.shows("href=\"/tenant/audit\"><svg");
    ines.shows("API key created");
    let (_, token) = stack.session(INES, PASSWORD, None).await.invite("tom@northwind.example", &[]).await;
    stack.set_password(&token, "activate", OTHER).await;
    let mut tom = Browser::signed_in(&stack, "tom@northwind.example", OTHER).await;
    for page in ["/tenant/audit", "/tenant/audit?start_date=x", "/tenant/audit.csv", "/tenant/settings"] {
        assert!(!tom.page.text.contains(&format!("href=\"{page}\"")));
        tom.send("GET", page, None).await;
        assert_eq!(tom.page.status, 403, "{page}: {}", tom.page.text);
    }
}

#[tokio::test]
async fn a_person_changes_names_and_password_and_ends_sessions_elsewhere() {
    let stack = Stack::start().await;
    let mut ines = ines(&stack).await;
    ines.open("/profile").await;
    ines.shows("Tenant Admin");
    ines.submit("/profile/names", &[("first_name", "Inês"), ("last_name", "")]).await;
    assert_eq!(ines.page.status, 400);
    ines.shows("id=\"last-name-error\"");
    ines.shows("value=\"Inês\"");
    ines.submit("/profile/names", &[("last_name", "Alba")]).await;
    ines.shows("Changes saved.");
    ines.shows("Inês Alba");

    let mut phone = Browser::signed_in(&stack, INES, PASSWORD).await;
    let mut lost = Browser::signed_in(&stack, INES, PASSWORD).await;
    ines.open("/profile").await;
    ines.shows("This session");
    let ends: Vec<_> =
        forms(&ines.page.text).into_iter().filter(|form| form.action == "/profile/sessions/end").collect();
    // Those of the two, and that of the sign-up.
    assert_eq!(ends.len(), 3, "{}", ines.page.text);
    for form in &ends[..2] {
        ines.submit("/profile/sessions/end", &[("uid", &form.fields["uid"])]).await;
        ines.shows("Session ended.");
    }
    // Which by now has ended.
    ines.submit("/profile/sessions/end", &[("uid", &ends[0].fields["uid"])]).await;
    ines.shows("That session is over, or has moved on.");
    for browser in [&mut phone, &mut lost] {
        browser.open("/api-keys").await;
        assert!(browser.path.starts_with("/sign-in"), "{}", browser.path);
    }
    ines.submit("/profile/sessions/end-others", &[]).await;
    ines.shows("All other sessions ended.");
    assert!(!ines.page.text.contains("/profile/sessions/end"), "{}", ines.page.text);

    let change = |current: &'static str, new: &'static str, again: &'static str| {
        [("current_password", current), ("password", new), ("password_again", again)]
    };
    for (filled, status, error) in [
        (change(OTHER, "Meadow-2-bridge", "Meadow-2-bridge"), 401, "This is not your password."),
        (change(PASSWORD, "short", "short"), 400, "it is too short"),
        (change(PASSWORD, PASSWORD, PASSWORD), 400, "it is the one you have had"),
        (change(PASSWORD, "Meadow-2-bridge", "Meadow-2-bridges"), 400, "This is not the same password."),
    ] {
        ines.submit("/profile/password", &filled).await;
        assert_eq!(ines.page.status, status);
        ines.shows(error);
        assert!(!ines.page.text.contains(PASSWORD) && !ines.page.text.contains("Meadow"), "{}", ines.page.text);
    }
    let mut phone = Browser::signed_in(&stack, INES, PASSWORD).await;
    let before = ines.cookie.clone();
    ines.submit("/profile/password", &change(PASSWORD, "Meadow-2-bridge", "Meadow-2-bridge")).await;
    ines.shows("Password changed. Every other session of yours has ended.");
    assert_ne!(ines.cookie, before);
    phone.open("/api-keys").await;
    assert!(phone.path.starts_with("/sign-in"), "{}", phone.path);
    Browser::signed_in(&stack, INES, "Meadow-2-bridge").await.shows("My API Keys");
}

#[tokio::test]
async fn whoever_belongs_to_several_chooses_one_without_the_password_again() {
    let stack = Stack::start().await;
    stack.sign_up(INES, "northwind", PASSWORD).await;
    let other = stack.sign_up("tom@fabrikam.example", "fabrikam", PASSWORD).await;
    let (_, token) = other.invite(INES, &[]).await;
    stack.set_password(&token, "activate", PASSWORD).await;
    let mut ines = Browser::at(&stack, "/sign-in?next=%2Fapi-keys%2Fnew").await;
    let credentials = [("email", INES), ("password", PASSWORD)];
    ines.submit("/sign-in", &credentials).await;
    ines.shows("value=\"fabrikam\"");
    assert!(!ines.page.text.contains(PASSWORD));
    let choice = ines.form("/sign-in/organization").fields["choice"].clone();
    // It is good for nothing else, and for no organization that is not theirs.
    assert_eq!(stack.set_password(&choice, "reset", OTHER).await.status, 401);
    ines.submit("/sign-in/organization", &[("org", "contoso")]).await;
    ines.shows("That took too long. Sign in once more.");
    let take = |choice: String, org: &'static str| {
        form_urlencoded::Serializer::new(String::new()).extend_pairs([("choice", &*choice), ("org", org)]).finish()
    };
    ines.send("POST", "/sign-in/organization", Some(take(choice.clone(), "fabrikam"))).await;
    ines.follow().await;
    ines.shows("My API Keys");
    ines.shows("fabrikam");
    // Once, for ten minutes, and not after the password has changed.
    let mut again = Browser::at(&stack, "/sign-in").await;
    again.send("POST", "/sign-in/organization", Some(take(choice, "northwind"))).await;
    again.follow().await;
    again.shows("That took too long.");
    again.submit("/sign-in", &credentials).await;
    stack.advance(Duration::from_mins(10));
    again.submit("/sign-in/organization", &[("org", "northwind")]).await;
    again.shows("That took too long.");
    again.submit("/sign-in", &credentials).await;
    let session = stack.session(INES, PASSWORD, Some("northwind")).await;
    let body = json!({ "emailId": INES, "currentPassword": PASSWORD, "newPassword": OTHER });
    assert_eq!(session.call("PATCH", "/v1/users/password/change", Some(body)).await.status, 204);
    again.submit("/sign-in/organization", &[("org", "northwind")]).await;
    again.shows("That took too long.");
    again.submit("/sign-in", &[("email", INES), ("password", OTHER)]).await;
    again.submit("/sign-in/organization", &[("org", "northwind")]).await;
    again.shows("northwind");
    // Switching needs no password, and gives the session up for another.
    let before = again.cookie.clone();
    again.open("/switch").await;
    again.submit("/switch", &[("org", "fabrikam")]).await;
    again.shows("fabrikam");
    let now = std::mem::replace(&mut again.cookie, before);
    again.open("/api-keys").await;
    assert!(again.path.starts_with("/sign-in"), "{}", again.path);
    again.cookie = now;
}

/// A script in every field of every form, of whoever is signed in or not.
#[tokio::test]
async fn a_script_in_every_text_field_stays_text() {
    const SCRIPT: &str = "\"'></textarea></title><script>alert(1)</script><svg onload=alert(1)>";
    let stack = Stack::start().await;
    let mut ines = ines(&stack).await;
    let (uid, _) = stack.session(INES, PASSWORD, None).await.invite("tom@northwind.example", &[]).await;
    ines.open("/api-keys/new").await;
    ines.submit("/api-keys/new", &[("name", "ci"), ("expiry", "7")]).await;
    ines.open("/api-keys").await;
    let state = forms(&ines.page.text).into_iter().find(|form| form.action.ends_with("/state")).unwrap().action;
    let key = state.trim_end_matches("/state").to_owned();
    let pages = [
        "/sign-in",
        "/o/northwind",
        "/organization",
        "/forgot-password",
        "/forgot-organization",
        "/sign-up",
        "/activate",
        "/confirm",
        "/reset",
        "/api-keys/new",
        "/tenant/users/new",
        "/tenant/settings",
        "/profile",
        "/switch",
        "/api-keys",
    ]
    .map(str::to_owned);
    let of_things = [format!("{key}/edit"), format!("/tenant/users/{uid}/roles"), format!("{key}/delete")];
    let mut sent = 0;
    let check = |browser: &Browser| {
        for part in ["<script>alert", "<svg onload"] {
            assert!(!browser.page.text.contains(part), "{}: {}", browser.path, browser.page.text);
        }
    };
    for page in pages.iter().chain(&of_things) {
        ines.open(page).await;
        for form in forms(&ines.page.text) {
            if ["/sign-out", "/profile/sessions/end"].contains(&form.action.as_str()) {
                continue;
            }
            // One field at a time, since the first that is refused hides the others; then all at once.
            let fields: Vec<String> = form.fields.keys().filter(|name| *name != "csrf").cloned().collect();
            let names: Vec<&str> = fields.iter().map(String::as_str).collect();
            for filled in names.chunks(1).chain([&names[..]]) {
                let mut form = form.clone();
                form.fields.extend(filled.iter().map(|name| ((*name).to_owned(), SCRIPT.to_owned())));
                let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(&form.fields).finish();
                ines.send("POST", &form.action, Some(body)).await;
                check(&ines);
                ines.follow().await;
                check(&ines);
                sent += 1;
            }
        }
    }
    assert!(sent > 60, "{sent} forms");
    let script = form_urlencoded::byte_serialize(SCRIPT.as_bytes()).collect::<String>();
    for page in
        pages.iter().chain(&of_things).map(String::as_str).chain(["/tenant/audit", "/tenant/api-keys", "/tenant/users"])
    {
        for name in [
            "q",
            "note",
            "status",
            "user",
            "sort",
            "next",
            "org",
            "key",
            "page",
            "start_date",
            "action_type",
            "continue",
        ] {
            ines.open(&format!("{page}?{name}={script}")).await;
            check(&ines);
        }
    }
    for path in
        ["/o/%3Cscript%3Ealert(1)%3C%2Fscript%3E", "/%3Csvg%20onload=alert(1)%3E", "/api-keys/%3Cscript%3Ealert/edit"]
    {
        ines.open(path).await;
        check(&ines);
    }
}

#[tokio::test]
async fn a_formula_in_what_a_stranger_sends_stays_text_in_the_table() {
    let stack = Stack::start().await;
    let ines = stack.sign_up(INES, "northwind", PASSWORD).await;
    let agent = "x;=HYPERLINK(\"http://evil.example\");\t@SUM(1); +1";
    let body = json!({ "emailId": INES, "password": OTHER });
    stack.request("POST", "/v1/auth/authenticate").header("user-agent", agent).json(&body).send().await;
    let table = stack.request("GET", "/v1/audits").header("Authorization", &ines.token).header("accept", "text/csv");
    let table = table.send_any().await.text;
    let line = table.lines().find(|line| line.contains("evil.example")).unwrap();
    assert!(line.contains("x;'=HYPERLINK(") && line.contains("; '+1"), "{line}");
    for part in line.split([',', ';', '\t']) {
        let cell = part.trim_matches([' ', '"']);
        assert!(!cell.starts_with(['=', '+', '-', '@']), "{part} in {line}");
    }
}
