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
    /// From when on it signs, so that until then everybody has come to know it.
    pub used_from: Timestamp,
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
        item.insert("used_from".to_owned(), number(record.used_from.millis()));
        let put = self.client.put_item().table_name(&self.tables.tenants).set_item(Some(item));
        put.condition_expression("attribute_not_exists(pk)").send().await?;
        Ok(())
    }

    /// Removes a signing key. Whether it was there.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`].
    pub async fn delete_signing_key(&self, kid: &str) -> Result<bool, StoreError> {
        let delete = self
            .client
            .delete_item()
            .table_name(&self.tables.tenants)
            .set_key(Some(keys::signing_key(kid).item()))
            .condition_expression("attribute_exists(pk)");
        match delete.send().await.map_err(StoreError::from) {
            Ok(_) => Ok(true),
            Err(StoreError::Conflict) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

fn record(item: &Item) -> Result<SigningKeyRecord, StoreError> {
    let bytes = |name: &str| item.get(name).and_then(|value| value.as_b().ok()).map(|blob| blob.as_ref().to_vec());
    let time = |name: &str| Some(Timestamp::from_millis(item.get(name)?.as_n().ok()?.parse().ok()?));
    let read = || {
        let created_at = time("created_at")?;
        Some(SigningKeyRecord {
            kid: item.get("sk")?.as_s().ok()?.clone(),
            public_key: bytes("public_key")?,
            sealed_private_key: bytes("sealed_private_key")?,
            created_at,
            used_from: time("used_from").unwrap_or(created_at),
        })
    };
    read().ok_or_else(|| StoreError::Broken("an unreadable signing key".into()))
}
