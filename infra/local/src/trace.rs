//! Which calls of DynamoDB and KMS a request makes, in their order.

use std::{cell::RefCell, future::Future};

use serde::Serialize;

/// One call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Operation {
    /// Such as `BatchGetItem`.
    pub name: String,
    /// The tables it names, by their resources in the template; none of KMS.
    pub tables: Vec<String>,
    /// How many tables it reads or items it writes.
    pub accesses: usize,
}

impl Operation {
    /// Whether it changes nothing.
    pub fn is_read(&self) -> bool {
        ["BatchGetItem", "GetItem", "Query", "Scan", "TransactGetItems", "Encrypt", "Decrypt"]
            .contains(&self.name.as_str())
    }
}

tokio::task_local! {
    static OPERATIONS: RefCell<Vec<Operation>>;
}

/// Runs something and returns the calls that it made beside what it returned.
pub async fn traced<T>(work: impl Future<Output = T>) -> (T, Vec<Operation>) {
    OPERATIONS
        .scope(RefCell::default(), async {
            let result = work.await;
            (result, OPERATIONS.with(RefCell::take))
        })
        .await
}

/// Notes a call of whatever is traced at the moment.
pub(crate) fn note(operation: Operation) {
    // Outside of any trace there is nothing to note it in.
    let _ = OPERATIONS.try_with(|operations| operations.borrow_mut().push(operation));
}
