//! The tables of Latchkey.
//!
//! The only crate that knows DynamoDB: key strings ([`mod@keys`]), the form of items ([`item`]), and conditions. One
//! method is one access to the tables, named for its meaning, made again only where it met another. Every read is strongly consistent, because what it reads
//! decides; what must hold at the moment of writing is a condition of the write. Multi-item changes are one transaction.
//!
//! `Store` is a plain struct; its methods are spread over one file per kind of item.

mod api_keys;
mod audits;
mod error;
pub mod item;
mod keys;
mod people;
mod principals;
mod reads;
mod sessions;
mod signing_keys;
mod sso;
mod sweeps;
mod tenants;
mod transaction;
mod users;

pub use api_keys::{CreateRefused, ReplaceRefused};
pub use audits::{AuditRange, Link, Recorded, StoredRecord, record_of};
pub use error::{StoreError, TRANSACTION_CONFLICT};
pub use item::OutgoingMail;
pub use people::{Membership, NewPassword, Person, PostedMail};
pub use sessions::Proof;
pub use signing_keys::SigningKeyRecord;
pub use sso::{DomainHolder, LinkProof, LinkRefused, ProveDomainRefused};
pub use sweeps::{ExpiringKey, ExpiringPage};
pub use tenants::{CreateTenantRefused, Founding, ReplaceSettingsRefused};
pub use users::{CameBy, ChangeUserRefused, CreateUserRefused, INVITATION};

use std::{fmt, sync::Arc};

use aws_sdk_dynamodb::{Client, types::AttributeValue};

/// The names of the tables.
#[derive(Debug, Clone)]
pub struct TableNames {
    /// `pk`, `sk`: everything but API keys and the audit trail.
    pub tenants: String,
    /// `uid`: API keys.
    pub keys: String,
    /// `pk`, `sk`: the audit trail.
    pub audits: String,
}

/// The way to the tables.
#[derive(Debug, Clone)]
pub struct Store {
    client: Client,
    tables: TableNames,
    jitter: Jitter,
}

impl Store {
    /// A store on these tables.
    pub const fn new(client: Client, tables: TableNames, jitter: Jitter) -> Self {
        Self { client, tables, jitter }
    }
}

/// Draws how long to wait before another attempt.
#[derive(Clone)]
pub struct Jitter(Arc<dyn Fn() -> u8 + Send + Sync>);

impl Jitter {
    /// - `draw`: gives a random byte.
    pub fn new(draw: impl Fn() -> u8 + Send + Sync + 'static) -> Self {
        Self(Arc::new(draw))
    }

    fn draw(&self) -> u8 {
        self.0()
    }
}

impl fmt::Debug for Jitter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Jitter")
    }
}

fn text(value: impl ToString) -> AttributeValue {
    AttributeValue::S(value.to_string())
}

fn number(value: impl ToString) -> AttributeValue {
    AttributeValue::N(value.to_string())
}
