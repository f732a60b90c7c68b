//! What is wrong, in the words of people: the API speaks of its fields.

use domain::{api_key::ApiKeyRefused, password::BrokenRule};

use crate::ApiError;

/// What is wrong, as a sentence.
pub(super) fn in_words(error: &ApiError) -> String {
    match error {
        ApiError::Name(refused) => sentence(refused),
        ApiError::Annotations(refused) => sentence(refused),
        ApiError::PersonName { .. } => {
            "A name has 1 to 64 characters, without /, @, < and >, and without a dot before a letter.".to_owned()
        }
        ApiError::Email(_) => "This is no e-mail address.".to_owned(),
        ApiError::ApiKey(ApiKeyRefused::ExpiryMissing | ApiKeyRefused::ExpiryInPast) => {
            "The expiration date must lie in the future.".to_owned()
        }
        ApiError::AuditQuery => "There are no such records. Look at all of them, and filter anew.".to_owned(),
        ApiError::BodyTooLarge => "That is too much text for one form.".to_owned(),
        ApiError::Forbidden(_) => {
            "Your roles do not permit this. An admin of the organization can give you others.".to_owned()
        }
        ApiError::InvalidCredentials => {
            "E-mail or password is not right, or you do not belong to this organization.".to_owned()
        }
        ApiError::AccountLocked => "Too many attempts. Wait a few minutes before the next one.".to_owned(),
        ApiError::PasswordExpired => {
            "Your password has ended by the rules of the organization. We have mailed you a link to set another one."
                .to_owned()
        }
        ApiError::SsoRequired { .. } => {
            "Your organization lets people sign in by its identity provider only.".to_owned()
        }
        ApiError::InvalidOneTimeToken => "This link is not valid, was used already or has expired.".to_owned(),
        ApiError::OrgNameTaken => "There is an organization of this name already.".to_owned(),
        ApiError::Unavailable(_) => "The service is busy at the moment. Try again.".to_owned(),
        other => sentence(other),
    }
}

fn sentence(text: impl ToString) -> String {
    let text = text.to_string();
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().to_string() + chars.as_str()).unwrap_or_default() + "."
}

/// Why a password was refused.
pub(super) fn broken_in_words(broken: &[BrokenRule]) -> String {
    let words = broken.iter().map(|rule| match rule {
        BrokenRule::MinLength => "it is too short",
        BrokenRule::MaxLength => "it is too long",
        BrokenRule::Upper => "an upper-case letter is missing",
        BrokenRule::Lower => "a lower-case letter is missing",
        BrokenRule::Digits => "a digit is missing",
        BrokenRule::Special => "a character that is neither letter nor digit is missing",
        BrokenRule::Regex => "it has not the form that the organization asks for",
        BrokenRule::TooCommon => "it is too easy to guess",
        BrokenRule::Same => "it is the one you have had",
    });
    format!("This password cannot be used: {}.", words.collect::<Vec<_>>().join(", "))
}
