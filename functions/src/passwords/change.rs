//! Changing a password by whoever knows the old one, or by an admin.

use domain::{
    EmailAddress, Permission, Principal, UserUid,
    password::{BrokenRule, Password},
};
use serde::Deserialize;
use store::{NewPassword, Person};
use utoipa::ToSchema;

use crate::{
    ApiError, App, audit, caller,
    http::{self, Request, Response},
    person,
};

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = OwnPasswordChange)]
pub(super) struct Own {
    email_id: String,
    current_password: String,
    new_password: String,
}

/// `PATCH /v1/users/password/change`: one's own. It is a password door like signing in, with the same count of attempts.
pub(super) async fn own(app: &App, request: Request) -> Result<Response, ApiError> {
    let principal = caller::principal(app, &request).await?;
    refuse_api_key(&principal)?;
    let body: Own = http::body(&request)?;
    let address = person::address_of(&principal.user)?;
    if EmailAddress::parse(&body.email_id).ok().as_ref() != Some(&address) {
        return Err(ApiError::InvalidCredentials);
    }
    set_own(app, &request, &principal, body.current_password, body.new_password).await
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PasswordChange)]
pub(super) struct OfUser {
    current_password: Option<String>,
    new_password: String,
}

/// `PATCH /v1/users/{uid}/password/change`: one's own with the old one, another's as an admin without it.
pub(super) async fn of_user(app: &App, request: Request) -> Result<Response, ApiError> {
    let principal = caller::principal(app, &request).await?;
    refuse_api_key(&principal)?;
    let uid: UserUid = http::uid(&request).map_err(|_| ApiError::UserNotFound)?;
    let body: OfUser = http::body(&request)?;
    if uid == principal.user.uid {
        let current = body.current_password.unwrap_or_default();
        return set_own(app, &request, &principal, current, body.new_password).await;
    }
    if !principal.has(Permission::UserUpdate) {
        return Err(ApiError::Forbidden(Permission::UserUpdate));
    }
    let user = app.store.user(principal.user.tenant, uid).await?.ok_or(ApiError::UserNotFound)?;
    let address = person::address_of(&user)?;
    let person = app.store.person(address.canonical()).await?;
    // The password opens every organization of the person, of which this admin has a say in one only.
    if user.is_pending || person.memberships.len() > 1 || !principal.may_act_as(&user) {
        return Err(ApiError::NotTheirsAlone);
    }
    set(app, &request, &principal, &address, &person, body.new_password, true).await
}

async fn set_own(
    app: &App,
    request: &Request,
    principal: &Principal,
    current: String,
    new: String,
) -> Result<Response, ApiError> {
    let is_same = current == new;
    let address = &person::address_of(&principal.user)?;
    // Guesses at it belong into the trail of the organization that they are made in.
    let tenant = app.store.tenant(principal.user.tenant).await?.ok_or(ApiError::TenantGone)?;
    let org = Some(&tenant.org_name);
    let person = person::check_password(app, request, address, org, Password::new(current)).await?;
    if is_same {
        return Err(ApiError::PasswordPolicy(vec![BrokenRule::Same]));
    }
    set(app, request, principal, address, &person, new, false).await
}

fn refuse_api_key(principal: &Principal) -> Result<(), ApiError> {
    if principal.is_by_api_key() { Err(ApiError::NotByApiKey) } else { Ok(()) }
}

async fn set(
    app: &App,
    request: &Request,
    principal: &Principal,
    address: &EmailAddress,
    person: &Person,
    new_password: String,
    is_by_admin: bool,
) -> Result<Response, ApiError> {
    let password = Password::new(new_password);
    let hash = person::hash_new_password(app, address.canonical(), person, None, password).await?;
    let new = NewPassword {
        address: address.canonical(),
        email: address.typed(),
        hash: &hash,
        is_by_admin,
        before: person,
        users: &person::users_of(person),
        used: None,
        activated: None,
    };
    let records = super::records(app, request, person, address, "Password changed", Some(principal));
    app.store.on_record(&records).set_password(&new, app.clock.now()).await?;
    Ok(records.first().map_or_else(http::no_content, |record| audit::stated(http::no_content(), record)))
}
