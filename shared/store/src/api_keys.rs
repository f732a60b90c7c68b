//! API keys: an item in `keys`, an index item and a held name in `tenants`, a counter in the user's profile. All of
//! them change together.

use aws_sdk_dynamodb::types::{AttributeValue, Delete, Put, TransactWriteItem};
use domain::{ApiKey, ApiKeyUid, TenantUid, User, UserUid, api_key::Digest};

use crate::{
    OutgoingMail, Recorded, Store, StoreError,
    item::{self, ApiKeyRow, Item, ItemKey, KEY_CHANGES, KEY_COUNT},
    keys, number, text,
    transaction::{Cancelled, Change},
};

/// Why a key was not created.
#[derive(Debug, thiserror::Error)]
pub enum CreateRefused {
    /// Another key of the user has the name.
    #[error("the user has an API key of this name already")]
    DuplicateName,
    /// The user has as many keys as the tenant allows.
    #[error("the user has as many API keys as the tenant allows")]
    LimitReached,
    /// The user was removed meanwhile.
    #[error("the user was removed")]
    UserGone,
    /// The tables did not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a key was not replaced.
#[derive(Debug, thiserror::Error)]
pub enum ReplaceRefused {
    /// Another key of the user has the name.
    #[error("the user has an API key of this name already")]
    DuplicateName,
    /// The table has removed it from the list already, and the user has as many others as the tenant allows: this many.
    #[error("the user has as many API keys as the tenant allows")]
    LimitReached(u32),
    /// The tables did not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Places in the transactions below, by which a failed condition is told.
const AT_NAME: usize = 2;
const AT_USER: usize = 3;
const AT_INDEX: usize = 1;

impl Store {
    /// The key of this uid if it belongs to this tenant.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`].
    pub async fn api_key(&self, tenant: TenantUid, uid: ApiKeyUid) -> Result<Option<ApiKey>, StoreError> {
        let read = self.client.get_item().table_name(&self.tables.keys).key("uid", text(uid)).consistent_read(true);
        let key = read.send().await?.item.map(item::api_key).transpose()?;
        Ok(key.filter(|key| key.tenant == tenant))
    }

    /// The keys of one user, in the order of their uids.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`].
    pub async fn api_keys_of_user(&self, tenant: TenantUid, user: UserUid) -> Result<Vec<ApiKey>, StoreError> {
        let items = self.query_prefix(&keys::tenant_partition(tenant), &keys::api_keys_of(user)).await?;
        items.into_iter().map(item::api_key).collect()
    }

    /// All keys of a tenant and all of its users, read together, since lists of keys name their users.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`].
    pub async fn api_keys_of_tenant(&self, tenant: TenantUid) -> Result<(Vec<ApiKey>, Vec<User>), StoreError> {
        // Between the two lie a few items of the tenant itself, which one query reads more cheaply than two skip.
        let range = self
            .client
            .query()
            .key_condition_expression("pk = :pk AND sk BETWEEN :first AND :last")
            .expression_attribute_values(":pk", text(keys::tenant_partition(tenant)))
            .expression_attribute_values(":first", text(keys::KEY_PREFIX))
            .expression_attribute_values(":last", text(keys::AFTER_USERS));
        let (mut api_keys, mut users) = (Vec::new(), Vec::new());
        for found in self.query_all(range).await? {
            let sk = found.get("sk").and_then(|sk| sk.as_s().ok()).cloned().unwrap_or_default();
            if sk.starts_with(keys::KEY_PREFIX) {
                api_keys.push(item::api_key(found)?);
            } else if sk.starts_with(keys::USER_PREFIX) {
                users.push(item::user(found)?);
            }
        }
        Ok((api_keys, users))
    }
}

impl Recorded<'_> {
    /// Writes a new key, if its name is free and its user has fewer than `limit`.
    ///
    /// - `mail`: who should hear of it.
    ///
    /// # Errors
    ///
    /// As in [`CreateRefused`]; nothing is written then.
    pub async fn create_api_key(
        &self,
        key: &ApiKey,
        digest: &Digest,
        limit: u32,
        mail: Option<&OutgoingMail>,
    ) -> Result<(), CreateRefused> {
        match self.try_create_api_key(key, digest, limit, mail).await {
            // Keys that the table removed by its TTL are still counted: see whether that is all.
            Err(CreateRefused::LimitReached) if self.recount_api_keys(key.tenant, key.user, limit).await? => {
                self.try_create_api_key(key, digest, limit, mail).await
            }
            done => done,
        }
    }

    async fn try_create_api_key(
        &self,
        key: &ApiKey,
        digest: &Digest,
        limit: u32,
        mail: Option<&OutgoingMail>,
    ) -> Result<(), CreateRefused> {
        let items = item::of_api_key(key, digest)?;
        let put = Put::builder()
            .table_name(&self.tables.keys)
            .set_item(Some(items.key))
            .condition_expression("attribute_not_exists(uid)")
            .build()
            .expect("table and item are set");
        let mut writes = vec![
            TransactWriteItem::builder().put(put).build(),
            self.put_new(items.index),
            self.hold_name(key),
            self.count_api_key(key, 1, Some(limit)),
        ];
        writes.extend(mail.map(item::of_mail).transpose()?.map(|mail| self.put_new(mail)));
        match self.transact(writes).await {
            Ok(()) => Ok(()),
            Err(Cancelled::Condition { at: AT_NAME, .. }) => Err(CreateRefused::DuplicateName),
            Err(Cancelled::Condition { at: AT_USER, item: Some(user) })
                if user.get("tenant") == Some(&text(key.tenant)) =>
            {
                Err(CreateRefused::LimitReached)
            }
            Err(Cancelled::Condition { at: AT_USER, .. }) => Err(CreateRefused::UserGone),
            Err(cancelled) => Err(StoreError::from(cancelled).into()),
        }
    }

    /// Replaces `before`, as it was read, by `after`.
    ///
    /// - `mail`: who should hear of it.
    ///
    /// # Errors
    ///
    /// [`StoreError::Conflict`] if the key changed or was removed since, [`ReplaceRefused::DuplicateName`] if another
    /// key of the user has the new name; [`ReplaceRefused::LimitReached`].
    pub async fn replace_api_key(
        &self,
        before: &ApiKey,
        after: &ApiKey,
        mail: Option<&OutgoingMail>,
    ) -> Result<(), ReplaceRefused> {
        match self.try_replace_api_key(before, after, mail, None).await {
            // The table has removed the index item of a key that has long expired: it comes back, and counts.
            Err(Cancelled::Condition { at: AT_INDEX, .. }) => {
                let limit = self.tenant(after.tenant).await?.ok_or(StoreError::Conflict)?.limits.api_key;
                if !self.recount_api_keys(after.tenant, after.user, limit).await? {
                    return Err(ReplaceRefused::LimitReached(limit));
                }
                Ok(self.try_replace_api_key(before, after, mail, Some(limit)).await?)
            }
            done => Ok(done?),
        }
    }

    /// - `limit`: of the keys that the user may have, if the index item is to come back.
    async fn try_replace_api_key(
        &self,
        before: &ApiKey,
        after: &ApiKey,
        mail: Option<&OutgoingMail>,
        limit: Option<u32>,
    ) -> Result<(), Cancelled> {
        let after = ApiKey { version: before.version + 1, ..after.clone() };
        let row = ApiKeyRow::from(&after);
        let mut change = Change {
            table: self.tables.keys.clone(),
            key: key_item(&after),
            expression: "SET #name = :name, #annotations = :annotations, #expires = :expires, \
                         #active = :active, #modified = :now, #ttl = :ttl, #version = :version"
                .to_owned(),
            condition: "#version = :read".to_owned(),
            names: vec![
                ("#name", "name"),
                ("#annotations", "annotations"),
                ("#expires", "expires_at"),
                ("#active", "is_active"),
                ("#modified", "modified_at"),
                ("#ttl", "ttl"),
                ("#version", "version"),
            ],
            values: vec![
                (":name", text(&row.name)),
                (
                    ":annotations",
                    AttributeValue::M(
                        row.annotations.iter().map(|(name, value)| (name.clone(), text(value))).collect(),
                    ),
                ),
                (":expires", number(row.expires_at)),
                (":active", AttributeValue::Bool(row.is_active)),
                (":now", number(row.modified_at)),
                (":ttl", number(row.ttl)),
                (":version", number(after.version)),
                (":read", number(before.version)),
            ],
        };
        // The sweeper does not raise the version. Who gives a key more time wins against it, everybody else does not.
        if after.expires_at <= before.expires_at {
            change.condition.push_str(" AND #active = :active_before");
            change.values.push((":active_before", AttributeValue::Bool(before.is_active)));
        }
        if after.is_active && !before.is_active {
            change.condition.push_str(" AND attribute_exists(#day)");
            change.names.push(("#day", item::EXPIRY_DAY));
        }
        // With more time it is the sweeper's again; without, it stays swept if it was.
        if after.expires_at != before.expires_at {
            change.expression.push_str(", #day = :day");
            if !change.names.contains(&("#day", item::EXPIRY_DAY)) {
                change.names.push(("#day", item::EXPIRY_DAY));
            }
            change.values.push((":day", number(after.expires_at.day())));
        }
        // The index item and the held name are written whole: the table may have removed them already, if the key
        // has long expired and is now extended.
        let index = Put::builder()
            .table_name(&self.tables.tenants)
            .set_item(Some(item::index_of_api_key(&after)?))
            .condition_expression(if limit.is_none() { "attribute_exists(pk)" } else { "attribute_not_exists(pk)" })
            .build()
            .expect("table and item are set");
        let mut writes = vec![change.build(), TransactWriteItem::builder().put(index).build(), self.hold_name(&after)];
        writes.extend(limit.map(|limit| self.count_api_key(&after, 1, Some(limit))));
        writes.extend(mail.map(item::of_mail).transpose()?.map(|mail| self.put_new(mail)));
        if before.name.folded() == after.name.folded() {
            return self.transact(writes).await;
        }
        let at_release = writes.len();
        let with_release = [writes.clone(), vec![self.release_name(before)]].concat();
        match self.transact(with_release).await {
            // Another key has taken the name after the end of this one, and keeps it.
            Err(Cancelled::Condition { at, .. }) if at == at_release => self.transact(writes).await,
            done => done,
        }
    }

    /// Takes a key back into use, if nothing has changed since it was read.
    ///
    /// # Errors
    ///
    /// [`StoreError::Conflict`] otherwise.
    pub async fn reactivate_api_key(
        &self,
        before: &ApiKey,
        after: &ApiKey,
        mail: Option<&OutgoingMail>,
    ) -> Result<(), StoreError> {
        // The name that it has held all the time can only be another's if the table has removed it.
        Ok(self.try_replace_api_key(before, after, mail, None).await?)
    }

    /// Takes a key out of use whatever else happened to it since it was read, so that no concurrent change can win.
    ///
    /// # Errors
    ///
    /// [`StoreError::Conflict`] if it was removed.
    pub async fn revoke_api_key(&self, revoked: &ApiKey) -> Result<(), StoreError> {
        let change = |table: &str, key: Item, hash: &'static str| Change {
            table: table.to_owned(),
            key,
            expression: "SET #active = :false, #modified = :now, #version = #version + :one".to_owned(),
            condition: "attribute_exists(#hash)".to_owned(),
            names: vec![
                ("#active", "is_active"),
                ("#modified", "modified_at"),
                ("#version", "version"),
                ("#hash", hash),
            ],
            values: vec![
                (":false", AttributeValue::Bool(false)),
                (":now", number(revoked.modified_at.millis())),
                (":one", number(1)),
            ],
        };
        let writes = vec![
            change(&self.tables.keys, key_item(revoked), "uid").build(),
            change(&self.tables.tenants, index_key(revoked).item(), "pk").build(),
        ];
        Ok(self.transact(writes).await?)
    }

    /// Removes a key and all that belongs to it.
    ///
    /// # Errors
    ///
    /// [`StoreError::Conflict`] if the key changed or was removed since it was read.
    pub async fn delete_api_key(&self, key: &ApiKey) -> Result<(), StoreError> {
        let delete = Delete::builder()
            .table_name(&self.tables.keys)
            .set_key(Some(key_item(key)))
            // The version too: a key renamed meanwhile holds another name than the one that is let go here.
            .condition_expression("#version = :read")
            .expression_attribute_names("#version", "version")
            .expression_attribute_values(":read", number(key.version))
            .build()
            .expect("table and key are set");
        let delete = TransactWriteItem::builder().delete(delete).build();
        let index = Delete::builder()
            .table_name(&self.tables.tenants)
            .set_key(Some(index_key(key).item()))
            .condition_expression("attribute_exists(pk)")
            .build()
            .expect("table and key are set");
        let index = TransactWriteItem::builder().delete(index).build();
        let (mut is_indexed, mut holds_name) = (true, true);
        loop {
            let mut writes = vec![delete.clone()];
            if is_indexed {
                writes.extend([index.clone(), self.count_api_key(key, -1, None)]);
            }
            let at_name = writes.len();
            if holds_name {
                writes.push(self.release_name(key));
            }
            match self.transact(writes).await {
                // The table removed the index item already, and with it the key from the next recount.
                Err(Cancelled::Condition { at: AT_INDEX, .. }) if is_indexed => is_indexed = false,
                // Another key has taken the name after the end of this one, and keeps it.
                Err(Cancelled::Condition { at, .. }) if holds_name && at == at_name => holds_name = false,
                done => return Ok(done?),
            }
        }
    }
}

impl Store {
    /// Holds the name of a key for it, unless another key of the user holds it. One whose end has come counts no more.
    fn hold_name(&self, key: &ApiKey) -> TransactWriteItem {
        let put = Put::builder()
            .table_name(&self.tables.tenants)
            .set_item(Some(item::name_of_api_key(key)))
            .condition_expression("attribute_not_exists(pk) OR #key = :key OR #ttl < :now")
            .expression_attribute_names("#key", "key")
            .expression_attribute_names("#ttl", "ttl")
            .expression_attribute_values(":key", text(key.uid))
            .expression_attribute_values(":now", number(key.modified_at.secs()));
        TransactWriteItem::builder().put(put.build().expect("table and item are set")).build()
    }

    /// Lets go of the name of a key, if it is still this key's.
    fn release_name(&self, key: &ApiKey) -> TransactWriteItem {
        let delete = Delete::builder()
            .table_name(&self.tables.tenants)
            .set_key(Some(keys::api_key_name(key.tenant, key.user, &key.name.folded()).item()))
            .condition_expression("attribute_not_exists(pk) OR #key = :key")
            .expression_attribute_names("#key", "key")
            .expression_attribute_values(":key", text(key.uid));
        TransactWriteItem::builder().delete(delete.build().expect("table and key are set")).build()
    }

    /// Counts a created or deleted key in the profile of its user.
    fn count_api_key(&self, key: &ApiKey, by: i32, limit: Option<u32>) -> TransactWriteItem {
        let mut values = vec![(":by", number(by)), (":one", number(1)), (":tenant", text(key.tenant))];
        let mut condition = "#tenant = :tenant".to_owned();
        if let Some(limit) = limit {
            condition.push_str(" AND #count < :limit");
            values.push((":limit", number(limit)));
        }
        let change = Change {
            table: self.tables.tenants.clone(),
            key: keys::user(key.user).item(),
            expression: "ADD #count :by, #changes :one".to_owned(),
            condition,
            names: vec![("#count", KEY_COUNT), ("#changes", KEY_CHANGES), ("#tenant", "tenant")],
            values,
        };
        change.build()
    }

    /// Counts the keys that a user really has, and says whether that is fewer than `limit`.
    pub(crate) async fn recount_api_keys(
        &self,
        tenant: TenantUid,
        user: UserUid,
        limit: u32,
    ) -> Result<bool, StoreError> {
        let profile_key = keys::user(user).item();
        let read = self.client.get_item().table_name(&self.tables.tenants).set_key(Some(profile_key.clone()));
        let profile = read.consistent_read(true).send().await?.item.ok_or(StoreError::Conflict)?;
        let changes = profile.get(KEY_CHANGES).cloned().unwrap_or_else(|| number(0));
        let count = self.api_keys_of_user(tenant, user).await?.len();
        if count >= limit as usize {
            return Ok(false);
        }
        // Only if no key came or went meanwhile; otherwise that count is of no moment that ever was.
        let write = Change {
            table: self.tables.tenants.clone(),
            key: profile_key,
            expression: "SET #count = :count".to_owned(),
            condition: "#changes = :changes".to_owned(),
            names: vec![("#count", KEY_COUNT), ("#changes", KEY_CHANGES)],
            values: vec![(":count", number(count)), (":changes", changes)],
        };
        match self.transact(vec![write.build()]).await {
            Ok(()) | Err(Cancelled::Condition { .. }) => Ok(true),
            Err(Cancelled::Other(error)) => Err(error),
        }
    }
}

impl From<Cancelled> for ReplaceRefused {
    fn from(cancelled: Cancelled) -> Self {
        match cancelled {
            Cancelled::Condition { at: AT_NAME, .. } => Self::DuplicateName,
            cancelled => StoreError::from(cancelled).into(),
        }
    }
}

fn key_item(key: &ApiKey) -> Item {
    item::key_of_api_key(key.uid)
}

fn index_key(key: &ApiKey) -> ItemKey {
    keys::api_key_index(key.tenant, key.user, key.uid)
}
