//! Every route that sets a password or mails a link to do so.

mod by_token;
mod change;
mod request_reset;

use domain::{
    EmailAddress, Principal,
    audit::{Action, Means, Record, Resource},
};
use store::{Membership, Person};

use crate::{
    ApiError, App, audit,
    http::{self, Request, Response},
    openapi::Operation,
};

/// Handles the request.
///
/// # Errors
///
/// Those of the operations; [`ApiError::NotFound`] for every other route.
pub async fn handle(app: &App, request: Request) -> Result<Response, ApiError> {
    match http::route(&request).as_str() {
        "POST /v1/auth/user/password/reset" | "PATCH /v1/users/password/reset" => {
            request_reset::by_address(app, request).await
        }
        "PATCH /v1/users/{uid}/password/reset" => request_reset::by_admin(app, request).await,
        "PATCH /v1/auth/password/{passwordToken}/reset" => by_token::reset(app, request).await,
        "PATCH /v1/auth/password/{passwordToken}/activate" => by_token::activate(app, request).await,
        "PATCH /v1/users/password/change" => change::own(app, request).await,
        "PATCH /v1/users/{uid}/password/change" => change::of_user(app, request).await,
        _ => Err(ApiError::NotFound),
    }
}

/// What the trails of all organizations of a person get to know of their password.
///
/// - `principal`: who sets it, if not whoever followed a link.
fn records(
    app: &App,
    request: &Request,
    person: &Person,
    address: &EmailAddress,
    message: &str,
    principal: Option<&Principal>,
) -> Vec<Record> {
    let record = |membership: &Membership| {
        let email = address.canonical();
        let trail = match principal {
            Some(principal) if principal.user.tenant == membership.tenant => audit::Trail::of(app, request, principal),
            // In another organization nobody knows the user of this one.
            Some(_) => audit::Trail::of_member(app, request, email, membership, Means::Password),
            None => audit::Trail::of_member(app, request, email, membership, Means::Link),
        };
        let resource = Resource::member(membership.user, email);
        trail.record_about(membership.user, Action::Update, resource, message, format!("{message}: {email}"))
    };
    person.accepted().map(record).collect()
}

pub(crate) fn operations() -> Vec<Operation> {
    let by_address =
        |route| Operation::new(route, "Mails a link to set another password").open().takes::<request_reset::Body>();
    let by_token = |route, summary| Operation::new(route, summary).open().takes::<by_token::Body>();
    vec![
        by_address("POST /v1/auth/user/password/reset"),
        by_address("PATCH /v1/users/password/reset"),
        Operation::new("PATCH /v1/users/{uid}/password/reset", "Mails a user a link to set another password"),
        by_token("PATCH /v1/auth/password/{passwordToken}/reset", "Sets a password by a mailed link"),
        by_token("PATCH /v1/auth/password/{passwordToken}/activate", "Accepts an invitation and sets a password"),
        Operation::new("PATCH /v1/users/password/change", "Changes one's own password").takes::<change::Own>(),
        Operation::new("PATCH /v1/users/{uid}/password/change", "Changes a user's password").takes::<change::OfUser>(),
    ]
}
