//! Where repositories lie: a directory or an S3-compatible object store. Both keep the same few laws, which the tests
//! of each hold it to:
//!
//! - What a write returned for is there, whole, after a power cut. A write that failed left nothing under that name.
//! - A `config` is never overwritten: of two that make the same repository one fails with
//!   [`Error::Raced`] and takes the other's.
//! - A listing that can't be completed is an error, never a short list: prune would take what is missing from it for
//!   unused. (rustic's own local backend logs such errors and goes on, so it is not used.)
//! - A part of a file is given whole: a file that is too short is damage.
//! - A place that is not there (an unmounted disk) is an error, never an empty place.

mod directory;
#[cfg(feature = "object-storage")]
mod object;

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use rustic_core::{ErrorKind, FileType, Id, RusticError, WriteBackend};
use secrecy::SecretString;
use stacksnap_common::ids::ProjectId;

use super::Error;

/// Where the vault is.
#[derive(Clone)]
pub enum Location {
    /// A directory, made if its parent is there.
    Directory(PathBuf),
    /// A bucket that exists. Requests go to `endpoint` with the bucket in the path.
    #[cfg(feature = "object-storage")]
    S3 {
        /// `https://host[:port]`.
        endpoint: String,
        bucket: String,
        /// Put before every key; empty for the bucket's root.
        prefix: String,
        region: String,
        access_key: SecretString,
        secret_key: SecretString,
    },
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory(path) => write!(f, "{}", path.display()),
            #[cfg(feature = "object-storage")]
            Self::S3 { endpoint, bucket, prefix, .. } => write!(f, "s3:{endpoint}/{bucket}/{prefix}"),
        }
    }
}

/// The names at the root that are no projects begin with a character that a project's id can't have.
pub(super) const MARKER: &str = "@stacksnap-vault";

/// The place that holds every project's repository. All calls block.
pub(super) trait Place: Send + Sync + 'static {
    /// A small file at the root; `None` if the place is there and the file is not.
    fn read(&self, name: &str) -> Result<Option<Vec<u8>>, Error>;

    /// Makes a small file at the root unless it is there. `false`: it is there, and was left as it is.
    fn create(&self, name: &str, content: &[u8]) -> Result<bool, Error>;

    /// The projects that have a repository here, sorted.
    fn projects(&self) -> Result<Vec<ProjectId>, Error>;

    /// The project's repository, whether it was made or not.
    fn repository(&self, project: &ProjectId) -> Arc<dyn Storage>;

    /// What restic takes as `-r`.
    fn restic_name(&self, project: &ProjectId) -> String;

    /// Keeps other processes out of the making of this repository while it is held, where the place can do that.
    /// `None` where it can't: then only the law about `config` keeps two makers apart.
    fn lock(&self, project: &ProjectId) -> Result<Option<Box<dyn Send>>, Error>;
}

/// One repository's files, beyond what rustic asks of them.
pub(super) trait Storage: WriteBackend {
    /// The files that are on record as damaged ([`super::damage`]), by their ids. The record is an empty file of that name
    /// beside restic's directories: nothing of it can be torn, and a full disk has room for it.
    fn damaged(&self) -> Result<BTreeSet<Id>, Error>;

    /// Puts a file on that record, durably. Twice is once.
    fn record(&self, id: &Id) -> Result<(), Error>;

    /// Takes it off. What is not on it is fine.
    fn absolve(&self, id: &Id) -> Result<(), Error>;

    /// Whether a pack is certainly not there, though the place where it would be is. An error says that it can't be told.
    fn lacks(&self, pack: &Id) -> Result<bool, Error>;

    /// Removes what writers that were killed left half-written, if it is older than `age`. How many there were.
    fn sweep(&self, age: std::time::Duration) -> Result<u64, Error>;

    fn as_backend(self: Arc<Self>) -> Arc<dyn WriteBackend>;
}

pub(super) fn place(location: &Location) -> Result<Arc<dyn Place>, Error> {
    Ok(match location {
        Location::Directory(path) => Arc::new(directory::Root::new(path)?),
        #[cfg(feature = "object-storage")]
        Location::S3 { .. } => Arc::new(object::Bucket::new(location)?),
    })
}

/// Wraps a storage's error for its way through rustic; [`Error::from_rustic`] finds it again.
pub(super) fn through_rustic(error: Error) -> Box<RusticError> {
    RusticError::with_source(ErrorKind::Backend, "the vault's storage", error)
}

/// A file's place within its repository, by restic's layout.
fn path_of(kind: FileType, id: &Id) -> String {
    let name = id.to_hex();
    match kind {
        FileType::Config => "config".to_owned(),
        FileType::Pack => format!("data/{}/{}", &name[..2], name.as_str()),
        kind => format!("{}/{}", kind.dirname(), name.as_str()),
    }
}

/// Where the record of what is damaged lies within a repository.
const DAMAGED: &str = "damaged";

/// A restic file that is gone although something points at it is damage, unless others may have removed it rightly.
fn missing(kind: FileType, what: &str) -> Error {
    match kind {
        FileType::Pack | FileType::Key | FileType::Config => Error::Damaged(format!("{what} is missing")),
        // Removed by a forget or a prune beside us.
        FileType::Snapshot | FileType::Index => Error::NotFound(what.to_owned()),
    }
}
