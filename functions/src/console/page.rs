//! What pages share: forms, links, times in words.

use std::collections::HashMap;

use domain::Timestamp;
use lambda_http::{
    Body, RequestExt as _,
    http::{HeaderValue, StatusCode, header},
};

use crate::http::{Request, Response};

/// A form that was sent, or the query of a page.
pub(super) struct Form(HashMap<String, String>);

impl Form {
    pub(super) fn of(request: &Request) -> Self {
        let bytes: &[u8] = request.body();
        let fields = form_urlencoded::parse(bytes).into_owned();
        let query = request.query_string_parameters();
        let query = query.iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
        // What was sent counts more than what stands in the address.
        Self(query.chain(fields).collect())
    }

    pub(super) fn text(&self, name: &str) -> String {
        self.0.get(name).cloned().unwrap_or_default()
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(|value| !value.is_empty())
    }

    /// A path of our own to go on to; anything else leads to `default`.
    pub(super) fn own_path(&self, name: &str, default: &str) -> String {
        let path = self.text(name);
        let is_own = path.starts_with('/')
            && !path.starts_with("//")
            && path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
        if is_own { path } else { default.to_owned() }
    }
}

/// A query of these pairs.
pub(super) fn query(pairs: &[(&str, &str)]) -> String {
    let pairs = pairs.iter().filter(|(_, value)| !value.is_empty());
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

/// To another page, which is then asked for by `GET`.
pub(super) fn redirect(path: &str) -> Response {
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = StatusCode::SEE_OTHER;
    let to = HeaderValue::try_from(path).unwrap_or_else(|_| HeaderValue::from_static("/"));
    response.headers_mut().insert(header::LOCATION, to);
    response
}

/// `in 12 days`, `3 hours ago`.
pub(super) fn relative(at: Timestamp, now: Timestamp) -> String {
    let millis = at.millis() - now.millis();
    let minutes = millis.unsigned_abs() / 60_000;
    let (count, unit) = match minutes {
        0 => return if millis < 0 { "just now" } else { "in a moment" }.to_owned(),
        1..60 => (minutes, "minute"),
        60..1440 => (minutes / 60, "hour"),
        _ => (minutes / 1440, "day"),
    };
    let plural = if count == 1 { "" } else { "s" };
    if millis < 0 { format!("{count} {unit}{plural} ago") } else { format!("in {count} {unit}{plural}") }
}
