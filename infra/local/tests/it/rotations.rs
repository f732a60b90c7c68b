//! Keys that sign tokens: made, used, removed.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use domain::Timestamp;
use functions::{app::Clock, sweeper::Event};
use tokio::task::JoinSet;

use crate::stack::{Person, Stack, amount};

const DAY: Duration = Duration::from_hours(24);

/// Which key has signed a token.
fn kid_of(token: &str) -> String {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    let header = URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap();
    let header: serde_json::Value = serde_json::from_slice(&header).unwrap();
    header["kid"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_signing_key_is_published_before_it_signs_and_stays_until_its_last_token_is_dead() {
    let stack = Stack::start().await;
    let user = stack.tenant("northwind").await.user().await;
    let published = async || {
        let keys = stack.request("GET", "/.well-known/jwks.json").send().await.body;
        keys["keys"]
            .as_array()
            .unwrap()
            .iter()
            .map(|key| key["kid"].as_str().unwrap().to_owned())
            .collect::<BTreeSet<_>>()
    };
    let old = kid_of(&user.token().await);
    assert_eq!(stack.sweep().await.signing_keys_made, 0);
    stack.advance(DAY * 30);
    assert_eq!(stack.sweep().await.signing_keys_made, 1);
    assert_eq!(stack.sweep().await.signing_keys_made, 0);
    assert_eq!(published().await.len(), 2);
    let token = user.token().await;
    assert_eq!(kid_of(&token), old, "the new one is published first");
    stack.advance(Duration::from_mins(11));
    let newer = user.token().await;
    assert_ne!(kid_of(&newer), old);
    let holds =
        async |token: &str| stack.request("GET", "/v1/users/me").header("Authorization", token).send().await.status;
    assert_eq!((holds(&token).await, holds(&newer).await), (200, 200));
    stack.advance(Duration::from_mins(13));
    assert_eq!(stack.sweep().await.signing_keys_removed, 0);
    stack.advance(Duration::from_mins(12));
    assert_eq!(stack.sweep().await.signing_keys_removed, 1);
    assert_eq!(published().await, BTreeSet::from([kid_of(&user.token().await)]));
}

#[tokio::test]
async fn a_signing_key_that_somebody_knows_is_removed_with_its_tokens() {
    let stack = Stack::start().await;
    let user = stack.tenant("northwind").await.user().await;
    let token = user.token().await;
    let kid = kid_of(&token);
    let report = stack.service.sweep(Event { revoke: Some(kid.clone()), rotate: false }).await.unwrap();
    assert_eq!((report.signing_keys_made, report.signing_keys_removed), (1, 1));
    let holds = async |stack: &Stack, token: &str| {
        stack.request("GET", "/v1/users/me").header("Authorization", token).send().await.status
    };
    // At once where nothing was read yet; after five minutes at the most where it was.
    assert_eq!(holds(&stack.another_instance().await, &token).await, 401);
    stack.advance(Duration::from_mins(6));
    assert_eq!(holds(&stack, &token).await, 401);
    let fresh = user.token().await;
    assert_ne!(kid_of(&fresh), kid);
    assert_eq!(holds(&stack, &fresh).await, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_storm_of_rotations_refuses_no_good_token_and_accepts_no_retired_one() {
    // Time runs 320 times as fast, so that two seconds are eleven minutes, a token lives three seconds, and a key that was
    // replaced is removed after seven.
    const SPEED: u64 = 320;
    let seconds = amount("LATCHKEY_TEST_STORM_SECONDS", 24);
    let stack = Stack::start().await;
    let user = stack.tenant("northwind").await.user().await;
    let mut verifiers = vec![stack.clone()];
    for _ in 0..3 {
        verifiers.push(stack.another_instance().await);
    }
    let stop = Arc::new(AtomicBool::new(false));
    let checked = Arc::new(AtomicUsize::new(0));
    let clock = {
        let (stack, stop) = (stack.clone(), stop.clone());
        tokio::spawn(async move {
            // By the machine's clock, however seldom a busy machine comes here.
            let (machine, mut moved) = (Clock::system(), 0);
            let begin = machine.now().millis();
            while !stop.load(Ordering::SeqCst) {
                tokio::time::sleep(Duration::from_millis(10)).await;
                let due = u64::try_from(machine.now().millis() - begin).unwrap() * (SPEED - 1);
                stack.advance(Duration::from_millis(due - moved));
                moved = due;
            }
        })
    };
    let mut load = JoinSet::new();
    for number in 0..4 {
        let (verifiers, user, stop) = (verifiers.clone(), user.clone(), stop.clone());
        let checked = checked.clone();
        load.spawn(async move {
            let mut turn = number;
            while !stop.load(Ordering::SeqCst) {
                turn += 1;
                let issuer = &verifiers[turn % 4];
                let issued_at = issuer.clock.now();
                let answer = issuer.request("POST", "/v1/auth/authenticate").header("ApiKey", &user.key).send().await;
                let token = answer.body["Authorization"].as_str().unwrap().to_owned();
                for verifier in &verifiers {
                    let answer = verifier.request("GET", "/v1/users/me").header("Authorization", &token).send().await;
                    // Unless the machine was so slow that the token has died meanwhile.
                    let lived = verifier.clock.now().millis() - issued_at.millis();
                    assert!(answer.status == 200 || lived > 880_000, "a good token was refused after {lived} ms");
                    checked.fetch_add(usize::from(answer.status == 200), Ordering::SeqCst);
                }
            }
        });
    }
    let (mut made, mut removed, mut retired) = (0, 0, 0);
    // Whoever has a key can sign for later: when it is retired, that opens nothing any more.
    let mut stolen: Vec<(String, Timestamp)> = Vec::new();
    for _ in 0..seconds / 2 {
        stolen.extend(signed_for_later(&stack, &user).await);
        let report = stack.service.sweep(Event { revoke: None, rotate: true }).await.unwrap();
        made += report.signing_keys_made;
        removed += report.signing_keys_removed;
        tokio::time::sleep(Duration::from_secs(2)).await;
        let living: BTreeSet<String> =
            stack.service.store.signing_keys().await.unwrap().into_iter().map(|record| record.kid).collect();
        for (token, from) in stolen.iter().filter(|(token, _)| !living.contains(&kid_of(token))) {
            // Five minutes after the sweep every instance has read the keys anew; two seconds are eleven.
            let now = stack.clock.now();
            if *from <= now && now < *from + Duration::from_mins(13) {
                for verifier in &verifiers {
                    let answer = verifier.request("GET", "/v1/users/me").header("Authorization", token).send().await;
                    assert_eq!(answer.status, 401, "a retired key still opens doors");
                    retired += 1;
                }
            }
        }
    }
    stop.store(true, Ordering::SeqCst);
    clock.await.unwrap();
    while let Some(ended) = load.join_next().await {
        ended.unwrap();
    }
    let checked = checked.load(Ordering::SeqCst);
    println!(
        "{made} signing keys made and {removed} removed; {checked} good tokens accepted, {retired} of retired keys refused"
    );
    assert!(made > 4 && removed > 2 && checked > 50 && retired > 0);
}

/// Tokens that the key in use has signed, each good for a quarter of an hour that is still to come.
async fn signed_for_later(stack: &Stack, user: &Person) -> Vec<(String, Timestamp)> {
    let app = stack.service.app("authenticate");
    let signer = stack.signer();
    let mut tokens = Vec::new();
    for minutes in (45..120).step_by(7) {
        let from = stack.clock.now() + Duration::from_mins(minutes);
        let sign_in = domain::token::SignIn {
            user: user.user.uid,
            tenant: user.user.tenant,
            session: domain::SessionUid::from_bytes(stack.entropy.uid()),
            source: domain::token::Source::ApiKey,
            api_key: Some((user.key_uid, from + DAY)),
        };
        let jti = domain::TokenUid::from_bytes(stack.entropy.uid());
        let claims = domain::token::Claims::sign_in(&app.realm(), &sign_in, jti, from);
        tokens.push((signer.sign(app, &claims).await.unwrap().expose().to_owned(), from));
    }
    tokens
}
