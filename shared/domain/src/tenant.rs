//! Tenants and what they have set.

use std::fmt;

use crate::{
    password::PasswordPolicy,
    settings::{Banner, Limits, OidcProvider, SocialLogins},
    sso::{Method, Provider},
    uid::{ProjectUid, TenantUid},
};

/// The project that every tenant has from the start; clients of Palette look for it by this name.
pub const DEFAULT_PROJECT: &str = "Default";

/// Minutes without real use after which a session ends, unless the tenant sets another span.
pub const DEFAULT_IDLE_MINUTES: u32 = 240;

/// Names that would be mistaken for parts of the service.
const RESERVED: [&str; 12] =
    ["www", "api", "console", "admin", "auth", "system", "status", "mail", "root", "support", "help", "login"];

/// The name of an organization: a label of a host name, 3 to 32 characters, in lower case.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct OrgName(String);

/// The text cannot name an organization.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "orgName must have 3 to 32 lower-case letters, digits and dashes, begin and end with no dash, and not be reserved"
)]
pub struct NotAnOrgName;

impl OrgName {
    /// Reads a name for a new organization.
    ///
    /// # Errors
    ///
    /// [`NotAnOrgName`].
    pub fn parse(text: &str) -> Result<Self, NotAnOrgName> {
        let name = Self::folded(text);
        let is_edge = |byte: Option<u8>| byte.is_some_and(|byte| byte != b'-');
        let fits = (3..=32).contains(&name.0.len())
            && name.0.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
            && is_edge(name.0.bytes().next())
            && is_edge(name.0.bytes().next_back())
            && !RESERVED.contains(&name.0.as_str());
        if fits { Ok(name) } else { Err(NotAnOrgName) }
    }

    /// Any text as a name to look for; names are matched without case.
    pub fn folded(text: &str) -> Self {
        Self(text.trim().to_ascii_lowercase())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for OrgName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for OrgName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The organisation that owns users, API keys and sessions, with what it has set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tenant {
    /// Names it on the wire.
    pub uid: TenantUid,
    /// What people call it.
    pub org_name: OrgName,
    /// How much of each kind it may have.
    pub limits: Limits,
    /// Minutes without real use after which a session ends.
    pub idle_minutes: u32,
    /// What it asks of passwords.
    pub password_policy: PasswordPolicy,
    /// What is shown before signing in.
    pub banner: Banner,
    /// Third parties that its people may sign in with.
    pub social_logins: SocialLogins,
    /// Domains whose people belong to it.
    pub domains: Vec<String>,
    /// The provider that its people sign in with.
    pub oidc: OidcProvider,
    /// Whether its people sign in by a provider only, and no password opens anything.
    pub is_sso_required: bool,
    /// Whether its admins are told too when somebody's API key expires.
    pub tells_admins_of_expiry: bool,
}

impl Tenant {
    /// A tenant that has set nothing yet.
    pub fn new(uid: TenantUid, org_name: OrgName) -> Self {
        Self {
            uid,
            org_name,
            limits: Limits::default(),
            idle_minutes: DEFAULT_IDLE_MINUTES,
            password_policy: PasswordPolicy::default(),
            banner: Banner::default(),
            social_logins: SocialLogins::default(),
            domains: Vec::new(),
            oidc: OidcProvider::default(),
            is_sso_required: false,
            tells_admins_of_expiry: false,
        }
    }

    /// Whether it lets its people sign in by this provider, as far as the installation has it.
    pub fn offers(&self, provider: Provider) -> bool {
        match provider {
            Provider::Oidc => self.oidc.is_enabled,
            social => {
                self.social_logins.is_enabled && self.social_logins.names.iter().any(|name| name == social.as_str())
            }
        }
    }

    /// Whether what was begun this way may begin, or go on, as things are.
    pub fn admits(&self, method: &Method) -> bool {
        method.provider().map_or(!self.is_sso_required, |provider| self.offers(provider))
    }
}

/// A project: named by clients in `ProjectUid`, and holding nothing of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Project {
    /// Names it on the wire.
    pub uid: ProjectUid,
    /// What people call it.
    pub name: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_organization_can_be_a_label_of_a_host_name() {
        for name in ["northwind", "n-1", "a1b", &"x".repeat(32)] {
            assert_eq!(OrgName::parse(name).unwrap().as_str(), name);
        }
        assert_eq!(OrgName::parse(" NorthWind ").unwrap().as_str(), "northwind");
        for name in ["", "ab", "-abc", "abc-", "a_b", "a b c", "nörth", "admin", "WWW", "a.b", &"x".repeat(33)] {
            assert_eq!(OrgName::parse(name), Err(NotAnOrgName), "{name}");
        }
    }
}
