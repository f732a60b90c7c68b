//! Every password is judged, and soon, by every policy that a tenant may set.
#![no_main]

use std::{fs, time::Duration};

use arbitrary::Arbitrary;
use domain::password::{BrokenRule, MAX_BYTES, Password, PasswordPolicy};
use libfuzzer_sys::{Corpus, fuzz_target};

/// Far more than it takes, even with everything that a fuzzer adds.
const SOON: Duration = Duration::from_secs(3);
/// Bytes of something that is known of a person: names and addresses have fewer.
const MAX_KNOWN: usize = 320;

#[derive(Debug, Arbitrary)]
struct Input<'a> {
    regex: Option<&'a str>,
    lengths: [u8; 2],
    counters: [u8; 4],
    known: [&'a str; 2],
    password: &'a str,
}

fuzz_target!(|input: Input<'_>| -> Corpus {
    let password = Password::new(input.password.to_owned());
    let [min_length, max_length] = input.lengths.map(u32::from);
    let [min_upper, min_lower, min_digits, min_special] = input.counters.map(u32::from);
    let policy = PasswordPolicy {
        regex: input.regex.map(ToOwned::to_owned),
        min_length,
        max_length,
        min_upper,
        min_lower,
        min_digits,
        min_special,
        ..PasswordPolicy::default()
    };
    let begun_at = worked();
    let Ok(policy) = policy.check() else { return Corpus::Reject };
    if password.is_oversized() || input.known.iter().any(|known| known.len() > MAX_KNOWN) {
        return Corpus::Reject;
    }
    assert!(input.password.len() <= MAX_BYTES);
    let broken = policy.broken_rules(&password, &input.known);
    let without = policy.broken_rules(&password, &[]);
    let of_several = PasswordPolicy::of_all(vec![policy.clone(), PasswordPolicy::default()]);
    let by_several = of_several.broken_rules(&password, &input.known);
    let span = worked() - begun_at;

    assert!(span < SOON, "{span:?}");
    let length = input.password.chars().count();
    assert_eq!(broken.contains(&BrokenRule::MinLength), length < min_length as usize);
    assert_eq!(broken.contains(&BrokenRule::MaxLength), length > max_length as usize);
    // What is known of a person never makes a password stronger, and no second tenant makes one good enough.
    assert!(without.iter().all(|rule| broken.contains(rule)), "{without:?} but {broken:?}");
    let lasting =
        [BrokenRule::MinLength, BrokenRule::Upper, BrokenRule::Lower, BrokenRule::Digits, BrokenRule::Special];
    assert!(broken.iter().all(|rule| !lasting.contains(rule) || by_several.contains(rule)));
    Corpus::Keep
});

/// How long this thread has had a processor: time does not count in which others had it.
fn worked() -> Duration {
    let text = fs::read_to_string("/proc/thread-self/schedstat").expect("Linux tells it");
    Duration::from_nanos(text.split(' ').next().and_then(|nanos| nanos.parse().ok()).expect("a number comes first"))
}
