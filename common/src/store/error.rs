//! Why a verb of the store did not do what was asked: for the caller's eyes, before any HTTP.

use super::backend;
use crate::ids::{OperationId, SnapshotId, StackName};
use crate::operation::plan::Circle;

/// Why a snapshot that is not complete is not restored: Heat's words.
pub const INCOMPLETE: &str = "Restoring incomplete snapshot is not supported.";

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No such stack in this project (`EntityNotFound`).
    #[error("The Stack ({0}) could not be found.")]
    NoStack(String),
    /// No such snapshot in this project (`NotFound`).
    #[error("Snapshot with id {0} not found")]
    NoSnapshot(String),
    /// A snapshot of another stack of this project (`SnapshotNotFound`).
    #[error("The Snapshot ({snapshot}) for Stack ({stack}) could not be found.")]
    OtherStack { snapshot: SnapshotId, stack: StackName },
    #[error("Operation with id {0} not found")]
    NoOperation(String),
    #[error("The Stack ({0}) already exists.")]
    Exists(StackName),
    /// Something runs on the stack that must end first (`ActionInProgress`).
    #[error("Stack {stack} already has an action ({action}) in progress.")]
    Busy { stack: StackName, action: String, operation: OperationId },
    /// A change of the stack goes to Heat now, or went there since Heat was read for this request (`ActionInProgress`).
    #[error("Stack {0} is being changed; try again in a moment.")]
    Changing(String),
    /// Something runs on the snapshot that must end first.
    #[error("Snapshot {snapshot} already has an operation ({operation}) in progress.")]
    SnapshotBusy { snapshot: SnapshotId, operation: OperationId },
    /// Heat's 400 `NotSupported`, in Heat's words.
    #[error("{0}")]
    NotSupported(&'static str),
    /// The same, with a state in it.
    #[error("{0} is not supported.")]
    Unsupported(String),
    /// The stack was changed since the request was made from what it was; making it anew may do.
    #[error("Stack {0} was changed meanwhile; look at it again, and ask again.")]
    Changed(StackName),
    /// No such resource in the stack (`ResourceNotFound`).
    #[error("The Resource ({resource}) could not be found in Stack {stack}.")]
    NoResource { resource: String, stack: StackName },
    #[error("Operation {operation} ({kind}) can't be cancelled: {why}.")]
    NotCancellable { operation: OperationId, kind: &'static str, ended: bool, why: &'static str },
    /// A quota (`RequestLimitExceeded`).
    #[error("Request limit exceeded: {0}")]
    Limit(String),
    /// So much runs in the project already that nothing more is accepted now; later it will be.
    #[error("the project has {limit} steps in progress or waiting, which is its limit; try again when some have ended")]
    TooMuch { limit: i64 },
    #[error("{0}")]
    Circle(#[from] Circle),
    /// What was asked for can't be, as it is asked for.
    #[error("{0}")]
    Invalid(String),
    /// The same `Idempotency-Key` came with another body.
    #[error("this Idempotency-Key was used within 24 hours with another request; use a new key for a new request")]
    KeyReused,
    /// A record was written by a newer version, and rewriting it would lose what that version knows.
    #[error("{0} was written by a newer version of stacksnap; upgrade this one")]
    Newer(String),
    #[error(transparent)]
    Backend(#[from] backend::Error),
}

impl Error {
    pub fn is_transient(&self) -> bool {
        match self {
            Error::Backend(error) => error.is_transient() || matches!(error, backend::Error::Conflict(_)),
            Error::TooMuch { .. } => true,
            _ => false,
        }
    }
}
