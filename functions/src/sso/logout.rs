//! `GET /v1/auth/org/{orgName}/oidc/logout`: the way to the provider to sign out there too, and the way back.
//!
//! Nothing is ended here: a session ends where its person ends it, and any page can lead a browser to an address.

use lambda_http::http::StatusCode;
use url::Url;

use super::{go_to, oidc, providers::Chosen, tenant_named};
use crate::{
    ApiError, App,
    http::{self, Request, Response},
    outbound,
};

pub(super) async fn handle(app: &App, request: &Request) -> Result<Response, ApiError> {
    let tenant = tenant_named(app, &http::path_parameter(request, "orgName")).await?.ok_or(ApiError::NotFound)?;
    if !http::wants_page(request) {
        return Ok(http::no_content());
    }
    let home = format!("/o/{}?note=signed-out", tenant.org_name);
    // With a state it is the way back.
    if http::query_parameter(request, "state").is_some() {
        return go_to(&home, StatusCode::SEE_OTHER);
    }
    let Ok(Chosen::Oidc(oidc)) = Chosen::of(app, None, domain::sso::Provider::Oidc, Some(&tenant)).await else {
        return go_to(&home, StatusCode::SEE_OTHER);
    };
    let asking = Box::pin(async {
        let client = oidc::client_of(app, &oidc).ok()?;
        let metadata = oidc::discover(&client, &oidc).await.ok()?;
        app.outbound.check(metadata.additional_metadata().end_session_endpoint.as_deref()?).ok()
    });
    let Some(mut url): Option<Url> = tokio::time::timeout(outbound::TIME_LIMIT, asking).await.ok().flatten() else {
        return go_to(&home, StatusCode::SEE_OTHER);
    };
    let back = format!("{}/v1/auth/org/{}/oidc/logout", app.settings.public_url, tenant.org_name);
    url.query_pairs_mut()
        .append_pair("client_id", &oidc.client.id)
        .append_pair("post_logout_redirect_uri", &back)
        .append_pair("state", "signed-out");
    go_to(url.as_str(), StatusCode::FOUND)
}
