//! The Lambda function `sign_up`.

use functions::{App, http, sign_up};
use lambda_http::Error;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    http::init_log();
    let app = &App::from_env()?;
    http::serve(app, |request| sign_up::handle(app, request)).await
}
