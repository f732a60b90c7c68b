//! The rules of Latchkey.
//!
//! Values in, values out: no I/O, no clock, no randomness, no AWS type and no HTTP. What a rule decides upon, the time
//! included, is an argument; what was drawn at random comes in as bytes.
//!
//! - [`api_key`]: the format of a key's value, and the life of a key from creation to deletion
//! - [`token`]: access tokens, from their bytes ([`token::jws`]) to what they claim ([`token::Claims`])
//! - [`principal`]: on whose behalf a request acts, decided from a credential and what the tables say of it
//! - [`permission`] and [`role`]: what one may do
//! - [`tenant`], [`settings`], [`user`], [`session`]: the things a credential belongs to
//! - [`email`], [`password`], [`login`], [`once`]: people, and how they prove who they are
//! - [`sso`]: people whom somebody else vouches for
//! - [`audit`]: what happened, and the chain that shows whether anybody has changed it since

pub mod annotations;
pub mod api_key;
pub mod audit;
mod base62;
pub mod email;
pub mod login;
pub mod once;
pub mod password;
pub mod permission;
pub mod principal;
#[cfg(test)]
mod properties;
pub mod role;
pub mod session;
pub mod settings;
pub mod sso;
pub mod tenant;
pub mod timestamp;
pub mod token;
pub mod uid;
pub mod user;

pub use annotations::Annotations;
pub use api_key::ApiKey;
pub use email::EmailAddress;
pub use permission::{Permission, PermissionSet};
pub use principal::Principal;
pub use tenant::Tenant;
pub use timestamp::Timestamp;
pub use uid::{ApiKeyUid, AuditUid, ProjectUid, RoleUid, SessionUid, TenantUid, TokenUid, UserUid};
pub use user::User;
