//! Everything in the tables as lines of JSON, for tests and backups of a laptop.

use std::io::Write;

use serde_json::{Value, json};

use crate::{Service, backend::BackendError};

/// The export broke off.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// DynamoDB did not do it.
    #[error(transparent)]
    Backend(#[from] BackendError),
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
    for (table, name) in [("TenantsTable", names.tenants), ("KeysTable", names.keys)] {
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
