//! How sessions end: by signing out, from afar, with the password, and while somebody tries to carry them on.

use std::time::Duration;

use serde_json::json;

use crate::{
    browser::Browser,
    session::{OTHER, PASSWORD, Session},
    stack::Stack,
};

const INES: &str = "ines@northwind.example";

#[tokio::test]
async fn switching_ends_the_session_and_does_not_stretch_it() {
    let stack = Stack::start().await;
    stack.sign_up("ines@northwind.example", "northwind", PASSWORD).await;
    let mut session = stack.sign_up("ines@northwind.example", "fabrikam", PASSWORD).await;
    let mut org = "northwind";
    for _ in 0..71 {
        stack.advance(Duration::from_mins(10));
        let switched = session.call("POST", &format!("/v1/auth/org/{org}/switch"), None).await;
        assert_eq!(switched.status, 200, "{}", switched.text);
        assert_eq!(session.status().await, 401, "the old one has ended");
        session.token = switched.body["Authorization"].as_str().unwrap().to_owned();
        org = if org == "northwind" { "fabrikam" } else { "northwind" };
    }
    assert_eq!(session.status().await, 200);
    stack.advance(Duration::from_mins(11));
    assert_eq!(session.status().await, 401, "twelve hours after the password was given");
}

#[tokio::test]
async fn a_reset_ends_the_pause_and_voids_the_links_mailed_before() {
    let stack = Stack::start().await;
    stack.sign_up("ines@northwind.example", "northwind", PASSWORD).await;
    let reset = async || {
        stack.advance(Duration::from_mins(1));
        stack.post("/v1/auth/user/password/reset", json!({ "emailId": "ines@northwind.example" })).await;
        stack.mailed_token("ines@northwind.example")
    };
    let (older, newer) = (reset().await, reset().await);
    for _ in 0..7 {
        stack.sign_in("ines@northwind.example", "wrong", None).await;
    }
    assert_eq!(stack.sign_in("ines@northwind.example", PASSWORD, None).await.code(), "AccountLocked");
    assert_eq!(stack.set_password(&newer, "reset", OTHER).await.status, 204);
    assert_eq!(stack.sign_in("ines@northwind.example", OTHER, None).await.status, 200);
    assert_eq!(stack.set_password(&older, "reset", PASSWORD).await.code(), "InvalidPasswordToken");
}

#[tokio::test]
async fn a_reset_by_a_link_ends_every_session_at_every_door() {
    let stack = Stack::start().await;
    let here = stack.sign_up(INES, "northwind", PASSWORD).await;
    let there = stack.session(INES, PASSWORD, None).await;
    let mut browser = Browser::signed_in(&stack, INES, PASSWORD).await;
    stack.advance(Duration::from_mins(1));
    assert_eq!(stack.post("/v1/auth/user/password/reset", json!({ "emailId": INES })).await.status, 204);
    assert_eq!((here.status().await, there.status().await), (200, 200), "who only asks for a link ends nothing");
    assert_eq!(stack.set_password(&stack.mailed_token(INES), "reset", OTHER).await.status, 204);
    for session in [&here, &there] {
        assert_eq!(session.status().await, 401);
        assert_eq!(session.call("GET", "/v1/auth/refresh", None).await.status, 401);
    }
    browser.open("/api-keys").await;
    assert!(browser.path.starts_with("/sign-in"), "{}", browser.path);
    assert_eq!(stack.sign_in(INES, PASSWORD, None).await.status, 401);
    assert_eq!(stack.session(INES, OTHER, None).await.status().await, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_session_of_the_old_password_outlives_a_change_at_the_same_time() {
    let stack = Stack::start().await;
    stack.sign_up("ines@northwind.example", "northwind", PASSWORD).await;
    let passwords = [PASSWORD, OTHER];
    for round in 0..15 {
        let (old, new) = (passwords[round % 2], passwords[(round + 1) % 2]);
        let changer = stack.session("ines@northwind.example", old, None).await;
        let signing_in: Vec<_> = (0..3)
            .map(|_| {
                let (stack, old) = (stack.clone(), old.to_owned());
                tokio::spawn(async move { stack.sign_in("ines@northwind.example", &old, None).await })
            })
            .collect();
        let body = json!({ "emailId": "ines@northwind.example", "currentPassword": old, "newPassword": new });
        let answer = changer.call("PATCH", "/v1/users/password/change", Some(body)).await;
        let mut tokens = Vec::new();
        for signed_in in signing_in {
            tokens.extend(signed_in.await.unwrap().body["Authorization"].as_str().map(ToOwned::to_owned));
        }
        if answer.status == 204 {
            for token in tokens {
                let session = Session { stack: stack.clone(), token };
                assert_eq!(session.status().await, 401, "round {round}");
            }
        }
        stack.advance(Duration::from_mins(20));
        // Were too many attempts at once the reason, the old password still holds.
        if answer.status != 204 {
            let changer = stack.session("ines@northwind.example", old, None).await;
            let body = json!({ "emailId": "ines@northwind.example", "currentPassword": old, "newPassword": new });
            assert_eq!(changer.call("PATCH", "/v1/users/password/change", Some(body)).await.status, 204);
        }
    }
}

#[tokio::test]
async fn a_switch_that_met_a_change_of_the_password_does_not_outlive_it() {
    let stack = Stack::start().await;
    let email = "ines@northwind.example";
    stack.sign_up(email, "northwind", PASSWORD).await;
    stack.sign_up(email, "fabrikam", PASSWORD).await;
    let stolen = stack.session(email, PASSWORD, Some("northwind")).await;
    let store = &stack.service.store;
    let claims = functions::caller::claims(stack.service.app("organizations"), &stolen.token).await.unwrap();
    let state = store.token_state(&claims).await.unwrap();
    let (session, source) = (state.session.unwrap(), state.user.unwrap());
    // The thief's request has been let in; the owner changes the password; the request goes on and reads the target.
    let owner = stack.session(email, PASSWORD, Some("northwind")).await;
    let body = json!({ "emailId": email, "currentPassword": PASSWORD, "newPassword": OTHER });
    assert_eq!(owner.call("PATCH", "/v1/users/password/change", Some(body)).await.status, 204);
    let person = store.person(email).await.unwrap();
    let membership = person.memberships.iter().find(|membership| membership.user != source.uid).unwrap();
    let target = store.user(membership.tenant, membership.user).await.unwrap().unwrap();
    let next = domain::session::Session {
        uid: domain::SessionUid::from_bytes(stack.entropy.uid()),
        tenant: target.tenant,
        user: target.uid,
        created_at: stack.clock.now() + Duration::from_secs(1),
        sign_outs: target.sign_outs,
        ..session.clone()
    };
    let proof = store::Proof::Session { session: &session, user: &source };
    let device = domain::session::Device { source: String::new(), user_agent: String::new() };
    let begun = store.on_record(&[]).begin_session(&next, &device, &target, proof).await;
    assert!(matches!(begun, Err(store::StoreError::Conflict)), "{begun:?}");
    // Nor does one of the same user, who is read anew, nor the end of all others, which begins a session too.
    let now = stack.clock.now();
    let same = store.user(source.tenant, source.uid).await.unwrap().unwrap();
    assert_eq!(same.sign_outs, source.sign_outs + 1);
    let own = domain::session::Session {
        uid: domain::SessionUid::from_bytes(stack.entropy.uid()),
        created_at: now + Duration::from_mins(1),
        ..session.clone()
    };
    let begun = store.on_record(&[]).begin_session(&own, &device, &same, proof).await;
    assert!(matches!(begun, Err(store::StoreError::Conflict)), "{begun:?}");
    let own = domain::session::Session { sign_outs: source.sign_outs + 1, ..own };
    let users = [source.uid, target.uid];
    let person = store.person(email).await.unwrap();
    let ended = store
        .on_record(&[])
        .end_other_sessions((&own, &device), &session, &source, &users, (email, &person), now)
        .await;
    assert!(matches!(ended, Err(store::StoreError::Conflict)), "{ended:?}");
}

#[tokio::test]
async fn a_session_that_a_thief_made_the_only_one_ends_with_the_password_and_with_being_disabled() {
    let stack = Stack::start().await;
    let email = "tom@northwind.example";
    let ines = stack.sign_up("ines@northwind.example", "northwind", PASSWORD).await;
    let (uid, token) = ines.invite(email, &[]).await;
    stack.set_password(&token, "activate", PASSWORD).await;
    let only = async |session: &Session| {
        let ended = session.call("DELETE", "/v1/users/auth/sessions", None).await;
        assert_eq!(ended.status, 200, "{}", ended.text);
        Session { stack: stack.clone(), token: ended.body["Authorization"].as_str().unwrap().to_owned() }
    };
    let thief = only(&stack.session(email, PASSWORD, None).await).await;
    // In the same millisecond too, whatever clocks say.
    let thief = only(&only(&thief).await).await;
    let body = json!({ "newPassword": OTHER });
    assert_eq!(ines.call("PATCH", &format!("/v1/users/{uid}/password/change"), Some(body)).await.status, 204);
    assert_eq!(thief.status().await, 401);
    let tom = stack.session(email, OTHER, None).await;
    assert_eq!(tom.status().await, 200);
    for (is_active, status) in [(false, 401), (true, 401)] {
        let body = json!([{ "op": "replace", "path": "/status/isActive", "value": is_active }]);
        assert_eq!(ines.call("PATCH", &format!("/v1/users/{uid}"), Some(body)).await.status, 204);
        assert_eq!(tom.status().await, status, "being enabled again is no way back in");
    }
    let trail = ines.call("GET", "/v1/audits?actionType=activity", None).await;
    let next = trail.body["items"].as_array().unwrap().iter().filter(|item| {
        item["spec"]["contentMsg"] == "Tom Berg goes on in a session of its own"
            && item["spec"]["resource"]["uid"] != ""
    });
    assert_eq!(next.count(), 3, "{}", trail.text);
    assert_eq!(stack.session(email, OTHER, None).await.status().await, 200);
}

#[tokio::test]
async fn sessions_of_others_and_dead_ones_are_out_of_reach() {
    let stack = Stack::start().await;
    let ines = stack.sign_up(INES, "northwind", PASSWORD).await;
    let eve = stack.sign_up("eve@fabrikam.example", "fabrikam", PASSWORD).await;
    let sessions = "/v1/users/auth/sessions";
    let own = ines.call("GET", sessions, None).await;
    let item = &own.body["items"][0];
    assert_eq!(item["status"]["isCurrent"], true);
    let uid = item["metadata"]["uid"].as_str().unwrap().to_owned();
    let foreign = eve.call("DELETE", &format!("{sessions}/{uid}"), None).await;
    assert_eq!((foreign.status, foreign.code()), (404, "ResourceNotFound"));
    assert_eq!(ines.status().await, 200);
    // One that has been idle too long is over, though nobody ended it.
    let second = stack.session(INES, PASSWORD, None).await;
    stack.advance(Duration::from_mins(10));
    assert_eq!(ines.call("GET", sessions, None).await.body["items"].as_array().unwrap().len(), 2);
    let tenant = ines.tenant_uid().await;
    let timeout = format!("/v1/tenants/{tenant}/authTokenSettings");
    ines.call("PUT", &timeout, Some(json!({ "expiryTimeMinutes": 15 }))).await;
    stack.advance(Duration::from_mins(3));
    assert_eq!(ines.status().await, 200);
    let third = stack.session(INES, PASSWORD, None).await;
    stack.advance(Duration::from_mins(10));
    let listed = third.call("GET", sessions, None).await;
    assert_eq!(listed.body["items"].as_array().unwrap().len(), 2, "{}", listed.text);
    drop(second);
    // Guesses at the password are in the trail of the organization in which they are made.
    let change = json!({ "emailId": INES, "currentPassword": OTHER, "newPassword": PASSWORD });
    assert_eq!(third.call("PATCH", "/v1/users/password/change", Some(change)).await.status, 401);
    let trail = third.call("GET", "/v1/audits?actionType=activity", None).await;
    assert_eq!(trail.body["items"][0]["spec"]["actionMsg"], "Sign-in refused", "{}", trail.text);
    // Ending one's own is signing out.
    let own = listed.body["items"].as_array().unwrap().iter().find(|item| item["status"]["isCurrent"] == true).unwrap();
    let end = format!("{sessions}/{}", own["metadata"]["uid"].as_str().unwrap());
    let ended = third.call("DELETE", &end, None).await;
    assert_eq!(ended.status, 204);
    assert!(ended.headers["set-cookie"].to_str().unwrap().contains("Max-Age=0"));
    assert_eq!(third.status().await, 401);
}

/// Whoever has stolen a session can go from one organization to the next, and start from a new session each time.
#[tokio::test]
async fn ending_all_other_sessions_ends_those_that_move_on_meanwhile() {
    let stack = Stack::start().await;
    stack.sign_up(INES, "northwind", PASSWORD).await;
    stack.sign_up(INES, "fabrikam", PASSWORD).await;
    for round in 0..8 {
        let (mine, stolen, elsewhere) = (
            stack.session(INES, PASSWORD, Some("northwind")).await,
            stack.session(INES, PASSWORD, Some("northwind")).await,
            stack.session(INES, PASSWORD, Some("fabrikam")).await,
        );
        let listed = mine.call("GET", "/v1/users/auth/sessions", None).await;
        let orgs: Vec<_> =
            listed.body["items"].as_array().unwrap().iter().map(|item| item["spec"]["orgName"].clone()).collect();
        assert!(orgs.contains(&json!("fabrikam")) && orgs.contains(&json!("northwind")), "{}", listed.text);
        assert_eq!(listed.body["items"][0]["status"]["isCurrent"], true);
        let thief = tokio::spawn(async move {
            let mut session = stolen;
            for hop in 0.. {
                let to = ["northwind", "fabrikam", "northwind"][(hop + round) % 3];
                let answer = session.call("POST", &format!("/v1/auth/org/{to}/switch"), None).await;
                match answer.body["Authorization"].as_str() {
                    Some(token) => session.token = token.to_owned(),
                    None => break,
                }
            }
            session
        });
        tokio::time::sleep(Duration::from_millis(10)).await;
        // It may meet a switch in the same instant, and is then asked for again.
        let ended = loop {
            let ended = mine.call("DELETE", "/v1/users/auth/sessions", None).await;
            if ended.status != 409 && ended.status != 503 {
                break ended;
            }
        };
        assert_eq!(ended.status, 200, "{}", ended.text);
        let thief = thief.await.unwrap();
        assert_eq!((thief.status().await, elsewhere.status().await, mine.status().await), (401, 401, 401));
        let token = ended.body["Authorization"].as_str().unwrap().to_owned();
        let next = Session { stack: stack.clone(), token };
        assert_eq!(next.status().await, 200);
        let left = next.call("GET", "/v1/users/auth/sessions", None).await;
        assert_eq!(left.body["items"].as_array().unwrap().len(), 1, "{}", left.text);
    }
    // Signing in goes on as ever, right after it too.
    assert_eq!(stack.session(INES, PASSWORD, Some("fabrikam")).await.status().await, 200);
}
