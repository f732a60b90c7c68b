//! Every requirement of OWASP ASVS that `infra/asvs.toml` answers for is shown by tests and settings that are there.

use std::{
    fs,
    path::{Path, PathBuf},
};

use toml::{Table, Value};

use crate::drift::root;

/// The requirements of chapters V6 to V10 by section: the numbers of level 1, and those of level 2 after them. The rest of
/// a section is level 3. Source: OWASP ASVS 5.0.0.
const SECTIONS: [(&str, &[u32], &[u32]); 26] = [
    ("6.1", &[1], &[2, 3]),
    ("6.2", &[1, 2, 3, 4, 5, 6, 7, 8], &[9, 10, 11, 12]),
    ("6.3", &[1, 2], &[3, 4]),
    ("6.4", &[1, 2], &[3, 4]),
    ("6.5", &[], &[1, 2, 3, 4, 5]),
    ("6.6", &[], &[1, 2, 3]),
    ("6.8", &[], &[1, 2, 3, 4]),
    ("7.1", &[], &[1, 2, 3]),
    ("7.2", &[1, 2, 3, 4], &[]),
    ("7.3", &[], &[1, 2]),
    ("7.4", &[1, 2], &[3, 4, 5]),
    ("7.5", &[], &[1, 2]),
    ("7.6", &[], &[1, 2]),
    ("8.1", &[1], &[2]),
    ("8.2", &[1, 2], &[3]),
    ("8.3", &[1], &[]),
    ("8.4", &[], &[1]),
    ("9.1", &[1, 2, 3], &[]),
    ("9.2", &[1], &[2, 3, 4]),
    ("10.1", &[], &[1, 2]),
    ("10.2", &[], &[1, 2]),
    ("10.3", &[], &[1, 2, 3, 4]),
    ("10.4", &[1, 2, 3, 4, 5], &[6, 7, 8, 9, 10, 11]),
    ("10.5", &[], &[1, 2, 3, 4, 5]),
    ("10.6", &[], &[1, 2]),
    ("10.7", &[], &[1, 2, 3]),
];

/// Requirements of level 1 and of level 2 that are not met. Whoever changes a figure has decided to.
const UNMET: [usize; 2] = [3, 7];

/// Where the modules of a crate lie.
const CRATES: [(&str, &str); 5] = [
    ("it", "infra/local/tests/it"),
    ("local", "infra/local/src"),
    ("domain", "shared/domain/src"),
    ("store", "shared/store/src"),
    ("functions", "functions/src"),
];

fn requirements() -> Vec<Table> {
    let table: Table = fs::read_to_string(root().join("infra/asvs.toml")).unwrap().parse().unwrap();
    let all = table["requirement"].as_array().unwrap().iter();
    all.map(|requirement| requirement.as_table().unwrap().clone()).collect()
}

fn text<'a>(requirement: &'a Table, name: &str) -> &'a str {
    requirement[name].as_str().unwrap()
}

/// What a requirement cites under this name, each of it with the requirement's id.
fn cited<'a>(requirements: &'a [Table], name: &str) -> Vec<(&'a str, &'a str)> {
    let lists = requirements.iter().filter_map(|it| Some((text(it, "id"), it.get(name)?.as_array().unwrap())));
    lists.flat_map(|(id, list)| list.iter().map(move |cited| (id, cited.as_str().unwrap()))).collect()
}

#[test]
fn every_requirement_stands_there_once_with_one_kind_of_answer() {
    let requirements = requirements();
    let expected: Vec<(String, i64)> = SECTIONS
        .iter()
        .flat_map(|(section, one, two)| {
            let of = |level| move |number: &u32| (format!("{section}.{number}"), level);
            one.iter().map(of(1)).chain(two.iter().map(of(2))).collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(expected.len(), 96);
    let found: Vec<(String, i64)> =
        requirements.iter().map(|it| (text(it, "id").to_owned(), it["level"].as_integer().unwrap())).collect();
    assert_eq!(found, expected);
    for requirement in &requirements {
        let (id, about) = (text(requirement, "id"), text(requirement, "about"));
        assert!(!about.is_empty() && !about.ends_with('.'), "{id}: {about}");
        let mut answers: Vec<&str> = requirement.keys().map(String::as_str).collect();
        answers.retain(|name| !["id", "level", "about"].contains(name));
        answers.sort_unstable();
        match answers[..] {
            ["not_applicable" | "unmet"] => {
                let why = text(requirement, answers[0]);
                let is_sentence = why.ends_with('.') && why.starts_with(char::is_uppercase) && why.contains(' ');
                assert!(is_sentence, "{id}: {why}");
            }
            ["tests" | "settings"] | ["settings", "tests"] => {
                let is_list = |name: &&str| matches!(&requirement[*name], Value::Array(list) if !list.is_empty());
                assert!(answers.iter().all(is_list), "{id} cites nothing");
            }
            _ => panic!("{id} is answered by {answers:?}"),
        }
    }
}

#[test]
fn what_is_not_met_is_as_much_as_was_decided() {
    let unmet = |level: i64| {
        let of_level = |it: &&Table| it["level"].as_integer() == Some(level) && it.contains_key("unmet");
        requirements().iter().filter(of_level).count()
    };
    assert_eq!([unmet(1), unmet(2)], UNMET);
}

/// The files that a module may be in; one inside a file is not named.
fn files(krate: &str, modules: &[&str]) -> Vec<PathBuf> {
    let (_, folder) = CRATES.iter().find(|(name, _)| *name == krate).unwrap_or_else(|| panic!("no crate {krate}"));
    let path = root().join(folder).join(modules.join("/"));
    let files = [path.with_extension("rs"), path.join("mod.rs"), path.join("tests.rs")];
    files.into_iter().filter(|file| file.is_file()).collect()
}

/// Whether a file has a test of this name that `cargo xtask test` runs.
fn has_test(file: &Path, name: &str) -> bool {
    let source = fs::read_to_string(file).unwrap();
    let lines: Vec<&str> = source.lines().map(str::trim).collect();
    let begins = |line: &&str| {
        let line = line.strip_prefix("async ").unwrap_or(line);
        line.strip_prefix("fn ").and_then(|line| line.strip_prefix(name)).is_some_and(|rest| rest.starts_with('('))
    };
    let Some(at) = lines.iter().position(begins) else { return false };
    let above = lines[..at].iter().rev().take_while(|line| line.starts_with("#[") || line.starts_with("//"));
    let attributes: Vec<&&str> = above.filter(|line| line.starts_with("#[")).collect();
    let is_test = |line: &&&str| **line == "#[test]" || line.starts_with("#[tokio::test");
    attributes.iter().any(is_test)
        && !attributes.iter().any(|line| line.starts_with("#[ignore") && !line.contains("the suite"))
}

#[test]
fn every_test_that_is_cited_is_there() {
    let requirements = requirements();
    for (id, cited) in cited(&requirements, "tests") {
        let parts: Vec<&str> = cited.split("::").collect();
        let [krate, modules @ .., name] = &parts[..] else { panic!("{id} cites {cited}") };
        assert!(!modules.is_empty(), "{id} cites {cited}, which names no file");
        assert!(files(krate, modules).iter().any(|file| has_test(file, name)), "{id}: there is no test {cited}");
    }
}

#[test]
fn every_setting_that_is_cited_stands_in_its_file() {
    let requirements = requirements();
    for (id, cited) in cited(&requirements, "settings") {
        let (file, text) = cited.split_once(": ").unwrap_or_else(|| panic!("{id} cites {cited}"));
        let found = fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{id}: {file}: {error}"));
        assert!(!text.is_empty() && found.contains(text), "{id}: {file} lacks {text:?}");
    }
}
