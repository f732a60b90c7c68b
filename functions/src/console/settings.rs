//! What holds for the whole tenant: passwords, sessions, the banner, ways to sign in, domains, notices, limits.
//!
//! Each section is a form of its own, so that an error in one loses nothing of it and touches no other.

use askama::Template;
use futures_util::future::try_join_all;
use lambda_http::http::StatusCode;
use serde_json::{Value, json};

use super::{
    Console, Refusal,
    api::{Call, text},
    html,
    page::{self, Form},
    session::{Session, Shell},
    words::in_words,
};
use crate::{ApiError, http::Response};

const URL: &str = "/tenant/settings";

/// A section of the page, with a form of its own.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Section {
    PasswordPolicy,
    SessionTimeout,
    Banner,
    SignInMethods,
    Domains,
    Notices,
    Limits,
}

impl Section {
    const ALL: [Self; 7] = [
        Self::PasswordPolicy,
        Self::SessionTimeout,
        Self::Banner,
        Self::SignInMethods,
        Self::Domains,
        Self::Notices,
        Self::Limits,
    ];

    /// By its name in addresses.
    pub(super) fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|section| section.name() == name)
    }

    const fn name(self) -> &'static str {
        match self {
            Self::PasswordPolicy => "password-policy",
            Self::SessionTimeout => "session-timeout",
            Self::Banner => "banner",
            Self::SignInMethods => "sign-in-methods",
            Self::Domains => "domains",
            Self::Notices => "notices",
            Self::Limits => "limits",
        }
    }

    /// The route of the API that writes it.
    const fn route(self) -> &'static str {
        match self {
            Self::PasswordPolicy => "POST /v1/tenants/{tenantUid}/password/policy",
            Self::SessionTimeout => "PUT /v1/tenants/{tenantUid}/authTokenSettings",
            Self::Banner => "PUT /v1/tenants/{tenantUid}/loginBanner",
            Self::SignInMethods => "POST /v1/tenants/{tenantUid}/sso/auth/providers",
            Self::Domains => "POST /v1/tenants/{tenantUid}/domains",
            Self::Notices => "PUT /v1/tenants/{tenantUid}/apiKeys/notices",
            Self::Limits => "PATCH /v1/tenants/{tenantUid}/resourceLimits",
        }
    }
}

/// The routes of the API that read them, in the same order.
const READS: [&str; 7] = [
    "GET /v1/tenants/{tenantUid}/password/policy",
    "GET /v1/tenants/{tenantUid}/authTokenSettings",
    "GET /v1/tenants/{tenantUid}/loginBanner",
    "GET /v1/tenants/{tenantUid}/sso/auth/providers",
    "GET /v1/tenants/{tenantUid}/domains",
    "GET /v1/tenants/{tenantUid}/apiKeys/notices",
    "GET /v1/tenants/{tenantUid}/resourceLimits",
];

struct Limit {
    kind: String,
    label: String,
    limit: String,
    max_limit: String,
}

#[derive(Template)]
#[template(path = "console/settings.html")]
struct Settings {
    page: Shell,
    /// The section that was saved just now.
    saved: String,
    has_policy_error: bool,
    policy_error: String,
    min_length: String,
    max_length: String,
    min_upper: String,
    min_lower: String,
    min_digits: String,
    min_special: String,
    expiry_days: String,
    first_reminder_days: String,
    is_regex: bool,
    regex: String,
    session_minutes: String,
    has_session_error: bool,
    session_error: String,
    banner_enabled: bool,
    banner_title: String,
    banner_message: String,
    has_banner_error: bool,
    banner_error: String,
    github_enabled: bool,
    google_enabled: bool,
    domains: String,
    has_domains_error: bool,
    domains_error: String,
    notify_admins: bool,
    has_limits_error: bool,
    limits_error: String,
    limits: Vec<Limit>,
}

fn number(value: &Value) -> String {
    value.as_u64().unwrap_or_default().to_string()
}

impl Settings {
    /// What is stored.
    async fn load(console: Console<'_>, session: &Session) -> Result<Self, Refusal> {
        let reads = READS.map(|route| call(route, session).send(console));
        let Ok([policy, timeout, banner, logins, domains, notices, limits]) =
            <[Value; 7]>::try_from(try_join_all(reads).await?)
        else {
            unreachable!("as many answers as questions")
        };
        let has_login = |name: &str| {
            let mut names = logins["ssoLogins"].as_array().into_iter().flatten();
            logins["isEnabled"] == true && names.any(|known| known == name)
        };
        let lines: Vec<String> = domains["domains"].as_array().into_iter().flatten().map(text).collect();
        let limits = limits["resources"].as_array().into_iter().flatten().map(|limit| Limit {
            kind: text(&limit["kind"]),
            label: text(&limit["label"]),
            limit: number(&limit["limit"]),
            max_limit: number(&limit["maxLimit"]),
        });
        let mut shell = session.shell("Settings");
        shell.nav_settings = true;
        Ok(Self {
            page: shell,
            saved: String::new(),
            has_policy_error: false,
            policy_error: String::new(),
            min_length: number(&policy["minLength"]),
            max_length: number(&policy["maxLength"]),
            min_upper: number(&policy["minNumOfBlockLetters"]),
            min_lower: number(&policy["minNumOfSmallLetters"]),
            min_digits: number(&policy["minNumOfDigits"]),
            min_special: number(&policy["minNumOfSpecialCharacters"]),
            expiry_days: number(&policy["expiryDurationInDays"]),
            first_reminder_days: number(&policy["firstReminderInDays"]),
            is_regex: policy["isRegex"] == true,
            regex: text(&policy["regex"]),
            session_minutes: number(&timeout["expiryTimeMinutes"]),
            has_session_error: false,
            session_error: String::new(),
            banner_enabled: banner["isEnabled"] == true,
            banner_title: text(&banner["title"]),
            banner_message: text(&banner["Message"]),
            has_banner_error: false,
            banner_error: String::new(),
            github_enabled: has_login("github"),
            google_enabled: has_login("google"),
            domains: lines.join("\n"),
            has_domains_error: false,
            domains_error: String::new(),
            notify_admins: notices["notifyTenantAdmins"] == true,
            has_limits_error: false,
            limits_error: String::new(),
            limits: limits.collect(),
        })
    }

    /// What was typed into one section, in place of what is stored, and why it was refused.
    fn refuse(&mut self, section: Section, sent: &Form, words: String) {
        match section {
            Section::PasswordPolicy => {
                for (name, field) in [
                    ("min_length", &mut self.min_length),
                    ("max_length", &mut self.max_length),
                    ("min_upper", &mut self.min_upper),
                    ("min_lower", &mut self.min_lower),
                    ("min_digits", &mut self.min_digits),
                    ("min_special", &mut self.min_special),
                    ("expiry_days", &mut self.expiry_days),
                    ("first_reminder_days", &mut self.first_reminder_days),
                    ("regex", &mut self.regex),
                ] {
                    *field = sent.text(name);
                }
                self.is_regex = sent.has("is_regex");
                (self.has_policy_error, self.policy_error) = (true, words);
            }
            Section::SessionTimeout => {
                self.session_minutes = sent.text("session_minutes");
                (self.has_session_error, self.session_error) = (true, words);
            }
            Section::Banner => {
                self.banner_enabled = sent.has("banner_enabled");
                (self.banner_title, self.banner_message) = (sent.text("banner_title"), sent.text("banner_message"));
                (self.has_banner_error, self.banner_error) = (true, words);
            }
            Section::Domains => {
                self.domains = sent.text("domains");
                (self.has_domains_error, self.domains_error) = (true, words);
            }
            Section::Limits => {
                for limit in &mut self.limits {
                    limit.limit = sent.text(&format!("limit_{}", limit.kind));
                }
                (self.has_limits_error, self.limits_error) = (true, words);
            }
            Section::SignInMethods | Section::Notices => self.page.fail(words),
        }
    }
}

fn call(route: &'static str, session: &Session) -> Call {
    Call::new(route).parameter("tenantUid", &session.tenant_uid()).by(&session.token)
}

pub(super) async fn show(console: Console<'_>, session: &Session) -> Result<Response, Refusal> {
    let mut page = Settings::load(console, session).await?;
    page.saved = console.form().text("saved");
    Ok(html(StatusCode::OK, &page))
}

pub(super) async fn set(console: Console<'_>, session: &Session, section: Section) -> Result<Response, Refusal> {
    let sent = console.form();
    let (status, words) = match body(section, &sent) {
        Some(body) => match call(section.route(), session).body(body).send(console).await {
            Ok(_) => {
                let name = section.name();
                return Ok(page::redirect(&format!("{}#{name}", page::url(URL, &[("saved", name)]))));
            }
            Err(error @ (ApiError::Unauthorized(_) | ApiError::Forbidden(_))) => return Err(error.into()),
            Err(error) => (error.status_and_code().0, settings_in_words(&error)),
        },
        None => (StatusCode::BAD_REQUEST, "Enter whole numbers.".to_owned()),
    };
    let mut form = Settings::load(console, session).await?;
    form.refuse(section, &sent, words);
    Ok(html(status, &form))
}

/// The section in the words of the API; `None` if what must be a number is none.
fn body(section: Section, sent: &Form) -> Option<Value> {
    let number = |name: &str| sent.text(name).trim().parse::<u32>().ok();
    Some(match section {
        Section::PasswordPolicy => json!({
            "minLength": number("min_length")?, "maxLength": number("max_length")?,
            "minNumOfBlockLetters": number("min_upper")?, "minNumOfSmallLetters": number("min_lower")?,
            "minNumOfDigits": number("min_digits")?, "minNumOfSpecialCharacters": number("min_special")?,
            "expiryDurationInDays": number("expiry_days")?, "firstReminderInDays": number("first_reminder_days")?,
            "isRegex": sent.has("is_regex"), "regex": sent.text("regex"),
        }),
        Section::SessionTimeout => json!({ "expiryTimeMinutes": number("session_minutes")? }),
        Section::Banner => json!({
            "isEnabled": sent.has("banner_enabled"), "title": sent.text("banner_title"),
            // Browsers send the line ends of the protocol.
            "Message": sent.text("banner_message").replace("\r\n", "\n"),
        }),
        Section::SignInMethods => {
            let chosen: Vec<&str> = ["github", "google"].into_iter().filter(|name| sent.has(name)).collect();
            json!({ "isEnabled": !chosen.is_empty(), "ssoLogins": chosen })
        }
        Section::Domains => {
            let domains = sent.text("domains");
            let domains: Vec<&str> = domains.split([',', ' ', '\n', '\r']).filter(|line| !line.is_empty()).collect();
            json!({ "domains": domains })
        }
        Section::Notices => json!({ "notifyTenantAdmins": sent.has("notify_admins") }),
        Section::Limits => {
            let kinds = ["user", "apiKey", "team", "role"].into_iter();
            let kinds = kinds.map(|kind| (kind, format!("limit_{kind}"))).filter(|(_, field)| sent.has(field));
            let limits: Option<Vec<Value>> =
                kinds.map(|(kind, field)| Some(json!({ "kind": kind, "limit": number(&field)? }))).collect();
            json!({ "resources": limits? })
        }
    })
}

/// What is wrong, in the words of the page.
fn settings_in_words(error: &ApiError) -> String {
    use domain::{password::PolicyRefused, settings::SettingRefused};
    match error {
        ApiError::Policy(PolicyRefused::Length) => {
            "Lengths lie between 6 and 128 characters, the minimum not above the maximum."
        }
        ApiError::Policy(PolicyRefused::Counters) => "The characters asked for do not fit into the maximum length.",
        ApiError::Policy(PolicyRefused::Days) => {
            "Passwords expire after 1 to 1000 days, and the first reminder comes fewer days before."
        }
        ApiError::Policy(PolicyRefused::Regex) => {
            "This is no regular expression that can be used: at most 256 characters, without look-around."
        }
        ApiError::Setting(SettingRefused::IdleMinutes) => "Choose between 15 and 1440 minutes.",
        ApiError::Setting(SettingRefused::Banner) => {
            "Title and message are plain text, the message at most 1300 characters."
        }
        ApiError::Setting(SettingRefused::Domain) => "Each line must be a domain such as northwind.example.",
        ApiError::DomainTaken(domain) => return format!("{domain} belongs to another organization."),
        ApiError::Setting(SettingRefused::Limit) => "Each limit lies between 1 and what is said below it.",
        other => return in_words(other),
    }
    .to_owned()
}
