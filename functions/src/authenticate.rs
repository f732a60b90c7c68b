//! `POST /v1/auth/authenticate`: exchanges a credential for an access token of 15 minutes.

use domain::{
    EmailAddress, SessionUid, Tenant, TokenUid, User,
    password::Password,
    tenant::OrgName,
    token::{Claims, SignIn, Source},
};
use serde::Deserialize;

use crate::{
    ApiError, App, Signer, caller,
    http::{self, Request, Response},
    organizations, person, sign_in, token_answer,
};

/// The body: empty, `{}`, or e-mail and password.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Body {
    email_id: Option<String>,
    password: Option<String>,
    org: Option<String>,
}

/// Handles the request.
///
/// # Errors
///
/// [`ApiError::Unauthorized`] for a key that does not hold, [`ApiError::NothingToAuthenticateWith`] without any;
/// [`ApiError::InvalidCredentials`], [`ApiError::AccountLocked`] and [`ApiError::OrgSelectionRequired`] for a password.
pub async fn handle(app: &App, signer: &Signer, request: Request) -> Result<Response, ApiError> {
    let body: Body = http::optional_body(&request)?.unwrap_or_default();
    let given = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
    // A client that is configured with a key sends it along whatever it does, so a body with e-mail or password wins.
    if given(&body.email_id) || given(&body.password) {
        let user = user_of_password(app, body).await?;
        return sign_in::answer(app, signer, &request, &user, Source::Password).await;
    }
    let (user, key) = caller::user_of_api_key(app, &request).await?.ok_or(ApiError::NothingToAuthenticateWith)?;
    let sign_in = SignIn {
        user: user.uid,
        tenant: user.tenant,
        session: SessionUid::from_bytes(app.entropy.uid()),
        source: Source::ApiKey,
        api_key: Some((key.uid, key.expires_at)),
    };
    let jti = TokenUid::from_bytes(app.entropy.uid());
    let claims = Claims::sign_in(&app.realm(), &sign_in, jti, app.clock.now());
    let token = signer.sign(app, &claims).await?;
    token_answer::answer(app, &request, &token, &claims)
}

async fn user_of_password(app: &App, body: Body) -> Result<User, ApiError> {
    let address = EmailAddress::parse(&body.email_id.unwrap_or_default()).map_err(|_| ApiError::InvalidCredentials)?;
    let password = Password::new(body.password.unwrap_or_default());
    let person = person::check_password(app, &address, password).await?;
    let mut memberships = person::active_memberships(app, &person).await?;
    if let Some(org) = body.org.filter(|org| !org.is_empty()) {
        let org = OrgName::folded(&org);
        memberships.retain(|(tenant, _): &(Tenant, User)| tenant.org_name == org);
    }
    match memberships.len() {
        // Nothing is said of other organizations, so a wrong one looks like a wrong password.
        0 => Err(ApiError::InvalidCredentials),
        1 => Ok(memberships.remove(0).1),
        _ => {
            let tenants = memberships.iter().map(|(tenant, _)| organizations::Organization::new(app, tenant)).collect();
            Err(ApiError::OrgSelectionRequired(tenants))
        }
    }
}
