//! `/v1/apiKeys`: creating, listing, reading, changing, revoking, re-activating and deleting API keys. One file per
//! operation, each a function of its own.

pub mod create;
pub mod delete;
pub mod get;
mod json;
pub mod list;
pub mod set_state;
pub mod update;

use domain::{ApiKey, Permission, Principal};

use crate::{
    ApiError, App,
    http::{self, Request},
};

/// How often a change is made again that met another change of the same key.
const ATTEMPTS: usize = 5;

/// The key that the path names, if the caller may do this with it; otherwise it looks as if it were not there.
async fn permitted(
    app: &App,
    request: &Request,
    principal: &Principal,
    permission: Permission,
) -> Result<ApiKey, ApiError> {
    let key = app.store.api_key(principal.user.tenant, http::uid(request)?).await?;
    key.filter(|key| principal.may(permission, key.user)).ok_or(ApiError::NotFound)
}
