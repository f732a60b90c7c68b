//! The Lambda function `audit_chain`.

use functions::{App, audits, http};
use lambda_http::{Error, LambdaEvent, lambda_runtime, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    http::init_log();
    let app = &App::from_env()?;
    let handle = |event: LambdaEvent<_>| async { Ok::<_, Error>(audits::link(app, event.payload).await) };
    lambda_runtime::run(service_fn(handle)).await
}
