//! The Lambda function `discovery`.

use functions::{App, discovery, http};
use lambda_http::Error;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    http::init_log();
    let app = &App::from_env()?;
    http::serve(app, |request| discovery::handle(app, request)).await
}
