//! Hashing of passwords: argon2id, a few at once, the rest in a short queue.

use std::sync::Arc;

use argon2::{
    Algorithm, Argon2, Params, PasswordHasher as _, PasswordVerifier as _, Version,
    password_hash::{PasswordHash, Salt, SaltString},
};
use domain::password::Password;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{ApiError, app::Entropy};

/// Memory of one hash in KiB, passes, lanes. Source: OWASP ASVS 5.0, appendix C.
const PARAMS: (u32, u32, u32) = (19 * 1024, 2, 1);

/// Hashes that may wait for their turn; whoever comes later is told to try again.
const MAX_WAITING: usize = 64;

/// What is verified where nobody has a password, so that it takes as long as where somebody has. It is the hash of
/// nothing anybody knows.
const NOBODYS: &str = "$argon2id$v=19$m=19456,t=2,p=1$bGF0Y2hrZXktbm9ib2R5$ToBDZFQ6LzmSBQn1XPwJdqMfSkJWYBzhKtv84w/3GBM";

/// Hashes passwords, at most so many at once.
#[derive(Debug, Clone)]
pub struct Hasher {
    running: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
}

impl Hasher {
    /// - `at_once`: each takes a core and 19 MiB.
    pub fn new(at_once: usize) -> Self {
        Self { running: Arc::new(Semaphore::new(at_once)), waiting: Arc::new(Semaphore::new(MAX_WAITING)) }
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
        Ok(Queued { running: self.running.clone(), waiting })
    }
}

/// A place in the queue, with which one password is hashed.
#[derive(Debug)]
pub struct Queued {
    running: Arc<Semaphore>,
    waiting: OwnedSemaphorePermit,
}

impl Queued {
    /// The hash of a password, in PHC form.
    ///
    /// # Errors
    ///
    /// [`ApiError::Internal`] if hashing panics.
    pub async fn hash(self, password: Password, entropy: &Entropy) -> Result<String, ApiError> {
        let salt: [u8; 16] = entropy.bytes();
        self.run(move || {
            let salt = SaltString::encode_b64(&salt).expect("16 bytes make a salt");
            let hashed = argon2id().hash_password(password.expose().as_bytes(), Salt::from(&salt));
            hashed.expect("the parameters are within their bounds").to_string()
        })
        .await
    }

    /// Whether a password is the one of this hash; never where there is no hash, which takes as long to find out.
    ///
    /// # Errors
    ///
    /// [`ApiError::Internal`] if hashing panics.
    pub async fn verify(self, password: Password, hash: Option<String>) -> Result<bool, ApiError> {
        self.run(move || {
            let matches = PasswordHash::new(hash.as_deref().unwrap_or(NOBODYS))
                .is_ok_and(|parsed| argon2id().verify_password(password.expose().as_bytes(), &parsed).is_ok());
            matches && hash.is_some()
        })
        .await
    }

    async fn run<T: Send + 'static>(self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, ApiError> {
        let running = self.running.acquire_owned().await.map_err(|error| ApiError::Internal(error.into()))?;
        let waiting = self.waiting;
        let working = tokio::task::spawn_blocking(move || {
            // Held here, since whoever asked may hang up while the work goes on.
            let _held = (running, waiting);
            work()
        });
        working.await.map_err(|error| ApiError::Internal(error.into()))
    }
}

fn argon2id() -> Argon2<'static> {
    let params = Params::new(PARAMS.0, PARAMS.1, PARAMS.2, None).expect("the parameters are within their bounds");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
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
    async fn whoever_finds_the_queue_full_is_told_to_try_again() {
        let hasher = Hasher::new(1);
        let mut waiting: Vec<_> = (0..MAX_WAITING).map(|_| hasher.queue().unwrap()).collect();
        assert!(matches!(hasher.queue(), Err(ApiError::Unavailable(_))));
        waiting.pop().unwrap().verify(password("x"), None).await.unwrap();
        assert!(hasher.queue().is_ok());
    }
}
