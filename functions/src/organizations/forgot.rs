//! `GET /v1/auth/user/org/forgot`: mails a person the names of their organizations. The answer is the same for every
//! address.

use domain::EmailAddress;

use crate::{
    ApiError, App,
    http::{self, Request, Response},
    mail, person,
};

pub(super) async fn handle(app: &App, request: Request) -> Result<Response, ApiError> {
    let address = http::query_parameter(&request, "emailId").unwrap_or_default();
    let address = EmailAddress::parse(&address)?;
    // A browser that looks ahead is no person who asks.
    if request.headers().get("sec-purpose").is_some_and(|purpose| purpose.as_bytes().starts_with(b"prefetch")) {
        return Ok(http::no_content());
    }
    let person = app.store.person(address.canonical()).await?;
    let names: Vec<_> = person.accepted().map(|membership| &membership.org_name).collect();
    let urls: Vec<(String, String)> = names.iter().map(|name| (name.to_string(), super::url_of(app, name))).collect();
    let address = person::mail_address(&person, &address);
    let letter = mail::organizations(app, &address, &urls);
    mail::send(app, &address, mail::Kind::Organizations, letter, None, None, !urls.is_empty()).await?;
    Ok(http::no_content())
}
