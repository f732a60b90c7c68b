//! `POST /v1/auth/org/{orgName}/switch`: signs the caller in to another of their organizations without a password.

use domain::{sso::Method, tenant::OrgName};
use store::Proof;

use crate::{
    ApiError, App, Signer,
    caller::{self, Refused},
    http::{self, Request, Response},
    person, sign_in,
};

pub(super) async fn handle(app: &App, signer: &Signer, request: Request) -> Result<Response, ApiError> {
    let principal = caller::principal(app, &request).await?;
    // A key opens one tenant, and so does whatever is born of it.
    let session = principal.session().ok_or(ApiError::NotByApiKey)?;
    let target = OrgName::folded(&http::path_parameter(&request, "orgName"));
    let here = app.store.tenant(session.tenant).await?.ok_or(ApiError::TenantGone)?;
    // Going elsewhere is no way around what keeps it from going on here.
    if !sign_in::may_go_on(app, &here, session).await? {
        return Err(Refused::Method.into());
    }
    let address = person::address_of(&principal.user)?;
    let person = app.store.person(address.canonical()).await?;
    let memberships = person::reachable(app, session, &person).await?;
    let found = memberships.into_iter().find(|(tenant, _)| tenant.org_name == target);
    let (tenant, user) = found.ok_or(ApiError::AccessDenied)?;
    // Another organization may give passwords less time than the one that was signed in to.
    if session.method == Method::Password && tenant.admits(&session.method) {
        person::check_age(app, &address, &person, &tenant).await?;
    }
    sign_in::answer(app, signer, &request, (&tenant, &user), Proof::Session { session, user: &principal.user }).await
}
