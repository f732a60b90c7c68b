//! Hashing of passwords: argon2id, a few at once, the rest in a short queue.

use std::{
    fmt,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use argon2::{
    Algorithm, Argon2, Block, Params, Version,
    password_hash::{self, Ident, Output, ParamsString, PasswordHash, SaltString},
};
use domain::password::Password;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{ApiError, app::Entropy};

/// Memory of one hash in KiB, passes, lanes. Source: OWASP ASVS 5.0, appendix C.
const PARAMS: (u32, u32, u32) = (19 * 1024, 2, 1);

/// Bytes of a hash.
const HASH_BYTES: usize = 32;

/// Hashes that may wait for their turn; whoever comes later is told to try again.
const MAX_WAITING: usize = 64;

/// What is verified where nobody has a password, so that it takes as long as where somebody has. It is the hash of
/// nothing anybody knows.
const NOBODYS: &str = "$argon2id$v=19$m=19456,t=2,p=1$bGF0Y2hrZXktbm9ib2R5$ToBDZFQ6LzmSBQn1XPwJdqMfSkJWYBzhKtv84w/3GBM";

/// Hashes passwords, at most so many at once.
#[derive(Clone)]
pub struct Hasher {
    running: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    memory: Memory,
    done: Arc<AtomicUsize>,
}

/// What hashes work in, one for each that runs. It is kept, since an allocator that is asked for 19 MiB by one thread
/// after the other keeps as much for each of them.
type Memory = Arc<Mutex<Vec<Vec<Block>>>>;

impl Hasher {
    /// - `at_once`: each takes a core and 19 MiB.
    pub fn new(at_once: usize) -> Self {
        Self {
            running: Arc::new(Semaphore::new(at_once)),
            waiting: Arc::new(Semaphore::new(MAX_WAITING)),
            memory: Memory::default(),
            done: Arc::default(),
        }
    }

    /// Hashes so far, by which can be seen that as many are made for nobody as for somebody.
    pub fn count(&self) -> usize {
        self.done.load(Ordering::Relaxed)
    }

    /// A place in the queue.
    ///
    /// # Errors
    ///
    /// [`ApiError::Unavailable`] if too many are waiting.
    pub fn queue(&self) -> Result<Queued, ApiError> {
        let waiting = self.waiting.clone().try_acquire_owned();
        let waiting =
            waiting.map_err(|_| ApiError::Unavailable("too many passwords are waiting to be hashed".into()))?;
        Ok(Queued { running: self.running.clone(), waiting, memory: self.memory.clone(), done: self.done.clone() })
    }
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hasher")
    }
}

/// A place in the queue, with which one password is hashed.
pub struct Queued {
    running: Arc<Semaphore>,
    waiting: OwnedSemaphorePermit,
    memory: Memory,
    done: Arc<AtomicUsize>,
}

impl Queued {
    /// The hash of a password, in PHC form.
    ///
    /// # Errors
    ///
    /// [`ApiError::Internal`] if hashing panics.
    pub async fn hash(self, password: Password, entropy: &Entropy) -> Result<String, ApiError> {
        let salt: [u8; 16] = entropy.bytes();
        self.run(move |memory| {
            let params = Params::new(PARAMS.0, PARAMS.1, PARAMS.2, None).expect("they are within their bounds");
            let output = argon2id(params.clone(), &password, &salt, memory).expect("they are within their bounds");
            let salt = SaltString::encode_b64(&salt).expect("16 bytes make a salt");
            let hash = PasswordHash {
                algorithm: Ident::new_unwrap("argon2id"),
                version: Some(Version::V0x13.into()),
                params: ParamsString::try_from(&params).expect("they have a form"),
                salt: Some(salt.as_salt()),
                hash: Some(output),
            };
            hash.to_string()
        })
        .await
    }

    /// Whether a password is the one of this hash; never where there is no hash, which takes as long to find out.
    ///
    /// # Errors
    ///
    /// [`ApiError::Internal`] if hashing panics.
    pub async fn verify(self, password: Password, hash: Option<String>) -> Result<bool, ApiError> {
        self.run(move |memory| {
            let matches = matches(hash.as_deref().unwrap_or(NOBODYS), &password, memory).unwrap_or(false);
            matches && hash.is_some()
        })
        .await
    }

    async fn run<T: Send + 'static>(
        self,
        work: impl FnOnce(&mut Vec<Block>) -> T + Send + 'static,
    ) -> Result<T, ApiError> {
        let running = self.running.acquire_owned().await.map_err(|error| ApiError::Internal(error.into()))?;
        self.done.fetch_add(1, Ordering::Relaxed);
        let Self { waiting, memory: all, .. } = self;
        let working = tokio::task::spawn_blocking(move || {
            // Held here, since whoever asked may hang up while the work goes on.
            let _held = (running, waiting);
            let mut memory = all.lock().expect("no holder of the lock panics").pop().unwrap_or_default();
            let result = work(&mut memory);
            all.lock().expect("no holder of the lock panics").push(memory);
            result
        });
        working.await.map_err(|error| ApiError::Internal(error.into()))
    }
}

/// Whether a password is the one of a hash, compared in constant time.
fn matches(hash: &str, password: &Password, memory: &mut Vec<Block>) -> password_hash::Result<bool> {
    let hash = PasswordHash::new(hash)?;
    let (Some(salt), Some(expected)) = (hash.salt, hash.hash) else { return Ok(false) };
    let mut bytes = [0; 64];
    let salt = salt.decode_b64(&mut bytes)?;
    Ok(argon2id(Params::try_from(&hash)?, password, salt, memory)? == expected)
}

fn argon2id(
    params: Params,
    password: &Password,
    salt: &[u8],
    memory: &mut Vec<Block>,
) -> password_hash::Result<Output> {
    memory.resize(params.block_count(), Block::default());
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    Output::init_with(HASH_BYTES, |output| {
        Ok(argon2.hash_password_into_with_memory(password.expose().as_bytes(), salt, output, memory)?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password(text: &str) -> Password {
        Password::new(text.to_owned())
    }

    #[tokio::test]
    async fn a_password_is_verified_whole_and_nobodys_never() {
        let hasher = Hasher::new(1);
        let long = "Ä-7".repeat(40);
        let hash = hasher.queue().unwrap().hash(password(&long), &Entropy::system()).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert!(hasher.queue().unwrap().verify(password(&long), Some(hash.clone())).await.unwrap());
        for other in [&long[..long.len() - 1], &format!("{long} "), &format!("{long}\0"), "", &long.to_lowercase()] {
            assert!(!hasher.queue().unwrap().verify(password(other), Some(hash.clone())).await.unwrap());
        }
        assert!(!hasher.queue().unwrap().verify(password(&long), None).await.unwrap());
        assert!(PasswordHash::new(NOBODYS).is_ok(), "it is a hash like any other, or it would be refused at once");
    }

    #[tokio::test]
    async fn the_hash_of_another_implementation_is_read() {
        // By the reference implementation in C, through Python's argon2-cffi.
        let hash = "$argon2id$v=19$m=19456,t=2,p=1$c2l4dGVlbiBieXRlcyBvaw$bTMZz+RhoQd/ECfn/z+XbmVZzCXZxmSw1kHRKr1SmsU";
        let verify = |text| Hasher::new(1).queue().unwrap().verify(password(text), Some(hash.to_owned()));
        assert!(verify("Harbour-7-lamp").await.unwrap());
        assert!(!verify("Harbour-7-lamp ").await.unwrap());
    }

    #[tokio::test]
    async fn whoever_finds_the_queue_full_is_told_to_try_again() {
        let hasher = Hasher::new(1);
        let mut waiting: Vec<_> = (0..MAX_WAITING).map(|_| hasher.queue().unwrap()).collect();
        assert!(matches!(hasher.queue(), Err(ApiError::Unavailable(_))));
        waiting.pop().unwrap().verify(password("x"), None).await.unwrap();
        assert!(hasher.queue().is_ok());
    }
}
