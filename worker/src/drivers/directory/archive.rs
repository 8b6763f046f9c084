//! A recorded tree, as a restore needs it: entries in order, and each file's content to compare or to write.
//!
//! The vault is the one that counts; tests have another, over a second directory, so that what goes wrong in a restore
//! can be told from what goes wrong in a vault.

use std::fs::File;
use std::io;

use super::restore::sink::Sink;
use crate::driver::Error;
use crate::vault::tree::Entry;

/// An entry, and for a file what finds its content.
pub(crate) type Recorded<C> = (Entry, C);

pub(crate) trait Archive: Send + Sync {
    /// Finds the content of a file; nothing for what is no file.
    type Content: Send + Sync;

    /// All entries: depth first, parents first, siblings sorted by their bytes, the root first. May be walked again.
    fn entries(&self) -> Result<EntryIter<'_, Self::Content>, Error>;

    /// Bytes that the content takes on disk, at least: long holes need not be counted.
    fn room(&self, entry: &Entry, content: &Self::Content) -> u64;

    /// Whether the open file, which has the recorded size, has the recorded content: every byte compared, or its
    /// SHA-256. The file's offset may move.
    fn same(&self, entry: &Entry, content: &Self::Content, file: &File) -> Result<bool, Error>;

    /// Writes the content of each file into its sink, in any order and from any thread; returns when all are written.
    /// What is damaged is an error, never other bytes. `go_on` is asked between any two pieces.
    fn write(
        &self,
        files: &[(Recorded<Self::Content>, Sink)],
        go_on: &(dyn Fn() -> Result<(), Error> + Sync),
    ) -> Result<(), WriteError>;
}

pub(crate) type EntryIter<'a, C> = Box<dyn Iterator<Item = Result<Recorded<C>, Error>> + Send + 'a>;

/// Why a content was not written.
#[derive(Debug)]
pub(crate) enum WriteError {
    /// The archive can't give it, or `go_on` said no.
    Read(Error),
    /// The file system did not take it.
    Write { path: Vec<Vec<u8>>, error: io::Error },
}
