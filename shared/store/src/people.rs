//! People: what one e-mail address stands for. One password, a membership for each tenant, and the attempts at the
//! password, which are counted whether anybody has the address or not.
//!
//! All of it lies in one partition, so that signing in reads it at once.

use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem};
use domain::{TenantUid, Timestamp, User, UserUid, login::Attempts, once::OneTime, session::Session, tenant::OrgName};
use serde::{Deserialize, Serialize};

use crate::{
    Store, StoreError,
    item::{self, Item, OutgoingMail},
    keys, number, text,
    transaction::{Cancelled, Change},
};

/// How long attempts are remembered, in seconds: longer than any pause, and not for ever, so that inventing addresses
/// does not fill the table.
const ATTEMPTS_KEPT_SECS: i64 = 86_400;

/// What is known of an address.
#[derive(Debug, Clone, Default)]
pub struct Person {
    /// The hash of the password, once one was set, in PHC form.
    pub password_hash: Option<String>,
    /// Attempts at the password.
    pub attempts: Attempts,
    /// The tenants that the person belongs to, in the order of their names.
    pub memberships: Vec<Membership>,
}

/// That a person belongs to a tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// The tenant.
    pub tenant: TenantUid,
    /// Its name.
    pub org_name: OrgName,
    /// The user whom the person is there.
    pub user: UserUid,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct MembershipRow {
    tenant: TenantUid,
    org_name: String,
    user: UserUid,
}

impl From<&Membership> for MembershipRow {
    fn from(membership: &Membership) -> Self {
        let Membership { tenant, org_name, user } = membership;
        Self { tenant: *tenant, org_name: org_name.to_string(), user: *user }
    }
}

#[derive(Debug, Deserialize)]
struct LoginRow {
    password_hash: String,
}

#[derive(Debug, Deserialize)]
struct AttemptsRow {
    count: u32,
    paused_until: Option<i64>,
}

impl Store {
    /// What is known of an address, in canonical form.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`].
    pub async fn person(&self, address: &str) -> Result<Person, StoreError> {
        let mut person = Person::default();
        for found in self.query_prefix(&keys::person_partition(address), "").await? {
            match found.get("sk").and_then(|sk| sk.as_s().ok()).map(String::as_str) {
                Some(keys::LOGIN) => person.password_hash = Some(item::read::<LoginRow>(found)?.password_hash),
                Some(keys::ATTEMPTS) => {
                    let row: AttemptsRow = item::read(found)?;
                    let paused_until = row.paused_until.map(Timestamp::from_millis);
                    person.attempts = Attempts { count: row.count, paused_until };
                }
                _ => {
                    let row: MembershipRow = item::read(found)?;
                    let org_name = OrgName::folded(&row.org_name);
                    person.memberships.push(Membership { tenant: row.tenant, org_name, user: row.user });
                }
            }
        }
        person.memberships.sort_by(|one, other| one.org_name.cmp(&other.org_name));
        Ok(person)
    }

    /// Counts an attempt at the password of an address, known or not, if the attempts are still what they were.
    ///
    /// # Errors
    ///
    /// [`StoreError::Conflict`] if another attempt came between.
    pub async fn count_attempt(
        &self,
        address: &str,
        before: Attempts,
        after: Attempts,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut attempts = keys::attempts(address).item();
        attempts.insert("count".to_owned(), number(after.count));
        attempts.insert("ttl".to_owned(), number(now.secs() + ATTEMPTS_KEPT_SECS));
        if let Some(until) = after.paused_until {
            attempts.insert("paused_until".to_owned(), number(until.millis()));
        }
        let put = self
            .client
            .put_item()
            .table_name(&self.tables.tenants)
            .set_item(Some(attempts))
            .condition_expression("(attribute_not_exists(pk) AND :before = :none) OR #count = :before")
            .expression_attribute_names("#count", "count")
            .expression_attribute_values(":before", number(before.count))
            .expression_attribute_values(":none", number(0));
        put.send().await?;
        Ok(())
    }

    /// Forgets the attempts at an address, after one that succeeded.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`].
    pub async fn forget_attempts(&self, address: &str) -> Result<(), StoreError> {
        let key = keys::attempts(address).item();
        self.client.delete_item().table_name(&self.tables.tenants).set_key(Some(key)).send().await?;
        Ok(())
    }

    /// Begins a session, and notes at the user when they last signed in.
    ///
    /// # Errors
    ///
    /// [`StoreError::Conflict`] if the user was removed or disabled meanwhile.
    pub async fn begin_session(&self, session: &Session) -> Result<(), StoreError> {
        let user = Change {
            table: self.tables.tenants.clone(),
            key: keys::user(session.user).item(),
            expression: "SET #signed_in = :now".to_owned(),
            condition: "#tenant = :tenant AND #active = :true".to_owned(),
            names: vec![("#signed_in", "last_sign_in"), ("#tenant", "tenant"), ("#active", "is_active")],
            values: vec![
                (":now", number(session.created_at.millis())),
                (":tenant", text(session.tenant)),
                (":true", AttributeValue::Bool(true)),
            ],
        };
        let writes = vec![self.put_new(item::of_session(session)?), user.build()];
        Ok(self.transact(writes).await?)
    }

    /// Notes that a session is in real use, at most as often as the caller decides.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`].
    pub async fn touch_session(&self, session: &Session, now: Timestamp) -> Result<(), StoreError> {
        let update = self
            .client
            .update_item()
            .table_name(&self.tables.tenants)
            .set_key(Some(keys::session(session.uid).item()))
            .update_expression("SET #used = :now")
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_names("#used", "last_used_at")
            .expression_attribute_values(":now", number(now.millis()));
        update.send().await?;
        Ok(())
    }

    /// Sets the password of a person and ends all of their sessions, in every tenant. API keys live on.
    ///
    /// - `users`: the users of all memberships.
    /// - `used`: the one-time token by which it is set, which is used up with it.
    /// - `activated`: the user whom that token makes active, as it was read.
    ///
    /// # Errors
    ///
    /// [`StoreError::Conflict`] if the token was used already or a user was removed.
    pub async fn set_password(
        &self,
        address: &str,
        password_hash: &str,
        users: &[UserUid],
        used: Option<&OneTime>,
        activated: Option<&User>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut login = keys::login(address).item();
        login.insert("password_hash".to_owned(), text(password_hash));
        login.insert("changed_at".to_owned(), number(now.millis()));
        let mut writes = vec![self.put_any(login)];
        for user in users {
            let mut change = Change {
                table: self.tables.tenants.clone(),
                key: keys::user(*user).item(),
                expression: "SET #out = :now".to_owned(),
                condition: "attribute_exists(pk)".to_owned(),
                names: vec![("#out", "signed_out_at")],
                values: vec![(":now", number(now.millis()))],
            };
            if activated.is_some_and(|activated| activated.uid == *user) {
                change.expression.push_str(", #active = :true");
                change.names.push(("#active", "is_active"));
                change.values.push((":true", AttributeValue::Bool(true)));
            }
            writes.push(change.build());
        }
        if let Some(user) = activated.filter(|user| !user.is_active) {
            writes.extend(self.activation(user)?);
        }
        writes.extend(used.map(|once| self.use_up(once)));
        Ok(self.transact(writes).await?)
    }

    /// A one-time token, used or expired ones not among them.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`].
    pub async fn once(&self, digest: &str) -> Result<Option<OneTime>, StoreError> {
        self.get(&keys::once(digest)).await?.map(item::once).transpose()
    }

    /// Puts a mail of a kind into the outbox, with the one-time token that it carries, unless one of this kind was
    /// posted to this address a moment ago. Without a mail it does the same work.
    ///
    /// - `again_from`: from then on the next one is posted.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`].
    pub async fn post_mail_now_and_then(
        &self,
        address: &str,
        kind: &str,
        mail: Option<&OutgoingMail>,
        once: Option<&OneTime>,
        now: Timestamp,
        again_from: Timestamp,
    ) -> Result<(), StoreError> {
        let mut mailed = keys::mailed(address, kind).item();
        mailed.insert("again_from".to_owned(), number(again_from.millis()));
        mailed.insert("ttl".to_owned(), number(again_from.secs() + 1));
        let put = Put::builder()
            .table_name(&self.tables.tenants)
            .set_item(Some(mailed))
            .condition_expression("attribute_not_exists(pk) OR #again <= :now")
            .expression_attribute_names("#again", "again_from")
            .expression_attribute_values(":now", number(now.millis()));
        let mut writes = vec![TransactWriteItem::builder().put(put.build().expect("table and item are set")).build()];
        if let Some(once) = once {
            writes.push(self.put_new(item::of_once(once)?));
        }
        if let Some(mail) = mail {
            writes.push(self.put_new(item::of_mail(mail)?));
        }
        match self.transact(writes).await {
            Ok(()) | Err(Cancelled::Condition { at: 0, .. }) => Ok(()),
            Err(cancelled) => Err(cancelled.into()),
        }
    }

    /// Takes a mail out of the outbox, after it was sent or has become pointless.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`].
    pub async fn remove_mail(&self, uid: &str) -> Result<(), StoreError> {
        let key = keys::mail(uid).item();
        self.client.delete_item().table_name(&self.tables.tenants).set_key(Some(key)).send().await?;
        Ok(())
    }

    /// Puts a one-time token in place of what it was good for before, so that the same link leads one step further.
    pub(crate) fn replace_once(&self, once: &OneTime) -> Result<TransactWriteItem, StoreError> {
        let put = Put::builder()
            .table_name(&self.tables.tenants)
            .set_item(Some(item::of_once(once)?))
            .condition_expression("attribute_exists(pk) AND #purpose <> :purpose")
            .expression_attribute_names("#purpose", "purpose")
            .expression_attribute_values(":purpose", item::purpose(once)?);
        Ok(TransactWriteItem::builder().put(put.build().expect("table and item are set")).build())
    }

    pub(crate) fn use_up(&self, once: &OneTime) -> TransactWriteItem {
        self.delete_if(&keys::once(&once.digest), "attribute_exists(pk)")
    }
}

pub(crate) fn of_membership(address: &str, membership: &Membership) -> Result<Item, StoreError> {
    item::with_key(&keys::membership(address, membership.tenant), &MembershipRow::from(membership))
}
