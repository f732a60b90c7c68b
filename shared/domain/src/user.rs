//! Users: one person's membership of one tenant.

use crate::{
    permission::PermissionSet,
    role,
    timestamp::Timestamp,
    uid::{RoleUid, TenantUid, UserUid},
};

/// One person's membership of one tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Names it on the wire. Never used again for another.
    pub uid: UserUid,
    /// The tenant it belongs to.
    pub tenant: TenantUid,
    /// As the person typed it; compared in lower case.
    pub email: String,
    /// Given name.
    pub first_name: String,
    /// Family name.
    pub last_name: String,
    /// The roles held throughout the tenant.
    pub roles: Vec<RoleUid>,
    /// Whether the user may do anything at all.
    pub is_active: bool,
    /// When it was made.
    pub created_at: Timestamp,
}

impl User {
    /// "First last".
    pub fn name(&self) -> String {
        format!("{} {}", self.first_name, self.last_name).trim().to_owned()
    }

    /// What the roles grant.
    pub fn permissions(&self) -> PermissionSet {
        role::permissions(&self.roles)
    }
}
