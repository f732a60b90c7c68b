//! The built-in roles. They are the same for every tenant, so their uids are constants and no table holds them.

use crate::{
    permission::{
        Permission::{
            self, ApiKeyCreate, ApiKeyDelete, ApiKeyGet, ApiKeyList, ApiKeyUpdate, AuditGet, AuditList, ProjectGet,
            ProjectList, RoleGet, RoleList, TeamGet, TeamList, UserCreate, UserDelete, UserGet, UserList, UserUpdate,
        },
        PermissionSet,
    },
    uid::RoleUid,
};

/// A named set of permissions that holds throughout a tenant.
#[derive(Debug)]
pub struct Role {
    /// Names it on the wire.
    pub uid: RoleUid,
    /// What people call it.
    pub name: &'static str,
    /// What it grants.
    pub permissions: PermissionSet,
}

const API_KEYS: &[Permission] = &[ApiKeyCreate, ApiKeyDelete, ApiKeyGet, ApiKeyList, ApiKeyUpdate];
const USERS: &[Permission] = &[UserCreate, UserDelete, UserGet, UserList, UserUpdate];
const READ_AUDITS: &[Permission] = &[AuditGet, AuditList];
const READ_PROJECTS: &[Permission] = &[ProjectGet, ProjectList];

/// May do everything.
pub const TENANT_ADMIN: Role =
    Role { uid: RoleUid::from_bytes(*b"\x6c\x6b\0\0roleadmn"), name: "Tenant Admin", permissions: PermissionSet::ALL };

/// Manages users and everybody's API keys.
pub const TENANT_USER_ADMIN: Role = Role {
    uid: RoleUid::from_bytes(*b"\x6c\x6b\0\0roleuser"),
    name: "Tenant User Admin",
    permissions: PermissionSet::of(API_KEYS)
        .union(PermissionSet::of(USERS))
        .union(PermissionSet::of(READ_AUDITS))
        .union(PermissionSet::of(READ_PROJECTS)),
};

/// Sees everything, changes nothing.
pub const TENANT_VIEWER: Role = Role {
    uid: RoleUid::from_bytes(*b"\x6c\x6b\0\0roleview"),
    name: "Tenant Viewer",
    permissions: PermissionSet::of(&[ApiKeyGet, ApiKeyList, RoleGet, RoleList, TeamGet, TeamList, UserGet, UserList])
        .union(PermissionSet::of(READ_AUDITS))
        .union(PermissionSet::of(READ_PROJECTS)),
};

/// Every built-in role, with the permissions that Palette documents for them.
pub const BUILT_IN: [&Role; 3] = [&TENANT_ADMIN, &TENANT_USER_ADMIN, &TENANT_VIEWER];

/// The role of this uid, if there is one.
pub fn find(uid: RoleUid) -> Option<&'static Role> {
    BUILT_IN.into_iter().find(|role| role.uid == uid)
}

/// The permissions that these roles grant together. A role that does not exist grants nothing.
pub fn permissions(roles: &[RoleUid]) -> PermissionSet {
    BUILT_IN
        .iter()
        .filter(|role| roles.contains(&role.uid))
        .fold(PermissionSet::default(), |all, role| all.union(role.permissions))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_grant_what_the_table_says() {
        let names = |role: &Role| role.permissions.iter().map(Permission::as_str).collect::<Vec<_>>().join(" ");
        assert_eq!(TENANT_ADMIN.permissions.iter().count(), Permission::ALL.len());
        assert_eq!(
            names(&TENANT_USER_ADMIN),
            "apiKey.create apiKey.delete apiKey.get apiKey.list apiKey.update audit.get audit.list \
             project.get project.list user.create user.delete user.get user.list user.update"
        );
        assert_eq!(
            names(&TENANT_VIEWER),
            "apiKey.get apiKey.list audit.get audit.list project.get project.list \
             role.get role.list team.get team.list user.get user.list"
        );
    }

    #[test]
    fn a_role_is_found_by_its_uid_alone() {
        for role in BUILT_IN {
            assert_eq!(find(role.uid).map(|found| found.name), Some(role.name));
        }
        assert!(find(RoleUid::from_bytes([9; 12])).is_none());
    }

    #[test]
    fn several_roles_add_up_and_unknown_ones_grant_nothing() {
        assert_eq!(permissions(&[]), PermissionSet::default());
        assert_eq!(permissions(&[RoleUid::from_bytes([9; 12])]), PermissionSet::default());
        let both = permissions(&[TENANT_USER_ADMIN.uid, TENANT_VIEWER.uid]);
        assert!(both.contains(UserCreate) && both.contains(RoleGet) && !both.contains(Permission::RoleCreate));
        assert!(TENANT_ADMIN.permissions.covers(both) && !both.covers(TENANT_ADMIN.permissions));
    }
}
