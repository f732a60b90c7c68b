//! Sessions, of which a key's tokens need a record only once they are ended. Those that people began are listed by user.

use std::collections::HashMap;

use domain::{
    SessionUid, UserUid,
    session::{Device, Session},
};

use crate::{
    Recorded, Store, StoreError,
    item::{self, Item},
    keys, number, text,
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
