//! The outbox against something that speaks the API of SES, with a way there that fails.
//!
//! It needs `LATCHKEY_TEST_SES`, the URL of an emulator; `cargo xtask test` starts one and runs these tests.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use aws_credential_types::Credentials;
use aws_smithy_http_client::Builder;
use functions::mailer::Ses;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use crate::stack::{Stack, counted};

const FROM: &str = "no-reply@latchkey.example";

#[allow(clippy::disallowed_methods, reason = "where the emulator is, is the business of whoever runs the tests")]
fn emulator() -> String {
    let url = std::env::var("LATCHKEY_TEST_SES").expect("LATCHKEY_TEST_SES names an emulator of SES");
    url.strip_prefix("http://").expect("it is an http:// URL").to_owned()
}

/// A way to the emulator that can be closed, and that can lose an answer.
#[derive(Clone, Default)]
struct Way {
    is_closed: Arc<AtomicBool>,
    answers_to_lose: Arc<AtomicUsize>,
    tried: Arc<AtomicUsize>,
}

impl Way {
    async fn open(&self, to: String) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let way = self.clone();
        tokio::spawn(async move {
            while let Ok((from, _)) = listener.accept().await {
                tokio::spawn(way.clone().carry(from, to.clone()));
            }
        });
        url
    }

    async fn carry(self, mut from: TcpStream, to: String) {
        let mut to = TcpStream::connect(to).await.unwrap();
        let (mut request, mut answer) = (vec![0; 65536], vec![0; 65536]);
        loop {
            tokio::select! {
                read = from.read(&mut request) => match read {
                    Ok(length) if length > 0 => {
                        self.tried.fetch_add(1, Ordering::SeqCst);
                        // Also on a connection that was opened before.
                        if self.is_closed.load(Ordering::SeqCst) {
                            return;
                        }
                        to.write_all(&request[..length]).await.unwrap();
                    }
                    _ => return,
                },
                read = to.read(&mut answer) => match read {
                    Ok(length) if length > 0 => {
                        let lose = |left: usize| left.checked_sub(1);
                        if self.answers_to_lose.fetch_update(Ordering::SeqCst, Ordering::SeqCst, lose).is_ok() {
                            return;
                        }
                        if from.write_all(&answer[..length]).await.is_err() {
                            return;
                        }
                    }
                    _ => return,
                },
            }
        }
    }
}

fn client(url: &str) -> aws_sdk_sesv2::Client {
    let credentials = Credentials::from_keys("test", "test", None);
    let config = functions::aws::sdk_config(Builder::new().build_http(), "us-east-1".to_owned(), credentials);
    aws_sdk_sesv2::Client::from_conf(aws_sdk_sesv2::config::Builder::from(&config).endpoint_url(url).build())
}

/// The mails that the emulator has taken for these addresses, by address.
async fn taken(domain: &str) -> BTreeMap<String, usize> {
    let mut stream = TcpStream::connect(emulator()).await.unwrap();
    let request = "GET /_ministack/ses/messages HTTP/1.0\r\nhost: localhost\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    let mut addresses = Vec::new();
    for mail in body["messages"].as_object().unwrap().values().flat_map(|mails| mails.as_array().unwrap()) {
        let to = mail["To"].to_string();
        addresses.extend(to.split('"').filter(|text| text.ends_with(domain)).map(ToOwned::to_owned));
    }
    counted(addresses)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the suite `ses` starts an emulator of SES and runs it"]
async fn while_ses_is_down_for_a_minute_nothing_is_lost_and_nothing_doubled() {
    const MAILS: usize = 20;
    let stack = Stack::start().await;
    let way = Way::default();
    let ses = client(&way.open(emulator()).await);
    let created = ses.create_email_identity().email_identity(FROM).send().await;
    created.unwrap();
    let ses = Ses::new(ses, FROM.to_owned());
    let deliver = async || Box::pin(stack.service.deliver_mails_by(|mail| ses.carry(mail))).await;
    // Nothing of what the stack sends goes anywhere but to SES.
    let local::mailbox::Mailbox::Memory { is_down, .. } = stack.service.mailbox.clone() else { unreachable!() };
    is_down.store(true, Ordering::SeqCst);

    way.is_closed.store(true, Ordering::SeqCst);
    let sent = Mutex::new(Vec::new());
    let sign_up = async |number: usize| {
        let email = format!("person-{number}@outage.example");
        let body =
            json!({ "firstName": "A", "lastName": "B", "emailId": email, "orgName": format!("outage-{number}") });
        assert_eq!(stack.post("/v1/tenants/signup", body).await.status, 204, "whether SES is there or not");
        sent.lock().unwrap().push(email);
    };
    for number in 0..MAILS {
        sign_up(number).await;
        deliver().await;
        tokio::time::sleep(Duration::from_mins(1) / u32::try_from(MAILS).unwrap()).await;
    }
    assert_eq!(taken("@outage.example").await.len(), 0);
    assert!(way.tried.load(Ordering::SeqCst) >= MAILS, "it was tried all the time");

    way.is_closed.store(false, Ordering::SeqCst);
    deliver().await;
    let once: BTreeMap<_, _> = sent.lock().unwrap().iter().map(|email| (email.clone(), 1)).collect();
    assert_eq!(taken("@outage.example").await, once);
    assert!(!stack.contents().await.contains("MAIL#"), "the outbox is empty");

    // SES took a mail, and the answer was lost: that one comes twice, and no other.
    way.answers_to_lose.store(1, Ordering::SeqCst);
    for number in MAILS..MAILS + 3 {
        sign_up(number).await;
    }
    deliver().await;
    deliver().await;
    let taken = taken("@outage.example").await;
    assert_eq!(taken.len(), MAILS + 3);
    assert_eq!(counted(taken.into_values()), BTreeMap::from([(1, MAILS + 2), (2, 1)]));
    assert!(!stack.contents().await.contains("MAIL#"));
}
