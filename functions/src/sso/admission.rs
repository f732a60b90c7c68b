//! What an identity opens: decided here for every provider and every way to come.
//!
//! An identity that is linked opens its user. One that is not opens nothing by itself: a user is made for it where the
//! tenant has proven that the domain of the address is its own, and whoever is there already has to prove to be that.

use domain::{
    EmailAddress, Tenant, User, UserUid,
    audit::{Action, Means, Resource},
    sso::{Attempt, Identity, Link, MAX_LINKS, Pending, Provider, Vouched, Wish},
};
use store::{CameBy, CreateUserRefused, LinkProof, LinkRefused, Membership, Person, StoreError};

use super::SsoFailure;
use crate::{ApiError, App, audit::Trail, caller, http::Request, mail, person};

/// What an identity opened.
pub(super) enum Admitted {
    /// A user.
    User(Box<(Tenant, User)>, Identity),
    /// It is the user's now who is signed in.
    Linked,
    /// The person has something to say first: which organization, or who they are. With the organizations, if it is that.
    Asks(Box<Pending>, Option<Vec<Tenant>>),
}

impl Admitted {
    fn user(tenant: Tenant, user: User, vouched: Vouched) -> Self {
        Self::User(Box::new((tenant, user)), vouched.identity)
    }
}

/// What this identity opens.
///
/// - `tenant`: the one that was meant; without, whichever there is.
///
/// # Errors
///
/// [`ApiError::SsoFailed`].
pub(super) async fn admit(
    app: &App,
    request: &Request,
    attempt: &Attempt,
    vouched: Vouched,
    tenant: Option<Tenant>,
) -> Result<Admitted, ApiError> {
    // Whoever serves everybody has to say whose address it is, whatever it is for.
    if vouched.provider() != Provider::Oidc && vouched.email.is_none() {
        return Err(SsoFailure::NotVerified.into());
    }
    match (&attempt.wish, tenant) {
        (Wish::Link { user, session, .. }, Some(tenant)) => {
            let principal = match caller::cookie_token(request) {
                Some(token) => {
                    let claims = caller::claims_of_session(app, &token).await.map_err(|_| SsoFailure::State)?;
                    caller::state_of(app, claims).await.map_err(|_| SsoFailure::State)?
                }
                None => return Err(SsoFailure::State.into()),
            };
            if principal.user.uid != *user
                || principal.user.tenant != tenant.uid
                || principal.session().map(|it| it.uid) != Some(*session)
            {
                return Err(SsoFailure::State.into());
            }
            link_to(app, request, &vouched, &principal.user).await?;
            Ok(Admitted::Linked)
        }
        (Wish::Accept { user, invitation, .. }, Some(tenant)) => {
            accept(app, request, vouched, tenant, *user, invitation).await
        }
        (Wish::SignIn, Some(tenant)) => in_tenant(app, request, attempt, vouched, tenant).await,
        (Wish::SignIn, None) => anywhere(app, request, attempt, vouched).await,
        (Wish::Link { .. } | Wish::Accept { .. }, None) => Err(SsoFailure::State.into()),
    }
}

/// That the identity is this user's.
pub(super) fn link_of(app: &App, vouched: &Vouched, user: &User) -> Link {
    Link {
        tenant: user.tenant,
        user: user.uid,
        identity: vouched.identity.clone(),
        email: vouched.email.clone().unwrap_or_default(),
        created_at: app.clock.now(),
    }
}

/// Links the identity to a user who is signed in, and tells them so.
async fn link_to(app: &App, request: &Request, vouched: &Vouched, user: &User) -> Result<(), ApiError> {
    let link = link_of(app, vouched, user);
    check_room(app, user.uid).await?;
    let tenant = app.store.tenant(user.tenant).await?.ok_or(ApiError::TenantGone)?;
    let address = person::address_of(user)?;
    let mail = mail::outgoing(app, &address, mail::identity_linked(app, tenant.org_name.as_str(), &link))?;
    let trail = Trail::of_user(app, request, user, Means::Sso { provider: vouched.provider() });
    let record = [trail.record(Action::Update, Resource::user(user), "Identity linked", linked(user, vouched))];
    refused(app.store.on_record(&record).link(&link, user, LinkProof::Session, &mail).await)
}

/// What the trail says of a link.
pub(super) fn linked(user: &User, vouched: &Vouched) -> String {
    let email = vouched.email.as_deref().unwrap_or("an identity without an address");
    format!("{} can sign in by {} as {email}", user.name(), vouched.provider().label())
}

/// Refuses more identities than a person could keep an eye on.
pub(super) async fn check_room(app: &App, user: UserUid) -> Result<(), ApiError> {
    if app.store.links_of_user(user).await?.len() < MAX_LINKS {
        Ok(())
    } else {
        Err(ApiError::IdentityLimit(MAX_LINKS))
    }
}

/// Refuses one organization more than a person may belong to.
pub(super) fn check_memberships(person: &Person) -> Result<(), ApiError> {
    if person.accepted().count() < person::MAX_MEMBERSHIPS {
        Ok(())
    } else {
        Err(ApiError::TooManyMemberships(person::MAX_MEMBERSHIPS))
    }
}

pub(super) fn refused(result: Result<(), LinkRefused>) -> Result<(), ApiError> {
    result.map_err(|error| match error {
        LinkRefused::Taken => SsoFailure::Taken.into(),
        LinkRefused::Store(StoreError::Conflict) => SsoFailure::State.into(),
        LinkRefused::Store(error) => error.into(),
    })
}

/// Makes an invited user active: the link that was mailed to them has brought them here.
async fn accept(
    app: &App,
    request: &Request,
    vouched: Vouched,
    tenant: Tenant,
    user: UserUid,
    invitation: &str,
) -> Result<Admitted, ApiError> {
    let state = || ApiError::from(SsoFailure::State);
    let once = app.store.once(invitation).await?.ok_or_else(state)?;
    let person = app.store.person(&once.address).await?;
    if !once.is_usable(person.password_changed_at, app.clock.now()) {
        return Err(state());
    }
    let pending = app.store.user(tenant.uid, user).await?.filter(|user| user.is_pending).ok_or_else(state)?;
    let membership = person.memberships.iter().find(|membership| membership.user == user).ok_or_else(state)?;
    activate(app, request, &vouched, &pending, (&person, membership, &once.address), Some(&once)).await?;
    reread(app, tenant, &pending, vouched).await
}

async fn activate(
    app: &App,
    request: &Request,
    vouched: &Vouched,
    pending: &User,
    (person, membership, address): (&Person, &Membership, &str),
    used: Option<&domain::once::OneTime>,
) -> Result<(), ApiError> {
    check_memberships(person)?;
    let trail = Trail::of_user(app, request, pending, Means::Sso { provider: vouched.provider() });
    let content = format!("{} came in by {}", pending.name(), vouched.provider().label());
    let record = [trail.record(Action::Activity, Resource::user(pending), "User activated", content)];
    let link = link_of(app, vouched, pending);
    let recorded = app.store.on_record(&record);
    refused(recorded.accept_by(&link, (pending, membership), address, person, used).await)
}

/// The user as it is after it was changed.
async fn reread(app: &App, tenant: Tenant, user: &User, vouched: Vouched) -> Result<Admitted, ApiError> {
    let user = app.store.user(user.tenant, user.uid).await?.filter(|user| user.is_active);
    Ok(Admitted::user(tenant, user.ok_or(SsoFailure::NoAccount)?, vouched))
}

/// What an identity opens in one tenant.
async fn in_tenant(
    app: &App,
    request: &Request,
    attempt: &Attempt,
    vouched: Vouched,
    tenant: Tenant,
) -> Result<Admitted, ApiError> {
    if let Some(link) = app.store.link(&vouched.identity.digest(), tenant.uid).await? {
        let user = app.store.user(tenant.uid, link.user).await?.ok_or(SsoFailure::NoAccount)?;
        if user.is_active {
            return Ok(Admitted::user(tenant, user, vouched));
        }
        note_refusal(app, request, &user, &vouched, "The user is not active").await?;
        return Err(SsoFailure::NoAccount.into());
    }
    let address = vouched.address().ok_or(SsoFailure::NotVerified)?;
    let person = app.store.person(address.canonical()).await?;
    let is_theirs = is_proven(app, &tenant, &address).await?;
    let Some(membership) = person.memberships.iter().find(|membership| membership.tenant == tenant.uid) else {
        // Whoever was deleted does not come back by one who has looked at the address once.
        let has_left = !vouched.is_authority && app.store.has_left(tenant.uid, address.canonical()).await?;
        if !is_theirs || has_left {
            return Err(SsoFailure::NoAccount.into());
        }
        // Google tells whose addresses it hands out itself, so its word on others counts for less.
        if vouched.provider() == Provider::Google && !vouched.is_authority {
            return Err(SsoFailure::NoAccount.into());
        }
        return create(app, request, vouched, tenant, &address, &person).await;
    };
    let user = app.store.user(tenant.uid, membership.user).await?.ok_or(SsoFailure::NoAccount)?;
    if user.is_pending {
        // Elsewhere only the mailed link shows that the address is theirs, at this moment and not once.
        if !is_theirs || !vouched.is_authority {
            return Err(SsoFailure::LinkFirst.into());
        }
        activate(app, request, &vouched, &user, (&person, membership, address.canonical()), None).await?;
        return reread(app, tenant, &user, vouched).await;
    }
    if !user.is_active {
        note_refusal(app, request, &user, &vouched, "The user is not active").await?;
        return Err(SsoFailure::NoAccount.into());
    }
    Ok(Admitted::Asks(Box::new(pending(attempt, vouched, Some(&tenant))), None))
}

fn pending(attempt: &Attempt, vouched: Vouched, tenant: Option<&Tenant>) -> Pending {
    Pending {
        vouched,
        tenant: tenant.map(|tenant| tenant.uid),
        browser: attempt.browser.clone(),
        next: attempt.next.clone(),
    }
}

/// What an identity opens where no tenant was meant.
async fn anywhere(app: &App, request: &Request, attempt: &Attempt, vouched: Vouched) -> Result<Admitted, ApiError> {
    let mut opened = users_of(app, &vouched).await?;
    if opened.len() > 1 {
        let tenants = opened.into_iter().map(|(tenant, _)| tenant).collect();
        return Ok(Admitted::Asks(Box::new(pending(attempt, vouched, None)), Some(tenants)));
    }
    if let Some((tenant, user)) = opened.pop() {
        return Ok(Admitted::user(tenant, user, vouched));
    }
    let address = vouched.address().ok_or(SsoFailure::NotVerified)?;
    let holders = app.store.domain_holders(&[address.domain().to_owned()]).await?;
    // As at the sign-in page of the organization whose domain it is.
    if let Some(holder) = holders.into_iter().find(|holder| holder.proven_at.is_some())
        && let Some(tenant) = app.store.tenant(holder.tenant).await?.filter(|tenant| tenant.offers(vouched.provider()))
    {
        return in_tenant(app, request, attempt, vouched, tenant).await;
    }
    if app.settings.sign_up {
        return Ok(Admitted::Asks(Box::new(pending(attempt, vouched, None)), None));
    }
    Err(SsoFailure::NoAccount.into())
}

/// The active users of an identity, in the tenants that let them come by its provider. That of one tenant's provider opens
/// nothing elsewhere.
pub(super) async fn users_of(app: &App, vouched: &Vouched) -> Result<Vec<(Tenant, User)>, ApiError> {
    let mut users = Vec::new();
    if vouched.provider() == Provider::Oidc {
        return Ok(users);
    }
    for link in app.store.users_of_identity(&vouched.identity.digest()).await? {
        let tenant = app.store.tenant(link.tenant).await?.filter(|tenant| tenant.offers(vouched.provider()));
        let user = app.store.user(link.tenant, link.user).await?.filter(|user| user.is_active);
        users.extend(tenant.zip(user));
    }
    users.sort_by(|(one, _), (other, _)| one.org_name.cmp(&other.org_name));
    Ok(users)
}

/// Whether the tenant has proven that the domain of an address is its own.
async fn is_proven(app: &App, tenant: &Tenant, address: &EmailAddress) -> Result<bool, ApiError> {
    let domain = address.domain().to_owned();
    if !tenant.domains.contains(&domain) {
        return Ok(false);
    }
    let holders = app.store.domain_holders(&[domain]).await?;
    Ok(holders.iter().any(|holder| holder.tenant == tenant.uid && holder.proven_at.is_some()))
}

async fn create(
    app: &App,
    request: &Request,
    vouched: Vouched,
    tenant: Tenant,
    address: &EmailAddress,
    person: &Person,
) -> Result<Admitted, ApiError> {
    check_memberships(person)?;
    let (first_name, last_name) = vouched.names(address);
    let user = User {
        uid: UserUid::from_bytes(app.entropy.uid()),
        tenant: tenant.uid,
        email: address.typed().to_owned(),
        first_name,
        last_name,
        roles: Vec::new(),
        is_active: true,
        is_pending: false,
        created_at: app.clock.now(),
        login_mode: domain::user::LoginMode::default(),
        last_sign_in: None,
        sign_outs: 0,
    };
    let trail = Trail::of_user(app, request, &user, Means::Sso { provider: vouched.provider() });
    let content = format!(
        "{} ({}) came by {} for the first time; {} belongs to the organization",
        user.name(),
        user.email,
        vouched.provider().label(),
        address.domain()
    );
    let record = [trail.record(Action::Create, Resource::user(&user), "User created", content)];
    let link = link_of(app, &vouched, &user);
    let came_by = CameBy { link: &link, person, is_authority: vouched.is_authority };
    match app.store.on_record(&record).create_user(&user, &tenant, None, Some(came_by)).await {
        Ok(()) => Ok(Admitted::user(tenant, user, vouched)),
        Err(CreateUserRefused::LimitReached) => Err(SsoFailure::Full.into()),
        // Twice at once: the other one has made it.
        Err(
            CreateUserRefused::EmailTaken
            | CreateUserRefused::JustInvited
            | CreateUserRefused::Store(StoreError::Conflict),
        ) => Err(SsoFailure::State.into()),
        Err(CreateUserRefused::Store(error)) => Err(error.into()),
    }
}

/// Leaves a record of somebody who was recognised and not let in.
async fn note_refusal(app: &App, request: &Request, user: &User, vouched: &Vouched, why: &str) -> Result<(), ApiError> {
    let trail = Trail::of_user(app, request, user, Means::Sso { provider: vouched.provider() });
    let content = format!("By {}: {why}", vouched.provider().label());
    let record = trail.record(Action::Activity, Resource::user(user), "Sign-in refused", content);
    Ok(app.store.note(&record, true).await?)
}
