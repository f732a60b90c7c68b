//! Identities at providers, and whose they are. Found by the identity, and listed by the user: both items are written and
//! removed together.

use aws_sdk_dynamodb::types::{AttributeValue, ConditionCheck, Delete, Put, ReturnValue, TransactWriteItem};
use domain::{
    Tenant, TenantUid, Timestamp, User, UserUid,
    once::OneTime,
    sso::{Link, Method},
};

use crate::{
    Membership, OutgoingMail, Person, Recorded, Store, StoreError,
    item::{self, Item},
    keys, number, people, text,
    transaction::{Cancelled, Change},
};

/// Why an identity was not linked.
#[derive(Debug, thiserror::Error)]
pub enum LinkRefused {
    /// It is another user's of the tenant, or this user's already.
    #[error("the identity is linked already")]
    Taken,
    /// The tables did not do it, or what it rests upon no longer holds.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a domain was not proven.
#[derive(Debug, thiserror::Error)]
pub enum ProveDomainRefused {
    /// Another tenant has proven that it is theirs.
    #[error("another organization has proven that the domain is theirs")]
    Taken,
    /// The tables did not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Who holds a domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DomainHolder {
    /// The domain.
    pub domain: String,
    /// The tenant.
    pub tenant: TenantUid,
    /// When it proved that it is theirs; until then it only says so.
    pub proven_at: Option<Timestamp>,
}

/// What proves that whoever links an identity is the user.
#[derive(Debug, Clone, Copy)]
pub enum LinkProof<'a> {
    /// The password of this hash, and a one-time token that is used up.
    Password {
        /// Whose, in canonical form.
        address: &'a str,
        /// As it was read.
        hash: &'a str,
        /// The token.
        used: &'a OneTime,
    },
    /// A session, which must be alive: it was checked a moment ago, and a sign-out in between changes the user.
    Session,
}

impl Store {
    /// The user of this identity in a tenant.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`].
    pub async fn link(&self, identity: &str, tenant: TenantUid) -> Result<Option<Link>, StoreError> {
        self.get(&keys::link(identity, tenant)).await?.map(item::link).transpose()
    }

    /// Whether somebody of this address was a user of the tenant and was deleted, and not asked in since.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`].
    pub async fn has_left(&self, tenant: TenantUid, address: &str) -> Result<bool, StoreError> {
        Ok(self.get(&keys::former(tenant, address)).await?.is_some())
    }

    /// The users of this identity in all tenants.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`].
    pub async fn users_of_identity(&self, identity: &str) -> Result<Vec<Link>, StoreError> {
        let items = self.query_prefix(&keys::link_partition(identity), "TENANT#").await?;
        items.into_iter().map(item::link).collect()
    }

    /// The identities of a user.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`].
    pub async fn links_of_user(&self, user: UserUid) -> Result<Vec<Link>, StoreError> {
        let items = self.query_prefix(&keys::user_partition(user), keys::LINK_PREFIX).await?;
        items.into_iter().map(item::link).collect()
    }

    /// Uses up a one-time token: of many who try at once, one gets it.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`].
    pub async fn take_once(&self, digest: &str) -> Result<Option<OneTime>, StoreError> {
        let delete = self.client.delete_item().table_name(&self.tables.tenants);
        let delete = delete.set_key(Some(keys::once(digest).item())).return_values(ReturnValue::AllOld);
        delete.send().await?.attributes.map(item::once).transpose()
    }

    /// Who holds these domains.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`].
    pub async fn domain_holders(&self, domains: &[String]) -> Result<Vec<DomainHolder>, StoreError> {
        let wanted = domains.iter().map(|domain| keys::domain(domain).item()).collect();
        let found = self.read_batch(&self.tables.tenants, wanted).await?;
        found.into_iter().map(holder).collect()
    }

    pub(crate) fn put_link(&self, link: &Link) -> Result<[TransactWriteItem; 2], StoreError> {
        let [by_identity, by_user] = item::of_link(link)?;
        Ok([self.put_new(by_identity), self.put_new(by_user)])
    }

    fn delete_link(&self, link: &Link) -> [TransactWriteItem; 2] {
        let identity = link.identity.digest();
        let delete = Delete::builder()
            .table_name(&self.tables.tenants)
            .set_key(Some(keys::link(&identity, link.tenant).item()))
            .condition_expression("#user = :user")
            .expression_attribute_names("#user", "user")
            .expression_attribute_values(":user", text(link.user));
        let delete = delete.build().expect("table and key are set");
        [
            TransactWriteItem::builder().delete(delete).build(),
            self.delete_if(&keys::link_of_user(link.user, &identity), "attribute_exists(pk)"),
        ]
    }

    /// That an identity is still this user's.
    pub(crate) fn check_link(&self, identity: &str, user: &User) -> TransactWriteItem {
        let check = ConditionCheck::builder()
            .table_name(&self.tables.tenants)
            .set_key(Some(keys::link(identity, user.tenant).item()))
            .condition_expression("#user = :user")
            .expression_attribute_names("#user", "user")
            .expression_attribute_values(":user", text(user.uid));
        TransactWriteItem::builder().condition_check(check.build().expect("table, key and condition are set")).build()
    }

    /// - `instead_of`: a tenant that had proven it and cannot any more.
    fn hold_domain(
        &self,
        tenant: TenantUid,
        domain: &str,
        instead_of: Option<TenantUid>,
        now: Timestamp,
    ) -> TransactWriteItem {
        let mut held = keys::domain(domain).item();
        held.insert("tenant".to_owned(), text(tenant));
        held.insert("proven_at".to_owned(), number(now.millis()));
        let put = Put::builder()
            .table_name(&self.tables.tenants)
            .set_item(Some(held))
            .condition_expression(
                "attribute_not_exists(pk) OR #tenant IN (:tenant, :before) OR attribute_not_exists(#proven)",
            )
            .expression_attribute_names("#tenant", "tenant")
            .expression_attribute_names("#proven", "proven_at")
            .expression_attribute_values(":tenant", text(tenant))
            .expression_attribute_values(":before", text(instead_of.unwrap_or(tenant)));
        TransactWriteItem::builder().put(put.build().expect("table and item are set")).build()
    }

    /// That a tenant still has a domain among its own.
    fn check_domain(&self, tenant: TenantUid, domain: &str) -> TransactWriteItem {
        let check = ConditionCheck::builder()
            .table_name(&self.tables.tenants)
            .set_key(Some(keys::settings(tenant).item()))
            .condition_expression("contains(#domains, :domain)")
            .expression_attribute_names("#domains", "domains")
            .expression_attribute_values(":domain", text(domain));
        TransactWriteItem::builder().condition_check(check.build().expect("table, key and condition are set")).build()
    }

    /// What comes with a person who comes into an organization by an identity: it is counted, since whoever sets a password
    /// or ends sessions at this moment has not read of that organization; and a password that somebody else has set goes,
    /// and so does whatever was begun by it, since they have no say there.
    ///
    /// - `person`: as they were read.
    pub(crate) fn join(&self, address: &str, person: &Person) -> Vec<TransactWriteItem> {
        let count = Change {
            table: self.tables.tenants.clone(),
            key: keys::joins(address).item(),
            expression: "ADD #joins :one".to_owned(),
            condition: String::new(),
            names: vec![("#joins", item::JOINS)],
            values: vec![(":one", number(1))],
        };
        let key = keys::login(address);
        let Some(hash) = &person.password_hash else { return vec![count.build(), self.check_absent(&key)] };
        if !person.is_password_of_admin {
            return vec![count.build(), self.check_password_hash(address, hash)];
        }
        let delete = Delete::builder()
            .table_name(&self.tables.tenants)
            .set_key(Some(key.item()))
            .condition_expression("#hash = :hash")
            .expression_attribute_names("#hash", "password_hash")
            .expression_attribute_values(":hash", text(hash));
        let delete = TransactWriteItem::builder().delete(delete.build().expect("table and key are set")).build();
        let begun = person.accepted().map(|membership| self.sign_out(membership.user).build());
        [count.build(), delete].into_iter().chain(begun).collect()
    }
}

impl Recorded<'_> {
    /// Links an identity to a user.
    ///
    /// - `mail`: tells them so.
    /// - `user`: as it was read when the person was recognised.
    ///
    /// # Errors
    ///
    /// [`LinkRefused::Taken`]; [`StoreError::Conflict`] if the proof no longer holds, or the user was changed meanwhile.
    pub async fn link(
        &self,
        link: &Link,
        user: &User,
        proof: LinkProof<'_>,
        mail: &OutgoingMail,
    ) -> Result<(), LinkRefused> {
        let mut writes = Vec::from(self.put_link(link)?);
        writes.push(self.check_active(user));
        writes.push(self.put_new(item::of_mail(mail)?));
        if let LinkProof::Password { address, hash, used } = proof {
            writes.push(self.check_password_hash(address, hash));
            writes.push(self.delete_if(&keys::once(&used.digest), "attribute_exists(pk)"));
        }
        match self.transact(writes).await {
            Ok(()) => Ok(()),
            Err(Cancelled::Condition { at: 0 | 1, .. }) => Err(LinkRefused::Taken),
            Err(cancelled) => Err(StoreError::from(cancelled).into()),
        }
    }

    /// Takes an identity from its user.
    ///
    /// - `mail`: tells them so.
    ///
    /// # Errors
    ///
    /// [`StoreError::Conflict`] if it is no longer theirs.
    pub async fn unlink(&self, link: &Link, mail: Option<&OutgoingMail>) -> Result<(), StoreError> {
        let mut writes = Vec::from(self.delete_link(link));
        if let Some(mail) = mail {
            writes.push(self.put_new(item::of_mail(mail)?));
        }
        Ok(self.transact(writes).await?)
    }

    /// Makes an invited user active whom a provider has vouched for, and links the identity.
    ///
    /// - `person`: as they were read.
    /// - `once`: the one-time token that it rests upon, which is used up.
    ///
    /// # Errors
    ///
    /// [`LinkRefused::Taken`]; [`StoreError::Conflict`] if a token was used, or the user changed since it was read.
    pub async fn accept_by(
        &self,
        link: &Link,
        (user, membership): (&User, &Membership),
        address: &str,
        person: &Person,
        once: Option<&OneTime>,
    ) -> Result<(), LinkRefused> {
        let mut writes = Vec::from(self.put_link(link)?);
        writes.extend(self.activation(user));
        writes.push(self.confirm_organization(membership));
        let accepted = Membership { is_accepted: true, ..membership.clone() };
        writes.push(self.put_any(people::of_membership(address, &accepted)?));
        writes.extend(self.join(address, person));
        writes.extend(once.map(|once| self.delete_if(&keys::once(&once.digest), "attribute_exists(pk)")));
        match self.transact(writes).await {
            Ok(()) => Ok(()),
            Err(Cancelled::Condition { at: 0 | 1, .. }) => Err(LinkRefused::Taken),
            Err(cancelled) => Err(StoreError::from(cancelled).into()),
        }
    }

    /// Notes that a domain is proven to be a tenant's, and that the tenant has it. Whoever has only said so before loses
    /// it.
    ///
    /// - `instead_of`: a tenant that had proven it and cannot any more.
    ///
    /// # Errors
    ///
    /// [`ProveDomainRefused::Taken`]; [`StoreError::Conflict`] if the settings changed since they were read.
    pub async fn prove_domain(
        &self,
        before: &Tenant,
        after: &Tenant,
        domain: &str,
        instead_of: Option<TenantUid>,
        now: Timestamp,
    ) -> Result<(), ProveDomainRefused> {
        let mut writes = vec![self.hold_domain(after.uid, domain, instead_of, now)];
        writes.push(self.change_settings(before, after)?.unwrap_or_else(|| self.check_domain(after.uid, domain)));
        match self.transact(writes).await {
            Ok(()) => Ok(()),
            Err(Cancelled::Condition { at: 0, .. }) => Err(ProveDomainRefused::Taken),
            Err(cancelled) => Err(StoreError::from(cancelled).into()),
        }
    }
}

fn holder(found: Item) -> Result<DomainHolder, StoreError> {
    let text_of = |name: &str| found.get(name).and_then(|value: &AttributeValue| value.as_s().ok());
    let broken = || StoreError::Broken("a domain that nobody holds".into());
    let domain = text_of("pk").and_then(|pk| pk.strip_prefix(keys::DOMAIN_PREFIX)).ok_or_else(broken)?;
    let tenant = text_of("tenant").and_then(|tenant| tenant.parse().ok()).ok_or_else(broken)?;
    let proven_at = found.get("proven_at").and_then(|at| at.as_n().ok()).and_then(|at| at.parse().ok());
    Ok(DomainHolder { domain: domain.to_owned(), tenant, proven_at: proven_at.map(Timestamp::from_millis) })
}

/// The digest of the identity that began a session, if one did.
pub(crate) fn identity_of(method: &Method) -> Option<&str> {
    match method {
        Method::Password => None,
        Method::Sso { identity, .. } => Some(identity),
    }
}
