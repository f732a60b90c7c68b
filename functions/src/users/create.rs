//! `POST /v1/users`: invites a person to the caller's tenant.

use domain::{
    EmailAddress, Permission, User, UserUid,
    audit::{Action, Resource},
    once::Purpose,
    role,
};
use store::CreateUserRefused;

use super::json::{self, Created};
use crate::{
    ApiError, App, audit, caller,
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
        sign_outs: 0,
    };
    let (token, once) = mail::one_time(app, &address, Purpose::Activate { tenant: tenant.uid, user: user.uid });
    let letter = mail::invitation(app, tenant.org_name.as_str(), &principal.user.name(), &token);
    let mail = mail::outgoing(app, &address, letter)?;
    let names: Vec<&str> = user.roles.iter().filter_map(|role| Some(role::find(*role)?.name)).collect();
    let with = if names.is_empty() { "no role".to_owned() } else { names.join(", ") };
    let record = [audit::Trail::of(app, &request, &principal).record(
        Action::Create,
        Resource::user(&user),
        "User invited",
        format!("{} ({}) invited, with {with}", user.name(), user.email),
    )];
    let again_from = user.created_at + mail::Kind::Invitation.interval();
    match app.store.on_record(&record).create_user(&user, &tenant, Some((&once, &mail, again_from)), None).await {
        Ok(()) => Ok(audit::stated(http::created(&Created { uid: user.uid }), &record[0])),
        Err(CreateUserRefused::JustInvited) => Err(ApiError::JustInvited),
        Err(CreateUserRefused::EmailTaken) => Err(ApiError::UserAlreadyExists),
        Err(CreateUserRefused::LimitReached) => Err(ApiError::UserLimit(tenant.limits.user)),
        Err(CreateUserRefused::Store(error)) => Err(error.into()),
    }
}
