//! Asking for a mail with a link to set another password.

use domain::{EmailAddress, Permission, UserUid, once::Purpose};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    ApiError, App, caller,
    http::{self, Request, Response},
    mail, person,
};

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PasswordReset)]
pub(super) struct Body {
    email_id: String,
}

/// `POST /v1/auth/user/password/reset`, `PATCH /v1/users/password/reset`: for whoever has forgotten it. The answer and
/// the work are the same for every address.
pub(super) async fn by_address(app: &App, request: Request) -> Result<Response, ApiError> {
    let body: Body = http::body(&request)?;
    mail_link(app, &EmailAddress::parse(&body.email_id)?).await?;
    Ok(http::no_content())
}

/// `PATCH /v1/users/{uid}/password/reset`: for an admin, who learns nothing of the link. Who has not accepted the
/// invitation yet is mailed it again.
pub(super) async fn by_admin(app: &App, request: Request) -> Result<Response, ApiError> {
    let principal = caller::principal(app, &request).await?;
    if !principal.has(Permission::UserUpdate) {
        return Err(ApiError::Forbidden(Permission::UserUpdate));
    }
    let uid: UserUid = http::uid(&request).map_err(|_| ApiError::UserNotFound)?;
    let user = app.store.user(principal.user.tenant, uid).await?.ok_or(ApiError::UserNotFound)?;
    let address = person::address_of(&user)?;
    if user.is_pending {
        let tenant = app.store.tenant(user.tenant).await?.ok_or(ApiError::TenantGone)?;
        let (token, once) = mail::one_time(app, &address, Purpose::Activate { tenant: tenant.uid, user: user.uid });
        let letter = mail::invitation(app, tenant.org_name.as_str(), &principal.user.name(), &token);
        mail::send(app, &address, mail::Kind::Invitation, letter, Some(&once), true).await?;
    } else {
        mail_link(app, &address).await?;
    }
    Ok(http::no_content())
}

async fn mail_link(app: &App, address: &EmailAddress) -> Result<(), ApiError> {
    let person = app.store.person(address.canonical()).await?;
    let (token, once) = mail::one_time(app, address, Purpose::ResetPassword);
    let letter = mail::reset(app, address, &token);
    let is_known = person.accepted().next().is_some();
    mail::send(app, address, mail::Kind::Reset, letter, Some(&once), is_known).await
}
