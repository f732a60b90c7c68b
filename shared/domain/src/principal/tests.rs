use super::*;
use crate::{
    api_key::tests::{LATER, NOW, api_key},
    role,
    token::{Claims, Realm, SignIn, Source},
    uid::{ApiKeyUid, RoleUid, SessionUid, TenantUid, TokenUid},
    user::LoginMode,
};

fn user() -> User {
    user_with(&[])
}

fn user_with(roles: &[RoleUid]) -> User {
    User {
        uid: UserUid::from_bytes([3; 12]),
        tenant: TenantUid::from_bytes([2; 12]),
        email: "ines@northwind.example".to_owned(),
        first_name: "Ines".to_owned(),
        last_name: "Alba".to_owned(),
        roles: roles.to_vec(),
        is_active: true,
        is_pending: false,
        created_at: NOW,
        login_mode: LoginMode::Devops,
        last_sign_in: None,
        sign_outs: 0,
    }
}

fn claims(source: Source) -> Claims {
    let realm = Realm { issuer: "i".to_owned(), audience: "a".to_owned() };
    let sign_in = SignIn {
        user: user().uid,
        tenant: user().tenant,
        session: SessionUid::from_bytes([4; 12]),
        source,
        api_key: (source == Source::ApiKey).then_some((api_key().uid, LATER)),
    };
    Claims::sign_in(&realm, &sign_in, TokenUid::from_bytes([5; 12]), NOW)
}

fn session(revoked_at: Option<Timestamp>) -> Session {
    Session {
        uid: SessionUid::from_bytes([4; 12]),
        tenant: user().tenant,
        user: user().uid,
        created_at: NOW,
        last_used_at: NOW,
        revoked_at,
        ends_at: LATER,
        sign_outs: 0,
        method: crate::sso::Method::Password,
    }
}

fn by_key(change: impl Fn(&mut ApiKey, &mut User), now: Timestamp) -> Result<(), CredentialRefused> {
    let (mut key, mut user) = (api_key(), user());
    let presented = ApiKeyValue::new(user.uid, key.uid, &[7; 20]);
    change(&mut key, &mut user);
    Principal::from_api_key(&presented, Some((key, presented.digest())), Some(user), now).map(drop)
}

fn by_token(source: Source, change: impl Fn(&mut TokenState), now: Timestamp) -> Result<(), CredentialRefused> {
    let mut state = TokenState { user: Some(user()), session: None, api_key: None };
    match source {
        Source::ApiKey => state.api_key = Some(api_key()),
        _ => state.session = Some(session(None)),
    }
    change(&mut state);
    Principal::from_token(claims(source), state, now).map(drop)
}

#[test]
fn a_key_opens_only_while_key_and_user_live_and_belong_together() {
    let other = TenantUid::from_bytes([9; 12]);
    assert_eq!(by_key(|_, _| (), NOW), Ok(()));
    assert_eq!(by_key(|_, _| (), LATER), Err(CredentialRefused::DeadKey));
    assert_eq!(by_key(|key, _| key.is_active = false, NOW), Err(CredentialRefused::DeadKey));
    assert_eq!(by_key(|_, user| user.is_active = false, NOW), Err(CredentialRefused::DeadUser));
    assert_eq!(by_key(|key, _| key.tenant = other, NOW), Err(CredentialRefused::Mismatch));
    assert_eq!(by_key(|_, user| user.tenant = other, NOW), Err(CredentialRefused::Mismatch));
    assert_eq!(by_key(|key, _| key.user = UserUid::from_bytes([9; 12]), NOW), Err(CredentialRefused::Mismatch));
}

#[test]
fn the_whole_value_counts_not_the_uids_in_it() {
    let presented = ApiKeyValue::new(user().uid, api_key().uid, &[7; 20]);
    let another = ApiKeyValue::new(user().uid, api_key().uid, &[8; 20]);
    let stored = Some((api_key(), another.digest()));
    let refused = Principal::from_api_key(&presented, stored, Some(user()), NOW).unwrap_err();
    assert_eq!(refused, CredentialRefused::UnknownKey);
    let refused = Principal::from_api_key(&presented, None, Some(user()), NOW).unwrap_err();
    assert_eq!(refused, CredentialRefused::UnknownKey);
}

#[test]
fn a_keys_token_lives_with_its_key_and_needs_no_session_record() {
    let source = Source::ApiKey;
    assert_eq!(by_token(source, |_| (), NOW), Ok(()));
    assert_eq!(by_token(source, |state| state.session = Some(session(None)), NOW), Ok(()));
    assert_eq!(
        by_token(source, |state| state.session = Some(session(Some(NOW))), NOW),
        Err(CredentialRefused::DeadSession)
    );
    assert_eq!(by_token(source, |state| state.api_key = None, NOW), Err(CredentialRefused::UnknownKey));
    assert_eq!(
        by_token(source, |state| state.api_key = Some(api_key().revoke(NOW)), NOW),
        Err(CredentialRefused::DeadKey)
    );
    assert_eq!(by_token(source, |_| (), LATER), Err(CredentialRefused::DeadKey));
    let other_key = |state: &mut TokenState| state.api_key.as_mut().unwrap().uid = ApiKeyUid::from_bytes([9; 12]);
    assert_eq!(by_token(source, other_key, NOW), Err(CredentialRefused::Mismatch));
    let other_user = |state: &mut TokenState| state.api_key.as_mut().unwrap().user = UserUid::from_bytes([9; 12]);
    assert_eq!(by_token(source, other_user, NOW), Err(CredentialRefused::Mismatch));
    let other_tenant = |state: &mut TokenState| state.api_key.as_mut().unwrap().tenant = TenantUid::from_bytes([9; 12]);
    assert_eq!(by_token(source, other_tenant, NOW), Err(CredentialRefused::Mismatch));
}

#[test]
fn any_other_token_lives_with_its_session() {
    for source in [Source::Password, Source::Sso, Source::Switch] {
        assert_eq!(by_token(source, |_| (), NOW), Ok(()));
        assert_eq!(by_token(source, |state| state.session = None, NOW), Err(CredentialRefused::DeadSession));
        assert_eq!(
            by_token(source, |state| state.session = Some(session(Some(NOW))), NOW),
            Err(CredentialRefused::DeadSession)
        );
        let other_user = |state: &mut TokenState| state.session.as_mut().unwrap().user = UserUid::from_bytes([9; 12]);
        assert_eq!(by_token(source, other_user, NOW), Err(CredentialRefused::Mismatch));
        let other_tenant =
            |state: &mut TokenState| state.session.as_mut().unwrap().tenant = TenantUid::from_bytes([9; 12]);
        assert_eq!(by_token(source, other_tenant, NOW), Err(CredentialRefused::Mismatch));
    }
}

#[test]
fn a_token_lives_with_its_user_and_only_in_its_tenant() {
    let source = Source::ApiKey;
    assert_eq!(by_token(source, |state| state.user = None, NOW), Err(CredentialRefused::DeadUser));
    let disabled = |state: &mut TokenState| state.user.as_mut().unwrap().is_active = false;
    assert_eq!(by_token(source, disabled, NOW), Err(CredentialRefused::DeadUser));
    let moved = |state: &mut TokenState| state.user.as_mut().unwrap().tenant = TenantUid::from_bytes([9; 12]);
    assert_eq!(by_token(source, moved, NOW), Err(CredentialRefused::Mismatch));
    let another = |state: &mut TokenState| state.user.as_mut().unwrap().uid = UserUid::from_bytes([9; 12]);
    assert_eq!(by_token(source, another, NOW), Err(CredentialRefused::Mismatch));
}

#[test]
fn nobody_makes_a_key_that_can_do_more_than_they() {
    let principal = |roles: &[RoleUid]| {
        let user = user_with(roles);
        Principal { permissions: user.permissions(), user, credential: Credential::ApiKey(api_key()) }
    };
    let other = |roles: &[RoleUid]| User { uid: UserUid::from_bytes([8; 12]), ..user_with(roles) };
    let (admin, user_admin, viewer) = (role::TENANT_ADMIN.uid, role::TENANT_USER_ADMIN.uid, role::TENANT_VIEWER.uid);
    assert!(principal(&[]).may_act_as(&user()));
    assert!(!principal(&[]).may_act_as(&other(&[viewer])));
    assert!(principal(&[user_admin]).may_act_as(&other(&[])));
    assert!(!principal(&[user_admin]).may_act_as(&other(&[admin])));
    assert!(!principal(&[user_admin]).may_act_as(&other(&[viewer])));
    assert!(principal(&[admin]).may_act_as(&other(&[admin])));
}

#[test]
fn signing_out_everywhere_ends_sessions_begun_before_and_leaves_keys_alone() {
    let sign_outs = |count: u64| move |state: &mut TokenState| state.user.as_mut().unwrap().sign_outs = count;
    assert_eq!(by_token(Source::Password, sign_outs(0), NOW), Ok(()));
    for count in [1, 2] {
        assert_eq!(by_token(Source::Password, sign_outs(count), NOW), Err(CredentialRefused::DeadSession));
        assert_eq!(by_token(Source::ApiKey, sign_outs(count), NOW), Ok(()));
    }
}

fn principal(source: Source, roles: &[RoleUid]) -> Principal {
    let api_key = (source == Source::ApiKey).then(api_key);
    let session = (source != Source::ApiKey).then(|| session(None));
    let state = TokenState { user: Some(user_with(roles)), session, api_key };
    Principal::from_token(claims(source), state, NOW).unwrap()
}

#[test]
fn a_token_is_of_its_user_and_of_its_tenant() {
    let changes: [fn(&mut Claims); 2] =
        [|claims| claims.sub = UserUid::from_bytes([9; 12]), |claims| claims.tid = TenantUid::from_bytes([9; 12])];
    for change in changes {
        let mut claims = claims(Source::Password);
        change(&mut claims);
        let state = TokenState { user: Some(user()), session: Some(session(None)), api_key: None };
        assert_eq!(Principal::from_token(claims, state, NOW).map(drop), Err(CredentialRefused::Mismatch));
    }
}

#[test]
fn a_key_and_its_tokens_are_no_session_of_a_person() {
    let (person, key) = (principal(Source::Password, &[]), principal(Source::ApiKey, &[]));
    assert!(key.is_by_api_key() && key.session().is_none());
    assert!(!person.is_by_api_key());
    assert_eq!(person.session().map(|session| session.uid), Some(SessionUid::from_bytes([4; 12])));
    let value = ApiKeyValue::new(user().uid, api_key().uid, &[7; 20]);
    let presented = Principal::from_api_key(&value, Some((api_key(), value.digest())), Some(user()), NOW).unwrap();
    assert!(presented.is_by_api_key() && presented.session().is_none());
    // Not even if a record of it stands there.
    let state = TokenState { user: Some(user()), session: Some(session(None)), api_key: Some(api_key()) };
    let recorded = Principal::from_token(claims(Source::ApiKey), state, NOW).unwrap();
    assert!(recorded.is_by_api_key() && recorded.session().is_none());
}

#[test]
fn ones_own_is_open_and_that_of_others_by_permission() {
    let (nobody, admin) = (principal(Source::Password, &[]), principal(Source::Password, &[role::TENANT_ADMIN.uid]));
    let (own, other) = (user().uid, UserUid::from_bytes([9; 12]));
    let permission = Permission::ApiKeyDelete;
    assert!(!nobody.has(permission) && admin.has(permission));
    assert!(nobody.may(permission, own) && !nobody.may(permission, other));
    assert!(admin.may(permission, own) && admin.may(permission, other));
}
