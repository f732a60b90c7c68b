//! People at the password door: one way in for every route that takes a password, with one count of attempts.

use domain::{
    EmailAddress, Tenant, TenantUid, User, UserUid,
    audit::{Action, Means, Resource},
    once::{OneTimeToken, Purpose},
    password::{Age, Password, PasswordPolicy},
    session::Session,
    sso::{Method, Provider},
    tenant::OrgName,
};
use store::{Membership, Person, StoreError};

use crate::{ApiError, App, audit::Trail, http::Request, mail};

/// Organizations that one person may belong to.
pub const MAX_MEMBERSHIPS: usize = 40;

/// What every guess at a password of ours begins with.
const PRODUCT: &str = "latchkey";

/// How often counting an attempt is tried again that met another attempt at the same address.
const ATTEMPTS: usize = 10;

/// The person whose address and password these are.
///
/// The attempt is counted before it is evaluated, and the same work is done whether anybody has the address or not. One
/// that fails is in the audit trail of the organization that was meant, or of the first that the person belongs to.
///
/// - `org`: the organization that was meant, if one was.
///
/// # Errors
///
/// [`ApiError::InvalidCredentials`], [`ApiError::AccountLocked`]; [`ApiError::PasswordTooLong`] before anything is done.
pub async fn check_password(
    app: &App,
    request: &Request,
    address: &EmailAddress,
    org: Option<&OrgName>,
    password: Password,
) -> Result<Person, ApiError> {
    if password.is_oversized() {
        return Err(ApiError::PasswordTooLong);
    }
    // Before the attempt is counted: one that is never evaluated must not count.
    let queued = app.hasher.queue()?;
    let person = begin_attempt(app, address.canonical()).await?;
    if !queued.verify(password, person.password_hash.clone()).await? {
        let content = format!("Wrong password, attempt {} in a row", person.attempts.count + 1);
        note_refusal(app, request, address, &person, org, &content).await?;
        return Err(ApiError::InvalidCredentials);
    }
    app.store.forget_attempts(address.canonical()).await?;
    Ok(person)
}

/// Leaves a record of a sign-in that was refused, in the organization that was meant or the first that the person belongs
/// to; for nobody the same work is done.
///
/// # Errors
///
/// [`ApiError::Unavailable`].
pub async fn note_refusal(
    app: &App,
    request: &Request,
    address: &EmailAddress,
    person: &Person,
    org: Option<&OrgName>,
    content: &str,
) -> Result<(), ApiError> {
    let meant = person.accepted().find(|membership| org.is_some_and(|org| membership.org_name == *org));
    let membership = meant.or_else(|| person.accepted().next());
    let somebody = membership.cloned().unwrap_or_else(nobody);
    let trail = Trail::of_member(app, request, address.canonical(), &somebody, Means::None);
    let resource = Resource::member(somebody.user, address.canonical());
    let record = trail.record(Action::Activity, resource, "Sign-in refused", content.to_owned());
    Ok(app.store.note(&record, membership.is_some()).await?)
}

/// Stands in for the membership of whoever has none, where the same work is to be done.
pub fn nobody() -> Membership {
    Membership {
        tenant: TenantUid::from_bytes([0; 12]),
        org_name: OrgName::folded(""),
        user: UserUid::from_bytes([0; 12]),
        is_accepted: false,
    }
}

/// Where mails to a person go: to the address as they have typed it, however somebody else spells it.
pub fn mail_address(person: &Person, asked: &EmailAddress) -> EmailAddress {
    let stored = person.email.as_deref().and_then(|email| EmailAddress::parse(email).ok());
    stored.filter(|stored| stored == asked).unwrap_or_else(|| asked.clone())
}

async fn begin_attempt(app: &App, address: &str) -> Result<Person, ApiError> {
    for _ in 0..ATTEMPTS {
        let person = app.store.person(address).await?;
        let now = app.clock.now();
        let counted = person.attempts.begin(now).map_err(|_| ApiError::AccountLocked)?;
        match app.store.count_attempt(address, person.attempts, counted, now).await {
            Ok(()) => return Ok(person),
            Err(StoreError::Conflict) => {}
            Err(error) => return Err(error.into()),
        }
    }
    // So many at once are no one person's.
    Err(ApiError::AccountLocked)
}

/// The address that a user was invited by.
///
/// # Errors
///
/// [`ApiError::Internal`] if what is stored is none.
pub fn address_of(user: &User) -> Result<EmailAddress, ApiError> {
    EmailAddress::parse(&user.email).map_err(|error| ApiError::Internal(error.into()))
}

/// The tenants of a person in which their user is active, with that user.
///
/// # Errors
///
/// [`ApiError::Unavailable`].
pub async fn active_memberships(app: &App, person: &Person) -> Result<Vec<(Tenant, User)>, ApiError> {
    let mut active = Vec::new();
    for membership in person.accepted() {
        let user = app.store.user(membership.tenant, membership.user).await?;
        if let Some(user) = user.filter(|user| user.is_active)
            && let Some(tenant) = app.store.tenant(membership.tenant).await?
        {
            active.push((tenant, user));
        }
    }
    Ok(active)
}

/// The tenants that the person behind a session gets into from it, with their users there.
///
/// Whoever gave the password is the person, wherever they belong. A provider vouches for an identity and no more: of
/// somebody whom the provider of a tenant has vouched for, nothing is known elsewhere.
///
/// # Errors
///
/// [`ApiError::Unavailable`].
pub async fn reachable(app: &App, session: &Session, person: &Person) -> Result<Vec<(Tenant, User)>, ApiError> {
    let users = match &session.method {
        Method::Password => return active_memberships(app, person).await,
        Method::Sso { provider: Provider::Oidc, .. } => vec![(session.tenant, session.user)],
        Method::Sso { identity, .. } => {
            let links = app.store.users_of_identity(identity).await?;
            links.into_iter().map(|link| (link.tenant, link.user)).collect()
        }
    };
    let mut reachable = Vec::new();
    for (tenant, user) in users {
        let user = app.store.user(tenant, user).await?.filter(|user| user.is_active);
        let tenant = app.store.tenant(tenant).await?.filter(|tenant| tenant.admits(&session.method));
        reachable.extend(tenant.zip(user));
    }
    reachable.sort_by(|(one, _), (other, _)| one.org_name.cmp(&other.org_name));
    Ok(reachable)
}

/// Refuses a password that is older than the tenant allows, and mails a link to set another one. Says by mail when it
/// soon will be, once a day.
///
/// # Errors
///
/// [`ApiError::PasswordExpired`].
pub async fn check_age(app: &App, address: &EmailAddress, person: &Person, tenant: &Tenant) -> Result<(), ApiError> {
    let Some(changed_at) = person.password_changed_at else { return Ok(()) };
    match tenant.password_policy.age(changed_at, app.clock.now()) {
        Age::Young => Ok(()),
        Age::EndsSoon(ends_at) => {
            let address = &mail_address(person, address);
            let letter = mail::password_ends(app, &tenant.org_name, ends_at);
            mail::send(app, address, mail::Kind::PasswordEnds, letter, None, None, true).await?;
            Ok(())
        }
        Age::Ended => {
            let address = &mail_address(person, address);
            let (token, once) = mail::one_time(app, address, Purpose::ResetPassword);
            let letter = mail::password_ended(app, tenant.org_name.as_str(), &token);
            mail::send(app, address, mail::Kind::Reset, letter, Some(&once), None, true).await?;
            Err(ApiError::PasswordExpired)
        }
    }
}

/// The hash of a new password, if the tenants that the person has accepted allow it, and it is not made of words that
/// everybody knows of them.
///
/// - `joining`: a tenant that they are about to accept.
///
/// # Errors
///
/// [`ApiError::PasswordPolicy`] with every rule that it breaks.
pub async fn hash_new_password(
    app: &App,
    address: &str,
    person: &Person,
    joining: Option<TenantUid>,
    password: Password,
) -> Result<String, ApiError> {
    if password.is_oversized() {
        return Err(ApiError::PasswordTooLong);
    }
    let queued = app.hasher.queue()?;
    let known = known_words(app, address, person, joining).await?;
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    let broken = policy(app, person, joining).await?.broken_rules(&password, &known);
    if broken.is_empty() { queued.hash(password, &app.entropy).await } else { Err(ApiError::PasswordPolicy(broken)) }
}

/// What is tried first at a person's password: their address, the name of the product, those of their organizations and
/// their own. Source: ASVS 5.0, 6.1.2 and 6.2.11; the README lists them.
async fn known_words(
    app: &App,
    address: &str,
    person: &Person,
    joining: Option<TenantUid>,
) -> Result<Vec<String>, ApiError> {
    let mut known = vec![address.to_owned(), PRODUCT.to_owned()];
    let meant = |membership: &&Membership| membership.is_accepted || joining == Some(membership.tenant);
    let meant: Vec<_> = person.memberships.iter().filter(meant).collect();
    known.extend(meant.iter().map(|membership| membership.org_name.to_string()));
    let users: Vec<_> = meant.iter().map(|membership| membership.user).collect();
    let users = app.store.users_by_uid(&users).await?;
    known.extend(users.into_iter().flat_map(|user| [user.first_name, user.last_name]));
    // The same names everywhere, mostly, and each costs time.
    known.sort();
    known.dedup();
    Ok(known)
}

/// What a password of this person must be like: what all of their organizations ask for.
///
/// - `joining`: a tenant that they are about to accept.
///
/// # Errors
///
/// [`ApiError::Unavailable`].
pub async fn policy(app: &App, person: &Person, joining: Option<TenantUid>) -> Result<PasswordPolicy, ApiError> {
    let mut policies = Vec::new();
    for tenant in person.accepted().map(|membership| membership.tenant).chain(joining) {
        policies.extend(app.store.tenant(tenant).await?.map(|tenant| tenant.password_policy));
    }
    Ok(PasswordPolicy::of_all(policies))
}

/// What a mailed link is for.
pub struct Link {
    /// What the password must be like that it is to set.
    pub policy: PasswordPolicy,
    /// The address of the person.
    pub email: String,
    /// The organization that it leads into, if into one.
    pub org: Option<OrgName>,
    /// The user whom it makes active.
    pub invited: Option<(TenantUid, UserUid)>,
    /// Of its token.
    pub digest: String,
}

/// What this link is for.
///
/// # Errors
///
/// [`ApiError::InvalidOneTimeToken`].
pub async fn link(app: &App, token: &str) -> Result<Link, ApiError> {
    let refused = || ApiError::InvalidOneTimeToken;
    let token = OneTimeToken::parse(token).map_err(|_| refused())?;
    let once = app.store.once(&token.digest()).await?.ok_or_else(refused)?;
    let (joining, org) = match &once.purpose {
        Purpose::ChooseOrganization { .. } | Purpose::Sso(_) | Purpose::SsoPending(_) | Purpose::SsoWish { .. } => {
            return Err(refused());
        }
        Purpose::Activate { tenant, .. } => {
            (Some(*tenant), app.store.tenant(*tenant).await?.map(|tenant| tenant.org_name))
        }
        Purpose::SignUp(sign_up) => (None, Some(OrgName::folded(&sign_up.org_name))),
        Purpose::ResetPassword => (None, None),
    };
    let person = app.store.person(&once.address).await?;
    if !once.is_usable(person.password_changed_at, app.clock.now()) {
        return Err(refused());
    }
    let invited = match once.purpose {
        Purpose::Activate { tenant, user } => Some((tenant, user)),
        _ => None,
    };
    Ok(Link { policy: policy(app, &person, joining).await?, email: once.email, org, invited, digest: once.digest })
}

/// The users of all memberships that a person has accepted.
pub fn users_of(person: &Person) -> Vec<UserUid> {
    person.accepted().map(|membership| membership.user).collect()
}
