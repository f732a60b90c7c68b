//! Whatever is read as a time is printed so that it is read as the same again.
#![no_main]

use std::{sync::LazyLock, time::Duration};

use domain::Timestamp;
use libfuzzer_sys::fuzz_target;

/// The first and the last moment that can be read.
static BOUNDS: LazyLock<(Timestamp, Timestamp)> = LazyLock::new(|| {
    let moment = |text| Timestamp::parse(text).expect("it is a time").expect("it is set");
    (moment("0002-01-01T00:00:00Z"), moment("9999-12-31T23:59:59.999Z"))
});

/// About ten thousand years, so that half of all numbers are moments that can be read.
const SPAN_MILLIS: i64 = 300_000_000_000_000;

// An input is the text of a time, and also a number of milliseconds.
fuzz_target!(|data: &[u8]| {
    if let Ok(text) = std::str::from_utf8(data) {
        let read = Timestamp::parse(text);
        if let Ok(Some(read)) = read {
            check(read);
        }
        let json = serde_json::from_value::<Timestamp>(text.into());
        assert_eq!(json.ok(), read.ok().map(|read| read.unwrap_or(Timestamp::UNSET)));
    }
    if let Some((millis, _)) = data.split_first_chunk() {
        let millis = i64::from_le_bytes(*millis);
        for millis in [millis, millis % SPAN_MILLIS] {
            let moment = Timestamp::from_millis(millis);
            show(moment);
            if (BOUNDS.0..=BOUNDS.1).contains(&moment) {
                check(moment);
            }
        }
    }
});

fn check(moment: Timestamp) {
    show(moment);
    assert!((BOUNDS.0..=BOUNDS.1).contains(&moment), "{moment} cannot be read");
    assert_eq!(Timestamp::parse(&moment.to_string()), Ok(Some(moment)));
    assert_eq!(serde_json::to_value(moment).expect("it has a form"), moment.to_string());
    assert_eq!(moment.millis().div_euclid(1000), moment.secs());
    assert_eq!(moment.secs().div_euclid(86_400), moment.day());
}

/// Every form is there for every moment.
fn show(moment: Timestamp) {
    let span = Duration::from_millis(moment.millis().unsigned_abs());
    for moment in [moment, moment + span, moment - span, Timestamp::from_secs(moment.millis())] {
        assert!(!moment.to_string().is_empty());
        assert!(!moment.day_in_words().is_empty() && !moment.day_in_short().is_empty());
        assert!(!moment.day_and_time_in_words().is_empty());
    }
}
