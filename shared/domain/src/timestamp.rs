//! Moments in time, to the millisecond, as the wire writes them.

use std::{
    fmt,
    ops::{Add, Sub},
    time::Duration,
};

use chrono::{DateTime, Datelike, FixedOffset, SecondsFormat, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// The latest moment that is accepted from outside: the last whose year has four digits, as RFC 3339 demands.
const LATEST_YEAR: i32 = 9999;

/// A moment: milliseconds since the Unix epoch, UTC.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// The text is not a date and time of RFC 3339.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a time must be an RFC 3339 date-time such as 2026-03-04T05:06:07.089Z")]
pub struct NotATimestamp;

impl Timestamp {
    /// What the wire shows for a time that is not set: the first moment of year 1, as Palette's service emits it.
    pub const UNSET: Self = Self(-62_135_596_800_000);

    /// From milliseconds since the Unix epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// From whole seconds since the Unix epoch, as in the claims of a token.
    pub const fn from_secs(secs: i64) -> Self {
        Self(secs.saturating_mul(1000))
    }

    /// Milliseconds since the Unix epoch.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since the Unix epoch, rounded down.
    pub const fn secs(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// Days since the Unix epoch, rounded down: the bucket in which the sweeper looks for it.
    pub const fn day(self) -> i64 {
        self.0.div_euclid(86_400_000)
    }

    /// Reads an RFC 3339 date-time with any offset and any number of decimals.
    ///
    /// A moment in year 1 means "not set" and gives `None`: Go's clients cannot leave a time out and send their zero
    /// value instead. Finer than a millisecond is cut off.
    ///
    /// # Errors
    ///
    /// [`NotATimestamp`] for anything else, and for a year before 0 or of more than four digits.
    pub fn parse(text: &str) -> Result<Option<Self>, NotATimestamp> {
        let moment = DateTime::<FixedOffset>::parse_from_rfc3339(text).map_err(|_| NotATimestamp)?.to_utc();
        // A leap second is the first one of the next minute, which may be of the next year.
        let moment = Self(moment.timestamp_millis());
        match moment.utc().year() {
            // Year 0 is year 1 seen from an offset east of Greenwich.
            0 | 1 => Ok(None),
            year if !(0..=LATEST_YEAR).contains(&year) => Err(NotATimestamp),
            _ => Ok(Some(moment)),
        }
    }
}

impl Timestamp {
    /// The day, in UTC, as people write it: `4 March 2026`.
    pub fn day_in_words(self) -> String {
        self.utc().format("%-d %B %Y").to_string()
    }

    /// The day, in UTC, as short as a table wants it: `4 Mar 2026`.
    pub fn day_in_short(self) -> String {
        self.utc().format("%-d %b %Y").to_string()
    }

    /// Day and time, in UTC, as people write it: `4 March 2026, 05:06 UTC`.
    pub fn day_and_time_in_words(self) -> String {
        self.utc().format("%-d %B %Y, %H:%M UTC").to_string()
    }

    fn utc(self) -> DateTime<Utc> {
        DateTime::<Utc>::from_timestamp_millis(self.0).unwrap_or(DateTime::<Utc>::MAX_UTC)
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)))
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Self;

    fn sub(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.utc().to_rfc3339_opts(SecondsFormat::Millis, true))
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Ok(Self::parse(&text).map_err(D::Error::custom)?.unwrap_or(Self::UNSET))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_offset_is_read_and_utc_with_three_decimals_is_written() {
        for text in ["2026-01-02T03:04:05.678+02:00", "2026-01-02T01:04:05.678Z", "2026-01-02T01:04:05.678999Z"] {
            assert_eq!(Timestamp::parse(text).unwrap().unwrap().to_string(), "2026-01-02T01:04:05.678Z");
        }
    }

    #[test]
    fn year_one_means_not_set() {
        for text in ["0001-01-01T00:00:00.000Z", "0001-01-01T00:00:00Z", "0001-01-01T00:00:00+02:00"] {
            assert_eq!(Timestamp::parse(text), Ok(None), "{text}");
        }
        assert_eq!(Timestamp::UNSET.to_string(), "0001-01-01T00:00:00.000Z");
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "tomorrow",
            "2026-01-02",
            "2026-13-02T03:04:05Z",
            "2026-01-02T03:04:05",
            "1767322800",
            "+12026-01-02T03:04:05Z",
            // Which is the first second of year 10000.
            "9999-12-31T23:59:60Z",
            // Which is the last day of the year before year 0.
            "0000-01-01T00:00:00+23:59",
        ] {
            assert_eq!(Timestamp::parse(text), Err(NotATimestamp), "{text}");
        }
    }
}
