//! Users: one person's membership of one tenant.

use serde::{Deserialize, Serialize};

use crate::{
    permission::PermissionSet,
    role,
    timestamp::Timestamp,
    uid::{RoleUid, TenantUid, UserUid},
};

/// Characters of a given or family name.
pub const MAX_NAME_CHARS: usize = 64;

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
    /// Whether the person has yet to follow the link that proves the address to be theirs. Nobody else can make such a
    /// user active, nor does such a user touch anything of the person's.
    pub is_pending: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// What the person chose to see: `dev` or `devops`.
    pub login_mode: LoginMode,
    /// When the person last signed in here.
    pub last_sign_in: Option<Timestamp>,
    /// How often they were signed out everywhere, as by a change of the password. A session lives as long as this is what
    /// it was when the session began; a clock could not tell what came first.
    pub sign_outs: u64,
}

/// What the person chose to see. It means nothing to this service; clients ask for it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LoginMode {
    /// Developers.
    Dev,
    /// Everybody else.
    #[default]
    Devops,
}

impl LoginMode {
    /// The wire's name of it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Dev => "dev",
            Self::Devops => "devops",
        }
    }
}

impl User {
    /// "First last".
    pub fn name(&self) -> String {
        format!("{} {}", self.first_name, self.last_name).trim().to_owned()
    }

    /// Whether the user is a tenant admin: by what it may do, not by the name of a role.
    pub fn is_admin(&self) -> bool {
        self.permissions() == PermissionSet::ALL
    }

    /// What the roles grant.
    pub fn permissions(&self) -> PermissionSet {
        role::permissions(&self.roles)
    }
}
