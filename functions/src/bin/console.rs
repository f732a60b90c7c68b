//! The Lambda function `console`.

use functions::{App, Signer, console, dns::Dns, http};
use lambda_http::Error;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    http::init_log();
    let (app, signer) = (&App::from_env()?.with_dns(Dns::system()), &Signer::from_env()?);
    http::serve(app, |request| console::handle(app, signer, request)).await
}
