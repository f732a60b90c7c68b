//! What a tenant has set.

use std::time::Duration;

use serde_json::json;

use crate::{
    session::{PASSWORD, Session},
    stack::Stack,
};

#[tokio::test]
async fn sign_up_can_be_closed_and_names_are_taken_once() {
    let stack = Stack::start().await;
    stack.tenant("northwind").await;
    let body = |org: &str| json!({ "firstName": "A", "lastName": "B", "emailId": "a@b.example", "orgName": org });
    for (org, status, code) in [
        ("northwind", 409, "OrgNameTaken"),
        ("NORTHWIND", 409, "OrgNameTaken"),
        ("a", 400, "InvalidRequest"),
        ("admin", 400, "InvalidRequest"),
    ] {
        let answer = stack.post("/v1/tenants/signup", body(org)).await;
        assert_eq!((answer.status, answer.code()), (status, code), "{org}");
        assert_eq!(stack.post("/v1/tenants/validate", json!({ "orgName": org })).await.status, status);
    }
    assert_eq!(stack.post("/v1/tenants/validate", json!({ "orgName": "free" })).await.status, 204);
    let closed = stack.invitation_only().await;
    let refused = closed.post("/v1/tenants/signup", body("contoso")).await;
    assert_eq!((refused.status, refused.code()), (403, "OperationForbidden"));
}

#[tokio::test]
async fn a_session_ends_when_it_is_idle_for_longer_than_the_tenant_allows() {
    let stack = Stack::start().await;
    let mut ines = stack.sign_up("ines@northwind.example", "northwind", PASSWORD).await;
    let tenant = ines.tenant_uid().await;
    let path = format!("/v1/tenants/{tenant}/authTokenSettings");
    for (minutes, status) in [(14, 400), (1441, 400), (15, 204)] {
        assert_eq!(ines.call("PUT", &path, Some(json!({ "expiryTimeMinutes": minutes }))).await.status, status);
    }
    let refresh = async |session: &Session| {
        let answer = stack.request("GET", "/v1/auth/refresh").header("Authorization", &session.token).send().await;
        (answer.status, answer.body["Authorization"].as_str().unwrap_or_default().to_owned())
    };
    // In use: it goes on.
    for _ in 0..4 {
        stack.advance(Duration::from_mins(10));
        assert_eq!(ines.status().await, 200);
        ines.token = refresh(&ines).await.1;
    }
    // Only refreshed, as by a page that nobody looks at: it ends.
    stack.advance(Duration::from_mins(10));
    ines.token = refresh(&ines).await.1;
    stack.advance(Duration::from_mins(10));
    assert_eq!(refresh(&ines).await.0, 401);
}

#[tokio::test]
async fn a_new_tenant_has_defaults_for_every_setting() {
    let stack = Stack::start().await;
    let ines = stack.sign_up("ines@northwind.example", "northwind", PASSWORD).await;
    let tenant = ines.tenant_uid().await;
    let get = async |setting: &str| {
        let answer = ines.call("GET", &format!("/v1/tenants/{tenant}/{setting}"), None).await;
        assert_eq!(answer.status, 200, "{setting}");
        answer.body
    };
    assert_eq!(get("authTokenSettings").await, json!({ "expiryTimeMinutes": 240 }));
    assert_eq!(get("loginBanner").await, json!({ "Message": "", "isEnabled": false, "title": "" }));
    assert_eq!(get("sso/auth/providers").await, json!({ "isEnabled": false, "ssoLogins": [] }));
    assert_eq!(get("domains").await, json!({ "domains": [] }));
    let policy = get("password/policy").await;
    assert_eq!((&policy["regex"], &policy["minLength"], &policy["maxLength"]), (&json!(""), &json!(12), &json!(64)));
    let oidc = get("oidc/config").await;
    assert!(oidc["issuerTls"].is_object() && oidc["requiredClaims"].is_object());
    let names: Vec<_> =
        get("saml/config").await["attributes"].as_array().unwrap().iter().map(|it| it["name"].clone()).collect();
    assert_eq!(names, ["FirstName", "LastName", "Email", "SpectroTeam"]);
    assert_eq!(get("resourceLimits").await["resources"][1]["limit"], json!(20));
}

#[tokio::test]
async fn settings_are_kept_and_take_effect() {
    let stack = Stack::start().await;
    let ines = stack.sign_up("ines@northwind.example", "northwind", PASSWORD).await;
    let tenant = ines.tenant_uid().await;
    let path = |setting: &str| format!("/v1/tenants/{tenant}/{setting}");
    let banner = json!({ "Message": "Members only", "isEnabled": true, "title": "Welcome" });
    assert_eq!(ines.call("PUT", &path("loginBanner"), Some(banner.clone())).await.status, 204);
    let shown = stack.request("GET", "/v1/auth/org/NorthWind/loginBanner").send().await;
    assert_eq!((shown.status, shown.body), (200, banner));
    assert_eq!(stack.request("GET", "/v1/auth/org/nowhere/loginBanner").send().await.code(), "ResourceNotFound");
    // Terraform switches off so.
    let off = json!({ "isEnabled": false, "ssoLogins": [""] });
    assert_eq!(ines.call("POST", &path("sso/auth/providers"), Some(off)).await.status, 204);
    let limits = json!({ "resources": [{ "kind": "apiKey", "limit": 1 }] });
    assert_eq!(ines.call("PATCH", &path("resourceLimits"), Some(limits)).await.status, 204);
    let key = |name: &str| Some(json!({ "metadata": { "name": name }, "spec": { "expiry": crate::stack::LATER } }));
    assert_eq!(ines.call("POST", "/v1/apiKeys", key("one")).await.status, 201);
    assert_eq!(ines.call("POST", "/v1/apiKeys", key("two")).await.code(), "ResourceLimitExceeded");
    let users = json!({ "resources": [{ "kind": "user", "limit": 1 }] });
    assert_eq!(ines.call("PATCH", &path("resourceLimits"), Some(users)).await.status, 204);
    let body = json!({ "spec": { "firstName": "Tom", "lastName": "Berg", "emailId": "tom@northwind.example" } });
    assert_eq!(ines.call("POST", "/v1/users", Some(body)).await.code(), "ResourceLimitExceeded");
    for (setting, method, bad) in [
        ("loginBanner", "PUT", json!({ "Message": "x".repeat(1301) })),
        ("domains", "POST", json!({ "domains": ["not a domain"] })),
        ("sso/auth/providers", "POST", json!({ "isEnabled": true, "ssoLogins": ["facebook"] })),
        ("resourceLimits", "PATCH", json!({ "resources": [{ "kind": "moon", "limit": 1 }] })),
        ("password/policy", "POST", json!({ "minLength": 5 })),
        ("password/policy", "POST", json!({ "isRegex": true, "regex": "(" })),
        ("oidc/config", "POST", json!({ "isSsoEnabled": true })),
        ("oidc/config", "POST", json!({ "isSsoEnabled": true, "clientId": "c", "issuerUrl": "http://id.example" })),
        ("oidc/config", "POST", json!({ "issuerTls": { "insecureSkipVerify": true } })),
        ("saml/config", "POST", json!({ "isSsoEnabled": true })),
    ] {
        let refused = ines.call(method, &path(setting), Some(bad)).await;
        assert_eq!((refused.status, refused.code()), (400, "InvalidRequest"), "{setting}");
    }
}

#[tokio::test]
async fn the_secret_of_a_provider_is_sealed_masked_and_survives_being_switched_off() {
    let stack = Stack::start().await;
    let ines = stack.sign_up("ines@northwind.example", "northwind", PASSWORD).await;
    let path = format!("/v1/tenants/{}/oidc/config", ines.tenant_uid().await);
    let authorities = include_str!("../../../../functions/src/amazon_roots.pem");
    let pem = &authorities[authorities.find("-----BEGIN").unwrap()..=authorities.find("-----END").unwrap() + 24];
    let config = json!({
        "isSsoEnabled": true, "issuerUrl": "https://id.northwind.example", "clientId": "console",
        "clientSecret": "hush-hush-hush", "callbackUrl": "https://evil.example", "scopes": ["openid", "email"],
        "issuerTls": { "caCertificateBase64": pem }, "requiredClaims": { "Email": "email", "SpectroTeam": "groups" },
        "userInfo": null, "defaultTeams": null,
    });
    assert_eq!(ines.call("POST", &path, Some(config)).await.status, 204);
    let mut shown = ines.call("GET", &path, None).await.body;
    assert_eq!(shown["clientSecret"], json!("********"));
    assert_eq!(shown["callbackUrl"], json!("https://latchkey.example/v1/auth/org/northwind/oidc/callback"));
    assert_eq!(shown["requiredClaims"]["SpectroTeam"], json!("groups"));
    assert!(shown["issuerTls"]["caCertificateBase64"].as_str().unwrap().starts_with("LS0tLS1CRUdJTi"));
    let contents = stack.contents().await;
    assert!(!contents.contains("hush"));
    let sealed = |contents: &str| contents.split("sealed_client_secret").nth(1).unwrap()[..60].to_owned();
    // Terraform reads the configuration, switches it off and posts it back.
    shown["isSsoEnabled"] = json!(false);
    assert_eq!(ines.call("POST", &path, Some(shown)).await.status, 204);
    assert_eq!(sealed(&stack.contents().await), sealed(&contents), "the secret is kept");
}

#[tokio::test]
async fn oversized_names_and_addresses_are_no_fault_of_ours() {
    let stack = Stack::start().await;
    let long = "x".repeat(3000);
    for path in [format!("/v1/auth/org?orgName={long}"), format!("/v1/auth/org/{long}/loginBanner")] {
        assert_eq!(stack.request("GET", &path).send().await.code(), "ResourceNotFound");
    }
    assert_eq!(
        stack.request("GET", &format!("/v1/auth/user/org/forgot?emailId={long}@b.example")).send().await.status,
        400
    );
    assert_eq!(stack.sign_in(&format!("{long}@b.example"), "x", Some(&long)).await.status, 401);
    let admin = stack.tenant("northwind").await.admin().await;
    for name in ["https://evil.example", "a@b", "<b>", "\u{202e}abc", "", &long] {
        let body = json!({ "spec": { "firstName": name, "lastName": "B", "emailId": "tom@northwind.example" } });
        assert_eq!(admin.post("/v1/users", body).await.code(), "InvalidRequest", "{name}");
    }
}

#[tokio::test]
async fn a_domain_belongs_to_one_organization() {
    let stack = Stack::start().await;
    let (one, other) = (stack.tenant("northwind").await.admin().await, stack.tenant("fabrikam").await.admin().await);
    let set = async |person: &crate::stack::Person, domains: &[&str]| {
        let path = format!("/v1/tenants/{}/domains", person.user.tenant);
        let answer = person.post(&path, json!({ "domains": domains })).await;
        (answer.status, answer.code().to_owned())
    };
    assert_eq!(set(&one, &["corp.example", "shop.example"]).await.0, 204);
    assert_eq!(set(&other, &["own.example", "Corp.example"]).await, (409, "ResourceConflict".to_owned()));
    assert_eq!(set(&other, &["own.example"]).await.0, 204, "nothing was taken by half");
    assert_eq!(set(&one, &["shop.example"]).await.0, 204);
    assert_eq!(set(&other, &["corp.example"]).await.0, 204, "it was given up");
    assert_eq!(set(&one, &["shop.example"]).await.0, 204, "no change is no conflict");
}
