//! What the sweeper reads and writes: keys by the day on which they expire, and how far it has come.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{Put, TransactWriteItem};
use domain::{ApiKeyUid, TenantUid, Timestamp, UserUid};
use serde::Deserialize;

use crate::{
    OutgoingMail, Recorded, Store, StoreError,
    item::{self, Item},
    keys, number, text,
    transaction::{Cancelled, Change},
};

/// The index of the `keys` table by the day of the expiry. A key leaves it when it has been swept.
const BY_EXPIRY: &str = "by-expiry";

/// What the index tells of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpiringKey {
    /// Names it.
    pub uid: ApiKeyUid,
    /// Its tenant.
    pub tenant: TenantUid,
    /// As whom it acts.
    pub user: UserUid,
    /// What its owner calls it.
    pub name: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
    /// Whether it is not revoked.
    pub is_active: bool,
}

#[derive(Debug, Deserialize)]
struct Row {
    uid: ApiKeyUid,
    tenant: TenantUid,
    user: UserUid,
    name: String,
    created_at: i64,
    expires_at: i64,
    is_active: bool,
}

/// A page of keys, and where the next one begins.
#[derive(Debug)]
pub struct ExpiringPage {
    /// The keys, those that end first at the front.
    pub keys: Vec<ExpiringKey>,
    /// To be handed in for the next page; `None` if this was the last.
    pub next: Option<Item>,
}

impl Store {
    /// Keys that expire on a day, a page of them. The index lags a little behind the table: whoever acts on what it
    /// says makes that a condition of the write.
    ///
    /// - `until`: only those that have expired by then.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`].
    pub async fn keys_expiring_on(
        &self,
        day: i64,
        until: Timestamp,
        start: Option<Item>,
    ) -> Result<ExpiringPage, StoreError> {
        let page = self
            .client
            .query()
            .table_name(&self.tables.keys)
            .index_name(BY_EXPIRY)
            .key_condition_expression("#day = :day AND #expires <= :until")
            .expression_attribute_names("#day", "expiry_day")
            .expression_attribute_names("#expires", "expires_at")
            .expression_attribute_values(":day", number(day))
            .expression_attribute_values(":until", number(until.millis()))
            .set_exclusive_start_key(start)
            .send()
            .await?;
        let keys = page.items.unwrap_or_default().into_iter().map(|found| {
            let row: Row = item::read(found)?;
            Ok(ExpiringKey {
                uid: row.uid,
                tenant: row.tenant,
                user: row.user,
                name: row.name,
                created_at: Timestamp::from_millis(row.created_at),
                expires_at: Timestamp::from_millis(row.expires_at),
                is_active: row.is_active,
            })
        });
        Ok(ExpiringPage {
            keys: keys.collect::<Result<_, StoreError>>()?,
            next: page.last_evaluated_key.filter(|key| !key.is_empty()),
        })
    }

    /// The last day of whose notices these addresses have been told, of those that were told any of late.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`].
    pub async fn digests_of(&self, addresses: &[&str]) -> Result<HashMap<String, i64>, StoreError> {
        let wanted = addresses.iter().map(|address| keys::digest(address).item()).collect();
        let found = self.read_batch(&self.tables.tenants, wanted).await?;
        let told = |found: &Item| {
            let address = found.get("pk")?.as_s().ok()?.strip_prefix(keys::MAILED)?.to_owned();
            Some((address, found.get("day")?.as_n().ok()?.parse().ok()?))
        };
        Ok(found.iter().filter_map(told).collect())
    }

    /// Puts the digest of a day into the outbox. Whether it was put: not if the address was told something meanwhile.
    ///
    /// - `told`: the day of the last one, as it was read.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`].
    pub async fn post_digest(
        &self,
        address: &str,
        told: Option<i64>,
        day: i64,
        mail: &OutgoingMail,
    ) -> Result<bool, StoreError> {
        let mut sent = keys::digest(address).item();
        sent.insert("day".to_owned(), number(day));
        // Longer than a digest may be late.
        sent.insert("ttl".to_owned(), number((day + 40) * 86_400));
        let put = Put::builder().table_name(&self.tables.tenants).set_item(Some(sent));
        let put = match told {
            None => put.condition_expression("attribute_not_exists(pk)"),
            Some(told) => put
                .condition_expression("#day = :told")
                .expression_attribute_names("#day", "day")
                .expression_attribute_values(":told", number(told)),
        };
        let put = TransactWriteItem::builder().put(put.build().expect("table and item are set")).build();
        let writes = vec![put, self.put_new(item::of_mail(mail)?)];
        match self.transact(writes).await {
            Ok(()) => Ok(true),
            Err(Cancelled::Condition { at: 0, .. }) => Ok(false),
            Err(cancelled) => Err(cancelled.into()),
        }
    }

    /// The last day whose digests are all in the outbox.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`].
    pub async fn digests_done(&self) -> Result<Option<i64>, StoreError> {
        let found = self.get(&keys::digests_done()).await?;
        let day = found.as_ref().and_then(|found| found.get("day")?.as_n().ok()?.parse().ok());
        Ok(day)
    }

    /// Notes that the digests of a day are all in the outbox. An earlier day changes nothing.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`].
    pub async fn note_digests_done(&self, day: i64) -> Result<(), StoreError> {
        let mut done = keys::digests_done().item();
        done.insert("day".to_owned(), number(day));
        let put = self
            .client
            .put_item()
            .table_name(&self.tables.tenants)
            .set_item(Some(done))
            .condition_expression("attribute_not_exists(pk) OR #day < :day")
            .expression_attribute_names("#day", "day")
            .expression_attribute_values(":day", number(day));
        match put.send().await.map_err(StoreError::from) {
            Ok(_) | Err(StoreError::Conflict) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Notes when a key was last presented, if the note is old enough. The key may be gone by now.
    ///
    /// - `due_before`: a note of this moment or later stays.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`].
    pub async fn note_api_key_use(
        &self,
        key: &domain::ApiKey,
        last_use: &domain::api_key::LastUse,
        due_before: Timestamp,
    ) -> Result<(), StoreError> {
        let change = |table: &str, key: Item, condition: &str| Change {
            table: table.to_owned(),
            key,
            expression: "SET #at = :at, #from = :from, #by = :by".to_owned(),
            condition: condition.to_owned(),
            names: vec![("#at", "last_used_at"), ("#from", "last_used_from"), ("#by", "last_used_by")],
            values: vec![
                (":at", number(last_use.at.millis())),
                (":from", text(&last_use.source)),
                (":by", text(&last_use.user_agent)),
            ],
        };
        let is_due = "attribute_exists(uid) AND (attribute_not_exists(#at) OR #at <= :due)";
        let mut stamp = change(&self.tables.keys, item::key_of_api_key(key.uid), is_due);
        stamp.values.push((":due", number(due_before.millis())));
        let index = keys::api_key_index(key.tenant, key.user, key.uid).item();
        let index = change(&self.tables.tenants, index, "attribute_exists(pk)");
        // Once: should it meet another one, that one notes the same.
        match self.transact_once(vec![stamp.build(), index.build()]).await {
            Ok(()) | Err(Cancelled::Condition { .. }) => Ok(()),
            Err(cancelled) => Err(cancelled.into()),
        }
    }
}

impl Recorded<'_> {
    /// Makes a key that has expired inactive and takes it out of the index. Whether it did: not if somebody has given the
    /// key more time, removed it, or done the same before.
    ///
    /// The version stays, so that whoever extends the key at this moment does not fail by it.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`].
    pub async fn expire_api_key(&self, key: &ExpiringKey, now: Timestamp) -> Result<bool, StoreError> {
        let expiry = Change {
            table: self.tables.keys.clone(),
            key: item::key_of_api_key(key.uid),
            expression: "SET #active = :false REMOVE #day".to_owned(),
            condition: "#expires <= :now AND attribute_exists(#day)".to_owned(),
            names: vec![("#active", "is_active"), ("#day", "expiry_day"), ("#expires", "expires_at")],
            values: vec![(":false", item::FALSE), (":now", number(now.millis()))],
        };
        let index = Change {
            table: self.tables.tenants.clone(),
            key: keys::api_key_index(key.tenant, key.user, key.uid).item(),
            expression: "SET #active = :false".to_owned(),
            condition: "#expires <= :now".to_owned(),
            names: vec![("#active", "is_active"), ("#expires", "expires_at")],
            values: vec![(":false", item::FALSE), (":now", number(now.millis()))],
        };
        let expiry = expiry.build();
        match self.transact(vec![expiry.clone(), index.build()]).await {
            Ok(()) => Ok(true),
            // The table has removed it already.
            Err(Cancelled::Condition { at: 1, item: None }) => match self.transact(vec![expiry]).await {
                Ok(()) => Ok(true),
                Err(Cancelled::Condition { .. }) => Ok(false),
                Err(cancelled) => Err(cancelled.into()),
            },
            Err(Cancelled::Condition { .. }) => Ok(false),
            Err(cancelled) => Err(cancelled.into()),
        }
    }
}
