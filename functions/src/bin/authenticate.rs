//! The Lambda function `authenticate`.

use functions::{App, Signer, authenticate, http};
use lambda_http::{Error, run, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    http::init_log();
    let (app, signer) = (&App::from_env()?, &Signer::from_env()?);
    run(service_fn(|request| http::respond(app, request, |request| authenticate::handle(app, signer, request)))).await
}
