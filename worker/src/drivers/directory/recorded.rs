//! A tree in the vault as the archive of a restore.

use std::fs::File;
use std::io::{self, Read};
use std::sync::Mutex;

use super::archive::{Archive, EntryIter, WriteError};
use super::restore::sink::Sink;
use super::{archive, errors};
use crate::driver::Error;
use crate::vault::tree::Entry;
use crate::vault::{self, Blobs, Tree, Work};

pub(crate) struct Recorded {
    tree: Tree,
    work: Work,
}

/// Threads that read, decrypt and write; each has some megabytes in hand.
const THREADS: usize = 2;
const BUFFER: usize = 128 * 1024;

impl Recorded {
    pub(crate) fn new(tree: Tree, work: Work) -> Self {
        Self { tree, work }
    }
}

impl Archive for Recorded {
    type Content = Option<Blobs>;

    fn entries(&self) -> Result<EntryIter<'_, Self::Content>, Error> {
        Ok(Box::new(self.tree.entries().map(|found| {
            let found = found?;
            Ok((found.entry, found.content))
        })))
    }

    fn room(&self, entry: &Entry, content: &Self::Content) -> u64 {
        content.as_ref().map_or(0, |content| self.tree.distinct_bytes(content)).min(entry.meta.size)
    }

    fn same(&self, entry: &Entry, content: &Self::Content, file: &File) -> Result<bool, Error> {
        let content = content.clone().unwrap_or_default();
        let read = Stoppable { file, work: &self.work };
        self.tree.is_same(&content, read).map_err(|error| match vault::Error::from_io(&error) {
            Some(error) => error.into(),
            None => errors::io("read", &entry.path, &error),
        })
    }

    fn write(
        &self,
        files: &[(archive::Recorded<Self::Content>, Sink)],
        go_on: &(dyn Fn() -> Result<(), Error> + Sync),
    ) -> Result<(), WriteError> {
        // A failure of the file system, which the vault would only pass on as text.
        let failed: Mutex<Option<WriteError>> = Mutex::new(None);
        let contents =
            files.iter().enumerate().map(|(at, ((_, content), _))| (at, content.clone().unwrap_or_default()));
        let written = self.tree.read_files(contents, THREADS, &self.work, |at, content| {
            let ((entry, _), sink) = &files[at];
            // One byte more than a small file has, so that its end is met in the same buffer.
            let room = usize::try_from(entry.meta.size + 1).unwrap_or(BUFFER).min(BUFFER);
            let (mut buffer, mut offset) = (vec![0; room], 0);
            loop {
                let length = content.read(&mut buffer)?;
                if length == 0 {
                    return Ok(());
                }
                if go_on().is_err() {
                    return Err(io::Error::other("stopped"));
                }
                if let Err(error) = sink.write_at(&buffer[..length], offset) {
                    let text = error.to_string();
                    let mut failed = failed.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                    failed.get_or_insert(WriteError::Write { path: entry.path.clone(), error });
                    return Err(io::Error::other(text));
                }
                offset += length as u64;
            }
        });
        go_on().map_err(WriteError::Read)?;
        if let Some(failed) = failed.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner) {
            return Err(failed);
        }
        written.map_err(|error| WriteError::Read(error.into()))
    }
}

/// A file that is read until the work has to stop.
struct Stoppable<'a> {
    file: &'a File,
    work: &'a Work,
}

impl Read for Stoppable<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.work.cancel.is_cancelled() {
            return Err(vault::Error::Cancelled.into());
        }
        self.file.read(buffer)
    }
}
