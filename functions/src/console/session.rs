//! Who is signed in: the cookie, its renewal, and the token that every form carries.

use std::time::Duration;

use askama::Template;
use domain::{
    Principal, RoleUid,
    audit::{Action, Resource},
    token::Source,
};
use lambda_http::http::{HeaderValue, StatusCode, header};
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};
use subtle::ConstantTimeEq as _;

use super::{
    Console, Refusal,
    api::{Call, text},
    door::error_title,
    html,
    page::{self, Form},
    sso,
    words::in_words,
};
use crate::{
    ApiError, App, audit,
    caller::{self, COOKIE},
    http::{self, Request, Response},
    refresh, token_answer,
};

/// The cookie of what forms are known by: no page of another site and no trail tells it.
const FORM_COOKIE: &str = "__Host-Form";

/// Seconds that a token must still have; with fewer it is renewed.
const ENOUGH_SECS: i64 = 600;

/// How long a sign-in waits for the end of the session that the browser had before: it goes on without.
const END_TIMEOUT: Duration = Duration::from_secs(1);

/// A person who is signed in.
pub(super) struct Session {
    /// A living token of theirs.
    pub(super) token: String,
    /// Whether it is a new one, which the browser has to hear of.
    is_new: bool,
    sid: String,
    /// What only pages of this browser know.
    secret: String,
    /// Whether the browser has yet to hear of that.
    is_secret_new: bool,
    /// What the API says of them.
    me: Value,
    /// Whether a provider has vouched for them.
    is_by_sso: bool,
}

/// What every signed-in page shows around its own.
#[derive(Default)]
pub(super) struct Shell {
    pub(super) title: String,
    pub(super) csrf: String,
    pub(super) person_name: String,
    pub(super) person_email: String,
    pub(super) org_name: String,
    pub(super) sees_tenant: bool,
    pub(super) sees_keys: bool,
    pub(super) sees_users: bool,
    pub(super) sees_settings: bool,
    pub(super) sees_audit: bool,
    pub(super) nav_keys: bool,
    pub(super) nav_tenant_keys: bool,
    pub(super) nav_users: bool,
    pub(super) nav_settings: bool,
    pub(super) nav_audit: bool,
    pub(super) nav_profile: bool,
    pub(super) has_flash: bool,
    pub(super) flash_text: String,
    pub(super) flash_is_error: bool,
    pub(super) has_undo: bool,
    pub(super) undo_action: String,
    pub(super) undo_back: String,
}

impl Session {
    /// The session of the request's cookie. A token that has ended in the meantime is renewed as long as the session
    /// has not been idle for longer than the tenant allows.
    pub(super) async fn of(console: Console<'_>) -> Result<Self, Refusal> {
        let Console { app, signer, request } = console;
        let presented = caller::cookie_token(request).ok_or(Refusal::SignIn)?;
        let claims = caller::claims_of_session(app, &presented).await?;
        if claims.kuid.is_some() {
            return Err(Refusal::SignIn);
        }
        let is_new = claims.exp - app.clock.now().secs() < ENOUGH_SECS;
        let (sid, is_by_sso) = (claims.sid.to_string(), claims.src == Source::Sso);
        let token = if is_new { refresh::renew(app, signer, claims).await?.expose().to_owned() } else { presented };
        let me = Call::new("GET /v1/users/me").by(&token).send(console).await?;
        let known = caller::cookie_named(request, FORM_COOKIE);
        let is_secret_new = known.is_none();
        let secret = known.unwrap_or_else(|| new_secret(app));
        Ok(Self { token, is_new, sid, secret, is_secret_new, me, is_by_sso })
    }

    /// Whether a form comes from a page of ours, and from one of this very session.
    pub(super) fn check_form(&self, console: Console<'_>) -> Result<(), Refusal> {
        let is_ours = caller::may_set_cookie(console.app, console.request);
        let is_theirs = bool::from(console.form().text("csrf").as_bytes().ct_eq(self.csrf().as_bytes()));
        if is_ours && is_theirs { Ok(()) } else { Err(Refusal::Error(ApiError::FormRefused)) }
    }

    /// What pages of this session in this browser know, and nobody else.
    fn csrf(&self) -> String {
        hex::encode(&digest(&SHA256, format!("form of {} in {}", self.sid, self.secret).as_bytes()).as_ref()[..16])
    }

    /// By what a page knows that this session has just done something to this thing: anybody can make an address.
    pub(super) fn mark(&self, uid: &str) -> String {
        hex::encode(&digest(&SHA256, format!("{} has done {uid}", self.csrf()).as_bytes()).as_ref()[..8])
    }

    /// Whether the address says so of this thing.
    pub(super) fn has_done(&self, query: &Form, uid: &str) -> bool {
        query.text("undo").as_bytes().ct_eq(self.mark(uid).as_bytes()).into()
    }

    /// The answer, with the new token if there is one.
    pub(super) fn renew(&self, mut answer: Response) -> Response {
        if answer.headers().contains_key(header::SET_COOKIE) {
            return answer;
        }
        if self.is_new {
            answer.headers_mut().append(header::SET_COOKIE, cookie(COOKIE, &self.token));
        }
        if self.is_secret_new {
            answer.headers_mut().append(header::SET_COOKIE, cookie(FORM_COOKIE, &self.secret));
        }
        answer
    }

    pub(super) fn org_name(&self) -> String {
        text(&self.me["status"]["tenant"]["orgName"])
    }

    pub(super) fn uid(&self) -> String {
        text(&self.me["metadata"]["uid"])
    }

    pub(super) fn tenant_uid(&self) -> String {
        text(&self.me["status"]["tenant"]["tenantUid"])
    }

    pub(super) fn email(&self) -> String {
        text(&self.me["spec"]["emailId"])
    }

    pub(super) fn first_name(&self) -> String {
        text(&self.me["spec"]["firstName"])
    }

    pub(super) fn last_name(&self) -> String {
        text(&self.me["spec"]["lastName"])
    }

    /// Whether the person has this role.
    pub(super) fn holds(&self, role: RoleUid) -> bool {
        self.me["spec"]["roles"].as_array().into_iter().flatten().any(|held| *held == json!(role))
    }

    pub(super) fn may(&self, permission: &str) -> bool {
        let permissions = self.me["status"]["tenantPermissions"].as_object().into_iter().flatten();
        permissions.flat_map(|(_, list)| list.as_array().into_iter().flatten()).any(|it| it == permission)
    }

    pub(super) fn shell(&self, title: &str) -> Shell {
        Shell {
            title: title.to_owned(),
            csrf: self.csrf(),
            person_name: text(&self.me["metadata"]["name"]),
            person_email: self.email(),
            org_name: self.org_name(),
            sees_tenant: ["apiKey.list", "user.list", "tenant.update", "audit.list"].iter().any(|it| self.may(it)),
            sees_keys: self.may("apiKey.list"),
            sees_users: self.may("user.list"),
            sees_settings: self.may("tenant.update"),
            sees_audit: self.may("audit.list"),
            ..Shell::default()
        }
    }

    /// What is shown in place of a page.
    pub(super) fn error(&self, console: Console<'_>, error: &ApiError) -> Response {
        let (status, _) = error.status_and_code();
        let page = ErrorPage {
            page: self.shell(error_title(status)),
            text: in_words(error),
            has_reference: status.is_server_error(),
            reference: http::reference(console.request),
        };
        let mut response = html(status, &page);
        http::note_error(&mut response, error);
        response
    }

    pub(super) async fn sign_out(&self, console: Console<'_>) -> Result<Response, Refusal> {
        let body = json!({ "tokens": [self.token] });
        Call::new("POST /v1/users/auth/tokens/revoke").by(&self.token).body(body).send(console).await?;
        // Where somebody else vouched, one may still be signed in there.
        let at = if self.is_by_sso {
            page::with_note(&format!("/o/{}", self.org_name()), "signed-out-sso", "")
        } else {
            "/sign-in?note=signed-out".to_owned()
        };
        let mut answer = page::redirect(&at);
        clear(&mut answer);
        // So that going back shows nothing that the browser has kept.
        answer.headers_mut().insert("clear-site-data", HeaderValue::from_static("\"cache\""));
        Ok(answer)
    }

    pub(super) async fn switch(&self, console: Console<'_>) -> Result<Response, Refusal> {
        let org = console.form().text("org");
        let call = Call::new("POST /v1/auth/org/{orgName}/switch").parameter("orgName", &org).by(&self.token);
        match call.send(console).await {
            Ok(answer) => Ok(signed_in(console.app, &text(&answer["Authorization"]), "/api-keys")),
            Err(ApiError::SsoRequired { org_name, .. }) => {
                Ok(page::redirect(&page::with_note(&format!("/o/{org_name}"), "sso-required", "")))
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// To a page, signed in with this token by whoever has just proven who they are. The session that the browser came with
/// ends, whosever it was: nobody has it in hand any more. Source: ASVS 5.0, 7.2.4.
pub(crate) async fn signed_in_anew(app: &App, request: &Request, token: &str, path: &str) -> Response {
    match tokio::time::timeout(END_TIMEOUT, Box::pin(end_presented(app, request))).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, cause = error.cause(), "a browser's earlier session was not ended"),
        Err(_) => tracing::warn!("a browser's earlier session was not ended in time"),
    }
    signed_in(app, token, path)
}

/// Ends the session of the request's cookie, if it lives and a person has begun it.
async fn end_presented(app: &App, request: &Request) -> Result<(), ApiError> {
    let principal = match presented(app, request).await {
        Ok(Some(principal)) => principal,
        Ok(None) | Err(ApiError::Unauthorized(_)) => return Ok(()),
        Err(error) => return Err(error),
    };
    let Some(session) = principal.session() else { return Ok(()) };
    let (what, resource) = ("Session ended", Resource::session(session.uid));
    let content = format!("{what}: somebody has signed in again in its browser");
    let trail = audit::Trail::of(app, request, &principal);
    let record = [trail.record_about(session.user, Action::Activity, resource, what, content)];
    let mut ended = session.clone();
    ended.revoked_at = Some(app.clock.now());
    Ok(app.store.on_record(&record).end_sessions(&[ended]).await?)
}

/// Whose session the cookie carries, whether its token could still be used or only renewed.
async fn presented(app: &App, request: &Request) -> Result<Option<Principal>, ApiError> {
    let Some(token) = caller::cookie_token(request) else { return Ok(None) };
    let claims = caller::claims_of_session(app, &token).await?;
    // The tokens of a key live with their key.
    if claims.kuid.is_some() {
        return Ok(None);
    }
    caller::state_of(app, claims).await.map(Some)
}

/// To a page, signed in with this token.
pub(super) fn signed_in(app: &App, token: &str, path: &str) -> Response {
    let mut answer = page::redirect(path);
    answer.headers_mut().append(header::SET_COOKIE, cookie(COOKIE, token));
    answer.headers_mut().append(header::SET_COOKIE, cookie(FORM_COOKIE, &new_secret(app)));
    answer
}

fn new_secret(app: &App) -> String {
    hex::encode(app.entropy.bytes::<16>())
}

/// It ends with the browser, or before that with the session.
fn cookie(name: &str, value: &str) -> HeaderValue {
    let cookie = format!("{name}={value}; Path=/; HttpOnly; Secure; SameSite=Lax");
    HeaderValue::try_from(cookie).unwrap_or_else(|_| token_answer::cleared_cookie())
}

/// Takes the cookies out of the browser again.
pub(super) fn clear(answer: &mut Response) {
    let form = HeaderValue::from_static("__Host-Form=; Path=/; HttpOnly; Secure; SameSite=Lax; Max-Age=0");
    answer.headers_mut().append(header::SET_COOKIE, token_answer::cleared_cookie());
    answer.headers_mut().append(header::SET_COOKIE, form);
}

impl Shell {
    /// Says what went wrong, where it is the fault of no one field.
    pub(super) fn fail(&mut self, words: String) {
        (self.has_flash, self.flash_is_error, self.flash_text) = (true, true, words);
    }

    /// Says what has just happened, by the word that the address has for it.
    ///
    /// - `name`: of what it happened to, if that is there.
    pub(super) fn flash(mut self, form: &Form, name: &str) -> Self {
        let note = form.text("note");
        let name = |what: &str| if name.is_empty() { what.to_owned() } else { name.to_owned() };
        let (key, user) = (name("API key"), name("User"));
        self.flash_text = match note.as_str() {
            "saved" => "Changes saved.".to_owned(),
            "revoked" => format!("{key} revoked. It is refused from the next request on."),
            "activated" => format!("{key} re-activated."),
            "deleted" => "API key deleted.".to_owned(),
            "gone" => "That API key does not exist any more.".to_owned(),
            "expired" => {
                "An expired API key cannot be re-activated. Give it a later expiration date first.".to_owned()
            }
            "invited" => "The invitation is on its way.".to_owned(),
            "roles" => "Roles saved. They hold from the next request on.".to_owned(),
            "reset" => format!("A link to set another password is on its way to {}.", name("the user")),
            "removed" => "User deleted, with all API keys.".to_owned(),
            "enabled" => format!("{user} enabled."),
            "disabled" => format!("{user} disabled. Sessions and API keys are refused from the next request on."),
            "last-admin" => "That cannot be done: a tenant needs at least one active Tenant Admin.".to_owned(),
            "password-changed" => "Password changed. Every other session of yours has ended.".to_owned(),
            "session-ended" => "Session ended.".to_owned(),
            "session-gone" => {
                "That session is over, or has moved on. If you do not know it, end all others, and change your password."
                    .to_owned()
            }
            "others-ended" => "All other sessions ended.".to_owned(),
            "linked" => "Linked. You can sign in this way from now on.".to_owned(),
            "unlinked" => "Unlinked. Sessions that were begun this way end within 15 minutes.".to_owned(),
            "sign-in-again" => {
                "Sign out and in again first: to link another way in, you must have signed in within 15 minutes."
                    .to_owned()
            }
            note => match sso::notice(note) {
                Some(words) => words.to_owned(),
                None => return self,
            },
        };
        self.has_flash = true;
        self.flash_is_error = ["gone", "expired", "last-admin", "session-gone", "sign-in-again"]
            .contains(&note.as_str())
            || note.starts_with("sso-");
        self
    }

    /// Offers to take back what the message tells of.
    pub(super) fn undo(&mut self, action: String, back: String) {
        (self.has_undo, self.undo_action, self.undo_back) = (true, action, back);
    }
}

#[derive(Template)]
#[template(path = "console/error_inside.html")]
struct ErrorPage {
    page: Shell,
    text: String,
    has_reference: bool,
    reference: String,
}

#[derive(Template)]
#[template(path = "console/switch.html")]
struct SwitchPage {
    page: Shell,
    tenants: Vec<Tenant>,
}

struct Tenant {
    org: String,
    name: String,
    is_current: bool,
}

pub(super) async fn switch_page(console: Console<'_>, session: &Session) -> Result<Response, Refusal> {
    let answer = Call::new("GET /v1/auth/orgs").by(&session.token).send(console).await?;
    let here = session.org_name();
    let tenants = answer["organizations"].as_array().into_iter().flatten().map(|organization| {
        let name = text(&organization["name"]);
        Tenant { is_current: name == here, org: name.clone(), name }
    });
    let tenants = tenants.collect();
    Ok(html(StatusCode::OK, &SwitchPage { page: session.shell("Switch Tenant"), tenants }))
}
