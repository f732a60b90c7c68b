//! People who sign in, in the words of the tests.

use std::time::Duration;

use local::mailbox::Mailbox;
use serde_json::{Value, json};
use store::OutgoingMail;

use crate::stack::{Answer, Stack};

pub(crate) const PASSWORD: &str = "Harbour-7-lamp";
pub(crate) const OTHER: &str = "Granite-4-kettle";

impl Stack {
    pub(crate) fn mails(&self) -> Vec<OutgoingMail> {
        let Mailbox::Memory { mails, .. } = &self.service.mailbox else { panic!("tests keep mails in memory") };
        mails.lock().unwrap().clone()
    }

    /// The token in the newest mail to an address.
    pub(crate) fn mailed_token(&self, to: &str) -> String {
        let mail = self.mails().into_iter().rev().find(|mail| mail.to == to).expect("there is a mail");
        let link = mail.text.lines().find(|line| line.starts_with("http") && line.contains('#')).unwrap().to_owned();
        link.split_once('#').unwrap().1.to_owned()
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.request("POST", path).json(&body).send().await
    }

    pub(crate) async fn set_password(&self, token: &str, how: &str, password: &str) -> Answer {
        let path = format!("/v1/auth/password/{token}/{how}");
        self.request("PATCH", &path).json(&json!({ "password": password })).send().await
    }

    pub(crate) async fn sign_in(&self, email: &str, password: &str, org: Option<&str>) -> Answer {
        let body = json!({ "emailId": email, "password": password, "org": org });
        self.post("/v1/auth/authenticate", body).await
    }

    pub(crate) async fn session(&self, email: &str, password: &str, org: Option<&str>) -> Session {
        let answer = self.sign_in(email, password, org).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        Session { stack: self.clone(), token: answer.body["Authorization"].as_str().unwrap().to_owned() }
    }

    pub(crate) async fn sign_up(&self, email: &str, org: &str, password: &str) -> Session {
        self.sign_up_only(email, org, password).await;
        self.session(email, password, Some(org)).await
    }

    /// The same, and nobody signs in.
    pub(crate) async fn sign_up_only(&self, email: &str, org: &str, password: &str) {
        // Two mails of a kind to one address need a minute between them.
        self.advance(Duration::from_mins(1));
        let body = json!({ "firstName": "Ines", "lastName": "Alba", "emailId": email, "orgName": org });
        assert_eq!(self.post("/v1/tenants/signup", body).await.status, 204);
        let token = self.mailed_token(email);
        let made = self.request("POST", &format!("/v1/tenants/signup/{token}/activate")).send().await;
        assert_eq!(made.status, 204, "{}", made.text);
        assert_eq!(self.set_password(&token, "activate", password).await.status, 204);
    }
}

/// Somebody who is signed in.
pub(crate) struct Session {
    pub(crate) stack: Stack,
    pub(crate) token: String,
}

impl Session {
    pub(crate) async fn call(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        let call = self.stack.request(method, path).header("Authorization", &self.token);
        match body {
            Some(body) => call.json(&body).send().await,
            None => call.send().await,
        }
    }

    pub(crate) async fn invite(&self, email: &str, roles: &[domain::RoleUid]) -> (String, String) {
        let body = json!({ "metadata": { "name": "x" }, "spec": { "firstName": "Tom", "lastName": "Berg", "emailId": email, "roles": roles, "teams": null } });
        let created = self.call("POST", "/v1/users", Some(body)).await;
        assert_eq!(created.status, 201, "{}", created.text);
        (created.body["uid"].as_str().unwrap().to_owned(), self.stack.mailed_token(email))
    }

    pub(crate) async fn status(&self) -> u16 {
        self.call("GET", "/v1/users/me", None).await.status
    }

    pub(crate) async fn tenant_uid(&self) -> String {
        self.call("GET", "/v1/users/info", None).await.body["tenantUid"].as_str().unwrap().to_owned()
    }
}
