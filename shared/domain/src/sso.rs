//! Single sign-on: who vouches for a person, and what they say.
//!
//! A person is known by issuer and subject, never by the e-mail address: an address can get another owner, and every
//! provider can name any address.

use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

use crate::{
    email::EmailAddress,
    timestamp::Timestamp,
    uid::{SessionUid, TenantUid, UserUid},
    user::MAX_NAME_CHARS,
};

/// Identities that one user may have: so many are removed with the user in one transaction.
pub const MAX_LINKS: usize = 10;

/// Who vouches for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    /// GitHub, for the whole installation.
    Github,
    /// Google, for the whole installation.
    Google,
    /// The provider that the tenant has named.
    Oidc,
}

impl Provider {
    /// Those that serve the whole installation, in the order in which they are offered.
    pub const SOCIAL: [Self; 2] = [Self::Google, Self::Github];

    /// The wire's name of it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Github => "github",
            Self::Google => "google",
            Self::Oidc => "oidc",
        }
    }

    /// What people call it where they are to go there.
    pub const fn shown(self) -> &'static str {
        match self {
            Self::Oidc => "your identity provider",
            social => social.label(),
        }
    }

    /// What people call it.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Github => "GitHub",
            Self::Google => "Google",
            Self::Oidc => "single sign-on",
        }
    }

    /// One that serves the whole installation, by the wire's name.
    pub fn social(name: &str) -> Option<Self> {
        Self::SOCIAL.into_iter().find(|provider| provider.as_str() == name)
    }
}

/// Whom a provider means: the same issuer and subject are the same person for ever.
///
/// What the provider of one tenant says counts in that tenant alone, even where another tenant has named the same issuer:
/// whoever names it could be anybody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// By which way in.
    pub provider: Provider,
    /// The tenant whose provider it is; absent for those of the whole installation.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub realm: Option<TenantUid>,
    /// Who says so.
    pub issuer: String,
    /// What it calls the person.
    pub subject: String,
}

impl Identity {
    /// By what the table finds it: SHA-256 in hexadecimal, of all parts with the length of the issuer, so that no two
    /// identities read alike.
    pub fn digest(&self) -> String {
        let realm = self.realm.map(|realm| realm.to_string()).unwrap_or_default();
        let (provider, length) = (self.provider.as_str(), self.issuer.len());
        let text = format!("{provider}\n{realm}\n{length}\n{}\n{}", self.issuer, self.subject);
        hex::encode(digest(&SHA256, text.as_bytes()))
    }
}

/// What a provider says of a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vouched {
    /// Of whom.
    pub identity: Identity,
    /// The address as mail could be sent to it, if the provider says that it is the person's: one that it does not stand
    /// for is left out.
    pub email: Option<String>,
    /// Whether the provider decides who has addresses of this domain at this moment. Others have looked once.
    pub is_authority: bool,
    /// Given name; empty if unknown.
    pub first_name: String,
    /// Family name; empty if unknown.
    pub last_name: String,
}

impl Vouched {
    /// What a provider says, as far as it may be kept: an address that is one, names that look like names.
    ///
    /// - `is_authority`: of the domain of that address.
    pub fn new(
        identity: Identity,
        email: Option<&str>,
        (first_name, last_name): (&str, &str),
        is_authority: impl Fn(&EmailAddress) -> bool,
    ) -> Self {
        let address = email.and_then(|email| EmailAddress::parse(email).ok());
        Self {
            identity,
            is_authority: address.as_ref().is_some_and(is_authority),
            email: address.map(|address| address.typed().to_owned()),
            first_name: shown_name(first_name),
            last_name: shown_name(last_name),
        }
    }

    /// By which way in.
    pub const fn provider(&self) -> Provider {
        self.identity.provider
    }

    /// The address, if there is one that mail could be sent to.
    pub fn address(&self) -> Option<EmailAddress> {
        self.email.as_deref().and_then(|email| EmailAddress::parse(email).ok())
    }

    /// Given and family name of a user: what is not known is taken from the address, since nobody is nameless.
    pub fn names(&self, address: &EmailAddress) -> (String, String) {
        let (first, last) = (self.first_name.clone(), self.last_name.clone());
        if !first.is_empty() || !last.is_empty() {
            return match (first.is_empty(), last.is_empty()) {
                (true, _) => (last.clone(), last),
                (_, true) => (first.clone(), first),
                _ => (first, last),
            };
        }
        let local = address.typed().split('@').next().unwrap_or_default();
        let mut parts = local.split(['.', '_', '-', '+', '%']).filter(|part| !part.is_empty()).map(capitalized);
        let first = parts.next().unwrap_or_else(|| "User".to_owned());
        let last = parts.next().unwrap_or_else(|| first.clone());
        (first, last)
    }
}

/// What a provider calls a person, as far as it may stand in a mail and a list: see the names that people type.
pub fn shown_name(name: &str) -> String {
    let plain = name.chars().map(|char| {
        if char.is_control() || "/@<>.\u{200b}\u{202e}\u{2066}\u{2067}\u{2068}".contains(char) { ' ' } else { char }
    });
    let plain: String = plain.collect();
    let words: Vec<&str> = plain.split_whitespace().collect();
    words.join(" ").chars().take(MAX_NAME_CHARS).collect::<String>().trim_end().to_owned()
}

/// Given and family name in a whole one.
pub fn names_in(name: &str) -> (&str, &str) {
    name.trim().split_once(' ').unwrap_or((name.trim(), ""))
}

fn capitalized(word: &str) -> String {
    let mut chars = word.chars();
    let first = chars.next().map(|char| char.to_uppercase().to_string()).unwrap_or_default();
    (first + chars.as_str()).chars().take(MAX_NAME_CHARS).collect()
}

/// That an identity is a user's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The tenant of the user: in another one the same identity is another user, or nobody.
    pub tenant: TenantUid,
    /// The user.
    pub user: UserUid,
    /// By whom they are known.
    pub identity: Identity,
    /// The address that the provider had when it was linked, for the person to recognise it.
    pub email: String,
    /// When it was linked.
    pub created_at: Timestamp,
}

/// By what a session was begun.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Method {
    /// By a password.
    #[default]
    Password,
    /// By a provider.
    Sso {
        /// Which.
        provider: Provider,
        /// The digest of the identity that it vouched for.
        identity: String,
    },
}

impl Method {
    /// The provider, if it was one.
    pub const fn provider(&self) -> Option<Provider> {
        match self {
            Self::Password => None,
            Self::Sso { provider, .. } => Some(*provider),
        }
    }
}

/// What is to happen once a provider has vouched for somebody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "wish", rename_all = "snake_case")]
pub enum Wish {
    /// To sign in.
    SignIn,
    /// To link the identity to a user who is signed in.
    Link {
        /// The tenant of the user.
        tenant: TenantUid,
        /// The user.
        user: UserUid,
        /// The session that asked, in which alone it may come true.
        session: SessionUid,
    },
    /// To accept an invitation.
    Accept {
        /// The tenant of the user.
        tenant: TenantUid,
        /// The user.
        user: UserUid,
        /// The digest of the token that was mailed, which is used up with it.
        invitation: String,
    },
}

/// A sign-in at a provider that is under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// Where.
    pub provider: Provider,
    /// In which tenant; of all tenants if in none.
    pub tenant: Option<TenantUid>,
    /// The issuer that the person was sent to.
    pub issuer: String,
    /// What it calls us.
    pub client_id: String,
    /// The digest of the cookie of the browser that was sent.
    pub browser: String,
    /// What for.
    pub wish: Wish,
    /// The page to go on to; empty for the first.
    pub next: String,
}

/// A person whom a provider has vouched for, and who has something to say yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// What the provider said.
    pub vouched: Vouched,
    /// In which tenant; of all tenants if in none.
    pub tenant: Option<TenantUid>,
    /// The digest of the cookie of the browser.
    pub browser: String,
    /// The page to go on to; empty for the first.
    pub next: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(issuer: &str, subject: &str) -> Identity {
        let (issuer, subject) = (issuer.to_owned(), subject.to_owned());
        Identity { provider: Provider::Google, realm: None, issuer, subject }
    }

    fn vouched(first_name: &str, last_name: &str) -> Vouched {
        Vouched::new(identity("https://id.example", "7"), None, (first_name, last_name), |_| true)
    }

    #[test]
    fn no_two_identities_read_alike() {
        let digest = |issuer: &str, subject: &str| identity(issuer, subject).digest();
        assert_eq!(digest("https://a", "1"), digest("https://a", "1"));
        let others =
            [("https://a", "2"), ("https://a/", "1"), ("https://a\n1", ""), ("https://", "a1"), ("", "https://a1")];
        for (issuer, subject) in others {
            assert_ne!(digest(issuer, subject), digest("https://a", "1"), "{issuer:?} {subject:?}");
        }
        let google = identity("https://a", "1");
        let of = |provider, realm: Option<u8>| {
            let realm = realm.map(|byte| TenantUid::from_bytes([byte; 12]));
            Identity { provider, realm, ..google.clone() }.digest()
        };
        let all = [of(Provider::Google, None), of(Provider::Oidc, Some(1)), of(Provider::Oidc, Some(2))];
        assert!(all[0] != all[1] && all[1] != all[2] && all[0] != all[2], "each organization's provider is its own");
    }

    #[test]
    fn what_is_no_address_is_not_kept_and_nobody_is_an_authority_on_it() {
        let of = |email| Vouched::new(identity("a", "b"), email, ("", ""), |address| address.domain() == "a.example");
        assert_eq!(of(Some("x@a.example")).email.as_deref(), Some("x@a.example"));
        assert!(of(Some("x@a.example")).is_authority && !of(Some("x@b.example")).is_authority);
        for email in [None, Some(""), Some("x"), Some("x@a.example\nBcc: y")] {
            assert_eq!((of(email).email, of(email).is_authority), (None, false));
        }
    }

    #[test]
    fn nobody_is_nameless_and_no_name_is_markup_or_a_link() {
        let names =
            |first: &str, last: &str, email: &str| vouched(first, last).names(&EmailAddress::parse(email).unwrap());
        let pair = |first: &str, last: &str| (first.to_owned(), last.to_owned());
        assert_eq!(names("Ines", "Alba", "x@a.example"), pair("Ines", "Alba"));
        assert_eq!(names("Ines", "", "x@a.example"), pair("Ines", "Ines"));
        assert_eq!(names("", "", "ines.alba@a.example"), pair("Ines", "Alba"));
        assert_eq!(names("", " ", "ines@a.example"), pair("Ines", "Ines"));
        assert_eq!(names("<b>", "evil.example/x", "x@a.example"), pair("b", "evil example x"));
        assert_eq!(shown_name(&"ä".repeat(100)).chars().count(), MAX_NAME_CHARS);
        assert_eq!(shown_name("a\u{7}\n b"), "a b");
    }
}
