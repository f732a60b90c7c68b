//! Reads of single items and of whole ranges, which all kinds of items share.

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;

use crate::{
    Store, StoreError,
    item::{Item, ItemKey},
    text,
};

impl Store {
    pub(crate) async fn get(&self, key: &ItemKey) -> Result<Option<Item>, StoreError> {
        let read = self.client.get_item().table_name(&self.tables.tenants).set_key(Some(key.item()));
        Ok(read.consistent_read(true).send().await?.item)
    }

    pub(crate) async fn query_prefix(&self, pk: &str, sk_prefix: &str) -> Result<Vec<Item>, StoreError> {
        let query = self.client.query().expression_attribute_values(":pk", text(pk));
        let query = if sk_prefix.is_empty() {
            query.key_condition_expression("pk = :pk")
        } else {
            query
                .key_condition_expression("pk = :pk AND begins_with(sk, :prefix)")
                .expression_attribute_values(":prefix", text(sk_prefix))
        };
        self.query_all(query).await
    }

    pub(crate) async fn query_all(&self, query: QueryFluentBuilder) -> Result<Vec<Item>, StoreError> {
        self.query_all_of(&self.tables.tenants, query).await
    }

    /// Follows a query through all of its pages of at most 1 MB each.
    pub(crate) async fn query_all_of(&self, table: &str, query: QueryFluentBuilder) -> Result<Vec<Item>, StoreError> {
        let query = query.table_name(table).consistent_read(true);
        let mut items = Vec::new();
        let mut start = None;
        loop {
            let page = query.clone().set_exclusive_start_key(start).send().await?;
            items.extend(page.items.unwrap_or_default());
            start = page.last_evaluated_key.filter(|key| !key.is_empty());
            if start.is_none() {
                return Ok(items);
            }
        }
    }
}
