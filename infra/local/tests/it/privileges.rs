//! Least privilege, both ways: no function does what its policy lacks, and no permission is without use.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{File, OpenOptions},
    io::Write as _,
    sync::{Mutex, OnceLock},
};

use local::{
    policy::{Access, Policy, Seen, Witness},
    template::Template,
};
/// Where tests note what functions do, for [`no_permission_is_without_use`] to read.
const RECORD: &str = "LATCHKEY_TEST_RECORD";

#[allow(clippy::disallowed_methods, reason = "whether to take notes is the business of whoever runs the tests")]
fn record() -> Option<String> {
    std::env::var(RECORD).ok()
}

/// Fails a test in which a function does what its policy lacks, whether the function could go on without or not. So every
/// permission that is noted here is one without which a test would fail.
pub(crate) fn witness() -> Witness {
    static NOTES: OnceLock<Mutex<(BTreeSet<String>, Option<File>)>> = OnceLock::new();
    let notes = NOTES.get_or_init(|| {
        let file = record().map(|path| OpenOptions::new().create(true).append(true).open(path).unwrap());
        Mutex::new((BTreeSet::new(), file))
    });
    Witness::new(move |seen| {
        assert!(seen.is_allowed, "the policy of {} lacks {:?}", seen.function, seen.access);
        let (known, file) = &mut *notes.lock().unwrap();
        let Some(file) = file else { return };
        let note = serde_json::to_string(&without_names(seen.clone())).unwrap();
        if known.insert(note.clone()) {
            writeln!(file, "{note}").unwrap();
        }
    })
}

/// The same for whatever partition and table of its kind, so that there are few of them.
fn without_names(mut seen: Seen) -> Seen {
    seen.access.table = seen.resource.clone();
    for key in &mut seen.access.leading_keys {
        if let Some(at) = key.find('#') {
            key.truncate(at + 1);
        }
    }
    seen.access.attributes.sort();
    seen.access.attributes.dedup();
    seen
}

/// Each way of taking something away from a policy: an action of a statement, a resource of it, or a kind of partition; with the
/// statement that it belongs to.
fn reductions(policy: &Policy) -> Vec<(usize, String, Policy)> {
    let mut reductions = Vec::new();
    for (at, statement) in policy.statements.iter().enumerate() {
        let mut reduce = |what: String, change: &dyn Fn(&mut local::policy::Statement)| {
            let mut reduced = policy.clone();
            change(&mut reduced.statements[at]);
            reductions.push((at, what, reduced));
        };
        for action in &statement.actions {
            reduce(action.clone(), &|statement| statement.actions.retain(|it| it != action));
        }
        if statement.resources.len() > 1 {
            for resource in &statement.resources {
                reduce(format!("{:?} at {resource}", statement.actions), &|statement| {
                    statement.resources.retain(|it| it != resource);
                });
            }
        }
        for key in statement.leading_keys.iter().flatten() {
            let what = format!("{:?} of {:?} on {key}", statement.actions, statement.resources);
            reduce(what, &|statement| statement.leading_keys.as_mut().unwrap().retain(|it| it != key));
        }
    }
    reductions
}

#[test]
#[ignore = "reads what all other tests have noted, and so runs after them"]
fn no_permission_is_without_use() {
    let notes = std::fs::read_to_string(record().expect("the notes have a place")).unwrap();
    let mut did: BTreeMap<String, Vec<(Access, String)>> = BTreeMap::new();
    for line in notes.lines() {
        let Seen { function, access, resource, .. } = serde_json::from_str(line).unwrap();
        did.entry(function).or_default().push((access, resource));
    }
    let (mut checked, mut unused) = (0, Vec::new());
    for function in Template::load().functions {
        let did = did.remove(&function.name).unwrap_or_default();
        for (at, what, reduced) in reductions(&function.policy) {
            checked += 1;
            if did.iter().all(|(access, resource)| reduced.allows(access, resource)) {
                unused.push(format!("{}, statement {at}: {what}", function.name));
            }
        }
    }
    assert!(unused.is_empty(), "{} of {checked} permissions are without use:\n{}", unused.len(), unused.join("\n"));
    println!("{checked} permissions, each of which a test would miss");
}
