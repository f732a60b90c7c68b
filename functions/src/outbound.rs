//! Requests to addresses that somebody else has named: the issuers of tenants, and what those name in their turn.
//!
//! None leaves for an address inside the network: the host is resolved here, every address that it has must be public, and
//! the connection goes to what was resolved, so that a second answer of the DNS changes nothing. No redirect is followed,
//! nothing is waited for longer than [`TIME_LIMIT`], and no more than [`MAX_BYTES`] are read.

use std::{
    fmt,
    future::Future,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, ToSocketAddrs as _},
    pin::Pin,
    sync::OnceLock,
    time::Duration,
};

use aws_smithy_http_client::{
    Connector,
    tls::{self, TlsContext, TrustStore},
};
use aws_smithy_runtime_api::client::{
    dns::{DnsFuture, ResolveDns, ResolveDnsError},
    http::HttpConnector as _,
    orchestrator::HttpRequest as SmithyRequest,
};
use aws_smithy_types::body::SdkBody;
use http_body_util::{BodyExt as _, Limited};
use lambda_http::http::{Request, Response, Uri, header};
use openidconnect::AsyncHttpClient;
use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject as _},
};
use url::{Host, Url};

use crate::dns::Dns;

/// All requests together that one answer of ours waits for.
pub const TIME_LIMIT: Duration = Duration::from_secs(5);
/// Bytes of one answer.
pub const MAX_BYTES: usize = 256 * 1024;

/// Where requests may go.
#[derive(Clone, Copy)]
pub struct Reach {
    /// Which addresses may be connected to.
    pub addresses: fn(IpAddr) -> bool,
    /// Which hosts may be spoken to without TLS.
    pub plain_hosts: fn(&str) -> bool,
}

impl Reach {
    /// Public addresses, by TLS.
    pub const PUBLIC: Self = Self { addresses: is_public, plain_hosts: |_| false };
}

/// What is outside of the service and its tables.
#[derive(Debug, Clone)]
pub struct Outside {
    /// Where requests may go.
    pub reach: Reach,
    /// What tells of domains.
    pub dns: Dns,
}

impl fmt::Debug for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reach")
    }
}

/// Why a request was not answered.
#[derive(Debug, thiserror::Error)]
pub enum OutboundError {
    /// The URL may not be asked.
    #[error("{0}")]
    Refused(#[from] UrlRefused),
    /// It could not be reached, broke off, or says itself that it cannot answer.
    #[error("no answer: {0}")]
    NoAnswer(String),
    /// It took too long.
    #[error("no answer in {} seconds", TIME_LIMIT.as_secs())]
    Slow,
    /// It said too much.
    #[error("the answer has more than {MAX_BYTES} bytes")]
    Huge,
}

/// Why a URL may not be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UrlRefused {
    /// No URL, or one with more in it than a server's address.
    #[error("the URL must name a host, without a user, a password or a fragment")]
    Form,
    /// Not by TLS.
    #[error("the URL must begin with https://")]
    Plain,
    /// Inside the network.
    #[error("the host must have a public address")]
    Private,
}

/// The way out.
#[derive(Debug)]
pub struct Outbound {
    reach: Reach,
    /// For whoever is vouched for by the authorities of the operating system, which take a while to read.
    usual: OnceLock<Connector>,
}

impl Outbound {
    /// To these places.
    pub const fn new(reach: Reach) -> Self {
        Self { reach, usual: OnceLock::new() }
    }

    /// Whether a URL may be asked, as far as it tells by itself: a name is resolved only when it is.
    ///
    /// # Errors
    ///
    /// [`UrlRefused`].
    pub fn check(&self, url: &str) -> Result<Url, UrlRefused> {
        let url = Url::parse(url).map_err(|_| UrlRefused::Form)?;
        let host = url.host().ok_or(UrlRefused::Form)?;
        if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
            return Err(UrlRefused::Form);
        }
        let address = match host {
            Host::Domain(_) => None,
            Host::Ipv4(address) => Some(IpAddr::V4(address)),
            Host::Ipv6(address) => Some(IpAddr::V6(address)),
        };
        let is_plain = url.scheme() == "http" && (self.reach.plain_hosts)(url.host_str().unwrap_or_default());
        if url.scheme() != "https" && !is_plain {
            return Err(UrlRefused::Plain);
        }
        if address.is_some_and(|address| !(self.reach.addresses)(address)) {
            return Err(UrlRefused::Private);
        }
        Ok(url)
    }

    /// A client for one provider.
    ///
    /// - `authority`: the certificate in PEM that vouches for it, beside those of the operating system; empty for none.
    ///
    /// # Errors
    ///
    /// [`BadCertificate`].
    pub fn client(&self, authority: &[u8]) -> Result<Client<'_>, BadCertificate> {
        let connector = if authority.is_empty() { None } else { Some(self.connector(Some(authority))?) };
        Ok(Client { outbound: self, connector })
    }

    fn connector(&self, authority: Option<&[u8]>) -> Result<Connector, BadCertificate> {
        let mut trusted = TrustStore::default();
        if let Some(pem) = authority {
            // What the connector cannot read ends the process.
            check_certificate(pem)?;
            trusted = trusted.with_pem_certificate(pem);
        }
        let context = TlsContext::builder().with_trust_store(trusted).build().map_err(|_| BadCertificate)?;
        let ring = tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring);
        let resolver = Resolver { allowed: self.reach.addresses };
        Ok(Connector::builder().tls_provider(ring).tls_context(context).build_with_resolver(resolver))
    }
}

/// What is no certificate of an authority.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("caCertificateBase64 must hold certificates of authorities in PEM")]
pub struct BadCertificate;

/// Whether every certificate in a text in PEM can vouch for a server.
///
/// # Errors
///
/// [`BadCertificate`].
pub fn check_certificate(pem: &[u8]) -> Result<(), BadCertificate> {
    let mut store = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        store.add(certificate.map_err(|_| BadCertificate)?).map_err(|_| BadCertificate)?;
    }
    if store.is_empty() { Err(BadCertificate) } else { Ok(()) }
}

/// A client for one provider.
#[derive(Debug)]
pub struct Client<'a> {
    outbound: &'a Outbound,
    /// Where its authority is not one of the usual.
    connector: Option<Connector>,
}

impl Client<'_> {
    /// Asks once. What is answered with a redirect comes back as it is.
    ///
    /// # Errors
    ///
    /// [`OutboundError`].
    pub async fn send(&self, request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>, OutboundError> {
        tokio::time::timeout(TIME_LIMIT, self.ask(request)).await.map_err(|_| OutboundError::Slow)?
    }

    async fn ask(&self, request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>, OutboundError> {
        let no_answer = |error: &dyn std::error::Error| OutboundError::NoAnswer(described(error));
        let url = self.outbound.check(&request.uri().to_string())?;
        let (mut parts, body) = request.into_parts();
        // What was checked, in the very spelling in which it was read.
        parts.uri = url.as_str().parse::<Uri>().map_err(|_| UrlRefused::Form)?;
        parts.headers.entry(header::USER_AGENT).or_insert(header::HeaderValue::from_static("latchkey"));
        let request = Request::from_parts(parts, SdkBody::from(body));
        let request = SmithyRequest::try_from(request).map_err(|error| no_answer(&error))?;
        let usual;
        let connector = match &self.connector {
            Some(connector) => connector,
            None => {
                usual = self.outbound.usual.get_or_init(|| {
                    self.outbound.connector(None).expect("without a certificate of one's own none can be bad")
                });
                usual
            }
        };
        let response = connector.call(request).await.map_err(|error| match refused(&error) {
            Some(refused) => refused.into(),
            None => no_answer(&error),
        })?;
        let response = response.try_into_http1x().map_err(|error| no_answer(&error))?;
        if response.status().is_server_error() {
            return Err(OutboundError::NoAnswer(response.status().to_string()));
        }
        let (parts, body) = response.into_parts();
        let body = Limited::new(body, MAX_BYTES).collect().await.map_err(|error| {
            if error.is::<http_body_util::LengthLimitError>() {
                OutboundError::Huge
            } else {
                OutboundError::NoAnswer(error.to_string())
            }
        })?;
        Ok(Response::from_parts(parts, body.to_bytes().to_vec()))
    }
}

/// Why the host may not be asked, where resolving it has told so.
fn refused(error: &(dyn std::error::Error + 'static)) -> Option<UrlRefused> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(refused) = error.downcast_ref::<UrlRefused>() {
            return Some(*refused);
        }
        cause = error.source();
    }
    None
}

/// With all its causes, for the log.
fn described(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    text
}

impl<'c> AsyncHttpClient<'c> for Client<'_> {
    type Error = OutboundError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Vec<u8>>, OutboundError>> + Send + 'c>>;

    fn call(&'c self, request: Request<Vec<u8>>) -> Self::Future {
        Box::pin(self.send(request))
    }
}

/// Resolves names by the operating system, and lets none through that leads inside.
#[derive(Debug, Clone)]
struct Resolver {
    allowed: fn(IpAddr) -> bool,
}

impl ResolveDns for Resolver {
    fn resolve_dns<'a>(&'a self, name: &'a str) -> DnsFuture<'a> {
        let (name, allowed) = (name.to_owned(), self.allowed);
        DnsFuture::new(async move {
            let resolving = tokio::task::spawn_blocking(move || (name.as_str(), 0).to_socket_addrs());
            let found = resolving.await.map_err(ResolveDnsError::new)?.map_err(ResolveDnsError::new)?;
            let found: Vec<IpAddr> = found.map(|address| address.ip()).collect();
            // One that leads inside spoils the others: which is taken is nothing to rely on.
            if found.is_empty() || !found.iter().copied().all(allowed) {
                return Err(ResolveDnsError::new(UrlRefused::Private));
            }
            Ok(found)
        })
    }
}

/// Whether an address is one of the public internet. Source: the special-purpose registries of IANA.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    /// First address and length of the prefix.
    const SPECIAL: [([u8; 4], u32); 16] = [
        ([0, 0, 0, 0], 8),
        ([10, 0, 0, 0], 8),
        ([100, 64, 0, 0], 10),
        ([127, 0, 0, 0], 8),
        ([169, 254, 0, 0], 16),
        ([172, 16, 0, 0], 12),
        ([192, 0, 0, 0], 24),
        ([192, 0, 2, 0], 24),
        ([192, 31, 196, 0], 24),
        ([192, 88, 99, 0], 24),
        ([192, 168, 0, 0], 16),
        ([198, 18, 0, 0], 15),
        ([198, 51, 100, 0], 24),
        ([203, 0, 113, 0], 24),
        ([224, 0, 0, 0], 4),
        ([240, 0, 0, 0], 4),
    ];
    let bits = u32::from(address);
    !SPECIAL.iter().any(|(first, length)| (bits ^ u32::from(Ipv4Addr::from(*first))) >> (32 - length) == 0)
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    /// Within what is public, what is not: the first 32 bits, and how many of them count.
    const SPECIAL: [(u32, u32); 4] = [
        // Protocols, Teredo and benchmarks among them.
        (0x2001_0000, 23),
        // Documentation.
        (0x2001_0db8, 32),
        // 6to4, which names an address of version 4.
        (0x2002_0000, 16),
        // Documentation.
        (0x3fff_0000, 20),
    ];
    let bits = u128::from(address);
    let first = u32::try_from(bits >> 96).unwrap_or_default();
    // All that is public so far begins with 001; what stands for an address of version 4 does not.
    first >> 29 == 1 && !SPECIAL.iter().any(|(special, length)| (first ^ special) >> (32 - length) == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_the_public_internet_are_public() {
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        for text in [
            "1.1.1.1",
            "8.8.8.8",
            "100.63.255.255",
            "100.128.0.0",
            "172.15.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "198.17.0.1",
            "198.20.0.1",
            "223.255.255.255",
            "2606:4700:4700::1111",
            "2a00:1450:4001::1",
            "2001:200::1",
        ] {
            assert!(is_public(address(text)), "{text}");
        }
        for text in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.0.1",
            "169.254.169.254",
            "169.254.170.2",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.9",
            "224.0.0.1",
            "239.1.1.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:8.8.8.8",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:2::1",
            "2001:1ff::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "3fff::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "5f00::1",
        ] {
            assert!(!is_public(address(text)), "{text}");
        }
    }

    #[test]
    fn a_url_leads_to_a_public_host_by_tls_and_hides_nothing() {
        let outbound = Outbound::new(Reach::PUBLIC);
        for url in ["https://id.example", "https://id.example:8443/realms/a", "https://8.8.8.8/"] {
            assert!(outbound.check(url).is_ok(), "{url}");
        }
        for (url, refused) in [
            ("http://id.example", UrlRefused::Plain),
            ("http://localhost:8080", UrlRefused::Plain),
            ("ftp://id.example", UrlRefused::Plain),
            ("file:///etc/passwd", UrlRefused::Form),
            ("gopher://id.example", UrlRefused::Plain),
            ("id.example", UrlRefused::Form),
            ("", UrlRefused::Form),
            ("https://", UrlRefused::Form),
            ("https://user@id.example", UrlRefused::Form),
            ("https://id.example@10.0.0.1", UrlRefused::Form),
            ("https://a:b@id.example", UrlRefused::Form),
            ("https://id.example/#x", UrlRefused::Form),
            ("https://127.0.0.1", UrlRefused::Private),
            ("https://127.1", UrlRefused::Private),
            ("https://2130706433", UrlRefused::Private),
            ("https://0x7f000001", UrlRefused::Private),
            ("https://0177.0.0.1", UrlRefused::Private),
            ("https://１２７.0.0.1", UrlRefused::Private),
            ("https://169.254.169.254/latest/meta-data", UrlRefused::Private),
            ("https://10.0.0.1", UrlRefused::Private),
            ("https://[::1]", UrlRefused::Private),
            ("https://[::ffff:169.254.169.254]", UrlRefused::Private),
            ("https://[fd00:ec2::254]", UrlRefused::Private),
            ("https://0", UrlRefused::Private),
        ] {
            assert_eq!(outbound.check(url), Err(refused), "{url}");
        }
    }

    #[tokio::test]
    async fn a_name_that_leads_inside_is_not_followed() {
        let resolver = Resolver { allowed: is_public };
        assert!(resolver.resolve_dns("localhost").await.is_err());
        let everywhere = Resolver { allowed: |_| true };
        assert!(everywhere.resolve_dns("localhost").await.is_ok_and(|found| !found.is_empty()));
        let outbound = Outbound::new(Reach::PUBLIC);
        let request = Request::get("https://localhost:1/").body(Vec::new()).unwrap();
        let error = outbound.client(&[]).unwrap().send(request).await.unwrap_err();
        assert!(error.to_string().contains("public address"), "{error}");
    }

    #[test]
    fn what_is_no_certificate_is_refused_before_anything_is_asked() {
        for pem in ["", "x", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            assert_eq!(check_certificate(pem.as_bytes()), Err(BadCertificate), "{pem}");
        }
        assert_eq!(check_certificate(include_bytes!("amazon_roots.pem")), Ok(()));
    }
}
