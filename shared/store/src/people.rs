//! People: what one e-mail address stands for. One password, a membership for each tenant, and the attempts at the
//! password, which are counted whether anybody has the address or not.
//!
//! All of it lies in one partition, so that signing in reads it at once.

use aws_sdk_dynamodb::types::{AttributeValue, ConditionCheck, Put, TransactWriteItem};
use domain::{TenantUid, Timestamp, User, UserUid, audit::Record, login::Attempts, once::OneTime, tenant::OrgName};
use serde::{Deserialize, Serialize};

use crate::{
    Recorded, Store, StoreError,
    item::{self, Item, OutgoingMail},
    keys, number, text,
    transaction::{Cancelled, Change},
};

/// How long attempts are remembered, in seconds: longer than any pause, and not for ever, so that inventing addresses
/// does not fill the table.
const ATTEMPTS_KEPT_SECS: i64 = 86_400;

/// That a user was signed out everywhere as often as when it was read; one that never was may have no count.
pub(crate) const SIGN_OUTS_AS_READ: &str = "(#outs = :outs OR :outs = :none AND attribute_not_exists(#outs))";

/// What is known of an address.
#[derive(Debug, Clone, Default)]
pub struct Person {
    /// The hash of the password, once one was set, in PHC form.
    pub password_hash: Option<String>,
    /// When it was set.
    pub password_changed_at: Option<Timestamp>,
    /// The address as the person typed it when the first link to it was followed: mails go there, however anybody else
    /// spells it.
    pub email: Option<String>,
    /// Whether somebody else has set it, who may know it still.
    pub is_password_of_admin: bool,
    /// How often they have come into an organization without setting it.
    pub joins: u32,
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
    /// Whether the person has followed the invitation. Until then it is only somebody's wish.
    pub is_accepted: bool,
}

impl Person {
    /// The memberships that the person has accepted.
    pub fn accepted(&self) -> impl Iterator<Item = &Membership> {
        self.memberships.iter().filter(|membership| membership.is_accepted)
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct MembershipRow {
    tenant: TenantUid,
    org_name: String,
    user: UserUid,
    is_accepted: bool,
}

impl From<&Membership> for MembershipRow {
    fn from(membership: &Membership) -> Self {
        let Membership { tenant, org_name, user, is_accepted } = membership;
        Self { tenant: *tenant, org_name: org_name.to_string(), user: *user, is_accepted: *is_accepted }
    }
}

#[derive(Debug, Deserialize)]
struct LoginRow {
    password_hash: String,
    changed_at: i64,
    email: Option<String>,
    #[serde(default)]
    by_admin: bool,
}

#[derive(Debug, Deserialize)]
struct JoinsRow {
    joins: u32,
}

#[derive(Debug, Deserialize)]
struct AttemptsRow {
    count: u32,
    paused_until: Option<i64>,
}

impl Store {
    /// What is known of an address, in canonical form. No snapshot: how often they joined is read before the memberships,
    /// by the order of the sort keys, so whoever comes in between is missed by neither.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`].
    pub async fn person(&self, address: &str) -> Result<Person, StoreError> {
        let mut person = Person::default();
        for found in self.query_prefix(&keys::person_partition(address), "").await? {
            match found.get("sk").and_then(|sk| sk.as_s().ok()).map(String::as_str) {
                Some(keys::LOGIN) => {
                    let row: LoginRow = item::read(found)?;
                    person.password_hash = Some(row.password_hash);
                    person.email = row.email;
                    person.is_password_of_admin = row.by_admin;
                    person.password_changed_at = Some(Timestamp::from_millis(row.changed_at));
                }
                Some(keys::JOINS) => person.joins = item::read::<JoinsRow>(found)?.joins,
                Some(keys::ATTEMPTS) => {
                    let row: AttemptsRow = item::read(found)?;
                    let paused_until = row.paused_until.map(Timestamp::from_millis);
                    person.attempts = Attempts { count: row.count, paused_until };
                }
                _ => {
                    let row: MembershipRow = item::read(found)?;
                    person.memberships.push(Membership {
                        tenant: row.tenant,
                        org_name: OrgName::folded(&row.org_name),
                        user: row.user,
                        is_accepted: row.is_accepted,
                    });
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
        let put = self.client.put_item().table_name(&self.tables.tenants).set_item(Some(attempts));
        let put = match before.count {
            0 => put.condition_expression("attribute_not_exists(pk)"),
            count => put
                .condition_expression("#count = :before")
                .expression_attribute_names("#count", "count")
                .expression_attribute_values(":before", number(count)),
        };
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

    /// Ends whatever this user has begun.
    pub(crate) fn sign_out(&self, user: UserUid) -> Change {
        Change {
            table: self.tables.tenants.clone(),
            key: keys::user(user).item(),
            expression: "ADD #outs :one".to_owned(),
            condition: "attribute_exists(pk)".to_owned(),
            names: vec![("#outs", item::SIGN_OUTS)],
            values: vec![(":one", number(1))],
        }
    }

    /// That a person has come into no organization without setting a password since they were read.
    pub(crate) fn check_joins(&self, address: &str, person: &Person) -> TransactWriteItem {
        let key = keys::joins(address);
        if person.joins == 0 {
            return self.check_absent(&key);
        }
        let check = ConditionCheck::builder()
            .table_name(&self.tables.tenants)
            .set_key(Some(key.item()))
            .condition_expression("#joins = :joins")
            .expression_attribute_names("#joins", item::JOINS)
            .expression_attribute_values(":joins", number(person.joins));
        TransactWriteItem::builder().condition_check(check.build().expect("table, key and condition are set")).build()
    }

    /// That a user is active and was not changed in what counts since it was read.
    pub(crate) fn check_active(&self, user: &User) -> TransactWriteItem {
        let check = ConditionCheck::builder()
            .table_name(&self.tables.tenants)
            .set_key(Some(keys::user(user.uid).item()))
            .condition_expression(format!("#tenant = :tenant AND #active = :true AND {SIGN_OUTS_AS_READ}"))
            .expression_attribute_names("#tenant", "tenant")
            .expression_attribute_names("#active", "is_active")
            .expression_attribute_names("#outs", item::SIGN_OUTS)
            .expression_attribute_values(":tenant", text(user.tenant))
            .expression_attribute_values(":true", AttributeValue::Bool(true))
            .expression_attribute_values(":outs", number(user.sign_outs))
            .expression_attribute_values(":none", number(0));
        TransactWriteItem::builder().condition_check(check.build().expect("table, key and condition are set")).build()
    }

    /// Somebody came in, so the name is the organization's for good; unless another has got it meanwhile.
    pub(crate) fn confirm_organization(&self, membership: &Membership) -> TransactWriteItem {
        let change = Change {
            table: self.tables.tenants.clone(),
            key: keys::organization(&membership.org_name).item(),
            expression: "REMOVE #until".to_owned(),
            condition: "#tenant = :tenant".to_owned(),
            names: vec![("#until", "unconfirmed_until"), ("#tenant", "tenant")],
            values: vec![(":tenant", text(membership.tenant))],
        };
        change.build()
    }

    pub(crate) fn check_password_hash(&self, address: &str, hash: &str) -> TransactWriteItem {
        let check = ConditionCheck::builder()
            .table_name(&self.tables.tenants)
            .set_key(Some(keys::login(address).item()))
            .condition_expression("#hash = :hash")
            .expression_attribute_names("#hash", "password_hash")
            .expression_attribute_values(":hash", text(hash));
        TransactWriteItem::builder().condition_check(check.build().expect("table, key and condition are set")).build()
    }

    /// A one-time token, used or expired ones not among them.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`].
    pub async fn once(&self, digest: &str) -> Result<Option<OneTime>, StoreError> {
        self.get(&keys::once(digest)).await?.map(item::once).transpose()
    }

    /// Keeps a one-time token that no mail carries.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`].
    pub async fn put_once(&self, once: &OneTime) -> Result<(), StoreError> {
        let item = item::of_once(once)?;
        self.client.put_item().table_name(&self.tables.tenants).set_item(Some(item)).send().await?;
        Ok(())
    }

    /// Puts a mail of a kind into the outbox, with the one-time token that it carries, unless one of this kind was
    /// posted to this address a moment ago. Whether it was.
    ///
    /// - `is_wanted`: otherwise the same is written where nobody looks, so that the work does not tell whether there is
    ///   anybody to write to.
    /// - `again_from`: from then on the next one is posted.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`].
    pub async fn post_mail_now_and_then(
        &self,
        posted: &PostedMail<'_>,
        is_wanted: bool,
        now: Timestamp,
        again_from: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut writes = vec![self.put_mailed(posted.address, posted.kind, now, again_from)];
        writes.extend(posted.record.map(|record| self.put_audit_or_decoy(record, is_wanted)));
        let mut items = vec![item::of_mail(posted.mail)?];
        items.extend(posted.once.map(item::of_once).transpose()?);
        for mut item in items {
            if !is_wanted {
                item.extend(keys::decoy(&posted.mail.uid, writes.len()).item());
                item.insert("ttl".to_owned(), number(again_from.secs() + 1));
            }
            writes.push(self.put_new(item));
        }
        match self.transact(writes).await {
            Ok(()) => Ok(true),
            Err(Cancelled::Condition { at: 0, .. }) => Ok(false),
            Err(cancelled) => Err(cancelled.into()),
        }
    }

    /// Notes that a mail of a kind goes to an address, unless one did a moment ago.
    pub(crate) fn put_mailed(
        &self,
        address: &str,
        kind: &str,
        now: Timestamp,
        again_from: Timestamp,
    ) -> TransactWriteItem {
        let mut mailed = keys::mailed(address, kind).item();
        mailed.insert("again_from".to_owned(), number(again_from.millis()));
        mailed.insert("ttl".to_owned(), number(again_from.secs() + 1));
        let put = Put::builder()
            .table_name(&self.tables.tenants)
            .set_item(Some(mailed))
            .condition_expression("attribute_not_exists(pk) OR #again <= :now")
            .expression_attribute_names("#again", "again_from")
            .expression_attribute_values(":now", number(now.millis()));
        TransactWriteItem::builder().put(put.build().expect("table and item are set")).build()
    }

    /// Whether a mail is still in the outbox.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`].
    pub async fn has_mail(&self, uid: &str) -> Result<bool, StoreError> {
        Ok(self.get(&keys::mail(uid)).await?.is_some())
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
    pub(crate) fn replace_once(&self, before: &OneTime, after: &OneTime) -> Result<TransactWriteItem, StoreError> {
        let put = Put::builder()
            .table_name(&self.tables.tenants)
            .set_item(Some(item::of_once(after)?))
            .condition_expression("#purpose = :before")
            .expression_attribute_names("#purpose", "purpose")
            .expression_attribute_values(":before", item::purpose(before)?);
        Ok(TransactWriteItem::builder().put(put.build().expect("table and item are set")).build())
    }
}

impl Recorded<'_> {
    /// Sets the password of a person, ends all of their sessions in every tenant, and forgets the attempts at it. API
    /// keys live on.
    ///
    /// # Errors
    ///
    /// [`StoreError::Conflict`] if what it rests upon no longer holds: the token was used, the password, the user or the
    /// organizations of the person changed since they were read.
    pub async fn set_password(&self, new: &NewPassword<'_>, now: Timestamp) -> Result<(), StoreError> {
        let mut login = keys::login(new.address).item();
        login.insert("password_hash".to_owned(), text(new.hash));
        login.insert("changed_at".to_owned(), number(now.millis()));
        login.insert("email".to_owned(), text(new.email));
        login.insert("by_admin".to_owned(), AttributeValue::Bool(new.is_by_admin));
        let put = Put::builder().table_name(&self.tables.tenants).set_item(Some(login));
        let put = match &new.before.password_hash {
            None => put.condition_expression("attribute_not_exists(pk)"),
            Some(hash) => put
                .condition_expression("#hash = :hash")
                .expression_attribute_names("#hash", "password_hash")
                .expression_attribute_values(":hash", text(hash)),
        };
        let mut writes = vec![
            TransactWriteItem::builder().put(put.build().expect("table and item are set")).build(),
            self.delete(&keys::attempts(new.address)),
            // Whoever comes into an organization sets the password or is counted, so what was read of memberships holds.
            self.check_joins(new.address, new.before),
        ];
        let activated = new.activated.as_ref().map(|(user, _)| user.uid);
        for user in new.users.iter().filter(|user| activated != Some(**user)) {
            writes.push(self.sign_out(*user).build());
        }
        if let Some((user, membership)) = &new.activated {
            writes.extend(self.activation(user));
            writes.push(self.confirm_organization(membership));
            let accepted = Membership { is_accepted: true, ..membership.clone() };
            writes.push(self.put_any(of_membership(new.address, &accepted)?));
        }
        writes.extend(new.used.map(|once| self.delete_if(&keys::once(&once.digest), "attribute_exists(pk)")));
        Ok(self.transact(writes).await?)
    }
}

/// A password that is to be set.
#[derive(Debug)]
pub struct NewPassword<'a> {
    /// Whose, in canonical form.
    pub address: &'a str,
    /// Its hash.
    pub hash: &'a str,
    /// The address as it was typed.
    pub email: &'a str,
    /// Whether somebody else sets it.
    pub is_by_admin: bool,
    /// The person, as they were read.
    pub before: &'a Person,
    /// The users whose sessions end.
    pub users: &'a [UserUid],
    /// The one-time token by which it is set, which is used up with it.
    pub used: Option<&'a OneTime>,
    /// The pending user who becomes active with it, as it was read, and the membership.
    pub activated: Option<(User, Membership)>,
}

/// A mail that is to be posted.
#[derive(Debug)]
pub struct PostedMail<'a> {
    /// To whom, in canonical form.
    pub address: &'a str,
    /// Of what kind.
    pub kind: &'a str,
    /// What it says.
    pub mail: &'a OutgoingMail,
    /// What its link is good for.
    pub once: Option<&'a OneTime>,
    /// What the audit trail says of it.
    pub record: Option<&'a Record>,
}

pub(crate) fn of_membership(address: &str, membership: &Membership) -> Result<Item, StoreError> {
    item::with_key(&keys::membership(address, membership.tenant), &MembershipRow::from(membership))
}
