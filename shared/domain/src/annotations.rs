//! `metadata.annotations`: a small map of text that is kept and shown, never interpreted.

use std::collections::BTreeMap;

/// Entries at most.
pub const MAX_ENTRIES: usize = 16;
/// Bytes of a name, and of a value other than the description.
pub const MAX_BYTES: usize = 256;
/// Characters of the description.
pub const MAX_DESCRIPTION: usize = 255;

/// The entry that holds the description: there is no other field for it.
pub const DESCRIPTION: &str = "description";

/// Entries that only the service writes; from a client they are dropped, since clients send back what they read.
const RESERVED: [&str; 5] = ["ownerUid", "tenantUid", "scope", "scopeVisibility", "permissions"];

/// Annotations within the limits, without the entries that only the service writes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Annotations(BTreeMap<String, String>);

/// Why annotations were refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AnnotationsRefused {
    /// Too many entries.
    #[error("there may be at most {MAX_ENTRIES} annotations")]
    Count,
    /// A name is empty, or a name or value too long.
    #[error("an annotation's name must have 1 to {MAX_BYTES} bytes and its value at most {MAX_BYTES}")]
    Size,
    /// The description is too long.
    #[error("the description may have at most {MAX_DESCRIPTION} characters")]
    Description,
}

impl Annotations {
    /// Checks what a client sent.
    ///
    /// # Errors
    ///
    /// As in [`AnnotationsRefused`].
    pub fn parse(entries: BTreeMap<String, String>) -> Result<Self, AnnotationsRefused> {
        let entries: BTreeMap<_, _> =
            entries.into_iter().filter(|(name, _)| !RESERVED.contains(&name.as_str())).collect();
        if entries.len() > MAX_ENTRIES {
            return Err(AnnotationsRefused::Count);
        }
        for (name, value) in &entries {
            if name == DESCRIPTION {
                if value.chars().count() > MAX_DESCRIPTION {
                    return Err(AnnotationsRefused::Description);
                }
            } else if name.is_empty() || name.len() > MAX_BYTES || value.len() > MAX_BYTES {
                return Err(AnnotationsRefused::Size);
            }
        }
        Ok(Self(entries))
    }

    /// Takes what the table holds, which was checked when it was written.
    pub fn stored(entries: BTreeMap<String, String>) -> Self {
        Self(entries)
    }

    /// All entries by name.
    pub fn entries(&self) -> &BTreeMap<String, String> {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(entries: &[(&str, &str)]) -> Result<Annotations, AnnotationsRefused> {
        Annotations::parse(entries.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn a_client_cannot_write_what_the_service_states() {
        let annotations = of(&[("description", "d"), ("ownerUid", "x"), ("tenantUid", "x"), ("scope", "x")]).unwrap();
        assert_eq!(annotations.entries().keys().collect::<Vec<_>>(), ["description"]);
    }

    #[test]
    fn the_limits_hold_at_the_edge() {
        assert!(of(&[("description", &"ä".repeat(255))]).is_ok());
        assert_eq!(of(&[("description", &"ä".repeat(256))]), Err(AnnotationsRefused::Description));
        assert!(of(&[("team", &"x".repeat(256))]).is_ok());
        assert_eq!(of(&[("team", &"x".repeat(257))]), Err(AnnotationsRefused::Size));
        // DynamoDB has no attribute without a name.
        assert_eq!(of(&[("", "x")]), Err(AnnotationsRefused::Size));
        let many: Vec<String> = (0..17).map(|i| i.to_string()).collect();
        let many: Vec<(&str, &str)> = many.iter().map(|name| (name.as_str(), "")).collect();
        assert_eq!(of(&many), Err(AnnotationsRefused::Count));
        assert!(of(&many[1..]).is_ok());
    }
}
