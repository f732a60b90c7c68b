//! Signing in by Google and GitHub, which stand for no organization.

use std::{collections::BTreeMap, sync::Arc};

use functions::sso::{Github as GithubSettings, Google, Registration, Secret, Social};
use serde_json::json;

use crate::{
    provider::{CLIENT, Github, Provider, SECRET, json_of},
    session::PASSWORD,
    sso::{Guest, INES, back, counts, location, northwind, person, prove, set, signed_in, uid, why},
    stack::{Answer, PUBLIC_URL, Stack},
};

/// An installation that people come to by Google and GitHub.
pub(crate) async fn social() -> (Stack, Provider, Github) {
    let clock = functions::app::Clock::system();
    let (google, github) = (Provider::start(clock).await, Github::start().await);
    let client = || Registration { id: CLIENT.to_owned(), secret: Some(Secret::new(SECRET.to_owned())) };
    let social = Social {
        google: Some(Google { issuer: google.url.clone(), client: client() }),
        github: Some(GithubSettings { url: github.url.clone(), api_url: github.url.clone(), client: client() }),
    };
    (Stack::with_social(PUBLIC_URL, social).await, google, github)
}

pub(crate) const GITHUB: &str = "/v1/auth/sso/github/login";

pub(crate) async fn come_by_github(guest: &mut Guest, github: &Github, path: &str) -> Answer {
    let going = guest.begin(path).await;
    let code = github.code(&going);
    guest.ask(&back(&going, &code)).await
}

#[tokio::test]
async fn github_opens_with_a_verified_primary_address_and_never_otherwise() {
    let (stack, _, github) = social().await;
    let ines = stack.sign_up(INES, "northwind", PASSWORD).await;
    prove(&ines, "northwind.example").await;
    let login = format!("{GITHUB}?org=northwind");
    github.knows(42, Some("Tom Berg"), &[("tom@northwind.example", true, true)]);
    // Not before the organization wants it.
    let begun = Guest::new(&stack).open(&login).await;
    assert_eq!(location(&begun), "/o/northwind?note=sso-not-offered");
    let logins = json!({ "isEnabled": true, "ssoLogins": ["github"] });
    assert_eq!(set(&ines, "POST", "sso/auth/providers", logins).await.status, 204);
    let offered = stack.request("GET", "/v1/auth/sso/logins?org=northwind").send().await.body;
    assert_eq!(
        offered,
        json!([{ "name": "github", "displayName": "GitHub", "logo": format!("{PUBLIC_URL}/assets/github.svg"),
        "redirectUri": format!("{PUBLIC_URL}{login}") }])
    );
    let all = stack.request("GET", "/v1/auth/sso/providers").send().await.body;
    for login in all.as_array().unwrap() {
        let logo = login["logo"].as_str().unwrap().strip_prefix(PUBLIC_URL).unwrap();
        assert_eq!(stack.request("GET", logo).send_any().await.headers["content-type"], "image/svg+xml", "{logo}");
    }
    assert_eq!(all.as_array().unwrap().len(), 2);
    let before = counts(&stack).await;
    for emails in [
        vec![("tom@northwind.example", true, false)],
        vec![("tom@northwind.example", false, true)],
        vec![("tom@northwind.example", false, true), ("tom@private.example", true, false)],
        vec![],
    ] {
        github.knows(42, Some("Tom Berg"), &emails);
        assert_eq!(
            why(&come_by_github(&mut Guest::new(&stack), &github, &login).await).1,
            "email_not_verified",
            "{emails:?}"
        );
    }
    for (path, told) in [
        ("/user", json_of(&json!({ "login": "octo" }))),
        ("/user/emails", json_of(&json!({ "message": "Not Found" }))),
        ("/user", (404, Vec::new(), String::new())),
        ("/login/oauth/access_token", json_of(&json!({ "access_token": "x", "token_type": "mac" }))),
        ("/login/oauth/access_token", (302, vec![("location", "https://evil.example".to_owned())], String::new())),
    ] {
        github.script.lock().unwrap().instead.insert(path.to_owned(), told);
        assert_eq!(why(&come_by_github(&mut Guest::new(&stack), &github, &login).await).1, "invalid_answer", "{path}");
        github.script.lock().unwrap().instead.clear();
    }
    assert_eq!(counts(&stack).await, before);
    // The first time he becomes a user, the second time he is found, by his number, whatever he is called.
    github.knows(42, Some("Tom Berg"), &[("old@private.example", false, true), ("tom@northwind.example", true, true)]);
    let first = signed_in(&stack, &come_by_github(&mut Guest::new(&stack), &github, &login).await);
    assert_eq!(first.call("GET", "/v1/users/me", None).await.body["metadata"]["name"], "Tom Berg");
    github.knows(42, None, &[("tom@elsewhere.example", true, true)]);
    let second = signed_in(&stack, &come_by_github(&mut Guest::new(&stack), &github, &login).await);
    assert_eq!(uid(&first).await, uid(&second).await);
    github.knows(43, None, &[("tom@northwind.example", true, true)]);
    assert_eq!(why(&come_by_github(&mut Guest::new(&stack), &github, &login).await).1, "link_first");
    // Signing out ends the session, and in another organization the same person is another user.
    let revoke = json!({ "tokens": [first.token] });
    assert_eq!(first.call("POST", "/v1/users/auth/tokens/revoke", Some(revoke)).await.status, 204);
    assert_eq!((first.status().await, second.status().await), (401, 200));
    let eve = stack.sign_up("eve@fabrikam.example", "fabrikam", PASSWORD).await;
    prove(&eve, "fabrikam.example").await;
    let logins = json!({ "isEnabled": true, "ssoLogins": ["github"] });
    assert_eq!(set(&eve, "POST", "sso/auth/providers", logins).await.status, 204);
    github.knows(42, Some("Tom Berg"), &[("tom@fabrikam.example", true, true)]);
    let there = come_by_github(&mut Guest::new(&stack), &github, &format!("{GITHUB}?org=fabrikam")).await;
    assert_ne!(uid(&signed_in(&stack, &there)).await, uid(&second).await);
    let here = signed_in(&stack, &come_by_github(&mut Guest::new(&stack), &github, &login).await);
    assert_eq!(uid(&here).await, uid(&second).await);
    // Code and state of one provider at the door of another.
    let mut guest = Guest::new(&stack);
    let going = guest.begin(&login).await;
    let code = github.code(&going);
    let path = back(&going, &code).replace("/sso/github/", "/sso/google/");
    assert_eq!(why(&guest.ask(&path).await).1, "invalid_state");
    assert_eq!(guest.ask("/v1/auth/sso/gitlab/login").await.code(), "ResourceNotFound");
}

#[tokio::test]
async fn google_is_found_in_every_organization_that_one_has_linked_it_in() {
    let (stack, google, github) = social().await;
    let login = "/v1/auth/sso/google/login";
    google.knows(person("g-1", "ada@gmail.example"));
    // Nobody knows her: she makes an organization, her names and address filled in, without a password.
    let mut ada = Guest::new(&stack);
    let going = ada.begin(login).await;
    let code = google.code(&going);
    let address = location(&ada.open(&back(&going, &code)).await);
    let page = ada.open(&address).await;
    for shown in ["value=\"Tom\"", "value=\"Berg\"", "ada@gmail.example"] {
        assert!(page.text.contains(shown), "{}", page.text);
    }
    assert!(!page.text.contains("type=\"password\""));
    stack.sign_up(INES, "northwind", PASSWORD).await;
    let refused = ada.submit(&page, "/sso/sign-up", &[("first_name", "Ada"), ("org", "northwind")]).await;
    assert!(
        refused.status == 409 && refused.text.contains("already") && refused.text.contains("value=\"Ada\""),
        "{}",
        refused.text
    );
    let made = ada.submit(&page, "/sso/sign-up", &[("first_name", "Ada"), ("org", "contoso")]).await;
    assert_eq!((made.status, location(&made).as_str()), (303, "/api-keys"));
    let me = ada.session().call("GET", "/v1/users/me", None).await.body;
    assert_eq!(
        (me["metadata"]["name"].as_str(), me["status"]["tenant"]["orgName"].as_str()),
        (Some("Ada Berg"), Some("contoso"))
    );
    assert_eq!(me["spec"]["roles"], json!([domain::role::TENANT_ADMIN.uid]));
    let again = ada.submit(&page, "/sso/sign-up", &[("org", "contoso-2")]).await;
    assert_eq!(location(&again), "/sign-in?note=sso-state");
    assert_eq!(stack.sign_in("ada@gmail.example", PASSWORD, None).await.status, 401);
    let contoso = ada.session().tenant_uid().await;
    // Next time she is found, here or at her organization.
    for path in [login.to_owned(), format!("{login}?org=contoso")] {
        let session = signed_in(&stack, &Guest::new(&stack).come(&path, &google).await);
        assert_eq!(session.tenant_uid().await, contoso);
    }
    // A second organization has her too, once she has linked it there; the one that she has not, she does not see.
    let eve = stack.sign_up("eve@fabrikam.example", "fabrikam", PASSWORD).await;
    let both = json!({ "isEnabled": true, "ssoLogins": ["google"] });
    assert_eq!(set(&eve, "POST", "sso/auth/providers", both).await.status, 204);
    let (_, token) = eve.invite("ada@gmail.example", &[]).await;
    stack.set_password(&token, "activate", PASSWORD).await;
    // Setting a password has ended what she had begun.
    let session = signed_in(&stack, &Guest::new(&stack).come(login, &google).await);
    let one = session.call("GET", "/v1/auth/orgs", None).await;
    assert_eq!(one.body["organizations"].as_array().unwrap().len(), 1, "{}", one.text);
    let mut guest = Guest::new(&stack);
    let going = guest.begin(&format!("{login}?org=fabrikam")).await;
    let code = google.code(&going);
    let address = location(&guest.open(&back(&going, &code)).await);
    let page = guest.open(&address).await;
    let linked = guest.submit(&page, "/sso/link", &[("password", PASSWORD)]).await;
    assert_eq!(linked.status, 303, "{}", linked.text);
    let several = Guest::new(&stack).come(login, &google).await;
    assert_eq!(several.code(), "OrgSelectionRequired");
    let going = guest.begin(login).await;
    let code = google.code(&going);
    let address = location(&guest.open(&back(&going, &code)).await);
    let page = guest.open(&address).await;
    assert!(page.text.contains("Which one do you want to work in?"), "{}", page.text);
    let chosen = guest.submit(&page, "/sso/organization", &[("org", "northwind")]).await;
    assert_eq!(location(&chosen), "/sign-in?note=sso-no-account", "one that is not hers");
    let chosen = guest.submit(&page, "/sso/organization", &[("org", "contoso")]).await;
    assert_eq!(location(&chosen), "/api-keys");
    let switched = guest.session().call("POST", "/v1/auth/org/fabrikam/switch", None).await;
    assert_eq!(switched.status, 200, "{}", switched.text);
    // An organization that does not want it any more is not among them.
    assert_eq!(
        set(&eve, "POST", "sso/auth/providers", json!({ "isEnabled": false, "ssoLogins": [""] })).await.status,
        204
    );
    let session = signed_in(&stack, &Guest::new(&stack).come(login, &google).await);
    assert_eq!(session.tenant_uid().await, contoso);
    let refused = session.call("POST", "/v1/auth/org/fabrikam/switch", None).await;
    assert_eq!((refused.status, refused.code()), (403, "ResourceAccessDenied"));
    // Google must say that the address is verified, and GitHub's word is not Google's.
    google.cheats(|script| drop(script.person.remove("email_verified")));
    assert_eq!(why(&Guest::new(&stack).come(login, &google).await).1, "email_not_verified");
    github.knows(7, None, &[("ada@gmail.example", true, true)]);
    let answer = come_by_github(&mut Guest::new(&stack), &github, GITHUB).await;
    assert_eq!(why(&answer).1, "no_account");
}

#[tokio::test]
async fn what_an_installation_does_not_have_is_not_there() {
    let (stack, provider, ines) = northwind().await;
    assert_eq!(stack.request("GET", "/v1/auth/sso/providers").send().await.body, json!([]));
    assert_eq!(
        set(&ines, "POST", "sso/auth/providers", json!({ "isEnabled": true, "ssoLogins": ["google"] })).await.status,
        204
    );
    assert_eq!(stack.request("GET", "/v1/auth/sso/logins?org=northwind").send().await.body, json!([]));
    for path in [
        "/v1/auth/sso/google/login",
        "/v1/auth/sso/google/login?org=northwind",
        "/v1/auth/org/nobody/oidc/login",
        "/v1/auth/sso/logins?org=nobody",
    ] {
        assert_eq!(stack.request("GET", path).send().await.code(), "ResourceNotFound", "{path}");
    }
    let products = stack.request("GET", "/v1/auth/sso/idps").send().await.body;
    assert_eq!(products[1], json!({ "id": "okta", "name": "Okta" }));
    // The provider's sign-out, for a browser; a program hears nothing.
    let path = "/v1/auth/org/northwind/oidc/logout";
    assert_eq!(stack.request("GET", path).send().await.status, 204);
    let mut guest = Guest::new(&stack);
    assert_eq!(location(&guest.open(path).await), "/o/northwind?note=signed-out", "it has none");
    let end = format!("{}/end", provider.url);
    provider.cheats(|script| script.metadata = Arc::new(move |it| it["end_session_endpoint"] = json!(end)));
    let to = guest.open(path).await;
    let url = url::Url::parse(&location(&to)).unwrap();
    let query: BTreeMap<String, String> = url.query_pairs().into_owned().collect();
    assert_eq!((to.status, url.path()), (302, "/end"));
    assert_eq!(query["post_logout_redirect_uri"], format!("{PUBLIC_URL}{path}"));
    assert_eq!(
        location(&guest.open(&format!("{path}?state={}", query["state"])).await),
        "/o/northwind?note=signed-out"
    );
}
