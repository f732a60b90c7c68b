//! Identity providers of the tests, on a loopback port: one that keeps to the standard unless it is told to cheat, and
//! the endpoints of GitHub.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::{Arc, Mutex},
    time::Duration,
};

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use functions::app::{Clock, Entropy};
use http_body_util::{BodyExt as _, Full};
use hyper::{
    Request, Response,
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use ring::{
    digest::{SHA256, digest},
    hmac,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair},
};
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;

/// A request as a server of the tests sees it.
pub(crate) struct Asked {
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) authorization: String,
    pub(crate) form: BTreeMap<String, String>,
}

/// An answer: status, headers, body.
pub(crate) type Told = (u16, Vec<(&'static str, String)>, String);

pub(crate) fn json_of(value: &Value) -> Told {
    (200, vec![("content-type", "application/json".to_owned())], value.to_string())
}

/// Serves on a free port of the loopback interface, for as long as the test lives. Its URL.
pub(crate) async fn serve<F>(answer: impl Fn(Asked) -> F + Send + Sync + 'static) -> String
where
    F: Future<Output = Told> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://localhost:{}", listener.local_addr().unwrap().port());
    let answer = Arc::new(answer);
    tokio::spawn(async move {
        loop {
            let Ok((stream, _)) = listener.accept().await else { return };
            let answer = answer.clone();
            let service = service_fn(move |request: Request<Incoming>| {
                let answer = answer.clone();
                async move {
                    let (parts, body) = request.into_parts();
                    let body = body.collect().await.unwrap().to_bytes();
                    let authorization = parts.headers.get("authorization").map(|it| it.to_str().unwrap().to_owned());
                    let asked = Asked {
                        path: parts.uri.path().to_owned(),
                        query: parts.uri.query().unwrap_or_default().to_owned(),
                        authorization: authorization.unwrap_or_default(),
                        form: form_urlencoded::parse(&body).into_owned().collect(),
                    };
                    let (status, headers, body) = answer(asked).await;
                    let mut response = Response::builder().status(status);
                    for (name, value) in headers {
                        response = response.header(name, value);
                    }
                    Ok::<_, Infallible>(response.body(Full::new(Bytes::from(body))).unwrap())
                }
            });
            tokio::spawn(
                async move { drop(http1::Builder::new().serve_connection(TokioIo::new(stream), service).await) },
            );
        }
    });
    url
}

fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A key that a provider signs with.
pub(crate) enum SigningKey {
    Rsa(RsaKeyPair),
    Ec(EcdsaKeyPair),
}

impl SigningKey {
    /// The first or the second of two, which are good for tests alone.
    pub(crate) fn rsa(number: u8) -> Self {
        let text = if number == 1 { include_str!("rsa_key_1.txt") } else { include_str!("rsa_key_2.txt") };
        let der = STANDARD.decode(text.split_whitespace().collect::<String>()).unwrap();
        Self::Rsa(RsaKeyPair::from_pkcs8(&der).unwrap())
    }

    pub(crate) fn ec() -> Self {
        let (algorithm, entropy) = (&ECDSA_P256_SHA256_FIXED_SIGNING, Entropy::system());
        let der = EcdsaKeyPair::generate_pkcs8(algorithm, entropy.source()).unwrap();
        Self::Ec(EcdsaKeyPair::from_pkcs8(algorithm, der.as_ref(), entropy.source()).unwrap())
    }

    pub(crate) const fn algorithm(&self) -> &'static str {
        match self {
            Self::Rsa(_) => "RS256",
            Self::Ec(_) => "ES256",
        }
    }

    pub(crate) fn sign(&self, text: &str) -> Vec<u8> {
        let entropy = Entropy::system();
        match self {
            Self::Rsa(key) => {
                let mut signature = vec![0; key.public().modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, entropy.source(), text.as_bytes(), &mut signature).unwrap();
                signature
            }
            Self::Ec(key) => key.sign(entropy.source(), text.as_bytes()).unwrap().as_ref().to_vec(),
        }
    }

    pub(crate) fn jwk(&self, kid: Option<&str>) -> Value {
        let mut jwk = match self {
            Self::Rsa(key) => {
                let public = ring::rsa::PublicKeyComponents::<Vec<u8>>::from(key.public());
                json!({ "kty": "RSA", "use": "sig", "alg": "RS256", "n": b64(public.n), "e": b64(public.e) })
            }
            Self::Ec(key) => {
                let point = key.public_key().as_ref();
                json!({ "kty": "EC", "use": "sig", "alg": "ES256", "crv": "P-256", "x": b64(&point[1..33]), "y": b64(&point[33..]) })
            }
        };
        if let Some(kid) = kid {
            jwk["kid"] = json!(kid);
        }
        jwk
    }
}

/// What a provider does, and where a test makes it cheat.
pub(crate) struct Script {
    pub(crate) clock: Clock,
    /// What it publishes: the keys with their names.
    pub(crate) published: Vec<(Option<&'static str>, SigningKey)>,
    /// Which of them signs, by its place; with the name that the token gives it.
    pub(crate) signs: usize,
    pub(crate) kid: Option<&'static str>,
    /// What it says of the person.
    pub(crate) person: Map<String, Value>,
    /// Whether the ID token says it too.
    pub(crate) in_token: bool,
    /// Changes what it says of itself.
    pub(crate) metadata: Arc<dyn Fn(&mut Value) + Send + Sync>,
    /// Changes the header of the ID token, before it is signed.
    pub(crate) header: Arc<dyn Fn(&mut Value) + Send + Sync>,
    /// Bytes by which a right answer is longer than it need be, by path.
    pub(crate) padding: BTreeMap<String, usize>,
    /// Changes the claims of the ID token.
    pub(crate) claims: Arc<dyn Fn(&mut Value) + Send + Sync>,
    /// Changes the signed token.
    pub(crate) token: Arc<dyn Fn(String) -> String + Send + Sync>,
    /// Changes what the userinfo endpoint says.
    pub(crate) user_info: Arc<dyn Fn(&mut Value) + Send + Sync>,
    /// What it answers instead, by path.
    pub(crate) instead: BTreeMap<String, Told>,
    /// How long each answer takes.
    pub(crate) delay: Duration,
    codes: BTreeMap<String, Going>,
    /// What the person of the last token was asked for.
    scope: String,
    /// What it was asked.
    pub(crate) asked: Vec<String>,
}

/// Where a person was sent with what.
#[derive(Debug, Clone)]
pub(crate) struct Going {
    pub(crate) state: String,
    pub(crate) nonce: String,
    pub(crate) challenge: String,
    pub(crate) redirect_uri: String,
    pub(crate) scope: String,
}

impl Going {
    /// What the address says that a person was sent to.
    pub(crate) fn of(url: &str) -> Self {
        let url = url::Url::parse(url).unwrap();
        let query: BTreeMap<String, String> = url.query_pairs().into_owned().collect();
        assert_eq!(query["code_challenge_method"], "S256");
        assert_eq!(query.get("response_type").map_or("code", String::as_str), "code");
        Self {
            state: query["state"].clone(),
            nonce: query.get("nonce").cloned().unwrap_or_default(),
            challenge: query["code_challenge"].clone(),
            redirect_uri: query["redirect_uri"].clone(),
            scope: query["scope"].clone(),
        }
    }

    /// The path of ours that the person is to come back to.
    pub(crate) fn callback(&self) -> String {
        let url = url::Url::parse(&self.redirect_uri).unwrap();
        url.path().to_owned()
    }
}

#[derive(Clone)]
pub(crate) struct Provider {
    pub(crate) url: String,
    pub(crate) script: Arc<Mutex<Script>>,
}

pub(crate) const CLIENT: &str = "console";
pub(crate) const SECRET: &str = "a secret of ours & theirs";
pub(crate) const ACCESS_TOKEN: &str = "an-access-token";
pub(crate) const GITHUB_TOKEN: &str = "gho_token";

impl Provider {
    pub(crate) async fn start(clock: Clock) -> Self {
        let script = Arc::new(Mutex::new(Script {
            clock,
            published: vec![(Some("one"), SigningKey::rsa(1))],
            signs: 0,
            kid: Some("one"),
            person: Map::new(),
            in_token: true,
            metadata: Arc::new(|_| {}),
            header: Arc::new(|_| {}),
            padding: BTreeMap::new(),
            claims: Arc::new(|_| {}),
            token: Arc::new(|token| token),
            user_info: Arc::new(|_| {}),
            instead: BTreeMap::new(),
            delay: Duration::ZERO,
            codes: BTreeMap::new(),
            scope: String::new(),
            asked: Vec::new(),
        }));
        let url: Arc<Mutex<String>> = Arc::default();
        let (shared, issuer) = (script.clone(), url.clone());
        let started = serve(move |asked| {
            let (shared, issuer) = (shared.clone(), issuer.lock().unwrap().clone());
            async move {
                let (told, delay) = {
                    let mut script = shared.lock().unwrap();
                    let (status, headers, mut body) = script.answer(&issuer, &asked);
                    body.insert_str(0, &" ".repeat(script.padding.get(&asked.path).copied().unwrap_or_default()));
                    ((status, headers, body), script.delay)
                };
                tokio::time::sleep(delay).await;
                told
            }
        })
        .await;
        url.lock().unwrap().clone_from(&started);
        Self { url: started, script }
    }

    /// From now on it vouches for this person.
    pub(crate) fn knows(&self, person: Value) {
        let Value::Object(person) = person else { panic!("a person has claims") };
        self.script.lock().unwrap().person = person;
    }

    /// Signs a person in who was sent with this: the code that they bring back.
    pub(crate) fn code(&self, going: &Going) -> String {
        let mut script = self.script.lock().unwrap();
        let code = format!("code-{}", script.codes.len() + 1);
        script.codes.insert(code.clone(), going.clone());
        code
    }

    pub(crate) fn cheats(&self, how: impl FnOnce(&mut Script)) {
        how(&mut self.script.lock().unwrap());
    }

    pub(crate) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.script.lock().unwrap().asked)
    }
}

impl Script {
    fn answer(&mut self, issuer: &str, asked: &Asked) -> Told {
        self.asked.push(asked.path.clone());
        if let Some(told) = self.instead.get(&asked.path) {
            return told.clone();
        }
        match asked.path.as_str() {
            "/.well-known/openid-configuration" => {
                let mut metadata = json!({
                    "issuer": issuer, "authorization_endpoint": format!("{issuer}/authorize"),
                    "token_endpoint": format!("{issuer}/token"), "jwks_uri": format!("{issuer}/jwks"),
                    "userinfo_endpoint": format!("{issuer}/userinfo"), "response_types_supported": ["code"],
                    "subject_types_supported": ["public"],
                    "id_token_signing_alg_values_supported": ["RS256", "ES256", "HS256", "none"],
                });
                (self.metadata)(&mut metadata);
                json_of(&metadata)
            }
            "/jwks" => {
                let keys: Vec<Value> = self.published.iter().map(|(kid, key)| key.jwk(*kid)).collect();
                json_of(&json!({ "keys": keys }))
            }
            // Whoever comes is the person that it knows.
            "/authorize" => {
                let going = Going::of(&format!("{issuer}/authorize?{}", asked.query));
                let code = format!("code-{}", self.codes.len() + 1);
                let back = form_urlencoded::Serializer::new(String::new())
                    .extend_pairs([("code", &code), ("state", &going.state)])
                    .finish();
                let back = format!("{}?{back}", going.redirect_uri);
                self.codes.insert(code, going);
                (302, vec![("location", back)], String::new())
            }
            "/token" => self.token(issuer, asked),
            "/userinfo" => {
                if asked.authorization != format!("Bearer {ACCESS_TOKEN}") {
                    return (401, Vec::new(), String::new());
                }
                let mut claims = self.of_scope();
                (self.user_info)(&mut claims);
                json_of(&claims)
            }
            _ => (404, Vec::new(), String::new()),
        }
    }

    /// What it says of the person to whoever asked for that.
    fn of_scope(&self) -> Value {
        let scopes: Vec<&str> = self.scope.split(' ').collect();
        assert!(scopes.contains(&"openid"), "{scopes:?}");
        let is_asked = |name: &str| match name {
            "email" | "email_verified" => scopes.contains(&"email"),
            "given_name" | "family_name" | "name" => scopes.contains(&"profile"),
            _ => true,
        };
        let claims = self.person.iter().filter(|(name, _)| is_asked(name));
        Value::Object(claims.map(|(name, value)| (name.clone(), value.clone())).collect())
    }

    fn token(&mut self, issuer: &str, asked: &Asked) -> Told {
        let refused = |error: &str| {
            let (_, headers, body) = json_of(&json!({ "error": error }));
            (400, headers, body)
        };
        let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let basic = format!("Basic {}", STANDARD.encode(format!("{}:{}", encoded(CLIENT), encoded(SECRET))));
        let mut metadata = json!({});
        (self.metadata)(&mut metadata);
        let wants_form = metadata["token_endpoint_auth_methods_supported"] == json!(["client_secret_post"]);
        let by_form = asked.form.get("client_secret").is_some_and(|secret| secret == SECRET);
        // One way and not the other, as it says of itself.
        let is_right = if wants_form {
            by_form && asked.authorization.is_empty()
        } else {
            asked.authorization == basic && !by_form
        };
        if !is_right {
            return refused("invalid_client");
        }
        let text = |name: &str| asked.form.get(name).cloned().unwrap_or_default();
        let Some(going) = self.codes.remove(&text("code")) else { return refused("invalid_grant") };
        let challenge = b64(digest(&SHA256, text("code_verifier").as_bytes()));
        if challenge != going.challenge || text("redirect_uri") != going.redirect_uri {
            return refused("invalid_grant");
        }
        self.scope = going.scope;
        let now = self.clock.now().secs();
        let mut claims = json!({
            "iss": issuer, "aud": CLIENT, "sub": self.person.get("sub"), "iat": now, "exp": now + 300,
            "nonce": going.nonce, "at_hash": b64(&digest(&SHA256, ACCESS_TOKEN.as_bytes()).as_ref()[..16]),
        });
        if self.in_token {
            let Value::Object(person) = self.of_scope() else { unreachable!("an object") };
            claims.as_object_mut().unwrap().extend(person);
        }
        (self.claims)(&mut claims);
        let key = &self.published[self.signs].1;
        let mut header = json!({ "typ": "JWT", "alg": key.algorithm() });
        if let Some(kid) = self.kid {
            header["kid"] = json!(kid);
        }
        (self.header)(&mut header);
        let text = format!("{}.{}", b64(header.to_string()), b64(claims.to_string()));
        let token = format!("{text}.{}", b64(key.sign(&text)));
        let token = (self.token)(token);
        json_of(&json!({ "access_token": ACCESS_TOKEN, "token_type": "Bearer", "expires_in": 60, "id_token": token }))
    }
}

/// The same token with another header, signed by nobody or by a secret that both sides know.
pub(crate) fn forged(token: &str, header: &Value, secret: Option<&str>) -> String {
    let payload = token.split('.').nth(1).unwrap();
    let text = format!("{}.{payload}", b64(header.to_string()));
    let signature =
        secret.map(|secret| b64(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), text.as_bytes())));
    format!("{text}.{}", signature.unwrap_or_default())
}

/// The endpoints of GitHub that its documentation names.
#[derive(Clone)]
pub(crate) struct Github {
    pub(crate) url: String,
    pub(crate) script: Arc<Mutex<GithubScript>>,
}

#[derive(Default)]
pub(crate) struct GithubScript {
    pub(crate) id: u64,
    pub(crate) name: Option<String>,
    pub(crate) emails: Vec<(&'static str, bool, bool)>,
    pub(crate) instead: BTreeMap<String, Told>,
    going: Option<Going>,
}

impl Github {
    pub(crate) async fn start() -> Self {
        let script: Arc<Mutex<GithubScript>> = Arc::default();
        let shared = script.clone();
        let url = serve(move |asked| {
            let told = shared.lock().unwrap().answer(&asked);
            async move { told }
        })
        .await;
        Self { url, script }
    }

    /// Signs in a person who was sent with this.
    pub(crate) fn code(&self, going: &Going) -> String {
        self.script.lock().unwrap().going = Some(going.clone());
        "a-code".to_owned()
    }

    /// - `emails`: address, primary, verified.
    pub(crate) fn knows(&self, id: u64, name: Option<&str>, emails: &[(&'static str, bool, bool)]) {
        let mut script = self.script.lock().unwrap();
        (script.id, script.name, script.emails) = (id, name.map(ToOwned::to_owned), emails.to_vec());
    }
}

impl GithubScript {
    fn answer(&mut self, asked: &Asked) -> Told {
        if let Some(told) = self.instead.get(&asked.path) {
            return told.clone();
        }
        let is_ours = asked.authorization == format!("Bearer {GITHUB_TOKEN}");
        match asked.path.as_str() {
            "/login/oauth/access_token" => {
                let text = |name: &str| asked.form.get(name).cloned().unwrap_or_default();
                let challenge = b64(digest(&SHA256, text("code_verifier").as_bytes()));
                let is_right =
                    self.going.take().is_some_and(|going| {
                        going.challenge == challenge && going.redirect_uri == text("redirect_uri")
                    }) && text("client_id") == CLIENT
                        && text("client_secret") == SECRET
                        && text("code") == "a-code";
                // GitHub refuses with 200 as well.
                json_of(&if is_right {
                    json!({ "access_token": GITHUB_TOKEN, "scope": "read:user,user:email", "token_type": "bearer" })
                } else {
                    json!({ "error": "bad_verification_code", "error_description": "The code passed is incorrect or expired." })
                })
            }
            "/user" if is_ours => json_of(&json!({ "id": self.id, "login": "octo", "name": self.name, "email": null })),
            "/user/emails" if is_ours => {
                let emails = self.emails.iter().map(|(email, primary, verified)| {
                    json!({ "email": email, "primary": primary, "verified": verified, "visibility": null })
                });
                json_of(&emails.collect())
            }
            _ => (401, Vec::new(), String::new()),
        }
    }
}
