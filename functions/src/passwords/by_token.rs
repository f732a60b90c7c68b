//! Setting a password by the link of a mail, which is good for that once.

use domain::{
    EmailAddress, TenantUid, User, UserUid,
    audit::{Action, Means, Resource},
    once::{OneTimeToken, Purpose},
    password::{BrokenRule, Password},
    sso::Provider,
};
use serde::Deserialize;
use store::{Membership, NewPassword, Person, StoreError};
use utoipa::ToSchema;

use crate::{
    ApiError, App, audit,
    http::{self, Request, Response},
    person,
};

#[derive(Deserialize, ToSchema)]
#[schema(as = NewPassword)]
pub(super) struct Body {
    password: String,
}

/// How often setting is tried again that met a change of the user.
const ATTEMPTS: usize = 3;

/// `PATCH /v1/auth/password/{passwordToken}/reset`.
pub(super) async fn reset(app: &App, request: Request) -> Result<Response, ApiError> {
    set(app, &request, |purpose| (*purpose == Purpose::ResetPassword).then_some(None)).await
}

/// `PATCH /v1/auth/password/{passwordToken}/activate`: makes the pending user active too.
pub(super) async fn activate(app: &App, request: Request) -> Result<Response, ApiError> {
    set(app, &request, |purpose| match purpose {
        Purpose::Activate { tenant, user } => Some(Some((*tenant, *user))),
        _ => None,
    })
    .await
}

/// - `wanted`: whom a token of this purpose makes active; `None` if it is for something else.
///
/// Whether a token is none, another kind, used or expired, it is refused alike.
async fn set(
    app: &App,
    request: &Request,
    wanted: impl Fn(&Purpose) -> Option<Option<(TenantUid, UserUid)>>,
) -> Result<Response, ApiError> {
    let refused = || ApiError::InvalidOneTimeToken;
    let token = OneTimeToken::parse(&http::path_parameter(request, "passwordToken")).map_err(|_| refused())?;
    for _ in 0..ATTEMPTS {
        let once = app.store.once(&token.digest()).await?.ok_or_else(refused)?;
        let joining = wanted(&once.purpose).ok_or_else(refused)?;
        let person = app.store.person(&once.address).await?;
        if !once.is_usable(person.password_changed_at, app.clock.now()) {
            return Err(refused());
        }
        let body: Body = http::body(request)?;
        let activated = match joining {
            None => None,
            Some((tenant, user)) => Some(pending(app, &person, tenant, user).await?),
        };
        let joining = joining.map(|(tenant, _)| tenant);
        // Whoever resets a password, because it has ended perhaps, sets another one.
        if joining.is_none() && is_old(app, &person, &body.password).await? {
            return Err(ApiError::PasswordPolicy(vec![BrokenRule::Same]));
        }
        let password = Password::new(body.password);
        let hash = person::hash_new_password(app, &once.address, &person, joining, password).await?;
        let new = NewPassword {
            address: &once.address,
            // Who follows a link proves how they spell their address.
            email: &once.email,
            hash: &hash,
            is_by_admin: false,
            before: &person,
            users: &person::users_of(&person),
            used: Some(&once),
            activated,
        };
        let address = EmailAddress::parse(&once.email)?;
        let mut records = super::records(app, request, &person, &address, "Password set", None);
        if let Some((user, _)) = &new.activated {
            let trail = audit::Trail::of_user(app, request, user, Means::Link);
            let content = format!("{} came in by the link that was mailed", user.name());
            records.insert(0, trail.record(Action::Activity, Resource::user(user), "User activated", content));
        }
        match app.store.on_record(&records).set_password(&new, app.clock.now()).await {
            Ok(()) => {
                if joining.is_none() {
                    unlink_strange(app, request, &person, &address).await?;
                }
                return Ok(records
                    .first()
                    .map_or_else(http::no_content, |record| audit::stated(http::no_content(), record)));
            }
            // Used meanwhile, or the user was changed: see what is there now.
            Err(StoreError::Conflict) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(ApiError::Conflict)
}

async fn is_old(app: &App, person: &Person, password: &str) -> Result<bool, ApiError> {
    let password = Password::new(password.to_owned());
    if password.is_oversized() {
        return Ok(false);
    }
    app.hasher.queue()?.verify(password, person.password_hash.clone()).await
}

/// Whoever sets another password by mail wants to be rid of somebody else, perhaps: so identities go that have another address
/// than theirs, of those that anybody can have. Those of an organization's own provider are for its admins to give.
async fn unlink_strange(app: &App, request: &Request, person: &Person, address: &EmailAddress) -> Result<(), ApiError> {
    for membership in person.accepted() {
        for link in app.store.links_of_user(membership.user).await? {
            let is_theirs = EmailAddress::parse(&link.email).is_ok_and(|linked| linked == *address);
            if is_theirs || link.identity.provider == Provider::Oidc {
                continue;
            }
            let trail = audit::Trail::of_member(app, request, address.canonical(), membership, Means::Link);
            let content =
                format!("{} {} unlinked, since the password was reset", link.identity.provider.label(), link.email);
            let resource = Resource::member(membership.user, address.canonical());
            let record = [trail.record_about(membership.user, Action::Update, resource, "Identity unlinked", content)];
            match app.store.on_record(&record).unlink(&link, None).await {
                Ok(()) | Err(StoreError::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(())
}

/// The user whom an invitation makes active, if it still can.
async fn pending(app: &App, person: &Person, tenant: TenantUid, user: UserUid) -> Result<(User, Membership), ApiError> {
    let found = app.store.user(tenant, user).await?.filter(|user| user.is_pending);
    let membership = person.memberships.iter().find(|membership| membership.user == user);
    let (Some(user), Some(membership)) = (found, membership) else { return Err(ApiError::InvalidOneTimeToken) };
    if person.accepted().count() >= person::MAX_MEMBERSHIPS {
        return Err(ApiError::TooManyMemberships(person::MAX_MEMBERSHIPS));
    }
    Ok((user, membership.clone()))
}
