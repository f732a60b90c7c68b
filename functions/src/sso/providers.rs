//! Who vouches for people here: what an installation has, and what a tenant has named.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use domain::{Tenant, TenantUid, settings::ClaimNames, sso::Provider};
use zeroize::Zeroizing;

use super::SsoFailure;
use crate::{ApiError, App, app::optional, signing::Sealer};

/// What an installation has for all of its tenants.
#[derive(Debug, Clone, Default)]
pub struct Social {
    /// Google, if its operator has registered there.
    pub google: Option<Google>,
    /// GitHub, if its operator has registered there.
    pub github: Option<Github>,
}

/// Google, or what speaks as it does.
#[derive(Debug, Clone)]
pub struct Google {
    /// Where it describes itself.
    pub issuer: String,
    /// What it knows us as.
    pub client: Registration,
}

/// GitHub, or an Enterprise Server of one's own.
#[derive(Debug, Clone)]
pub struct Github {
    /// Where people sign in.
    pub url: String,
    /// Where programs ask.
    pub api_url: String,
    /// What it knows us as.
    pub client: Registration,
}

/// What a provider knows us as.
#[derive(Debug, Clone)]
pub struct Registration {
    /// What it calls us.
    pub id: String,
    /// How we prove that; only where it is needed.
    pub secret: Option<Secret>,
}

/// A secret that is shared with a provider.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// This one.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// For the provider.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl Social {
    /// What the environment describes. Functions that only say what is offered get no secret.
    pub fn from_env() -> Self {
        let registration = |id: Option<String>, secret: Option<String>| {
            id.map(|id| Registration { id, secret: secret.map(Secret::new) })
        };
        let google = registration(optional("GOOGLE_CLIENT_ID"), optional("GOOGLE_CLIENT_SECRET"));
        let github = registration(optional("GITHUB_CLIENT_ID"), optional("GITHUB_CLIENT_SECRET"));
        let or = |name, usual: &str| optional(name).unwrap_or_else(|| usual.to_owned());
        Self {
            google: google.map(|client| Google { issuer: or("GOOGLE_ISSUER", "https://accounts.google.com"), client }),
            github: github.map(|client| Github {
                url: or("GITHUB_URL", "https://github.com"),
                api_url: or("GITHUB_API_URL", "https://api.github.com"),
                client,
            }),
        }
    }

    /// Whether the installation has a provider. What tenants name is theirs to have.
    pub const fn has(&self, provider: Provider) -> bool {
        match provider {
            Provider::Google => self.google.is_some(),
            Provider::Github => self.github.is_some(),
            Provider::Oidc => true,
        }
    }
}

/// An `OpenID` Connect provider, with what it takes to ask it.
pub(super) struct Oidc {
    pub(super) provider: Provider,
    /// The tenant whose provider it is.
    pub(super) realm: Option<TenantUid>,
    pub(super) issuer: String,
    pub(super) client: Registration,
    /// What we ask for.
    pub(super) scopes: Vec<String>,
    /// Whether they are one text, for providers that do not keep to the standard.
    pub(super) has_joined_scopes: bool,
    /// The certificate that vouches for it, in PEM; empty for the usual ones.
    pub(super) authority: Vec<u8>,
    /// Which claims tell what.
    pub(super) claims: ClaimNames,
    /// Which claims of its userinfo endpoint do, where that is to be asked first.
    pub(super) user_info: Option<ClaimNames>,
}

/// A provider, with what it takes to ask it.
pub(super) enum Chosen {
    Oidc(Box<Oidc>),
    Github(Github),
}

impl Chosen {
    /// The provider that serves a tenant, or all of them.
    ///
    /// - `sealer`: opens the secret that is shared with it, where that is needed.
    ///
    /// # Errors
    ///
    /// [`SsoFailure::NotOffered`] if it does not.
    pub(super) async fn of(
        app: &App,
        sealer: Option<&Sealer>,
        provider: Provider,
        tenant: Option<&Tenant>,
    ) -> Result<Self, ApiError> {
        if tenant.is_some_and(|tenant| !tenant.offers(provider)) {
            return Err(SsoFailure::NotOffered.into());
        }
        let not_offered = || ApiError::from(SsoFailure::NotOffered);
        let social = &app.settings.social;
        match provider {
            Provider::Github => social.github.clone().map(Self::Github).ok_or_else(not_offered),
            Provider::Google => {
                let google = social.google.clone().ok_or_else(not_offered)?;
                Ok(Self::Oidc(Box::new(Oidc {
                    provider,
                    realm: None,
                    has_joined_scopes: false,
                    issuer: google.issuer,
                    client: google.client,
                    scopes: ["openid", "email", "profile"].map(ToOwned::to_owned).into(),
                    authority: Vec::new(),
                    claims: ClaimNames::default().or_standard(),
                    user_info: None,
                })))
            }
            Provider::Oidc => {
                let tenant = tenant.ok_or_else(not_offered)?;
                Ok(Self::Oidc(Box::new(of_tenant(sealer, tenant).await?)))
            }
        }
    }

    /// Whom it calls itself in identities.
    pub(super) fn issuer(&self) -> &str {
        match self {
            Self::Oidc(oidc) => &oidc.issuer,
            Self::Github(github) => &github.url,
        }
    }

    /// What it calls us.
    pub(super) fn client_id(&self) -> &str {
        match self {
            Self::Oidc(oidc) => &oidc.client.id,
            Self::Github(github) => &github.client.id,
        }
    }
}

/// What the sealed secret of a tenant is bound to, so that it opens for no other.
pub(crate) fn secret_name(tenant: &Tenant) -> String {
    format!("oidc-client-secret-{}", tenant.uid)
}

async fn of_tenant(sealer: Option<&Sealer>, tenant: &Tenant) -> Result<Oidc, ApiError> {
    let broken = |what: &str| ApiError::Internal(format!("the stored {what} is none").into());
    let named = &tenant.oidc;
    let secret = match sealer {
        _ if named.sealed_client_secret.is_empty() => None,
        None => None,
        Some(sealer) => {
            let bytes = STANDARD.decode(&named.sealed_client_secret).map_err(|_| broken("secret"))?;
            let opened = sealer.open(&secret_name(tenant), &bytes).await?;
            Some(Secret::new(String::from_utf8(opened).map_err(|_| broken("secret"))?))
        }
    };
    let mut scopes: Vec<String> = named.scopes.iter().filter(|scope| !scope.is_empty()).cloned().collect();
    if scopes.is_empty() {
        scopes = ["openid", "email", "profile"].map(ToOwned::to_owned).into();
    } else if !scopes.iter().any(|scope| scope == "openid") {
        scopes.insert(0, "openid".to_owned());
    }
    let delimiter = named.scopes_delimiter.trim();
    let has_joined_scopes = !delimiter.is_empty();
    if has_joined_scopes {
        scopes = vec![scopes.join(delimiter)];
    }
    Ok(Oidc {
        provider: Provider::Oidc,
        realm: Some(tenant.uid),
        has_joined_scopes,
        issuer: named.issuer_url.clone(),
        client: Registration { id: named.client_id.clone(), secret },
        scopes,
        authority: STANDARD.decode(&named.ca_certificate).map_err(|_| broken("certificate"))?,
        claims: named.claims.or_standard(),
        user_info: named.use_user_info.then(|| {
            let (own, usual) = (&named.user_info_claims, &named.claims);
            let or = |own: &String, usual: &String| if own.is_empty() { usual.clone() } else { own.clone() };
            ClaimNames {
                email: or(&own.email, &usual.email),
                first_name: or(&own.first_name, &usual.first_name),
                last_name: or(&own.last_name, &usual.last_name),
                spectro_team: or(&own.spectro_team, &usual.spectro_team),
            }
            .or_standard()
        }),
    })
}
