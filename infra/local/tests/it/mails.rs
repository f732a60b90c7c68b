//! Mails: to whom, with what in them, and when.

use std::time::Duration;

use local::mailbox::Mailbox;
use serde_json::json;

use crate::{session::PASSWORD, stack::Stack};

#[tokio::test]
async fn a_mail_that_cannot_be_sent_changes_no_answer_and_is_sent_later() {
    let stack = Stack::start().await;
    let Mailbox::Memory { is_down, .. } = stack.service.mailbox.clone() else { unreachable!() };
    is_down.store(true, std::sync::atomic::Ordering::SeqCst);
    let body = json!({ "firstName": "A", "lastName": "B", "emailId": "a@b.example", "orgName": "northwind" });
    assert_eq!(stack.post("/v1/tenants/signup", body).await.status, 204);
    assert_eq!(stack.mails().len(), 0);
    assert!(stack.contents().await.contains("MAIL#"), "it waits in the outbox");
    is_down.store(false, std::sync::atomic::Ordering::SeqCst);
    stack.service.deliver_mails().await;
    assert_eq!(stack.mails().len(), 1);
    assert!(!stack.contents().await.contains("MAIL#"));
}

#[tokio::test]
async fn a_mail_whose_link_has_expired_is_not_sent() {
    let stack = Stack::start().await;
    let Mailbox::Memory { is_down, .. } = stack.service.mailbox.clone() else { unreachable!() };
    is_down.store(true, std::sync::atomic::Ordering::SeqCst);
    let body = json!({ "firstName": "A", "lastName": "B", "emailId": "a@b.example", "orgName": "northwind" });
    stack.post("/v1/tenants/signup", body).await;
    is_down.store(false, std::sync::atomic::Ordering::SeqCst);
    stack.advance(Duration::from_hours(25));
    stack.service.find_undelivered().await.unwrap();
    stack.service.deliver_mails().await;
    assert_eq!(stack.mails().len(), 0);
    assert!(!stack.contents().await.contains("MAIL#"));
}

#[tokio::test]
async fn links_come_from_configuration_and_mails_go_to_one_stored_address() {
    let stack = Stack::start().await;
    stack.sign_up("ines@northwind.example", "northwind", PASSWORD).await;
    stack.advance(Duration::from_mins(2));
    let mut call =
        stack.request("POST", "/v1/auth/user/password/reset").json(&json!({ "emailId": "INES@northwind.example" }));
    call.set_host("evil.example");
    let call = call.header("X-Forwarded-Host", "evil.example").header("Forwarded", "host=evil.example");
    assert_eq!(call.send().await.status, 204);
    let mail = stack.mails().pop().unwrap();
    assert!(!mail.text.contains("evil.example") && !mail.html.contains("evil.example"));
    let count = stack.mails().len();
    for email in [
        json!(["ines@northwind.example", "x@evil.example"]),
        json!("ines@northwind.example,x@evil.example"),
        json!("ines@northwind.example\r\nBcc: x@evil.example"),
        json!(null),
        json!(""),
    ] {
        let refused = stack.post("/v1/auth/user/password/reset", json!({ "emailId": email })).await;
        assert_eq!((refused.status, refused.code()), (400, "InvalidRequest"), "{email}");
    }
    // Nor can anybody fill a mailbox: one mail of a kind in a minute.
    for _ in 0..5 {
        stack.post("/v1/auth/user/password/reset", json!({ "emailId": "ines@northwind.example" })).await;
    }
    assert_eq!(stack.mails().len(), count);
    let html = mail.html;
    assert!(html.contains("Set another password") && !html.contains("{{"), "{html}");
}

#[tokio::test]
async fn markup_in_names_stays_text_in_mails() {
    let stack = Stack::start().await;
    let admin = stack.tenant("northwind").await.admin().await;
    let path = format!("/v1/users/{}", admin.user.uid);
    let names = json!({ "spec": { "firstName": "O'Neil & \"Sons\"", "lastName": "{{ x }}" } });
    assert_eq!(admin.put(&path, names).await.status, 204);
    let body = json!({ "spec": { "firstName": "Tom", "lastName": "Berg", "emailId": "tom@northwind.example" } });
    assert_eq!(admin.post("/v1/users", body).await.status, 201);
    let mail = stack.mails().pop().unwrap();
    assert!(mail.html.contains("O&#39;Neil &#38; &#34;Sons&#34; {{ x }}"), "{}", mail.html);
    assert!(mail.text.contains("O'Neil & \"Sons\" {{ x }}"), "{}", mail.text);
}

#[tokio::test]
async fn a_stream_that_delivers_twice_sends_once() {
    let stack = Stack::start().await;
    let body = json!({ "firstName": "A", "lastName": "B", "emailId": "a@b.example", "orgName": "northwind" });
    stack.post("/v1/tenants/signup", body).await;
    let mail = stack.mails().pop().unwrap();
    let app = stack.service.app("mailer");
    let image = json!({ "pk": { "S": format!("MAIL#{}", mail.uid) }, "sk": { "S": "MAIL" }, "uid": { "S": mail.uid }, "to": { "S": mail.to },
        "subject": { "S": mail.subject }, "text": { "S": mail.text }, "html": { "S": mail.html }, "expires_at": { "N": mail.expires_at.to_string() } });
    let event =
        json!({ "Records": [{ "eventName": "INSERT", "dynamodb": { "NewImage": image, "SequenceNumber": "1" } }] });
    let answer =
        functions::mailer::handle(app, serde_json::from_value(event).unwrap(), async |_| panic!("it was sent already"))
            .await;
    assert!(answer.is_complete());
    // The sample event is of the form that the stream has.
    let sample = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../events/mailer.json")).unwrap();
    assert!(
        functions::mailer::handle(app, serde_json::from_str(&sample).unwrap(), async |_| Ok(())).await.is_complete()
    );
}
