//! The Lambda function `sessions`.

use functions::{App, http, sessions};
use lambda_http::Error;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    http::init_log();
    let app = &App::from_env()?;
    http::serve(app, |request| sessions::handle(app, request)).await
}
