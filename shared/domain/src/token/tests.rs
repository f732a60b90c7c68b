use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use serde_json::{Value, json};

use super::*;

const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

/// A signer that signs whatever it is given: what a verifier must withstand even with a good signature.
struct Forge {
    key: EcdsaKeyPair,
    random: SystemRandom,
}

impl Forge {
    #[allow(clippy::disallowed_methods, reason = "a key for one test")]
    fn new() -> Self {
        let random = SystemRandom::new();
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref(), &random).unwrap();
        Self { key, random }
    }

    fn keys(&self) -> VerifyingKeys {
        let public = PublicKey::from_point(self.key.public_key().as_ref()).unwrap();
        VerifyingKeys::from([("k1".to_owned(), public)])
    }

    fn sign(&self, header: &str, payload: &str) -> String {
        let input = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
        let signature = self.key.sign(&self.random, input.as_bytes()).unwrap();
        jws::compact(&input, signature.as_ref())
    }

    fn token(&self, claims: &Value) -> String {
        self.sign(r#"{"alg":"ES256","typ":"at+jwt","kid":"k1"}"#, &claims.to_string())
    }

    fn verify(&self, token: &str) -> Result<Claims, TokenRefused> {
        verify(token, &self.keys(), &realm(), NOW)
    }
}

fn realm() -> Realm {
    Realm { issuer: "https://latchkey.example".to_owned(), audience: "latchkey".to_owned() }
}

fn sign_in(key_expires_at: Option<Timestamp>) -> SignIn {
    SignIn {
        user: UserUid::from_bytes([3; 12]),
        tenant: TenantUid::from_bytes([2; 12]),
        session: SessionUid::from_bytes([4; 12]),
        source: if key_expires_at.is_some() { Source::ApiKey } else { Source::Password },
        api_key: key_expires_at.map(|expires_at| (ApiKeyUid::from_bytes([1; 12]), expires_at)),
    }
}

fn claims() -> Claims {
    Claims::sign_in(&realm(), &sign_in(None), TokenUid::from_bytes([5; 12]), NOW)
}

#[test]
fn what_was_signed_is_claimed_again() {
    let forge = Forge::new();
    let input = signing_input("k1", &claims());
    let token = AccessToken::new(&input, forge.key.sign(&forge.random, input.as_bytes()).unwrap().as_ref());
    assert_eq!(forge.verify(token.expose()), Ok(claims()));
    assert!(token.expose().len() < 1024, "it travels in a path");
    assert_eq!(format!("{token:?}"), "AccessToken");
}

#[test]
fn every_claim_is_required_and_strictly_typed() {
    let forge = Forge::new();
    let good = json!(claims());
    assert_eq!(forge.verify(&forge.token(&good)), Ok(claims()));
    for name in ["iss", "aud", "sub", "tid", "sid", "jti", "iat", "nbf", "exp", "auth_time", "src"] {
        let mut without = good.clone();
        without.as_object_mut().unwrap().remove(name);
        assert_eq!(forge.verify(&forge.token(&without)), Err(TokenRefused::Malformed), "without {name}");
        for wrong in [json!(null), json!(true), json!([]), json!({}), json!([good[name]]), json!(1.5), json!("1e9")] {
            let mut changed = good.clone();
            changed[name] = wrong.clone();
            assert!(forge.verify(&forge.token(&changed)).is_err(), "{name} = {wrong}");
        }
    }
}

#[test]
fn claims_that_contradict_each_other_are_refused() {
    let forge = Forge::new();
    let now = NOW.secs();
    for (name, value) in [
        ("iss", json!("https://evil.example")),
        ("aud", json!("another")),
        ("exp", json!(now + 901)),
        ("exp", json!(i64::MAX)),
        ("iat", json!(i64::MIN)),
        ("nbf", json!(-1)),
        ("auth_time", json!(now + 1)),
        ("kuid", json!("010101010101010101010101")),
        ("src", json!("apikey")),
    ] {
        let mut changed = json!(claims());
        changed[name] = value.clone();
        assert_eq!(forge.verify(&forge.token(&changed)), Err(TokenRefused::Claims), "{name} = {value}");
    }
}

#[test]
fn a_member_that_stands_twice_is_refused() {
    let forge = Forge::new();
    let payload = json!(claims()).to_string().replacen('{', r#"{"sub":"030303030303030303030303","#, 1);
    let header = r#"{"alg":"ES256","typ":"at+jwt","kid":"k1"}"#;
    assert_eq!(forge.verify(&forge.sign(header, &payload)), Err(TokenRefused::Malformed));
    let header = r#"{"alg":"ES256","alg":"ES256","typ":"at+jwt","kid":"k1"}"#;
    assert_eq!(forge.verify(&forge.sign(header, &json!(claims()).to_string())), Err(TokenRefused::Malformed));
}

#[test]
fn the_header_decides_nothing() {
    let forge = Forge::new();
    for header in [
        r#"{"alg":"none","typ":"at+jwt","kid":"k1"}"#,
        r#"{"alg":"nOnE","typ":"at+jwt","kid":"k1"}"#,
        r#"{"alg":"es256","typ":"at+jwt","kid":"k1"}"#,
        r#"{"alg":"HS256","typ":"at+jwt","kid":"k1"}"#,
        r#"{"alg":"RS256","typ":"at+jwt","kid":"k1"}"#,
        r#"{"alg":"ES384","typ":"at+jwt","kid":"k1"}"#,
        r#"{"alg":["ES256"],"typ":"at+jwt","kid":"k1"}"#,
        r#"{"alg":"ES256","typ":"JWT","kid":"k1"}"#,
        r#"{"alg":"ES256","kid":"k1"}"#,
        r#"{"alg":"ES256","typ":"at+jwt"}"#,
        r#"{"alg":"ES256","typ":"at+jwt","kid":"k1","jku":"https://evil.example/k"}"#,
        r#"{"alg":"ES256","typ":"at+jwt","kid":"k1","x5u":"https://evil.example/k"}"#,
        r#"{"alg":"ES256","typ":"at+jwt","kid":"k1","jwk":{}}"#,
        r#"{"alg":"ES256","typ":"at+jwt","kid":"k1","crit":["x"],"x":1}"#,
        r#"{"alg":"ES256","typ":"at+jwt","kid":"k1","b64":false}"#,
        "{}",
        "[]",
        "",
    ] {
        let token = forge.sign(header, &json!(claims()).to_string());
        assert_eq!(forge.verify(&token), Err(TokenRefused::Malformed), "{header}");
    }
    let unknown = forge.sign(r#"{"alg":"ES256","typ":"at+jwt","kid":"../k1"}"#, &json!(claims()).to_string());
    assert_eq!(forge.verify(&unknown), Err(TokenRefused::UnknownKey));
}

#[test]
fn a_token_has_one_spelling() {
    let forge = Forge::new();
    let token = forge.token(&json!(claims()));
    let (input, signature) = token.rsplit_once('.').unwrap();
    for other in [
        format!("{token}="),
        format!("{token}."),
        format!("{token}.x"),
        format!(" {token}"),
        format!("{token}\n"),
        format!("{input} .{signature}"),
        token.replacen('.', "..", 1),
        input.to_owned(),
        format!("{input}."),
        format!("{input}.{}", &signature[..signature.len() - 2]),
        format!("{input}.{signature}AA"),
        signature.to_owned(),
        String::new(),
        "..".to_owned(),
        "x".repeat(5000),
    ] {
        assert!(forge.verify(&other).is_err(), "{other}");
    }
    // The last character of 64 bytes carries four bits that must be zero.
    let last = signature.chars().last().unwrap();
    for char in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".chars().filter(|char| *char != last)
    {
        let other = format!("{}{char}", &token[..token.len() - 1]);
        assert!(forge.verify(&other).is_err(), "{char} in place of {last}");
    }
}

#[test]
fn times_hold_at_their_edges() {
    let forge = Forge::new();
    let at = |secs: i64| {
        let token = forge.token(&json!(claims()));
        verify(&token, &forge.keys(), &realm(), Timestamp::from_secs(NOW.secs() + secs)).map(drop)
    };
    assert_eq!(at(-6), Err(TokenRefused::NotYetValid));
    assert_eq!(at(-5), Ok(()));
    assert_eq!(at(899), Ok(()));
    assert_eq!(at(900), Err(TokenRefused::Expired));
}

#[test]
fn a_token_dies_with_its_key() {
    let key_expires_at = Timestamp::from_millis(NOW.millis() + 60_999);
    let claims = Claims::sign_in(&realm(), &sign_in(Some(key_expires_at)), TokenUid::from_bytes([5; 12]), NOW);
    assert_eq!(claims.exp, NOW.secs() + 60);
    let refreshed = claims.refresh(Some(key_expires_at), TokenUid::from_bytes([6; 12]), NOW).unwrap();
    assert_eq!(refreshed.exp, NOW.secs() + 60);
}

#[test]
fn refreshing_keeps_the_session_and_ends_at_the_absolute_limit() {
    let mut claims = claims();
    let mut now = NOW;
    let mut steps = 0_u8;
    loop {
        now = now + Duration::from_mins(10);
        steps += 1;
        match claims.clone().refresh(None, TokenUid::from_bytes([steps; 12]), now) {
            Ok(next) => {
                assert_eq!((next.sid, next.auth_time, next.sub), (claims.sid, claims.auth_time, claims.sub));
                assert_ne!(next.jti, claims.jti);
                assert!(next.exp <= NOW.secs() + 12 * 3600);
                claims = next;
            }
            Err(refused) => break assert_eq!(refused, TokenRefused::Expired),
        }
    }
    assert_eq!(steps, 72, "twelve hours in steps of ten minutes");
}

#[test]
fn a_refreshed_token_is_of_its_own_time() {
    let now = NOW + Duration::from_mins(10);
    let next = claims().refresh(None, TokenUid::from_bytes([6; 12]), now).unwrap();
    assert_eq!((next.iat, next.nbf, next.exp), (now.secs(), now.secs(), now.secs() + 900));
}

#[test]
fn a_session_that_goes_on_ends_with_its_sign_in() {
    let nearly = NOW - crate::session::ABSOLUTE_LIMIT + Duration::from_mins(5);
    let on = claims().begun_at(nearly);
    assert_eq!((on.auth_time, on.exp), (nearly.secs(), NOW.secs() + 300));
    let lately = NOW - Duration::from_mins(5);
    let on = claims().begun_at(lately);
    assert_eq!((on.auth_time, on.exp), (lately.secs(), NOW.secs() + 900));
}

#[test]
fn a_token_of_tomorrow_is_refused_by_either_time() {
    let forge = Forge::new();
    let changed = |name: &str, secs: i64| {
        let mut changed = json!(claims());
        changed[name] = json!(NOW.secs() + secs);
        forge.verify(&forge.token(&changed)).map(drop)
    };
    for name in ["iat", "nbf"] {
        assert_eq!(changed(name, 6), Err(TokenRefused::NotYetValid), "{name}");
        assert_eq!(changed(name, 5), Ok(()), "{name}");
    }
}

#[test]
fn a_session_may_be_carried_on_until_its_absolute_limit() {
    let forge = Forge::new();
    let after = |claims: &Value, secs: i64| {
        let now = Timestamp::from_secs(NOW.secs() + secs);
        verify_session(&forge.token(claims), &forge.keys(), &realm(), now)
    };
    let good = json!(claims());
    let limit = crate::session::ABSOLUTE_LIMIT.as_secs().cast_signed();
    for secs in [0, 899, 900, limit - 1] {
        assert_eq!(after(&good, secs), Ok(claims()), "after {secs} s");
    }
    for secs in [limit, limit + 1] {
        assert_eq!(after(&good, secs), Err(TokenRefused::Expired), "after {secs} s");
    }
    // Old or not, it must be ours.
    for (name, value) in [("iss", json!("https://evil.example")), ("aud", json!("another")), ("exp", json!(i64::MIN))] {
        let mut changed = good.clone();
        changed[name] = value;
        assert_eq!(after(&changed, 1000), Err(TokenRefused::Claims), "{name}");
    }
}

#[test]
fn a_token_may_have_so_many_bytes() {
    let forge = Forge::new();
    let with_audience = |length: usize| {
        let realm = Realm { audience: "a".repeat(length), ..realm() };
        // The space leaves a number of characters for the claims that base64url can have.
        let header = r#"{"alg":"ES256","typ":"at+jwt", "kid":"k1"}"#;
        let claims = json!(Claims { aud: realm.audience.clone(), ..claims() });
        let token = forge.sign(header, &claims.to_string());
        (token.len(), verify(&token, &forge.keys(), &realm, NOW).map(drop))
    };
    let (without, _) = with_audience(0);
    // Four characters carry three bytes.
    let nearly = (MAX_BYTES - without) / 4 * 3;
    let lengths: Vec<_> = (nearly..nearly + 8).map(with_audience).collect();
    assert!(lengths.iter().any(|(length, _)| *length == MAX_BYTES), "{lengths:?}");
    for (length, verified) in lengths {
        assert_eq!(verified, if length <= MAX_BYTES { Ok(()) } else { Err(TokenRefused::Malformed) }, "{length}");
    }
}
