//! The Lambda function `authorizer`.

use functions::{App, authorizer, http};
use lambda_http::{BoxFuture, Error, LambdaEvent, lambda_runtime, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    http::init_log();
    let app = &App::from_env()?;
    let handle = |event: LambdaEvent<_>| -> BoxFuture<'_, Result<_, Error>> {
        // Boxed, since the runtime wraps the future several times and the compiler follows the whole of its type.
        Box::pin(async move { Ok(authorizer::handle(app, event.payload).await?) })
    };
    lambda_runtime::run(service_fn(handle)).await
}
