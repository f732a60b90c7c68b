//! The mails that the service sends: what they say, and how they get into the outbox.
//!
//! A mail is written to the outbox in the same transaction as whatever causes it; the function `mailer` sends it. Links
//! in it come from configuration, never from a request.

use std::time::Duration;

use askama::Template;
use domain::{
    ApiKey, EmailAddress, Timestamp, TokenUid,
    audit::Record,
    once::{self, OneTime, OneTimeToken, Purpose},
    sso::Link,
    tenant::OrgName,
};
use store::{INVITATION, OutgoingMail, PostedMail};

use crate::{ApiError, App, organizations as orgs};

/// What a mail is about.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// The names of a person's organizations.
    Organizations,
    /// A link to set another password.
    Reset,
    /// A link to make the organization that was signed up.
    SignUp,
    /// An invitation, once more.
    Invitation,
    /// That the password ends soon.
    PasswordEnds,
}

impl Kind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Organizations => "organizations",
            Self::Reset => "reset",
            Self::SignUp => "sign_up",
            Self::Invitation => INVITATION,
            Self::PasswordEnds => "password_ends",
        }
    }

    /// The least span between two mails of the kind to one address: most can be asked for by anybody.
    pub const fn interval(self) -> Duration {
        match self {
            Self::PasswordEnds => Duration::from_hours(24),
            _ => Duration::from_mins(1),
        }
    }
}

/// What a mail says.
#[derive(Debug, Template)]
#[template(path = "mail.html")]
pub struct Letter {
    subject: String,
    greeting: String,
    paragraphs: Vec<String>,
    /// What links are called, and where they lead.
    links: Vec<(String, String)>,
    closing: String,
    service: String,
}

impl Letter {
    fn text(&self) -> String {
        let links = self.links.iter().map(|(label, url)| format!("{label}:\n{url}"));
        let parts = std::iter::once(self.greeting.clone()).chain(self.paragraphs.iter().cloned()).chain(links);
        let signature = format!("{}\n\n-- \n{}", self.closing, self.service);
        parts.chain([signature]).collect::<Vec<_>>().join("\n\n")
    }

    fn into_mail(self, app: &App, to: &EmailAddress) -> Result<OutgoingMail, ApiError> {
        let html = self.render().map_err(|error| ApiError::Internal(error.into()))?;
        Ok(OutgoingMail {
            uid: TokenUid::from_bytes(app.entropy.uid()).to_string(),
            to: to.typed().to_owned(),
            text: self.text(),
            subject: self.subject,
            html,
            expires_at: (app.clock.now() + once::LIFETIME).millis(),
        })
    }
}

fn letter(app: &App, subject: &str, paragraphs: &[String], links: Vec<(String, String)>, closing: &str) -> Letter {
    Letter {
        subject: subject.to_owned(),
        greeting: "Hello,".to_owned(),
        paragraphs: paragraphs.to_vec(),
        links,
        closing: closing.to_owned(),
        service: format!("Latchkey at {}", app.settings.public_url),
    }
}

/// The names of a person's organizations and where they sign in.
///
/// - `organizations`: names and URLs.
pub fn organizations(app: &App, address: &EmailAddress, organizations: &[(String, String)]) -> Letter {
    let intro = format!("You asked for the organizations that {} belongs to. These are all of them.", address.typed());
    let closing = "If you did not ask for this, you can ignore this mail: nothing has changed.";
    letter(app, "Your organizations", &[intro], organizations.to_vec(), closing)
}

/// A link to set another password.
pub fn reset(app: &App, address: &EmailAddress, token: &OneTimeToken) -> Letter {
    let intro = format!(
        "Somebody, probably you, wants to set another password for {}. The link below does that once, within 24 hours. \
         Until then your password stays as it is.",
        address.typed()
    );
    let links = vec![("Set another password".to_owned(), url(app, "reset", token))];
    let closing = "If you did not ask for this, you can ignore this mail: without the link nothing changes.";
    letter(app, "Set another password", &[intro], links, closing)
}

/// That the password ends soon.
pub fn password_ends(app: &App, org_name: &OrgName, ends_at: Timestamp) -> Letter {
    let intro = format!(
        "The organization \"{org_name}\" asks its people to set another password now and then. Yours ends on {}. \
         Change it before, and nothing interrupts you.",
        ends_at.day_in_words()
    );
    let links = vec![("Sign in".to_owned(), orgs::url_of(app, org_name))];
    let closing = "Your API keys are not affected.";
    letter(app, "Your password ends soon", &[intro], links, closing)
}

/// That the password has ended, with a link to set another one.
pub fn password_ended(app: &App, org_name: &str, token: &OneTimeToken) -> Letter {
    let intro = format!(
        "You signed in with the right password, but the organization \"{org_name}\" asks its people to set another one \
         now and then, and yours has ended. The link below lets you do that once, within 24 hours."
    );
    let links = vec![("Set another password".to_owned(), url(app, "reset", token))];
    let closing = "If you did not sign in just now, somebody knows your old password: set another one.";
    letter(app, "Your password has ended", &[intro], links, closing)
}

/// A link to make the organization that was signed up.
pub fn sign_up(app: &App, org_name: &str, token: &OneTimeToken) -> Letter {
    let intro = format!(
        "You are one step away from the organization \"{org_name}\". The link below makes it and lets you set your \
         password. It works once, within 24 hours."
    );
    let links = vec![("Confirm and set a password".to_owned(), url(app, "confirm", token))];
    let closing = "If you did not sign up, you can ignore this mail: without the link nothing is made.";
    letter(app, "Confirm your organization", &[intro], links, closing)
}

/// An invitation to an organization.
pub fn invitation(app: &App, org_name: &str, inviter: &str, token: &OneTimeToken) -> Letter {
    let intro = format!(
        "{inviter} invites you to the organization \"{org_name}\". The link below lets you come in. It works \
         once, within 24 hours."
    );
    let links = vec![("Accept the invitation".to_owned(), url(app, "activate", token))];
    let closing = "If you do not know who invites you, you can ignore this mail.";
    letter(app, &format!("Invitation to {org_name}"), &[intro], links, closing)
}

/// That somebody can sign in by one more identity.
pub fn identity_linked(app: &App, org_name: &str, link: &Link) -> Letter {
    let intro = format!(
        "From now on you can sign in to the organization \"{org_name}\" by {}{}.",
        link.identity.provider.label(),
        known_as(link)
    );
    let closing = "If it was not you, unlink it there and set another password: somebody has been signed in as you.";
    letter(app, "A new way to sign in", &[intro], see_profile(app), closing)
}

/// That somebody can no longer sign in by an identity.
pub fn identity_unlinked(app: &App, org_name: &str, link: &Link) -> Letter {
    let intro = format!(
        "You can no longer sign in to the organization \"{org_name}\" by {}{}.",
        link.identity.provider.label(),
        known_as(link)
    );
    let closing = "If it was not you, set another password: somebody has been signed in as you.";
    letter(app, "A way to sign in is gone", &[intro], see_profile(app), closing)
}

fn known_as(link: &Link) -> String {
    if link.email.is_empty() { String::new() } else { format!(", which knows you as {}", link.email) }
}

fn see_profile(app: &App) -> Vec<(String, String)> {
    vec![("See how you can sign in".to_owned(), format!("{}/profile", app.settings.public_url))]
}

/// That there is a new API key which the user has not made by signing in.
///
/// - `by`: who made it.
pub fn api_key_created(app: &App, key: &ApiKey, by: &str) -> Letter {
    let intro = format!(
        "A new API key acts in your name: \"{}\", made by {by}, until {}. It may do whatever you may.",
        key.name.as_str(),
        key.expires_at.day_in_words()
    );
    let links = vec![("See your API keys".to_owned(), format!("{}/api-keys", app.settings.public_url))];
    let closing = "If you did not expect it, revoke it there: it is refused from then on, on the next request.";
    letter(app, "A new API key in your name", &[intro], links, closing)
}

/// That somebody else has changed the end of a key.
pub fn expiry_changed(app: &App, key: &ApiKey, by: &str) -> Letter {
    let at = key.expires_at.day_and_time_in_words();
    let intro = format!("{by} has changed the end of your API key \"{}\": it expires on {at}.", key.name.as_str());
    about_key(app, "Another end of your API key", intro)
}

/// That somebody else has taken a key back into use.
pub fn reactivated(app: &App, key: &ApiKey, by: &str) -> Letter {
    let at = key.expires_at.day_and_time_in_words();
    let intro = format!("{by} has re-activated your API key \"{}\". It expires on {at}.", key.name.as_str());
    about_key(app, "Your API key is active again", intro)
}

fn about_key(app: &App, subject: &str, intro: String) -> Letter {
    let links = vec![("See your API keys".to_owned(), format!("{}/api-keys", app.settings.public_url))];
    letter(app, subject, &[intro], links, "What it may do has not changed: whatever you may.")
}

/// Keys that a digest names; nobody reads more, and an item of the table has its limit.
const MAX_LINES: usize = 100;

/// A key in a digest.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Expiring {
    /// When it ends.
    pub expires_at: Timestamp,
    /// The organization that it opens.
    pub org_name: String,
    /// Whose it is, if not the reader's own.
    pub user: Option<String>,
    /// What its owner calls it.
    pub name: String,
}

/// The keys of a person that expire soon, or have just done so.
///
/// - `keys`: those that end first at the front.
pub fn digest(app: &App, keys: &[Expiring], now: Timestamp) -> Letter {
    let line = |key: &Expiring| {
        let verb = if key.expires_at <= now { "expired" } else { "expires" };
        let whose = key.user.as_ref().map(|user| format!(" of {user}")).unwrap_or_default();
        let (at, org_name) = (key.expires_at.day_and_time_in_words(), &key.org_name);
        format!("\"{}\"{whose}, in {org_name}: {verb} on {at}", key.name)
    };
    let subject = match keys {
        [key] if key.expires_at <= now => format!("API key \"{}\" has expired", key.name),
        [key] => format!("API key \"{}\" expires on {}", key.name, key.expires_at.day_in_words()),
        several => format!("{} API keys expire", several.len()),
    };
    let intro = "These API keys come to their end. What uses them is refused from that moment on.".to_owned();
    let more = keys.len().saturating_sub(MAX_LINES);
    let rest = (more > 0).then(|| format!("… and {more} more, which the list of API keys shows."));
    let named = keys.iter().take(MAX_LINES).map(line);
    let paragraphs: Vec<String> = [intro].into_iter().chain(named).chain(rest).collect();
    let links = vec![("Extend or replace them".to_owned(), format!("{}/api-keys", app.settings.public_url))];
    letter(
        app,
        &subject,
        &paragraphs,
        links,
        "You get this mail 30, 7 and 1 days before the end, and on the day itself.",
    )
}

fn url(app: &App, page: &str, token: &OneTimeToken) -> String {
    // Behind the mark, so that no server on the way sees or logs the token.
    format!("{}/{page}#{}", app.settings.public_url, token.expose())
}

/// A new one-time token and what the table keeps of it.
pub fn one_time(app: &App, address: &EmailAddress, purpose: Purpose) -> (OneTimeToken, OneTime) {
    let token = OneTimeToken::new(&app.entropy.bytes());
    let once = OneTime {
        digest: token.digest(),
        address: address.canonical().to_owned(),
        email: address.typed().to_owned(),
        purpose,
        expires_at: app.clock.now() + once::LIFETIME,
    };
    (token, once)
}

/// Puts a letter into the outbox, unless the address got one of this kind a moment ago. Whether it did so.
///
/// - `record`: what the audit trail says of it.
/// - `is_wanted`: whether there is anybody to write to; if not, the same work is done without a mail.
///
/// # Errors
///
/// [`ApiError::Unavailable`].
pub async fn send(
    app: &App,
    to: &EmailAddress,
    kind: Kind,
    letter: Letter,
    once: Option<&OneTime>,
    record: Option<&Record>,
    is_wanted: bool,
) -> Result<bool, ApiError> {
    let mail = letter.into_mail(app, to)?;
    let posted = PostedMail { address: to.canonical(), kind: kind.as_str(), mail: &mail, once, record };
    let now = app.clock.now();
    Ok(app.store.post_mail_now_and_then(&posted, is_wanted, now, now + kind.interval()).await?)
}

/// A letter ready for the outbox, for a transaction that does more.
///
/// # Errors
///
/// [`ApiError::Internal`] if the template is broken.
pub fn outgoing(app: &App, to: &EmailAddress, letter: Letter) -> Result<OutgoingMail, ApiError> {
    letter.into_mail(app, to)
}
