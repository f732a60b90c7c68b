//! GitHub: OAuth 2 with the list of a person's addresses in place of a signed token.
//! Source: <https://docs.github.com/en/apps/oauth-apps/building-oauth-apps/authorizing-oauth-apps>.

use domain::sso::{self, Identity, Provider, Vouched};
use lambda_http::http::{Request, StatusCode, header};
use serde::{Deserialize, de::DeserializeOwned};
use url::Url;

use super::{failure::ProviderError, login::Going, providers::Github};
use crate::{
    App,
    outbound::{Client, UrlRefused},
};

/// Where to send a person.
pub(super) fn authorize_url(github: &Github, going: &Going<'_>) -> Result<String, ProviderError> {
    let mut url = Url::parse(&format!("{}/login/oauth/authorize", github.url)).map_err(|_| refused())?;
    url.query_pairs_mut()
        .append_pair("client_id", &github.client.id)
        .append_pair("redirect_uri", &going.redirect_uri)
        .append_pair("scope", "read:user user:email")
        .append_pair("state", going.state)
        .append_pair("code_challenge", going.challenge.as_str())
        .append_pair("code_challenge_method", "S256");
    Ok(url.into())
}

fn refused() -> ProviderError {
    ProviderError::Outbound(UrlRefused::Form.into())
}

#[derive(Deserialize)]
struct Token {
    access_token: Option<String>,
    token_type: Option<String>,
}

#[derive(Deserialize)]
struct Account {
    id: u64,
    name: Option<String>,
}

#[derive(Deserialize)]
struct Listed {
    email: String,
    #[serde(default)]
    primary: bool,
    #[serde(default)]
    verified: bool,
}

/// What it says of the person who came back with this code: the primary address, if it is verified.
pub(super) async fn exchange(
    app: &App,
    github: &Github,
    redirect_uri: &str,
    code: &str,
    code_verifier: &str,
) -> Result<Vouched, ProviderError> {
    let client = app.outbound.client(&[]).map_err(|error| ProviderError::Invalid(error.to_string()))?;
    let secret = github.client.secret.as_ref();
    let secret = secret.ok_or_else(|| ProviderError::Invalid("this function has no secret of GitHub".to_owned()))?;
    let form = form_urlencoded::Serializer::new(String::new())
        .append_pair("client_id", &github.client.id)
        .append_pair("client_secret", secret.expose())
        .append_pair("code", code)
        .append_pair("redirect_uri", redirect_uri)
        .append_pair("code_verifier", code_verifier)
        .finish();
    let request = Request::post(format!("{}/login/oauth/access_token", github.url))
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(header::ACCEPT, "application/json")
        .body(form.into_bytes());
    // A refusal comes with 200 as well.
    let token: Token = ask(&client, request).await?;
    let is_bearer = token.token_type.as_deref().is_some_and(|kind| kind.eq_ignore_ascii_case("bearer"));
    let token = token.access_token.filter(|_| is_bearer);
    let token = token.ok_or_else(|| ProviderError::Invalid("GitHub gave no token for the code".to_owned()))?;
    let get = |path: &str| {
        Request::get(format!("{}{path}", github.api_url))
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .header(header::ACCEPT, "application/vnd.github+json")
            .header("x-github-api-version", "2022-11-28")
            .body(Vec::new())
    };
    let account: Account = ask(&client, get("/user")).await?;
    let emails: Vec<Listed> = ask(&client, get("/user/emails?per_page=100")).await?;
    let primary = emails.into_iter().find(|email| email.primary && email.verified);
    let name = account.name.unwrap_or_default();
    let identity = Identity {
        provider: Provider::Github,
        realm: None,
        issuer: github.url.clone(),
        subject: account.id.to_string(),
    };
    let email = primary.as_ref().map(|email| email.email.as_str());
    // It has looked at the address once, and whoever has left an employer keeps it there.
    Ok(Vouched::new(identity, email, sso::names_in(&name), |_| false))
}

async fn ask<T: DeserializeOwned>(
    client: &Client<'_>,
    request: Result<Request<Vec<u8>>, lambda_http::http::Error>,
) -> Result<T, ProviderError> {
    let request = request.map_err(|_| refused())?;
    let answer = client.send(request).await?;
    if answer.status() != StatusCode::OK {
        return Err(ProviderError::Invalid(format!("GitHub answered {}", answer.status())));
    }
    // The parser's text could quote a token.
    serde_json::from_slice(answer.body()).map_err(|_| ProviderError::Invalid("GitHub's answer is none".to_owned()))
}
