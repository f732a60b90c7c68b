//! Signing keys: the public part in the clear, the private part sealed by whoever calls.

use aws_sdk_dynamodb::types::AttributeValue;
use domain::Timestamp;

use crate::{Store, StoreError, item::Item, keys, number};

/// A signing key as the table holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigningKeyRecord {
    /// Names it in the header of tokens.
    pub kid: String,
    /// The public key: an uncompressed point on P-256.
    pub public_key: Vec<u8>,
    /// The private key, sealed.
    pub sealed_private_key: Vec<u8>,
    /// When it was made.
    pub created_at: Timestamp,
}

impl Store {
    /// All signing keys, the oldest first.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`].
    pub async fn signing_keys(&self) -> Result<Vec<SigningKeyRecord>, StoreError> {
        let mut records: Vec<_> =
            self.query_prefix(keys::SIGNING_PARTITION, "").await?.iter().map(record).collect::<Result<_, _>>()?;
        records.sort_by(|one, other| (one.created_at, &one.kid).cmp(&(other.created_at, &other.kid)));
        Ok(records)
    }

    /// Adds a signing key.
    ///
    /// # Errors
    ///
    /// [`StoreError::Conflict`] if there is one of this name.
    pub async fn create_signing_key(&self, record: &SigningKeyRecord) -> Result<(), StoreError> {
        let mut item = keys::signing_key(&record.kid).item();
        item.insert("public_key".to_owned(), AttributeValue::B(record.public_key.clone().into()));
        item.insert("sealed_private_key".to_owned(), AttributeValue::B(record.sealed_private_key.clone().into()));
        item.insert("created_at".to_owned(), number(record.created_at.millis()));
        let put = self.client.put_item().table_name(&self.tables.tenants).set_item(Some(item));
        put.condition_expression("attribute_not_exists(pk)").send().await?;
        Ok(())
    }
}

fn record(item: &Item) -> Result<SigningKeyRecord, StoreError> {
    let bytes = |name: &str| item.get(name).and_then(|value| value.as_b().ok()).map(|blob| blob.as_ref().to_vec());
    let read = || {
        Some(SigningKeyRecord {
            kid: item.get("sk")?.as_s().ok()?.clone(),
            public_key: bytes("public_key")?,
            sealed_private_key: bytes("sealed_private_key")?,
            created_at: Timestamp::from_millis(item.get("created_at")?.as_n().ok()?.parse().ok()?),
        })
    };
    read().ok_or_else(|| StoreError::Broken("an unreadable signing key".into()))
}
