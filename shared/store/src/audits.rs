//! The audit trail. A record is put with the change that it tells of, in the same transaction; a link is added to it
//! later, once.

use std::{collections::HashMap, ops::Deref};

use aws_sdk_dynamodb::types::{Put, TransactWriteItem};
use domain::{
    AuditUid, TenantUid,
    audit::{Head, LinkHash, Note, Record},
};

use crate::{
    Store, StoreError,
    item::{self, Item},
    keys, number, text,
    transaction::{Cancelled, Change},
};

/// How long a record is kept, in seconds: a year, and a day so that it is a whole one whenever the table gets to it.
const RETENTION_SECS: i64 = 366 * 86_400;

/// How long is kept what is written about nobody, in seconds.
const DECOY_SECS: i64 = 3600;

/// Links of one transaction.
const LINKS_AT_ONCE: usize = 40;

/// How often linking is tried again that met another who links the same trail.
const ATTEMPTS: usize = 20;

/// A store that writes these records with whatever it changes. What changes the state of a tenant is a method of this,
/// so that leaving out the record does not compile.
#[derive(Debug, Clone, Copy)]
pub struct Recorded<'a> {
    store: &'a Store,
    records: &'a [Record],
}

impl Deref for Recorded<'_> {
    type Target = Store;

    fn deref(&self) -> &Store {
        self.store
    }
}

impl Recorded<'_> {
    /// As [`Store::transact`], with the records behind the other writes.
    pub(crate) async fn transact(&self, mut writes: Vec<TransactWriteItem>) -> Result<(), Cancelled> {
        writes.extend(self.records.iter().map(|record| self.put_audit(of_record(record))));
        self.store.transact(writes).await
    }
}

/// A record as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRecord {
    /// Names it.
    pub uid: AuditUid,
    /// Its text, byte for byte.
    pub text: String,
    /// Its place in the chain, once it has one.
    pub link: Option<Link>,
}

/// A place in the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link {
    /// Counts from 1.
    pub seq: u64,
    /// The hash of the link before.
    pub previous: LinkHash,
    /// The hash of this one.
    pub hash: LinkHash,
}

/// Which records are asked for, the latest first.
#[derive(Debug, Clone, Copy)]
pub struct AuditRange {
    /// None before this one.
    pub first: AuditUid,
    /// None after this one.
    pub last: AuditUid,
}

impl Store {
    /// This store, writing these records with whatever it changes.
    pub const fn on_record<'a>(&'a self, records: &'a [Record]) -> Recorded<'a> {
        Recorded { store: self, records }
    }

    /// Writes a record of something that changed nothing.
    ///
    /// - `is_wanted`: otherwise the same is written where nobody looks, so that the work does not tell whether anybody
    ///   is concerned.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`].
    pub async fn note(&self, record: &Record, is_wanted: bool) -> Result<(), StoreError> {
        let item = if is_wanted { of_record(record) } else { decoy(record) };
        self.client.put_item().table_name(&self.tables.audits).set_item(Some(item)).send().await?;
        Ok(())
    }

    /// Up to `limit` records of a tenant, the latest first.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`].
    pub async fn audits(
        &self,
        tenant: TenantUid,
        range: AuditRange,
        limit: i32,
    ) -> Result<Vec<StoredRecord>, StoreError> {
        let query = self
            .client
            .query()
            .table_name(&self.tables.audits)
            .key_condition_expression("pk = :pk AND sk BETWEEN :first AND :last")
            .expression_attribute_values(":pk", text(keys::tenant_partition(tenant)))
            .expression_attribute_values(":first", text(range.first))
            .expression_attribute_values(":last", text(range.last))
            .scan_index_forward(false)
            .limit(limit)
            .consistent_read(true);
        query.send().await?.items.unwrap_or_default().into_iter().map(stored).collect()
    }

    /// One record of a tenant.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`].
    pub async fn audit(&self, tenant: TenantUid, uid: AuditUid) -> Result<Option<StoredRecord>, StoreError> {
        let key = keys::audit(tenant, uid).item();
        let read = self.client.get_item().table_name(&self.tables.audits).set_key(Some(key)).consistent_read(true);
        read.send().await?.item.map(stored).transpose()
    }

    /// The notes on these records, of those that have one.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`].
    ///
    /// # Panics
    ///
    /// With more than 100.
    pub async fn audit_notes(
        &self,
        tenant: TenantUid,
        uids: &[AuditUid],
    ) -> Result<HashMap<AuditUid, String>, StoreError> {
        assert!(uids.len() <= 100, "a page has fewer");
        let wanted = uids.iter().map(|uid| keys::audit_note(tenant, *uid).item()).collect();
        let found = self.read_batch(&self.tables.audits, wanted).await?;
        let note = |found: &Item| {
            let value = |name: &str| found.get(name).and_then(|value| value.as_s().ok()).cloned();
            Some((value("sk")?.parse().ok()?, value("note")?))
        };
        Ok(found.iter().filter_map(note).collect())
    }

    /// Writes the note on a record, in place of the one before.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`].
    pub async fn put_audit_note(&self, record: &Record, note: &Note) -> Result<(), StoreError> {
        let mut item = keys::audit_note(record.tenant, record.uid).item();
        item.insert("note".to_owned(), text(note.as_str()));
        item.insert("ttl".to_owned(), number(record.at.secs() + RETENTION_SECS));
        self.client.put_item().table_name(&self.tables.audits).set_item(Some(item)).send().await?;
        Ok(())
    }

    /// How far the chain of a tenant goes.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`].
    pub async fn audit_head(&self, tenant: TenantUid) -> Result<Head, StoreError> {
        let key = keys::audit_head(tenant).item();
        let read = self.client.get_item().table_name(&self.tables.audits).set_key(Some(key)).consistent_read(true);
        match read.send().await?.item {
            None => Ok(Head { tenant, seq: 0, hash: LinkHash::NONE }),
            Some(found) => {
                let link = link(&found).ok_or_else(|| StoreError::Broken("an unreadable head of a chain".into()))?;
                Ok(Head { tenant, seq: link.0, hash: link.1 })
            }
        }
    }

    /// All records of a tenant, in the order of their uids.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`].
    pub async fn audit_trail(&self, tenant: TenantUid) -> Result<Vec<StoredRecord>, StoreError> {
        let query = self
            .client
            .query()
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", text(keys::tenant_partition(tenant)));
        self.query_all_of(&self.tables.audits, query).await?.into_iter().map(stored).collect()
    }

    /// Puts records at the end of the chain of their tenant, in this order, each at most once however often it comes.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`].
    pub async fn link_audits(&self, tenant: TenantUid, records: &[(AuditUid, String)]) -> Result<(), StoreError> {
        for chunk in records.chunks(LINKS_AT_ONCE) {
            let mut left: Vec<_> = chunk.iter().collect();
            let mut attempts = 0;
            while !left.is_empty() {
                let before = self.audit_head(tenant).await?;
                match self.transact(self.links(&before, &left)).await {
                    Ok(()) => break,
                    // Linked before, or gone: the others are still to be linked.
                    Err(Cancelled::Condition { at, .. }) if at > 0 => {
                        left.remove(at - 1);
                    }
                    // Another one linked something else.
                    Err(Cancelled::Condition { .. }) if attempts < ATTEMPTS => attempts += 1,
                    Err(cancelled) => return Err(StoreError::from(cancelled)),
                }
            }
        }
        Ok(())
    }

    fn links(&self, before: &Head, records: &[&(AuditUid, String)]) -> Vec<TransactWriteItem> {
        let (mut seq, mut previous) = (before.seq, before.hash);
        let mut writes = Vec::new();
        for (uid, record) in records {
            seq += 1;
            let hash = previous.next(seq, record);
            let link = Change {
                table: self.tables.audits.clone(),
                key: keys::audit(before.tenant, *uid).item(),
                expression: "SET #seq = :seq, #previous = :previous, #hash = :hash".to_owned(),
                // Over the text that came by the stream: should it be another by now, the hash shows that.
                condition: "attribute_exists(pk) AND attribute_not_exists(#seq)".to_owned(),
                names: vec![("#seq", "seq"), ("#previous", "previous"), ("#hash", "hash")],
                values: vec![(":seq", number(seq)), (":previous", text(previous)), (":hash", text(hash))],
            };
            writes.push(link.build());
            previous = hash;
        }
        let mut head = keys::audit_head(before.tenant).item();
        head.insert("seq".to_owned(), number(seq));
        head.insert("hash".to_owned(), text(previous));
        let put = Put::builder().table_name(&self.tables.audits).set_item(Some(head));
        let put = if before.seq == 0 {
            put.condition_expression("attribute_not_exists(pk)")
        } else {
            put.condition_expression("#seq = :before")
                .expression_attribute_names("#seq", "seq")
                .expression_attribute_values(":before", number(before.seq))
        };
        writes.insert(0, TransactWriteItem::builder().put(put.build().expect("table and item are set")).build());
        writes
    }

    /// The write of a record, for a transaction in which it may concern nobody.
    pub(crate) fn put_audit_or_decoy(&self, record: &Record, is_wanted: bool) -> TransactWriteItem {
        self.put_audit(if is_wanted { of_record(record) } else { decoy(record) })
    }

    fn put_audit(&self, item: Item) -> TransactWriteItem {
        let put = Put::builder()
            .table_name(&self.tables.audits)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(pk)")
            .build()
            .expect("table and item are set");
        TransactWriteItem::builder().put(put).build()
    }
}

fn of_record(record: &Record) -> Item {
    let mut item = keys::audit(record.tenant, record.uid).item();
    item.insert("record".to_owned(), text(record.to_text()));
    item.insert("ttl".to_owned(), number(record.at.secs() + RETENTION_SECS));
    item
}

fn decoy(record: &Record) -> Item {
    let mut item = of_record(record);
    // Each in a partition of its own, as those of somebody are, or a flood of them would be slower than theirs.
    item.insert("pk".to_owned(), text(format!("NOBODY#{}", record.uid)));
    item.insert("ttl".to_owned(), number(record.at.secs() + DECOY_SECS));
    item
}

fn link(item: &Item) -> Option<(u64, LinkHash)> {
    let seq = item.get("seq")?.as_n().ok()?.parse().ok()?;
    Some((seq, LinkHash::parse(item.get("hash")?.as_s().ok()?)?))
}

fn stored(item: Item) -> Result<StoredRecord, StoreError> {
    let value = |name: &str| item.get(name).and_then(|value| value.as_s().ok()).cloned();
    let read = || {
        let previous = value("previous").and_then(|previous| LinkHash::parse(&previous));
        Some(StoredRecord {
            uid: value("sk")?.parse().ok()?,
            text: value("record")?,
            link: link(&item).zip(previous).map(|((seq, hash), previous)| Link { seq, previous, hash }),
        })
    };
    read().ok_or_else(|| StoreError::Broken("an unreadable record of the audit trail".into()))
}

/// Tenant, uid and text of the record in an item of the audit trail; `None` if the item is another.
pub fn record_of(item: Item) -> Option<(TenantUid, AuditUid, String)> {
    let tenant = item.get("pk")?.as_s().ok()?.strip_prefix("TENANT#")?.parse().ok()?;
    let found = stored(item).ok()?;
    Some((tenant, found.uid, found.text))
}

impl StoredRecord {
    /// The record itself.
    ///
    /// # Errors
    ///
    /// [`StoreError::Broken`] if it cannot be read.
    pub fn record(&self) -> Result<Record, StoreError> {
        item::parse_json(&self.text)
    }
}
