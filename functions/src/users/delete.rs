//! `DELETE /v1/users/{uid}`: removes a user with all of their API keys.

use domain::{
    Permission, User,
    audit::{Action, Resource},
};
use store::{ChangeUserRefused, StoreError};

use crate::{
    ApiError, App, audit, caller,
    http::{self, Request, Response},
    person,
};

pub(super) async fn handle(app: &App, request: Request) -> Result<Response, ApiError> {
    let principal = caller::permitted(app, &request, Permission::UserDelete).await?;
    let user = super::permitted(app, &request, &principal, Permission::UserDelete).await?;
    if user.uid == principal.user.uid {
        return Err(ApiError::NotOneself);
    }
    super::check_may_manage(&principal, &user)?;
    // First, so that with the first write everything of theirs is dead, whatever becomes of the rest.
    let disabled = User { is_active: false, ..user.clone() };
    let trail = audit::Trail::of(app, &request, &principal);
    let resource = || Resource::user(&user);
    if user.is_active {
        let content = format!("{} disabled, to be deleted", user.name());
        let record = [trail.record(Action::Update, resource(), "User disabled", content)];
        app.store.on_record(&record).replace_user(&user, &disabled).await?;
    }
    let address = person::address_of(&user)?;
    for _ in 0..super::ATTEMPTS {
        for key in app.store.api_keys_of_user(user.tenant, user.uid).await? {
            let content = format!("Key {} deleted with its user {}", key.name.as_str(), user.name());
            let record =
                [trail.record_about(user.uid, Action::Delete, Resource::api_key(&key), "API key deleted", content)];
            match app.store.on_record(&record).delete_api_key(&key).await {
                Ok(()) | Err(StoreError::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let person = app.store.person(address.canonical()).await?;
        for link in app.store.links_of_user(user.uid).await? {
            let content = format!("{} is no longer known by {}", user.name(), link.identity.provider.label());
            let record = [trail.record_about(user.uid, Action::Update, resource(), "Identity unlinked", content)];
            match app.store.on_record(&record).unlink(&link, None).await {
                Ok(()) | Err(StoreError::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let login = (person.memberships.len() <= 1).then_some(&person);
        let content = format!("{} ({}) deleted", user.name(), user.email);
        let record = [trail.record(Action::Delete, resource(), "User deleted", content)];
        match app.store.on_record(&record).delete_user(&disabled, login).await {
            Ok(()) => return Ok(audit::stated(http::no_content(), &record[0])),
            // A key came to be in between.
            Err(ChangeUserRefused::Store(StoreError::Conflict)) => {}
            Err(refused) => return Err(refused.into()),
        }
    }
    Err(ApiError::Conflict)
}
