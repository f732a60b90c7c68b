//! Stylesheet, script, icon, and the signs of providers for whoever lists them.
//!
//! Their addresses name the version, so browsers keep them as long as they like. They are compressed, unlike pages, which
//! show secrets beside what stands in their address: how well such a page packs would tell of the secrets.

use std::{io::Write as _, sync::LazyLock};

use flate2::{Compression, write::GzEncoder};
use lambda_http::{
    Body, RequestExt as _,
    http::{HeaderValue, header},
};
use ring::digest::{SHA256, digest};

use crate::{
    ApiError,
    http::{Request, Response},
};

const CACHE: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
/// Of a version that this instance does not have: during a deployment another one answers.
const NO_CACHE: HeaderValue = HeaderValue::from_static("no-cache");

struct Asset {
    name: &'static str,
    kind: &'static str,
    text: &'static str,
    packed: Vec<u8>,
    url: String,
}

static ASSETS: LazyLock<[Asset; 5]> = LazyLock::new(|| {
    [
        ("console.css", "text/css; charset=utf-8", include_str!("../../assets/console.css")),
        ("console.js", "text/javascript; charset=utf-8", include_str!("../../assets/console.js")),
        ("icon.svg", "image/svg+xml", include_str!("../../assets/icon.svg")),
        ("google.svg", "image/svg+xml", include_str!("../../assets/google.svg")),
        ("github.svg", "image/svg+xml", include_str!("../../assets/github.svg")),
    ]
    .map(|(name, kind, text)| {
        let version = hex::encode(&digest(&SHA256, text.as_bytes()).as_ref()[..6]);
        Asset { name, kind, text, packed: packed(text), url: format!("/assets/{name}?v={version}") }
    })
});

fn packed(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(text.as_bytes()).and_then(|()| encoder.finish()).expect("a vector takes all that is written")
}

/// Where a page finds an asset, in this version of it.
pub(super) fn url(name: &str) -> &'static str {
    ASSETS.iter().find(|asset| asset.name == name).map_or("", |asset| &asset.url)
}

pub(super) fn answer(request: &Request, name: &str) -> Result<Response, ApiError> {
    let asset = ASSETS.iter().find(|asset| asset.name == name).ok_or(ApiError::NotFound)?;
    let accepts = request.headers().get(header::ACCEPT_ENCODING).and_then(|accepts| accepts.to_str().ok());
    let takes_gzip = accepts.is_some_and(|accepts| {
        accepts.split(',').any(|coding| matches!(coding.trim(), "gzip") || coding.trim().starts_with("gzip;q=1"))
    });
    let body = if takes_gzip { Body::Binary(asset.packed.clone()) } else { Body::Text(asset.text.to_owned()) };
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    if takes_gzip {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(asset.kind));
    let is_this_version = request.query_string_parameters().first("v") == asset.url.rsplit('=').next();
    headers.insert(header::CACHE_CONTROL, if is_this_version { CACHE } else { NO_CACHE });
    Ok(response)
}
