//! JSON Web Signatures in the one form we use: compact, ES256, decided by the verifier and never by the header.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use serde::{Deserialize, Serialize};

/// The only algorithm.
pub const ES256: &str = "ES256";

/// Bytes of an uncompressed point: 4, then x and y.
const POINT_BYTES: usize = 65;

/// The protected header. Any other member, such as `jku`, `jwk`, `x5u` or `crit`, makes the whole a non-token: what we
/// do not understand is not skipped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// The algorithm, which must be [`ES256`].
    pub alg: String,
    /// The type of what is signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub typ: Option<String>,
    /// Names the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kid: Option<String>,
}

/// A signature that was read but not yet checked.
#[derive(Debug)]
pub struct Jws<'a> {
    /// What it says of itself.
    pub header: Header,
    signing_input: &'a str,
    payload: &'a str,
    signature: Vec<u8>,
}

/// The text is not a compact ES256 signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a compact ES256 signature")]
pub struct NotAJws;

/// The signature does not match key and content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the signature does not match")]
pub struct SignatureMismatch;

impl<'a> Jws<'a> {
    /// Takes a compact form apart: three parts, strict base64url without padding, a header of ours.
    ///
    /// # Errors
    ///
    /// [`NotAJws`].
    pub fn parse(compact: &'a str) -> Result<Self, NotAJws> {
        let (signing_input, signature) = compact.rsplit_once('.').ok_or(NotAJws)?;
        let (header, payload) = signing_input.split_once('.').ok_or(NotAJws)?;
        if payload.contains('.') {
            return Err(NotAJws);
        }
        let header = URL_SAFE_NO_PAD.decode(header).map_err(|_| NotAJws)?;
        let header: Header = serde_json::from_slice(&header).map_err(|_| NotAJws)?;
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| NotAJws)?;
        if header.alg != ES256 {
            return Err(NotAJws);
        }
        Ok(Self { header, signing_input, payload, signature })
    }

    /// Checks the signature and only then decodes what was signed.
    ///
    /// # Errors
    ///
    /// [`SignatureMismatch`].
    pub fn verify(&self, key: &PublicKey) -> Result<Vec<u8>, SignatureMismatch> {
        key.verify(self.signing_input.as_bytes(), &self.signature)?;
        URL_SAFE_NO_PAD.decode(self.payload).map_err(|_| SignatureMismatch)
    }
}

/// A public key on P-256.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    point: [u8; POINT_BYTES],
}

/// Not an uncompressed point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an uncompressed P-256 point")]
pub struct NotAPublicKey;

impl PublicKey {
    /// From an uncompressed point of 65 bytes.
    ///
    /// # Errors
    ///
    /// [`NotAPublicKey`]. That the point lies on the curve is checked when it is used.
    pub fn from_point(point: &[u8]) -> Result<Self, NotAPublicKey> {
        let point: [u8; POINT_BYTES] = point.try_into().map_err(|_| NotAPublicKey)?;
        if point[0] == 4 { Ok(Self { point }) } else { Err(NotAPublicKey) }
    }

    /// The uncompressed point.
    pub const fn point(&self) -> &[u8; POINT_BYTES] {
        &self.point
    }

    /// Checks a signature of 64 bytes, `r` and `s`, over SHA-256 of the message.
    ///
    /// # Errors
    ///
    /// [`SignatureMismatch`].
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), SignatureMismatch> {
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, self.point)
            .verify(message, signature)
            .map_err(|_| SignatureMismatch)
    }

    /// The public parameters, for `/.well-known/jwks.json`. Source: RFC 7517, RFC 7518 section 6.2.
    pub fn jwk(&self, kid: &str) -> Jwk {
        let (x, y) = self.point[1..].split_at(32);
        Jwk {
            kty: "EC",
            crv: "P-256",
            alg: ES256,
            r#use: "sig",
            kid: kid.to_owned(),
            x: URL_SAFE_NO_PAD.encode(x),
            y: URL_SAFE_NO_PAD.encode(y),
        }
    }
}

/// A JSON Web Key with public parameters only.
#[derive(Debug, Serialize)]
#[allow(missing_docs, reason = "the names are RFC 7517's")]
pub struct Jwk {
    pub kty: &'static str,
    pub crv: &'static str,
    pub alg: &'static str,
    pub r#use: &'static str,
    pub kid: String,
    pub x: String,
    pub y: String,
}

/// Header and payload, each in base64url, joined by a dot.
pub fn signing_input(header: &Header, payload: &impl Serialize) -> String {
    let header = serde_json::to_vec(header).expect("text fields only");
    let payload = serde_json::to_vec(payload).expect("claims have text keys and no floats");
    format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload))
}

/// The compact form of what was signed and its signature.
pub fn compact(signing_input: &str, signature: &[u8]) -> String {
    format!("{signing_input}.{}", URL_SAFE_NO_PAD.encode(signature))
}
