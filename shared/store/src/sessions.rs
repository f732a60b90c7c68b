//! Sessions, of which a key's tokens need a record only once they are ended. Those that people began are listed by user.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{AttributeValue, ConditionCheck, TransactWriteItem};
use domain::{
    SessionUid, Timestamp, User, UserUid,
    once::OneTime,
    session::{Device, Session},
    sso::Identity,
};

use crate::{
    Person, Recorded, Store, StoreError,
    item::{self, Item},
    keys, number,
    people::SIGN_OUTS_AS_READ,
    sso, text,
    transaction::Change,
};

/// Sessions that can be ended at once: what one transaction of DynamoDB holds.
const MAX_AT_ONCE: usize = 100;

/// Keys that one batched read may name.
const BATCH: usize = 100;

impl Store {
    /// The sessions that people of this user began, dead ones that are not removed yet among them, in any order.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`].
    pub async fn sessions_of_user(&self, user: UserUid) -> Result<Vec<(Session, Device)>, StoreError> {
        let mut devices: HashMap<SessionUid, Device> = HashMap::new();
        for found in self.query_prefix(&keys::sessions_partition(user), "").await? {
            let attribute =
                |name: &str| found.get(name).and_then(|value| value.as_s().ok()).cloned().unwrap_or_default();
            let uid = attribute("sk").parse().map_err(|_| StoreError::Broken("a session without a uid".into()))?;
            devices.insert(uid, Device { source: attribute("source"), user_agent: attribute("user_agent") });
        }
        let wanted: Vec<Item> = devices.keys().map(|uid| keys::session(*uid).item()).collect();
        let mut sessions = Vec::new();
        for wanted in wanted.chunks(BATCH) {
            for found in self.read_batch(&self.tables.tenants, wanted.to_vec()).await? {
                let session = item::session(found)?;
                if let Some(device) = devices.remove(&session.uid).filter(|_| session.user == user) {
                    sessions.push((session, device));
                }
            }
        }
        Ok(sessions)
    }
}

impl Recorded<'_> {
    /// Ends these sessions, each named once, all or none. A session that has ended keeps the time of its first end.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`]; [`StoreError::Conflict`] if a record names another user than was claimed.
    ///
    /// # Panics
    ///
    /// With more than 100.
    pub async fn end_sessions(&self, sessions: &[Session]) -> Result<(), StoreError> {
        assert!(sessions.len() <= MAX_AT_ONCE, "the caller bounds what a request may name");
        if sessions.is_empty() {
            return Ok(());
        }
        let writes = sessions.iter().map(|session| {
            let revoked_at = session.revoked_at.map_or(0, domain::Timestamp::millis);
            let change = Change {
                table: self.tables.tenants.clone(),
                key: keys::session(session.uid).item(),
                expression: "SET #revoked = if_not_exists(#revoked, :now), #uid = :uid, #tenant = :tenant, \
                             #user = :user, #ends = if_not_exists(#ends, :ends), #ttl = if_not_exists(#ttl, :ttl)"
                    .to_owned(),
                condition: "attribute_not_exists(pk) OR #user = :user".to_owned(),
                names: vec![
                    ("#revoked", "revoked_at"),
                    ("#uid", "uid"),
                    ("#tenant", "tenant"),
                    ("#user", "user"),
                    ("#ends", "ends_at"),
                    ("#ttl", "ttl"),
                ],
                values: vec![
                    (":now", number(revoked_at)),
                    (":uid", text(session.uid)),
                    (":tenant", text(session.tenant)),
                    (":user", text(session.user)),
                    (":ends", number(session.ends_at.millis())),
                    // Until then a token of the session could still be presented.
                    (":ttl", number(session.ends_at.secs() + 1)),
                ],
            };
            change.build()
        });
        Ok(self.transact(writes.collect()).await?)
    }
}

impl Store {
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

    /// That a user was not signed out everywhere since it was read.
    fn check_sign_outs(&self, user: &User) -> TransactWriteItem {
        let check = ConditionCheck::builder()
            .table_name(&self.tables.tenants)
            .set_key(Some(keys::user(user.uid).item()))
            .condition_expression(format!("attribute_exists(pk) AND {SIGN_OUTS_AS_READ}"))
            .expression_attribute_names("#outs", item::SIGN_OUTS)
            .expression_attribute_values(":outs", number(user.sign_outs))
            .expression_attribute_values(":none", number(0));
        TransactWriteItem::builder().condition_check(check.build().expect("table, key and condition are set")).build()
    }
}

impl Recorded<'_> {
    /// Begins a session, and notes at the user when they last signed in.
    ///
    /// - `session`: with the count of sign-outs that its user had when the proof was accepted.
    /// - `device`: where it is begun.
    /// - `user`: as it was read when the person was recognised.
    /// - `proof`: by what, so that a change of the password in between is not missed.
    ///
    /// # Errors
    ///
    /// [`StoreError::Conflict`] if that no longer holds, or if the user was changed, removed or disabled meanwhile.
    pub async fn begin_session(
        &self,
        session: &Session,
        device: &Device,
        user: &User,
        proof: Proof<'_>,
    ) -> Result<(), StoreError> {
        let now = number(session.created_at.millis());
        let profile = Change {
            table: self.tables.tenants.clone(),
            key: keys::user(user.uid).item(),
            expression: "SET #signed_in = :now".to_owned(),
            condition: format!("#tenant = :tenant AND #active = :true AND {SIGN_OUTS_AS_READ}"),
            names: vec![
                ("#signed_in", "last_sign_in"),
                ("#tenant", "tenant"),
                ("#active", "is_active"),
                ("#outs", item::SIGN_OUTS),
            ],
            values: vec![
                (":now", now.clone()),
                (":tenant", text(user.tenant)),
                (":true", AttributeValue::Bool(true)),
                (":outs", number(session.sign_outs)),
                (":none", number(0)),
            ],
        };
        let index = Change {
            table: self.tables.tenants.clone(),
            key: keys::user_index(user.tenant, user.uid).item(),
            expression: "SET #signed_in = :now".to_owned(),
            condition: "attribute_exists(pk)".to_owned(),
            names: vec![("#signed_in", "last_sign_in")],
            values: vec![(":now", now.clone())],
        };
        let mut writes = vec![
            self.put_new(item::of_session(session)?),
            self.put_new(item::of_device(session, device)),
            profile.build(),
            index.build(),
        ];
        match proof {
            Proof::Password { address, hash, used } => {
                writes.push(self.check_password_hash(address, hash));
                writes.extend(used.map(|once| self.delete_if(&keys::once(&once.digest), "attribute_exists(pk)")));
            }
            Proof::Session { session: before, user: source } => {
                // A change of the password in between signs out the user of the old session, not of the new one.
                if source.uid != user.uid {
                    writes.push(self.check_sign_outs(source));
                }
                // Here, or in the other organization, the identity must still be theirs.
                writes.extend(sso::identity_of(&session.method).map(|identity| self.check_link(identity, user)));
                writes.push(self.end_living(before.uid, session.created_at));
            }
            Proof::Identity(_) => {
                writes.extend(sso::identity_of(&session.method).map(|identity| self.check_link(identity, user)));
            }
        }
        Ok(self.transact(writes).await?)
    }

    /// Ends a session that must be alive.
    fn end_living(&self, session: SessionUid, now: Timestamp) -> TransactWriteItem {
        let ended = Change {
            table: self.tables.tenants.clone(),
            key: keys::session(session).item(),
            expression: "SET #revoked = :now".to_owned(),
            condition: "attribute_exists(pk) AND attribute_not_exists(#revoked)".to_owned(),
            names: vec![("#revoked", "revoked_at")],
            values: vec![(":now", number(now.millis()))],
        };
        ended.build()
    }

    /// Ends every session of a person, in every tenant, and begins one in the place of the one that asked for it.
    ///
    /// - `next`: with one sign-out more than `user` has.
    /// - `before`: the one that asked, and `user` whose it is, both as they were read when it was let in.
    /// - `users`: the users of the person whose sessions end, `user` among them.
    /// - `person`: by the address of `user`, as they were read.
    ///
    /// # Errors
    ///
    /// [`StoreError::Conflict`] if the one that asked has ended meanwhile, or the person came into another organization.
    pub async fn end_other_sessions(
        &self,
        (next, device): (&Session, &Device),
        before: &Session,
        user: &User,
        users: &[UserUid],
        (address, person): (&str, &Person),
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut writes = vec![
            self.check_joins(address, person),
            self.put_new(item::of_session(next)?),
            self.put_new(item::of_device(next, device)),
            self.end_living(before.uid, now),
        ];
        writes.extend(sso::identity_of(&next.method).map(|identity| self.check_link(identity, user)));
        for uid in users {
            let mut change = self.sign_out(*uid);
            if *uid == user.uid {
                change.condition = format!("attribute_exists(pk) AND {SIGN_OUTS_AS_READ}");
                change.values.extend([(":outs", number(user.sign_outs)), (":none", number(0))]);
            }
            writes.push(change.build());
        }
        Ok(self.transact(writes).await?)
    }
}

/// By what a person was recognised.
#[derive(Debug, Clone, Copy)]
pub enum Proof<'a> {
    /// By the password of this hash.
    Password {
        /// Whose, in canonical form.
        address: &'a str,
        /// As it was read.
        hash: &'a str,
        /// A one-time token that stands for the password, and is used up.
        used: Option<&'a OneTime>,
    },
    /// By a session, which ends as the new one begins.
    Session {
        /// The session.
        session: &'a Session,
        /// Whose it is, as it was read.
        user: &'a User,
    },
    /// By an identity that a provider has vouched for, and that is linked to the user.
    Identity(&'a Identity),
}
