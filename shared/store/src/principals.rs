//! What a credential is decided upon, read in one round trip.

use std::{collections::HashMap, time::Duration};

use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};
use domain::{
    ApiKey, User,
    api_key::{ApiKeyValue, Digest},
    principal::TokenState,
    token::Claims,
};

use crate::{
    Store, StoreError,
    item::{self, Item},
    keys, text,
};

/// How often the rest of a batch is asked for that the table left out for load.
const ATTEMPTS: u32 = 3;
const FIRST_PAUSE: Duration = Duration::from_millis(20);

impl Store {
    /// The key that a presented value names, with the digest of its value, and the user that it names.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`].
    pub async fn api_key_and_user(
        &self,
        presented: &ApiKeyValue,
    ) -> Result<(Option<(ApiKey, Digest)>, Option<User>), StoreError> {
        let key = Item::from([("uid".to_owned(), text(presented.key))]);
        let mut found = self.read_together(vec![keys::user(presented.user).item()], vec![key]).await?;
        let key = found.keys.pop().map(|found| Ok::<_, StoreError>((item::digest(&found)?, item::api_key(found)?)));
        let key = key.transpose()?.map(|(digest, key)| (key, digest));
        let user = found.tenants.pop().map(item::user).transpose()?;
        Ok((key, user))
    }

    /// The user, session and API key that a token names.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`].
    pub async fn token_state(&self, claims: &Claims) -> Result<TokenState, StoreError> {
        let key = claims.kuid.map(|kuid| Item::from([("uid".to_owned(), text(kuid))]));
        let records = vec![keys::user(claims.sub).item(), keys::session(claims.sid).item()];
        let found = self.read_together(records, key.into_iter().collect()).await?;
        let mut state = TokenState::default();
        for found in found.tenants {
            if found.get("pk") == Some(&text(keys::session(claims.sid).pk)) {
                state.session = Some(item::session(found)?);
            } else {
                state.user = Some(item::user(found)?);
            }
        }
        state.api_key = found.keys.into_iter().next().map(item::api_key).transpose()?;
        Ok(state)
    }

    async fn read_together(&self, tenants: Vec<Item>, keys: Vec<Item>) -> Result<Found, StoreError> {
        let mut wanted = HashMap::from([(self.tables.tenants.clone(), consistent(tenants))]);
        if !keys.is_empty() {
            wanted.insert(self.tables.keys.clone(), consistent(keys));
        }
        let mut found = self.read_all(wanted).await?;
        Ok(Found {
            tenants: found.remove(&self.tables.tenants).unwrap_or_default(),
            keys: found.remove(&self.tables.keys).unwrap_or_default(),
        })
    }

    /// The items of one table, those that there are, in any order.
    pub(crate) async fn read_batch(&self, table: &str, wanted: Vec<Item>) -> Result<Vec<Item>, StoreError> {
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let found = self.read_all(HashMap::from([(table.to_owned(), consistent(wanted))])).await?;
        Ok(found.into_values().flatten().collect())
    }

    async fn read_all(
        &self,
        mut wanted: HashMap<String, KeysAndAttributes>,
    ) -> Result<HashMap<String, Vec<Item>>, StoreError> {
        let mut found: HashMap<String, Vec<Item>> = HashMap::new();
        let mut pause = FIRST_PAUSE;
        for _ in 0..ATTEMPTS {
            let answer = self.client.batch_get_item().set_request_items(Some(wanted)).send().await?;
            for (table, items) in answer.responses.unwrap_or_default() {
                found.entry(table).or_default().extend(items);
            }
            wanted = answer.unprocessed_keys.unwrap_or_default();
            if wanted.is_empty() {
                return Ok(found);
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
        Err(StoreError::Unavailable("the table left out items for load".into()))
    }
}

#[derive(Debug, Default)]
struct Found {
    tenants: Vec<Item>,
    keys: Vec<Item>,
}

fn consistent(keys: Vec<HashMap<String, AttributeValue>>) -> KeysAndAttributes {
    KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(true).build().expect("keys are set")
}
