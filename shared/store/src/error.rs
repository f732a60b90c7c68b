//! What can go wrong at the tables.

use std::error::Error;

use aws_sdk_dynamodb::{
    error::{ProvideErrorMetadata, SdkError},
    operation::RequestId,
};

/// Why an access to the tables failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The thing changed or was removed since it was read; nothing was written.
    #[error("changed or removed since it was read")]
    Conflict,
    /// The table did not answer in time or refused for load; the same call may succeed later.
    #[error("the table is unavailable: {0}")]
    Unavailable(Box<dyn Error + Send + Sync>),
    /// The table refused the call itself, or holds what cannot be read: a fault of ours.
    #[error("the table refused the call or holds an unreadable item: {0}")]
    Broken(Box<dyn Error + Send + Sync>),
}

/// What a single write is answered while a transaction holds its item. The SDK does not try again by itself.
pub const TRANSACTION_CONFLICT: &str = "TransactionConflictException";
/// Codes that DynamoDB sends for load, not for the call.
const TRANSIENT: [&str; 7] = [
    "ProvisionedThroughputExceededException",
    "ThrottlingException",
    "RequestLimitExceeded",
    "InternalServerError",
    TRANSACTION_CONFLICT,
    "TransactionInProgressException",
    "ServiceUnavailable",
];

impl<E, R> From<SdkError<E, R>> for StoreError
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    R: std::fmt::Debug + Send + Sync + 'static,
    SdkError<E, R>: RequestId,
{
    fn from(error: SdkError<E, R>) -> Self {
        let code = error.as_service_error().and_then(|error| error.code()).map(ToOwned::to_owned);
        match code.as_deref() {
            Some("ConditionalCheckFailedException") => Self::Conflict,
            Some(code) if !TRANSIENT.contains(&code) => Self::Broken(described(error)),
            // What cannot even be sent is a fault of ours.
            None if matches!(error, SdkError::ConstructionFailure(_)) => Self::Broken(described(error)),
            _ => Self::Unavailable(described(error)),
        }
    }
}

impl From<serde_dynamo::Error> for StoreError {
    fn from(error: serde_dynamo::Error) -> Self {
        Self::Broken(error.into())
    }
}

/// The whole chain of causes in one line, since `SdkError` alone says "service error".
fn described<E, R>(error: SdkError<E, R>) -> Box<dyn Error + Send + Sync>
where
    E: Error + Send + Sync + 'static,
    R: std::fmt::Debug + Send + Sync + 'static,
{
    aws_sdk_dynamodb::error::DisplayErrorContext(error).to_string().into()
}
