//! What holds of all values, tried with many that chance has chosen. `PROPTEST_CASES` tries more.

use std::time::Duration;

use proptest::{
    prelude::*,
    test_runner::{Config, RngSeed},
};

use crate::{
    ApiKey, ApiKeyUid, EmailAddress, Permission, PermissionSet, SessionUid, TenantUid, Timestamp, TokenUid, UserUid,
    api_key::{ApiKeyUpdate, ApiKeyValue, Name, tests::new},
    session,
    tenant::OrgName,
    token::{Claims, LIFETIME, Realm, SignIn, Source},
};

/// From the year 2000 to the year 2100.
const MILLIS: std::ops::Range<i64> = 946_684_800_000..4_102_444_800_000;

fn config() -> Config {
    // The same values each time: what fails for one person fails for the next.
    Config { failure_persistence: None, rng_seed: RngSeed::Fixed(1), ..Config::default() }
}

fn moment() -> impl Strategy<Value = Timestamp> {
    MILLIS.prop_map(Timestamp::from_millis)
}

/// Up to two days.
fn span() -> impl Strategy<Value = Duration> {
    (0..172_800_000_u64).prop_map(Duration::from_millis)
}

fn permissions() -> impl Strategy<Value = PermissionSet> {
    prop::sample::subsequence(Permission::ALL.to_vec(), 0..=Permission::ALL.len())
        .prop_map(|permissions| PermissionSet::of(&permissions))
}

/// What may happen to a key.
#[derive(Debug, Clone)]
enum Event {
    Revoke,
    Reactivate,
    Extend(Duration),
    Rename,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![Just(Event::Revoke), Just(Event::Reactivate), span().prop_map(Event::Extend), Just(Event::Rename),]
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_key_reads_as_it_was_written(user: [u8; 12], key: [u8; 12], secret: [u8; 20]) {
        let value = ApiKeyValue::new(UserUid::from_bytes(user), ApiKeyUid::from_bytes(key), &secret);
        let read = ApiKeyValue::parse(value.expose()).unwrap();
        prop_assert_eq!((read.user, read.key), (value.user, value.key));
        prop_assert_eq!(read.expose(), value.expose());
    }

    #[test]
    fn no_other_text_is_a_key(text in "(lk_)?[0-9A-Za-z]{60,70}|\\PC{0,80}") {
        // A checksum of 32 bits lets one of four thousand million pass.
        prop_assert!(ApiKeyValue::parse(&text).is_err());
    }

    #[test]
    fn a_key_opens_only_between_an_enabling_and_its_end(
        start in moment(),
        lives in span(),
        events in prop::collection::vec((span(), event()), 0..12),
    ) {
        let mut now = start;
        let mut key = ApiKey::create(new(Some(now + lives + Duration::from_millis(1))), now).unwrap();
        // What a reader of the story would say.
        let (mut is_on, mut end) = (true, key.expires_at);
        for (after, event) in events {
            now = now + after;
            let changed = match event {
                Event::Revoke => Ok(key.clone().revoke(now)),
                Event::Reactivate => key.clone().reactivate(now),
                Event::Extend(by) => {
                    key.clone().update(ApiKeyUpdate { expires_at: Some(now + by), ..ApiKeyUpdate::default() }, now)
                }
                Event::Rename => {
                    let name = Some(Name::parse("other").unwrap());
                    key.clone().update(ApiKeyUpdate { name, ..ApiKeyUpdate::default() }, now)
                }
            };
            let Ok(changed) = changed else { continue };
            is_on = match event {
                Event::Revoke => false,
                Event::Reactivate => true,
                Event::Extend(_) | Event::Rename => is_on && now < end,
            };
            if let Event::Extend(by) = event {
                end = now + by;
            }
            key = changed;
            prop_assert_eq!(key.expires_at, end);
            prop_assert_eq!(key.is_usable(now), is_on && now < end);
            prop_assert!(!key.is_usable(end) && !key.is_usable(end + Duration::from_hours(1)));
        }
    }

    #[test]
    fn a_moment_reads_as_it_was_written_and_texts_sort_as_moments(one in moment(), other in moment()) {
        prop_assert_eq!(Timestamp::parse(&one.to_string()), Ok(Some(one)));
        prop_assert_eq!(one.to_string().cmp(&other.to_string()), one.cmp(&other));
    }

    #[test]
    fn permissions_are_a_set(one in permissions(), other in permissions()) {
        let both = one.union(other);
        prop_assert!(both.covers(one) && both.covers(other));
        prop_assert_eq!(one.covers(other), other.iter().all(|permission| one.contains(permission)));
        prop_assert_eq!(both, other.union(one));
        prop_assert_eq!(one.covers(other) && other.covers(one), one == other);
        let again: Vec<_> = both.iter().collect();
        prop_assert_eq!(PermissionSet::of(&again), both);
    }

    #[test]
    fn no_token_outlives_its_time_its_session_or_its_key(
        signed_in_at in moment(),
        key_lives in prop::option::of(span()),
        waits in prop::collection::vec((0..1_000_u64).prop_map(Duration::from_secs), 1..80),
    ) {
        let realm = Realm { issuer: "https://latchkey.example".to_owned(), audience: "latchkey".to_owned() };
        let key_expires_at = key_lives.map(|lives| signed_in_at + lives);
        let sign_in = SignIn {
            user: UserUid::from_bytes([3; 12]),
            tenant: TenantUid::from_bytes([2; 12]),
            session: SessionUid::from_bytes([4; 12]),
            source: if key_lives.is_some() { Source::ApiKey } else { Source::Password },
            api_key: key_expires_at.map(|expires_at| (ApiKeyUid::from_bytes([1; 12]), expires_at)),
        };
        let first = Claims::sign_in(&realm, &sign_in, TokenUid::from_bytes([5; 12]), signed_in_at);
        let (mut claims, mut now) = (first.clone(), signed_in_at);
        for wait in waits {
            prop_assert!(claims.exp - claims.iat <= LIFETIME.as_secs().cast_signed());
            prop_assert!(claims.exp <= (signed_in_at + session::ABSOLUTE_LIMIT).secs());
            prop_assert!(key_expires_at.is_none_or(|expires_at| claims.exp <= expires_at.secs()));
            prop_assert_eq!((claims.sid, claims.sub, claims.tid), (first.sid, first.sub, first.tid));
            prop_assert_eq!((claims.auth_time, claims.kuid), (first.auth_time, first.kuid));
            now = now + wait;
            match claims.refresh(key_expires_at, TokenUid::from_bytes([6; 12]), now) {
                Ok(next) => claims = next,
                Err(_) => {
                    prop_assert!(first.session_ends_at() <= now);
                    break;
                }
            }
        }
    }

    #[test]
    fn folding_twice_is_folding_once(text in "\\PC{0,40}|[ -~]{0,40}") {
        let folded = OrgName::folded(&text);
        prop_assert_eq!(&OrgName::folded(folded.as_str()), &folded);
        if let Ok(name) = OrgName::parse(&text) {
            prop_assert_eq!(OrgName::parse(&text.to_uppercase()), Ok(name.clone()));
            prop_assert_eq!(OrgName::parse(name.as_str()), Ok(name));
        }
        if let Ok(name) = Name::parse(&text) {
            let again = Name::parse(name.as_str()).unwrap();
            prop_assert_eq!(again.as_str(), name.as_str());
        }
    }

    #[test]
    fn an_address_is_one_whatever_its_case(text in "[A-Za-z0-9._%+-]{1,12}@[A-Za-z0-9.-]{1,12}\\.[A-Za-z]{1,4}| ?\\PC{0,20}@\\PC{0,20}") {
        if let Ok(address) = EmailAddress::parse(&text) {
            for spelling in [text.to_ascii_uppercase(), address.canonical().to_owned()] {
                let other = EmailAddress::parse(&spelling).unwrap();
                prop_assert_eq!(other.canonical(), address.canonical());
            }
            prop_assert!(address.canonical().is_ascii() && address.canonical().ends_with(address.domain()));
            // It goes into the header of a mail.
            prop_assert!(!address.typed().contains(['\r', '\n', ',', ' ', '<', '"']));
        }
    }
}
