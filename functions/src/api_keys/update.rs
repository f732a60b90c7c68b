//! `PUT /v1/apiKeys/{uid}`: changes an API key's name, description and expiry.

use domain::{
    ApiKey, Permission,
    audit::{Action, Resource},
};
use store::{ReplaceRefused, StoreError};

use super::json;
use crate::{
    ApiError, App, audit, caller,
    http::{self, Request, Response},
    mail,
};

/// Handles the request. What it does not name stays as it is; value and user never change.
///
/// # Errors
///
/// [`ApiError::NotFound`], [`ApiError::DuplicateName`], [`ApiError::ApiKeyLimit`], and for what a key must be.
pub async fn handle(app: &App, request: Request) -> Result<Response, ApiError> {
    let principal = caller::principal(app, &request).await?;
    let entity: json::Entity = http::body(&request)?;
    for _ in 0..super::ATTEMPTS {
        let before = super::permitted(app, &request, &principal, Permission::ApiKeyUpdate).await?;
        let after = before.clone().update(entity.update()?, app.clock.now())?;
        if !after.differs_from(&before) {
            return Ok(http::no_content());
        }
        if after.expires_at > before.expires_at {
            super::check_may_prolong(app, &principal, &before).await?;
        }
        let record = [audit::Trail::of(app, &request, &principal).record_about(
            after.user,
            Action::Update,
            Resource::api_key(&after),
            "API key changed",
            changes(&before, &after),
        )];
        let notice = super::notice(app, &principal, &after, mail::expiry_changed).await?;
        let notice = notice.filter(|_| after.expires_at != before.expires_at);
        match app.store.on_record(&record).replace_api_key(&before, &after, notice.as_ref()).await {
            Ok(()) => return Ok(audit::stated(http::no_content(), &record[0])),
            // It met another change of the key: see what the key is now and change that.
            Err(ReplaceRefused::Store(StoreError::Conflict)) => {}
            Err(refused) => return Err(refused.into()),
        }
    }
    Err(ApiError::Conflict)
}

/// What is different, in words.
fn changes(before: &ApiKey, after: &ApiKey) -> String {
    let mut changes = Vec::new();
    if before.name != after.name {
        changes.push(format!("name {} → {}", before.name.as_str(), after.name.as_str()));
    }
    if before.expires_at != after.expires_at {
        changes.push(format!("expiry {} → {}", before.expires_at, after.expires_at));
    }
    if before.annotations != after.annotations {
        changes.push("description or other annotations".to_owned());
    }
    format!("Key {} changed: {}", before.name.as_str(), changes.join(", "))
}
