//! Fields that several forms have: what was typed, and what is wrong with it.

use super::{page::Form, words::in_words};
use crate::ApiError;

/// A text field.
#[derive(Default)]
pub(super) struct Field {
    pub(super) value: String,
    pub(super) has_error: bool,
    pub(super) error: String,
}

impl Field {
    pub(super) fn new(value: String) -> Self {
        Self { value, ..Self::default() }
    }

    pub(super) fn fail(&mut self, words: String) {
        (self.has_error, self.error) = (true, words);
    }
}

/// The names of a person.
#[derive(Default)]
pub(super) struct Names {
    pub(super) first: Field,
    pub(super) last: Field,
}

impl Names {
    pub(super) fn of(form: &Form) -> Self {
        Self { first: Field::new(form.text("first_name")), last: Field::new(form.text("last_name")) }
    }

    /// Whether the error is of one of them, which then tells it.
    pub(super) fn take(&mut self, error: &ApiError) -> bool {
        let ApiError::PersonName { field } = error else { return false };
        let field = if field.ends_with("firstName") { &mut self.first } else { &mut self.last };
        field.fail(in_words(error));
        true
    }
}

/// What a key is called, and what for.
pub(super) struct KeyTexts {
    pub(super) name: Field,
    pub(super) description: Field,
}

impl KeyTexts {
    pub(super) fn of(form: &Form) -> Self {
        Self { name: Field::new(form.text("name")), description: Field::new(form.text("description")) }
    }

    /// Whether the error is of one of them, which then tells it.
    pub(super) fn take(&mut self, error: &ApiError) -> bool {
        let field = match error {
            ApiError::Name(_) | ApiError::DuplicateName => &mut self.name,
            ApiError::Annotations(_) => &mut self.description,
            _ => return false,
        };
        field.fail(in_words(error));
        true
    }
}
