//! Stylesheet, script and icon.

use lambda_http::{
    Body,
    http::{HeaderValue, header},
};

use crate::{ApiError, http::Response};

/// For an hour; a deployment changes them at any time.
const CACHE: HeaderValue = HeaderValue::from_static("public, max-age=3600");

pub(super) fn answer(name: &str) -> Result<Response, ApiError> {
    let (kind, text) = match name {
        "console.css" => ("text/css; charset=utf-8", include_str!("../../assets/console.css")),
        "console.js" => ("text/javascript; charset=utf-8", include_str!("../../assets/console.js")),
        "icon.svg" => ("image/svg+xml", include_str!("../../assets/icon.svg")),
        _ => return Err(ApiError::NotFound),
    };
    let mut response = Response::new(Body::Text(text.to_owned()));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response.headers_mut().insert(header::CACHE_CONTROL, CACHE);
    Ok(response)
}
