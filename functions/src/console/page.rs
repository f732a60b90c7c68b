//! What pages share: forms, links, times in words.

use domain::Timestamp;
use lambda_http::{
    Body, RequestExt as _,
    http::{HeaderValue, Method, StatusCode, header},
};

use super::Page;
use crate::{
    ApiError,
    http::{Request, Response},
};

/// A form that was sent, or the query of a page.
pub(super) struct Form(Vec<(String, String)>);

impl Form {
    pub(super) fn of(request: &Request) -> Self {
        if request.method() == Method::POST {
            // Never from the address too: whoever can make a person follow a link would fill in their form.
            let bytes: &[u8] = request.body();
            return Self(form_urlencoded::parse(bytes).into_owned().collect());
        }
        let query = request.query_string_parameters();
        Self(query.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }

    /// What was sent, or nothing where the page is only asked for: a link fills in no form that changes something.
    pub(super) fn sent(request: &Request) -> Self {
        if request.method() == Method::POST { Self::of(request) } else { Self(Vec::new()) }
    }

    /// As it stands in addresses.
    pub(super) fn into_query(self) -> String {
        form_urlencoded::Serializer::new(String::new()).extend_pairs(self.0).finish()
    }

    pub(super) fn text(&self, name: &str) -> String {
        self.list(name).next().unwrap_or_default().to_owned()
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.list(name).next().is_some_and(|value| !value.is_empty())
    }

    /// The values of a field that may be there several times.
    pub(super) fn list(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(field, _)| field == name).map(|(_, value)| value.as_str())
    }

    /// A field that can only be one or the other.
    pub(super) fn flag(&self, name: &str) -> Result<bool, ApiError> {
        match self.text(name).as_str() {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(ApiError::FormRefused),
        }
    }

    /// A page of ours to go on to; anything else leads to `default`. Not even another address of ours, since some of the
    /// API's do something when a browser goes to them.
    pub(super) fn own_path(&self, name: &str, default: &str) -> String {
        own_path(&self.text(name), default)
    }
}

/// An address if it is that of a page of ours; anything else leads to `default`.
pub(super) fn own_path(address: &str, default: &str) -> String {
    if is_page(address) { without_notes(address) } else { default.to_owned() }
}

/// The address of a page, but for what it says of what has just happened.
pub(super) fn without_notes(address: &str) -> String {
    let Some((path, query)) = address.split_once('?') else { return address.to_owned() };
    let pairs = form_urlencoded::parse(query.as_bytes());
    let pairs = pairs.filter(|(name, _)| !["note", "to", "undo", "saved"].contains(&&**name));
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
    if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
}

/// Whether an address is one of the pages that people who are signed in can go to.
pub(super) fn is_page(address: &str) -> bool {
    let is_plain = address.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\' && byte != b'#');
    let path = address.split('?').next().unwrap_or_default();
    let parts: Vec<&str> = path.strip_prefix('/').unwrap_or_default().split('/').collect();
    // Browsers would fold these away, and arrive elsewhere.
    let is_folded = parts.iter().any(|part| part.starts_with('.') || part.contains('%'));
    is_plain && address.starts_with('/') && !is_folded && Page::of("GET", &parts).is_some()
}

/// A query of these pairs.
pub(super) fn query(pairs: &[(&str, &str)]) -> String {
    let pairs = pairs.iter().filter(|(_, value)| !value.is_empty());
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

/// An address with a query, if there is any.
pub(super) fn url(path: &str, pairs: &[(&str, &str)]) -> String {
    let query = query(pairs);
    if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
}

/// The number of a page as it stands in addresses: the first needs none.
pub(super) fn number(number: usize) -> String {
    if number > 1 { number.to_string() } else { String::new() }
}

/// The address of a page that says what has just happened, and to what.
pub(super) fn with_note(path: &str, note: &str, uid: &str) -> String {
    let joint = if path.contains('?') { '&' } else { '?' };
    format!("{path}{joint}{}", query(&[("note", note), ("to", uid)]))
}

/// A value that a field offers.
pub(super) struct Choice {
    pub(super) value: &'static str,
    pub(super) label: &'static str,
    pub(super) is_selected: bool,
}

impl Choice {
    /// - `selected`: the value that is chosen.
    pub(super) fn all(choices: &[(&'static str, &'static str)], selected: &str) -> Vec<Self> {
        choices.iter().map(|&(value, label)| Self { value, label, is_selected: value == selected }).collect()
    }
}

/// The same, with an offer to take it back.
pub(super) fn with_undo(address: &str, mark: &str) -> String {
    format!("{address}&{}", query(&[("undo", mark)]))
}

/// The part of a list that a page shows.
#[derive(Clone, Copy)]
pub(super) struct Part {
    /// Which page it is, from 1 on.
    pub(super) number: usize,
    pub(super) start: usize,
    pub(super) end: usize,
    /// How many there are on all pages.
    pub(super) count: usize,
}

impl Part {
    /// - `of_page`: how many a page shows.
    pub(super) fn of(form: &Form, count: usize, of_page: usize) -> Self {
        // What was removed from the last page leaves those before it.
        let last = count.div_ceil(of_page).max(1);
        let number: usize = form.text("page").parse().unwrap_or(1).clamp(1, last);
        let start = (number - 1) * of_page;
        Self { number, start, end: (start + of_page).min(count), count }
    }

    /// What stands below the list.
    ///
    /// - `url`: the address of a page by its number.
    pub(super) fn pager(self, url: impl Fn(usize) -> String) -> Pager {
        let link = |is_there: bool, number: usize| if is_there { url(number) } else { String::new() };
        Pager {
            text: self.text(),
            previous: link(self.start > 0, self.number.saturating_sub(1)),
            next: link(self.end < self.count, self.number.saturating_add(1)),
        }
    }

    fn text(self) -> String {
        let first = if self.start < self.end { self.start + 1 } else { self.start };
        format!("{first} to {} of {}", self.end, self.count)
    }
}

/// Which part of a list a page shows, and the addresses of those before and after it, empty where there is none.
pub(super) struct Pager {
    pub(super) text: String,
    pub(super) previous: String,
    pub(super) next: String,
}

/// To another page, which is then asked for by `GET`.
pub(super) fn redirect(path: &str) -> Response {
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = StatusCode::SEE_OTHER;
    let to = HeaderValue::try_from(path).unwrap_or_else(|_| HeaderValue::from_static("/"));
    response.headers_mut().insert(header::LOCATION, to);
    response
}

/// `in 12 days`, `3 hours ago`: to the nearest, so that a key of 90 days has 90 days right after it was made.
pub(super) fn relative(at: Timestamp, now: Timestamp) -> String {
    let millis = at.millis() - now.millis();
    let minutes = (millis.unsigned_abs() + 30_000) / 60_000;
    let (count, unit) = match minutes {
        0 => return if millis < 0 { "just now" } else { "in a moment" }.to_owned(),
        1..60 => (minutes, "minute"),
        60..1410 => ((minutes + 30) / 60, "hour"),
        _ => ((minutes + 720) / 1440, "day"),
    };
    let plural = if count == 1 { "" } else { "s" };
    if millis < 0 { format!("{count} {unit}{plural} ago") } else { format!("in {count} {unit}{plural}") }
}
