//! The fields of a form that ask when an API key expires.

use std::time::Duration;

use domain::Timestamp;

use super::page;

/// Days that are offered.
const PRESETS: [u64; 4] = [7, 30, 60, 90];
/// The choice of the end that a key has.
pub(super) const KEEP: &str = "keep";
const DAY: Duration = Duration::from_hours(24);

pub(super) struct Preset {
    pub(super) value: String,
    pub(super) label: String,
    pub(super) date_text: String,
    pub(super) result_text: String,
    pub(super) is_selected: bool,
}

/// What the fields show, and what was chosen.
pub(super) struct Expiry {
    pub(super) presets: Vec<Preset>,
    pub(super) custom_is_selected: bool,
    pub(super) expires_on: String,
    pub(super) first_date: String,
    pub(super) date_hint: &'static str,
    pub(super) result_text: String,
    pub(super) has_error: bool,
    pub(super) error: String,
    kept: Option<Timestamp>,
}

/// The end of a key, for a person to read.
pub(super) fn in_words(at: Timestamp, now: Timestamp) -> String {
    let expires = if at <= now { "Expired" } else { "Expires" };
    format!("{expires} on {}, {}", at.day_and_time_in_words(), page::relative(at, now))
}

fn end_of(days: u64, now: Timestamp) -> Timestamp {
    now + DAY * u32::try_from(days).unwrap_or_default()
}

impl Expiry {
    /// - `chosen`: what the form has chosen.
    /// - `expires_on`: the day that was picked.
    /// - `keep`: the end that a key has, which may stay.
    pub(super) fn new(chosen: &str, expires_on: String, keep: Option<Timestamp>, now: Timestamp) -> Self {
        let preset = |value: String, label: String, at: Timestamp| Preset {
            is_selected: chosen == value,
            value,
            label,
            date_text: at.day_in_short(),
            result_text: in_words(at, now),
        };
        let kept = keep.map(|at| preset(KEEP.to_owned(), "Keep".to_owned(), at));
        let offered = PRESETS.map(|days| preset(days.to_string(), format!("{days} days"), end_of(days, now)));
        let presets: Vec<Preset> = kept.into_iter().chain(offered).collect();
        let selected = presets.iter().find(|preset| preset.is_selected);
        Self {
            result_text: selected.map(|preset| preset.result_text.clone()).unwrap_or_default(),
            custom_is_selected: chosen == "custom",
            expires_on,
            first_date: now.to_string()[..10].to_owned(),
            date_hint: "The key works until the end of that day, in UTC.",
            has_error: false,
            error: String::new(),
            kept: keep,
            presets,
        }
    }

    /// The end that a form asks for; where it asks for none, the reason.
    pub(super) fn chosen(&self, chosen: &str, now: Timestamp) -> Result<Timestamp, &'static str> {
        const NONE: &str = "Choose when the key expires.";
        match chosen {
            KEEP => self.kept.ok_or(NONE),
            "custom" => {
                let end = Timestamp::parse(&format!("{}T23:59:59.000Z", self.expires_on)).ok().flatten();
                end.filter(|end| now < *end).ok_or("Pick a date that is not in the past.")
            }
            days => {
                let days = days.parse().ok().filter(|days| PRESETS.contains(days));
                days.map(|days| end_of(days, now)).ok_or(NONE)
            }
        }
    }

    pub(super) fn fail(&mut self, error: String) {
        (self.has_error, self.error) = (true, error);
    }
}
