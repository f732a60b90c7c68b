//! The first day of an organization, told over HTTP: from sign-up to a second organization. Whoever serves it, it is the
//! same story.

use serde_json::{Value, json};

use crate::{
    session::{OTHER, PASSWORD},
    stack::LATER,
};

/// A Latchkey that is reached over HTTP, with a mailbox.
pub(crate) trait Site {
    /// Sends a request and gives status and body of the answer, `Null` where there is none.
    ///
    /// - `credential`: name and value of a header.
    fn call(
        &mut self,
        method: &str,
        path: &str,
        credential: Option<(&str, &str)>,
        body: Option<&Value>,
    ) -> (u16, Value);

    /// The text of the newest mail to an address. A mail may take a moment.
    fn newest_mail(&mut self, to: &str) -> String;

    /// Waits until another mail of the same kind may be asked for.
    fn wait_for_the_next_mail(&mut self);
}

/// What a link in a mail carries.
fn link(mail: &str) -> String {
    let link = mail.lines().find(|line| line.starts_with("http") && line.contains('#')).expect("the mail has a link");
    link.split_once('#').expect("it was looked for").1.to_owned()
}

struct Told<'a, S>(&'a mut S);

impl<S: Site> Told<'_, S> {
    fn expect(
        &mut self,
        wanted: u16,
        method: &str,
        path: &str,
        credential: Option<(&str, &str)>,
        body: Option<Value>,
    ) -> Value {
        let (status, answer) = self.0.call(method, path, credential, body.as_ref());
        assert_eq!(status, wanted, "{method} {path}: {answer}");
        answer
    }

    fn open(&mut self, wanted: u16, method: &str, path: &str, body: Value) -> Value {
        self.expect(wanted, method, path, None, Some(body))
    }

    fn by(&mut self, token: &str, wanted: u16, method: &str, path: &str, body: Option<Value>) -> Value {
        self.expect(wanted, method, path, Some(("Authorization", token)), body)
    }

    fn sign_up(&mut self, email: &str, org: &str, password: &str) {
        let person = json!({ "firstName": "Ines", "lastName": "Alba", "emailId": email, "orgName": org });
        self.open(204, "POST", "/v1/tenants/signup", person);
        let link = link(&self.0.newest_mail(email));
        self.open(204, "POST", &format!("/v1/tenants/signup/{link}/activate"), json!({}));
        self.set_first_password(&link, password);
    }

    fn set_first_password(&mut self, link: &str, password: &str) {
        let path = format!("/v1/auth/password/{link}/activate");
        self.open(204, "PATCH", &path, json!({ "password": password }));
    }

    fn sign_in(&mut self, wanted: u16, email: &str, password: &str, org: Option<&str>) -> Value {
        let body = json!({ "emailId": email, "password": password, "org": org });
        self.open(wanted, "POST", "/v1/auth/authenticate", body)
    }
}

fn text(value: &Value) -> String {
    value.as_str().expect("it is a text").to_owned()
}

/// Tells the story, and gives the token of its founder at the end.
///
/// - `suffix`: makes names and addresses differ from those of another telling on the same data.
pub(crate) fn tell(site: &mut impl Site, suffix: &str) -> String {
    let told = &mut Told(site);
    let (northwind, fabrikam) = (format!("north{suffix}"), format!("fabri{suffix}"));
    let (ines, tom) = (format!("ines@{northwind}.example"), format!("tom@{northwind}.example"));

    // She signs up an organization, follows the link, sets a password and signs in.
    told.sign_up(&ines, &northwind, PASSWORD);
    let token = text(&told.sign_in(200, &ines, PASSWORD, None)["Authorization"]);
    let info = told.by(&token, 200, "GET", "/v1/users/info", None);
    assert_eq!(info["orgName"], json!(northwind));

    // She invites Tom, who cannot come in before he has followed the link.
    let person = json!({ "spec": { "firstName": "Tom", "lastName": "Berg", "emailId": tom } });
    let tom_uid = text(&told.by(&token, 201, "POST", "/v1/users", Some(person))["uid"]);
    told.sign_in(401, &tom, OTHER, None);
    let invitation = link(&told.0.newest_mail(&tom));
    told.set_first_password(&invitation, OTHER);
    let (status, _) = told.0.call(
        "PATCH",
        &format!("/v1/auth/password/{invitation}/activate"),
        None,
        Some(&json!({ "password": PASSWORD })),
    );
    assert_eq!(status, 401, "a link is good once");

    // She makes a key for him as an admin; he signs in and sees it, and a program uses it.
    let key = json!({ "metadata": { "name": "from ines" }, "spec": { "userUid": tom_uid, "expiry": LATER } });
    let key = text(&told.by(&token, 201, "POST", "/v1/apiKeys", Some(key))["apiKey"]);
    let toms = text(&told.sign_in(200, &tom, OTHER, None)["Authorization"]);
    let seen = told.by(&toms, 200, "GET", "/v1/apiKeys", None);
    assert_eq!(seen["items"].as_array().map(Vec::len), Some(1), "{seen}");
    assert_eq!(seen["items"][0]["metadata"]["name"], json!("from ines"));
    let info = told.expect(200, "GET", "/v1/users/info", Some(("ApiKey", &key)), None);
    assert_eq!(info["userUid"], json!(tom_uid));

    // The same address joins a second organization. Which one is asked for only after the right password.
    told.0.wait_for_the_next_mail();
    told.sign_up(&ines, &fabrikam, PASSWORD);
    let wrong = told.sign_in(401, &ines, OTHER, None);
    assert_eq!((&wrong["code"], &wrong["details"]), (&json!("InvalidCredentials"), &Value::Null));
    let asked = told.sign_in(400, &ines, PASSWORD, None);
    assert_eq!(asked["code"], json!("OrgSelectionRequired"));
    let names: Vec<&Value> =
        asked["details"]["organizations"].as_array().expect("a list").iter().map(|it| &it["name"]).collect();
    assert_eq!(names, [&json!(fabrikam), &json!(northwind)]);
    let token = text(&told.sign_in(200, &ines, PASSWORD, Some(&northwind))["Authorization"]);

    // Forgotten names are mailed, both of them; nobody else gets a mail or another answer.
    told.expect(204, "GET", &format!("/v1/auth/user/org/forgot?emailId={}", ines.replace('@', "%40")), None, None);
    told.expect(204, "GET", "/v1/auth/user/org/forgot?emailId=nobody%40nowhere.example", None, None);
    let mail = told.0.newest_mail(&ines);
    assert!(mail.contains(&format!("/o/{northwind}")) && mail.contains(&format!("/o/{fabrikam}")), "{mail}");

    // She switches to the other one without a password.
    let switched = told.by(&token, 200, "POST", &format!("/v1/auth/org/{fabrikam}/switch"), None);
    let token = text(&switched["Authorization"]);
    let there = told.by(&token, 200, "GET", "/v1/users/info", None);
    assert_eq!(there["orgName"], json!(fabrikam));
    assert_eq!(told.by(&token, 200, "GET", "/v1/apiKeys", None)["items"], json!([]));
    token
}

/// The life of a key, told by who holds a token.
pub(crate) fn tell_of_a_key(site: &mut impl Site, token: &str) {
    let told = &mut Told(site);
    let key = json!({ "metadata": { "name": "ci" }, "spec": { "expiry": LATER } });
    let created = told.by(token, 201, "POST", "/v1/apiKeys", Some(key));
    let (uid, key) = (text(&created["uid"]), text(&created["apiKey"]));
    let path = format!("/v1/apiKeys/{uid}");
    let opens = |told: &mut Told<'_, _>, wanted: u16, name: &str, value: &str| {
        told.expect(wanted, "GET", "/v1/users/info", Some((name, value)), None)
    };

    // A program uses it, in any letter case and in the query, and exchanges it for a token, which is refreshed in both forms.
    opens(told, 200, "ApiKey", &key);
    opens(told, 200, "apikey", &key);
    told.expect(200, "GET", &format!("/v1/users/info?ApiKey={key}"), None, None);
    let exchanged = told.expect(200, "POST", "/v1/auth/authenticate", Some(("ApiKey", &key)), None);
    let born = text(&exchanged["Authorization"]);
    opens(told, 200, "Authorization", &born);
    opens(told, 200, "Authorization", &format!("Bearer {born}"));
    told.by(&born, 200, "GET", "/v1/auth/refresh", None);
    let refreshed = text(&told.expect(200, "GET", &format!("/v1/auth/refresh/{born}"), None, None)["Authorization"]);
    opens(told, 200, "Authorization", &refreshed);

    // Its value is nowhere but in the answer that made it.
    let seen = told.by(token, 200, "GET", &path, None);
    assert_eq!(seen["metadata"]["name"], json!("ci"));
    assert!(!seen.to_string().contains(&key), "{seen}");
    told.by(token, 204, "PUT", &path, Some(json!({ "metadata": { "name": "deploy" } })));

    // Revoked, key and tokens are dead with the answer; re-activated, the key opens again.
    told.by(token, 204, "PUT", &format!("{path}/state"), Some(json!({ "isActive": false })));
    opens(told, 401, "ApiKey", &key);
    opens(told, 401, "Authorization", &born);
    opens(told, 401, "Authorization", &refreshed);
    told.by(token, 204, "PATCH", &path, Some(json!({ "isActive": true })));
    opens(told, 200, "ApiKey", &key);

    // A token that was revoked is dead, and the key is not.
    let another = told.expect(200, "POST", "/v1/auth/authenticate", Some(("ApiKey", &key)), None);
    let another = text(&another["Authorization"]);
    let ends = json!({ "tokens": [another] });
    told.expect(204, "POST", "/v1/users/auth/tokens/revoke", Some(("ApiKey", &key)), Some(ends));
    opens(told, 401, "Authorization", &another);
    opens(told, 200, "ApiKey", &key);

    // Deleted, it is gone for good, and the trail tells all of it.
    told.by(token, 204, "DELETE", &path, None);
    told.by(token, 404, "DELETE", &path, None);
    opens(told, 401, "ApiKey", &key);
    let trail = told.by(token, 200, "GET", &format!("/v1/audits?resourceUid={uid}"), None);
    let did: Vec<&str> =
        trail["items"].as_array().expect("a list").iter().filter_map(|it| it["spec"]["actionMsg"].as_str()).collect();
    assert_eq!(
        did,
        ["API key deleted", "API key re-activated", "API key revoked", "API key changed", "API key created"],
        "{trail}"
    );
}
