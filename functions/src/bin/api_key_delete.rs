//! The Lambda function `api_key_delete`.

use functions::{App, api_keys, http};
use lambda_http::Error;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    http::init_log();
    let app = &App::from_env()?;
    http::serve(app, |request| api_keys::delete::handle(app, request)).await
}
