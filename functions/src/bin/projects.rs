//! The Lambda function `projects`.

use functions::{App, http, projects};
use lambda_http::Error;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    http::init_log();
    let app = &App::from_env()?;
    http::serve(app, |request| projects::handle(app, request)).await
}
