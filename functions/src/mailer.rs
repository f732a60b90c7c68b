//! Sends the mails of the outbox, when the stream of the table says that there are new ones.
//!
//! A mail leaves the outbox after it was sent, so each is sent at least once; one whose link has expired is not sent at
//! all. When sending fails the stream delivers it again, and what comes after it.

use aws_sdk_sesv2::types::{Body, Content, Destination, EmailContent, Message};
use serde::{Deserialize, Serialize};
use store::{
    OutgoingMail, StoreError,
    item::{self, Item},
};

use crate::{
    App,
    app::{SettingsError, required},
    aws,
    metrics::Metric,
};

/// Why a mail was not sent.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// The table did not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Whoever carries mails did not take it, and may later.
    #[error("the mail was not taken: {0}")]
    Carrier(String),
    /// Whoever carries mails will never take this one.
    #[error("the mail is refused: {0}")]
    Refused(String),
}

/// A batch of the table's stream, as far as mails go.
#[derive(Debug, Deserialize)]
pub struct StreamEvent {
    #[serde(rename = "Records")]
    records: Vec<Record>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    event_name: String,
    dynamodb: Change,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Change {
    new_image: Option<serde_dynamo::Item>,
    #[serde(default)]
    sequence_number: String,
}

/// What the stream delivers again: the first record that failed and all after it.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BatchAnswer {
    batch_item_failures: Vec<Failure>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Failure {
    item_identifier: String,
}

impl StreamEvent {
    /// The items that were inserted, each with the number of its record.
    pub(crate) fn inserted(self) -> impl Iterator<Item = (String, Item)> {
        self.records.into_iter().filter(|record| record.event_name == "INSERT").filter_map(|record| {
            let Change { new_image, sequence_number } = record.dynamodb;
            Some((sequence_number, new_image?.into()))
        })
    }
}

impl BatchAnswer {
    /// The stream is to deliver this record again, and all after it.
    pub(crate) fn failed_at(number: String) -> Self {
        Self { batch_item_failures: vec![Failure { item_identifier: number }] }
    }

    /// Whether everything was sent.
    pub fn is_complete(&self) -> bool {
        self.batch_item_failures.is_empty()
    }
}

/// Sends every mail that the batch inserted into the outbox and that is still there.
///
/// - `carry`: takes one mail.
pub async fn handle<F>(app: &App, event: StreamEvent, carry: impl Fn(OutgoingMail) -> F) -> BatchAnswer
where
    F: Future<Output = Result<(), MailError>>,
{
    for (number, item) in event.inserted() {
        if let Err(error) = send(app, item, &carry).await {
            tracing::error!(%error, "a mail was not sent");
            return BatchAnswer::failed_at(number);
        }
    }
    BatchAnswer::default()
}

async fn send<F>(app: &App, item: Item, carry: impl Fn(OutgoingMail) -> F) -> Result<(), MailError>
where
    F: Future<Output = Result<(), MailError>>,
{
    let Some(mail) = item::mail(item)? else { return Ok(()) };
    let uid = mail.uid.clone();
    // A record is delivered again when another of its batch has failed; what is gone was sent.
    if !app.store.has_mail(&uid).await? {
        return Ok(());
    }
    if app.clock.now().millis() < mail.expires_at {
        match carry(mail).await {
            // Trying again would only hold up the mails of others.
            Err(MailError::Refused(cause)) => {
                app.metrics.note(app.clock.now(), Metric::MailsRefused, 1);
                tracing::error!(cause, "a mail is refused for good");
            }
            carried => {
                carried?;
                app.metrics.note(app.clock.now(), Metric::MailsSent, 1);
            }
        }
    }
    Ok(app.store.remove_mail(&uid).await?)
}

/// Amazon's mail service.
#[derive(Debug)]
pub struct Ses {
    client: aws_sdk_sesv2::Client,
    from: String,
}

impl Ses {
    /// By this client, from this sender.
    pub const fn new(client: aws_sdk_sesv2::Client, from: String) -> Self {
        Self { client, from }
    }

    /// As the environment describes it: `MAIL_FROM` is the sender.
    ///
    /// # Errors
    ///
    /// As in [`SettingsError`].
    pub fn from_env() -> Result<Self, SettingsError> {
        Ok(Self::new(aws::ses_from_env()?, required("MAIL_FROM")?))
    }

    /// Sends one mail.
    ///
    /// # Errors
    ///
    /// [`MailError::Carrier`].
    pub async fn carry(&self, mail: OutgoingMail) -> Result<(), MailError> {
        let content = |text: String| Content::builder().data(text).charset("UTF-8").build().expect("the text is set");
        let body = Body::builder().text(content(mail.text)).html(content(mail.html)).build();
        let message = Message::builder().subject(content(mail.subject)).body(body).build();
        let sent = self
            .client
            .send_email()
            .from_email_address(&self.from)
            .destination(Destination::builder().to_addresses(mail.to).build())
            .content(EmailContent::builder().simple(message).build())
            .send()
            .await;
        sent.map(drop).map_err(|error| {
            let is_final = error
                .as_service_error()
                .is_some_and(|error| error.is_message_rejected() || error.is_bad_request_exception());
            let cause = aws_sdk_sesv2::error::DisplayErrorContext(error).to_string();
            if is_final { MailError::Refused(cause) } else { MailError::Carrier(cause) }
        })
    }
}
