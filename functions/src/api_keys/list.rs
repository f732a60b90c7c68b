//! `GET /v1/apiKeys`: one's own API keys; all of the tenant's with the permission.

use std::collections::HashMap;

use domain::Permission;

use super::json::{Item, List};
use crate::{
    ApiError, App, caller,
    http::{self, Request, Response},
};

/// Handles the request.
///
/// # Errors
///
/// [`ApiError::Unauthorized`].
pub async fn handle(app: &App, request: Request) -> Result<Response, ApiError> {
    let principal = caller::principal(app, &request).await?;
    let user = principal.user.clone();
    let (mut keys, users) = if principal.has(Permission::ApiKeyList) {
        app.store.api_keys_of_tenant(user.tenant).await?
    } else {
        (app.store.api_keys_of_user(user.tenant, user.uid).await?, vec![user])
    };
    keys.sort_by_key(|key| (key.created_at, key.uid));
    let users: HashMap<_, _> = users.iter().map(|user| (user.uid, user)).collect();
    let items = keys.into_iter().map(|key| Item::new(users.get(&key.user).copied(), key)).collect();
    Ok(http::ok(&List { items }))
}
