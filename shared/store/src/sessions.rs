//! Sessions, of which a key's tokens need a record only once they are ended.

use domain::session::Session;

use crate::{Recorded, StoreError, keys, number, text, transaction::Change};

/// Sessions that can be ended at once: what one transaction of DynamoDB holds.
const MAX_AT_ONCE: usize = 100;

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
