//! The web console: pages that are rendered here and work without a script.
//!
//! It is a client of the API in the same process: whatever a page shows or changes goes through the very operations that
//! programs call, by the person's own token, so there is one set of rules. (Two things no program asks for: what a
//! password must be like before it is typed, and which of several organizations after it was.) What is its own is the cookie: it is renewed
//! while the person is active, and every form carries a token that only a page of theirs can know.

#![allow(clippy::struct_excessive_bools, clippy::struct_field_names, reason = "fields are what the templates name")]

mod api;
mod assets;
mod audit;
mod choice;
mod door;
mod expiry;
mod keys;
mod page;
mod profile;
mod session;
mod settings;
mod users;

use futures_util::future::BoxFuture;
use lambda_http::{
    Body, RequestExt as _,
    http::{HeaderValue, Method, StatusCode, header},
};

use crate::{
    ApiError, App, Signer, caller,
    http::{Request, Response},
};
use page::Form;
use session::Session;

/// What browsers may do on a page: nothing from elsewhere, nothing inline.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; \
     base-uri 'none'; frame-ancestors 'none'",
);

/// Handles the request.
///
/// # Errors
///
/// [`ApiError::NotFound`] for whatever is no page; every other error is shown as one.
pub async fn handle(app: &App, signer: &Signer, request: Request) -> Result<Response, ApiError> {
    let path = request.raw_http_path().to_owned();
    if path.starts_with("/v1/") || path.starts_with("/.well-known/") {
        return Err(ApiError::NotFound);
    }
    if let Some(asset) = path.strip_prefix("/assets/").filter(|_| request.method() == Method::GET) {
        return assets::answer(asset);
    }
    let console = Console { app, signer, request: &request };
    match Box::pin(console.answer(&path)).await {
        Ok(answer) => Ok(answer),
        Err(Refusal::SignIn) => Ok(console.to_sign_in()),
        // Programs that have lost their way are told so in their language.
        Err(Refusal::Error(error)) if !console.wants_page() => Err(error),
        Err(Refusal::Error(error)) => Ok(door::error(&error)),
    }
}

/// A request for a page, with what it takes to answer it.
#[derive(Clone, Copy)]
struct Console<'a> {
    app: &'a App,
    signer: &'a Signer,
    request: &'a Request,
}

/// Why a page was not shown.
enum Refusal {
    /// Nobody is signed in.
    SignIn,
    /// The API refused.
    Error(ApiError),
}

impl From<ApiError> for Refusal {
    fn from(error: ApiError) -> Self {
        match error {
            ApiError::Unauthorized(_) => Self::SignIn,
            error => Self::Error(error),
        }
    }
}

impl Console<'_> {
    async fn answer(self, path: &str) -> Result<Response, Refusal> {
        let method = self.request.method().as_str();
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        match (method, parts.as_slice()) {
            ("GET", ["sign-in"] | ["o", _]) => Ok(Box::pin(door::sign_in(self, &parts)).await?),
            ("POST", ["sign-in"]) => Ok(Box::pin(door::post_sign_in(self)).await?),
            ("POST", ["sign-in", "organization"]) => Ok(Box::pin(choice::take(self)).await?),
            ("GET", ["organization"]) => Ok(door::organization()),
            ("POST", ["organization"]) => Ok(Box::pin(door::post_organization(self)).await?),
            ("GET" | "POST", ["forgot-password"]) => Ok(Box::pin(door::forgot_password(self)).await?),
            ("GET" | "POST", ["forgot-organization"]) => Ok(Box::pin(door::forgot_organization(self)).await?),
            ("GET" | "POST", ["sign-up"]) => Ok(Box::pin(door::sign_up(self)).await?),
            ("GET" | "POST", [how @ ("activate" | "confirm" | "reset")]) => {
                Ok(Box::pin(door::set_password(self, how)).await?)
            }
            _ => Box::pin(self.signed_in(method, &parts)).await,
        }
    }

    /// Whether a person asks, by a browser.
    fn wants_page(self) -> bool {
        let accepts = self.request.headers().get(header::ACCEPT).and_then(|accepts| accepts.to_str().ok());
        accepts.is_some_and(|accepts| accepts.contains("text/html"))
    }

    async fn signed_in(self, method: &str, parts: &[&str]) -> Result<Response, Refusal> {
        // Before anybody is asked who they are: a page that does not exist exists for nobody.
        let is_form = matches!(
            parts,
            ["switch"]
                | ["api-keys", "new"]
                | ["api-keys", _, "edit" | "delete"]
                | ["tenant", "users", "new"]
                | ["tenant", "users", _, "roles" | "reset" | "delete"]
        );
        let is_page = match method {
            "GET" => {
                is_form
                    || matches!(
                        parts,
                        ["" | "api-keys" | "profile"]
                            | ["tenant", "api-keys" | "users" | "settings" | "audit" | "audit.csv"]
                    )
            }
            "POST" => {
                is_form
                    || matches!(
                        parts,
                        ["sign-out"]
                            | ["api-keys", _, "state"]
                            | ["tenant", "users", _, "state"]
                            | ["tenant", "settings", _]
                            | ["profile", "names" | "password"]
                            | ["profile", "sessions", "end" | "end-others"]
                    )
            }
            _ => false,
        };
        if !is_page {
            return Err(Refusal::Error(ApiError::NotFound));
        }
        let session = Session::of(self).await?;
        if method == "POST" {
            session.check_form(self)?;
        }
        // Each on the heap, since together they make a large future.
        let page: BoxFuture<'_, Result<Response, Refusal>> = match (method, parts) {
            ("GET", [""]) => return Ok(session.renew(page::redirect("/api-keys"))),
            ("POST", ["sign-out"]) => Box::pin(session.sign_out(self)),
            ("GET", ["switch"]) => Box::pin(session::switch_page(self, &session)),
            ("POST", ["switch"]) => Box::pin(session.switch(self)),
            ("GET", ["api-keys"]) => Box::pin(keys::list(self, &session, keys::Whose::Own)),
            ("GET", ["tenant", "api-keys"]) => Box::pin(keys::list(self, &session, keys::Whose::All)),
            ("GET" | "POST", ["api-keys", "new"]) => Box::pin(keys::new(self, &session)),
            ("GET" | "POST", ["api-keys", uid, "edit"]) => Box::pin(keys::edit(self, &session, uid)),
            ("GET" | "POST", ["api-keys", uid, "delete"]) => Box::pin(keys::delete(self, &session, uid)),
            ("POST", ["api-keys", uid, "state"]) => Box::pin(keys::set_state(self, uid, &session)),
            ("GET", ["tenant", "users"]) => Box::pin(users::list(self, &session)),
            ("GET" | "POST", ["tenant", "users", "new"]) => Box::pin(users::new(self, &session)),
            ("GET" | "POST", ["tenant", "users", uid, "roles"]) => Box::pin(users::change_roles(self, &session, uid)),
            ("GET" | "POST", ["tenant", "users", uid, "reset"]) => Box::pin(users::reset(self, &session, uid)),
            ("GET" | "POST", ["tenant", "users", uid, "delete"]) => Box::pin(users::delete(self, &session, uid)),
            ("POST", ["tenant", "users", uid, "state"]) => Box::pin(users::set_state(self, &session, uid)),
            ("GET", ["tenant", "settings"]) => Box::pin(settings::show(self, &session)),
            ("POST", ["tenant", "settings", section]) => Box::pin(settings::set(self, &session, section)),
            ("GET", ["tenant", "audit"]) => Box::pin(audit::list(self, &session)),
            ("GET", ["tenant", "audit.csv"]) => Box::pin(audit::table(self, &session)),
            ("GET", ["profile"]) => Box::pin(profile::show(self, &session)),
            ("POST", ["profile", "names"]) => Box::pin(profile::set_names(self, &session)),
            ("POST", ["profile", "password"]) => Box::pin(profile::change_password(self, &session)),
            ("POST", ["profile", "sessions", "end"]) => Box::pin(profile::end_session(self, &session)),
            ("POST", ["profile", "sessions", "end-others"]) => Box::pin(profile::end_others(self, &session)),
            _ => return Err(Refusal::Error(ApiError::NotFound)),
        };
        let answer = page.await?;
        Ok(session.renew(answer))
    }

    fn form(self) -> Form {
        Form::of(self.request)
    }

    fn sent(self) -> Form {
        Form::sent(self.request)
    }

    fn is_post(self) -> bool {
        self.request.method() == Method::POST
    }

    /// The sign-in page, and back to where the person wanted to go.
    fn to_sign_in(self) -> Response {
        let path = self.request.raw_http_path();
        let to = if self.is_post() || path == "/" {
            "/sign-in".to_owned()
        } else {
            format!("/sign-in?{}", page::query(&[("next", path)]))
        };
        let mut response = page::redirect(&to);
        // Without a cookie there is none to clear; a form of another site comes without, and must not sign anybody out.
        if caller::cookie_token(self.request).is_some() {
            session::clear(&mut response);
        }
        response
    }
}

/// A page.
fn html(status: StatusCode, template: &impl askama::Template) -> Response {
    let text = template.render().unwrap_or_else(|error| {
        tracing::error!(%error, "a page could not be rendered");
        "This page could not be shown.".to_owned()
    });
    let mut response = Response::new(Body::Text(text));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, POLICY);
    // With none at all, browsers would send the forms of a page without an origin.
    response.headers_mut().insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    response
}
