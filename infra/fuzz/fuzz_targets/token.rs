//! No token holds but the one that was signed; and what was signed, whatever it is, is judged without a fault.
#![no_main]

use std::{
    str::from_utf8,
    sync::{LazyLock, OnceLock},
};

use arbitrary::{Arbitrary, Unstructured};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use domain::{
    SessionUid, TenantUid, Timestamp, TokenUid, UserUid,
    token::{
        AccessToken, Claims, LIFETIME, Realm, SignIn, Source, TokenRefused, VerifyingKeys,
        jws::{self, PublicKey},
        signing_input, verify, verify_session,
    },
};
use libfuzzer_sys::fuzz_target;
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _},
};

const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);
const KID: &str = "k1";
const HEADER: &str = r#"{"alg":"ES256","typ":"at+jwt","kid":"k1"}"#;
/// Source: RFC 6979, appendix A.2.5.
const PRIVATE: &str = "ya+p2EW6dRZrXCFXZ7HWk05Qw9s26JsSe4piKxIPZyE";
/// Its point, from the same place.
const PUBLIC: &str = "BGD+1LolWp0xyWHrdMY1bWjASbiSO2H6bOZpYi5g8p+2eQP+EAi4vJmkGunpVii8ZPLxsgwtfp9Rd6PClNRGIpk";

static FORGE: LazyLock<Forge> = LazyLock::new(Forge::new);

// An input is, by its first byte, a token (`t`), what is to be signed (`s`, see `signed`), or edits of a good token.
fuzz_target!(|data: &[u8]| {
    match data.split_first() {
        Some((b't', token)) => from_utf8(token).into_iter().for_each(check),
        Some((b's', text)) => from_utf8(text).into_iter().for_each(signed),
        Some((_, edits)) => edited(edits),
        None => {}
    }
});

/// Checks a token that nobody has signed unless it is the good one.
fn check(token: &str) {
    let good = FORGE.good();
    assert_eq!(FORGE.verify(token).is_ok(), token == good, "{token}");
    assert_eq!(verify_session(token, &FORGE.keys, &realm(), NOW).is_ok(), token == good, "{token}");
}

/// Signs whatever it is, and sees that it holds only if it says what it must.
///
/// - `text`: the header, which may be left out, a line end, the claims.
fn signed(text: &str) {
    let (header, claims) = text.split_once('\n').unwrap_or(("", text));
    let header = if header.is_empty() { HEADER } else { header };
    let token = FORGE.sign(&format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims)));
    if let Ok(claims) = verify_session(&token, &FORGE.keys, &realm(), NOW) {
        assert!(NOW < claims.session_ends_at());
    }
    let Ok(claims) = FORGE.verify(&token) else { return };
    let header: serde_json::Value = serde_json::from_str(header).expect("it was read");
    assert_eq!((&header["alg"], &header["typ"], &header["kid"]), (&"ES256".into(), &"at+jwt".into(), &KID.into()));
    assert_eq!((claims.iss.as_str(), claims.aud.as_str()), (&*realm().issuer, &*realm().audience));
    assert!(NOW.secs() < claims.exp && claims.exp - claims.iat <= LIFETIME.as_secs().cast_signed());
    assert!(claims.auth_time <= claims.iat && claims.iat <= NOW.secs() + 5 && claims.nbf <= NOW.secs() + 5);
    assert_eq!(claims.kuid.is_some(), claims.src == Source::ApiKey);
    match claims.clone().refresh(None, claims.jti, NOW) {
        Ok(next) => assert!(Timestamp::from_secs(next.exp) <= claims.session_ends_at()),
        Err(refused) => assert_eq!(refused, TokenRefused::Expired),
    }
}

/// A change of a token. A place beyond the end counts from the start again.
#[derive(Debug, Arbitrary)]
enum Edit<'a> {
    /// Of a byte of a part (header, claims, signature), under its base64url.
    Flip { part: u8, at: u16, bits: u8 },
    /// Of some bytes of a part by others.
    Replace { part: u8, at: u16, cut: u8, by: &'a [u8] },
    /// Of the whole of a part.
    Part { part: u8, by: &'a [u8] },
    /// Of two parts for each other.
    Swap { one: u8, other: u8 },
    /// Of some characters by others, once the parts are joined.
    Text { at: u16, cut: u8, by: &'a str },
}

fn edited(data: &[u8]) {
    let edits = Vec::<Edit<'_>>::arbitrary_take_rest(Unstructured::new(data)).unwrap_or_default();
    let mut parts: Vec<Vec<u8>> =
        FORGE.good().split('.').map(|part| URL_SAFE_NO_PAD.decode(part).expect("it is base64url")).collect();
    for edit in &edits {
        match *edit {
            Edit::Flip { part, at, bits } => {
                let part = &mut parts[usize::from(part % 3)];
                let at = usize::from(at) % part.len().max(1);
                part.get_mut(at).into_iter().for_each(|byte| *byte ^= bits);
            }
            Edit::Replace { part, at, cut, by } => {
                let part = &mut parts[usize::from(part % 3)];
                let at = usize::from(at) % (part.len() + 1);
                part.splice(at..(at + usize::from(cut)).min(part.len()), by.iter().copied());
            }
            Edit::Part { part, by } => parts[usize::from(part % 3)] = by.to_vec(),
            Edit::Swap { one, other } => parts.swap(usize::from(one % 3), usize::from(other % 3)),
            Edit::Text { .. } => {}
        }
    }
    let parts: Vec<String> = parts.iter().map(|part| URL_SAFE_NO_PAD.encode(part)).collect();
    let mut token = parts.join(".");
    for edit in &edits {
        if let Edit::Text { at, cut, by } = *edit {
            let mut chars: Vec<char> = token.chars().collect();
            let at = usize::from(at) % (chars.len() + 1);
            chars.splice(at..(at + usize::from(cut)).min(chars.len()), by.chars());
            token = chars.into_iter().collect();
        }
    }
    check(&token);
}

/// Signs whatever it is given.
struct Forge {
    key: EcdsaKeyPair,
    random: SystemRandom,
    keys: VerifyingKeys,
    good: OnceLock<String>,
}

impl Forge {
    fn new() -> Self {
        let random = SystemRandom::new();
        let bytes = |text| base64::engine::general_purpose::STANDARD_NO_PAD.decode(text).expect("it is base64");
        let (private, public) = (bytes(PRIVATE), bytes(PUBLIC));
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let key = EcdsaKeyPair::from_private_key_and_public_key(algorithm, &private, &public, &random);
        let key = key.expect("the two belong together");
        let public = PublicKey::from_point(key.public_key().as_ref()).expect("it is a point");
        Self { key, random, keys: VerifyingKeys::from([(KID.to_owned(), public)]), good: OnceLock::new() }
    }

    fn sign(&self, input: &str) -> String {
        let signature = self.key.sign(&self.random, input.as_bytes()).expect("there are random bytes");
        jws::compact(input, signature.as_ref())
    }

    /// The one token that holds.
    fn good(&self) -> &str {
        self.good.get_or_init(|| {
            let sign_in = SignIn {
                user: UserUid::from_bytes([3; 12]),
                tenant: TenantUid::from_bytes([2; 12]),
                session: SessionUid::from_bytes([4; 12]),
                source: Source::Password,
                api_key: None,
            };
            let input = signing_input(KID, &Claims::sign_in(&realm(), &sign_in, TokenUid::from_bytes([5; 12]), NOW));
            let signature = self.key.sign(&self.random, input.as_bytes()).expect("there are random bytes");
            AccessToken::new(&input, signature.as_ref()).expose().to_owned()
        })
    }

    fn verify(&self, token: &str) -> Result<Claims, TokenRefused> {
        verify(token, &self.keys, &realm(), NOW)
    }
}

fn realm() -> Realm {
    Realm { issuer: "https://latchkey.example".to_owned(), audience: "latchkey".to_owned() }
}
