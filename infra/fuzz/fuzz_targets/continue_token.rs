//! From whatever place a list is asked to go on, its pages are its rest: nothing twice, nothing left out.
#![no_main]

use std::sync::LazyLock;

use arbitrary::Arbitrary;
use domain::{AuditUid, audit::Record};
use fuzz::Latchkey;
use libfuzzer_sys::fuzz_target;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

static LATCHKEY: LazyLock<Latchkey> = LazyLock::new(Latchkey::start);
/// The uids of everything in these lists.
static AUDITS: LazyLock<Vec<String>> = LazyLock::new(|| rest("/v1/audits", 50, "").expect("it has a beginning"));
static USERS: LazyLock<Vec<String>> = LazyLock::new(|| rest("/v1/users", 50, "").expect("it has a beginning"));

#[derive(Debug, Arbitrary)]
struct Input<'a> {
    limit: u8,
    token: &'a str,
}

fuzz_target!(|input: Input<'_>| {
    let Input { limit, token } = input;
    let uid: Option<AuditUid> = token.parse().ok();
    if let Some(before) = uid.and_then(Record::uid_before) {
        assert!(before.to_string().as_str() < token);
    }
    if let Some(rest) = rest("/v1/audits", limit, token) {
        assert!(limit <= 50 && (token.is_empty() || uid.is_some()), "{token} is no place");
        assert!(rest.iter().eq(AUDITS.iter().filter(|uid| token.is_empty() || uid.as_str() < token)), "{token}");
    }
    if let Some(rest) = rest("/v1/users", limit, token) {
        let start = if token.is_empty() { 0 } else { token.parse().expect("it is a number") };
        assert!(limit <= 50);
        assert_eq!(rest, USERS[USERS.len().min(start)..]);
    }
});

/// The uids on all pages from this place on; `None` if it is refused.
fn rest(list: &str, limit: u8, token: &str) -> Option<Vec<String>> {
    let mut place = token.to_owned();
    let mut found = Vec::new();
    for page in 0..100 {
        let token = utf8_percent_encode(&place, NON_ALPHANUMERIC);
        let request = format!("GET {list}?limit={limit}&continue={token}\napikey: {{secret}}");
        let answer = LATCHKEY.answer(request.as_bytes()).expect("it is a request");
        answer.check();
        if answer.status == 400 && page == 0 {
            return None;
        }
        assert_eq!(answer.status, 200, "{}", answer.body);
        let body = answer.json();
        let uid = |item: &serde_json::Value| item["metadata"]["uid"].as_str().expect("it has a uid").to_owned();
        found.extend(body["items"].as_array().expect("there is a list").iter().map(uid));
        body["listmeta"]["continue"].as_str().expect("it is said where to go on").clone_into(&mut place);
        if place.is_empty() {
            return Some(found);
        }
    }
    panic!("the list has no end");
}
