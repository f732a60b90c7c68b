//! The template is the one source: binaries, events, router table and README say the same.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use local::{gateway, template::Template};
use serde_json::Value;

use crate::stack::Stack;

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn stems(folder: &str) -> BTreeSet<String> {
    let files = fs::read_dir(root().join(folder)).unwrap();
    files.map(|file| file.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned()).collect()
}

fn routes() -> BTreeMap<String, String> {
    let functions = Template::load().functions.into_iter();
    functions
        .flat_map(|function| function.routes.into_iter().map(move |route| (route.key(), function.name.clone())))
        .collect()
}

#[test]
fn every_function_has_one_binary_and_the_name_of_its_resource() {
    let functions = Template::load().functions;
    let names: BTreeSet<_> = functions.iter().map(|function| function.name.clone()).collect();
    assert_eq!(names, stems("functions/src/bin"));
    for function in &functions {
        let words = function.name.split('_').map(|word| word[..1].to_uppercase() + &word[1..]);
        assert_eq!(function.resource, words.collect::<String>());
    }
}

#[test]
fn the_router_of_cargo_lambda_has_the_routes_of_the_template() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let manifest: toml::Table = manifest.parse().unwrap();
    let router = &manifest["workspace"]["metadata"]["lambda"]["watch"]["router"];
    let mut found = BTreeMap::new();
    for (path, entries) in router.as_table().unwrap() {
        for entry in entries.as_array().unwrap() {
            let text = |name: &str| entry[name].as_str().unwrap().to_owned();
            found.insert(format!("{} {path}", text("method")), text("function"));
        }
    }
    // What no route is for, cargo-lambda answers itself.
    // And it writes the rest of a path its own way.
    let expected: BTreeMap<_, _> = routes()
        .into_iter()
        .filter(|(route, _)| route != "$default")
        .map(|(route, function)| (route.replace("{page+}", "{*page}"), function))
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn the_readme_lists_the_routes_of_the_template() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let rows = readme.lines().filter_map(|line| line.strip_prefix("| `"));
    let mut found = BTreeMap::new();
    for row in rows {
        let (route, rest) = row.split_once("` | `").unwrap_or_default();
        if !route.is_empty() {
            found.insert(route.to_owned(), rest.split_once('`').unwrap().0.to_owned());
        }
    }
    assert_eq!(found, routes());
    assert!(readme.contains(domain::api_key::value::PATTERN), "the pattern of keys is published");
}

/// Functions that no route leads to: see the tests of mails, audits, sweeps and the authorizer.
const OF_OTHER_KINDS: [&str; 4] = ["mailer", "audit_chain", "sweeper", "authorizer"];

#[tokio::test]
async fn every_function_has_events_that_it_answers() {
    let stack = Stack::start().await;
    let routes = routes();
    let mut with_events = BTreeSet::new();
    for event in stems("events") {
        let name = event.split('-').next().unwrap();
        if OF_OTHER_KINDS.contains(&name) {
            with_events.insert(name.to_owned());
            continue;
        }
        let text = fs::read_to_string(root().join("events").join(format!("{event}.json"))).unwrap();
        let route = serde_json::from_str::<Value>(&text).unwrap()["routeKey"].as_str().unwrap().to_owned();
        assert_eq!(routes.get(&route).map(String::as_str), Some(name), "{event}");
        let function = stack.service.template.functions.iter().find(|function| function.name == name).unwrap();
        let answer = gateway::invoke(&stack.service, function, &text).await.unwrap();
        let status = answer["statusCode"].as_u64().unwrap();
        let expected = match event.as_str() {
            "discovery" | "discovery-openapi" | "organizations" | "console-sign-in" | "sso" => 200,
            "console" => 303,
            "discovery-default" => 404,
            "sign_up" | "passwords" | "organizations-forgot" => 204,
            // The credentials of samples are nobody's.
            _ => 401,
        };
        assert_eq!(status, expected, "{event}: {answer}");
        with_events.insert(name.to_owned());
    }
    let functions = Template::load().functions.into_iter().map(|function| function.name);
    assert_eq!(with_events, functions.collect());
}

#[test]
fn no_policy_has_a_wildcard_or_scans() {
    for function in Template::load().functions {
        for statement in &function.policy.statements {
            assert!(!statement.actions.is_empty() && !statement.resources.is_empty());
            let named = statement.actions.iter().chain(&statement.resources);
            assert!(named.clone().all(|name| !name.contains('*')), "{}", function.name);
            assert!(statement.actions.iter().all(|action| action != "dynamodb:Scan"), "{}", function.name);
        }
    }
}
