//! Tenants, their settings and projects.

use domain::{ProjectUid, Tenant, TenantUid, tenant::Project};

use crate::{Store, StoreError, item, keys};

impl Store {
    /// A tenant with what it has set.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`].
    pub async fn tenant(&self, uid: TenantUid) -> Result<Option<Tenant>, StoreError> {
        self.get(&keys::settings(uid)).await?.map(item::tenant).transpose()
    }

    /// One project of a tenant.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`].
    pub async fn project(&self, tenant: TenantUid, uid: ProjectUid) -> Result<Option<Project>, StoreError> {
        self.get(&keys::project(tenant, uid)).await?.map(item::project).transpose()
    }

    /// The projects of a tenant.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`].
    pub async fn projects(&self, tenant: TenantUid) -> Result<Vec<Project>, StoreError> {
        let items = self.query_prefix(&keys::tenant_partition(tenant), keys::PROJECT_PREFIX).await?;
        items.into_iter().map(item::project).collect()
    }

    /// Writes a new tenant with its first project.
    ///
    /// # Errors
    ///
    /// [`StoreError::Conflict`] if there is one of this uid.
    pub async fn create_tenant(&self, tenant: &Tenant, project: &Project) -> Result<(), StoreError> {
        let writes = vec![self.put_new(item::of_tenant(tenant)?), self.put_new(item::of_project(tenant.uid, project)?)];
        Ok(self.transact(writes).await?)
    }
}
