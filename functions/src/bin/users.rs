//! The Lambda function `users`.

use functions::{App, http, users};
use lambda_http::Error;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    http::init_log();
    let app = &App::from_env()?;
    http::serve(app, |request| users::handle(app, request)).await
}
