//! Tenants, their settings and projects.

use aws_sdk_dynamodb::types::{Put, TransactWriteItem};
use domain::{
    EmailAddress, ProjectUid, Tenant, TenantUid, Timestamp, User,
    once::OneTime,
    sso::Link,
    tenant::{OrgName, Project},
};

use crate::{
    Membership, Person, Recorded, Store, StoreError,
    item::{self, ADMIN_COUNT, OrganizationRow, USER_COUNT},
    keys, number, people, text,
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

/// By what the first admin of a tenant came.
#[derive(Debug, Clone, Copy)]
pub enum Founding<'a> {
    /// By whoever has the tables at hand.
    AtHand,
    /// By a mailed link, whose one-time token then leads one step further.
    ByMail {
        /// What it was good for.
        before: &'a OneTime,
        /// What it is good for afterwards.
        after: &'a OneTime,
    },
    /// By an identity that a provider has vouched for.
    ByIdentity {
        /// Of the admin.
        link: &'a Link,
        /// The one-time token that stood for it, which is used up.
        used: &'a OneTime,
        /// The person, as they were read.
        person: &'a Person,
    },
}

/// Why settings were left as they were.
#[derive(Debug, thiserror::Error)]
pub enum ReplaceSettingsRefused {
    /// Another tenant has this domain.
    #[error("another organization has the domain {0}")]
    DomainTaken(String),
    /// The tables did not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What a tenant can change: the attribute, its alias, the aliases of its new and its old value.
const SETTINGS: [(&str, &str, &str, &str); 9] = [
    ("limits", "#limits", ":limits", ":limits_before"),
    ("idle_minutes", "#idle", ":idle", ":idle_before"),
    ("password_policy", "#policy", ":policy", ":policy_before"),
    ("banner", "#banner", ":banner", ":banner_before"),
    ("social_logins", "#social", ":social", ":social_before"),
    ("domains", "#domains", ":domains", ":domains_before"),
    ("oidc", "#oidc", ":oidc", ":oidc_before"),
    ("tells_admins", "#tells", ":tells", ":tells_before"),
    ("sso_required", "#sso", ":sso", ":sso_before"),
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

    /// The uid of the tenant of this name. One that was signed up and that nobody came into in time is none.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`].
    pub async fn tenant_named(&self, name: &OrgName, now: Timestamp) -> Result<Option<TenantUid>, StoreError> {
        let found = self.get(&keys::organization(name)).await?.map(item::read::<OrganizationRow>).transpose()?;
        let found = found.filter(|row| row.unconfirmed_until.is_none_or(|until| now.millis() < until));
        Ok(found.map(|row| row.tenant))
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
}

impl Recorded<'_> {
    /// Changes what a tenant has set. Its name and its counters stay. A domain belongs to one tenant at most.
    ///
    /// # Errors
    ///
    /// [`ReplaceSettingsRefused::DomainTaken`]; [`StoreError::Conflict`] if it was changed since it was read, or removed.
    pub async fn replace_settings(&self, before: &Tenant, after: &Tenant) -> Result<(), ReplaceSettingsRefused> {
        let Some(change) = self.change_settings(before, after)? else { return Ok(()) };
        let claimed: Vec<&String> = after.domains.iter().filter(|domain| !before.domains.contains(domain)).collect();
        let dropped: Vec<String> =
            before.domains.iter().filter(|domain| !after.domains.contains(domain)).cloned().collect();
        let mut writes = vec![change];
        for domain in &claimed {
            let mut held = keys::domain(domain).item();
            held.insert("tenant".to_owned(), text(after.uid));
            writes.push(self.put_if_own(held, after.uid));
        }
        // Somebody else may have proven meanwhile that one of them is theirs.
        for holder in self.domain_holders(&dropped).await?.iter().filter(|holder| holder.tenant == after.uid) {
            writes.push(self.delete_if_own(&keys::domain(&holder.domain), after.uid));
        }
        match self.transact(writes).await {
            Ok(()) => Ok(()),
            Err(Cancelled::Condition { at, .. }) if (1..=claimed.len()).contains(&at) => {
                Err(ReplaceSettingsRefused::DomainTaken(claimed[at - 1].clone()))
            }
            Err(cancelled) => Err(StoreError::from(cancelled).into()),
        }
    }

    /// What changes settings, if there is anything to change.
    pub(crate) fn change_settings(
        &self,
        before: &Tenant,
        after: &Tenant,
    ) -> Result<Option<TransactWriteItem>, StoreError> {
        let (old, new) = (item::of_tenant(before)?, item::of_tenant(after)?);
        let changed: Vec<_> = SETTINGS.into_iter().filter(|(name, ..)| old.get(*name) != new.get(*name)).collect();
        if changed.is_empty() {
            return Ok(None);
        }
        let assignments: Vec<_> = changed.iter().map(|(_, alias, value, _)| format!("{alias} = {value}")).collect();
        // What came later is not in what was written before.
        let unchanged = |(_, alias, _, value): &(&str, &str, &str, &str)| {
            format!("({alias} = {value} OR attribute_not_exists({alias}))")
        };
        let conditions: Vec<_> =
            ["attribute_exists(pk)".to_owned()].into_iter().chain(changed.iter().map(unchanged)).collect();
        let change = Change {
            table: self.tables.tenants.clone(),
            key: keys::settings_of(&new),
            expression: format!("SET {}", assignments.join(", ")),
            condition: conditions.join(" AND "),
            names: changed.iter().map(|(name, alias, ..)| (*alias, *name)).collect(),
            values: changed
                .iter()
                .flat_map(|(name, _, value, before)| [(*value, new[*name].clone()), (*before, old[*name].clone())])
                .collect(),
        };
        Ok(Some(change.build()))
    }

    /// Writes a new tenant with its first project and its first user, who is its admin.
    ///
    /// - `founding`: by what the admin came.
    ///
    /// # Errors
    ///
    /// [`CreateTenantRefused::NameTaken`]; [`StoreError::Conflict`] if the token was used already.
    pub async fn create_tenant(
        &self,
        tenant: &Tenant,
        project: &Project,
        admin: &User,
        founding: Founding<'_>,
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
        let unconfirmed_until = match founding {
            Founding::ByMail { before, .. } => Some(before.expires_at.millis()),
            Founding::AtHand | Founding::ByIdentity { .. } => None,
        };
        let name = OrganizationRow { tenant: tenant.uid, unconfirmed_until };
        let name = item::with_key(&keys::organization(&tenant.org_name), &name)?;
        let name = Put::builder()
            .table_name(&self.tables.tenants)
            .set_item(Some(name))
            .condition_expression("attribute_not_exists(pk) OR #until <= :now")
            .expression_attribute_names("#until", "unconfirmed_until")
            .expression_attribute_values(":now", number(admin.created_at.millis()));
        let name = TransactWriteItem::builder().put(name.build().expect("table and item are set")).build();
        let mut writes = Vec::new();
        if let Founding::ByMail { before, after } = founding {
            writes.push(self.replace_once(before, after)?);
        }
        let at_name = writes.len();
        writes.extend([
            name,
            self.put_new(settings),
            self.put_new(item::of_project(tenant.uid, project)?),
            self.put_new(user.profile),
            self.put_new(user.index),
            self.put_new(people::of_membership(address.canonical(), &membership)?),
        ]);
        if let Founding::ByIdentity { link, used, person } = founding {
            writes.extend(self.join(address.canonical(), person));
            writes.extend(self.put_link(link)?);
            writes.push(self.delete_if(&keys::once(&used.digest), "attribute_exists(pk)"));
        }
        match self.transact(writes).await {
            Ok(()) => Ok(()),
            Err(Cancelled::Condition { at, .. }) if at == at_name => Err(CreateTenantRefused::NameTaken),
            Err(cancelled) => Err(StoreError::from(cancelled).into()),
        }
    }
}
