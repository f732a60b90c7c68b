//! Identifiers: 12 random bytes, on the wire 24 lowercase hexadecimal characters, one type per kind of thing.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// Bytes of an identifier.
pub const UID_BYTES: usize = 12;

/// The text is not an identifier: it must be 24 lowercase hexadecimal characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a uid is 24 lowercase hexadecimal characters")]
pub struct NotAUid;

fn parse(text: &str) -> Result<[u8; UID_BYTES], NotAUid> {
    // Upper case is refused so that a thing has one spelling only, in keys of the table as in comparisons.
    if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Err(NotAUid);
    }
    let mut bytes = [0; UID_BYTES];
    hex::decode_to_slice(text, &mut bytes).map_err(|_| NotAUid)?;
    Ok(bytes)
}

macro_rules! uids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name([u8; UID_BYTES]);

        impl $name {
            /// Makes an identifier of bytes drawn at random.
            pub const fn from_bytes(bytes: [u8; UID_BYTES]) -> Self {
                Self(bytes)
            }

            /// The bytes behind the text form.
            pub const fn as_bytes(&self) -> &[u8; UID_BYTES] {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NotAUid;

            fn from_str(text: &str) -> Result<Self, NotAUid> {
                parse(text).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex::encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(D::Error::custom)
            }
        }
    )*};
}

uids! {
    /// Names a record of the audit trail.
    AuditUid;
    /// Names a tenant.
    TenantUid;
    /// Names a user: one person's membership of one tenant.
    UserUid;
    /// Names an API key.
    ApiKeyUid;
    /// Names what one sign-in began (`sid`).
    SessionUid;
    /// Names one access token (`jti`).
    TokenUid;
    /// Names a role.
    RoleUid;
    /// Names a project.
    ProjectUid;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uid_has_one_spelling() {
        let text = "6a0f1c2b3d4e5f60718293a4";
        assert_eq!(text.parse::<TenantUid>().unwrap().to_string(), text);
        for bad in [
            "",
            "6A0F1C2B3D4E5F60718293A4",
            "6a0f1c2b3d4e5f60718293a",
            "6a0f1c2b3d4e5f60718293a45",
            " 6a0f1c2b3d4e5f60718293a",
            "zz0f1c2b3d4e5f60718293a4",
        ] {
            assert_eq!(bad.parse::<TenantUid>(), Err(NotAUid), "{bad}");
        }
    }
}
