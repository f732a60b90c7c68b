//! Tenants, their settings and projects.

use domain::{
    EmailAddress, ProjectUid, Tenant, TenantUid, User,
    once::OneTime,
    tenant::{OrgName, Project},
};

use crate::{
    Membership, Store, StoreError,
    item::{self, ADMIN_COUNT, OrganizationRow, USER_COUNT},
    keys, number, people,
    transaction::{Cancelled, Change},
};

/// Why a tenant was not made.
#[derive(Debug, thiserror::Error)]
pub enum CreateTenantRefused {
    /// There is one of this name.
    #[error("there is an organization of this name already")]
    NameTaken,
    /// The tables did not do it, or the one-time token was used already.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What a tenant can change: the attribute, its alias, the aliases of its new and its old value.
const SETTINGS: [(&str, &str, &str, &str); 7] = [
    ("limits", "#limits", ":limits", ":limits_before"),
    ("idle_minutes", "#idle", ":idle", ":idle_before"),
    ("password_policy", "#policy", ":policy", ":policy_before"),
    ("banner", "#banner", ":banner", ":banner_before"),
    ("social_logins", "#social", ":social", ":social_before"),
    ("domains", "#domains", ":domains", ":domains_before"),
    ("oidc", "#oidc", ":oidc", ":oidc_before"),
];

impl Store {
    /// A tenant with what it has set.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`].
    pub async fn tenant(&self, uid: TenantUid) -> Result<Option<Tenant>, StoreError> {
        self.get(&keys::settings(uid)).await?.map(item::tenant).transpose()
    }

    /// The uid of the tenant of this name.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`].
    pub async fn tenant_named(&self, name: &OrgName) -> Result<Option<TenantUid>, StoreError> {
        let found = self.get(&keys::organization(name)).await?;
        Ok(found.map(item::read::<OrganizationRow>).transpose()?.map(|row| row.tenant))
    }

    /// Changes what a tenant has set. Its name and its counters stay.
    ///
    /// # Errors
    ///
    /// [`StoreError::Conflict`] if it was changed since it was read, or removed.
    pub async fn replace_settings(&self, before: &Tenant, after: &Tenant) -> Result<(), StoreError> {
        let (before, after) = (item::of_tenant(before)?, item::of_tenant(after)?);
        let changed: Vec<_> = SETTINGS.into_iter().filter(|(name, ..)| before.get(*name) != after.get(*name)).collect();
        if changed.is_empty() {
            return Ok(());
        }
        let assignments: Vec<_> = changed.iter().map(|(_, alias, value, _)| format!("{alias} = {value}")).collect();
        let conditions: Vec<_> = changed.iter().map(|(_, alias, _, value)| format!("{alias} = {value}")).collect();
        let change = Change {
            table: self.tables.tenants.clone(),
            key: keys::settings_of(&after),
            expression: format!("SET {}", assignments.join(", ")),
            condition: conditions.join(" AND "),
            names: changed.iter().map(|(name, alias, ..)| (*alias, *name)).collect(),
            values: changed
                .iter()
                .flat_map(|(name, _, new, old)| [(*new, after[*name].clone()), (*old, before[*name].clone())])
                .collect(),
        };
        Ok(self.transact(vec![change.build()]).await?)
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

    /// Writes a new tenant with its first project and its first user, who is its admin.
    ///
    /// - `once`: the one-time token by which it is made, and what takes its place.
    ///
    /// # Errors
    ///
    /// [`CreateTenantRefused::NameTaken`]; [`StoreError::Conflict`] if the token was used already.
    pub async fn create_tenant(
        &self,
        tenant: &Tenant,
        project: &Project,
        admin: &User,
        once: Option<(&OneTime, &OneTime)>,
    ) -> Result<(), CreateTenantRefused> {
        let address = EmailAddress::parse(&admin.email).map_err(|error| StoreError::Broken(error.into()))?;
        let membership = Membership {
            tenant: tenant.uid,
            org_name: tenant.org_name.clone(),
            user: admin.uid,
            is_accepted: !admin.is_pending,
        };
        let mut settings = item::of_tenant(tenant)?;
        settings.insert(USER_COUNT.to_owned(), number(1));
        settings.insert(ADMIN_COUNT.to_owned(), number(u8::from(admin.is_active)));
        let user = item::of_user(admin)?;
        let name = item::with_key(&keys::organization(&tenant.org_name), &OrganizationRow { tenant: tenant.uid })?;
        let mut writes = Vec::new();
        if let Some((before, after)) = once {
            writes.push(self.replace_once(before, after)?);
        }
        let at_name = writes.len();
        writes.extend([
            self.put_new(name),
            self.put_new(settings),
            self.put_new(item::of_project(tenant.uid, project)?),
            self.put_new(user.profile),
            self.put_new(user.index),
            self.put_new(people::of_membership(address.canonical(), &membership)?),
        ]);
        match self.transact(writes).await {
            Ok(()) => Ok(()),
            Err(Cancelled::Condition { at, .. }) if at == at_name => Err(CreateTenantRefused::NameTaken),
            Err(cancelled) => Err(StoreError::from(cancelled).into()),
        }
    }
}
