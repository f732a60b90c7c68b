//! People at the password door: one way in for every route that takes a password, with one count of attempts.

use domain::{
    EmailAddress, Tenant, User, UserUid,
    password::{BrokenRule, Password},
};
use store::{Person, StoreError};

use crate::{ApiError, App};

/// How often counting an attempt is tried again that met another attempt at the same address.
const ATTEMPTS: usize = 10;

/// The person whose address and password these are.
///
/// The attempt is counted before it is evaluated, and the same work is done whether anybody has the address or not.
///
/// # Errors
///
/// [`ApiError::InvalidCredentials`], [`ApiError::AccountLocked`]; [`ApiError::PasswordTooLong`] before anything is done.
pub async fn check_password(app: &App, address: &EmailAddress, password: Password) -> Result<Person, ApiError> {
    if password.is_oversized() {
        return Err(ApiError::PasswordTooLong);
    }
    let person = begin_attempt(app, address.canonical()).await?;
    if !app.hasher.verify(password, person.password_hash.clone()).await? {
        return Err(ApiError::InvalidCredentials);
    }
    app.store.forget_attempts(address.canonical()).await?;
    Ok(person)
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

/// The tenants of a person in which their user is active, with that user.
///
/// # Errors
///
/// [`ApiError::Unavailable`].
pub async fn active_memberships(app: &App, person: &Person) -> Result<Vec<(Tenant, User)>, ApiError> {
    let mut active = Vec::new();
    for membership in &person.memberships {
        let user = app.store.user(membership.tenant, membership.user).await?;
        if let Some(user) = user.filter(|user| user.is_active)
            && let Some(tenant) = app.store.tenant(membership.tenant).await?
        {
            active.push((tenant, user));
        }
    }
    Ok(active)
}

/// The hash of a new password, if all the tenants of the person allow it.
///
/// # Errors
///
/// [`ApiError::PasswordPolicy`] with every rule that it breaks in any of them.
pub async fn hash_new_password(
    app: &App,
    address: &str,
    person: &Person,
    password: Password,
) -> Result<String, ApiError> {
    if password.is_oversized() {
        return Err(ApiError::PasswordTooLong);
    }
    let mut broken: Vec<BrokenRule> = Vec::new();
    for membership in &person.memberships {
        if let Some(tenant) = app.store.tenant(membership.tenant).await? {
            let known = [address, membership.org_name.as_str(), "latchkey"];
            for rule in tenant.password_policy.broken_rules(&password, &known) {
                if !broken.contains(&rule) {
                    broken.push(rule);
                }
            }
        }
    }
    if broken.is_empty() {
        app.hasher.hash(password, &app.entropy).await
    } else {
        Err(ApiError::PasswordPolicy(broken))
    }
}

/// The users of all memberships of a person.
pub fn users_of(person: &Person) -> Vec<UserUid> {
    person.memberships.iter().map(|membership| membership.user).collect()
}
