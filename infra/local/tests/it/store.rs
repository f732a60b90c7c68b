//! The store itself: conditions, transactions, limits. Run on the embedded emulator and on DynamoDB Local.

use std::time::Duration;

use domain::{
    ApiKey, SessionUid,
    api_key::{ApiKeyUpdate, ApiKeyValue, Name},
    session::Session,
};
use local::demo;
use serde_json::json;
use store::{CreateRefused, ReplaceRefused, Store, StoreError};

use crate::{
    invariants,
    stack::{LATER, Person, Stack, random_uid},
};

async fn user() -> (Stack, Store, Person) {
    let stack = Stack::start().await;
    let user = stack.tenant("northwind").await.user().await;
    (stack.clone(), stack.service.store.clone(), user)
}

fn drawn(stack: &Stack, user: &Person, name: &str) -> (ApiKey, ApiKeyValue) {
    let now = stack.clock.now();
    demo::draw_api_key(&stack.entropy, &user.user, name, now + Duration::from_hours(1), now).unwrap()
}

fn renamed(key: &ApiKey, name: &str) -> ApiKey {
    let update = ApiKeyUpdate { name: Some(Name::parse(name).unwrap()), ..ApiKeyUpdate::default() };
    key.clone().update(update, key.created_at).unwrap()
}

#[tokio::test]
async fn what_is_written_is_read() {
    let (stack, store, user) = user().await;
    let (key, value) = drawn(&stack, &user, "deploy");
    store.on_record(&[]).create_api_key(&key, &value.digest(), 20, None).await.unwrap();
    assert_eq!(store.api_key(key.tenant, key.uid).await.unwrap(), Some(key.clone()));
    let (stored, owner) = store.api_key_and_user(&value).await.unwrap();
    assert_eq!(stored.unwrap(), (key.clone(), value.digest()));
    assert_eq!(owner, Some(user.user.clone()));
    let listed = store.api_keys_of_user(key.tenant, key.user).await.unwrap();
    assert!(listed.contains(&key) && listed.len() == 2);
    let (keys, users) = store.api_keys_of_tenant(key.tenant).await.unwrap();
    assert_eq!((keys.len(), users.len()), (2, 2), "the founder is there too");
    assert!(users.contains(&user.user));
    let other: domain::TenantUid = random_uid(&stack).parse().unwrap();
    assert_eq!(store.api_key(other, key.uid).await.unwrap(), None);
    assert_eq!(store.user(other, user.user.uid).await.unwrap(), None);
}

#[tokio::test]
async fn a_refused_create_writes_nothing() {
    let (stack, store, user) = user().await;
    let before = stack.contents().await;
    let (taken, value) = drawn(&stack, &user, "FIRST");
    assert!(matches!(
        store.on_record(&[]).create_api_key(&taken, &value.digest(), 20, None).await,
        Err(CreateRefused::DuplicateName)
    ));
    let (key, value) = drawn(&stack, &user, "second");
    assert!(matches!(
        store.on_record(&[]).create_api_key(&key, &value.digest(), 1, None).await,
        Err(CreateRefused::LimitReached)
    ));
    let orphan = ApiKey { user: random_uid(&stack).parse().unwrap(), ..key.clone() };
    assert!(matches!(
        store.on_record(&[]).create_api_key(&orphan, &value.digest(), 20, None).await,
        Err(CreateRefused::UserGone)
    ));
    let foreign = ApiKey { tenant: random_uid(&stack).parse().unwrap(), ..key };
    assert!(store.on_record(&[]).create_api_key(&foreign, &value.digest(), 20, None).await.is_err());
    assert_eq!(stack.contents().await, before);
}

#[tokio::test]
async fn a_change_of_what_has_changed_is_refused() {
    let (stack, store, user) = user().await;
    let (read, value) = drawn(&stack, &user, "deploy");
    store.on_record(&[]).create_api_key(&read, &value.digest(), 20, None).await.unwrap();
    store.on_record(&[]).replace_api_key(&read, &renamed(&read, "other"), None).await.unwrap();
    let before = stack.contents().await;
    let again = store.on_record(&[]).replace_api_key(&read, &renamed(&read, "third"), None).await;
    assert!(matches!(again, Err(ReplaceRefused::Store(StoreError::Conflict))), "{again:?}");
    assert!(matches!(store.on_record(&[]).delete_api_key(&read).await, Err(StoreError::Conflict)));
    assert_eq!(stack.contents().await, before);
    // Revoking alone does not ask what else has changed.
    store.on_record(&[]).revoke_api_key(&read.clone().revoke(stack.clock.now())).await.unwrap();
    let now = store.api_key(read.tenant, read.uid).await.unwrap().unwrap();
    assert_eq!((now.name.as_str(), now.is_active, now.version), ("other", false, 3));
    store.on_record(&[]).delete_api_key(&now).await.unwrap();
    assert!(matches!(store.on_record(&[]).delete_api_key(&now).await, Err(StoreError::Conflict)));
    assert!(matches!(store.on_record(&[]).revoke_api_key(&now).await, Err(StoreError::Conflict)));
    let gone = store.on_record(&[]).replace_api_key(&now, &renamed(&now, "ghost"), None).await;
    assert!(matches!(gone, Err(ReplaceRefused::Store(StoreError::Conflict))));
    invariants::check(&stack.contents().await);
}

#[tokio::test]
async fn extending_a_key_moves_the_end_of_all_its_items() {
    let (stack, store, user) = user().await;
    let (key, value) = drawn(&stack, &user, "deploy");
    store.on_record(&[]).create_api_key(&key, &value.digest(), 20, None).await.unwrap();
    let later = stack.clock.now() + Duration::from_hours(48);
    let update = ApiKeyUpdate { expires_at: Some(later), ..ApiKeyUpdate::default() };
    store
        .on_record(&[])
        .replace_api_key(&key, &key.clone().update(update, stack.clock.now()).unwrap(), None)
        .await
        .unwrap();
    let ttl = (later.secs() + 30 * 86_400).to_string();
    let contents = stack.contents().await;
    let of_key = contents.lines().filter(|line| line.contains(&key.uid.to_string()));
    let ttls: Vec<_> = of_key
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["item"]["ttl"]["N"].clone())
        .collect();
    assert_eq!(ttls, vec![json!(ttl); 3]);
}

#[tokio::test]
async fn a_counter_that_counts_removed_keys_is_put_right_when_it_refuses() {
    let (stack, store, user) = user().await;
    let mut keys = Vec::new();
    for number in 0..2 {
        let (key, value) = drawn(&stack, &user, &format!("key-{number}"));
        store.on_record(&[]).create_api_key(&key, &value.digest(), 3, None).await.unwrap();
        keys.push(key);
    }
    let (third, value) = drawn(&stack, &user, "third");
    assert!(matches!(
        store.on_record(&[]).create_api_key(&third, &value.digest(), 3, None).await,
        Err(CreateRefused::LimitReached)
    ));
    for part in [Part::Key, Part::Index, Part::Name] {
        remove_by_ttl(&stack, &keys[0], part).await;
    }
    store.on_record(&[]).create_api_key(&third, &value.digest(), 3, None).await.unwrap();
    let (fourth, value) = drawn(&stack, &user, "fourth");
    assert!(matches!(
        store.on_record(&[]).create_api_key(&fourth, &value.digest(), 3, None).await,
        Err(CreateRefused::LimitReached)
    ));
    invariants::check(&stack.contents().await);
}

/// One of the three items of a key.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Part {
    Key,
    Index,
    Name,
}

/// DynamoDB removes expired items without a word, and those of one key in any order.
async fn remove_by_ttl(stack: &Stack, key: &ApiKey, part: Part) {
    let names = stack.service.table_names();
    let in_tenant = |sk: String| json!({ "pk": { "S": format!("TENANT#{}", key.tenant) }, "sk": { "S": sk } });
    let (table, item) = match part {
        Part::Key => (names.keys, json!({ "uid": { "S": key.uid } })),
        Part::Index => (names.tenants, in_tenant(format!("KEY#{}#{}", key.user, key.uid))),
        Part::Name => (names.tenants, in_tenant(format!("API_KEY_NAME#{}#{}", key.user, key.name.folded()))),
    };
    let request = json!({ "TableName": table, "Key": item });
    stack.service.backend.execute("DeleteItem", &request).await.unwrap();
}

#[tokio::test]
async fn a_key_that_the_table_has_removed_in_part_can_be_extended_and_deleted() {
    for part in [Part::Index, Part::Name] {
        let (stack, store, user) = user().await;
        let (key, value) = drawn(&stack, &user, "deploy");
        store.on_record(&[]).create_api_key(&key, &value.digest(), 20, None).await.unwrap();
        remove_by_ttl(&stack, &key, part).await;
        let update =
            ApiKeyUpdate { expires_at: Some(key.expires_at + Duration::from_hours(1)), ..ApiKeyUpdate::default() };
        store
            .on_record(&[])
            .replace_api_key(&key, &key.clone().update(update, stack.clock.now()).unwrap(), None)
            .await
            .unwrap();
        invariants::check(&stack.contents().await);
        let now = store.api_key(key.tenant, key.uid).await.unwrap().unwrap();
        remove_by_ttl(&stack, &now, part).await;
        store.on_record(&[]).delete_api_key(&now).await.unwrap();
        assert!(!stack.contents().await.contains(&key.uid.to_string()), "{part:?}");
    }
}

#[tokio::test]
async fn a_name_that_has_become_anothers_stays_anothers() {
    let (stack, store, user) = user().await;
    let (old, value) = drawn(&stack, &user, "deploy");
    store.on_record(&[]).create_api_key(&old, &value.digest(), 20, None).await.unwrap();
    remove_by_ttl(&stack, &old, Part::Name).await;
    let (new, value) = drawn(&stack, &user, "Deploy");
    store.on_record(&[]).create_api_key(&new, &value.digest(), 20, None).await.unwrap();
    let update = ApiKeyUpdate { expires_at: Some(old.expires_at + Duration::from_hours(1)), ..ApiKeyUpdate::default() };
    let extended =
        store.on_record(&[]).replace_api_key(&old, &old.clone().update(update, stack.clock.now()).unwrap(), None).await;
    assert!(matches!(extended, Err(ReplaceRefused::DuplicateName)), "{extended:?}");
    // Neither way out takes the name along.
    let other = renamed(&old, "other");
    store.on_record(&[]).replace_api_key(&old, &other, None).await.unwrap();
    invariants::check(&stack.contents().await);
    let back = store.api_key(old.tenant, old.uid).await.unwrap().unwrap();
    let taken = store.on_record(&[]).replace_api_key(&back, &renamed(&back, "deploy"), None).await;
    assert!(matches!(taken, Err(ReplaceRefused::DuplicateName)), "{taken:?}");
    store.on_record(&[]).delete_api_key(&back).await.unwrap();
    invariants::check(&stack.contents().await);
    assert_eq!(store.api_key(new.tenant, new.uid).await.unwrap(), Some(new));
}

#[tokio::test]
async fn a_key_whose_name_was_taken_after_its_end_can_be_deleted() {
    for removed in [vec![], vec![Part::Index]] {
        let (stack, store, user) = user().await;
        let (old, value) = drawn(&stack, &user, "deploy");
        store.on_record(&[]).create_api_key(&old, &value.digest(), 20, None).await.unwrap();
        stack.advance(Duration::from_hours(1 + 31 * 24));
        let (new, value) = drawn(&stack, &user, "deploy");
        store.on_record(&[]).create_api_key(&new, &value.digest(), 20, None).await.unwrap();
        for part in &removed {
            remove_by_ttl(&stack, &old, *part).await;
        }
        assert_eq!(user.delete(&format!("/v1/apiKeys/{}", old.uid)).await.status, 204, "{removed:?}");
        let again = json!({ "metadata": { "name": "deploy" }, "spec": { "expiry": LATER } });
        assert_eq!(user.post("/v1/apiKeys", again).await.status, 409, "the name is not let go");
        if removed.is_empty() {
            invariants::check(&stack.contents().await);
        }
    }
}

#[tokio::test]
async fn a_key_that_comes_back_counts_again() {
    let stack = Stack::start().await;
    let northwind = stack.tenant("northwind").await;
    let (admin, user) = (northwind.admin().await, northwind.user().await);
    let limited = async |limit: u32| {
        let limits = json!({ "resources": [{ "kind": "apiKey", "limit": limit }] });
        let path = format!("/v1/tenants/{}/resourceLimits", user.user.tenant);
        assert_eq!(admin.patch(&path, limits).await.status, 204);
    };
    // The first key of the user and this one: two of two.
    limited(2).await;
    let (old, value) = drawn(&stack, &user, "old");
    let store = &stack.service.store;
    store.on_record(&[]).create_api_key(&old, &value.digest(), 2, None).await.unwrap();
    stack.advance(Duration::from_hours(1 + 31 * 24));
    remove_by_ttl(&stack, &old, Part::Index).await;
    let third = user.api_key("third").await;
    let path = format!("/v1/apiKeys/{}", old.uid);
    let later = json!({ "spec": { "expiry": (stack.clock.now() + Duration::from_mins(15)).to_string() } });
    let refused = user.put(&path, later.clone()).await;
    assert_eq!((refused.status, refused.code()), (403, "ResourceLimitExceeded"), "{}", refused.text);
    limited(3).await;
    assert_eq!(user.put(&path, later).await.status, 204);
    let more = json!({ "metadata": { "name": "more" }, "spec": { "expiry": LATER } });
    assert_eq!(user.post("/v1/apiKeys", more).await.status, 403);
    invariants::check(&stack.contents().await);
    for gone in [path, third.path()] {
        assert_eq!(user.delete(&gone).await.status, 204);
    }
    invariants::check(&stack.contents().await);
}

#[tokio::test]
async fn a_user_whose_keys_the_table_has_removed_can_be_deleted() {
    let stack = Stack::start().await;
    let northwind = stack.tenant("northwind").await;
    let (admin, user) = (northwind.admin().await, northwind.user().await);
    let store = stack.service.store.clone();
    let (key, value) = drawn(&stack, &user, "old");
    store.on_record(&[]).create_api_key(&key, &value.digest(), 20, None).await.unwrap();
    stack.advance(Duration::from_hours(1));
    stack.sweep().await;
    for part in [Part::Key, Part::Index, Part::Name] {
        remove_by_ttl(&stack, &key, part).await;
    }
    assert_eq!(admin.delete(&format!("/v1/users/{}", user.user.uid)).await.status, 204);
    invariants::check(&stack.contents().await);
}

#[tokio::test]
async fn an_enabling_that_was_read_before_a_disabling_is_not_written_after_it() {
    let stack = Stack::start().await;
    let northwind = stack.tenant("northwind").await;
    let (admin, user) = (northwind.admin().await, northwind.user().await);
    let store = stack.service.store.clone();
    let path = format!("/v1/users/{}", user.user.uid);
    let set = async |to: bool| {
        let change = json!([{ "op": "replace", "path": "/status/isActive", "value": to }]);
        assert_eq!(admin.patch(&path, change).await.status, 204);
    };
    set(false).await;
    let read = store.user(user.user.tenant, user.user.uid).await.unwrap().unwrap();
    let late = domain::User { is_active: true, ..read.clone() };
    // Once after they were enabled meanwhile, and once when they were disabled in vain.
    for between in [vec![true, false], vec![false]] {
        let read = store.user(user.user.tenant, user.user.uid).await.unwrap().unwrap();
        for is_active in between {
            set(is_active).await;
        }
        let enabled = store.on_record(&[]).replace_user(&read, &late).await;
        assert!(matches!(enabled, Err(store::ChangeUserRefused::Store(StoreError::Conflict))), "{enabled:?}");
    }
    assert_eq!(user.get("/v1/users/me").await.status, 401);
    set(true).await;
    assert_eq!(user.get("/v1/users/me").await.status, 200);
}

#[tokio::test]
async fn a_transaction_that_meets_others_is_sent_again_and_gives_up_in_the_end() {
    let (stack, store, user) = user().await;
    let (key, value) = drawn(&stack, &user, "deploy");
    stack.service.faults.cancel_transactions(9);
    store.on_record(&[]).create_api_key(&key, &value.digest(), 20, None).await.unwrap();
    let before = stack.contents().await;
    stack.service.faults.cancel_transactions(10);
    let revoked = store.on_record(&[]).revoke_api_key(&key.clone().revoke(stack.clock.now())).await;
    assert!(matches!(revoked, Err(StoreError::Unavailable(_))), "{revoked:?}");
    assert_eq!(stack.contents().await, before);
    store.on_record(&[]).revoke_api_key(&key.revoke(stack.clock.now())).await.unwrap();
    invariants::check(&stack.contents().await);
}

#[tokio::test]
async fn a_session_ends_once_and_belongs_to_its_user() {
    let (stack, store, user) = user().await;
    let session = |revoked_at| Session {
        uid: SessionUid::from_bytes([7; 12]),
        tenant: user.user.tenant,
        user: user.user.uid,
        created_at: stack.clock.now(),
        last_used_at: stack.clock.now(),
        revoked_at: Some(revoked_at),
        ends_at: stack.clock.now() + Duration::from_hours(12),
        sign_outs: 0,
        method: domain::sso::Method::Password,
    };
    let first = stack.clock.now();
    store.on_record(&[]).end_sessions(&[session(first)]).await.unwrap();
    store.on_record(&[]).end_sessions(&[session(first + Duration::from_secs(5))]).await.unwrap();
    assert!(stack.contents().await.contains(&format!(r#""revoked_at":{{"N":"{}"}}"#, first.millis())));
    let stolen = Session { user: random_uid(&stack).parse().unwrap(), ..session(first) };
    assert!(matches!(store.on_record(&[]).end_sessions(&[stolen]).await, Err(StoreError::Conflict)));
    store.on_record(&[]).end_sessions(&[]).await.unwrap();
}

#[tokio::test]
async fn lists_follow_all_pages() {
    let (stack, store, user) = user().await;
    // Some 1.5 MB, where a page of DynamoDB has 1 MB.
    let annotations = (0..15).map(|number| (format!("note-{number}"), "x".repeat(250)));
    let annotations = domain::Annotations::parse(annotations.collect()).unwrap();
    for number in 0..350 {
        let (key, value) = drawn(&stack, &user, &format!("key-{number}"));
        let key = ApiKey { annotations: annotations.clone(), ..key };
        store.on_record(&[]).create_api_key(&key, &value.digest(), 1000, None).await.unwrap();
    }
    assert_eq!(store.api_keys_of_user(user.user.tenant, user.user.uid).await.unwrap().len(), 351);
    let (keys, users) = store.api_keys_of_tenant(user.user.tenant).await.unwrap();
    assert_eq!((keys.len(), users.len()), (351, 2));
}
