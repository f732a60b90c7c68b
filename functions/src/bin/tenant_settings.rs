//! The Lambda function `tenant_settings`.

use functions::{App, http, tenant_settings};
use lambda_http::Error;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    http::init_log();
    let app = &App::from_env()?;
    http::serve(app, |request| tenant_settings::handle(app, request)).await
}
