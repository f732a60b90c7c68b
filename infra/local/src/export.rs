//! Everything in the tables as lines of JSON, for tests and backups of a laptop.

use std::{io::Write, time::Duration};

use domain::{
    Timestamp,
    audit::{Line, Record},
    tenant::OrgName,
};
use serde_json::{Value, json, value::RawValue};
use store::StoreError;

use crate::{Service, backend::BackendError};

/// The export broke off.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// DynamoDB did not do it.
    #[error(transparent)]
    Backend(#[from] BackendError),
    /// A table did not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no such organization.
    #[error("there is no organization of this name")]
    NoSuchOrganization,
    /// A record is no JSON.
    #[error("a record of the trail cannot be read: {0}")]
    Record(#[from] serde_json::Error),
    /// The output did not take it.
    #[error("the output cannot be written: {0}")]
    Output(#[from] std::io::Error),
}

/// Writes one line for each item: `{"table": …, "item": …}`, the item in DynamoDB's own JSON.
///
/// # Errors
///
/// [`ExportError`].
pub async fn export(service: &Service, output: &mut (impl Write + Send)) -> Result<(), ExportError> {
    let names = service.table_names();
    for (table, name) in [("TenantsTable", names.tenants), ("KeysTable", names.keys), ("AuditsTable", names.audits)] {
        let request = json!({ "TableName": name, "ConsistentRead": true });
        let write =
            |item: &Value| Ok::<_, ExportError>(writeln!(output, "{}", json!({ "table": table, "item": item }))?);
        service.backend.scan(request, write).await?;
    }
    output.flush()?;
    Ok(())
}

/// Writes the audit trail of an organization, a [`Line`] for each record in the order of the chain, and the head.
///
/// - `now`: records of more than a year before are left out.
///
/// # Errors
///
/// [`ExportError`].
pub async fn export_trail(
    service: &Service,
    org: &str,
    now: Timestamp,
    output: &mut (impl Write + Send),
) -> Result<(), ExportError> {
    let tenant =
        service.store.tenant_named(&OrgName::folded(org), now).await?.ok_or(ExportError::NoSuchOrganization)?;
    let head = service.store.audit_head(tenant).await?;
    let mut records = service.store.audit_trail(tenant).await?;
    let unlinked = records.iter().filter(|record| record.link.is_none()).count();
    if unlinked > 0 {
        eprintln!("latchkey: {unlinked} records have no place in the chain yet and are left out");
    }
    // What was linked after the head was read is left for the next export.
    records.retain(|record| record.link.is_some_and(|link| link.seq <= head.seq));
    records.sort_by_key(|record| record.link.map(|link| link.seq));
    // The table removes what is older than a year, in no order: what is left begins behind the last of that age.
    let year_ago = Record::uid_at(now - Duration::from_hours(24 * 365), [0; 6]);
    let begin = records.iter().rposition(|record| record.uid < year_ago).map_or(0, |last| last + 1);
    for record in records.drain(begin..) {
        let Some(place) = record.link else { continue };
        let text = RawValue::from_string(record.text)?;
        let line = Line { seq: place.seq, previous: place.previous, hash: place.hash, record: text };
        writeln!(output, "{}", serde_json::to_string(&line)?)?;
    }
    writeln!(output, "{}", serde_json::to_string(&head)?)?;
    output.flush()?;
    Ok(())
}
