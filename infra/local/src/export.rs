//! Everything in the tables as lines of JSON, for tests and backups of a laptop.

use std::io::Write;

use domain::{audit::Line, tenant::OrgName};
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
        let mut request = json!({ "TableName": name, "ConsistentRead": true });
        loop {
            let page = service.backend.execute("Scan", &request).await?;
            for item in page["Items"].as_array().into_iter().flatten() {
                writeln!(output, "{}", json!({ "table": table, "item": item }))?;
            }
            match &page["LastEvaluatedKey"] {
                Value::Null => break,
                last => request["ExclusiveStartKey"] = last.clone(),
            }
        }
    }
    output.flush()?;
    Ok(())
}

/// Writes the audit trail of an organization, a [`Line`] for each record in the order of the chain, and the head.
///
/// # Errors
///
/// [`ExportError`].
pub async fn export_trail(service: &Service, org: &str, output: &mut (impl Write + Send)) -> Result<(), ExportError> {
    let now = domain::Timestamp::from_millis(0);
    let tenant =
        service.store.tenant_named(&OrgName::folded(org), now).await?.ok_or(ExportError::NoSuchOrganization)?;
    let head = service.store.audit_head(tenant).await?;
    let mut records = service.store.audit_trail(tenant).await?;
    // What was linked after the head was read is left for the next export.
    records.retain(|record| record.link.is_some_and(|link| link.seq <= head.seq));
    records.sort_by_key(|record| record.link.map(|link| link.seq));
    for record in records {
        let Some(place) = record.link else { continue };
        let text = RawValue::from_string(record.text)?;
        let line = Line { seq: place.seq, previous: place.previous, hash: place.hash, record: text };
        writeln!(output, "{}", serde_json::to_string(&line)?)?;
    }
    writeln!(output, "{}", serde_json::to_string(&head)?)?;
    output.flush()?;
    Ok(())
}
