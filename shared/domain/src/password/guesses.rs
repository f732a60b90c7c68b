//! How many guesses find a password.
//!
//! People who guess passwords begin with what people choose: words, runs on the keyboard, dates, repetitions, and a few
//! of them beside each other. The estimate cuts a password into such parts in the way that is cheapest to guess. The
//! method is that of Wheeler, *zxcvbn: Low-Budget Password Strength Estimation*, USENIX Security 2016, without its
//! regular expressions, graphs and longest lists: those are a third of the size of a function.

use std::collections::HashMap;
use std::sync::LazyLock;

/// Words by their place in the list in which they stand highest, the first is 1.
static WORDS: LazyLock<HashMap<&'static str, u32>> = LazyLock::new(|| {
    let mut words = HashMap::with_capacity(24_000);
    for list in include_str!("common.txt").split("\n\n") {
        let lines = list.lines().filter(|line| !line.starts_with('#'));
        for (word, rank) in lines.flat_map(str::split_whitespace).zip(1..) {
            let best = words.entry(word).or_insert(rank);
            *best = rank.min(*best);
        }
    }
    words
});

/// What fingers and tongues run along, in either direction.
const RUNS: [&str; 15] = [
    "abcdefghijklmnopqrstuvwxyz",
    "01234567890",
    "02468",
    "13579",
    "qwertyuiop[]",
    "qwertzuiopü",
    "azertyuiop",
    "asdfghjkl;'",
    "zxcvbnm,./",
    "yxcvbnm,.-",
    "!@#$%^&*()_+",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik,9ol.0p;/",
    "qazwsxedcrfvtgbyhnujmikolp",
    "q1w2e3r4t5y6u7i8o9p0",
    "147258369",
];
/// Guesses for a run of a length: where it begins and which way it goes.
const RUN: f64 = 50.0;
/// Longest word of the list.
const MAX_WORD: usize = 24;
/// Parts after which the order alone takes more guesses than anybody makes.
const MAX_PARTS: usize = 6;
/// Years that mean something to somebody who is alive.
const YEARS: std::ops::RangeInclusive<u32> = 1900..=2050;

/// Guesses that find a password, as their decimal logarithm.
///
/// - `known`: what an attacker would try first, such as the person's names and address.
///
/// The time is quadratic in the length of the password: the caller bounds it.
pub(super) fn log10(password: &str, known: &[&str]) -> f64 {
    let known: Vec<String> = known
        .iter()
        .flat_map(|text| text.split(|char: char| !char.is_alphanumeric()).chain([*text]))
        .filter(|part| part.chars().count() > 2)
        .map(str::to_lowercase)
        .collect();
    let chars: Vec<char> = password.chars().collect();
    let end = chars.len();
    // The least of all ways to cut the first `at` characters into `parts`; the last part is not yet in the others.
    let mut best = vec![[f64::INFINITY; MAX_PARTS + 1]; end + 1];
    best[0][0] = 0.0;
    for at in 1..=end {
        for from in 0..at {
            let part = part(&chars[from..at], &known);
            for parts in 1..=MAX_PARTS {
                best[at][parts] = best[at][parts].min(best[from][parts - 1] + part);
            }
        }
    }
    // Parts may stand in any order, and which one is not known either.
    let mut orders = 0.0;
    let mut least = if end == 0 { 0.0 } else { f64::INFINITY };
    for (parts, count) in (1..=MAX_PARTS).zip(1_u32..) {
        orders += f64::from(count).log10();
        least = least.min(best[end][parts] + orders);
    }
    least
}

/// The least of what one part may be.
fn part(chars: &[char], known: &[String]) -> f64 {
    let whole = single(chars, known);
    // Of repetitions the shortest block is the cheapest.
    let block = (1..=chars.len() / 2).find(|block| {
        chars.len().is_multiple_of(*block) && chars.iter().zip(&chars[*block..]).all(|(one, other)| one == other)
    });
    block.map_or(whole, |block| whole.min(single(&chars[..block], known) + length(chars.len() / block).log10()))
}

fn single(chars: &[char], known: &[String]) -> f64 {
    // Each character for itself.
    let mut least = length(chars.len());
    let lower: Vec<char> = chars.iter().flat_map(|char| char.to_lowercase()).collect();
    if chars.len() > 2 {
        least = least.min(run(&lower)).min(date(&lower));
    }
    if chars.len() <= MAX_WORD || !known.is_empty() {
        least = least.min(word(chars, &lower, known));
    }
    least
}

fn length(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::INFINITY, f64::from)
}

fn run(lower: &[char]) -> f64 {
    let forth: String = lower.iter().collect();
    let back: String = lower.iter().rev().collect();
    let found = RUNS.iter().any(|run| run.contains(&forth) || run.contains(&back));
    if found { (RUN * length(lower.len())).log10() } else { f64::INFINITY }
}

/// A year, or a day with its year in any of the usual orders, with or without a separator.
fn date(lower: &[char]) -> f64 {
    let digits: Vec<u32> = lower.iter().filter_map(|char| char.to_digit(10)).collect();
    let separators: Vec<char> = lower.iter().filter(|char| !char.is_ascii_digit()).copied().collect();
    let number = |digits: &[u32]| digits.iter().fold(0, |number, digit| 10 * number + digit);
    let years = length(YEARS.count());
    if lower.len() == 4 && digits.len() == 4 {
        return if YEARS.contains(&number(&digits)) { years.log10() } else { f64::INFINITY };
    }
    let separated = matches!(separators[..], [one, other] if one == other && "-./_ ".contains(one));
    if !(separators.is_empty() || separated) {
        return f64::INFINITY;
    }
    let month_and_day = |digits: &[u32]| {
        let (one, other) = (number(&digits[..2]), number(&digits[2..]));
        (1..=31).contains(&one) && (1..=31).contains(&other) && one.min(other) <= 12
    };
    let valid = match digits.len() {
        8 => {
            (YEARS.contains(&number(&digits[4..])) && month_and_day(&digits[..4]))
                || (YEARS.contains(&number(&digits[..4])) && month_and_day(&digits[4..]))
        }
        6 => month_and_day(&digits[..4]) || month_and_day(&digits[2..]),
        _ => false,
    };
    let written = if separated { 4.0 } else { 1.0 };
    if valid { (365.0 * years * written).log10() } else { f64::INFINITY }
}

/// A word in any spelling: other letters large, some replaced by what looks like them, back to front.
fn word(chars: &[char], lower: &[char], known: &[String]) -> f64 {
    let rank = |word: &str| {
        let known = known.iter().zip(1..).find(|(known, _)| *known == word).map(|(_, rank)| rank);
        let listed = WORDS.get(word).copied();
        known.into_iter().chain(listed).min()
    };
    let mut least = f64::INFINITY;
    // One figure stands for either of two letters.
    for one in ['i', 'l'] {
        let meant: Vec<char> = lower.iter().map(|char| letter(*char, one)).collect();
        let replaced = meant.iter().zip(lower).filter(|(meant, written)| meant != written).count();
        for (spelling, replaced) in [(lower, 0), (&meant, replaced)] {
            for (word, turned) in
                [(spelling.iter().collect::<String>(), 1.0), (spelling.iter().rev().collect::<String>(), 2.0)]
            {
                if let Some(rank) = rank(&word) {
                    let variants = turned * capitals(chars) * f64::from(1_u32 << replaced.min(20));
                    least = least.min((f64::from(rank) * variants).log10());
                }
            }
        }
    }
    least
}

fn letter(written: char, one: char) -> char {
    match written {
        '4' | '@' => 'a',
        '8' => 'b',
        '3' | '€' => 'e',
        '6' | '9' => 'g',
        '1' | '!' | '|' => one,
        '0' => 'o',
        '$' | '5' => 's',
        '7' | '+' => 't',
        '2' => 'z',
        other => other,
    }
}

/// In how many ways a word of so many large letters may be written.
fn capitals(chars: &[char]) -> f64 {
    let large = chars.iter().filter(|char| char.is_uppercase()).count();
    let letters = chars.iter().filter(|char| char.is_alphabetic()).count();
    let at_an_end = large == 1 && [chars.first(), chars.last()].iter().flatten().any(|char| char.is_uppercase());
    if large == 0 {
        1.0
    } else if at_an_end || large == letters {
        2.0
    } else {
        // Choices of up to as many of one size as there are of the rarer one.
        let mut choices = 1.0;
        let mut sum = 0.0;
        for chosen in 1..=large.min(letters - large) {
            choices *= length(letters + 1 - chosen) / length(chosen);
            sum += choices;
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_used_passwords_are_found_at_once() {
        let passwords = include_str!("common.txt").split("\n\n").find(|list| list.starts_with("# passwords")).unwrap();
        let words: Vec<&str> = passwords.lines().skip(1).flat_map(str::split_whitespace).collect();
        assert_eq!((words.len(), words[0]), (10_000, "123456"));
        for word in words.into_iter().take(3000) {
            let capital = word[..1].to_uppercase() + &word[1..];
            for spelling in [word.to_owned(), word.to_uppercase(), capital + "1", word.chars().rev().collect()] {
                assert!(log10(&spelling, &[]) < 6.0, "{spelling}");
            }
        }
        assert!(WORDS.keys().all(|word| word.chars().count() <= MAX_WORD));
    }

    #[test]
    fn each_kind_of_part_is_known() {
        let known = ["Ines Alba-Ruiz", "ines@harbour.example"];
        for (password, guesses) in [
            ("", 1.0),
            ("p@ssw0rd", 8.0),
            ("drowssap", 4.0),
            ("PASSWORD", 4.0),
            ("paSSword", 2.0 * (8.0 + 28.0)),
            ("aaaaaaaaaaaa", 12.0 * 10.0),
            ("lo9,ki8m", 50.0 * 8.0),
            ("1987", 151.0),
            ("24.12.1987", 365.0 * 151.0 * 4.0),
            ("19871224", 365.0 * 151.0),
            ("ruizruizruiz", 3.0 * 3.0),
            ("#%", 100.0),
            ("password1987", 2.0 * 2.0 * 151.0),
        ] {
            let found = 10_f64.powf(log10(password, &known));
            assert!((found / guesses).log10().abs() < 0.001, "{password}: {found} and not {guesses}");
        }
    }

    #[test]
    fn what_is_random_is_strong_and_the_longest_is_judged_too() {
        let random = "vT9#qL2x&Zp7wKd4";
        assert!((6..=16).all(|count| log10(&random[..count], &[]) >= 6.0));
        for password in ["a".repeat(128), "ab1!".repeat(32), random.repeat(8), "ü".repeat(128)] {
            assert!(log10(&password, &["ines"]).is_finite(), "{password}");
        }
    }
}
