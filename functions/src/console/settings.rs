//! What holds for the whole tenant: passwords, sessions, the banner, ways to sign in, domains, notices, limits.
//!
//! Each section is a form of its own, so that an error in one loses nothing of it and touches no other.

use askama::Template;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use domain::settings::domain_proof;
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
use crate::{ApiError, http::Response, outbound::UrlRefused};

const URL: &str = "/tenant/settings";

/// A section of the page, with a form of its own.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Section {
    PasswordPolicy,
    SessionTimeout,
    Banner,
    SignInMethods,
    Sso,
    SsoPolicy,
    Domains,
    Notices,
    Limits,
}

impl Section {
    const ALL: [Self; 9] = [
        Self::PasswordPolicy,
        Self::SessionTimeout,
        Self::Banner,
        Self::SignInMethods,
        Self::Sso,
        Self::SsoPolicy,
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
            Self::Sso => "sso",
            Self::SsoPolicy => "sso-policy",
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
            Self::Sso => "POST /v1/tenants/{tenantUid}/oidc/config",
            Self::SsoPolicy => "PUT /v1/tenants/{tenantUid}/sso/policy",
            Self::Domains => "POST /v1/tenants/{tenantUid}/domains",
            Self::Notices => "PUT /v1/tenants/{tenantUid}/apiKeys/notices",
            Self::Limits => "PATCH /v1/tenants/{tenantUid}/resourceLimits",
        }
    }
}

/// The routes of the API that read them.
const READS: [&str; 9] = [
    "GET /v1/tenants/{tenantUid}/password/policy",
    "GET /v1/tenants/{tenantUid}/authTokenSettings",
    "GET /v1/tenants/{tenantUid}/loginBanner",
    "GET /v1/tenants/{tenantUid}/sso/auth/providers",
    "GET /v1/tenants/{tenantUid}/domains/proofs",
    "GET /v1/tenants/{tenantUid}/apiKeys/notices",
    "GET /v1/tenants/{tenantUid}/resourceLimits",
    "GET /v1/tenants/{tenantUid}/oidc/config",
    "GET /v1/tenants/{tenantUid}/sso/policy",
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
    /// Whether the installation has it.
    github_installed: bool,
    google_installed: bool,
    has_methods_error: bool,
    methods_error: String,
    oidc: Oidc,
    is_sso_required: bool,
    has_sso_policy_error: bool,
    sso_policy_error: String,
    domains: String,
    proofs: Vec<Proof>,
    has_domains_error: bool,
    domains_error: String,
    notify_admins: bool,
    has_limits_error: bool,
    limits_error: String,
    limits: Vec<Limit>,
}

/// A domain, and how it is proven.
struct Proof {
    domain: String,
    is_proven: bool,
    is_taken: bool,
    name: String,
    value: String,
}

impl Proof {
    fn of(proof: &Value) -> Self {
        Self {
            domain: text(&proof["domain"]),
            is_proven: proof["isProven"] == true,
            is_taken: proof["isTaken"] == true,
            name: text(&proof["record"]["name"]),
            value: text(&proof["record"]["value"]),
        }
    }
}

/// The provider of the organization.
struct Oidc {
    is_enabled: bool,
    issuer: String,
    client_id: String,
    /// Whether there is one already.
    has_secret: bool,
    scopes: String,
    email_claim: String,
    first_name_claim: String,
    last_name_claim: String,
    use_user_info: bool,
    certificate: String,
    callback_url: String,
    logout_url: String,
    has_error: bool,
    error: String,
}

impl Oidc {
    fn of(oidc: &Value) -> Self {
        let scopes: Vec<&str> = oidc["scopes"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let certificate = STANDARD.decode(text(&oidc["issuerTls"]["caCertificateBase64"])).unwrap_or_default();
        let claims = &oidc["requiredClaims"];
        Self {
            is_enabled: oidc["isSsoEnabled"] == true,
            issuer: text(&oidc["issuerUrl"]),
            client_id: text(&oidc["clientId"]),
            has_secret: !text(&oidc["clientSecret"]).is_empty(),
            scopes: scopes.join(" "),
            email_claim: text(&claims["Email"]),
            first_name_claim: text(&claims["FirstName"]),
            last_name_claim: text(&claims["LastName"]),
            use_user_info: oidc["userInfo"]["useUserInfo"] == true,
            certificate: String::from_utf8(certificate).unwrap_or_default(),
            callback_url: text(&oidc["callbackUrl"]),
            logout_url: text(&oidc["logoutUrl"]),
            has_error: false,
            error: String::new(),
        }
    }

    /// What was typed, in place of what is stored.
    fn take(&mut self, sent: &Form) {
        self.is_enabled = sent.has("sso_enabled");
        for (name, field) in [
            ("issuer", &mut self.issuer),
            ("client_id", &mut self.client_id),
            ("scopes", &mut self.scopes),
            ("email_claim", &mut self.email_claim),
            ("first_name_claim", &mut self.first_name_claim),
            ("last_name_claim", &mut self.last_name_claim),
            ("certificate", &mut self.certificate),
        ] {
            sent.text(name).trim().clone_into(field);
        }
        self.use_user_info = sent.has("use_user_info");
    }

    /// In the words of the API, over what is stored: the page does not show all of it.
    fn body(sent: &Form, mut stored: Value) -> Value {
        let trimmed = |name: &str| sent.text(name).trim().to_owned();
        let secret = sent.text("client_secret");
        stored["isSsoEnabled"] = json!(sent.has("sso_enabled"));
        // Many paste the address of the whole document.
        let issuer = trimmed("issuer");
        let issuer = issuer.strip_suffix("/.well-known/openid-configuration").unwrap_or(&issuer);
        stored["issuerUrl"] = json!(issuer);
        stored["clientId"] = json!(trimmed("client_id"));
        // Left empty it stays what it is.
        stored["clientSecret"] = json!(if secret.is_empty() { "*" } else { &secret });
        stored["scopes"] = json!(sent.text("scopes").split_whitespace().collect::<Vec<_>>());
        for (claim, field) in
            [("Email", "email_claim"), ("FirstName", "first_name_claim"), ("LastName", "last_name_claim")]
        {
            stored["requiredClaims"][claim] = json!(trimmed(field));
        }
        stored["userInfo"]["useUserInfo"] = json!(sent.has("use_user_info"));
        stored["issuerTls"]["caCertificateBase64"] = json!(STANDARD.encode(trimmed("certificate")));
        stored
    }
}

fn number(value: &Value) -> String {
    value.as_u64().unwrap_or_default().to_string()
}

impl Settings {
    /// What is stored.
    async fn load(console: Console<'_>, session: &Session) -> Result<Self, Refusal> {
        let reads = READS.map(|route| call(route, session).send(console));
        let Ok([policy, timeout, banner, logins, domains, notices, limits, oidc, sso]) =
            <[Value; 9]>::try_from(try_join_all(reads).await?)
        else {
            unreachable!("as many answers as questions")
        };
        let has_login = |name: &str| {
            let mut names = logins["ssoLogins"].as_array().into_iter().flatten();
            logins["isEnabled"] == true && names.any(|known| known == name)
        };
        let proofs: Vec<Proof> = domains["items"].as_array().into_iter().flatten().map(Proof::of).collect();
        let lines: Vec<&str> = proofs.iter().map(|proof| proof.domain.as_str()).collect();
        let installed = Call::new("GET /v1/auth/sso/providers").send(console).await?;
        let installed: Vec<String> =
            installed.as_array().into_iter().flatten().map(|login| text(&login["name"])).collect();
        let is_installed = |name: &str| installed.iter().any(|it| it == name);
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
            proofs,
            github_installed: is_installed("github"),
            google_installed: is_installed("google"),
            has_methods_error: false,
            methods_error: String::new(),
            oidc: Oidc::of(&oidc),
            is_sso_required: sso["isSsoRequired"] == true,
            has_sso_policy_error: false,
            sso_policy_error: String::new(),
            has_domains_error: false,
            domains_error: String::new(),
            notify_admins: notices["notifyTenantAdmins"] == true,
            has_limits_error: false,
            limits_error: String::new(),
            limits: limits.collect(),
        })
    }

    /// How to get a domain that somebody else has only claimed.
    fn offer_proof(&mut self, session: &Session, domain: String) {
        let Ok(tenant) = session.tenant_uid().parse() else { return };
        let (name, value) = domain_proof(tenant, &domain);
        self.proofs.push(Proof { domain, is_proven: false, is_taken: false, name, value });
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
            Section::Sso => {
                self.oidc.take(sent);
                // It does not come back with the page.
                let again = if sent.has("client_secret") { " Enter the client secret again." } else { "" };
                (self.oidc.has_error, self.oidc.error) = (true, words + again);
            }
            Section::SsoPolicy => {
                self.is_sso_required = sent.has("sso_required");
                (self.has_sso_policy_error, self.sso_policy_error) = (true, words);
            }
            Section::SignInMethods => {
                (self.github_enabled, self.google_enabled) = (sent.has("github"), sent.has("google"));
                (self.has_methods_error, self.methods_error) = (true, words);
            }
            Section::Notices => self.page.fail(words),
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
    let body = match section {
        Section::Sso => {
            let stored = call("GET /v1/tenants/{tenantUid}/oidc/config", session).send(console).await?;
            Some(Oidc::body(&sent, stored))
        }
        section => body(section, &sent),
    };
    let mut taken = None;
    let (status, words) = match body {
        Some(body) => match call(section.route(), session).body(body).send(console).await {
            Ok(_) => {
                if section == Section::Sso && sent.has("sso_enabled") {
                    return after_sso(console, session).await;
                }
                let name = section.name();
                return Ok(page::redirect(&format!("{}#{name}", page::url(URL, &[("saved", name)]))));
            }
            Err(error @ (ApiError::Unauthorized(_) | ApiError::Forbidden(_))) => return Err(error.into()),
            Err(error) => {
                if let ApiError::DomainTaken(domain) = &error {
                    taken = Some(domain.clone());
                }
                (error.status_and_code().0, settings_in_words(&error))
            }
        },
        None => (StatusCode::BAD_REQUEST, "Enter whole numbers.".to_owned()),
    };
    let mut form = Settings::load(console, session).await?;
    form.refuse(section, &sent, words);
    if let Some(domain) = taken {
        form.offer_proof(session, domain);
    }
    Ok(html(status, &form))
}

/// Tells whether the provider that was just saved answers as one does: nobody else will know before people try.
async fn after_sso(console: Console<'_>, session: &Session) -> Result<Response, Refusal> {
    match call("POST /v1/tenants/{tenantUid}/oidc/config/verify", session).send(console).await {
        Err(ApiError::ProviderUnusable(reason)) => {
            let mut form = Settings::load(console, session).await?;
            form.oidc.has_error = true;
            form.oidc.error = format!("Saved, but it does not work yet: {reason}.");
            Ok(html(StatusCode::OK, &form))
        }
        Err(error @ (ApiError::Unauthorized(_) | ApiError::Forbidden(_))) => Err(error.into()),
        _ => Ok(page::redirect(&format!("{}#sso", page::url(URL, &[("saved", "sso")])))),
    }
}

/// Looks whether a domain is proven by now.
pub(super) async fn verify_domain(console: Console<'_>, session: &Session) -> Result<Response, Refusal> {
    let domain = console.form().text("domain");
    let verify = call("POST /v1/tenants/{tenantUid}/domains/{domain}/verify", session).parameter("domain", &domain);
    match verify.send(console).await {
        Ok(_) => Ok(page::redirect(&format!("{}#domains", page::url(URL, &[("saved", "proof")])))),
        Err(error @ (ApiError::Unauthorized(_) | ApiError::Forbidden(_))) => Err(error.into()),
        Err(error) => {
            let mut form = Settings::load(console, session).await?;
            (form.has_domains_error, form.domains_error) = (true, settings_in_words(&error));
            Ok(html(error.status_and_code().0, &form))
        }
    }
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
        Section::SsoPolicy => json!({ "isSsoRequired": sent.has("sso_required") }),
        // Made of what is stored.
        Section::Sso => return None,
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
            "This is no regular expression that can be used: at most 256 characters, without look-around or Unicode classes."
        }
        ApiError::Setting(SettingRefused::IdleMinutes) => "Choose between 15 and 1440 minutes.",
        ApiError::Setting(SettingRefused::Banner) => {
            "Title and message are plain text, the message at most 1300 characters."
        }
        ApiError::Setting(SettingRefused::Domain) => "Each line must be a domain such as northwind.example.",
        ApiError::DomainTaken(domain) => {
            return format!("Another organization has claimed {domain}. If it is yours, prove it by the record below.");
        }
        ApiError::DomainNotProven { name, value } => {
            return format!(
                "There is no TXT record {name} that holds {value} yet. New records can take an hour to be seen."
            );
        }
        ApiError::Issuer(UrlRefused::Plain) => "The issuer must begin with https://.",
        ApiError::Issuer(UrlRefused::Form) => "The issuer must be an address such as https://id.northwind.example.",
        ApiError::Issuer(UrlRefused::Private) => "The issuer must have a public address.",
        ApiError::Setting(SettingRefused::Oidc) => {
            "To be used, the provider needs an issuer without ? and a client ID, all of reasonable length."
        }
        ApiError::SecretNeeded => "Enter the client secret again: it goes to the issuer, which is another one now.",
        ApiError::Certificate(_) => "The certificate must be in PEM, and that of an authority.",
        ApiError::Setting(SettingRefused::SsoRequired) => {
            "Single sign-on is required, so the way in must stay as it is. Allow passwords first."
        }
        ApiError::Setting(SettingRefused::NothingToRequire) => "Set up a provider first.",
        ApiError::SsoUntried => {
            "Sign in by your provider first, then come back: it has to work for you before it is required of everybody."
        }
        ApiError::Setting(SettingRefused::Limit) => "Each limit lies between 1 and what is said below it.",
        other => return in_words(other),
    }
    .to_owned()
}
