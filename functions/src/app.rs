//! What a function has at hand. The only reader of the clock, of randomness and of the environment.

use std::{fmt, sync::Arc};

use domain::{Timestamp, token::Realm, uid::UID_BYTES};
use ring::rand::{SecureRandom as _, SystemRandom};
use store::{Jitter, Store, TableNames};

use crate::{
    aws,
    dns::Dns,
    metrics::Metrics,
    outbound::{Outbound, Outside, Reach},
    password_hash::Hasher,
    signing::Verifier,
    sso::Social,
};

/// What a function has at hand.
#[derive(Debug)]
pub struct App {
    /// The tables.
    pub store: Store,
    /// What time it is.
    pub clock: Clock,
    /// Random bytes.
    pub entropy: Entropy,
    /// What the deployment has set.
    pub settings: Settings,
    /// The public keys of tokens.
    pub verifier: Verifier,
    /// Hashes passwords.
    pub hasher: Hasher,
    /// The way to addresses that somebody else has named.
    pub outbound: Outbound,
    /// What domains say of themselves.
    pub dns: Dns,
    /// What operators watch.
    pub metrics: Metrics,
}

/// What the deployment has set.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Scheme, host and port under which people and programs reach the service, without a path. It is the issuer of
    /// tokens and the only origin whose pages may use the cookie; never taken from a request.
    pub public_url: String,
    /// For whom tokens are.
    pub audience: String,
    /// Whether anybody may sign up a new organization; otherwise people come in by invitation only.
    pub sign_up: bool,
    /// Who vouches for people of every organization.
    pub social: Social,
}

/// A setting is missing or makes no sense.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// Not set.
    #[error("the environment variable {0} is not set")]
    Missing(&'static str),
    /// Set to something unusable.
    #[error("the environment variable {name} is unusable: {cause}")]
    Unusable {
        /// Which.
        name: &'static str,
        /// Why.
        cause: String,
    },
}

impl App {
    /// What a function on Lambda has at hand. The DNS is not among it: few need it, and it weighs.
    ///
    /// # Errors
    ///
    /// As in [`SettingsError`].
    pub fn from_env() -> Result<Self, SettingsError> {
        let tables = TableNames {
            tenants: required("TENANTS_TABLE")?,
            keys: required("KEYS_TABLE")?,
            audits: required("AUDITS_TABLE")?,
        };
        let public_url = required("PUBLIC_URL")?;
        let audience = optional("TOKEN_AUDIENCE").unwrap_or_else(|| public_url.clone());
        let store = Store::new(aws::dynamodb_from_env()?, tables, Entropy::system().jitter());
        let sign_up = optional("SIGN_UP").as_deref() == Some("open");
        // An instance serves one request at a time, so it hashes one password at a time.
        let settings = Settings { public_url, audience, sign_up, social: Social::from_env() };
        let outside = Outside { reach: Reach::PUBLIC, dns: Dns::absent() };
        let app = Self::new(store, Clock::system(), settings, Hasher::new(1), outside);
        Ok(Self { metrics: Metrics::from_env(), ..app })
    }

    /// What a function has at hand, put together.
    ///
    /// Nobody watches it.
    ///
    /// - `outside`: what it may ask there.
    pub fn new(store: Store, clock: Clock, settings: Settings, hasher: Hasher, outside: Outside) -> Self {
        let (entropy, verifier, outbound) = (Entropy::system(), Verifier::default(), Outbound::new(outside.reach));
        let metrics = Metrics::default();
        Self { store, clock, entropy, settings, verifier, hasher, outbound, dns: outside.dns, metrics }
    }

    /// The same, watched.
    #[must_use]
    pub fn with_metrics(self, metrics: Metrics) -> Self {
        Self { metrics, ..self }
    }

    /// The same, with the DNS.
    #[must_use]
    pub fn with_dns(self, dns: Dns) -> Self {
        Self { dns, ..self }
    }

    /// Who signs tokens here, and for whom.
    pub fn realm(&self) -> Realm {
        Realm { issuer: self.settings.public_url.clone(), audience: self.settings.audience.clone() }
    }
}

#[allow(clippy::disallowed_methods, reason = "the one place that reads the environment")]
pub(crate) fn optional(name: &'static str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

pub(crate) fn required(name: &'static str) -> Result<String, SettingsError> {
    optional(name).ok_or(SettingsError::Missing(name))
}

/// What time it is.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl Clock {
    /// The machine's clock.
    #[allow(clippy::disallowed_methods, reason = "the one place that reads the clock")]
    pub fn system() -> Self {
        Self::new(|| {
            let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
            Timestamp::from_millis(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
        })
    }

    /// Another clock.
    pub fn new(now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// This moment.
    pub fn now(&self) -> Timestamp {
        self.0()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

/// Random bytes from the operating system.
#[derive(Debug, Clone)]
pub struct Entropy(SystemRandom);

impl Entropy {
    /// The operating system's generator.
    #[allow(clippy::disallowed_methods, reason = "the one place that draws randomness")]
    pub fn system() -> Self {
        Self(SystemRandom::new())
    }

    /// So many random bytes.
    ///
    /// # Panics
    ///
    /// If the operating system has none, in which case nothing may go on.
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.0.fill(&mut bytes).expect("the operating system has random bytes");
        bytes
    }

    /// The bytes of a new uid.
    pub fn uid(&self) -> [u8; UID_BYTES] {
        self.bytes()
    }

    /// Random bytes for the pauses of the store.
    pub fn jitter(&self) -> Jitter {
        let entropy = self.clone();
        Jitter::new(move || entropy.bytes::<1>()[0])
    }

    /// For what `ring` draws itself.
    pub const fn source(&self) -> &SystemRandom {
        &self.0
    }
}
