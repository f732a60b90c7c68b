//! The Lambda function `sso`.

use functions::{App, Signer, http, sso};
use lambda_http::Error;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    http::init_log();
    let (app, signer) = (&App::from_env()?, &Signer::from_env()?);
    http::serve(app, |request| sso::handle(app, signer, request)).await
}
