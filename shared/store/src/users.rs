//! Users.

use domain::{TenantUid, User, UserUid};

use crate::{Store, StoreError, item, keys};

impl Store {
    /// The user of this uid if it belongs to this tenant.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`].
    pub async fn user(&self, tenant: TenantUid, uid: UserUid) -> Result<Option<User>, StoreError> {
        let user = self.get(&keys::user(uid)).await?.map(item::user).transpose()?;
        Ok(user.filter(|user| user.tenant == tenant))
    }

    /// Writes a new user.
    ///
    /// # Errors
    ///
    /// [`StoreError::Conflict`] if there is one of this uid.
    pub async fn create_user(&self, user: &User) -> Result<(), StoreError> {
        let items = item::of_user(user)?;
        Ok(self.transact(vec![self.put_new(items.profile), self.put_new(items.index)]).await?)
    }
}
