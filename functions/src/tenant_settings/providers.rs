//! The provider by which the people of a tenant sign in, as the wire shows and takes it.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use domain::{
    Tenant,
    settings::{ClaimNames, OidcProvider},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{change, may_write};
use crate::{
    ApiError, App,
    http::{self, Request, Response},
    outbound::{self, BadCertificate},
    signing::Sealer,
    sso::{self, providers::secret_name},
    wire::{ignored, null_as_default},
};

/// What a client sees in place of a secret. Sent back, it means the one that is kept.
const MASK: &str = "********";

/// An `OpenID` Connect provider. Every object is in every answer, since Terraform follows them without a look.
#[derive(Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
#[schema(as = OidcConfig)]
pub(super) struct OidcBody {
    #[serde(deserialize_with = "null_as_default")]
    is_sso_enabled: bool,
    #[serde(deserialize_with = "null_as_default")]
    issuer_url: String,
    #[serde(deserialize_with = "null_as_default")]
    client_id: String,
    #[serde(deserialize_with = "null_as_default")]
    client_secret: String,
    /// The server's; from a client it is ignored.
    #[serde(deserialize_with = "ignored")]
    callback_url: String,
    #[serde(deserialize_with = "ignored")]
    logout_url: String,
    #[serde(deserialize_with = "null_as_default")]
    scopes: Vec<String>,
    #[serde(deserialize_with = "null_as_default")]
    scopes_delimiter: String,
    #[serde(deserialize_with = "null_as_default")]
    default_teams: Vec<String>,
    #[serde(deserialize_with = "null_as_default")]
    sync_sso_teams: bool,
    #[serde(deserialize_with = "null_as_default")]
    issuer_tls: IssuerTls,
    #[serde(deserialize_with = "null_as_default")]
    #[schema(value_type = BTreeMap<String, String>)]
    required_claims: ClaimNames,
    #[serde(deserialize_with = "null_as_default")]
    user_info: UserInfo,
}

#[derive(Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
struct IssuerTls {
    #[serde(deserialize_with = "null_as_default")]
    ca_certificate_base64: String,
    #[serde(deserialize_with = "null_as_default")]
    insecure_skip_verify: bool,
}

#[derive(Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
#[schema(as = OidcUserInfo)]
struct UserInfo {
    #[serde(deserialize_with = "null_as_default")]
    use_user_info: bool,
    #[serde(deserialize_with = "null_as_default")]
    #[schema(value_type = BTreeMap<String, String>)]
    claims: ClaimNames,
}

pub(super) async fn write_oidc(
    app: &App,
    sealer: &Sealer,
    request: &Request,
    setting: &str,
) -> Result<Response, ApiError> {
    let principal = may_write(app, request).await?;
    let body: OidcBody = http::body(request)?;
    check_reachable(app, &body)?;
    let tenant = app.store.tenant(principal.user.tenant).await?.ok_or(ApiError::TenantGone)?;
    let secret = seal_secret(app, sealer, &tenant, &body).await?;
    change(app, request, &principal, setting, |tenant| set_oidc(&body, secret.as_ref(), tenant)).await
}

pub(super) fn oidc(app: &App, tenant: &Tenant) -> Value {
    let base = format!("{}/v1/auth/org/{}/oidc", app.settings.public_url, tenant.org_name);
    let provider = tenant.oidc.clone();
    json!(OidcBody {
        is_sso_enabled: provider.is_enabled,
        issuer_url: provider.issuer_url,
        client_id: provider.client_id,
        client_secret: if provider.sealed_client_secret.is_empty() { String::new() } else { MASK.to_owned() },
        callback_url: format!("{base}/callback"),
        logout_url: format!("{base}/logout"),
        scopes: provider.scopes,
        scopes_delimiter: provider.scopes_delimiter,
        default_teams: provider.default_teams,
        sync_sso_teams: provider.sync_teams,
        issuer_tls: IssuerTls { ca_certificate_base64: provider.ca_certificate, insecure_skip_verify: false },
        required_claims: provider.claims,
        user_info: UserInfo { use_user_info: provider.use_user_info, claims: provider.user_info_claims },
    })
}

/// Asks the provider what it says of itself, and tells what is wrong with that.
pub(super) async fn verify_oidc(app: &App, request: &Request) -> Result<Response, ApiError> {
    let principal = may_write(app, request).await?;
    let tenant = app.store.tenant(principal.user.tenant).await?.ok_or(ApiError::TenantGone)?;
    sso::verify(app, &tenant).await.map_err(ApiError::ProviderUnusable)?;
    Ok(http::no_content())
}

/// Refuses an issuer that could never be asked, and a certificate that vouches for nobody.
fn check_reachable(app: &App, body: &OidcBody) -> Result<(), ApiError> {
    if !body.issuer_url.is_empty() {
        app.outbound.check(&body.issuer_url)?;
    }
    if !body.issuer_tls.ca_certificate_base64.is_empty() {
        outbound::check_certificate(&pem(&body.issuer_tls.ca_certificate_base64)?)?;
    }
    Ok(())
}

/// A certificate as PEM, which Terraform writes as it is and reads in base64.
fn pem(text: &str) -> Result<Vec<u8>, ApiError> {
    if text.trim_start().starts_with("-----") {
        return Ok(text.as_bytes().to_vec());
    }
    STANDARD.decode(text.trim()).map_err(|_| BadCertificate.into())
}

/// The secret of the request, sealed; `None` if it means the one that is kept.
async fn seal_secret(app: &App, sealer: &Sealer, tenant: &Tenant, body: &OidcBody) -> Result<Option<String>, ApiError> {
    if body.client_secret.is_empty() || body.client_secret.contains('*') {
        return Ok(None);
    }
    let bytes = sealer.seal(&app.entropy, &secret_name(tenant), body.client_secret.as_bytes()).await?;
    Ok(Some(STANDARD.encode(bytes)))
}

fn set_oidc(body: &OidcBody, secret: Option<&String>, tenant: Tenant) -> Result<Tenant, ApiError> {
    if body.issuer_tls.insecure_skip_verify {
        return Err(ApiError::InsecureSkipVerify);
    }
    let kept = match secret {
        Some(secret) => secret,
        // Without an issuer there is nobody to share it with.
        None if body.issuer_url.is_empty() => "",
        None => &tenant.oidc.sealed_client_secret,
    };
    // Or whoever may change settings could have the secret sent to a server of theirs.
    if secret.is_none() && !kept.is_empty() && body.issuer_url != tenant.oidc.issuer_url {
        return Err(ApiError::SecretNeeded);
    }
    let certificate = &body.issuer_tls.ca_certificate_base64;
    let provider = OidcProvider {
        is_enabled: body.is_sso_enabled,
        issuer_url: body.issuer_url.clone(),
        client_id: body.client_id.clone(),
        sealed_client_secret: kept.to_owned(),
        scopes: body.scopes.clone(),
        scopes_delimiter: body.scopes_delimiter.clone(),
        default_teams: body.default_teams.clone(),
        sync_teams: body.sync_sso_teams,
        ca_certificate: if certificate.is_empty() { String::new() } else { STANDARD.encode(pem(certificate)?) },
        claims: body.required_claims.clone(),
        use_user_info: body.user_info.use_user_info,
        user_info_claims: body.user_info.claims.clone(),
    };
    Ok(Tenant { oidc: provider.check()?, ..tenant })
}

/// The SAML provider of a tenant: none. The four attributes are always there.
pub(super) fn saml(app: &App, tenant: &Tenant) -> Value {
    let public_url = &app.settings.public_url;
    let callback = format!("{public_url}/v1/auth/org/{}/saml/callback", tenant.org_name);
    let attribute = |name, attribute_value| SamlAttribute {
        name,
        mapped_attribute: name,
        attribute_value,
        name_format: "urn:oasis:names:tc:SAML:2.0:attrname-format:unspecified",
    };
    json!(SamlAnswer {
        entity_id: public_url.clone(),
        issuer: public_url.clone(),
        audience_url: callback.clone(),
        acs_url: callback,
        attributes: vec![
            attribute("FirstName", "[FIRST_NAME_OF_USER]"),
            attribute("LastName", "[LAST_NAME_OF_USER]"),
            attribute("Email", "[EMAIL_OF_USER]"),
            attribute("SpectroTeam", "[SPECTRO_TEAM_OF_USER]"),
        ],
        ..SamlAnswer::default()
    })
}

#[derive(Default, Serialize, ToSchema)]
#[schema(as = SamlConfigOfTenant)]
#[serde(rename_all = "camelCase")]
pub(super) struct SamlAnswer {
    is_sso_enabled: bool,
    is_single_logout_enabled: bool,
    single_logout_url: String,
    entity_id: String,
    issuer: String,
    audience_url: String,
    acs_url: String,
    certificate: String,
    service_provider_metadata: String,
    federation_metadata: String,
    identity_provider: String,
    name_id_format: String,
    default_teams: Vec<String>,
    sync_sso_teams: bool,
    attributes: Vec<SamlAttribute>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct SamlAttribute {
    name: &'static str,
    mapped_attribute: &'static str,
    attribute_value: &'static str,
    name_format: &'static str,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SamlConfig)]
pub(super) struct SamlBody {
    #[serde(default, deserialize_with = "null_as_default")]
    is_sso_enabled: bool,
}

/// Switching SAML off is what it is already; switching it on is not to be had.
pub(super) fn refuse_saml(request: &Request, tenant: Tenant) -> Result<Tenant, ApiError> {
    let body: SamlBody = http::body(request)?;
    if body.is_sso_enabled { Err(ApiError::SamlUnavailable) } else { Ok(tenant) }
}
