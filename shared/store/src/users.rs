//! Users: a profile of their own, an index item of their tenant and a membership of their address. All of them change
//! together, and the tenant counts users and admins with them.

use aws_sdk_dynamodb::types::{AttributeValue, Delete, TransactWriteItem};
use domain::{EmailAddress, Tenant, TenantUid, Timestamp, User, UserUid, once::OneTime, sso::Link};

use crate::{
    Membership, OutgoingMail, Person, Recorded, Store, StoreError,
    item::{self, ADMIN_COUNT, KEY_COUNT, USER_COUNT},
    keys, number,
    people::{self, SIGN_OUTS_AS_READ},
    text,
    transaction::{Cancelled, Change},
};

/// Why a user was not made.
#[derive(Debug, thiserror::Error)]
pub enum CreateUserRefused {
    /// The tenant has a user of this address.
    #[error("the tenant has a user of this address already")]
    EmailTaken,
    /// The tenant has as many users as it may have.
    #[error("the tenant has as many users as it allows")]
    LimitReached,
    /// The address was sent an invitation a moment ago.
    #[error("the address was invited a moment ago")]
    JustInvited,
    /// The tables did not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// By what somebody comes whom nobody has invited.
#[derive(Debug, Clone, Copy)]
pub struct CameBy<'a> {
    /// The identity.
    pub link: &'a Link,
    /// The person, as they were read.
    pub person: &'a Person,
    /// Whether the provider decides who has the address; otherwise nobody comes who was deleted.
    pub is_authority: bool,
}

/// Items of one batched read.
const BATCH: usize = 100;

/// The kind of the mail that invites somebody.
pub const INVITATION: &str = "invitation";

/// The place in the transaction of a new user of the note that their address was mailed to.
const AT_MAILED: usize = 4;

/// Why a user was left as it was.
#[derive(Debug, thiserror::Error)]
pub enum ChangeUserRefused {
    /// It is the tenant's last admin.
    #[error("the tenant would be without an admin")]
    LastAdmin,
    /// The tables did not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

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

    /// These users, of whichever tenant, in any order.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`].
    pub async fn users_by_uid(&self, uids: &[UserUid]) -> Result<Vec<User>, StoreError> {
        let mut users = Vec::new();
        for uids in uids.chunks(BATCH) {
            let wanted = uids.iter().map(|uid| keys::user(*uid).item()).collect();
            for found in self.read_batch(&self.tables.tenants, wanted).await? {
                users.push(item::user(found)?);
            }
        }
        Ok(users)
    }

    /// All users of a tenant, in the order of their uids.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`].
    pub async fn users(&self, tenant: TenantUid) -> Result<Vec<User>, StoreError> {
        let items = self.query_prefix(&keys::tenant_partition(tenant), keys::USER_PREFIX).await?;
        items.into_iter().map(item::user).collect()
    }
}

impl Recorded<'_> {
    /// Writes a new user of a tenant.
    ///
    /// - `invitation`: a one-time token and the mail that carries it, which come to be with the user, and until when the
    ///   address is not to be invited again.
    /// - `came_by`: the identity by which they come, where nobody has invited them.
    ///
    /// # Errors
    ///
    /// As in [`CreateUserRefused`]; nothing is written then.
    pub async fn create_user(
        &self,
        user: &User,
        tenant: &Tenant,
        invitation: Option<(&OneTime, &OutgoingMail, Timestamp)>,
        came_by: Option<CameBy<'_>>,
    ) -> Result<(), CreateUserRefused> {
        let (items, address) = (item::of_user(user)?, canonical(user)?);
        let membership = Membership {
            tenant: tenant.uid,
            org_name: tenant.org_name.clone(),
            user: user.uid,
            is_accepted: !user.is_pending,
        };
        let mut writes = vec![
            self.put_new(people::of_membership(&address, &membership)?),
            self.count_user(user, 1, i32::from(is_active_admin(user)), Some(tenant.limits.user)),
            self.put_new(items.profile),
            self.put_new(items.index),
        ];
        if let Some((once, mail, again_from)) = invitation {
            writes.push(self.put_mailed(&address, INVITATION, user.created_at, again_from));
            writes.push(self.put_new(item::of_once(once)?));
            writes.push(self.put_new(item::of_mail(mail)?));
            writes.push(self.delete(&keys::former(user.tenant, &address)));
        }
        if let Some(CameBy { link, person, is_authority }) = came_by {
            writes.extend(self.put_link(link)?);
            writes.extend(self.join(&address, person));
            // Whoever was deleted does not come back by one who has looked at the address once.
            if !is_authority {
                writes.push(self.check_absent(&keys::former(user.tenant, &address)));
            }
        }
        match self.transact(writes).await {
            Ok(()) => Ok(()),
            Err(Cancelled::Condition { at: AT_MAILED, .. }) if invitation.is_some() => {
                Err(CreateUserRefused::JustInvited)
            }
            Err(Cancelled::Condition { at: 0, .. }) => Err(CreateUserRefused::EmailTaken),
            Err(Cancelled::Condition { at: 1, item: Some(_) }) => Err(CreateUserRefused::LimitReached),
            Err(cancelled) => Err(StoreError::from(cancelled).into()),
        }
    }

    /// Replaces what an admin or the user decides of a user: names, roles, whether it is active, the login mode.
    ///
    /// # Errors
    ///
    /// [`ChangeUserRefused::LastAdmin`]; [`StoreError::Conflict`] if it was changed since it was read, or removed.
    pub async fn replace_user(&self, before: &User, after: &User) -> Result<(), ChangeUserRefused> {
        let change = Change {
            table: self.tables.tenants.clone(),
            key: keys::user(after.uid).item(),
            expression: "SET #first = :first, #last = :last, #roles = :roles, #active = :active, #mode = :mode"
                .to_owned(),
            condition: "#tenant = :tenant AND #roles = :roles_before AND #active = :active_before AND \
                        #first = :first_before AND #last = :last_before AND #mode = :mode_before"
                .to_owned(),
            names: vec![
                ("#first", "first_name"),
                ("#last", "last_name"),
                ("#roles", "roles"),
                ("#active", "is_active"),
                ("#mode", "login_mode"),
                ("#tenant", "tenant"),
            ],
            values: vec![
                (":first", text(&after.first_name)),
                (":last", text(&after.last_name)),
                (":roles", roles(after)),
                (":active", AttributeValue::Bool(after.is_active)),
                (":mode", text(after.login_mode.as_str())),
                (":tenant", text(after.tenant)),
                (":roles_before", roles(before)),
                (":active_before", AttributeValue::Bool(before.is_active)),
                (":first_before", text(&before.first_name)),
                (":last_before", text(&before.last_name)),
                (":mode_before", text(before.login_mode.as_str())),
            ],
        };
        // Only what changes, so that a sign-in at the same moment stays noted.
        let mut index = change.clone();
        index.key = keys::user_index(after.tenant, after.uid).item();
        "#tenant = :tenant".clone_into(&mut index.condition);
        index.values.retain(|(name, _)| !name.ends_with("_before"));
        let mut change = change;
        if !after.is_active && (before.is_active || before == after) {
            // Being enabled again is no way back into what was begun before.
            change.expression.push_str(" ADD #outs :one");
            change.names.push(("#outs", item::SIGN_OUTS));
            change.values.push((":one", number(1)));
        } else if after.is_active && !before.is_active {
            // Whoever was disabled once more meanwhile stays so. Others do not ask: who is to be thrown out could sign out
            // again and again.
            change.condition = format!("{} AND {SIGN_OUTS_AS_READ}", change.condition);
            change.names.push(("#outs", item::SIGN_OUTS));
            change.values.extend([(":outs", number(before.sign_outs)), (":none", number(0))]);
        }
        let mut writes = vec![change.build(), index.build()];
        let admins = i32::from(is_active_admin(after)) - i32::from(is_active_admin(before));
        if admins != 0 {
            writes.push(self.count_user(after, 0, admins, None));
        }
        match self.transact(writes).await {
            Ok(()) => Ok(()),
            Err(Cancelled::Condition { at: 2, .. }) => Err(ChangeUserRefused::LastAdmin),
            Err(cancelled) => Err(StoreError::from(cancelled).into()),
        }
    }

    /// Removes a disabled user who has no keys and no identities any more, and notes that they have left.
    ///
    /// - `login`: the person as they were read, if they belong to nothing else, so that their password goes too; unless
    ///   they set another one or come into another organization at this moment.
    ///
    /// # Errors
    ///
    /// As in [`ChangeUserRefused`]; [`StoreError::Conflict`] if it is active or has keys.
    pub async fn delete_user(&self, user: &User, login: Option<&Person>) -> Result<(), ChangeUserRefused> {
        match self.try_delete_user(user, login).await {
            // Keys that the table removed by its TTL are still counted: see whether that is all.
            Err(ChangeUserRefused::Store(StoreError::Conflict))
                if self.recount_api_keys(user.tenant, user.uid, 1).await? =>
            {
                self.try_delete_user(user, login).await
            }
            done => done,
        }
    }

    async fn try_delete_user(&self, user: &User, login: Option<&Person>) -> Result<(), ChangeUserRefused> {
        let address = canonical(user)?;
        let profile = Delete::builder()
            .table_name(&self.tables.tenants)
            .set_key(Some(keys::user(user.uid).item()))
            .condition_expression("#active = :false AND #keys = :none")
            .expression_attribute_names("#active", "is_active")
            .expression_attribute_names("#keys", KEY_COUNT)
            .expression_attribute_values(":false", AttributeValue::Bool(false))
            .expression_attribute_values(":none", number(0));
        let mut writes = vec![
            TransactWriteItem::builder().delete(profile.build().expect("table and key are set")).build(),
            self.count_user(user, -1, 0, None),
            self.delete_if(&keys::user_index(user.tenant, user.uid), "attribute_exists(pk)"),
            self.delete_if(&keys::membership(&address, user.tenant), "attribute_exists(pk)"),
        ];
        writes.push(self.put_any(keys::former(user.tenant, &address).item()));
        if let Some(person) = login
            && let Some(hash) = &person.password_hash
        {
            writes.push(self.check_joins(&address, person));
            let delete = Delete::builder()
                .table_name(&self.tables.tenants)
                .set_key(Some(keys::login(&address).item()))
                .condition_expression("attribute_not_exists(pk) OR #hash = :hash")
                .expression_attribute_names("#hash", "password_hash")
                .expression_attribute_values(":hash", text(hash));
            let delete = delete.build().expect("table and key are set");
            writes.push(TransactWriteItem::builder().delete(delete).build());
        }
        match self.transact(writes).await {
            Ok(()) => Ok(()),
            Err(Cancelled::Condition { at: 1, .. }) => Err(ChangeUserRefused::LastAdmin),
            Err(cancelled) => Err(StoreError::from(cancelled).into()),
        }
    }
}

impl Store {
    /// What makes a pending user active: if it is still what it was when it was read.
    pub(crate) fn activation(&self, user: &User) -> Vec<TransactWriteItem> {
        let active = User { is_active: true, is_pending: false, ..user.clone() };
        let change = Change {
            table: self.tables.tenants.clone(),
            key: keys::user(user.uid).item(),
            expression: "SET #active = :true, #pending = :false ADD #outs :one".to_owned(),
            condition: "#tenant = :tenant AND #roles = :roles AND #pending = :true".to_owned(),
            names: vec![
                ("#active", "is_active"),
                ("#pending", "is_pending"),
                ("#outs", item::SIGN_OUTS),
                ("#tenant", "tenant"),
                ("#roles", "roles"),
            ],
            values: vec![
                (":true", AttributeValue::Bool(true)),
                (":false", AttributeValue::Bool(false)),
                (":one", number(1)),
                (":tenant", text(user.tenant)),
                (":roles", roles(user)),
            ],
        };
        let index = Change {
            table: self.tables.tenants.clone(),
            key: keys::user_index(user.tenant, user.uid).item(),
            expression: "SET #active = :true, #pending = :false".to_owned(),
            condition: "attribute_exists(pk)".to_owned(),
            names: vec![("#active", "is_active"), ("#pending", "is_pending")],
            values: vec![(":true", AttributeValue::Bool(true)), (":false", AttributeValue::Bool(false))],
        };
        let mut writes = vec![change.build(), index.build()];
        if active.is_admin() {
            writes.push(self.count_user(user, 0, 1, None));
        }
        writes
    }

    /// Counts users and active admins in the settings of their tenant. The last admin is never counted away.
    fn count_user(&self, user: &User, users: i32, admins: i32, limit: Option<u32>) -> TransactWriteItem {
        let mut conditions = vec!["attribute_exists(pk)"];
        let mut values = vec![(":users", number(users)), (":admins", number(admins))];
        if admins < 0 {
            conditions.push("#admins > :one");
            values.push((":one", number(1)));
        }
        if let Some(limit) = limit {
            conditions.push("#users < :limit");
            values.push((":limit", number(limit)));
        }
        let change = Change {
            table: self.tables.tenants.clone(),
            key: keys::settings(user.tenant).item(),
            expression: "ADD #users :users, #admins :admins".to_owned(),
            condition: conditions.join(" AND "),
            names: vec![("#users", USER_COUNT), ("#admins", ADMIN_COUNT)],
            values,
        };
        change.build()
    }
}

fn roles(user: &User) -> AttributeValue {
    AttributeValue::L(user.roles.iter().map(text).collect())
}

fn is_active_admin(user: &User) -> bool {
    user.is_active && user.is_admin()
}

fn canonical(user: &User) -> Result<String, StoreError> {
    let address = EmailAddress::parse(&user.email).map_err(|error| StoreError::Broken(error.into()))?;
    Ok(address.canonical().to_owned())
}
