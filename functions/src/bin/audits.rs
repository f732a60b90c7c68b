//! The Lambda function `audits`.

use functions::{App, audits, http};
use lambda_http::Error;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    http::init_log();
    let app = &App::from_env()?;
    http::serve(app, |request| audits::handle(app, request)).await
}
