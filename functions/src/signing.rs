//! The keys of access tokens: one that signs, all that verify.
//!
//! They are generated here and kept in the table, the private part sealed: by KMS in the cloud, by a key file on a
//! laptop. Every function verifies; only those that hand out tokens can open a private key, and their policies say so.

use std::{
    fmt,
    sync::{Arc, RwLock},
    time::Duration,
};

use aws_sdk_kms::{
    error::{ProvideErrorMetadata, SdkError},
    primitives::Blob,
};
use domain::{
    Timestamp,
    token::{self, AccessToken, Claims, Realm, TokenRefused, VerifyingKeys, jws::PublicKey},
};
use ring::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use store::{SigningKeyRecord, Store, StoreError};
use tokio::sync::Mutex;
use zeroize::Zeroizing;

use crate::{
    App,
    app::{Entropy, SettingsError, optional},
    aws,
    sweeper::Report,
};

/// Tokens of an unknown key cause at most one read of the table in this span.
const RELOAD_INTERVAL: Duration = Duration::from_secs(1);

/// What was read of the table is read again after this span, so that a key which was withdrawn or replaced is soon so
/// for every instance.
const MAX_AGE: Duration = Duration::from_mins(5);

/// How long a key signs.
const ROTATE_AFTER: Duration = Duration::from_hours(30 * 24);

/// How long a key is published before it signs: twice as long as an instance goes without reading the keys again.
const PUBLISH_BEFORE: Duration = Duration::from_mins(10);

/// How long a key stays after the next one has begun to sign: until the last instance has noticed ([`MAX_AGE`]), the last
/// token that it signed has died (15 minutes), and all clocks agree.
const KEEP_AFTER: Duration = Duration::from_mins(25);

/// Bytes of a key file.
const KEY_FILE_BYTES: usize = 32;

/// Why no token could be signed or checked.
#[derive(Debug, thiserror::Error)]
pub enum SigningError {
    /// The table did not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// KMS did not answer in time, or is busy.
    #[error("KMS is unavailable: {0}")]
    KmsUnavailable(String),
    /// KMS will not do it: the key is disabled or gone, or the policy lacks something.
    #[error("KMS refused to seal or open the signing key: {0}")]
    KmsRefused(String),
    /// The sealed key cannot be opened, or is none.
    #[error("the signing key {0} cannot be opened with this sealing key")]
    Unreadable(String),
}

/// The public keys, read from the table when a token first needs them.
#[derive(Default)]
pub struct Verifier {
    known: RwLock<Known>,
    /// Held while the table is read, so that many requests cause one read.
    loading: Mutex<()>,
}

#[derive(Default)]
struct Known {
    keys: VerifyingKeys,
    loaded_at: Option<Timestamp>,
}

impl Verifier {
    /// Checks a token. A `kid` that is not known causes one read of the table, since another instance may have made
    /// the key a moment ago; after that it is refused.
    ///
    /// # Errors
    ///
    /// The outer ones if the table cannot be read, the inner ones as in [`token::verify`].
    pub async fn verify(&self, app: &App, token: &str) -> Result<Result<Claims, TokenRefused>, StoreError> {
        self.verify_by(app, token, token::verify).await
    }

    /// The same, whether the token's own time has passed or not, as long as its session may go on.
    ///
    /// # Errors
    ///
    /// As [`Verifier::verify`].
    pub async fn verify_session(&self, app: &App, token: &str) -> Result<Result<Claims, TokenRefused>, StoreError> {
        self.verify_by(app, token, token::verify_session).await
    }

    async fn verify_by(
        &self,
        app: &App,
        token: &str,
        rule: fn(&str, &VerifyingKeys, &Realm, Timestamp) -> Result<Claims, TokenRefused>,
    ) -> Result<Result<Claims, TokenRefused>, StoreError> {
        if self.known().loaded_at.is_some_and(|at| !is_within(at, app.clock.now(), MAX_AGE)) {
            self.reload(app, MAX_AGE).await?;
        }
        let verify = || rule(token, &self.known().keys, &app.realm(), app.clock.now());
        match verify() {
            Err(TokenRefused::UnknownKey) => {
                self.reload(app, RELOAD_INTERVAL).await?;
                Ok(verify())
            }
            decided => Ok(decided),
        }
    }

    /// Reads the table, unless that was done within this span, by another request that waited for the same perhaps.
    async fn reload(&self, app: &App, span: Duration) -> Result<(), StoreError> {
        let _loading = self.loading.lock().await;
        let now = app.clock.now();
        // An empty table is asked again at once: the first key of an installation may be a moment old.
        let is_fresh = |known: &Known| known.loaded_at.is_some_and(|at| is_within(at, now, span));
        if is_fresh(&self.known()) && !self.known().keys.is_empty() {
            return Ok(());
        }
        let keys = public_keys(&app.store).await?;
        *self.known.write().expect("no holder of the lock panics") = Known { keys, loaded_at: Some(now) };
        Ok(())
    }

    fn known(&self) -> std::sync::RwLockReadGuard<'_, Known> {
        self.known.read().expect("no holder of the lock panics")
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.known().keys.keys()).finish()
    }
}

/// Whether two moments lie within a span of each other, whichever the clock says is the later.
fn is_within(one: Timestamp, other: Timestamp, span: Duration) -> bool {
    one < other + span && other < one + span
}

/// The public keys in the table.
///
/// # Errors
///
/// [`StoreError::Unavailable`], and [`StoreError::Broken`] for a record that is no key.
pub async fn public_keys(store: &Store) -> Result<VerifyingKeys, StoreError> {
    let records = store.signing_keys().await?;
    let keys = records.into_iter().map(|record| {
        let key = PublicKey::from_point(&record.public_key).map_err(|error| StoreError::Broken(error.into()))?;
        Ok((record.kid, key))
    });
    keys.collect()
}

/// The key that signs, opened when the first token is signed, so that a cold start waits for nothing.
pub struct Signer {
    sealer: Sealer,
    current: Mutex<Option<Arc<Opened>>>,
}

/// A signing key in the clear.
struct Opened {
    kid: String,
    key: EcdsaKeyPair,
    /// When the table last said that it is the newest.
    seen_at: Timestamp,
}

impl Signer {
    /// A signer whose keys this sealer opens.
    pub const fn new(sealer: Sealer) -> Self {
        Self { sealer, current: Mutex::const_new(None) }
    }

    /// What opens its keys, and seals whatever else is a secret.
    pub const fn sealer(&self) -> &Sealer {
        &self.sealer
    }

    /// The signer that the environment describes.
    ///
    /// # Errors
    ///
    /// As in [`Sealer::from_env`].
    pub fn from_env() -> Result<Self, SettingsError> {
        Sealer::from_env().map(Self::new)
    }

    /// Signs these claims.
    ///
    /// # Errors
    ///
    /// As in [`SigningError`].
    ///
    /// # Panics
    ///
    /// If the operating system has no random bytes.
    pub async fn sign(&self, app: &App, claims: &Claims) -> Result<AccessToken, SigningError> {
        let current = self.current(app).await?;
        let input = token::signing_input(&current.kid, claims);
        let signature = current.key.sign(app.entropy.source(), input.as_bytes()).expect("there are random bytes");
        Ok(AccessToken::new(&input, signature.as_ref()))
    }

    /// The newest key, opened at most once by each instance.
    async fn current(&self, app: &App) -> Result<Arc<Opened>, SigningError> {
        let mut current = self.current.lock().await;
        let now = app.clock.now();
        if let Some(opened) = current.as_ref().filter(|opened| is_within(opened.seen_at, now, MAX_AGE)) {
            return Ok(opened.clone());
        }
        let record = match in_use(app.store.signing_keys().await?, now) {
            Some(record) => record,
            None => create(app, &self.sealer, random_kid(app), now).await?,
        };
        let key = match current.take().and_then(Arc::into_inner) {
            Some(opened) if opened.kid == record.kid => opened.key,
            _ => self.open(app, &record).await?,
        };
        let opened = Arc::new(Opened { kid: record.kid, key, seen_at: now });
        *current = Some(opened.clone());
        Ok(opened)
    }

    async fn open(&self, app: &App, record: &SigningKeyRecord) -> Result<EcdsaKeyPair, SigningError> {
        let pkcs8 = Zeroizing::new(self.sealer.open(&record.kid, &record.sealed_private_key).await?);
        EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &pkcs8, app.entropy.source())
            .map_err(|_| SigningError::Unreadable(record.kid.clone()))
    }
}

/// Makes a key. When two instances make the first one of an installation at once there are two, and both verify.
async fn create(
    app: &App,
    sealer: &Sealer,
    kid: String,
    used_from: Timestamp,
) -> Result<SigningKeyRecord, SigningError> {
    let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
    let pkcs8 =
        EcdsaKeyPair::generate_pkcs8(algorithm, app.entropy.source()).expect("the operating system has random bytes");
    let key = EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), app.entropy.source()).expect("it was just made");
    let record = SigningKeyRecord {
        sealed_private_key: sealer.seal(&app.entropy, &kid, pkcs8.as_ref()).await?,
        public_key: key.public_key().as_ref().to_vec(),
        created_at: app.clock.now(),
        used_from,
        kid,
    };
    app.store.create_signing_key(&record).await?;
    Ok(record)
}

fn random_kid(app: &App) -> String {
    domain::TokenUid::from_bytes(app.entropy.uid()).to_string()
}

/// What the key after this one is called, so that it is made once however many replace the key at once.
fn next_kid(kid: &str) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, format!("after {kid}").as_bytes());
    hex::encode(&digest.as_ref()[..12])
}

/// The key that signs at this moment: the latest whose time has come, or else the first whose time will come.
fn in_use(mut records: Vec<SigningKeyRecord>, now: Timestamp) -> Option<SigningKeyRecord> {
    records.sort_by(|one, other| (one.used_from, &one.kid).cmp(&(other.used_from, &other.kid)));
    let at = records.iter().rposition(|record| record.used_from <= now).unwrap_or(0);
    (at < records.len()).then(|| records.swap_remove(at))
}

/// Replaces the signing key when its time has come, and removes those whose last token has died.
///
/// A new key is published before it signs, long enough for every instance to read it; an old one stays until no token
/// of it can be alive, even of an instance that has not noticed the new one at once.
///
/// - `at_once`: before its time.
///
/// # Errors
///
/// As in [`SigningError`].
pub(crate) async fn rotate(app: &App, sealer: &Sealer, at_once: bool, report: &mut Report) -> Result<(), SigningError> {
    let now = app.clock.now();
    let mut records = app.store.signing_keys().await?;
    records.sort_by_key(|record| record.used_from);
    // An installation that nobody has signed in to yet has none, and gets one with the first token.
    let Some(newest) = records.last() else { return Ok(()) };
    // One that is published and does not sign yet is the answer to an earlier call.
    if at_once && newest.used_from <= now || newest.created_at + ROTATE_AFTER <= now {
        match create(app, sealer, next_kid(&newest.kid), now + PUBLISH_BEFORE).await {
            Ok(_) => report.signing_keys_made += 1,
            // Another call has made it.
            Err(SigningError::Store(StoreError::Conflict)) => {}
            Err(error) => return Err(error),
        }
    }
    for pair in records.windows(2) {
        if pair[1].used_from + KEEP_AFTER <= now && app.store.delete_signing_key(&pair[0].kid).await? {
            report.signing_keys_removed += 1;
        }
    }
    Ok(())
}

/// Removes a signing key that somebody else may know, with all tokens of it, and sees to it that another one signs.
///
/// Instances that have read the keys a moment ago go on with them for [`MAX_AGE`] at the most, those that sign too, whose
/// tokens the others refuse.
///
/// # Errors
///
/// As in [`SigningError`].
pub(crate) async fn revoke(app: &App, sealer: &Sealer, kid: &str, report: &mut Report) -> Result<(), SigningError> {
    let now = app.clock.now();
    let mut records = app.store.signing_keys().await?;
    records.sort_by_key(|record| record.used_from);
    let is_newest = records.last().is_some_and(|newest| newest.kid == kid);
    // An older one must not become the newest again, or the next rotation would give its successor the name of this one.
    if is_newest || in_use(records, now).is_some_and(|record| record.kid == kid) {
        create(app, sealer, random_kid(app), now).await?;
        report.signing_keys_made += 1;
    }
    report.signing_keys_removed += usize::from(app.store.delete_signing_key(kid).await?);
    Ok(())
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signer")
    }
}

/// Seals secrets, each bound to a name: private keys to their `kid`.
#[derive(Clone)]
pub enum Sealer {
    /// In the cloud: the sealing key never leaves KMS.
    Kms {
        /// The way there.
        client: aws_sdk_kms::Client,
        /// A symmetric key.
        key_id: String,
    },
    /// On a laptop: AES-256-GCM under a key that lies in a file.
    File(Arc<LessSafeKey>),
}

impl Sealer {
    /// The sealer that the environment describes: `KMS_KEY_ID` in the cloud, `SEALING_KEY_FILE` on a laptop.
    ///
    /// # Errors
    ///
    /// As in [`SettingsError`].
    pub fn from_env() -> Result<Self, SettingsError> {
        if let Some(key_id) = optional("KMS_KEY_ID") {
            return Ok(Self::Kms { client: aws::kms_from_env()?, key_id });
        }
        let path = optional("SEALING_KEY_FILE").ok_or(SettingsError::Missing("KMS_KEY_ID"))?;
        let unusable = |cause: String| SettingsError::Unusable { name: "SEALING_KEY_FILE", cause };
        let bytes = Zeroizing::new(std::fs::read(&path).map_err(|error| unusable(error.to_string()))?);
        let bytes = bytes.as_slice().try_into().map_err(|_| unusable("not a file of 32 bytes".to_owned()))?;
        Ok(Self::from_bytes(bytes))
    }

    /// Seals under these bytes.
    ///
    /// # Panics
    ///
    /// Never: AES-256 takes any 32 bytes.
    pub fn from_bytes(bytes: &[u8; KEY_FILE_BYTES]) -> Self {
        let key = UnboundKey::new(&AES_256_GCM, bytes).expect("AES-256 takes any 32 bytes");
        Self::File(Arc::new(LessSafeKey::new(key)))
    }

    /// Seals a secret.
    ///
    /// # Errors
    ///
    /// As in [`SigningError`].
    pub async fn seal(&self, entropy: &Entropy, kid: &str, private_key: &[u8]) -> Result<Vec<u8>, SigningError> {
        match self {
            Self::Kms { client, key_id } => {
                let sealed = client
                    .encrypt()
                    .key_id(key_id)
                    .encryption_context(CONTEXT, kid)
                    .plaintext(Blob::new(private_key))
                    .send()
                    .await
                    .map_err(kms_error)?;
                Ok(sealed
                    .ciphertext_blob
                    .ok_or_else(|| SigningError::KmsUnavailable("an empty answer".to_owned()))?
                    .into_inner())
            }
            Self::File(key) => {
                let nonce: [u8; NONCE_LEN] = entropy.bytes();
                let mut sealed = private_key.to_vec();
                key.seal_in_place_append_tag(
                    Nonce::assume_unique_for_key(nonce),
                    Aad::from(kid.as_bytes()),
                    &mut sealed,
                )
                .expect("a private key is far below the limit of the cipher");
                Ok([nonce.as_slice(), &sealed].concat())
            }
        }
    }

    /// Opens what was sealed under this name.
    ///
    /// # Errors
    ///
    /// As in [`SigningError`].
    pub async fn open(&self, kid: &str, sealed: &[u8]) -> Result<Vec<u8>, SigningError> {
        let unreadable = || SigningError::Unreadable(kid.to_owned());
        match self {
            Self::Kms { client, key_id } => {
                let opened = client
                    .decrypt()
                    .key_id(key_id)
                    .encryption_context(CONTEXT, kid)
                    .ciphertext_blob(Blob::new(sealed))
                    .send()
                    .await
                    .map_err(kms_error)?;
                Ok(opened.plaintext.ok_or_else(unreadable)?.into_inner())
            }
            Self::File(key) => {
                let (nonce, sealed) = sealed.split_at_checked(NONCE_LEN).ok_or_else(unreadable)?;
                let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| unreadable())?;
                let mut opened = sealed.to_vec();
                let length =
                    key.open_in_place(nonce, Aad::from(kid.as_bytes()), &mut opened).map_err(|_| unreadable())?.len();
                opened.truncate(length);
                Ok(opened)
            }
        }
    }
}

/// The encryption context of KMS: a sealed key opens only under its own name, and the log of KMS shows which.
const CONTEXT: &str = "latchkey:kid";

/// What KMS answers for load or for a fault of its own, after which the same call may succeed.
const KMS_TRANSIENT: [&str; 4] =
    ["ThrottlingException", "KMSInternalException", "DependencyTimeoutException", "KeyUnavailableException"];

fn kms_error<E, R>(error: SdkError<E, R>) -> SigningError
where
    E: std::error::Error + ProvideErrorMetadata + Send + Sync + 'static,
    R: fmt::Debug + Send + Sync + 'static,
{
    let refused =
        error.as_service_error().is_some_and(|error| !KMS_TRANSIENT.contains(&error.code().unwrap_or_default()));
    let described = aws_sdk_kms::error::DisplayErrorContext(error).to_string();
    if refused { SigningError::KmsRefused(described) } else { SigningError::KmsUnavailable(described) }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealer")
    }
}
