//! What a tenant has set. Every setting has a default, so that a new tenant can be asked for all of them.

use serde::{Deserialize, Serialize};

use crate::uid::TenantUid;

/// Minutes without real use after which a session ends: range and default. Source: `contract.md` 1.12.
pub const IDLE_MINUTES: std::ops::RangeInclusive<u32> = 15..=1440;
/// Characters of the banner's text and of its title.
pub const MAX_BANNER: usize = 1300;
/// Domains of a tenant: so many can be exchanged for as many others in one transaction of DynamoDB.
pub const MAX_DOMAINS: usize = 45;
/// What a limit may be raised to.
pub const MAX_LIMIT: u32 = 10_000;

/// Why a setting was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SettingRefused {
    /// Out of range.
    #[error("expiryTimeMinutes must lie between 15 and 1440")]
    IdleMinutes,
    /// Too long, or with markup's control characters.
    #[error("title and Message may have at most {MAX_BANNER} characters of plain text")]
    Banner,
    /// No domain, or too many.
    #[error("domains must be at most {MAX_DOMAINS} names such as northwind.example")]
    Domain,
    /// Not one of the social logins there are.
    #[error("ssoLogins may hold github and google")]
    SocialLogin,
    /// No way would be left to sign in.
    #[error("single sign-on is required, so a provider must stay enabled; allow passwords first")]
    SsoRequired,
    /// There is no provider to require.
    #[error("enable a provider before requiring single sign-on")]
    NothingToRequire,
    /// No issuer or client, one that is not on HTTPS, or too much of anything.
    #[error("an enabled provider needs clientId and an issuerUrl that begins with https://, all of reasonable length")]
    Oidc,
    /// An unknown kind, or out of range.
    #[error("resources may set user, apiKey, team and role to a limit between 1 and {MAX_LIMIT}")]
    Limit,
}

/// How much of each kind a tenant may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Users of the tenant.
    pub user: u32,
    /// API keys of each user.
    pub api_key: u32,
    /// Teams of the tenant.
    pub team: u32,
    /// Roles of the tenant.
    pub role: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { user: 300, api_key: 20, team: 100, role: 100 }
    }
}

impl Limits {
    /// Sets the limit of one kind, as the wire names it.
    ///
    /// # Errors
    ///
    /// [`SettingRefused::Limit`].
    pub fn set(&mut self, kind: &str, limit: u32) -> Result<(), SettingRefused> {
        let field = match kind {
            "user" => &mut self.user,
            "apiKey" => &mut self.api_key,
            "team" => &mut self.team,
            "role" => &mut self.role,
            _ => return Err(SettingRefused::Limit),
        };
        if !(1..=MAX_LIMIT).contains(&limit) {
            return Err(SettingRefused::Limit);
        }
        *field = limit;
        Ok(())
    }
}

/// A text that is shown before signing in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Banner {
    /// Its heading.
    pub title: String,
    /// Plain text.
    pub message: String,
    /// Whether it is shown.
    pub is_enabled: bool,
}

impl Banner {
    /// Checks what a tenant wants to set.
    ///
    /// # Errors
    ///
    /// [`SettingRefused::Banner`].
    pub fn check(self) -> Result<Self, SettingRefused> {
        let fits = |text: &str| {
            text.chars().count() <= MAX_BANNER && text.chars().all(|char| !char.is_control() || "\n\r\t".contains(char))
        };
        if fits(&self.title) && fits(&self.message) { Ok(self) } else { Err(SettingRefused::Banner) }
    }
}

/// Third parties that people of a tenant may sign in with.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SocialLogins {
    /// Whether any may be used.
    pub is_enabled: bool,
    /// `github`, `google`.
    pub names: Vec<String>,
}

impl SocialLogins {
    /// Checks what a tenant wants to set. Terraform switches off with one empty name, which is dropped.
    ///
    /// # Errors
    ///
    /// [`SettingRefused::SocialLogin`].
    pub fn check(mut self) -> Result<Self, SettingRefused> {
        self.names.retain(|name| !name.is_empty());
        self.names.sort();
        self.names.dedup();
        if self.names.iter().all(|name| ["github", "google"].contains(&name.as_str())) {
            Ok(self)
        } else {
            Err(SettingRefused::SocialLogin)
        }
    }
}

/// The names of the four things that a provider's claims tell, as the wire spells them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ClaimNames {
    /// Of the address.
    pub email: String,
    /// Of the given name.
    pub first_name: String,
    /// Of the family name.
    pub last_name: String,
    /// Of the groups.
    pub spectro_team: String,
}

impl ClaimNames {
    /// What is told by which claim, where nobody said so: by those of the standard.
    #[must_use]
    pub fn or_standard(&self) -> Self {
        let or = |name: &String, standard: &str| if name.is_empty() { standard.to_owned() } else { name.clone() };
        Self {
            email: or(&self.email, "email"),
            first_name: or(&self.first_name, "given_name"),
            last_name: or(&self.last_name, "family_name"),
            spectro_team: or(&self.spectro_team, "groups"),
        }
    }
}

/// The `OpenID` Connect provider that a tenant's people sign in with.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OidcProvider {
    /// Whether it is used.
    pub is_enabled: bool,
    /// Where it describes itself.
    pub issuer_url: String,
    /// What it calls us.
    pub client_id: String,
    /// How we prove that, sealed; empty if none was set.
    pub sealed_client_secret: String,
    /// What we ask for.
    pub scopes: Vec<String>,
    /// What joins the scopes.
    pub scopes_delimiter: String,
    /// Teams of people who belong to none.
    pub default_teams: Vec<String>,
    /// Whether its groups make teams.
    pub sync_teams: bool,
    /// The authority that vouches for it, in base64; empty for those of the operating system.
    pub ca_certificate: String,
    /// The claims of its tokens.
    pub claims: ClaimNames,
    /// Whether its userinfo endpoint is asked first.
    pub use_user_info: bool,
    /// The claims of that endpoint.
    pub user_info_claims: ClaimNames,
}

impl OidcProvider {
    /// Checks what a tenant wants to set.
    ///
    /// # Errors
    ///
    /// [`SettingRefused::Oidc`].
    pub fn check(self) -> Result<Self, SettingRefused> {
        let texts = [&self.issuer_url, &self.client_id, &self.scopes_delimiter, &self.sealed_client_secret];
        let lists = [&self.scopes, &self.default_teams];
        let names = [&self.claims, &self.user_info_claims]
            .map(|claims| [&claims.email, &claims.first_name, &claims.last_name, &claims.spectro_team]);
        let fits = texts.into_iter().chain(names.into_iter().flatten()).all(|text| text.len() <= 2048)
            && lists.into_iter().all(|list| list.len() <= 50 && list.iter().all(|text| text.len() <= 256))
            && self.ca_certificate.len() <= 16 * 1024;
        let is_complete = !self.is_enabled || !self.client_id.is_empty() && is_issuer(&self.issuer_url);
        if fits && is_complete { Ok(self) } else { Err(SettingRefused::Oidc) }
    }
}

/// Whether a text can be an issuer: on HTTPS, or on the very machine that asks, which only a local server reaches.
fn is_issuer(url: &str) -> bool {
    let is_of_this_machine = ["http://localhost:", "http://127.0.0.1:"].iter().any(|start| url.starts_with(start));
    (url.starts_with("https://") || is_of_this_machine) && !url.contains(['?', '#'])
}

/// The record in the DNS by which a domain says that it is a tenant's: its name and what it holds.
pub fn domain_proof(tenant: TenantUid, domain: &str) -> (String, String) {
    (format!("_latchkey.{domain}"), format!("latchkey-tenant={tenant}"))
}

/// Checks the domains of a tenant and gives them in lower case, each once.
///
/// # Errors
///
/// [`SettingRefused::Domain`].
pub fn check_domains(domains: Vec<String>) -> Result<Vec<String>, SettingRefused> {
    let mut domains: Vec<_> = domains.iter().map(|domain| domain.trim().to_ascii_lowercase()).collect();
    domains.retain(|domain| !domain.is_empty());
    domains.sort();
    domains.dedup();
    let is_domain = |domain: &String| {
        let Some((name, top_level)) = domain.rsplit_once('.') else { return false };
        let is_label =
            |label: &str| !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        domain.len() <= 253
            && name.split('.').all(is_label)
            && top_level.len() >= 2
            && top_level.bytes().all(|byte| byte.is_ascii_alphabetic())
    };
    if domains.len() <= MAX_DOMAINS && domains.iter().all(is_domain) {
        Ok(domains)
    } else {
        Err(SettingRefused::Domain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_set_by_the_names_of_the_wire() {
        let mut limits = Limits::default();
        limits.set("apiKey", 5).unwrap();
        assert_eq!((limits.api_key, limits.user), (5, 300));
        for (kind, limit) in [("apikey", 5), ("", 5), ("apiKey", 0), ("apiKey", 10_001)] {
            assert_eq!(limits.set(kind, limit), Err(SettingRefused::Limit));
        }
    }

    #[test]
    fn terraform_switches_social_logins_off_with_an_empty_name() {
        let logins = |names: &[&str]| {
            SocialLogins { is_enabled: true, names: names.iter().map(ToString::to_string).collect() }.check()
        };
        assert!(logins(&[""]).is_ok_and(|logins| logins.names.is_empty()));
        assert_eq!(logins(&["google", "github", "google"]).unwrap().names, ["github", "google"]);
        assert_eq!(logins(&["facebook"]), Err(SettingRefused::SocialLogin));
    }

    #[test]
    fn domains_are_names_in_lower_case() {
        let check = |domain: &str| check_domains(vec![domain.to_owned()]);
        assert_eq!(check(" NorthWind.Example "), Ok(vec!["northwind.example".to_owned()]));
        assert_eq!(check(""), Ok(vec![]));
        for domain in
            ["northwind", ".example", "a..example", "nörth.example", "a_b.example", "a.e", "a.1example", "a b.example"]
        {
            assert_eq!(check(domain), Err(SettingRefused::Domain), "{domain}");
        }
        assert!(check_domains((0..51).map(|number| format!("d{number}.example")).collect()).is_err());
    }

    #[test]
    fn an_enabled_provider_is_complete_and_on_https() {
        let provider = |issuer_url: &str, client_id: &str, is_enabled| {
            let (issuer_url, client_id) = (issuer_url.to_owned(), client_id.to_owned());
            OidcProvider { is_enabled, issuer_url, client_id, ..OidcProvider::default() }.check()
        };
        assert!(provider("https://id.example", "console", true).is_ok() && provider("", "", false).is_ok());
        for (issuer_url, client_id) in [("", "console"), ("http://id.example", "console"), ("https://id.example", "")] {
            assert_eq!(provider(issuer_url, client_id, true), Err(SettingRefused::Oidc));
        }
        assert_eq!(provider(&"x".repeat(2049), "", false), Err(SettingRefused::Oidc));
    }

    #[test]
    fn a_banner_is_plain_text_of_bounded_length() {
        let banner = |message: &str| Banner { message: message.to_owned(), ..Banner::default() }.check();
        assert!(banner(&"ä".repeat(1300)).is_ok() && banner("two\nlines").is_ok());
        assert_eq!(banner(&"ä".repeat(1301)), Err(SettingRefused::Banner));
        assert_eq!(banner("a\u{1b}[0m"), Err(SettingRefused::Banner));
    }
}
