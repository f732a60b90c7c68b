//! The value of an API key: what a program keeps secret and presents.
//!
//! `lk_` and 65 characters of base 62, which are 48 bytes: user uid (12), key uid (12), secret (20), CRC-32 of the 44
//! bytes before, big-endian (4). The uids let the key and its user be read in one round trip; the checksum lets a
//! mistyped or invented value be refused without any. One regular expression, [`PATTERN`], finds every value.

use std::fmt;

use ring::digest::{SHA256, digest};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::{
    base62,
    uid::{ApiKeyUid, UID_BYTES, UserUid},
};

/// Starts every value, so that secret scanners find them. It never changes.
pub const PREFIX: &str = "lk_";

/// The regular expression of a value, for secret scanners.
pub const PATTERN: &str = r"\blk_[0-9A-Za-z]{65}\b";

/// Random bytes of a value: 160 bits.
pub const SECRET_BYTES: usize = 20;

/// Characters at the end of a value that are no secret: those who see a key in a list see them. Of the 160 bits they take
/// 24 at most.
const TAIL: usize = 4;

const CHECKSUM_AT: usize = base62::BYTES - 4;

/// A value in the clear. It is shown once, in the answer that creates the key, and kept nowhere.
pub struct ApiKeyValue {
    text: Zeroizing<String>,
    /// The key it names, which need not exist.
    pub key: ApiKeyUid,
    /// The user it names.
    pub user: UserUid,
}

/// The text is not the value of any key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an API key")]
pub struct NotAnApiKey;

impl ApiKeyValue {
    /// Makes the value of a new key.
    pub fn new(user: UserUid, key: ApiKeyUid, secret: &[u8; SECRET_BYTES]) -> Self {
        let mut bytes = Zeroizing::new([0; base62::BYTES]);
        bytes[..UID_BYTES].copy_from_slice(user.as_bytes());
        bytes[UID_BYTES..2 * UID_BYTES].copy_from_slice(key.as_bytes());
        bytes[2 * UID_BYTES..CHECKSUM_AT].copy_from_slice(secret);
        let checksum = crc32fast::hash(&bytes[..CHECKSUM_AT]);
        bytes[CHECKSUM_AT..].copy_from_slice(&checksum.to_be_bytes());
        let text = Zeroizing::new(PREFIX.to_owned() + &Zeroizing::new(base62::encode(&bytes)));
        Self { text, key, user }
    }

    /// Reads a presented value. That it is well-formed says nothing of whether such a key exists.
    ///
    /// # Errors
    ///
    /// [`NotAnApiKey`] if prefix, length, a character or the checksum is wrong.
    pub fn parse(text: &str) -> Result<Self, NotAnApiKey> {
        let encoded = text.strip_prefix(PREFIX).ok_or(NotAnApiKey)?;
        let bytes = Zeroizing::new(base62::decode(encoded).ok_or(NotAnApiKey)?);
        let (body, checksum) = bytes.split_at(CHECKSUM_AT);
        if crc32fast::hash(body).to_be_bytes() != checksum {
            return Err(NotAnApiKey);
        }
        let uid = |at: usize| {
            let mut uid = [0; UID_BYTES];
            uid.copy_from_slice(&body[at..at + UID_BYTES]);
            uid
        };
        Ok(Self {
            text: Zeroizing::new(text.to_owned()),
            user: UserUid::from_bytes(uid(0)),
            key: ApiKeyUid::from_bytes(uid(UID_BYTES)),
        })
    }

    /// What the table keeps in place of the value.
    pub fn digest(&self) -> Digest {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest(&SHA256, self.text.as_bytes()).as_ref());
        Digest(bytes)
    }

    /// The end of the value, by which people tell keys apart.
    pub fn tail(&self) -> &str {
        &self.text[self.text.len() - TAIL..]
    }

    /// The value itself, for the one answer that shows it.
    pub fn expose(&self) -> &str {
        &self.text
    }
}

impl fmt::Debug for ApiKeyValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKeyValue")
    }
}

/// SHA-256 of a whole value. The secret in it has 160 random bits, so a fast hash is enough.
#[derive(Clone, Copy)]
pub struct Digest([u8; 32]);

impl Digest {
    /// Takes the bytes that the table holds.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes for the table.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl PartialEq for Digest {
    /// In constant time.
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for Digest {}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digest")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value() -> ApiKeyValue {
        ApiKeyValue::new(UserUid::from_bytes([0x6a; 12]), ApiKeyUid::from_bytes([0x0f; 12]), &[0x5c; SECRET_BYTES])
    }

    #[test]
    fn the_format_never_changes() {
        assert_eq!(value().expose(), "lk_3AbsHW6DznpjrLqSLtZGiOSwnGB7K4y2waTUClvJdeT4ayyQcoZvWRQkCT3rpP1sR");
        assert_eq!(value().expose().len(), 68);
        assert_eq!(value().tail(), "P1sR");
    }

    #[test]
    fn a_value_names_its_user_and_key() {
        let read = ApiKeyValue::parse(value().expose()).unwrap();
        assert_eq!((read.user, read.key), (value().user, value().key));
        assert_eq!(read.digest(), value().digest());
    }

    #[test]
    fn the_published_pattern_finds_every_value_and_nothing_else() {
        let pattern = regex_lite::Regex::new(PATTERN).unwrap();
        for number in 0..2000_u32 {
            let [first, ..] = number.to_le_bytes().map(|byte| byte.wrapping_mul(151));
            let secret: [u8; SECRET_BYTES] = std::array::from_fn(|at| first ^ number.to_le_bytes()[at % 4]);
            let value =
                ApiKeyValue::new(UserUid::from_bytes([first; 12]), ApiKeyUid::from_bytes([!first; 12]), &secret);
            let text = format!("curl -H 'ApiKey: {}' …", value.expose());
            assert_eq!(pattern.find(&text).unwrap().as_str(), value.expose());
        }
        let value = ApiKeyValue::new(UserUid::from_bytes([1; 12]), ApiKeyUid::from_bytes([2; 12]), &[3; SECRET_BYTES]);
        let other = value.expose();
        for text in [&other[1..], &other[..67], &format!("{other}0"), &format!("x{other}"), "lk_ ", &"A".repeat(200)] {
            assert!(!pattern.is_match(text), "{text}");
        }
    }

    #[test]
    fn a_value_cut_extended_or_changed_at_any_place_is_refused() {
        let value = value();
        let text = value.expose();
        for at in 0..text.len() {
            assert!(ApiKeyValue::parse(&text[..at]).is_err(), "cut at {at}");
            for other in ["0", "z", "A", " ", "%", "é"] {
                let changed = format!("{}{other}{}", &text[..at], &text[at + 1..]);
                assert!(changed == text || ApiKeyValue::parse(&changed).is_err(), "{other} at {at}");
                assert!(ApiKeyValue::parse(&format!("{}{other}{}", &text[..at], &text[at..])).is_err());
            }
        }
        assert!(ApiKeyValue::parse(&format!("{text},{text}")).is_err());
        assert!(ApiKeyValue::parse(&format!("{text}=")).is_err());
    }

    #[test]
    fn secrets_cannot_be_printed() {
        assert_eq!(format!("{:?} {:?}", value(), value().digest()), "ApiKeyValue Digest");
    }
}
