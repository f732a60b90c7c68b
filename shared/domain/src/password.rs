//! Passwords: what a tenant asks of them.

use std::time::Duration;

use regex_lite::{Regex, RegexBuilder};
use zeroize::Zeroizing;

use crate::timestamp::Timestamp;

mod guesses;

/// Characters of a password that are taken at all, before any work is done on it.
pub const MAX_BYTES: usize = 4096;
/// Below a million guesses a password is too common, whatever characters it has. The three thousand most used ones all
/// lie far below. Source: ASVS 5.0, 6.2.4.
const MIN_GUESSES_LOG10: f64 = 6.0;
/// What a tenant may set as least and greatest length.
pub const LENGTHS: std::ops::RangeInclusive<u32> = 6..=128;
/// Characters of a regular expression.
const MAX_REGEX: usize = 256;
/// Bytes that a compiled regular expression may take.
const MAX_REGEX_BYTES: usize = 1 << 20;
/// Days that a tenant may set.
const DAYS: std::ops::RangeInclusive<u32> = 1..=1000;

/// A password in the clear, wiped when it is dropped.
pub struct Password(Zeroizing<String>);

impl Password {
    /// Takes a password as it was typed: nothing is trimmed, folded or cut.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// For the hash.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether it is too long to be looked at.
    pub fn is_oversized(&self) -> bool {
        self.0.len() > MAX_BYTES
    }
}

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password")
    }
}

/// What a tenant asks of the passwords of its users.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PasswordPolicy {
    /// A regular expression in place of the counters.
    pub regex: Option<String>,
    /// Characters at least.
    pub min_length: u32,
    /// Characters at most.
    pub max_length: u32,
    /// Upper-case letters at least.
    pub min_upper: u32,
    /// Lower-case letters at least.
    pub min_lower: u32,
    /// Digits at least.
    pub min_digits: u32,
    /// Other characters at least.
    pub min_special: u32,
    /// Days after which a password opens nothing any more until another is set.
    pub expiry_days: u32,
    /// Days before that at which to remind.
    pub first_reminder_days: u32,
}

impl Default for PasswordPolicy {
    fn default() -> Self {
        Self {
            regex: None,
            min_length: 12,
            max_length: 64,
            min_upper: 1,
            min_lower: 1,
            min_digits: 1,
            min_special: 1,
            expiry_days: 365,
            first_reminder_days: 5,
        }
    }
}

/// How a password stands to the span that a tenant gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Age {
    /// There is nothing to say.
    Young,
    /// It ends soon, at this moment.
    EndsSoon(Timestamp),
    /// It opens nothing of this tenant any more until another is set.
    Ended,
}

/// Why a policy was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PolicyRefused {
    /// A length out of range, or the least above the greatest.
    #[error("minLength and maxLength must lie between 6 and 128, minLength not above maxLength")]
    Length,
    /// More characters asked for than fit.
    #[error("the characters asked for do not fit into maxLength")]
    Counters,
    /// Days out of range.
    #[error("expiryDurationInDays must lie between 1 and 1000, and firstReminderInDays below it")]
    Days,
    /// A regular expression that is too long or none.
    #[error(
        "regex must be a regular expression of at most {MAX_REGEX} characters, without look-around or Unicode classes"
    )]
    Regex,
}

/// A rule that a password breaks, as the wire names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BrokenRule {
    /// Too short.
    MinLength,
    /// Too long.
    MaxLength,
    /// Too few upper-case letters.
    Upper,
    /// Too few lower-case letters.
    Lower,
    /// Too few digits.
    Digits,
    /// Too few other characters.
    Special,
    /// The regular expression does not match.
    Regex,
    /// Too easy to guess.
    TooCommon,
    /// The one before.
    Same,
}

impl BrokenRule {
    /// The name in `details`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MinLength => "minLength",
            Self::MaxLength => "maxLength",
            Self::Upper => "minNumOfBlockLetters",
            Self::Lower => "minNumOfSmallLetters",
            Self::Digits => "minNumOfDigits",
            Self::Special => "minNumOfSpecialCharacters",
            Self::Regex => "regex",
            Self::TooCommon => "tooCommon",
            Self::Same => "sameAsBefore",
        }
    }
}

impl PasswordPolicy {
    /// What a password must be that opens several tenants: what any of them asks for at least. Their upper limits and
    /// regular expressions may contradict each other, and none of them may keep a person from setting a password at all,
    /// so of these only those count that a single tenant has.
    pub fn of_all(policies: Vec<Self>) -> Self {
        let mut policies = policies.into_iter();
        let Some(first) = policies.next() else { return Self::default() };
        policies.fold(first, |one, other| Self {
            regex: None,
            min_length: one.min_length.max(other.min_length),
            max_length: one.max_length.max(other.max_length),
            min_upper: one.counted().0.max(other.counted().0),
            min_lower: one.counted().1.max(other.counted().1),
            min_digits: one.counted().2.max(other.counted().2),
            min_special: one.counted().3.max(other.counted().3),
            expiry_days: one.expiry_days.min(other.expiry_days),
            first_reminder_days: one.first_reminder_days.min(other.first_reminder_days),
        })
    }

    /// The counters, which do not count beside a regular expression.
    const fn counted(&self) -> (u32, u32, u32, u32) {
        match self.regex {
            Some(_) => (0, 0, 0, 0),
            None => (self.min_upper, self.min_lower, self.min_digits, self.min_special),
        }
    }

    /// Checks what a tenant wants to set.
    ///
    /// # Errors
    ///
    /// As in [`PolicyRefused`].
    pub fn check(self) -> Result<Self, PolicyRefused> {
        if !LENGTHS.contains(&self.min_length)
            || !LENGTHS.contains(&self.max_length)
            || self.min_length > self.max_length
        {
            return Err(PolicyRefused::Length);
        }
        let counters = [self.min_upper, self.min_lower, self.min_digits, self.min_special];
        if counters.into_iter().fold(0, u32::saturating_add) > self.max_length {
            return Err(PolicyRefused::Counters);
        }
        if !DAYS.contains(&self.expiry_days) || self.first_reminder_days >= self.expiry_days {
            return Err(PolicyRefused::Days);
        }
        if let Some(regex) = &self.regex {
            compiled(regex).ok_or(PolicyRefused::Regex)?;
        }
        Ok(self)
    }

    /// How a password of this tenant's people stands that was set at `changed_at`.
    pub fn age(&self, changed_at: Timestamp, now: Timestamp) -> Age {
        let after = |days: u32| changed_at + Duration::from_hours(24 * u64::from(days));
        let ends_at = after(self.expiry_days);
        if ends_at <= now {
            Age::Ended
        } else if after(self.expiry_days - self.first_reminder_days) <= now {
            Age::EndsSoon(ends_at)
        } else {
            Age::Young
        }
    }

    /// The rules that a password breaks; none if it may be used.
    ///
    /// - `known`: what an attacker would try first, such as the person's names and address.
    pub fn broken_rules(&self, password: &Password, known: &[&str]) -> Vec<BrokenRule> {
        let text = password.expose();
        let count =
            |is: fn(char) -> bool| u32::try_from(text.chars().filter(|char| is(*char)).count()).unwrap_or(u32::MAX);
        let length = count(|_| true);
        let mut broken = Vec::new();
        let mut rule = |holds: bool, rule: BrokenRule| {
            if !holds {
                broken.push(rule);
            }
        };
        rule(length >= self.min_length, BrokenRule::MinLength);
        rule(length <= self.max_length, BrokenRule::MaxLength);
        if let Some(regex) = &self.regex {
            rule(compiled(regex).is_some_and(|regex| regex.is_match(text)), BrokenRule::Regex);
        } else {
            rule(count(char::is_uppercase) >= self.min_upper, BrokenRule::Upper);
            rule(count(char::is_lowercase) >= self.min_lower, BrokenRule::Lower);
            rule(count(|char| char.is_ascii_digit()) >= self.min_digits, BrokenRule::Digits);
            rule(count(|char| !char.is_alphanumeric()) >= self.min_special, BrokenRule::Special);
        }
        // An estimate of what is too long to be common would only cost time.
        let common = length <= self.max_length && guesses::log10(text, known) < MIN_GUESSES_LOG10;
        rule(!common, BrokenRule::TooCommon);
        broken
    }
}

/// A regular expression of the kind that takes linear time whatever it is fed. Its classes are those of ASCII.
fn compiled(regex: &str) -> Option<Regex> {
    if regex.is_empty() || regex.chars().count() > MAX_REGEX {
        return None;
    }
    RegexBuilder::new(regex).size_limit(MAX_REGEX_BYTES).build().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken(policy: &PasswordPolicy, password: &str) -> Vec<&'static str> {
        let rules = policy.broken_rules(&Password::new(password.to_owned()), &["ines", "alba"]);
        rules.into_iter().map(BrokenRule::as_str).collect()
    }

    #[test]
    fn every_broken_rule_is_named() {
        let policy = PasswordPolicy::default();
        assert_eq!(broken(&policy, "Harbour-7-lamp"), Vec::<&str>::new());
        assert_eq!(broken(&policy, "harbour-seven-lamp"), ["minNumOfBlockLetters", "minNumOfDigits"]);
        assert_eq!(broken(&policy, "HARBOUR7LAMPS"), ["minNumOfSmallLetters", "minNumOfSpecialCharacters"]);
        assert_eq!(broken(&policy, "H-7a"), ["minLength", "tooCommon"]);
        assert_eq!(broken(&policy, &"Harbour-7-lamp".repeat(5)), ["maxLength"]);
        assert_eq!(broken(&policy, "Äußerst-7-schön"), Vec::<&str>::new());
    }

    #[test]
    fn a_password_ends_after_its_days_and_some_days_before_that_is_said() {
        let policy = PasswordPolicy { expiry_days: 90, first_reminder_days: 5, ..PasswordPolicy::default() };
        let changed_at = Timestamp::from_secs(1_800_000_000);
        let after = |days: u64, less_millis: i64| {
            Timestamp::from_millis((changed_at + Duration::from_hours(24 * days)).millis() - less_millis)
        };
        assert_eq!(policy.age(changed_at, changed_at), Age::Young);
        assert_eq!(policy.age(changed_at, after(85, 1)), Age::Young);
        assert_eq!(policy.age(changed_at, after(85, 0)), Age::EndsSoon(after(90, 0)));
        assert_eq!(policy.age(changed_at, after(90, 1)), Age::EndsSoon(after(90, 0)));
        assert_eq!(policy.age(changed_at, after(90, 0)), Age::Ended);
        let unannounced = PasswordPolicy { first_reminder_days: 0, ..policy };
        assert_eq!(unannounced.age(changed_at, after(90, 1)), Age::Young);
    }

    #[test]
    fn common_passwords_are_refused_whatever_the_tenant_asks() {
        let lax = PasswordPolicy {
            min_length: 6,
            min_upper: 0,
            min_lower: 0,
            min_digits: 0,
            min_special: 0,
            ..PasswordPolicy::default()
        };
        for password in
            ["password", "Password1!", "123456", "qwertyuiop", "iloveyou", "aaaaaaaaaaaa", "P@ssw0rd", "letmein"]
        {
            assert_eq!(broken(&lax, password), ["tooCommon"], "{password}");
        }
        assert_eq!(broken(&lax, "correct horse battery staple"), Vec::<&str>::new());
    }

    #[test]
    fn no_tenant_keeps_the_people_of_another_from_setting_a_password() {
        let plain = PasswordPolicy::default();
        let long = PasswordPolicy { min_length: 70, max_length: 128, ..PasswordPolicy::default() };
        let impossible = PasswordPolicy { regex: Some("^[^\\s\\S]$".to_owned()), ..PasswordPolicy::default() };
        let all = PasswordPolicy::of_all(vec![plain.clone(), long, impossible.clone()]);
        assert_eq!(broken(&all, &"Harbour-7-lamp".repeat(6)), Vec::<&str>::new());
        assert_eq!(broken(&all, "Harbour-7-lamp"), ["minLength"]);
        assert_eq!(broken(&PasswordPolicy::of_all(vec![impossible]), "Harbour-7-lamp"), ["regex"], "it is alone");
        assert_eq!(PasswordPolicy::of_all(vec![]), plain);
    }

    #[test]
    fn a_regular_expression_takes_the_place_of_the_counters() {
        let policy = PasswordPolicy { regex: Some("^[a-z -]{12,40}$".to_owned()), ..PasswordPolicy::default() };
        assert_eq!(broken(&policy, "harbour-seven-lamp"), Vec::<&str>::new());
        assert_eq!(broken(&policy, "Harbour-7-lamp"), ["regex"]);
    }

    #[test]
    fn a_policy_that_makes_no_sense_is_refused() {
        let check = |change: fn(&mut PasswordPolicy)| {
            let mut policy = PasswordPolicy::default();
            change(&mut policy);
            policy.check().map(drop)
        };
        assert_eq!(check(|_| ()), Ok(()));
        assert_eq!(check(|policy| policy.min_length = 5), Err(PolicyRefused::Length));
        assert_eq!(check(|policy| policy.max_length = 129), Err(PolicyRefused::Length));
        assert_eq!(check(|policy| policy.max_length = 11), Err(PolicyRefused::Length));
        assert_eq!(check(|policy| policy.min_upper = 62), Err(PolicyRefused::Counters));
        assert_eq!(check(|policy| policy.min_upper = u32::MAX), Err(PolicyRefused::Counters));
        assert_eq!(check(|policy| policy.expiry_days = 0), Err(PolicyRefused::Days));
        assert_eq!(check(|policy| policy.first_reminder_days = 365), Err(PolicyRefused::Days));
        assert_eq!(check(|policy| policy.regex = Some("(".to_owned())), Err(PolicyRefused::Regex));
        assert_eq!(check(|policy| policy.regex = Some("(?=x)y".to_owned())), Err(PolicyRefused::Regex));
        assert_eq!(check(|policy| policy.regex = Some("x".repeat(257))), Err(PolicyRefused::Regex));
        assert_eq!(check(|policy| policy.regex = Some("(((a{99}){99}){99})".to_owned())), Err(PolicyRefused::Regex));
        // What the Terraform provider posts when its resource is destroyed.
        assert_eq!(check(|policy| (policy.min_length, policy.expiry_days) = (6, 999)), Ok(()));
    }
}
