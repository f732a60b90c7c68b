//! `DELETE /v1/users/{uid}`: removes a user with all of their API keys.

use domain::{Permission, User};
use store::{ChangeUserRefused, StoreError};

use crate::{
    ApiError, App, caller,
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
    app.store.replace_user(&user, &disabled).await.map_err(refused)?;
    let address = person::address_of(&user)?;
    for _ in 0..super::ATTEMPTS {
        for key in app.store.api_keys_of_user(user.tenant, user.uid).await? {
            match app.store.delete_api_key(&key).await {
                Ok(()) | Err(StoreError::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let is_last = app.store.person(address.canonical()).await?.memberships.len() <= 1;
        match app.store.delete_user(&disabled, is_last).await {
            Ok(()) => return Ok(http::no_content()),
            // A key came to be in between.
            Err(ChangeUserRefused::Store(StoreError::Conflict)) => {}
            Err(error) => return Err(refused(error)),
        }
    }
    Err(ApiError::Conflict)
}

fn refused(refused: ChangeUserRefused) -> ApiError {
    match refused {
        ChangeUserRefused::LastAdmin => ApiError::LastAdmin,
        ChangeUserRefused::Store(error) => error.into(),
    }
}
