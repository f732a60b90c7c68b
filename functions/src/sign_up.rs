//! `/v1/tenants`: signing up a new organization.

use domain::{
    EmailAddress, ProjectUid, Tenant, TenantUid, User, UserUid,
    audit::{Action, Means, Resource},
    once::{OneTime, OneTimeToken, Purpose, SignUp},
    role,
    tenant::{DEFAULT_PROJECT, OrgName, Project},
    user::LoginMode,
};
use serde::Deserialize;
use store::{CreateTenantRefused, Founding};
use utoipa::ToSchema;

use crate::{
    ApiError, App, audit,
    http::{self, Request, Response},
    mail,
    openapi::Operation,
    wire,
};

/// Handles the request.
///
/// # Errors
///
/// Those of the operations; [`ApiError::NotFound`] for every other route.
pub async fn handle(app: &App, request: Request) -> Result<Response, ApiError> {
    match http::route(&request).as_str() {
        "POST /v1/tenants/signup" => sign_up(app, request).await,
        "POST /v1/tenants/signup/{signupToken}/activate" => activate(app, request).await,
        "POST /v1/tenants/validate" => validate(app, request).await,
        _ => Err(ApiError::NotFound),
    }
}

pub(crate) fn operations() -> Vec<Operation> {
    vec![
        Operation::new("POST /v1/tenants/signup", "Mails a link that founds an organization").open().takes::<Body>(),
        Operation::new("POST /v1/tenants/signup/{signupToken}/activate", "Founds the organization of a mailed link")
            .open(),
        Operation::new("POST /v1/tenants/validate", "Whether an organization of this name could be founded")
            .open()
            .takes::<Validation>(),
    ]
}

fn check_open(app: &App) -> Result<(), ApiError> {
    if app.settings.sign_up { Ok(()) } else { Err(ApiError::SignUpClosed) }
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SignUp)]
struct Body {
    first_name: String,
    last_name: String,
    email_id: String,
    org_name: String,
    #[serde(default, deserialize_with = "wire::null_as_default")]
    #[schema(value_type = wire::LoginMode)]
    login_mode: LoginMode,
}

/// Mails a link; nothing is made before it is followed. The answer is the same for every address.
async fn sign_up(app: &App, request: Request) -> Result<Response, ApiError> {
    check_open(app)?;
    let body: Body = http::body(&request)?;
    let address = EmailAddress::parse(&body.email_id)?;
    let org_name = OrgName::parse(&body.org_name)?;
    let purpose = Purpose::SignUp(SignUp {
        first_name: wire::person_name("firstName", &body.first_name)?,
        last_name: wire::person_name("lastName", &body.last_name)?,
        org_name: org_name.to_string(),
        login_mode: body.login_mode,
    });
    if app.store.tenant_named(&org_name, app.clock.now()).await?.is_some() {
        return Err(ApiError::OrgNameTaken);
    }
    let (token, once) = mail::one_time(app, &address, purpose);
    let letter = mail::sign_up(app, org_name.as_str(), &token);
    mail::send(app, &address, mail::Kind::SignUp, letter, Some(&once), None, true).await?;
    Ok(http::no_content())
}

/// Makes the organization and its first user, its admin. The same link then sets the password.
async fn activate(app: &App, request: Request) -> Result<Response, ApiError> {
    check_open(app)?;
    let token = OneTimeToken::parse(&http::path_parameter(&request, "signupToken"))
        .map_err(|_| ApiError::InvalidOneTimeToken)?;
    let once = app.store.once(&token.digest()).await?.filter(|once| once.is_usable(None, app.clock.now()));
    let once = once.ok_or(ApiError::InvalidOneTimeToken)?;
    let Purpose::SignUp(sign_up) = &once.purpose else { return Err(ApiError::InvalidOneTimeToken) };

    let tenant = Tenant::new(TenantUid::from_bytes(app.entropy.uid()), OrgName::folded(&sign_up.org_name));
    let admin = User {
        uid: UserUid::from_bytes(app.entropy.uid()),
        tenant: tenant.uid,
        email: once.email.clone(),
        first_name: sign_up.first_name.clone(),
        last_name: sign_up.last_name.clone(),
        roles: vec![role::TENANT_ADMIN.uid],
        // Until a password is set by the same link: whatever the address had before must not open this.
        is_active: false,
        is_pending: true,
        created_at: app.clock.now(),
        login_mode: sign_up.login_mode,
        last_sign_in: None,
        sign_outs: 0,
    };
    let project = Project { uid: ProjectUid::from_bytes(app.entropy.uid()), name: DEFAULT_PROJECT.to_owned() };
    let next = OneTime { purpose: Purpose::Activate { tenant: tenant.uid, user: admin.uid }, ..once.clone() };
    let trail = audit::Trail::of_user(app, &request, &admin, Means::Link);
    let content = format!("Organization {} signed up by {}", tenant.org_name, admin.email);
    let record = [trail.record(Action::Create, Resource::tenant(&tenant), "Organization created", content)];
    let founding = Founding::ByMail { before: &once, after: &next };
    match app.store.on_record(&record).create_tenant(&tenant, &project, &admin, founding).await {
        Ok(()) => Ok(audit::stated(http::no_content(), &record[0])),
        Err(CreateTenantRefused::NameTaken) => Err(ApiError::OrgNameTaken),
        Err(CreateTenantRefused::Store(store::StoreError::Conflict)) => Err(ApiError::InvalidOneTimeToken),
        Err(CreateTenantRefused::Store(error)) => Err(error.into()),
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SignUpValidation)]
struct Validation {
    #[serde(default, deserialize_with = "wire::null_as_default")]
    email_id: String,
    org_name: String,
}

/// Whether an organization of this name could be signed up, for the form to say so while it is filled in.
async fn validate(app: &App, request: Request) -> Result<Response, ApiError> {
    check_open(app)?;
    let body: Validation = http::body(&request)?;
    if !body.email_id.is_empty() {
        EmailAddress::parse(&body.email_id)?;
    }
    let org_name = OrgName::parse(&body.org_name)?;
    match app.store.tenant_named(&org_name, app.clock.now()).await? {
        None => Ok(http::no_content()),
        Some(_) => Err(ApiError::OrgNameTaken),
    }
}
