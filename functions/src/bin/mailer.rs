//! The Lambda function `mailer`.

use functions::{App, http, mailer};
use lambda_http::{Error, LambdaEvent, lambda_runtime, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    http::init_log();
    let (app, ses) = (&App::from_env()?, &mailer::Ses::from_env()?);
    let handle = |event: LambdaEvent<_>| async {
        Ok::<_, Error>(mailer::handle(app, event.payload, |mail| ses.carry(mail)).await)
    };
    lambda_runtime::run(service_fn(handle)).await
}
