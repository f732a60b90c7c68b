//! `POST /v1/auth/authenticate`: exchanges a credential for an access token of 15 minutes.

use domain::{
    EmailAddress, SessionUid, Tenant, TokenUid, User,
    password::Password,
    tenant::OrgName,
    token::{Claims, SignIn, Source},
};
use serde::Deserialize;
use store::Proof;
use utoipa::ToSchema;

use crate::{
    ApiError, App, Signer, caller,
    http::{self, Request, Response},
    openapi::Operation,
    organizations, person, sign_in, token_answer,
};

/// Empty, `{}`, or e-mail and password.
#[derive(Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
#[schema(as = Credentials)]
struct Body {
    email_id: Option<String>,
    password: Option<String>,
    org: Option<String>,
}

pub(crate) fn operations() -> Vec<Operation> {
    let summary = "Exchanges an API key, or e-mail and password, for a token of 15 minutes";
    vec![
        Operation::new("POST /v1/auth/authenticate", summary)
            .open_or_by_api_key()
            .query("setCookie", "`false` for no cookie beside the token")
            .may_take::<Body>()
            .answers::<token_answer::Body<'_>>(),
    ]
}

/// Handles the request.
///
/// # Errors
///
/// [`ApiError::Unauthorized`] for a key that does not hold, [`ApiError::NothingToAuthenticateWith`] without any;
/// [`ApiError::InvalidCredentials`], [`ApiError::AccountLocked`],
/// [`ApiError::OrgSelectionRequired`], [`ApiError::SsoRequired`] and [`ApiError::PasswordExpired`] for a password.
pub async fn handle(app: &App, signer: &Signer, request: Request) -> Result<Response, ApiError> {
    let body: Body = http::optional_body(&request)?.unwrap_or_default();
    let given = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
    // A client that is configured with a key sends it along whatever it does, so a body with e-mail or password wins.
    if given(&body.email_id) || given(&body.password) {
        return by_password(app, signer, &request, body).await;
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

async fn by_password(app: &App, signer: &Signer, request: &Request, body: Body) -> Result<Response, ApiError> {
    let address = EmailAddress::parse(&body.email_id.unwrap_or_default()).map_err(|_| ApiError::InvalidCredentials)?;
    let password = Password::new(body.password.unwrap_or_default());
    let org = body.org.filter(|org| !org.is_empty()).map(|org| OrgName::folded(&org));
    let person = person::check_password(app, request, &address, org.as_ref(), password).await?;
    let mut memberships = person::active_memberships(app, &person).await?;
    if let Some(org) = &org {
        memberships.retain(|(tenant, _): &(Tenant, User)| tenant.org_name == *org);
    }
    match memberships.as_slice() {
        // Nothing is said of other organizations, so a wrong one looks like a wrong password.
        [] => {
            let why = "No active user in the organization";
            person::note_refusal(app, request, &address, &person, org.as_ref(), why).await?;
            Err(ApiError::InvalidCredentials)
        }
        [(tenant, user)] => {
            if let Err(error) = person::check_age(app, &address, &person, tenant).await {
                let org = Some(&tenant.org_name);
                person::note_refusal(app, request, &address, &person, org, "The password has ended").await?;
                return Err(error);
            }
            let hash = person.password_hash.as_deref().unwrap_or_default();
            let proof = Proof::Password { address: address.canonical(), hash, used: None };
            match sign_in::answer(app, signer, request, (tenant, user), proof).await {
                Err(ApiError::InvalidCredentials) => {}
                Err(error @ ApiError::SsoRequired { .. }) => {
                    let org = Some(&tenant.org_name);
                    let why = "The organization takes no passwords";
                    person::note_refusal(app, request, &address, &person, org, why).await?;
                    return Err(error);
                }
                done => return done,
            }
            // The user was signed out everywhere at this moment, perhaps; if the password is still the same, it is right.
            let again = app.store.user(user.tenant, user.uid).await?.filter(|user| user.is_active);
            let done = match &again {
                Some(user) => sign_in::answer(app, signer, request, (tenant, user), proof).await,
                None => Err(ApiError::InvalidCredentials),
            };
            if let Err(ApiError::InvalidCredentials) = &done {
                let org = Some(&tenant.org_name);
                person::note_refusal(app, request, &address, &person, org, "Password or user changed meanwhile")
                    .await?;
            }
            done
        }
        several => {
            let organizations = several.iter().map(|(tenant, _)| organizations::Organization::new(app, tenant));
            Err(ApiError::OrgSelectionRequired(organizations.collect()))
        }
    }
}
