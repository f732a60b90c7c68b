//! Every route × every kind of caller who must not get through.

use std::collections::BTreeSet;

use domain::{Permission, role};
use serde_json::{Value, json};

use crate::stack::{Call, LATER, Person, Stack, random_uid, unknown_key};

/// What a route does with callers that it must refuse.
pub(crate) struct Row {
    pub(crate) route: &'static str,
    /// Whether it needs no credential; such a route ignores a false one or answers as given for no credential.
    pub(crate) public: bool,
    /// A body that a permitted caller could send.
    pub(crate) body: Option<Value>,
    /// For a plain user who asks for somebody else's thing.
    without_permission: Option<(u16, &'static str)>,
}

pub(crate) fn table() -> Vec<Row> {
    let create = json!({ "metadata": { "name": "new" }, "spec": { "expiry": LATER } });
    let row = |route, public, body, without_permission| Row { route, public, body, without_permission };
    let absent = Some((404, "ResourceNotFound"));
    let no_user = Some((404, "UserNotFound"));
    let forbidden = Some((403, "OperationForbidden"));
    let password = json!({ "password": "Harbour-7-lamp" });
    let change = json!({ "emailId": "a@b.example", "currentPassword": "x", "newPassword": "y" });
    let user = json!({ "spec": { "firstName": "A", "lastName": "B", "emailId": "a@b.example" } });
    vec![
        row("POST /v1/auth/authenticate", true, Some(json!({})), None),
        row("GET /v1/auth/refresh", false, None, None),
        row("GET /v1/auth/refresh/{token}", false, None, None),
        row("POST /v1/users/auth/tokens/revoke", false, Some(json!({ "tokens": [] })), None),
        row("GET /v1/users/auth/sessions", false, None, forbidden),
        row("DELETE /v1/users/auth/sessions", false, None, forbidden),
        row("DELETE /v1/users/auth/sessions/{uid}", false, None, forbidden),
        row("POST /v1/apiKeys", false, Some(create.clone()), Some((403, "OperationForbidden"))),
        row("GET /v1/apiKeys", false, None, None),
        row("GET /v1/apiKeys/{uid}", false, None, absent),
        row("PUT /v1/apiKeys/{uid}", false, Some(create), absent),
        row("PUT /v1/apiKeys/{uid}/state", false, Some(json!({ "isActive": false })), absent),
        row("PATCH /v1/apiKeys/{uid}", false, Some(json!({ "isActive": false })), absent),
        row("DELETE /v1/apiKeys/{uid}", false, None, absent),
        row("GET /v1/users/info", false, None, None),
        row("GET /v1/users/me", false, None, None),
        row(
            "POST /v1/tenants/signup",
            true,
            Some(json!({ "firstName": "A", "lastName": "B", "emailId": "a@b.example", "orgName": "abc" })),
            None,
        ),
        row("POST /v1/tenants/signup/{signupToken}/activate", true, None, None),
        row("POST /v1/tenants/validate", true, Some(json!({ "orgName": "free-name" })), None),
        row("GET /v1/auth/org", true, None, None),
        row("GET /v1/auth/orgs", false, None, None),
        row("POST /v1/auth/org/{orgName}/switch", false, None, forbidden),
        row("GET /v1/auth/org/{orgName}/loginBanner", true, None, None),
        row("GET /v1/auth/user/org/forgot", true, None, None),
        row("GET /v1/auth/sso/idps", true, None, None),
        row("GET /v1/auth/sso/providers", true, None, None),
        row("GET /v1/auth/sso/logins", true, None, None),
        row("GET /v1/auth/sso/{ssoApp}/login", true, None, None),
        row("GET /v1/auth/sso/{ssoApp}/callback", true, None, None),
        row("GET /v1/auth/org/{orgName}/oidc/login", true, None, None),
        row("GET /v1/auth/org/{orgName}/oidc/callback", true, None, None),
        row("GET /v1/auth/org/{orgName}/oidc/logout", true, None, None),
        row("GET /v1/users/auth/identities", false, None, forbidden),
        row("POST /v1/users/auth/identities", false, Some(json!({ "provider": "google" })), forbidden),
        row("DELETE /v1/users/auth/identities/{uid}", false, None, forbidden),
        row("POST /v1/auth/user/password/reset", true, Some(json!({ "emailId": "a@b.example" })), None),
        row("PATCH /v1/users/password/reset", true, Some(json!({ "emailId": "a@b.example" })), None),
        row("PATCH /v1/auth/password/{passwordToken}/reset", true, Some(password.clone()), None),
        row("PATCH /v1/auth/password/{passwordToken}/activate", true, Some(password), None),
        row("PATCH /v1/users/password/change", false, Some(change.clone()), forbidden),
        row("PATCH /v1/users/{user}/password/change", false, Some(change), forbidden),
        row("PATCH /v1/users/{user}/password/reset", false, None, forbidden),
        row("GET /v1/users", false, None, forbidden),
        row("GET /v1/users/meta", false, None, forbidden),
        row("POST /v1/users/summary", false, Some(json!({})), forbidden),
        row("POST /v1/users", false, Some(user), forbidden),
        row("GET /v1/users/{user}", false, None, no_user),
        row("PUT /v1/users/{user}", false, Some(json!({ "spec": { "lastName": "B" } })), no_user),
        row("PATCH /v1/users/{user}", false, None, None),
        row("PATCH /v1/users/{user}/status/loginMode", false, Some(json!({ "loginMode": "dev" })), no_user),
        row("DELETE /v1/users/{user}", false, None, forbidden),
        row("GET /v1/users/{user}/roles", false, None, no_user),
        row("PUT /v1/users/{user}/roles", false, Some(json!({ "roles": [] })), no_user),
        row("GET /v1/users/{user}/projects", false, None, no_user),
        row("PUT /v1/users/{user}/projects", false, Some(json!({ "projects": [] })), no_user),
        row("GET /v1/users/{user}/resourceRoles", false, None, no_user),
        row("GET /v1/workspaces/users/{user}/roles", false, None, no_user),
        row("GET /v1/roles", false, None, forbidden),
        row("GET /v1/roles/{uid}", false, None, forbidden),
        row("GET /v1/permissions", false, None, None),
        row("GET /v1/dashboard/projects/metadata", false, None, None),
        row("GET /v1/projects/alerts", false, None, None),
        row("GET /v1/projects/alert", false, None, None),
        row("GET /v1/audits", false, None, forbidden),
        row("GET /v1/audits/{uid}", false, None, forbidden),
        row("GET /v1/audits/{uid}/sysMsg", false, None, forbidden),
        row("PATCH /v1/audits/{uid}/userMsg", false, Some(json!({ "userMsg": "because" })), absent),
        row("GET /.well-known/jwks.json", true, None, None),
        row("GET /v1/openapi.json", true, None, None),
        row("$default", true, None, None),
    ]
    .into_iter()
    .chain(settings())
    .collect()
}

/// What a tenant has set.
fn settings() -> Vec<Row> {
    let row = |route, body, without_permission| Row { route, public: false, body, without_permission };
    let forbidden = Some((403, "OperationForbidden"));
    vec![
        row("GET /v1/tenants/{tenantUid}/authTokenSettings", None, forbidden),
        row("PUT /v1/tenants/{tenantUid}/authTokenSettings", Some(json!({ "expiryTimeMinutes": 60 })), forbidden),
        row("GET /v1/tenants/{tenantUid}/password/policy", None, forbidden),
        row("POST /v1/tenants/{tenantUid}/password/policy", Some(json!({ "minLength": 8 })), forbidden),
        row("GET /v1/tenants/{tenantUid}/loginBanner", None, forbidden),
        row("PUT /v1/tenants/{tenantUid}/loginBanner", Some(json!({ "title": "t" })), forbidden),
        row("GET /v1/tenants/{tenantUid}/sso/auth/providers", None, forbidden),
        row("POST /v1/tenants/{tenantUid}/sso/auth/providers", Some(json!({ "isEnabled": false })), forbidden),
        row("GET /v1/tenants/{tenantUid}/apiKeys/notices", None, forbidden),
        row("PUT /v1/tenants/{tenantUid}/apiKeys/notices", Some(json!({})), forbidden),
        row("GET /v1/tenants/{tenantUid}/domains", None, forbidden),
        row("POST /v1/tenants/{tenantUid}/domains", Some(json!({ "domains": [] })), forbidden),
        row("GET /v1/tenants/{tenantUid}/domains/proofs", None, forbidden),
        row("POST /v1/tenants/{tenantUid}/domains/{domain}/verify", None, forbidden),
        row("GET /v1/tenants/{tenantUid}/sso/policy", None, forbidden),
        row("PUT /v1/tenants/{tenantUid}/sso/policy", Some(json!({})), forbidden),
        row("GET /v1/tenants/{tenantUid}/resourceLimits", None, forbidden),
        row("PATCH /v1/tenants/{tenantUid}/resourceLimits", Some(json!({ "resources": [] })), forbidden),
        row("GET /v1/tenants/{tenantUid}/oidc/config", None, forbidden),
        row("POST /v1/tenants/{tenantUid}/oidc/config", Some(json!({ "isSsoEnabled": false })), forbidden),
        row("POST /v1/tenants/{tenantUid}/oidc/config/verify", None, forbidden),
        row("GET /v1/tenants/{tenantUid}/saml/config", None, forbidden),
        row("POST /v1/tenants/{tenantUid}/saml/config", Some(json!({ "isSsoEnabled": false })), forbidden),
    ]
}

/// What a path may name.
pub(crate) struct Target {
    /// Or a record, or a role: whatever else has a uid.
    pub(crate) key: String,
    pub(crate) user: String,
    pub(crate) tenant: String,
    pub(crate) org: String,
    /// Of whichever kind.
    pub(crate) token: String,
}

impl Target {
    fn of(person: &Person) -> Self {
        Self {
            key: person.key_uid.to_string(),
            user: person.user.uid.to_string(),
            tenant: person.user.tenant.to_string(),
            ..Self::named("")
        }
    }

    pub(crate) fn named(uid: &str) -> Self {
        let [key, user, tenant] = [(); 3].map(|()| uid.to_owned());
        Self { key, user, tenant, org: "northwind".to_owned(), token: "a.b.c".to_owned() }
    }
}

impl Row {
    /// The route as the template writes it: `{user}` here is a `{uid}` that names a user.
    pub(crate) fn key(&self) -> String {
        self.route.replace("{user}", "{uid}")
    }

    /// Method and path.
    ///
    /// - `target`: what the path names.
    pub(crate) fn place(&self, target: &Target) -> (&'static str, String) {
        let (method, path) = self.route.split_once(' ').unwrap_or(("GET", "/v1/nothing/here"));
        let path = path
            .replace("{uid}", &target.key)
            .replace("{user}", &target.user)
            .replace("{tenantUid}", &target.tenant)
            .replace("{orgName}", &target.org)
            .replace("{ssoApp}", "google")
            .replace("{domain}", "northwind.example")
            .replace("{signupToken}", &target.token)
            .replace("{passwordToken}", &target.token)
            .replace("{token}", &target.token);
        (method, path)
    }

    pub(crate) fn call(&self, stack: &Stack, target: &Target) -> Call {
        let (method, path) = self.place(target);
        let call = stack.request(method, &path);
        match &self.body {
            Some(body) => call.json(body),
            None => call,
        }
    }
}

/// What it takes to do this with something of another user of one's tenant, where a permission decides.
const PERMISSIONS: [(&str, Permission); 32] = [
    ("POST /v1/apiKeys", Permission::ApiKeyCreate),
    ("GET /v1/apiKeys/{uid}", Permission::ApiKeyGet),
    ("PUT /v1/apiKeys/{uid}", Permission::ApiKeyUpdate),
    ("PUT /v1/apiKeys/{uid}/state", Permission::ApiKeyUpdate),
    ("PATCH /v1/apiKeys/{uid}", Permission::ApiKeyUpdate),
    ("DELETE /v1/apiKeys/{uid}", Permission::ApiKeyDelete),
    ("PATCH /v1/users/{user}/password/reset", Permission::UserUpdate),
    ("GET /v1/users", Permission::UserList),
    ("GET /v1/users/meta", Permission::UserList),
    ("POST /v1/users/summary", Permission::UserList),
    ("POST /v1/users", Permission::UserCreate),
    ("GET /v1/users/{user}", Permission::UserGet),
    ("PUT /v1/users/{user}", Permission::UserUpdate),
    ("PATCH /v1/users/{user}/status/loginMode", Permission::UserUpdate),
    ("DELETE /v1/users/{user}", Permission::UserDelete),
    ("GET /v1/users/{user}/roles", Permission::UserGet),
    ("PUT /v1/users/{user}/roles", Permission::UserUpdate),
    ("GET /v1/users/{user}/projects", Permission::UserGet),
    ("PUT /v1/users/{user}/projects", Permission::UserUpdate),
    ("GET /v1/users/{user}/resourceRoles", Permission::UserGet),
    ("GET /v1/workspaces/users/{user}/roles", Permission::UserGet),
    ("GET /v1/roles", Permission::RoleList),
    ("GET /v1/roles/{uid}", Permission::RoleGet),
    ("PUT /v1/tenants/{tenantUid}/authTokenSettings", Permission::TenantUpdate),
    ("POST /v1/tenants/{tenantUid}/password/policy", Permission::TenantUpdate),
    ("PUT /v1/tenants/{tenantUid}/loginBanner", Permission::TenantUpdate),
    ("POST /v1/tenants/{tenantUid}/sso/auth/providers", Permission::TenantUpdate),
    ("POST /v1/tenants/{tenantUid}/domains", Permission::TenantUpdate),
    ("PUT /v1/tenants/{tenantUid}/sso/policy", Permission::TenantUpdate),
    ("PATCH /v1/tenants/{tenantUid}/resourceLimits", Permission::TenantUpdate),
    ("POST /v1/tenants/{tenantUid}/oidc/config", Permission::TenantUpdate),
    ("POST /v1/tenants/{tenantUid}/saml/config", Permission::TenantUpdate),
];

#[tokio::test]
async fn every_role_does_what_it_may_and_nothing_else() {
    let stack = Stack::start().await;
    let northwind = stack.tenant("northwind").await;
    let roles = [
        ("no role", vec![]),
        ("viewer", vec![role::TENANT_VIEWER.uid]),
        ("user admin", vec![role::TENANT_USER_ADMIN.uid]),
        ("admin", vec![role::TENANT_ADMIN.uid]),
    ];
    let mut checked = 0;
    for (name, roles) in roles {
        let caller = northwind.person("Caller", &roles).await;
        for mut row in table() {
            let Some((_, permission)) = PERMISSIONS.iter().find(|(route, _)| *route == row.route) else { continue };
            // Whoever is touched is new each time, since some calls leave nothing to touch again.
            let other = northwind.user().await;
            if row.route == "POST /v1/apiKeys" {
                row.body.as_mut().unwrap()["spec"]["userUid"] = json!(other.user.uid);
            }
            if row.route == "POST /v1/users" {
                row.body.as_mut().unwrap()["spec"]["emailId"] = json!(format!("new-{}", other.user.email));
            }
            let mut target = Target::of(&other);
            if row.route == "GET /v1/roles/{uid}" {
                target.key = role::TENANT_ADMIN.uid.to_string();
            }
            let answer = row.call(&stack, &target).header("ApiKey", &caller.key).send().await;
            let may = caller.user.permissions().contains(*permission);
            let refused = [403, 404].contains(&answer.status);
            assert_eq!(may, !refused, "{name}: {} answered {}", row.route, answer.text);
            assert!(!may || answer.status < 300, "{name}: {} answered {}", row.route, answer.text);
            checked += 1;
        }
    }
    assert_eq!(checked, 4 * PERMISSIONS.len());
}

#[tokio::test]
async fn every_route_of_the_template_is_in_the_table() {
    let stack = Stack::start().await;
    let routes = stack.service.template.functions.iter().flat_map(|function| &function.routes);
    // Who may see which page is in the tests of the console.
    let in_template: BTreeSet<_> = routes.filter(|route| !route.is_page()).map(local::template::Route::key).collect();
    let in_table: BTreeSet<_> = table().iter().map(Row::key).collect();
    assert_eq!(in_template, in_table);
}

#[tokio::test]
async fn a_missing_or_false_credential_is_refused_alike_everywhere_and_changes_nothing() {
    let stack = Stack::start().await;
    let user = stack.tenant("northwind").await.user().await;
    let token = user.token().await;
    let (dead_key, dead_token) = dead_credentials(&user).await;
    let forged = format!("{}.AAAA", token.rsplit_once('.').unwrap().0);
    let before = stack.contents().await;
    for row in table().iter().filter(|row| !row.public) {
        let call = || row.call(&stack, &Target::of(&user));
        let calls: Vec<(&str, Call)> = vec![
            ("no credential", call()),
            ("an empty key", call().header("ApiKey", "")),
            ("no key", call().header("ApiKey", "lk_")),
            ("an unknown key", call().header("ApiKey", &unknown_key(&stack))),
            ("a revoked key", call().header("ApiKey", &dead_key)),
            ("a key cut short", call().header("ApiKey", &user.key[..67])),
            ("two keys in one", call().header("ApiKey", &format!("{0},{0}", user.key))),
            ("a key twice", call().header("ApiKey", &user.key).header("ApiKey", &user.key)),
            ("a key where a token belongs", call().header("Authorization", &user.key)),
            ("a token where a key belongs", call().header("ApiKey", &token)),
            ("an empty token", call().header("Authorization", "")),
            ("Bearer and nothing", call().header("Authorization", "Bearer ")),
            ("another scheme", call().header("Authorization", &format!("Basic {token}"))),
            ("a token of a revoked key", call().header("Authorization", &dead_token)),
            ("a forged token", call().header("Authorization", &forged)),
            ("a token twice", call().header("Authorization", &token).header("Authorization", &token)),
            ("nothing and a good key", call().header("ApiKey", "").header("ApiKey", &user.key)),
            ("nothing and a good token", call().header("Authorization", "").header("Authorization", &token)),
            ("a bad key and a good token", call().header("ApiKey", "bad").header("Authorization", &token)),
            ("a good key and a bad token", call().header("ApiKey", &user.key).header("Authorization", "bad")),
            ("a good key and a good token", call().header("ApiKey", &user.key).header("Authorization", &token)),
            ("a cookie without an origin", call().header("cookie", &format!("__Host-Authorization={token}"))),
            (
                "a cookie from another site",
                call()
                    .header("cookie", &format!("__Host-Authorization={token}"))
                    .header("sec-fetch-site", "cross-site"),
            ),
            (
                "a cookie twice",
                call()
                    .header("cookie", &format!("__Host-Authorization={token}; __Host-Authorization={token}"))
                    .header("sec-fetch-site", "same-origin"),
            ),
            (
                "a cookie of another name",
                call().header("cookie", &format!("Authorization={token}")).header("sec-fetch-site", "same-origin"),
            ),
            ("headers that claim a user", call().header("x-user-id", &user.user.uid.to_string())),
        ];
        for (what, call) in calls {
            let answer = call.send().await;
            assert_eq!(
                answer.bytes(),
                r#"401 {"code":"UnAuthorizedAccess","details":null,"message":"the credential is missing or not valid"}"#,
                "{} with {what}",
                row.route
            );
        }
    }
    assert_eq!(stack.contents().await, before);
}

/// A key that was revoked and a token that was born of it before.
async fn dead_credentials(user: &Person) -> (String, String) {
    let dead = user.api_key("dead").await;
    let token = crate::stack::token_of(&user.stack, &dead.value).await;
    assert_eq!(user.patch(&dead.path(), json!({})).await.status, 204);
    (dead.value, token)
}

#[tokio::test]
async fn a_credential_in_the_query_is_no_second_one() {
    let stack = Stack::start().await;
    let user = stack.tenant("northwind").await.user().await;
    let key = &user.key;
    for query in ["ApiKey", "apikey", "APIKEY", "apiKey"] {
        let answer = stack.request("GET", &format!("/v1/apiKeys?{query}={key}")).send().await;
        assert_eq!(answer.status, 200);
    }
    for (path, header) in [
        (format!("/v1/apiKeys?ApiKey={key}&apikey={key}"), None),
        (format!("/v1/apiKeys?ApiKey={key}&ApiKey={key}"), None),
        (format!("/v1/apiKeys?ApiKey={key}"), Some(("ApiKey", key.as_str()))),
        (format!("/v1/apiKeys?ApiKey={key}"), Some(("ApiKey", "bad"))),
        (format!("/v1/apiKeys?ApiKey={key}"), Some(("Authorization", "bad"))),
        ("/v1/apiKeys?ApiKey=".to_owned(), None),
    ] {
        let mut call = stack.request("GET", &path);
        if let Some((name, value)) = header {
            call = call.header(name, value);
        }
        assert_eq!(call.send().await.code(), "UnAuthorizedAccess", "{path}");
    }
}

#[tokio::test]
async fn another_tenants_thing_looks_like_one_that_does_not_exist() {
    let stack = Stack::start().await;
    let (northwind, fabrikam) = (stack.tenant("northwind").await, stack.tenant("fabrikam").await);
    let victim = northwind.admin().await;
    let before = stack.contents().await;
    for attacker in [fabrikam.admin().await, fabrikam.user().await] {
        for row in
            table().iter().filter(|row| ["{uid}", "{user}", "{tenantUid}"].iter().any(|name| row.route.contains(name)))
        {
            let ask = async |target: Target| row.call(&stack, &target).header("ApiKey", &attacker.key).send().await;
            let theirs = ask(Target::of(&victim)).await;
            assert_eq!(theirs.bytes(), ask(Target::named(&random_uid(&stack))).await.bytes(), "{}", row.route);
            assert_eq!(theirs.bytes(), ask(Target::named("no-uid-at-all")).await.bytes(), "{}", row.route);
            assert!(theirs.status >= 400, "{}: {}", row.route, theirs.status);
        }
    }
    let tenant = victim.user.tenant.to_string();
    let untouched: Vec<_> = before.lines().filter(|line| line.contains(&tenant)).collect();
    assert!(untouched.len() > 5);
    let after = stack.contents().await;
    assert!(untouched.iter().all(|line| after.contains(line)), "something of the victim changed");
    assert_eq!(victim.get(&format!("/v1/apiKeys/{}", victim.key_uid)).await.status, 200);
}

#[tokio::test]
async fn without_permission_others_things_are_out_of_reach() {
    let stack = Stack::start().await;
    let northwind = stack.tenant("northwind").await;
    let (admin, user) = (northwind.admin().await, northwind.user().await);
    let before = stack.contents().await;
    for row in table() {
        let Some((status, code)) = row.without_permission else { continue };
        let mut row = row;
        if row.route == "POST /v1/apiKeys" {
            let body = row.body.as_mut().unwrap();
            body["spec"]["userUid"] = json!(admin.user.uid);
        }
        let answer = row.call(&stack, &Target::of(&admin)).header("ApiKey", &user.key).send().await;
        assert_eq!((answer.status, answer.code()), (status, code), "{}: {}", row.route, answer.text);
        if status == 404 {
            let random = row.call(&stack, &Target::named(&random_uid(&stack))).header("ApiKey", &user.key).send().await;
            assert_eq!(answer.bytes(), random.bytes(), "{}", row.route);
        }
    }
    assert_eq!(stack.contents().await, before);
}

#[tokio::test]
async fn public_routes_do_not_mind_a_stale_credential() {
    let stack = Stack::start().await;
    let user = stack.tenant("northwind").await.user().await;
    let token = user.token().await;
    let stale = unknown_key(&stack);
    for path in ["/.well-known/jwks.json".to_owned(), format!("/v1/auth/refresh/{token}")] {
        let answer = stack.request("GET", &path).header("ApiKey", &stale).send().await;
        assert_eq!(answer.status, 200, "{path}");
    }
    let answer = stack.request("GET", "/v1/nothing/here").header("ApiKey", &stale).send().await;
    assert_eq!((answer.status, answer.code()), (404, "ResourceNotFound"));
}

#[tokio::test]
async fn paths_have_one_form() {
    let stack = Stack::start().await;
    let user = stack.tenant("northwind").await.user().await;
    for path in [
        "/v1//apiKeys",
        "/v1/./apiKeys",
        "/v1/auth/../apiKeys",
        "/v1/auth/%2e%2e/apiKeys",
        "/v1/apiKeys;x",
        "/V1/apikeys",
        "/v1/apiKeys%00",
        "/v1/apiKeys/",
        "/v1%2fapiKeys",
        "/apiKeys",
    ] {
        let answer = user.get(path).await;
        assert_eq!((answer.status, answer.code()), (404, "ResourceNotFound"), "{path}");
    }
    for method in ["HEAD", "OPTIONS", "TRACE", "POST", "PURGE"] {
        let answer = user.request(method, "/v1/users/me").send().await;
        assert_eq!((answer.status, answer.code()), (404, "ResourceNotFound"), "{method}");
    }
}

#[tokio::test]
async fn the_tenant_comes_from_the_caller_alone() {
    let stack = Stack::start().await;
    let (northwind, fabrikam) = (stack.tenant("northwind").await, stack.tenant("fabrikam").await);
    let (admin, other) = (northwind.admin().await, fabrikam.admin().await);
    for header in ["TenantUid", "X-Tenant-Id", "tenant"] {
        let path = format!("/v1/apiKeys?tenantUid={}", other.user.tenant);
        let list = admin.request("GET", &path).header(header, &other.user.tenant.to_string()).send().await;
        assert!(!list.text.contains(&other.key_uid.to_string()));
        assert!(list.text.contains(&admin.key_uid.to_string()));
    }
}

#[tokio::test]
async fn a_project_must_be_one_of_the_tenant() {
    let stack = Stack::start().await;
    let (northwind, fabrikam) = (stack.tenant("northwind").await, stack.tenant("fabrikam").await);
    let user = northwind.user().await;
    let project = |organization: &crate::stack::Organization| {
        let (stack, tenant) = (stack.clone(), organization.tenant.uid);
        async move { stack.service.store.projects(tenant).await.unwrap()[0].uid.to_string() }
    };
    let (own, foreign) = (project(&northwind).await, project(&fabrikam).await);
    let ask = async |uid: &str| user.request("GET", "/v1/users/info").header("Projectuid", uid).send().await;
    assert_eq!(ask(&own).await.status, 200);
    let refused = ask(&foreign).await;
    assert_eq!((refused.status, refused.code()), (404, "ProjectNotFoundInTenant"));
    assert_eq!(refused.bytes(), ask(&random_uid(&stack)).await.bytes());
    assert_eq!(refused.bytes(), ask("x").await.bytes());
}
