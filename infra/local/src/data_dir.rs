//! What is kept between starts: one folder, held by one process.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use domain::Timestamp;
use functions::app::{Clock, Entropy};

/// A data folder.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    _lock: Option<File>,
}

/// Why a data folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// Another process has it.
    #[error(
        "{0} is in use by another Latchkey; stop it first, or start it with --dynamodb-port and this one with \
         --dynamodb-url and the same folder"
    )]
    InUse(PathBuf),
    /// The file system says no.
    #[error("{0}: {1}")]
    Io(PathBuf, io::Error),
    /// The sealing key was cut or replaced.
    #[error("{0} must hold 32 bytes; without it the signing keys cannot be opened")]
    SealingKey(PathBuf),
}

impl DataDir {
    /// Makes the folder if need be.
    ///
    /// # Errors
    ///
    /// [`DataDirError::Io`].
    pub fn open(path: &Path) -> Result<Self, DataDirError> {
        let io = |error| DataDirError::Io(path.to_owned(), error);
        fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(io)?;
        Ok(Self { path: path.to_owned(), _lock: None })
    }

    /// Takes hold of the folder, for whoever uses the database in it, until the process ends.
    ///
    /// # Errors
    ///
    /// [`DataDirError::InUse`], [`DataDirError::Io`].
    pub fn hold(self) -> Result<Self, DataDirError> {
        let path = &self.path;
        let io = |error| DataDirError::Io(path.clone(), error);
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(path.join("lock")).map_err(io)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { _lock: Some(lock), ..self }),
            Err(TryLockError::WouldBlock) => Err(DataDirError::InUse(path.clone())),
            Err(TryLockError::Error(error)) => Err(io(error)),
        }
    }

    /// The file of the embedded DynamoDB.
    pub fn database(&self) -> PathBuf {
        self.path.join("dynamodb.sqlite")
    }

    /// The settings that `cargo lambda watch` needs.
    pub fn lambda_env(&self) -> PathBuf {
        self.path.join("lambda.env")
    }

    /// The folder of the mails that were sent.
    pub fn mail(&self) -> PathBuf {
        self.path.join("mail")
    }

    /// The file of the key that seals the signing keys.
    pub fn sealing_key_file(&self) -> PathBuf {
        self.path.join("sealing.key")
    }

    /// The key that seals the signing keys: made at the first start, readable by its owner only.
    ///
    /// # Errors
    ///
    /// [`DataDirError::Io`], [`DataDirError::SealingKey`].
    pub fn sealing_key(&self, entropy: &Entropy) -> Result<[u8; 32], DataDirError> {
        let path = self.sealing_key_file();
        let io = |error| DataDirError::Io(path.clone(), error);
        match fs::read(&path) {
            Ok(key) => key.try_into().map_err(|_| DataDirError::SealingKey(path.clone())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let key = entropy.bytes();
                // Under another name first, so that a key file is whole or not there.
                let new = path.with_extension("new");
                let made = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&new);
                made.and_then(|mut file| file.write_all(&key).and_then(|()| file.sync_all())).map_err(io)?;
                fs::rename(&new, &path).map_err(io)?;
                Ok(key)
            }
            Err(error) => Err(io(error)),
        }
    }

    /// The machine's clock, moved by the whole milliseconds in the file `clock-offset`, which is read at every look.
    pub fn clock(&self) -> Clock {
        let (file, system) = (self.path.join("clock-offset"), Clock::system());
        Clock::new(move || {
            let offset = fs::read_to_string(&file).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0);
            Timestamp::from_millis(system.now().millis().saturating_add(offset))
        })
    }
}
