//! E-mail addresses: kept as typed, compared in one canonical form.

use std::fmt;

/// Characters at most. Source: RFC 5321, section 4.5.3.1.
const MAX_CHARS: usize = 254;

/// An address, as typed and as compared.
#[derive(Clone)]
pub struct EmailAddress {
    typed: String,
    canonical: String,
}

/// The text is not an address that mail could be sent to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("emailId must be one e-mail address such as ines@northwind.example")]
pub struct NotAnEmailAddress;

impl EmailAddress {
    /// Reads one address of plain ASCII, so that no two letters look alike and no case mapping can surprise.
    ///
    /// # Errors
    ///
    /// [`NotAnEmailAddress`] for anything but one `local@domain.tld`; white space around it is not part of it.
    pub fn parse(text: &str) -> Result<Self, NotAnEmailAddress> {
        let typed = text.trim_matches(' ');
        let (local, domain) = typed.split_once('@').ok_or(NotAnEmailAddress)?;
        let (name, top_level) = domain.rsplit_once('.').ok_or(NotAnEmailAddress)?;
        let all = |text: &str, allowed: &[u8]| {
            !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || allowed.contains(&byte))
        };
        let is_address = typed.len() <= MAX_CHARS
            && all(local, b"._%+-")
            && !local.split('.').any(str::is_empty)
            && all(name, b".-")
            && !name.split('.').any(str::is_empty)
            && top_level.len() >= 2
            && top_level.bytes().all(|byte| byte.is_ascii_alphabetic());
        if !is_address {
            return Err(NotAnEmailAddress);
        }
        Ok(Self { typed: typed.to_owned(), canonical: typed.to_ascii_lowercase() })
    }

    /// As its owner typed it; mail goes here.
    pub fn typed(&self) -> &str {
        &self.typed
    }

    /// The one form in which addresses are compared and counted.
    pub fn canonical(&self) -> &str {
        &self.canonical
    }

    /// The part after the `@`, in lower case.
    pub fn domain(&self) -> &str {
        self.canonical.rsplit_once('@').map_or("", |(_, domain)| domain)
    }
}

impl PartialEq for EmailAddress {
    fn eq(&self, other: &Self) -> bool {
        self.canonical == other.canonical
    }
}

impl Eq for EmailAddress {}

impl fmt::Debug for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.canonical.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_is_no_difference() {
        let one = EmailAddress::parse(" Ines.Alba+ci@Northwind.Example").unwrap();
        assert_eq!(one, EmailAddress::parse("ines.alba+CI@northwind.example").unwrap());
        assert_eq!((one.typed(), one.domain()), ("Ines.Alba+ci@Northwind.Example", "northwind.example"));
    }

    #[test]
    fn only_one_plain_address_is_one() {
        let long = format!("{}@northwind.example", "x".repeat(250));
        for text in [
            "",
            "ines",
            "ines@",
            "@northwind.example",
            "ines@northwind",
            "ines@northwind.e",
            "ines@.example",
            "ines@northwind..example",
            ".ines@northwind.example",
            "ines..alba@northwind.example",
            "ines@northwind.example,x@evil.example",
            "ines@northwind.example x@evil.example",
            "ines@northwind.example\r\nBcc: x@evil.example",
            "ines@@northwind.example",
            "ınes@northwind.example",
            "ines@nörthwind.example",
            "\"ines\"@northwind.example",
            "ines@northwind.exa1",
            "ines@[127.0.0.1]",
            &long,
        ] {
            assert_eq!(EmailAddress::parse(text), Err(NotAnEmailAddress), "{text:?}");
        }
    }
}
