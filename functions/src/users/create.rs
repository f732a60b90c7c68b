//! `POST /v1/users`: invites a person to the caller's tenant.

use domain::{EmailAddress, Permission, User, UserUid, once::Purpose, role};
use store::CreateUserRefused;

use super::json::{self, Created};
use crate::{
    ApiError, App, caller,
    http::{self, Request, Response},
    mail,
};

pub(super) async fn handle(app: &App, request: Request) -> Result<Response, ApiError> {
    let principal = caller::permitted(app, &request, Permission::UserCreate).await?;
    let entity: json::Entity = http::body(&request)?;
    let spec = entity.spec.0;
    let missing = |field: &str| ApiError::Field { field: field.to_owned() };
    let address = EmailAddress::parse(spec.email_id.as_deref().ok_or_else(|| missing("spec.emailId"))?)?;
    let roles = json::roles(&spec.roles)?;
    if !principal.permissions.covers(role::permissions(&roles)) {
        return Err(ApiError::MoreThanHeld);
    }
    let tenant = app.store.tenant(principal.user.tenant).await?.ok_or(ApiError::TenantGone)?;
    let user = User {
        uid: UserUid::from_bytes(app.entropy.uid()),
        tenant: tenant.uid,
        email: address.typed().to_owned(),
        first_name: spec.first_name()?.ok_or_else(|| missing("spec.firstName"))?,
        last_name: spec.last_name()?.ok_or_else(|| missing("spec.lastName"))?,
        roles,
        // Until the invitation is followed.
        is_active: false,
        is_pending: true,
        created_at: app.clock.now(),
        login_mode: spec.login_mode,
        last_sign_in: None,
        signed_out_at: None,
    };
    let (token, once) = mail::one_time(app, &address, Purpose::Activate { tenant: tenant.uid, user: user.uid });
    let letter = mail::invitation(app, tenant.org_name.as_str(), &principal.user.name(), &token);
    let mail = mail::outgoing(app, &address, letter)?;
    match app.store.create_user(&user, &tenant, Some((&once, &mail))).await {
        Ok(()) => Ok(http::created(&Created { uid: user.uid })),
        Err(CreateUserRefused::EmailTaken) => Err(ApiError::UserAlreadyExists),
        Err(CreateUserRefused::LimitReached) => Err(ApiError::UserLimit(tenant.limits.user)),
        Err(CreateUserRefused::Store(error)) => Err(error.into()),
    }
}
