//! The Lambda function `passwords`.

use functions::{App, http, passwords};
use lambda_http::Error;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    http::init_log();
    let app = &App::from_env()?;
    http::serve(app, |request| passwords::handle(app, request)).await
}
