//! The Lambda function `roles`.

use functions::{App, http, roles};
use lambda_http::Error;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    http::init_log();
    let app = &App::from_env()?;
    http::serve(app, |request| roles::handle(app, request)).await
}
