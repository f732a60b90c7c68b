//! Why nobody was signed in by a provider.

use domain::once::OneTime;

use crate::outbound::OutboundError;

/// Why nobody was signed in by a provider, as far as they may know it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SsoFailure {
    /// The way back was not begun in this browser, or too long ago, or was gone already.
    #[error("this sign-in was not begun here, took too long or is over; start again")]
    State,
    /// The provider says no.
    #[error("the identity provider did not sign you in")]
    Provider(String),
    /// The provider does not answer.
    #[error("the identity provider does not answer")]
    Unavailable,
    /// What the provider says does not hold.
    #[error("the identity provider's answer does not hold")]
    Invalid,
    /// The organization does not offer it, or not any more.
    #[error("the organization does not offer this way to sign in")]
    NotOffered,
    /// The provider does not vouch for an address.
    #[error("the identity provider does not vouch for an e-mail address of yours")]
    NotVerified,
    /// Nobody here has this identity, and it opens nothing by itself.
    #[error("there is no account here for this identity")]
    NoAccount,
    /// The person has to prove first that the account is theirs.
    #[error("there is an account of this address; sign in to it and link this identity")]
    LinkFirst,
    /// It is linked already.
    #[error("this identity is linked already")]
    Taken,
    /// The organization is full.
    #[error("the organization has as many users as it allows")]
    Full,
}

impl SsoFailure {
    /// The name of it, for programs and addresses.
    pub fn code(&self) -> &str {
        match self {
            Self::State => "invalid_state",
            Self::Provider(error) => error,
            Self::Unavailable => "provider_unavailable",
            Self::Invalid => "invalid_answer",
            Self::NotOffered => "not_offered",
            Self::NotVerified => "email_not_verified",
            Self::NoAccount => "no_account",
            Self::LinkFirst => "link_first",
            Self::Taken => "linked_already",
            Self::Full => "limit_reached",
        }
    }

    /// The same, without what somebody else has said.
    pub const fn note(&self) -> &'static str {
        match self {
            Self::State => "sso-state",
            Self::Provider(_) => "sso-refused",
            Self::Unavailable => "sso-down",
            Self::Invalid => "sso-invalid",
            Self::NotOffered => "sso-not-offered",
            Self::NotVerified => "sso-not-verified",
            Self::NoAccount => "sso-no-account",
            Self::LinkFirst => "sso-link-first",
            Self::Taken => "sso-taken",
            Self::Full => "sso-full",
        }
    }

    /// What a provider calls its refusal, as far as it keeps to the standard. Source: RFC 6749, section 4.1.2.1.
    pub(super) fn of_provider(error: &str) -> Self {
        let is_code = !error.is_empty()
            && error.len() <= 64
            && error.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        Self::Provider(if is_code { error } else { "unknown_error" }.to_owned())
    }
}

/// Why a provider was of no use, for the log.
#[derive(Debug, thiserror::Error)]
pub(super) enum ProviderError {
    /// It could not be asked.
    #[error("{0}")]
    Outbound(#[from] OutboundError),
    /// It did not answer in time, all in all.
    #[error("the provider took too long")]
    Slow,
    /// What it said does not hold.
    #[error("{0}")]
    Invalid(String),
}

impl ProviderError {
    pub(super) const fn failure(&self) -> SsoFailure {
        match self {
            Self::Outbound(OutboundError::NoAnswer(_) | OutboundError::Slow) | Self::Slow => SsoFailure::Unavailable,
            Self::Outbound(_) | Self::Invalid(_) => SsoFailure::Invalid,
        }
    }
}

/// Whether a one-time token is past its time.
pub(super) fn is_over(once: &OneTime, now: domain::Timestamp) -> bool {
    !once.is_usable(None, now)
}
