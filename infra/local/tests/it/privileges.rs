//! Least privilege, both ways: no function does what its policy lacks, and no permission is without use.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{File, OpenOptions},
    io::Write as _,
    sync::{Mutex, OnceLock},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use local::{
    policy::{Access, Policy, Seen, Statement, Witness},
    template::Template,
};
use serde_json::{Value, json};

use crate::{
    access::{self, Target},
    browser::Browser,
    provider::Provider,
    session::{OTHER, PASSWORD},
    sso::{self, Guest},
    stack::{Created, LATER, Stack, random_uid},
};
/// Where tests note what functions do, for [`no_permission_is_without_use`] to read.
const RECORD: &str = "LATCHKEY_TEST_RECORD";

#[allow(clippy::disallowed_methods, reason = "whether to take notes is the business of whoever runs the tests")]
fn record() -> Option<String> {
    std::env::var(RECORD).ok()
}

/// Fails a test in which a function does what its policy lacks, whether the function could go on without or not. So every
/// permission that is noted here is one without which a test would fail.
pub(crate) fn witness() -> Witness {
    static NOTES: OnceLock<Mutex<(BTreeSet<String>, Option<File>)>> = OnceLock::new();
    let notes = NOTES.get_or_init(|| {
        let file = record().map(|path| OpenOptions::new().create(true).append(true).open(path).unwrap());
        Mutex::new((BTreeSet::new(), file))
    });
    Witness::new(move |seen| {
        assert!(seen.is_allowed, "the policy of {} lacks {:?}", seen.function, seen.access);
        let (known, file) = &mut *notes.lock().unwrap();
        let Some(file) = file else { return };
        let note = serde_json::to_string(&without_names(seen.clone())).unwrap();
        if known.insert(note.clone()) {
            writeln!(file, "{note}").unwrap();
        }
    })
}

/// The same for whatever partition and table of its kind, so that there are few of them.
fn without_names(mut seen: Seen) -> Seen {
    seen.access.table = seen.resource.clone();
    for key in &mut seen.access.leading_keys {
        if let Some(at) = key.find('#') {
            key.truncate(at + 1);
        }
    }
    seen.access.leading_keys.sort();
    seen.access.leading_keys.dedup();
    seen.access.attributes.sort();
    seen.access.attributes.dedup();
    seen
}

/// Each way of taking something away from statements: an action of one, a resource, a kind of partition or an attribute; with the
/// statement that it belongs to.
fn reductions(statements: &[Statement]) -> Vec<(usize, String, Vec<Statement>)> {
    let mut reductions = Vec::new();
    for (at, statement) in statements.iter().enumerate() {
        let mut reduce = |what: String, change: &dyn Fn(&mut Statement)| {
            let mut reduced = statements.to_vec();
            change(&mut reduced[at]);
            reductions.push((at, what, reduced));
        };
        for action in &statement.actions {
            reduce(action.clone(), &|statement| statement.actions.retain(|it| it != action));
        }
        if statement.resources.len() > 1 {
            for resource in &statement.resources {
                reduce(format!("{:?} at {resource}", statement.actions), &|statement| {
                    statement.resources.retain(|it| it != resource);
                });
            }
        }
        for key in statement.leading_keys.iter().flatten() {
            let what = format!("{:?} of {:?} on {key}", statement.actions, statement.resources);
            reduce(what, &|statement| statement.leading_keys.as_mut().unwrap().retain(|it| it != key));
        }
        for attribute in statement.attributes.iter().flatten() {
            let what = format!("{:?} of {:?} for {attribute}", statement.actions, statement.resources);
            reduce(what, &|statement| statement.attributes.as_mut().unwrap().retain(|it| it != attribute));
        }
    }
    reductions
}

/// Functions that take no API key, or no token, or neither, whatever stands in their routes.
const WITHOUT_KEYS: [&str; 3] = ["refresh", "console", "sign_up"];

#[tokio::test]
async fn every_function_notes_by_which_key_and_session_it_is_called() {
    let stack = Stack::start().await;
    let ada = stack.sign_up("ada@contoso.example", "contoso", PASSWORD).await;
    let projects = ada.call("GET", "/v1/dashboard/projects/metadata", None).await;
    let project = projects.body["items"][0]["metadata"]["uid"].as_str().unwrap().to_owned();
    let functions: BTreeMap<String, String> = Template::load()
        .functions
        .into_iter()
        .flat_map(|function| {
            function.routes.iter().map(|route| (route.key(), function.name.clone())).collect::<Vec<_>>()
        })
        .collect();
    let nowhere = Target::named(&random_uid(&stack));
    let (mut by_key, mut by_session) = (BTreeSet::new(), BTreeSet::new());
    for (at, row) in access::table().into_iter().enumerate() {
        let function = &functions[&row.key()];
        let is_open = row.public && function != "authenticate";
        if is_open || WITHOUT_KEYS.contains(&function.as_str()) {
            continue;
        }
        let ada = stack.session("ada@contoso.example", PASSWORD, None).await;
        // A key of its own, which nobody has used yet.
        let body = json!({ "metadata": { "name": format!("key-{at}") }, "spec": { "expiry": LATER } });
        let made = ada.call("POST", "/v1/apiKeys", Some(body)).await;
        let key = Created::of(&made);
        let called =
            row.call(&stack, &nowhere).header("ApiKey", &key.value).header("ProjectUid", &project).send().await;
        if called.status != 401 {
            let seen = ada.call("GET", &key.path(), None).await;
            assert!(seen.body["status"]["lastUse"].is_object(), "{}: {}", row.route, seen.text);
            by_key.insert(function.clone());
        }
        assert_eq!(ada.call("DELETE", &key.path(), None).await.status, 204);
        if function == "authenticate" {
            continue;
        }
        // A session of its own, to another instance of the function, which knows no signing key yet.
        let session = stack.session("ada@contoso.example", PASSWORD, None).await;
        stack.advance(Duration::from_mins(3));
        let instance = stack.another_instance().await;
        let call = row.call(&instance, &nowhere).header("Authorization", &session.token);
        let called = call.header("ProjectUid", &project).send().await;
        assert_ne!(called.code(), "UnAuthorizedAccess", "{}: {}", row.route, called.text);
        let claims = session.token.split('.').nth(1).unwrap();
        let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
        let sessions = stack.session("ada@contoso.example", PASSWORD, None).await;
        let sessions = sessions.call("GET", "/v1/users/auth/sessions", None).await;
        let of_call = |item: &&Value| item["metadata"]["uid"] == claims["sid"];
        if let Some(item) = sessions.body["items"].as_array().unwrap().iter().find(of_call) {
            assert_ne!(
                item["status"]["lastUsedTimestamp"], item["metadata"]["creationTimestamp"],
                "{}: {item}",
                row.route
            );
        }
        by_session.insert(function.clone());
    }
    let holders = |policy: &str| -> BTreeSet<String> {
        let functions = Template::load().functions.into_iter();
        let holds = functions.filter(|it| it.policy.statements.iter().any(|it| it.managed.as_deref() == Some(policy)));
        holds.map(|function| function.name).collect()
    };
    // The authorizer has no route, and the console takes no key and shows its pages to sessions: see below.
    by_key.insert("authorizer".to_owned());
    by_session.extend(["authorizer", "console"].map(ToOwned::to_owned));
    assert_eq!((by_key, by_session), (holders("KeyUsePolicy"), holders("SessionUsePolicy")));

    let session = stack.session("ada@contoso.example", PASSWORD, None).await;
    stack.advance(Duration::from_mins(3));
    let things = stack.request("GET", "/things/1").header("Authorization", &session.token);
    assert!(things.authorize().await.unwrap().is_authorized);
}

#[tokio::test]
async fn whichever_way_the_first_person_signs_in_a_signing_key_is_made() {
    for way in ["console", "sso"] {
        let stack = Stack::start().await;
        let northwind = stack.tenant("northwind").await;
        stack.sign_up_only(sso::INES, "fabrikam", PASSWORD).await;
        assert!(stack.service.store.signing_keys().await.unwrap().is_empty());
        if way == "console" {
            Browser::signed_in(&stack, sso::INES, PASSWORD).await.shows("My API Keys");
        } else {
            let admin = northwind.admin().await;
            let provider = Provider::start(stack.clock.clone()).await;
            let path = format!("/v1/tenants/{}", northwind.tenant.uid);
            let config = admin.post(&format!("{path}/oidc/config"), sso::config(&provider.url)).await;
            assert_eq!(config.status, 204, "{}", config.text);
            let domains = json!({ "domains": ["northwind.example"] });
            assert_eq!(admin.post(&format!("{path}/domains"), domains).await.status, 204);
            stack.says_whose("northwind.example", &northwind.tenant.uid.to_string());
            let verified = admin.post(&format!("{path}/domains/northwind.example/verify"), json!({})).await;
            assert_eq!(verified.status, 204, "{}", verified.text);
            provider.knows(sso::person("7", "tom@northwind.example"));
            let tom = sso::signed_in(&stack, &Guest::new(&stack).come(sso::LOGIN, &provider).await);
            assert_eq!(tom.status().await, 200);
        }
        assert_eq!(stack.service.store.signing_keys().await.unwrap().len(), 1, "{way}");
    }
}

#[tokio::test]
async fn attempts_at_an_address_that_nobody_has_are_recorded_at_the_console_too() {
    let stack = Stack::start().await;
    let mut browser = Browser::at(&stack, "/sign-in").await;
    browser.submit("/sign-in", &[("email", "nobody@nowhere.example"), ("password", "Harbour-7-lamp")]).await;
    assert_eq!(browser.page.status, 401, "{}", browser.page.text);
    assert!(stack.everything().await.contains("NOBODY#"), "nothing was recorded");
}

#[tokio::test]
async fn a_domain_is_proven_and_given_up_and_an_identity_unlinked_by_hand() {
    let (stack, provider, ines) = sso::northwind().await;
    let mut browser = Browser::signed_in(&stack, sso::INES, PASSWORD).await;
    stack.says_whose("northwind.test", &ines.tenant_uid().await);
    browser.open("/tenant/settings").await;
    browser.submit("/tenant/settings/domains", &[("domains", "northwind.test")]).await;
    browser.submit("/tenant/settings/domains/verify", &[("domain", "northwind.test")]).await;
    browser.shows("The domain is proven.");
    browser.submit("/tenant/settings/domains", &[("domains", "")]).await;
    assert!(!browser.page.text.contains("northwind.test"), "{}", browser.page.text);
    assert!(!stack.everything().await.contains("DOMAIN#"), "a domain that was given up is still held");

    provider.knows(sso::person("7", sso::INES));
    let mut guest = Guest::new(&stack);
    let going = guest.begin(sso::LOGIN).await;
    let code = provider.code(&going);
    let address = sso::location(&guest.open(&sso::back(&going, &code)).await);
    let page = guest.open(&address).await;
    assert_eq!(guest.submit(&page, "/sso/link", &[("password", PASSWORD)]).await.status, 303);
    let page = guest.open("/profile").await;
    let removed = guest.submit(&page, "/profile/identities/remove", &[]).await;
    assert_eq!(removed.status, 303, "{}", removed.text);
    assert!(!stack.everything().await.contains("\"pk\":{\"S\":\"LINK#"), "the link is still there");
}

#[tokio::test]
async fn a_password_that_another_admin_has_set_goes_when_its_person_comes_by_the_provider() {
    let (stack, provider, _) = sso::northwind().await;
    let rob = stack.sign_up("rob@fabrikam.example", "fabrikam", PASSWORD).await;
    let (tom, token) = rob.invite("tom@northwind.example", &[]).await;
    assert_eq!(stack.set_password(&token, "activate", OTHER).await.status, 204);
    let planted = json!({ "newPassword": "Planted-9-kettle" });
    let path = format!("/v1/users/{tom}/password/change");
    assert_eq!(rob.call("PATCH", &path, Some(planted)).await.status, 204);
    assert_eq!(stack.sign_in("tom@northwind.example", "Planted-9-kettle", None).await.status, 200);
    provider.knows(sso::person("7", "tom@northwind.example"));
    sso::signed_in(&stack, &Guest::new(&stack).come(sso::LOGIN, &provider).await);
    assert_eq!(stack.sign_in("tom@northwind.example", "Planted-9-kettle", None).await.status, 401);
}

/// Logs and streams are Lambda's business, in the name of the function.
fn is_for_functions(what: &str) -> bool {
    !["logs:", "Stream", "GetRecords", "GetShardIterator"].iter().any(|other| what.contains(other))
}

#[test]
#[ignore = "reads what all other tests have noted, and so runs after them"]
fn no_permission_is_without_use() {
    let notes = std::fs::read_to_string(record().expect("the notes have a place")).unwrap();
    let mut did: BTreeMap<String, Vec<(Access, String)>> = BTreeMap::new();
    for line in notes.lines() {
        let Seen { function, access, resource, .. } = serde_json::from_str(line).unwrap();
        did.entry(function).or_default().push((access, resource));
    }
    let (mut checked, mut unused) = (0, Vec::new());
    // What functions share may overlap with what one of them has besides; it must be needed by one of them, and of use to each.
    let (mut shared, mut needed) = (BTreeSet::new(), BTreeSet::new());
    for function in Template::load().functions {
        let did = did.remove(&function.name).unwrap_or_default();
        let bounds = &function.policy.boundary;
        for (_, what, boundary) in reductions(bounds).into_iter().filter(|(_, what, _)| is_for_functions(what)) {
            let policy = Policy { boundary, ..function.policy.clone() };
            let is_needed = did.iter().any(|(access, resource)| !policy.allows(access, resource));
            shared.insert(("Boundary".to_owned(), what.clone()));
            if is_needed {
                needed.insert(("Boundary".to_owned(), what));
            }
        }
        for (at, what, statements) in reductions(&function.policy.statements) {
            let reduced = Policy { statements, boundary: bounds.clone() };
            checked += 1;
            let is_needed = did.iter().any(|(access, resource)| !reduced.allows(access, resource));
            let before = &function.policy.statements[at];
            let Some(managed) = &before.managed else {
                if !is_needed {
                    unused.push(format!("{}, statement {at}: {what}", function.name));
                }
                continue;
            };
            shared.insert((managed.clone(), what.clone()));
            if is_needed {
                needed.insert((managed.clone(), what.clone()));
            }
            let after = &reduced.statements[at];
            if !did.iter().any(|(access, at)| before.allows(access, at) && !after.allows(access, at)) {
                unused.push(format!("{}, {managed}: {what}", function.name));
            }
        }
    }
    unused.extend(shared.difference(&needed).map(|(managed, what)| format!("{managed}: {what}")));
    assert!(unused.is_empty(), "{} of {checked} permissions are without use:\n{}", unused.len(), unused.join("\n"));
    println!("{checked} permissions, each of which a test would miss");
}
