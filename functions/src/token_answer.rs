//! The answer that carries a token, in the body and for browsers in a cookie.

use domain::token::{AccessToken, Claims};
use lambda_http::http::{HeaderValue, header};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    ApiError, App,
    caller::{self, COOKIE},
    http::{self, Request, Response},
};

#[derive(Serialize, ToSchema)]
#[schema(as = Token)]
pub(crate) struct Body<'a> {
    #[serde(rename = "Authorization")]
    authorization: &'a str,
    #[serde(rename = "isMfa")]
    is_mfa: bool,
}

/// 200 with the token; with the cookie too if the request wants one (the default) and may have one.
pub(crate) fn answer(app: &App, request: &Request, token: &AccessToken, claims: &Claims) -> Result<Response, ApiError> {
    let wants_cookie = http::flag(request, "setCookie", true)?;
    let mut response = http::ok(&Body { authorization: token.expose(), is_mfa: false });
    // A page that is gone to, by whatever link, signs nobody in: only what a page of ours asks for may.
    if wants_cookie && caller::may_set_cookie(app, request) && !caller::is_navigation(request) {
        let lifetime = (claims.exp - app.clock.now().secs()).max(0);
        response.headers_mut().insert(header::SET_COOKIE, cookie(token.expose(), lifetime));
    }
    Ok(response)
}

/// The token in such an answer.
pub(crate) fn token_of(answer: &Response) -> String {
    let bytes: &[u8] = answer.body();
    let body: serde_json::Value = serde_json::from_slice(bytes).unwrap_or_default();
    body["Authorization"].as_str().unwrap_or_default().to_owned()
}

/// The cookie that takes the token out of the browser again.
pub(crate) fn cleared_cookie() -> HeaderValue {
    cookie("", 0)
}

fn cookie(value: &str, lifetime_secs: i64) -> HeaderValue {
    let cookie = format!("{COOKIE}={value}; Path=/; HttpOnly; Secure; SameSite=Lax; Max-Age={lifetime_secs}");
    HeaderValue::try_from(cookie).expect("a token is base64url and dots")
}
