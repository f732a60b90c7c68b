//! Fills the tables with many keys, without HTTP, for loads and benchmarks.

use std::{collections::HashMap, time::Duration};

use aws_sdk_dynamodb::{
    Client,
    types::{AttributeValue, PutRequest, WriteRequest},
};
use domain::{Timestamp, User, role};
use functions::app::Entropy;
use serde_json::json;
use store::{StoreError, item};

use crate::{Service, connector, demo, faults::Faults};

/// Items of one batch: what DynamoDB takes.
const BATCH: usize = 25;

/// How much to make.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// Tenants.
    pub tenants: usize,
    /// Users of each tenant; the first is its admin.
    pub users: usize,
    /// Keys of each user.
    pub keys: usize,
    /// Keys of all that expire within the hour, while the others live for a hundred days at least; `None` for keys that
    /// expire one after the other from tomorrow on.
    pub expiring: Option<usize>,
}

/// The tables could not be filled.
#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    /// An item could not be made or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A tenant could not be made.
    #[error(transparent)]
    Tenant(#[from] store::CreateTenantRefused),
    /// A key makes no sense.
    #[error(transparent)]
    Rule(#[from] domain::api_key::ApiKeyRefused),
    /// A batch was refused.
    #[error("a batch was refused: {0}")]
    Batch(String),
}

/// Fills the tables and prints, for each user, a line of JSON with one of their keys.
///
/// # Errors
///
/// [`SeedError`].
pub async fn seed(service: &Service, entropy: &Entropy, now: Timestamp, size: Size) -> Result<(), SeedError> {
    let mut batch = Batch::new(service);
    for tenant in 0..size.tenants {
        let tenant = demo::draw_tenant(entropy, &format!("tenant-{tenant}-{}", now.millis()));
        let admin = demo::draw_user(entropy, &tenant, "user0", "Seed", &[role::TENANT_ADMIN.uid], now);
        demo::new_tenant(&service.store, entropy, &tenant, &admin).await?;
        for user in 0..size.users {
            let user = match user {
                0 => admin.clone(),
                _ => demo::draw_user(entropy, &tenant, &format!("user{user}"), "Seed", &[], now),
            };
            let value = batch.user(entropy, &user, now, size).await?;
            println!("{}", json!({ "tenant": tenant.uid, "user": user.uid, "apiKey": value }));
        }
    }
    batch.flush().await
}

struct Batch {
    client: Client,
    tenants: String,
    keys: String,
    waiting: Vec<(String, WriteRequest)>,
    made: usize,
}

impl Batch {
    fn new(service: &Service) -> Self {
        let names = service.table_names();
        let client = connector::client(
            &service.backend,
            None,
            std::sync::Arc::default(),
            Faults::default(),
            connector::Posted::default(),
        );
        Self { client, tenants: names.tenants, keys: names.keys, waiting: Vec::new(), made: 0 }
    }

    /// Adds a user with so many keys, the first of which it returns.
    async fn user(
        &mut self,
        entropy: &Entropy,
        user: &User,
        now: Timestamp,
        size: Size,
    ) -> Result<Option<String>, SeedError> {
        let items = item::of_user(user)?;
        let mut profile = items.profile;
        profile.insert(item::KEY_COUNT.to_owned(), AttributeValue::N(size.keys.to_string()));
        self.put(self.tenants.clone(), profile).await?;
        self.put(self.tenants.clone(), items.index).await?;
        let mut first = None;
        for key in 0..size.keys {
            let days = |days: u64| Duration::from_hours(24 * days);
            let expires_at = match size.expiring {
                None => now + days(1 + key as u64 % 365),
                Some(expiring) if self.made < expiring => now + Duration::from_mins(30),
                Some(_) => now + days(100 + self.made as u64 % 300),
            };
            self.made += 1;
            let (key, value) = demo::draw_api_key(entropy, user, &format!("key-{key}"), expires_at, now)?;
            let items = item::of_api_key(&key, &value.digest())?;
            self.put(self.keys.clone(), items.key).await?;
            self.put(self.tenants.clone(), items.index).await?;
            self.put(self.tenants.clone(), items.name).await?;
            first.get_or_insert_with(|| value.expose().to_owned());
        }
        Ok(first)
    }

    async fn put(&mut self, table: String, item: item::Item) -> Result<(), SeedError> {
        let put = PutRequest::builder().set_item(Some(item)).build().expect("the item is set");
        self.waiting.push((table, WriteRequest::builder().put_request(put).build()));
        if self.waiting.len() == BATCH { self.flush().await } else { Ok(()) }
    }

    async fn flush(&mut self) -> Result<(), SeedError> {
        let mut requests: HashMap<String, Vec<WriteRequest>> = HashMap::new();
        for (table, write) in self.waiting.drain(..) {
            requests.entry(table).or_default().push(write);
        }
        while !requests.is_empty() {
            let batch = self.client.batch_write_item().set_request_items(Some(requests)).send().await;
            let written = batch.map_err(|error| SeedError::Batch(error.into_service_error().to_string()))?;
            requests = written.unprocessed_items.unwrap_or_default();
        }
        Ok(())
    }
}
