//! What one may do: `resource.operation`, held at tenant scope.

use std::fmt;

macro_rules! permissions {
    ($($name:ident = $text:literal,)*) => {
        /// One permission. The text form is the wire's, `resource.operation`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[allow(missing_docs, reason = "each name is its text")]
        pub enum Permission { $($name,)* }

        impl Permission {
            /// Every permission there is.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The wire's name of it.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

permissions! {
    ApiKeyCreate = "apiKey.create",
    ApiKeyDelete = "apiKey.delete",
    ApiKeyGet = "apiKey.get",
    ApiKeyList = "apiKey.list",
    ApiKeyUpdate = "apiKey.update",
    AuditGet = "audit.get",
    AuditList = "audit.list",
    ProjectGet = "project.get",
    ProjectList = "project.list",
    RoleCreate = "role.create",
    RoleDelete = "role.delete",
    RoleGet = "role.get",
    RoleList = "role.list",
    RoleUpdate = "role.update",
    TeamCreate = "team.create",
    TeamDelete = "team.delete",
    TeamGet = "team.get",
    TeamList = "team.list",
    TeamUpdate = "team.update",
    TenantUpdate = "tenant.update",
    UserCreate = "user.create",
    UserDelete = "user.delete",
    UserGet = "user.get",
    UserList = "user.list",
    UserUpdate = "user.update",
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A set of permissions.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct PermissionSet(u32);

impl PermissionSet {
    /// The set of everything.
    pub const ALL: Self = Self::of(Permission::ALL);

    /// The set of these.
    pub const fn of(permissions: &[Permission]) -> Self {
        let mut bits = 0;
        let mut i = 0;
        while i < permissions.len() {
            bits |= 1 << permissions[i] as u32;
            i += 1;
        }
        Self(bits)
    }

    /// What is in either set.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether the permission is in the set.
    pub const fn contains(self, permission: Permission) -> bool {
        self.0 & 1 << permission as u32 != 0
    }

    /// Whether all of the other set is in this one.
    pub const fn covers(self, other: Self) -> bool {
        other.0 & !self.0 == 0
    }

    /// The permissions of the set, in the order of their names.
    pub fn iter(self) -> impl Iterator<Item = Permission> {
        Permission::ALL.iter().copied().filter(move |permission| self.contains(*permission))
    }
}

impl fmt::Debug for PermissionSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter().map(Permission::as_str)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_holds_what_is_in_either_of_two_once() {
        let (keys, users) = (
            PermissionSet::of(&[Permission::ApiKeyGet, Permission::UserGet]),
            PermissionSet::of(&[Permission::UserGet, Permission::UserList]),
        );
        let all = keys.union(users);
        assert_eq!(all, PermissionSet::of(&[Permission::ApiKeyGet, Permission::UserGet, Permission::UserList]));
        assert!(all.covers(keys) && all.covers(users) && !keys.covers(users));
        assert_eq!(format!("{keys:?}"), r#"{"apiKey.get", "user.get"}"#);
        assert_eq!(Permission::UserGet.to_string(), "user.get");
    }
}
