//! Asking for a mail with a link to set another password.

use domain::{
    EmailAddress, Permission, UserUid,
    audit::{Action, Means, Record, Resource},
    once::Purpose,
};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    ApiError, App, audit, caller,
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
    mail_link(app, &request, &EmailAddress::parse(&body.email_id)?, None).await?;
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
    let trail = audit::Trail::of(app, &request, &principal);
    let message = if user.is_pending { "Invitation mailed again" } else { "Link to set a password mailed" };
    let content = format!("{message} to {}", user.email);
    let record = trail.record_about(user.uid, Action::Activity, Resource::user(&user), message, content);
    let is_posted = if user.is_pending {
        let tenant = app.store.tenant(user.tenant).await?.ok_or(ApiError::TenantGone)?;
        let (token, once) = mail::one_time(app, &address, Purpose::Activate { tenant: tenant.uid, user: user.uid });
        let letter = mail::invitation(app, tenant.org_name.as_str(), &principal.user.name(), &token);
        mail::send(app, &address, mail::Kind::Invitation, letter, Some(&once), Some(&record), true).await?
    } else {
        mail_link(app, &request, &address, Some(record.clone())).await?
    };
    // A moment after another one nothing is mailed, and nothing has happened.
    Ok(if is_posted { audit::stated(http::no_content(), &record) } else { http::no_content() })
}

/// - `record`: what an admin did; otherwise somebody asked who is not known yet.
async fn mail_link(
    app: &App,
    request: &Request,
    address: &EmailAddress,
    record: Option<Record>,
) -> Result<bool, ApiError> {
    let person = app.store.person(address.canonical()).await?;
    let (token, once) = mail::one_time(app, address, Purpose::ResetPassword);
    let address = &person::mail_address(&person, address);
    let letter = mail::reset(app, address, &token);
    let membership = person.accepted().next();
    let record = record.unwrap_or_else(|| {
        let somebody = membership.cloned().unwrap_or_else(person::nobody);
        let trail = audit::Trail::of_member(app, request, address.canonical(), &somebody, Means::None);
        let resource = Resource::member(somebody.user, address.canonical());
        let content = "Somebody asked for a link to set another password; it was mailed to the user".to_owned();
        trail.record_about(somebody.user, Action::Activity, resource, "Link to set a password asked for", content)
    });
    mail::send(app, address, mail::Kind::Reset, letter, Some(&once), Some(&record), membership.is_some()).await
}
