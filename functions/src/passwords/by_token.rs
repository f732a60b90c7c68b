//! Setting a password by the link of a mail, which is good for that once.

use domain::{
    User,
    once::{OneTime, OneTimeToken, Purpose},
    password::Password,
};
use serde::Deserialize;
use store::StoreError;

use crate::{
    ApiError, App,
    http::{self, Request, Response},
    person,
};

#[derive(Deserialize)]
struct Body {
    password: String,
}

/// `PATCH /v1/auth/password/{passwordToken}/reset`.
pub(super) async fn reset(app: &App, request: Request) -> Result<Response, ApiError> {
    let once = usable(app, &request).await?;
    match once.purpose {
        Purpose::ResetPassword => set(app, &request, once, None).await,
        _ => Err(ApiError::InvalidOneTimeToken),
    }
}

/// `PATCH /v1/auth/password/{passwordToken}/activate`: makes the user active too.
pub(super) async fn activate(app: &App, request: Request) -> Result<Response, ApiError> {
    let once = usable(app, &request).await?;
    match once.purpose {
        Purpose::Activate { tenant, user } => {
            // Removed since the mail was sent, perhaps.
            let user = app.store.user(tenant, user).await?.ok_or(ApiError::InvalidOneTimeToken)?;
            set(app, &request, once, Some(user)).await
        }
        _ => Err(ApiError::InvalidOneTimeToken),
    }
}

/// The token of the path. Whether it is none, another kind, used or expired, it is refused alike.
async fn usable(app: &App, request: &Request) -> Result<OneTime, ApiError> {
    let token = http::path_parameter(request, "passwordToken");
    let token = OneTimeToken::parse(&token).map_err(|_| ApiError::InvalidOneTimeToken)?;
    let once = app.store.once(&token.digest()).await?;
    once.filter(|once| once.is_usable(app.clock.now())).ok_or(ApiError::InvalidOneTimeToken)
}

async fn set(app: &App, request: &Request, once: OneTime, activated: Option<User>) -> Result<Response, ApiError> {
    let body: Body = http::body(request)?;
    let person = app.store.person(&once.address).await?;
    let users = person::users_of(&person);
    let hash = person::hash_new_password(app, &once.address, &person, Password::new(body.password)).await?;
    match app.store.set_password(&once.address, &hash, &users, Some(&once), activated.as_ref(), app.clock.now()).await {
        Ok(()) => Ok(http::no_content()),
        Err(StoreError::Conflict) => Err(ApiError::InvalidOneTimeToken),
        Err(error) => Err(error.into()),
    }
}
