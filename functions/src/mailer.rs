//! Sends the mails of the outbox, when the stream of the table says that there are new ones.
//!
//! A mail leaves the outbox after it was sent, so each is sent at least once; one whose link has expired is not sent at
//! all. When sending fails the stream delivers it again.

use aws_sdk_sesv2::types::{Body, Content, Destination, EmailContent, Message};
use serde::Deserialize;
use store::{OutgoingMail, StoreError, item};

use crate::{
    App,
    app::{SettingsError, required},
    aws,
};

/// Why a mail was not sent.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// The table did not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Whoever carries mails did not take it.
    #[error("the mail was not taken: {0}")]
    Carrier(String),
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
struct Change {
    #[serde(rename = "NewImage")]
    new_image: Option<serde_dynamo::Item>,
}

/// Sends every mail that the batch inserted into the outbox.
///
/// - `carry`: takes one mail.
///
/// # Errors
///
/// [`MailError`] of the first that was not sent; the batch is delivered again then.
pub async fn handle<F>(app: &App, event: StreamEvent, carry: impl Fn(OutgoingMail) -> F) -> Result<(), MailError>
where
    F: Future<Output = Result<(), MailError>>,
{
    for record in event.records {
        let image = record.dynamodb.new_image.filter(|_| record.event_name == "INSERT");
        let Some(mail) = image.map(|image| item::mail(image.into())).transpose()?.flatten() else { continue };
        let uid = mail.uid.clone();
        if app.clock.now().millis() < mail.expires_at {
            carry(mail).await?;
        }
        app.store.remove_mail(&uid).await?;
    }
    Ok(())
}

/// Amazon's mail service.
#[derive(Debug)]
pub struct Ses {
    client: aws_sdk_sesv2::Client,
    from: String,
}

impl Ses {
    /// As the environment describes it: `MAIL_FROM` is the sender.
    ///
    /// # Errors
    ///
    /// As in [`SettingsError`].
    pub fn from_env() -> Result<Self, SettingsError> {
        Ok(Self { client: aws::ses_from_env()?, from: required("MAIL_FROM")? })
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
        let refused = |error| MailError::Carrier(aws_sdk_sesv2::error::DisplayErrorContext(error).to_string());
        sent.map(drop).map_err(refused)
    }
}
