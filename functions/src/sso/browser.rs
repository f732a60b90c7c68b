//! What binds a sign-in to the browser that began it: a secret in a cookie, of which everything else is derived. So what
//! lies in the table is of no use without the cookie, nor is what stands in an address.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use domain::once::{OneTimeToken, SECRET_BYTES};
use lambda_http::http::{HeaderValue, header};
use ring::digest::{SHA256, digest};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::ATTEMPT_LIFETIME;
use crate::{
    App, caller,
    http::{Request, Response},
};

/// Lax, since the way back from a provider comes from another site.
const COOKIE: &str = "__Host-Sso";

/// The secret of a browser.
pub(crate) struct Browser(Zeroizing<String>);

impl Browser {
    /// That of the request, if it has one.
    pub(crate) fn of(request: &Request) -> Option<Self> {
        let secret = caller::cookie_named(request, COOKIE)?;
        // Only what we have made ourselves.
        OneTimeToken::parse(&secret).ok().map(|_| Self(Zeroizing::new(secret)))
    }

    /// That of the request, or a new one. Several sign-ins at once share it, each with a `state` of its own.
    pub(crate) fn of_or_new(app: &App, request: &Request) -> Self {
        Self::of(request).unwrap_or_else(|| {
            let secret: Zeroizing<[u8; SECRET_BYTES]> = Zeroizing::new(app.entropy.bytes());
            Self(Zeroizing::new(URL_SAFE_NO_PAD.encode(secret.as_slice())))
        })
    }

    /// What is kept of it.
    pub(crate) fn digest(&self) -> String {
        self.derived("browser", "")
    }

    /// Whether it is the one of which this was kept.
    pub(crate) fn is(&self, kept: &str) -> bool {
        self.digest().as_bytes().ct_eq(kept.as_bytes()).into()
    }

    /// What the provider repeats in the token that it signs.
    pub(super) fn nonce(&self, state: &str) -> String {
        self.derived("nonce", state)
    }

    /// What proves to the provider that whoever brings the code is whoever was sent. Source: RFC 7636.
    pub(super) fn code_verifier(&self, state: &str) -> String {
        self.derived("code verifier", state)
    }

    fn derived(&self, what: &str, state: &str) -> String {
        let text = Zeroizing::new(format!("latchkey {what}\n{}\n{state}", self.0.as_str()));
        URL_SAFE_NO_PAD.encode(digest(&SHA256, text.as_bytes()))
    }

    /// Puts it into the browser, or leaves it there for longer.
    pub(crate) fn keep(&self, response: &mut Response) {
        let lifetime = ATTEMPT_LIFETIME.as_secs();
        let cookie =
            format!("{COOKIE}={}; Path=/; HttpOnly; Secure; SameSite=Lax; Max-Age={lifetime}", self.0.as_str());
        let cookie = HeaderValue::try_from(cookie).expect("the secret is base64url");
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
}
