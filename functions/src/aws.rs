//! Clients of AWS, built by hand: a chain of providers would cost a cold start milliseconds to find what Lambda always
//! puts into the environment.

use std::{sync::OnceLock, time::Duration};

use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use aws_smithy_http_client::{
    Builder,
    tls::{self, TlsContext, TrustStore},
};
use aws_smithy_runtime_api::client::{
    http::SharedHttpClient,
    interceptors::context::InterceptorContext,
    retries::classifiers::{ClassifyRetry, RetryAction},
};
use aws_smithy_types::{retry::RetryConfig, timeout::TimeoutConfig};
use aws_types::{SdkConfig, region::Region};

use store::TRANSACTION_CONFLICT;

use crate::app::{SettingsError, optional, required};

/// One attempt, so that a silent connection costs less than a retry.
const ATTEMPT_TIMEOUT: Duration = Duration::from_millis(800);
/// All attempts together: under the time-out of the function, which would answer in our place.
const OPERATION_TIMEOUT: Duration = Duration::from_millis(2500);
const ATTEMPTS: u32 = 3;
/// The longest pause before the second attempt; the pause is random and may be twice as long before the third. A second,
/// as the SDK would have it, is longer than most requests take.
const BACKOFF: Duration = Duration::from_millis(50);

/// The client of DynamoDB that the environment describes.
pub(crate) fn dynamodb_from_env() -> Result<aws_sdk_dynamodb::Client, SettingsError> {
    let mut config = dynamodb_config(&sdk_config_from_env()?);
    config.set_endpoint_url(optional("AWS_ENDPOINT_URL_DYNAMODB").or_else(|| optional("AWS_ENDPOINT_URL")));
    Ok(aws_sdk_dynamodb::Client::from_conf(config.build()))
}

/// The client of KMS that the environment describes.
pub(crate) fn kms_from_env() -> Result<aws_sdk_kms::Client, SettingsError> {
    let mut config = aws_sdk_kms::config::Builder::from(&sdk_config_from_env()?);
    config.set_endpoint_url(optional("AWS_ENDPOINT_URL_KMS").or_else(|| optional("AWS_ENDPOINT_URL")));
    Ok(aws_sdk_kms::Client::from_conf(config.build()))
}

/// The client of SES that the environment describes.
pub(crate) fn ses_from_env() -> Result<aws_sdk_sesv2::Client, SettingsError> {
    let mut config = aws_sdk_sesv2::config::Builder::from(&sdk_config_from_env()?);
    config.set_retry_config(Some(RetryConfig::disabled())).set_timeout_config(Some(ses_timeouts()));
    config.set_endpoint_url(optional("AWS_ENDPOINT_URL_SESV2").or_else(|| optional("AWS_ENDPOINT_URL")));
    Ok(aws_sdk_sesv2::Client::from_conf(config.build()))
}

/// The settings of the client of DynamoDB, whatever carries its requests.
pub fn dynamodb_config(config: &SdkConfig) -> aws_sdk_dynamodb::config::Builder {
    aws_sdk_dynamodb::config::Builder::from(config).retry_classifier(Conflicts)
}

/// Tries a single write again that met a transaction: transactions are over in milliseconds.
#[derive(Debug)]
struct Conflicts;

impl ClassifyRetry for Conflicts {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        let body = context.response().and_then(|response| response.body().bytes()).unwrap_or_default();
        let code = TRANSACTION_CONFLICT.as_bytes();
        // Only refusals, so that no answer with items in it is searched.
        let is_refused = context.response().is_some_and(|response| response.status().as_u16() == 400);
        if is_refused && body.windows(code.len()).any(|window| window == code) {
            RetryAction::transient_error()
        } else {
            RetryAction::NoActionIndicated
        }
    }

    fn name(&self) -> &'static str {
        "conflicts with transactions"
    }
}

/// The settings that every client shares, whatever carries its requests.
pub fn sdk_config(http_client: SharedHttpClient, region: String, credentials: Credentials) -> SdkConfig {
    SdkConfig::builder()
        .behavior_version(aws_sdk_dynamodb::config::BehaviorVersion::latest())
        .region(Region::new(region))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .http_client(http_client)
        .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS).with_initial_backoff(BACKOFF))
        .timeout_config(timeouts())
        .build()
}

fn sdk_config_from_env() -> Result<SdkConfig, SettingsError> {
    Ok(sdk_config(http_client()?, required("AWS_REGION")?, credentials()?))
}

/// A mail that SES has taken is sent, whether its answer comes in time or not. So it gets plenty of time, and the stream
/// alone tries again.
fn ses_timeouts() -> TimeoutConfig {
    TimeoutConfig::builder().operation_timeout(Duration::from_secs(20)).build()
}

fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder().operation_attempt_timeout(ATTEMPT_TIMEOUT).operation_timeout(OPERATION_TIMEOUT).build()
}

/// The authorities that vouch for AWS, from <https://www.amazontrust.com/repository>. To read the 140 of the operating
/// system would take a third of a cold start, and 135 of them have no business here.
const AMAZON_ROOTS: &[u8] = include_bytes!("amazon_roots.pem");

/// TLS by `rustls` on `ring`. One client serves DynamoDB and KMS.
fn http_client() -> Result<SharedHttpClient, SettingsError> {
    // Where these say so, as before an endpoint of one's own, the operating system's authorities count.
    const OVERRIDES: [&str; 3] = ["AWS_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"];
    static CLIENT: OnceLock<SharedHttpClient> = OnceLock::new();
    if let Some(client) = CLIENT.get() {
        return Ok(client.clone());
    }
    let trusted = match OVERRIDES.into_iter().find_map(|name| Some((name, optional(name)?))) {
        None => TrustStore::empty().with_pem_certificate(AMAZON_ROOTS),
        Some(("AWS_CA_BUNDLE", path)) => {
            let unusable =
                |error: std::io::Error| SettingsError::Unusable { name: "AWS_CA_BUNDLE", cause: error.to_string() };
            TrustStore::empty().with_pem_certificate(std::fs::read(path).map_err(unusable)?)
        }
        Some(_) => TrustStore::default(),
    };
    let context = TlsContext::builder().with_trust_store(trusted).build();
    let context =
        context.map_err(|error| SettingsError::Unusable { name: "AWS_CA_BUNDLE", cause: error.to_string() })?;
    let ring = tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring);
    Ok(CLIENT.get_or_init(|| Builder::new().tls_provider(ring).tls_context(context).build_https()).clone())
}

fn credentials() -> Result<Credentials, SettingsError> {
    Ok(Credentials::from_keys(
        required("AWS_ACCESS_KEY_ID")?,
        required("AWS_SECRET_ACCESS_KEY")?,
        optional("AWS_SESSION_TOKEN"),
    ))
}
