//! The control directory: what a restore keeps outside of the tree that it restores.
//!
//! ```text
//! <control>/locks/<key>               locked (flock) while a directory is read or restored
//! <control>/copies/<step>.<fence>     what a copy has to say beside its entry in the vault (see `notes`)
//! <control>/restores/<key>/<step>/    what one restore set out to do, and how far it came (see `restore::record`)
//! ```
//!
//! `<key>` is the SHA-256 of the directory's path, so all workers of a host that share the control directory meet in
//! the same file. A restore locks its directory for itself and the directories above it as one of many; a copy locks
//! all of them as one of many. So two restores of one directory, of a directory and one inside it, or a restore and a
//! copy of what it changes, never run at once. The kernel drops the lock with the process: what is killed leaves none,
//! and a worker that was paused still has it, so that its successor waits until the paused one woke up and saw that its
//! lease is over.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use sha2::{Digest, Sha256};
use stacksnap_common::ids::StepId;

use super::policy::Place;

#[derive(Debug, Clone)]
pub(crate) struct Control {
    dir: PathBuf,
}

const NOTES_KEPT: Duration = Duration::from_secs(30 * 24 * 3600);

/// Held until dropped.
#[derive(Debug)]
pub(crate) struct Lock {
    _files: Vec<File>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    Read,
    Restore,
}

impl Control {
    pub(crate) fn new(dir: PathBuf) -> Self {
        Self { dir }
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Where the restores of this directory keep what they do.
    pub(crate) fn restores(&self, place: &Place) -> PathBuf {
        self.dir.join("restores").join(key(&place.path()))
    }

    /// Where the copy of this step keeps its notes, of this run of it.
    pub(crate) fn notes(&self, step: StepId, fence: u64) -> PathBuf {
        self.dir.join("copies").join(format!("{step}.{fence}"))
    }

    /// Makes the place for notes, and removes old ones: they matter from a copy to the record of it, which is seconds
    /// if all goes well and days if everything is down.
    pub(crate) fn tidy_notes(&self) -> io::Result<()> {
        let copies = self.dir.join("copies");
        make_dir(&copies)?;
        for entry in fs::read_dir(copies)? {
            let entry = entry?;
            let age = entry.metadata().and_then(|meta| meta.modified()).map(|time| time.elapsed().unwrap_or_default());
            if age.is_ok_and(|age| age > NOTES_KEPT) {
                let _ = fs::remove_file(entry.path());
            }
        }
        Ok(())
    }

    /// Removes the notes of all runs of a step.
    pub(crate) fn forget_notes(&self, step: StepId) -> io::Result<()> {
        let Ok(entries) = fs::read_dir(self.dir.join("copies")) else { return Ok(()) };
        for entry in entries {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with(&format!("{step}.")) {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }

    /// The lock for this use, or `None` while another process or another step has it.
    pub(crate) fn lock(&self, place: &Place, purpose: Use) -> io::Result<Option<Lock>> {
        let locks = self.dir.join("locks");
        make_dir(&locks)?;
        let mut files = Vec::new();
        let own = match purpose {
            Use::Read => FlockOperation::NonBlockingLockShared,
            Use::Restore => FlockOperation::NonBlockingLockExclusive,
        };
        let above = place.ancestors().into_iter().map(|path| (path, FlockOperation::NonBlockingLockShared));
        for (path, how) in above.chain([(place.path(), own)]) {
            let mut options = File::options();
            options.read(true).write(true).create(true).truncate(false).mode(0o600);
            let file = options.open(locks.join(key(&path)))?;
            match flock(&file, how) {
                Ok(()) => files.push(file),
                Err(Errno::WOULDBLOCK) => return Ok(None),
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(Some(Lock { _files: files }))
    }
}

/// Makes a directory that only this user may look into, with those above it.
pub(crate) fn make_dir(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

fn key(path: &str) -> String {
    hex::encode(Sha256::digest(path.as_bytes()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::drivers::directory::AllowedRoot;

    #[test]
    fn who_keeps_whom_out() {
        let dir = tempfile::tempdir().unwrap();
        let control = Control::new(dir.path().join("control"));
        let roots = [AllowedRoot { project: None, path: "/srv".into() }];
        let place = |path: &str| Place::find(&roots, &"p".parse().unwrap(), path).unwrap();
        let lock = |path: &str, purpose| control.lock(&place(path), purpose).unwrap();
        let restore = lock("/srv/a", Use::Restore).unwrap();
        assert!(lock("/srv/a", Use::Restore).is_none());
        assert!(lock("/srv/a", Use::Read).is_none());
        assert!(lock("/srv/a/inner", Use::Restore).is_none(), "inside");
        assert!(lock("/srv/a/inner", Use::Read).is_none(), "inside");
        assert!(lock("/srv", Use::Restore).is_none(), "around");
        assert!(lock("/srv/b", Use::Restore).is_some(), "beside");
        drop(restore);
        let reads = (lock("/srv/a", Use::Read).unwrap(), lock("/srv/a", Use::Read).unwrap());
        assert!(lock("/srv/a", Use::Restore).is_none());
        drop(reads);
        assert!(lock("/srv/a", Use::Restore).is_some());
    }
}
