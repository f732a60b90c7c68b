//! A browser without a script, for the pages of the console: it keeps cookies, follows redirects and fills in forms.

use std::collections::BTreeMap;

use crate::stack::{Answer, PUBLIC_URL, Stack};

/// A browser with its cookies, that fills in the forms of the page it is on.
pub(crate) struct Browser {
    pub(crate) stack: Stack,
    /// That of the session.
    pub(crate) cookie: Option<String>,
    /// That by which forms are known.
    pub(crate) form_cookie: Option<String>,
    pub(crate) path: String,
    pub(crate) page: Answer,
}

/// A form of a page with what it would send.
#[derive(Debug, Clone)]
pub(crate) struct Form {
    pub(crate) action: String,
    pub(crate) fields: BTreeMap<String, String>,
}

/// The value of an attribute of a tag.
fn attribute(tag: &str, name: &str) -> Option<String> {
    let text = tag.split_once(&format!(" {name}=\""))?.1.split('"').next()?;
    Some(
        text.replace("&#38;", "&")
            .replace("&#34;", "\"")
            .replace("&#39;", "'")
            .replace("&#60;", "<")
            .replace("&#62;", ">"),
    )
}

/// The forms of a page that change something.
pub(crate) fn forms(html: &str) -> Vec<Form> {
    let parts = html.split("<form").skip(1).map(|part| part.split("</form>").next().unwrap());
    let posts = parts.filter(|part| part.split('>').next().unwrap().contains("method=\"post\""));
    posts
        .map(|part| {
            let mut fields = BTreeMap::new();
            for input in part.split("<input").skip(1) {
                let tag = input.split('>').next().unwrap();
                let kind = attribute(tag, "type").unwrap_or_default();
                let is_sent = !["radio", "checkbox"].contains(&kind.as_str()) || tag.contains(" checked");
                if let Some(name) = attribute(tag, "name").filter(|_| is_sent) {
                    fields.insert(name, attribute(tag, "value").unwrap_or_default());
                }
            }
            for area in part.split("<textarea").skip(1) {
                let (tag, rest) = area.split_once('>').unwrap();
                if let Some(name) = attribute(tag, "name") {
                    fields.insert(name, rest.split("</textarea>").next().unwrap().to_owned());
                }
            }
            Form { action: attribute(part, "action").unwrap_or_default(), fields }
        })
        .collect()
}

impl Browser {
    pub(crate) async fn at(stack: &Stack, path: &str) -> Self {
        let page = Answer::default();
        let mut browser = Self { stack: stack.clone(), cookie: None, form_cookie: None, path: String::new(), page };
        browser.open(path).await;
        browser
    }

    pub(crate) async fn send(&mut self, method: &str, path: &str, body: Option<String>) {
        let mut call = self.stack.request(method, path).header("accept", "text/html,*/*;q=0.8");
        call = call.header("cookie", &self.cookies());
        if let Some(body) = body {
            let kind = "application/x-www-form-urlencoded";
            call = call.header("content-type", kind).header("origin", PUBLIC_URL).body(body);
        }
        let answer = call.send_any().await;
        for cookie in answer.headers.get_all("set-cookie") {
            let cookie = cookie.to_str().unwrap();
            assert!(
                cookie.ends_with("; Path=/; HttpOnly; Secure; SameSite=Lax") || cookie.contains("Max-Age=0"),
                "{cookie}"
            );
            let (name, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
            let value = Some(value.to_owned()).filter(|value| !value.is_empty());
            match name {
                "__Host-Authorization" => self.cookie = value,
                "__Host-Form" => self.form_cookie = value,
                _ => panic!("{cookie}"),
            }
        }
        check_page(&answer);
        path.clone_into(&mut self.path);
        self.page = answer;
    }

    pub(crate) fn cookies(&self) -> String {
        let cookies = [("__Host-Authorization", &self.cookie), ("__Host-Form", &self.form_cookie)];
        let cookies = cookies.into_iter().filter_map(|(name, value)| Some(format!("{name}={}", value.as_ref()?)));
        cookies.collect::<Vec<_>>().join("; ")
    }

    /// Opens an address, and whatever it leads to.
    pub(crate) async fn open(&mut self, path: &str) {
        self.send("GET", path, None).await;
        self.follow().await;
    }

    /// A file that a page offers.
    pub(crate) async fn fetch(&self, path: &str) -> Answer {
        self.stack.request("GET", path).header("cookie", &self.cookies()).send_any().await
    }

    pub(crate) async fn follow(&mut self) {
        for _ in 0..5 {
            if self.page.status != 303 {
                return;
            }
            let to = self.page.headers["location"].to_str().unwrap().to_owned();
            assert!(to.starts_with('/') && !to.starts_with("//"), "{to}");
            self.send("GET", &to, None).await;
        }
        panic!("led in a circle at {}", self.path);
    }

    pub(crate) fn form(&self, action: &str) -> Form {
        let found = forms(&self.page.text);
        let of_action = |form: &&Form| form.action.split('?').next() == Some(action);
        found.iter().find(of_action).cloned().unwrap_or_else(|| panic!("{} has no form {action}: {found:?}", self.path))
    }

    /// Sends the form of the page that leads to `action`, with these fields filled in.
    pub(crate) async fn submit(&mut self, action: &str, filled: &[(&str, &str)]) {
        let mut form = self.form(action);
        form.fields.extend(filled.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(&form.fields).finish();
        self.send("POST", &form.action, Some(body)).await;
        self.follow().await;
    }

    pub(crate) async fn signed_in(stack: &Stack, email: &str, password: &str) -> Self {
        let mut browser = Self::at(stack, "/").await;
        assert_eq!(browser.path, "/sign-in");
        browser.submit("/sign-in", &[("email", email), ("password", password)]).await;
        browser
    }

    pub(crate) fn shows(&self, text: &str) {
        assert!(
            self.page.text.contains(text),
            "{} ({}) lacks {text:?}: {}",
            self.path,
            self.page.status,
            self.page.text
        );
    }
}

/// What holds of every page.
fn check_page(answer: &Answer) {
    assert!(answer.status < 500, "{}: {}", answer.status, answer.text);
    let policy = answer.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy}");
    assert!(!policy.contains("unsafe") && !policy.contains("http"), "{policy}");
    assert_eq!(answer.headers["cache-control"], "no-store");
    assert_eq!(answer.headers["x-content-type-options"], "nosniff");
    if answer.status == 303 {
        return;
    }
    assert_eq!(answer.headers["content-type"], "text/html; charset=utf-8");
    for part in [" style=", "<style", "javascript:", " onclick=", "http-equiv"] {
        assert!(!answer.text.contains(part), "{part}: {}", answer.text);
    }
}
