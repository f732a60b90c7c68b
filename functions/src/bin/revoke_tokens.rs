//! The Lambda function `revoke_tokens`.

use functions::{App, http, revoke_tokens};
use lambda_http::Error;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    http::init_log();
    let app = &App::from_env()?;
    http::serve(app, |request| revoke_tokens::handle(app, request)).await
}
