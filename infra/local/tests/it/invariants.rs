//! What must hold of the tables at every moment, checked on an export.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// Checks that every API key is whole: key, index item, held name and counter agree. Returns the uids of all keys.
pub(crate) fn check(export: &str) -> BTreeSet<String> {
    let mut keys: BTreeMap<String, Value> = BTreeMap::new();
    let mut indexed: BTreeMap<String, Value> = BTreeMap::new();
    let mut names: BTreeSet<(String, String, String)> = BTreeSet::new();
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for line in export.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let item = &line["item"];
        let text = |name: &str| item[name]["S"].as_str().unwrap_or_default().to_owned();
        if line["table"] == "AuditsTable" {
            continue;
        }
        if line["table"] == "KeysTable" {
            keys.insert(text("uid"), item.clone());
            continue;
        }
        let (pk, sk) = (text("pk"), text("sk"));
        if sk.starts_with("KEY#") {
            assert_eq!(sk, format!("KEY#{}#{}", text("user"), text("uid")));
            assert_eq!(pk, format!("TENANT#{}", text("tenant")));
            indexed.insert(text("uid"), item.clone());
        } else if let Some(name) = sk.strip_prefix("API_KEY_NAME#") {
            let (user, name) = name.split_once('#').unwrap();
            assert!(names.insert((user.to_owned(), name.to_owned(), text("key"))));
        } else if sk == "PROFILE" {
            counts.insert(text("uid"), item["key_count"]["N"].as_str().unwrap().parse().unwrap());
        }
    }

    assert_eq!(keys.keys().collect::<Vec<_>>(), indexed.keys().collect::<Vec<_>>(), "keys and index agree");
    let mut held = BTreeSet::new();
    let mut counted: BTreeMap<String, usize> = counts.keys().map(|user| (user.clone(), 0)).collect();
    for (uid, key) in &keys {
        let index = &indexed[uid];
        for (name, value) in key.as_object().unwrap() {
            // A note of the last use is written to both, but the index may be put whole at the same moment.
            if !["digest", "expiry_day"].contains(&name.as_str()) && !name.starts_with("last_used_") {
                assert_eq!(value, &index[name], "{name} of {uid}");
            }
        }
        let text = |name: &str| key[name]["S"].as_str().unwrap().to_owned();
        held.insert((text("user"), text("name").to_lowercase(), uid.clone()));
        *counted.get_mut(&text("user")).expect("the user of a key exists") += 1;
    }
    assert_eq!(names, held, "every key holds its name and nothing else does");
    assert_eq!(counts, counted, "the counters are right");
    keys.into_keys().collect()
}
