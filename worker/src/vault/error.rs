//! What can go wrong with a vault, told apart by what can be done about it.
//!
//! rustic wraps whatever a storage says into its own error. So each storage gives [`Error`]s, and [`Error::from_rustic`]
//! looks for one of them down the chain of sources before it judges by rustic's own kind.

use std::io;

use rustic_core::{ErrorKind, RusticError};

use crate::driver;

/// The texts are for a person: what happened and what to do. They hold no secrets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// None of the repository's keys opens with the password that the master key gives.
    #[error("{0}: the master key does not open it; give the workers the master key that the vault was made with")]
    WrongKey(String),
    /// What was read is not what was written.
    #[error("the vault is damaged: {0}")]
    Damaged(String),
    #[error("the vault is full: {0}; free or add space there")]
    NoSpace(String),
    /// The storage refuses this worker's user or credentials.
    #[error("the vault may not be used: {0}; check its owner and mode, or the credentials")]
    Denied(String),
    /// The storage can't be reached now. Worth trying again.
    #[error("the vault is not available: {0}")]
    Unavailable(String),
    /// Another worker was quicker to make the same. Worth trying again: what it made is taken then.
    #[error("another worker has just made {0}")]
    Raced(String),
    /// What a put may have built on was found damaged meanwhile. Worth trying again: then it is not built on.
    #[error("the vault is damaged: {0} was found damaged while this was stored; it is stored again without it")]
    Undermined(String),
    #[error("not in the vault: {0}")]
    NotFound(String),
    /// The settings can't be used as they are.
    #[error("{0}")]
    Settings(String),
    /// The resource could not be read to its end. Nothing was kept.
    #[error("reading failed: {reason}")]
    Source { kind: io::ErrorKind, reason: String },
    /// What was read from the vault could not be written to where it should go.
    #[error("writing failed: {reason}")]
    Sink { kind: io::ErrorKind, reason: String },
    #[error("cancelled")]
    Cancelled,
    #[error("the lease on this step is over")]
    LeaseLost,
    /// A fault in this program or in rustic.
    #[error("vault: {0}")]
    Internal(String),
}

impl Error {
    /// Whether the same call may succeed later without anybody's doing.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Raced(_) | Self::Undermined(_))
    }

    pub(super) fn source(error: &io::Error) -> Self {
        Self::from_io(error).unwrap_or_else(|| Self::Source { kind: error.kind(), reason: error.to_string() })
    }

    pub(super) fn sink(error: &io::Error) -> Self {
        Self::from_io(error).unwrap_or_else(|| Self::Sink { kind: error.kind(), reason: error.to_string() })
    }

    /// The vault's error that travelled inside an I/O error, as [`super::Reader`] gives it.
    pub fn from_io(error: &io::Error) -> Option<Self> {
        error.get_ref().and_then(|inner| inner.downcast_ref::<Self>()).cloned()
    }

    /// What the storage's operating system said, about `what`.
    pub(super) fn storage(error: &io::Error, what: impl std::fmt::Display) -> Self {
        let text = format!("{what}: {error}");
        match error.kind() {
            io::ErrorKind::NotFound => Self::NotFound(text),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                Self::NoSpace(text)
            }
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Self::Denied(text),
            io::ErrorKind::UnexpectedEof => Self::Damaged(text),
            // An I/O error of a local disk may be the disk's end or a network file system's hiccup: `worker.outage` ends the
            // former.
            _ => Self::Unavailable(text),
        }
    }

    pub(super) fn from_rustic(error: &RusticError) -> Self {
        let mut source: Option<&(dyn std::error::Error + 'static)> = Some(error);
        while let Some(current) = source {
            if let Some(ours) = current.downcast_ref::<Self>() {
                return ours.clone();
            }
            if let Some(io) = current.downcast_ref::<io::Error>()
                && let Some(ours) = Self::from_io(io)
            {
                return ours;
            }
            source = current.source();
        }
        if error.is_incorrect_password() {
            return Self::WrongKey("the repository".to_owned());
        }
        // rustic keeps its kind to itself; its text ends with it.
        let text = error.display_log();
        let is = |kind: ErrorKind| text.contains(&format!("(kind: related to {kind}"));
        let text = text.trim_start_matches("Error: ").to_owned();
        if is(ErrorKind::Cryptography) || is(ErrorKind::Internal) || is(ErrorKind::Verification) {
            Self::Damaged(text)
        } else {
            Self::Internal(text)
        }
    }
}

impl From<Box<RusticError>> for Error {
    fn from(error: Box<RusticError>) -> Self {
        Self::from_rustic(&error)
    }
}

/// So that an error of the vault can leave a reader and be found again by [`Error::from_io`].
impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        let kind = match &error {
            Error::NotFound(_) => io::ErrorKind::NotFound,
            Error::NoSpace(_) => io::ErrorKind::StorageFull,
            Error::Denied(_) => io::ErrorKind::PermissionDenied,
            Error::Damaged(_) => io::ErrorKind::InvalidData,
            Error::Source { kind, .. } | Error::Sink { kind, .. } => *kind,
            _ => io::ErrorKind::Other,
        };
        io::Error::new(kind, error)
    }
}

/// As a driver's step ends by it: only what may pass by itself is tried again.
impl From<Error> for driver::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Cancelled => Self::Cancelled,
            Error::LeaseLost => Self::LeaseLost,
            Error::Unavailable(_) => Self::away(error.to_string()),
            error if error.is_transient() => Self::transient(error.to_string()),
            error => Self::permanent(error.to_string()),
        }
    }
}
