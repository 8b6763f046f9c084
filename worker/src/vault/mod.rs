//! The vault: where bytes go. One restic-format repository per project.
//!
//! - [`Vaults`] knows the place and the master key, opens a project's repository or makes it, and keeps a bounded
//!   amount of index open ([`vaults`], [`open`], [`keyfile`], [`index`]).
//! - [`Vault`] is one project's repository. `put_stream` and `put_tree` take what a driver reads and leave one *entry*:
//!   a restic snapshot whose tags are its [`Label`] ([`put`], [`archive`]). `get_stream` and `open_tree` give it back
//!   ([`get`], [`walk`], [`fetch`]). The rest keeps house: [`manifest`], [`entries`], [`verify`] and how it is told
//!   ([`problems`]), [`seal`], [`prune`].
//! - What is no longer as it was written goes on record, and nothing new is built on it ([`damage`]; for a prune
//!   [`aside`]); what a lost index file named is found again ([`reindex`]).
//! - An entry counts from the moment in which its restic snapshot is written, and that is done last, when every byte was
//!   read without an error, packs and index are on disk, the lease is held and nobody cancelled. So an entry that can
//!   be found is whole.
//! - A repository is written by stacksnap's workers only, of which any number may write at once. restic may read it;
//!   its `prune` and `forget` must not be run on it (rustic and restic do not see each other's locks).
//!
//! rustic makes and opens repositories, knows the format's files, and prunes. Bytes are moved by code of our own
//! ([`chunk`], [`pack`], [`blob`]), because rustic's archiver skips what it can't read and writes the snapshot all the
//! same, gives a stream the size zero, which restic restores as an empty file, and builds the chunker's tables anew
//! for every file (0.27 ms: half the time of a backup of small files); and its restore needs 1.6 GB.
//!
//! Only this directory names rustic.

mod archive;
mod aside;
mod blob;
mod chunk;
mod damage;
mod entries;
mod error;
mod fetch;
mod get;
mod index;
mod keyfile;
mod keys;
mod label;
mod manifest;
mod node;
mod open;
mod pack;
mod parent;
mod problems;
mod prune;
mod put;
mod reindex;
mod same;
mod seal;
mod storage;
pub mod tree;
mod vaults;
mod verify;
mod walk;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

pub use entries::Entry;
pub use error::Error;
pub use fetch::Reader;
pub use get::Got;
pub use keys::MasterKey;
pub use label::{Content, EntryId, Label};
pub use manifest::Manifest;
pub use prune::{PruneRules, Pruned};
pub use storage::Location;
pub use vaults::{ResticAccess, Settings, Vaults};
pub use walk::{Blobs, Found, Tree};

use crate::lease::Lease;
use crate::progress::Progress;

/// One project's repository, open. Cheap to clone; all clones share one index.
///
/// Every method runs on threads that may block, a bounded number at a time. A call whose future is dropped is cancelled.
#[derive(Clone)]
pub struct Vault(Arc<open::Project>);

/// What a long call reports to and heeds.
#[derive(Clone)]
pub struct Work {
    pub progress: Progress,
    pub cancel: CancellationToken,
    pub lease: Lease,
}

impl Work {
    /// Whether to go on; asked between any two pieces.
    fn go_on(&self) -> Result<(), Error> {
        if self.cancel.is_cancelled() {
            // A lost lease cancels the step too, and says more.
            return Err(if self.lease.held() { Error::Cancelled } else { Error::LeaseLost });
        }
        Ok(())
    }

    /// Whether an effect that can't be taken back may be made now.
    fn commit(&self) -> Result<(), Error> {
        self.go_on()?;
        if self.lease.held() { Ok(()) } else { Err(Error::LeaseLost) }
    }
}

/// What a put left in the vault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    pub entry: EntryId,
    /// Bytes of content, as a reader of it would count them; unchanged files included.
    pub bytes: u64,
    /// Bytes that the repository grew by, compressed and encrypted.
    pub bytes_added: u64,
    /// Entries that are no directories.
    pub files: u64,
    /// Of those, regular files that were taken over from the entry before without being read.
    pub files_unchanged: u64,
    /// A stream's SHA-256; of a tree the id of its root tree, which is a hash over all names, metadata and content.
    /// Hexadecimal.
    pub digest: String,
    /// What could not be kept as it was: times outside of what the format has, names of extended attributes that are
    /// no text. At most 1,000.
    pub warnings: Vec<String>,
}
