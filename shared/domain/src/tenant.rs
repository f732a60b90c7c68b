//! Tenants and what they have set.

use crate::uid::{ProjectUid, TenantUid};

/// API keys that one user may have, unless the tenant sets another limit.
pub const DEFAULT_API_KEY_LIMIT: u32 = 20;

/// The project that every tenant has from the start; clients of Palette look for it by this name.
pub const DEFAULT_PROJECT: &str = "Default";

/// The organisation that owns users, API keys and sessions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tenant {
    /// Names it on the wire.
    pub uid: TenantUid,
    /// What people call it; part of a host name, so lower case.
    pub org_name: String,
    /// API keys that one of its users may have.
    pub api_key_limit: u32,
}

/// A project: named by clients in `ProjectUid`, and holding nothing of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Project {
    /// Names it on the wire.
    pub uid: ProjectUid,
    /// What people call it.
    pub name: String,
}
