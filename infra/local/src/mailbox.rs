//! Where mails go on a laptop: into a folder, one file each, or into memory for tests.

use std::{
    fs, io,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use functions::mailer::MailError;
use serde_json::{Value, json};
use store::OutgoingMail;

/// Where mails go.
#[derive(Debug, Clone)]
pub enum Mailbox {
    /// One file of JSON for each: `to`, `subject`, `text`, `html`, `links`.
    Folder(PathBuf),
    /// All of them in the order in which they came, unless none are taken at the moment.
    Memory {
        /// What has come.
        mails: Arc<Mutex<Vec<OutgoingMail>>>,
        /// Whether whatever comes is refused.
        is_down: Arc<AtomicBool>,
    },
}

impl Mailbox {
    /// An empty one in memory.
    pub fn memory() -> Self {
        Self::Memory { mails: Arc::default(), is_down: Arc::default() }
    }

    /// Takes a mail.
    ///
    /// # Errors
    ///
    /// [`MailError::Carrier`].
    ///
    /// # Panics
    ///
    /// If another thread has panicked with the mails in hand.
    pub fn take(&self, mail: OutgoingMail) -> Result<(), MailError> {
        match self {
            Self::Folder(folder) => write(folder, &mail).map_err(|error| MailError::Carrier(error.to_string())),
            Self::Memory { is_down, .. } if is_down.load(Ordering::SeqCst) => {
                Err(MailError::Carrier("down".to_owned()))
            }
            Self::Memory { mails, .. } => {
                mails.lock().expect("no holder of the lock panics").push(mail);
                Ok(())
            }
        }
    }

    /// The mails of a folder, the newest first.
    pub fn list(&self) -> Vec<Value> {
        let Self::Folder(folder) = self else { return Vec::new() };
        let mut files: Vec<PathBuf> =
            fs::read_dir(folder).into_iter().flatten().filter_map(|file| Some(file.ok()?.path())).collect();
        files.sort_by_key(|file| std::cmp::Reverse(fs::metadata(file).and_then(|file| file.modified()).ok()));
        files.iter().filter_map(|file| serde_json::from_slice(&fs::read(file).ok()?).ok()).collect()
    }
}

fn write(folder: &PathBuf, mail: &OutgoingMail) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let links: Vec<&str> = mail.text.lines().filter(|line| line.starts_with("http")).collect();
    let body = json!({
        "uid": mail.uid, "to": mail.to, "subject": mail.subject, "text": mail.text, "html": mail.html, "links": links,
    });
    fs::write(folder.join(format!("{}.json", mail.uid)), body.to_string())
}

/// A page of the mails, since on a laptop nobody else delivers them.
pub fn page(mails: &[Value]) -> String {
    let text = |mail: &Value, name: &str| escaped(mail[name].as_str().unwrap_or_default());
    let mut items = String::new();
    for mail in mails {
        let (subject, to, body) = (text(mail, "subject"), text(mail, "to"), text(mail, "text"));
        items += &format!("<article><h2>{subject}</h2><p>to {to}</p><pre>{body}</pre></article>");
    }
    let body = if items.is_empty() { "<p>No mail has been sent yet.</p>".to_owned() } else { items };
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>Outbox</title><style>body{{font:16px/1.5 system-ui,sans-serif;max-width:44rem;margin:2rem auto;\
         padding:0 1rem;color-scheme:light dark}}article{{border:1px solid #8884;border-radius:.75rem;padding:1rem 1.25rem;\
         margin:1rem 0}}h2{{margin:0;font-size:1.1rem}}pre{{white-space:pre-wrap;overflow-wrap:anywhere}}</style>\
         <h1>Outbox</h1>{body}</html>"
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
