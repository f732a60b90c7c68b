//! Attempts at a password: few at once, then with growing pauses.

use std::time::Duration;

use crate::timestamp::Timestamp;

/// Attempts that are evaluated before the first pause.
pub const FREE_ATTEMPTS: u32 = 5;
/// The first pause; it doubles with every further attempt.
const FIRST_PAUSE: Duration = Duration::from_mins(1);
/// The longest pause: a delay, not a lock, so that nobody can be kept out for long.
const LONGEST_PAUSE: Duration = Duration::from_mins(15);

/// What is known of the attempts at one address, whether anybody has it or not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Attempts {
    /// Attempts since the last one that succeeded, each counted before it is evaluated.
    pub count: u32,
    /// None is evaluated before this moment.
    pub paused_until: Option<Timestamp>,
}

/// No attempt is evaluated at this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many attempts; wait before the next one")]
pub struct Paused;

impl Attempts {
    /// Counts an attempt that begins now. Whoever writes the result must have found `self` unchanged, so that of many
    /// attempts at once no more than allowed are evaluated.
    ///
    /// # Errors
    ///
    /// [`Paused`].
    pub fn begin(self, now: Timestamp) -> Result<Self, Paused> {
        if self.paused_until.is_some_and(|until| now < until) {
            return Err(Paused);
        }
        let count = self.count.saturating_add(1);
        let paused_until = count.checked_sub(FREE_ATTEMPTS).map(|further| {
            let pause = FIRST_PAUSE.saturating_mul(1_u32.checked_shl(further).unwrap_or(u32::MAX));
            now + pause.min(LONGEST_PAUSE)
        });
        Ok(Self { count, paused_until })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

    #[test]
    fn five_attempts_are_free_and_the_pauses_double_up_to_fifteen_minutes() {
        let mut attempts = Attempts::default();
        let mut now = NOW;
        for _ in 0..4 {
            attempts = attempts.begin(now).unwrap();
            assert_eq!(attempts.paused_until, None);
        }
        for minutes in [1, 2, 4, 8, 15, 15, 15] {
            attempts = attempts.begin(now).unwrap();
            let until = now + Duration::from_mins(minutes);
            assert_eq!(attempts.paused_until, Some(until));
            assert_eq!(attempts.begin(Timestamp::from_millis(until.millis() - 1)), Err(Paused));
            now = until;
        }
    }

    #[test]
    fn a_hundred_attempts_take_a_day() {
        let mut attempts = Attempts { count: 99, paused_until: None };
        attempts = attempts.begin(NOW).unwrap();
        assert_eq!(attempts.paused_until, Some(NOW + LONGEST_PAUSE));
        assert!(Attempts { count: u32::MAX, paused_until: None }.begin(NOW).is_ok());
    }
}
