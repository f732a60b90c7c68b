//! The Lambda function `tenant_settings`.

use functions::{App, dns::Dns, http, signing::Sealer, tenant_settings};
use lambda_http::Error;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    http::init_log();
    let (app, sealer) = (&App::from_env()?.with_dns(Dns::system()), &Sealer::from_env()?);
    http::serve(app, |request| tenant_settings::handle(app, sealer, request)).await
}
