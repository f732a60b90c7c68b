//! The web console: pages that are rendered here and work without a script.
//!
//! It is a client of the API in the same process: whatever a page shows or changes goes through the very operations that
//! programs call, by the person's own token, so there is one set of rules. (What no program asks for: what a password must
//! be like before it is typed, which of several organizations after it was, and what somebody says after a provider has
//! vouched for them.) What is its own is the cookie: it is renewed while the person is active, and every form carries a token that only a page of theirs can know.

#![allow(clippy::struct_excessive_bools, clippy::struct_field_names, reason = "fields are what the templates name")]

mod api;
mod assets;
mod audit;
mod choice;
mod door;
mod expiry;
mod fields;
mod key_forms;
mod keys;
mod page;
mod profile;
mod session;
mod set_password;
mod settings;
mod sign_up;
mod sso;
mod users;
mod words;

use futures_util::future::BoxFuture;
use lambda_http::{
    Body, RequestExt as _,
    http::{HeaderValue, Method, StatusCode, header},
};

use crate::{
    ApiError, App, Signer, caller,
    http::{self, Request, Response},
};
use door::Forgot;
use keys::Whose;
use page::Form;
use session::Session;
pub(crate) use session::signed_in_anew;
use settings::Section;

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
        return assets::answer(&request, asset);
    }
    let console = Console { app, signer, request: &request };
    // Before anything of it is read, since a form comes back with what was typed.
    let bytes: &[u8] = request.body();
    let answer = if bytes.len() > http::MAX_BODY_BYTES {
        Err(Refusal::Error(ApiError::BodyTooLarge))
    } else {
        Box::pin(console.answer(&path)).await
    };
    match answer {
        Ok(answer) => Ok(answer),
        Err(Refusal::SignIn) => Ok(console.to_sign_in()),
        // Programs that have lost their way are told so in their language.
        Err(Refusal::Error(error)) if !console.wants_page() => Err(error),
        Err(Refusal::Error(error)) => Ok(door::error(console, &error)),
    }
}

/// A page of ours that an address names; nothing if it names none.
pub(crate) fn own_path(address: &str) -> String {
    page::own_path(address, "")
}

/// What is shown in place of a page, to whoever is not signed in yet.
pub(crate) fn error_page(app: &App, signer: &Signer, request: &Request, error: &ApiError) -> Response {
    door::error(Console { app, signer, request }, error)
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

/// A page, or a form that was sent from one, for whoever is signed in.
#[derive(Clone, Copy)]
enum Page<'a> {
    Start,
    SignOut,
    Tenants,
    Switch,
    Keys(Whose),
    NewKey,
    EditKey(&'a str),
    DeleteKey(&'a str),
    SetKeyState(&'a str),
    Users,
    NewUser,
    Roles(&'a str),
    ResetPassword(&'a str),
    DeleteUser(&'a str),
    SetUserState(&'a str),
    Settings,
    Set(Section),
    Audit,
    AuditTable,
    Profile,
    SetNames,
    ChangePassword,
    EndSession,
    EndOtherSessions,
    LinkIdentity,
    UnlinkIdentity,
    VerifyDomain,
}

impl<'a> Page<'a> {
    fn of(method: &str, parts: &[&'a str]) -> Option<Self> {
        Some(match (method, parts) {
            ("GET", [""]) => Self::Start,
            ("POST", ["sign-out"]) => Self::SignOut,
            ("GET", ["switch"]) => Self::Tenants,
            ("POST", ["switch"]) => Self::Switch,
            ("GET", ["api-keys"]) => Self::Keys(Whose::Own),
            ("GET", ["tenant", "api-keys"]) => Self::Keys(Whose::All),
            ("GET" | "POST", ["api-keys", "new"]) => Self::NewKey,
            ("GET" | "POST", ["api-keys", uid, "edit"]) => Self::EditKey(uid),
            ("GET" | "POST", ["api-keys", uid, "delete"]) => Self::DeleteKey(uid),
            ("POST", ["api-keys", uid, "state"]) => Self::SetKeyState(uid),
            ("GET", ["tenant", "users"]) => Self::Users,
            ("GET" | "POST", ["tenant", "users", "new"]) => Self::NewUser,
            ("GET" | "POST", ["tenant", "users", uid, "roles"]) => Self::Roles(uid),
            ("GET" | "POST", ["tenant", "users", uid, "reset"]) => Self::ResetPassword(uid),
            ("GET" | "POST", ["tenant", "users", uid, "delete"]) => Self::DeleteUser(uid),
            ("POST", ["tenant", "users", uid, "state"]) => Self::SetUserState(uid),
            ("GET", ["tenant", "settings"]) => Self::Settings,
            ("POST", ["tenant", "settings", "domains", "verify"]) => Self::VerifyDomain,
            ("POST", ["tenant", "settings", section]) => Self::Set(Section::of(section)?),
            ("GET", ["tenant", "audit"]) => Self::Audit,
            ("GET", ["tenant", "audit.csv"]) => Self::AuditTable,
            ("GET", ["profile"]) => Self::Profile,
            ("POST", ["profile", "names"]) => Self::SetNames,
            ("POST", ["profile", "password"]) => Self::ChangePassword,
            ("POST", ["profile", "sessions", "end"]) => Self::EndSession,
            ("POST", ["profile", "sessions", "end-others"]) => Self::EndOtherSessions,
            ("POST", ["profile", "identities"]) => Self::LinkIdentity,
            ("POST", ["profile", "identities", "remove"]) => Self::UnlinkIdentity,
            _ => return None,
        })
    }

    /// Its answer, on the heap, since together they make a large future.
    fn answer<'s>(self, console: Console<'s>, session: &'s Session) -> BoxFuture<'s, Result<Response, Refusal>>
    where
        'a: 's,
    {
        match self {
            Self::Start => Box::pin(async { Ok(page::redirect("/api-keys")) }),
            Self::SignOut => Box::pin(session.sign_out(console)),
            Self::Tenants => Box::pin(session::switch_page(console, session)),
            Self::Switch => Box::pin(session.switch(console)),
            Self::Keys(whose) => Box::pin(keys::list(console, session, whose)),
            Self::NewKey => Box::pin(key_forms::new(console, session)),
            Self::EditKey(uid) => Box::pin(key_forms::edit(console, session, uid)),
            Self::DeleteKey(uid) => Box::pin(key_forms::delete(console, session, uid)),
            Self::SetKeyState(uid) => Box::pin(key_forms::set_state(console, session, uid)),
            Self::Users => Box::pin(users::list(console, session)),
            Self::NewUser => Box::pin(users::new(console, session)),
            Self::Roles(uid) => Box::pin(users::change_roles(console, session, uid)),
            Self::ResetPassword(uid) => Box::pin(users::reset(console, session, uid)),
            Self::DeleteUser(uid) => Box::pin(users::delete(console, session, uid)),
            Self::SetUserState(uid) => Box::pin(users::set_state(console, session, uid)),
            Self::Settings => Box::pin(settings::show(console, session)),
            Self::Set(section) => Box::pin(settings::set(console, session, section)),
            Self::Audit => Box::pin(audit::list(console, session)),
            Self::AuditTable => Box::pin(audit::table(console, session)),
            Self::Profile => Box::pin(profile::show(console, session)),
            Self::SetNames => Box::pin(profile::set_names(console, session)),
            Self::ChangePassword => Box::pin(profile::change_password(console, session)),
            Self::EndSession => Box::pin(profile::end_session(console, session)),
            Self::EndOtherSessions => Box::pin(profile::end_others(console, session)),
            Self::LinkIdentity => Box::pin(profile::link_identity(console, session)),
            Self::UnlinkIdentity => Box::pin(profile::unlink_identity(console, session)),
            Self::VerifyDomain => Box::pin(settings::verify_domain(console, session)),
        }
    }
}

impl Console<'_> {
    async fn answer(self, path: &str) -> Result<Response, Refusal> {
        let method = self.request.method().as_str();
        let parts: Vec<&str> = path.strip_prefix('/').unwrap_or(path).split('/').collect();
        Ok(match (method, parts.as_slice()) {
            ("GET", ["sign-in"] | ["o", _]) => Box::pin(door::sign_in(self, &parts)).await?,
            ("POST", ["sign-in"]) => Box::pin(door::post_sign_in(self)).await?,
            ("POST", ["sign-in", "organization"]) => Box::pin(choice::take(self)).await?,
            ("GET", ["sso"]) => Box::pin(sso::answer(self, None)).await?,
            ("POST", ["sso", what]) => Box::pin(sso::answer(self, Some(what))).await?,
            ("GET", ["organization"]) => door::organization(),
            ("POST", ["organization"]) => Box::pin(door::post_organization(self)).await?,
            ("GET" | "POST", ["forgot-password"]) => Box::pin(door::forgot(self, Forgot::Password)).await?,
            ("GET" | "POST", ["forgot-organization"]) => Box::pin(door::forgot(self, Forgot::Organization)).await?,
            ("GET" | "POST", ["sign-up"]) => Box::pin(sign_up::sign_up(self)).await?,
            ("GET" | "POST", [how @ ("activate" | "confirm" | "reset")]) => {
                Box::pin(set_password::set_password(self, how)).await?
            }
            // Before anybody is asked who they are: a page that does not exist exists for nobody.
            _ => match Page::of(method, &parts) {
                Some(page) => return Box::pin(self.signed_in(page)).await,
                None => return Err(Refusal::Error(ApiError::NotFound)),
            },
        })
    }

    async fn signed_in(self, page: Page<'_>) -> Result<Response, Refusal> {
        let session = Session::of(self).await?;
        let answer = match self.is_post().then(|| session.check_form(self)).transpose() {
            Ok(_) => page.answer(self, &session).await,
            Err(refusal) => Err(refusal),
        };
        match answer {
            Ok(answer) => Ok(session.renew(answer)),
            Err(Refusal::Error(error)) if self.wants_page() => Ok(session.renew(session.error(self, &error))),
            Err(refusal) => Err(refusal),
        }
    }

    /// Whether a person asks, by a browser.
    fn wants_page(self) -> bool {
        http::wants_page(self.request)
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

    /// The sign-in page, and back to where the person wanted to go, or was when they sent a form.
    fn to_sign_in(self) -> Response {
        let next = if self.is_post() { self.referring_path() } else { self.path_and_query() };
        // Without a cookie there was no session that could have ended. A form of another site comes without, and must not
        // sign anybody out either.
        let had_session = caller::cookie_token(self.request).is_some();
        let note = if had_session { "ended" } else { "" };
        let next = if next == "/" { "" } else { &next };
        let mut response = page::redirect(&page::url("/sign-in", &[("note", note), ("next", next)]));
        if had_session {
            session::clear(&mut response);
        }
        response
    }

    fn path_and_query(self) -> String {
        let query = Form::of(self.request).into_query();
        page::without_notes(&format!("{}?{query}", self.request.raw_http_path()))
    }

    /// Path and query of our own page that a form was sent from, if the browser tells it.
    fn referring_path(self) -> String {
        let referrer = self.request.headers().get(header::REFERER).and_then(|referrer| referrer.to_str().ok());
        let path = referrer.and_then(|referrer| referrer.strip_prefix(&*self.app.settings.public_url));
        // That of a form alone cannot be asked for.
        path.filter(|path| page::is_page(path)).map(page::without_notes).unwrap_or_default()
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
