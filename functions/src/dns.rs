//! What domains say of themselves.

use std::{fmt, sync::Arc};

use futures_util::future::BoxFuture;
use hickory_resolver::TokioResolver;

use crate::outbound::TIME_LIMIT;

/// Asks for the texts of a name.
type Ask = dyn Fn(String) -> BoxFuture<'static, Result<Vec<String>, DnsError>> + Send + Sync;

/// The way to the DNS.
#[derive(Clone)]
pub struct Dns(Arc<Ask>);

/// The DNS did not answer.
#[derive(Debug, thiserror::Error)]
#[error("the DNS did not answer: {0}")]
pub struct DnsError(pub String);

impl Dns {
    /// As the operating system asks.
    pub fn system() -> Self {
        Self::new(|name| Box::pin(ask(name)))
    }

    /// For whoever has no business there.
    pub fn absent() -> Self {
        Self::new(|_| Box::pin(std::future::ready(Err(DnsError("this function does not ask it".to_owned())))))
    }

    /// Another one.
    pub fn new(
        ask: impl Fn(String) -> BoxFuture<'static, Result<Vec<String>, DnsError>> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(ask))
    }

    /// The texts of a name, none if it has none.
    ///
    /// # Errors
    ///
    /// [`DnsError`].
    pub async fn texts(&self, name: &str) -> Result<Vec<String>, DnsError> {
        // With the dot, since a resolver would try the domains of its own machine too.
        let asked = (self.0)(format!("{name}."));
        tokio::time::timeout(TIME_LIMIT, asked).await.map_err(|_| DnsError("it took too long".to_owned()))?
    }
}

async fn ask(name: String) -> Result<Vec<String>, DnsError> {
    let resolver = TokioResolver::builder_tokio().map_err(|error| DnsError(error.to_string()))?.build();
    let found = match resolver.txt_lookup(name).await {
        Ok(found) => found,
        Err(error) if error.is_no_records_found() || error.is_nx_domain() => return Ok(Vec::new()),
        Err(error) => return Err(DnsError(error.to_string())),
    };
    let texts = found.iter().map(|record| record.txt_data().concat());
    Ok(texts.map(|text| String::from_utf8_lossy(&text).into_owned()).collect())
}

impl fmt::Debug for Dns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Dns")
    }
}
