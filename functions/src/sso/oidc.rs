//! `OpenID` Connect: discovery, the code flow with PKCE, and what a signed token says.
//! Source: `OpenID` Connect Core 1.0, section 3.1.3.7; RFC 9207 for `iss` on the way back.

use std::fmt::Debug;

use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    settings::ClaimNames,
    sso::{Identity, Provider, Vouched, names_in},
};
use openidconnect::{
    AccessTokenHash, AdditionalClaims, AdditionalProviderMetadata, AuthType, AuthorizationCode, ClientId, ClientSecret,
    CsrfToken, DiscoveryError, IssuerUrl, Nonce, OAuth2TokenResponse as _, PkceCodeChallenge, PkceCodeVerifier,
    ProviderMetadata, RedirectUrl, RequestTokenError, Scope, TokenResponse as _, UserInfoClaims, UserInfoError,
    core::{
        CoreAuthDisplay, CoreAuthenticationFlow, CoreClaimName, CoreClaimType, CoreClient, CoreClientAuthMethod,
        CoreGenderClaim, CoreGrantType, CoreJsonWebKey, CoreJweContentEncryptionAlgorithm,
        CoreJweKeyManagementAlgorithm, CoreJwsSigningAlgorithm, CoreResponseMode, CoreResponseType,
        CoreSubjectIdentifierType,
    },
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{failure::ProviderError, login::Going, providers::Oidc};
use crate::{
    App,
    outbound::{Client, OutboundError},
};

/// What a provider may sign with: never a secret that it shares with us, since whoever has that could sign too.
const ALGORITHMS: [CoreJwsSigningAlgorithm; 9] = [
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha384,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha512,
    CoreJwsSigningAlgorithm::RsaSsaPssSha256,
    CoreJwsSigningAlgorithm::RsaSsaPssSha384,
    CoreJwsSigningAlgorithm::RsaSsaPssSha512,
    CoreJwsSigningAlgorithm::EcdsaP256Sha256,
    CoreJwsSigningAlgorithm::EcdsaP384Sha384,
    CoreJwsSigningAlgorithm::EdDsa,
];

/// How far the clock of a provider may be off, in minutes.
const LEEWAY_MINS: i64 = 5;

/// What a provider says of itself beside what the library reads.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct More {
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
    #[serde(default)]
    pub(super) end_session_endpoint: Option<String>,
}

impl AdditionalProviderMetadata for More {}

type Metadata = ProviderMetadata<
    More,
    CoreAuthDisplay,
    CoreClientAuthMethod,
    CoreClaimName,
    CoreClaimType,
    CoreGrantType,
    CoreJweContentEncryptionAlgorithm,
    CoreJweKeyManagementAlgorithm,
    CoreJsonWebKey,
    CoreResponseMode,
    CoreResponseType,
    CoreSubjectIdentifierType,
>;

/// Every claim, whatever it is called.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct AnyClaims(Map<String, Value>);

impl AdditionalClaims for AnyClaims {}

/// What came back with a person.
pub(super) struct Returned<'a> {
    pub(super) code: &'a str,
    /// Who says that they sent the person, if anybody does.
    pub(super) iss: Option<&'a str>,
    pub(super) nonce: String,
    pub(super) code_verifier: String,
    pub(super) redirect_uri: String,
}

fn invalid(error: impl std::fmt::Display) -> ProviderError {
    ProviderError::Invalid(error.to_string())
}

/// What the provider says of itself.
pub(super) async fn discover(client: &Client<'_>, oidc: &Oidc) -> Result<Metadata, ProviderError> {
    let issuer = IssuerUrl::new(oidc.issuer.clone()).map_err(invalid)?;
    Metadata::discover_async(issuer, client).await.map_err(|error| match error {
        DiscoveryError::Request(error) => error.into(),
        // Not what it says: that may be anything, and long.
        DiscoveryError::Response(status, _, _) => invalid(format!("discovery answered {status}")),
        DiscoveryError::Parse(error) => invalid(format!("discovery is unreadable at {}", error.path())),
        other => invalid(other),
    })
}

pub(super) fn client_of<'a>(app: &'a App, oidc: &Oidc) -> Result<Client<'a>, ProviderError> {
    app.outbound.client(&oidc.authority).map_err(invalid)
}

/// Whether what a provider says of itself can be used.
pub(super) fn check(app: &App, metadata: &Metadata) -> Result<(), ProviderError> {
    app.outbound.check(metadata.authorization_endpoint().as_str()).map_err(OutboundError::from)?;
    if algorithms(metadata).next().is_none() {
        return Err(invalid("it signs with none of RS256, PS256, ES256, their longer forms and EdDSA"));
    }
    metadata.token_endpoint().map(drop).ok_or_else(|| invalid("it has no token endpoint"))
}

/// What it signs with, of what we take.
fn algorithms(metadata: &Metadata) -> impl Iterator<Item = CoreJwsSigningAlgorithm> + use<> {
    let supported = metadata.id_token_signing_alg_values_supported().clone();
    ALGORITHMS.into_iter().filter(move |algorithm| supported.contains(algorithm))
}

/// Where to send a person.
pub(super) async fn authorize_url(app: &App, oidc: &Oidc, going: &Going<'_>) -> Result<String, ProviderError> {
    let client = client_of(app, oidc)?;
    let metadata = discover(&client, oidc).await?;
    check(app, &metadata)?;
    let mut core = core_client(metadata, oidc, &going.redirect_uri)?;
    if oidc.has_joined_scopes {
        core = core.disable_openid_scope();
    }
    let (state, nonce) = (going.state.to_owned(), going.nonce.clone());
    let mut request =
        core.authorize_url(CoreAuthenticationFlow::AuthorizationCode, || CsrfToken::new(state), || Nonce::new(nonce));
    // The library says `openid` itself, unless all scopes are one text.
    for scope in oidc.scopes.iter().filter(|scope| *scope != "openid") {
        request = request.add_scope(Scope::new(scope.clone()));
    }
    let verifier = PkceCodeVerifier::new(going.code_verifier.clone());
    let (url, _, _) = request.set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(&verifier)).url();
    Ok(url.into())
}

type ReadyClient = CoreClient<
    openidconnect::EndpointSet,
    openidconnect::EndpointNotSet,
    openidconnect::EndpointNotSet,
    openidconnect::EndpointNotSet,
    openidconnect::EndpointMaybeSet,
    openidconnect::EndpointMaybeSet,
>;

fn core_client(metadata: Metadata, oidc: &Oidc, redirect_uri: &str) -> Result<ReadyClient, ProviderError> {
    let methods = metadata.token_endpoint_auth_methods_supported();
    // By the standard the header is meant where nothing is said.
    let by_header = methods.is_none_or(|methods| methods.contains(&CoreClientAuthMethod::ClientSecretBasic));
    let id = ClientId::new(oidc.client.id.clone());
    let secret = oidc.client.secret.as_ref().map(|secret| ClientSecret::new(secret.expose().to_owned()));
    let redirect = RedirectUrl::new(redirect_uri.to_owned()).map_err(invalid)?;
    let client = CoreClient::from_provider_metadata(metadata, id, secret).set_redirect_uri(redirect);
    Ok(client.set_auth_type(if by_header { AuthType::BasicAuth } else { AuthType::RequestBody }))
}

/// What the provider says of the person who came back.
pub(super) async fn exchange(app: &App, oidc: &Oidc, returned: Returned<'_>) -> Result<Vouched, ProviderError> {
    let client = client_of(app, oidc)?;
    let metadata = discover(&client, oidc).await?;
    match returned.iss {
        Some(iss) if iss != oidc.issuer => return Err(invalid("another issuer has sent the person")),
        None if metadata.additional_metadata().authorization_response_iss_parameter_supported => {
            return Err(invalid("the issuer does not say that it has sent the person"));
        }
        _ => {}
    }
    let algorithms = algorithms(&metadata);
    let core = core_client(metadata, oidc, &returned.redirect_uri)?;
    let request = core.exchange_code(AuthorizationCode::new(returned.code.to_owned())).map_err(invalid)?;
    let request = request.set_pkce_verifier(PkceCodeVerifier::new(returned.code_verifier));
    let answer = request.request_async(&client).await.map_err(|error| match error {
        RequestTokenError::Request(error) => error.into(),
        RequestTokenError::ServerResponse(refused) => {
            let error: String = refused.error().to_string().chars().take(64).collect();
            invalid(format!("the code was refused: {error}"))
        }
        // The text of the parser could quote a token.
        RequestTokenError::Parse(error, _) => invalid(format!("the token answer is unreadable at {}", error.path())),
        RequestTokenError::Other(_) => invalid("the token answer is none"),
    })?;
    let token = answer.id_token().ok_or_else(|| invalid("there is no ID token"))?;
    let now = now(app);
    let verifier =
        core.id_token_verifier().set_allowed_algs(algorithms).set_time_fn(move || now).set_issue_time_verifier_fn(
            move |issued_at| {
                let is_of_now =
                    issued_at <= now + TimeDelta::minutes(LEEWAY_MINS) && issued_at >= now - TimeDelta::hours(1);
                if is_of_now { Ok(()) } else { Err("issued at another time".to_owned()) }
            },
        );
    let claims = token.claims(&verifier, &Nonce::new(returned.nonce)).map_err(invalid)?;
    if claims.authorized_party().is_some_and(|party| party.as_str() != oidc.client.id) {
        return Err(invalid("the ID token is for another party"));
    }
    if let Some(expected) = claims.access_token_hash() {
        let algorithm = token.signing_alg().map_err(invalid)?;
        let key = token.signing_key(&verifier).map_err(invalid)?;
        let actual = AccessTokenHash::from_token(answer.access_token(), algorithm, key).map_err(invalid)?;
        if actual != *expected {
            return Err(invalid("the ID token is of another access token"));
        }
    }
    let subject = claims.subject().clone();
    if subject.is_empty() || subject.len() > 255 {
        return Err(invalid("the subject must have 1 to 255 characters"));
    }
    let identity = Identity {
        provider: oidc.provider,
        realm: oidc.realm,
        issuer: oidc.issuer.clone(),
        subject: subject.to_string(),
    };
    // It is verified, so what is left is to read what the library has no name for.
    let in_token = claims_of(&token.to_string())?;
    let asks = oidc.user_info.is_some() || text(&in_token, &oidc.claims.email).is_empty();
    let in_user_info = match core.user_info(answer.access_token().clone(), Some(subject)) {
        Ok(request) if asks => {
            let asked: Result<UserInfoClaims<AnyClaims, CoreGenderClaim>, _> = request.request_async(&client).await;
            match asked {
                Ok(claims) => match serde_json::to_value(claims).map_err(invalid)? {
                    Value::Object(claims) => claims,
                    _ => Map::new(),
                },
                // Somebody else's, or signed by nobody: that is no failure to answer.
                Err(UserInfoError::ClaimsVerification(error)) => return Err(invalid(error)),
                // Where the token tells enough, it is as if there was no such endpoint.
                Err(_) if !text(&in_token, &oidc.claims.email).is_empty() => Map::new(),
                Err(UserInfoError::Request(error)) => return Err(error.into()),
                Err(UserInfoError::Response(status, _, _)) => {
                    return Err(invalid(format!("userinfo answered {status}")));
                }
                Err(_) => return Err(invalid("the userinfo answer is unreadable")),
            }
        }
        _ => Map::new(),
    };
    Ok(vouched(oidc, identity, &in_token, &in_user_info))
}

fn now(app: &App) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(app.clock.now().millis()).unwrap_or_default()
}

fn claims_of(token: &str) -> Result<Map<String, Value>, ProviderError> {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    let quoted = token.trim_matches('"');
    let payload = quoted.split('.').nth(1).unwrap_or_default();
    let payload = URL_SAFE_NO_PAD.decode(payload).map_err(|_| invalid("the ID token is unreadable"))?;
    serde_json::from_slice(&payload).map_err(|_| invalid("the ID token is unreadable"))
}

/// A claim that is a text, by its name.
fn text(claims: &Map<String, Value>, name: &str) -> String {
    claims.get(name).and_then(Value::as_str).unwrap_or_default().trim().to_owned()
}

/// What both sources say, the userinfo endpoint first. Whatever says that the address is not verified is believed.
fn vouched(oidc: &Oidc, identity: Identity, token: &Map<String, Value>, user_info: &Map<String, Value>) -> Vouched {
    let first_of = |name: fn(&ClaimNames) -> &String| {
        let of_user_info = text(user_info, name(oidc.user_info.as_ref().unwrap_or(&oidc.claims)));
        if of_user_info.is_empty() { text(token, name(&oidc.claims)) } else { of_user_info }
    };
    let verified = [token, user_info].map(|claims| flag(claims, "email_verified"));
    let is_own = oidc.provider == Provider::Oidc;
    // A tenant's own provider decides who its people are; one that serves everybody must say so of each address.
    let is_vouched = !verified.contains(&Some(false)) && (is_own || verified.contains(&Some(true)));
    let email = first_of(|names| &names.email);
    let (mut first_name, mut last_name) = (first_of(|names| &names.first_name), first_of(|names| &names.last_name));
    if first_name.is_empty() && last_name.is_empty() {
        let name = [text(user_info, "name"), text(token, "name")].into_iter().find(|name| !name.is_empty());
        let name = name.unwrap_or_default();
        let (first, last) = names_in(&name);
        (first_name, last_name) = (first.to_owned(), last.to_owned());
    }
    // Whose addresses of a domain Google itself hands out says so; others have only shown once that they get mail there.
    let hosted = text(token, "hd").to_ascii_lowercase();
    Vouched::new(identity, Some(&*email).filter(|_| is_vouched), (&first_name, &last_name), |address| {
        is_own || address.domain() == hosted
    })
}

/// A claim that is true or false; some providers write it as a text.
fn flag(claims: &Map<String, Value>, name: &str) -> Option<bool> {
    match claims.get(name)? {
        Value::Bool(flag) => Some(*flag),
        Value::String(text) => Some(text == "true"),
        Value::Null => None,
        _ => Some(false),
    }
}
