//! Several writes that happen together or not at all.

use std::time::Duration;

use aws_sdk_dynamodb::{
    operation::transact_write_items::TransactWriteItemsError,
    types::{AttributeValue, CancellationReason, ConditionCheck, Delete, Put, TransactWriteItem, Update},
};

use domain::TenantUid;

use crate::{
    Store, StoreError,
    item::{Item, ItemKey},
    text,
};

/// How often a transaction is sent that met another one on the same item. All pauses together take two seconds at the
/// most, one on average: many may want the same item at once, and whoever gives up is told to try again.
const ATTEMPTS: u32 = 10;
/// The longest pause before the second attempt; it doubles from there.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
/// The longest pause of all.
const LONGEST_PAUSE: Duration = Duration::from_millis(400);

/// Why nothing was written.
#[derive(Debug)]
pub(crate) enum Cancelled {
    /// The condition of the write at this place did not hold; with the item as it is, where that was asked for.
    Condition { at: usize, item: Option<Item> },
    /// Anything else.
    Other(StoreError),
}

impl From<StoreError> for Cancelled {
    fn from(error: StoreError) -> Self {
        Self::Other(error)
    }
}

impl From<Cancelled> for StoreError {
    fn from(cancelled: Cancelled) -> Self {
        match cancelled {
            Cancelled::Condition { .. } => Self::Conflict,
            Cancelled::Other(error) => error,
        }
    }
}

impl Store {
    /// Writes all or nothing.
    ///
    /// The SDK gives the call a `ClientRequestToken` and keeps it while it retries, so a write whose answer was lost is
    /// not made twice.
    pub(crate) async fn transact(&self, writes: Vec<TransactWriteItem>) -> Result<(), Cancelled> {
        let mut pause = FIRST_PAUSE;
        for attempt in 1.. {
            let sent = self.client.transact_write_items().set_transact_items(Some(writes.clone())).send().await;
            let Err(error) = sent else { return Ok(()) };
            let reasons = match error.as_service_error() {
                Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) => {
                    cancelled.cancellation_reasons()
                }
                _ => return Err(StoreError::from(error).into()),
            };
            if let Some(failed) = failed_condition(reasons) {
                return Err(failed);
            }
            let met_another = reasons.iter().any(|reason| reason.code() == Some("TransactionConflict"));
            if !met_another {
                // A throttled transaction is cancelled too; what else cancels one is a fault of ours.
                let throttled = reasons.iter().any(|reason| {
                    reason.code().is_some_and(|code| code.contains("Throttl") || code.contains("Throughput"))
                });
                let error = aws_sdk_dynamodb::error::DisplayErrorContext(error).to_string().into();
                return Err(if throttled { StoreError::Unavailable(error) } else { StoreError::Broken(error) }.into());
            }
            if attempt == ATTEMPTS {
                return Err(StoreError::Unavailable("other transactions kept the items busy".into()).into());
            }
            // All of it is drawn, so that those who met do not meet again.
            tokio::time::sleep(pause * u32::from(self.jitter.draw()) / u32::from(u8::MAX)).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        unreachable!("the loop ends by returning")
    }

    /// The same, without another attempt when it meets another transaction.
    pub(crate) async fn transact_once(&self, writes: Vec<TransactWriteItem>) -> Result<(), Cancelled> {
        let sent = self.client.transact_write_items().set_transact_items(Some(writes)).send().await;
        let Err(error) = sent else { return Ok(()) };
        if let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) = error.as_service_error()
            && let Some(failed) = failed_condition(cancelled.cancellation_reasons())
        {
            return Err(failed);
        }
        Err(StoreError::from(error).into())
    }

    pub(crate) fn put_new(&self, item: Item) -> TransactWriteItem {
        let put = Put::builder()
            .table_name(&self.tables.tenants)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(pk)")
            .build()
            .expect("table and item are set");
        TransactWriteItem::builder().put(put).build()
    }
}

impl Store {
    pub(crate) fn put_any(&self, item: Item) -> TransactWriteItem {
        let put = Put::builder().table_name(&self.tables.tenants).set_item(Some(item));
        TransactWriteItem::builder().put(put.build().expect("table and item are set")).build()
    }

    /// Puts an item that no other tenant holds.
    pub(crate) fn put_if_own(&self, item: Item, tenant: TenantUid) -> TransactWriteItem {
        let put = Put::builder()
            .table_name(&self.tables.tenants)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(pk) OR #tenant = :tenant")
            .expression_attribute_names("#tenant", "tenant")
            .expression_attribute_values(":tenant", text(tenant));
        TransactWriteItem::builder().put(put.build().expect("table and item are set")).build()
    }

    /// That there is no such item.
    pub(crate) fn check_absent(&self, key: &ItemKey) -> TransactWriteItem {
        let check = ConditionCheck::builder()
            .table_name(&self.tables.tenants)
            .set_key(Some(key.item()))
            .condition_expression("attribute_not_exists(pk)");
        TransactWriteItem::builder().condition_check(check.build().expect("table, key and condition are set")).build()
    }

    /// Deletes an item that no other tenant holds.
    pub(crate) fn delete_if_own(&self, key: &ItemKey, tenant: TenantUid) -> TransactWriteItem {
        let delete = Delete::builder()
            .table_name(&self.tables.tenants)
            .set_key(Some(key.item()))
            .condition_expression("attribute_not_exists(pk) OR #tenant = :tenant")
            .expression_attribute_names("#tenant", "tenant")
            .expression_attribute_values(":tenant", text(tenant));
        TransactWriteItem::builder().delete(delete.build().expect("table and key are set")).build()
    }

    pub(crate) fn delete(&self, key: &ItemKey) -> TransactWriteItem {
        let delete = Delete::builder().table_name(&self.tables.tenants).set_key(Some(key.item()));
        TransactWriteItem::builder().delete(delete.build().expect("table and key are set")).build()
    }

    pub(crate) fn delete_if(&self, key: &ItemKey, condition: &str) -> TransactWriteItem {
        let delete = Delete::builder()
            .table_name(&self.tables.tenants)
            .set_key(Some(key.item()))
            .condition_expression(condition)
            .build()
            .expect("table and key are set");
        TransactWriteItem::builder().delete(delete).build()
    }
}

/// An update of one item, of which the SDK's builder needs ten lines each time.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    pub(crate) table: String,
    pub(crate) key: Item,
    pub(crate) expression: String,
    /// Empty if there is none.
    pub(crate) condition: String,
    pub(crate) names: Vec<(&'static str, &'static str)>,
    pub(crate) values: Vec<(&'static str, AttributeValue)>,
}

impl Change {
    pub(crate) fn build(self) -> TransactWriteItem {
        let mut update = Update::builder()
            .table_name(self.table)
            .set_key(Some(self.key))
            .update_expression(self.expression)
            .set_condition_expression(Some(self.condition).filter(|condition| !condition.is_empty()))
            .return_values_on_condition_check_failure(
                aws_sdk_dynamodb::types::ReturnValuesOnConditionCheckFailure::AllOld,
            );
        for (alias, name) in self.names {
            update = update.expression_attribute_names(alias, name);
        }
        for (alias, value) in self.values {
            update = update.expression_attribute_values(alias, value);
        }
        TransactWriteItem::builder().update(update.build().expect("table, key and expression are set")).build()
    }
}

fn failed_condition(reasons: &[CancellationReason]) -> Option<Cancelled> {
    let at = reasons.iter().position(|reason| reason.code() == Some("ConditionalCheckFailed"))?;
    Some(Cancelled::Condition { at, item: reasons[at].item().cloned() })
}
