//! What happens at once, and what must come of it.

use std::sync::Arc;

use serde_json::json;
use tokio::sync::Semaphore;

use crate::{
    invariants,
    stack::{Created, LATER, Person, Stack, counted, token_of},
};

const ROUNDS: usize = 200;

async fn opens(stack: &Stack, name: &str, value: &str) -> u16 {
    stack.request("GET", "/v1/users/me").header(name, value).send().await.status
}

async fn key(person: &Person, round: usize) -> Created {
    person.api_key(&format!("key-{round}")).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn once_revoking_is_answered_nothing_opens_whatever_happens_at_once() {
    let stack = Stack::start().await;
    let user = stack.tenant("northwind").await.user().await;
    for round in 0..ROUNDS {
        let key = key(&user, round).await;
        let token = token_of(&stack, &key.value).await;
        let mut others = Vec::new();
        for other in 0..6 {
            let (user, stack, path, value) = (user.clone(), stack.clone(), key.path(), key.value.clone());
            others.push(tokio::spawn(async move {
                match other {
                    // Edits may lose against each other, never against the table's state.
                    0 | 1 => {
                        user.put(&path, json!({ "metadata": { "name": format!("edit-{round}-{other}") } })).await.status
                    }
                    2 => user.put(&path, json!({ "spec": { "expiry": LATER } })).await.status,
                    3 => opens(&stack, "ApiKey", &value).await,
                    4 => stack.request("POST", "/v1/auth/authenticate").header("ApiKey", &value).send().await.status,
                    _ => user.get(&path).await.status,
                }
            }));
        }
        assert_eq!(user.patch(&key.path(), json!({ "isActive": false })).await.status, 204);
        // From here on it is dead, while the others may still be under way.
        assert_eq!(opens(&stack, "ApiKey", &key.value).await, 401);
        assert_eq!(opens(&stack, "Authorization", &token).await, 401);
        for other in others {
            let status = other.await.unwrap();
            assert!([200, 204, 401, 409].contains(&status), "{status}");
        }
        assert_eq!(opens(&stack, "ApiKey", &key.value).await, 401, "no edit brought it back");
        assert_eq!(user.delete(&key.path()).await.status, 204);
    }
    invariants::check(&stack.contents().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn revoking_wins_against_re_activating_whichever_comes_first() {
    let stack = Stack::start().await;
    let user = stack.tenant("northwind").await.user().await;
    let mut reactivated_first = 0;
    for round in 0..ROUNDS {
        let key = key(&user, round).await;
        assert_eq!(user.patch(&key.path(), json!({ "isActive": false })).await.status, 204);
        let version = async || user.get(&key.path()).await.body["metadata"]["lastModifiedTimestamp"].clone();
        let before = version().await;
        let set = |is_active: bool| {
            let (user, path) = (user.clone(), key.path());
            tokio::spawn(async move { user.patch(&path, json!({ "isActive": is_active })).await.status })
        };
        let (reactivated, revoked) = (set(true), set(false));
        let (reactivated, revoked) = (reactivated.await.unwrap(), revoked.await.unwrap());
        assert_eq!(revoked, 204);
        match (reactivated, opens(&stack, "ApiKey", &key.value).await) {
            // It came first and was undone, or it came second, on a key that nobody had touched since it was read...
            (204, 401) => reactivated_first += 1,
            // ... or it met the revoking and lost.
            (409, 401) => {}
            // It was read after the revoking: to re-activate is what it was asked for.
            (204, 200) => assert_ne!(version().await, before),
            other => panic!("{other:?}"),
        }
        assert_eq!(user.delete(&key.path()).await.status, 204);
    }
    println!("re-activated first in {reactivated_first} of {ROUNDS} rounds");
    invariants::check(&stack.contents().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_re_activation_that_was_read_before_a_revoking_does_not_outlive_it() {
    let stack = Stack::start().await;
    let user = stack.tenant("northwind").await.user().await;
    let key = user.api_key("deploy").await;
    assert_eq!(user.patch(&key.path(), json!({ "isActive": false })).await.status, 204);
    let store = &stack.service.store;
    let read = store.api_key(user.user.tenant, key.uid.parse().unwrap()).await.unwrap().unwrap();
    // Between its read and its write a revoking is answered.
    assert_eq!(user.patch(&key.path(), json!({ "isActive": false })).await.status, 204);
    let after = read.clone().reactivate(stack.clock.now()).unwrap();
    assert!(matches!(
        store.on_record(&[]).reactivate_api_key(&read, &after, None).await,
        Err(store::StoreError::Conflict)
    ));
    assert_eq!(opens(&stack, "ApiKey", &key.value).await, 401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_deleted_key_never_returns() {
    let stack = Stack::start().await;
    let user = stack.tenant("northwind").await.user().await;
    for round in 0..ROUNDS {
        let key = key(&user, round).await;
        let others: Vec<_> = (0..4)
            .map(|other| {
                let (user, path) = (user.clone(), key.path());
                tokio::spawn(async move {
                    match other {
                        0 => user.put(&path, json!({ "metadata": { "name": format!("edit-{round}") } })).await.status,
                        1 => user.patch(&path, json!({ "isActive": true })).await.status,
                        2 => user.patch(&path, json!({ "isActive": false })).await.status,
                        _ => user.delete(&path).await.status,
                    }
                })
            })
            .collect();
        let deleted = user.delete(&key.path()).await.status;
        assert!([204, 404].contains(&deleted), "{deleted}");
        for other in others {
            let status = other.await.unwrap();
            assert!([204, 404, 409].contains(&status), "{status}");
        }
        assert_eq!(user.get(&key.path()).await.status, 404);
        assert_eq!(opens(&stack, "ApiKey", &key.value).await, 401);
    }
    assert_eq!(invariants::check(&stack.contents().await).len(), 1, "the first key of the user alone");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_fifty_creates_of_one_name_exactly_one_succeeds() {
    let stack = Stack::start().await;
    let user = stack.tenant("northwind").await.user().await;
    let creates: Vec<_> = (0..50)
        .map(|number| {
            let user = user.clone();
            let name = if number % 2 == 0 { "deploy" } else { "DEPLOY" };
            tokio::spawn(async move {
                user.post("/v1/apiKeys", json!({ "metadata": { "name": name }, "spec": { "expiry": LATER } }))
                    .await
                    .bytes()[..3]
                    .to_owned()
            })
        })
        .collect();
    let mut statuses = Vec::new();
    for create in creates {
        statuses.push(create.await.unwrap());
    }
    assert_eq!(counted(statuses), counted([vec!["201".to_owned()], vec!["409".to_owned(); 49]].concat()));
    assert_eq!(invariants::check(&stack.contents().await).len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_forty_creates_at_once_nineteen_fit_beside_the_first() {
    let stack = Stack::start().await;
    let user = stack.tenant("northwind").await.user().await;
    let creates: Vec<_> = (0..40)
        .map(|number| {
            let user = user.clone();
            tokio::spawn(async move {
                let body = json!({ "metadata": { "name": format!("key-{number}") }, "spec": { "expiry": LATER } });
                user.post("/v1/apiKeys", body).await.status
            })
        })
        .collect();
    let mut statuses = Vec::new();
    for create in creates {
        statuses.push(create.await.unwrap());
    }
    assert_eq!(counted(statuses), counted([vec![201; 19], vec![403; 21]].concat()));
    assert_eq!(invariants::check(&stack.contents().await).len(), 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn identities_do_not_bleed_between_concurrent_requests() {
    let stack = Stack::start().await;
    let (one, other) = (stack.tenant("northwind").await.user().await, stack.tenant("fabrikam").await.user().await);
    let at_once = Arc::new(Semaphore::new(64));
    let calls: Vec<_> = (0..2000)
        .map(|number| {
            let at_once = at_once.clone();
            let (mine, theirs) =
                if number % 2 == 0 { (one.clone(), other.clone()) } else { (other.clone(), one.clone()) };
            tokio::spawn(async move {
                let _one_of = at_once.acquire().await.unwrap();
                let list = mine.get("/v1/apiKeys").await;
                list.text.contains(&mine.key_uid.to_string()) && !list.text.contains(&theirs.key_uid.to_string())
            })
        })
        .collect();
    for call in calls {
        assert!(call.await.unwrap());
    }
}
