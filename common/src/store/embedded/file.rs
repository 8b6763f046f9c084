//! The database file: opened, read, written, and opened again after an error of the disk.
//!
//! redb refuses all work after a failed write until it is closed and opened again; whether a failed commit is on the
//! disk is then known. So the database stands behind a lock: readers share it, [`File::reopen`] takes it alone.

use std::fs::{DirBuilder, File as Disk, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use redb::backends::FileBackend;
use redb::{Builder, Database, DatabaseError, ReadTransaction, ReadableDatabase, WriteTransaction};

use crate::store::backend::Error;

/// How a database is opened on a file: a test puts a disk that fails beneath it.
pub(super) type Opener = Arc<dyn Fn(&Builder, Disk) -> Result<Database, DatabaseError> + Send + Sync>;

pub(super) fn plain() -> Opener {
    Arc::new(|builder, disk| builder.create_with_backend(FileBackend::new(disk)?))
}

/// Memory for pages. Records are small, and a control plane's working set is too.
const CACHE: usize = 64 << 20;

pub(super) struct File {
    path: PathBuf,
    opener: Opener,
    /// `None` when the last try to open it again failed.
    database: RwLock<Option<Database>>,
}

impl File {
    /// Opens `dir/store.redb`, making what is missing: the directory for its owner only, the file too.
    ///
    /// Checks the sums of all pages, which reads the whole file: some seconds for a gigabyte.
    pub(super) fn open(dir: &Path, opener: Opener) -> Result<Self, Error> {
        let path = dir.join("store.redb");
        let made = DirBuilder::new().recursive(true).mode(0o700).create(dir);
        made.map_err(|error| Error::Refused(format!("can't make the data directory {}: {error}", dir.display())))?;
        let database = open(&path, &opener)?;
        // The file's name must survive a power cut as what is in it does.
        let synced = Disk::open(dir).and_then(|dir| dir.sync_all());
        synced.map_err(|error| refused(&path, &error))?;
        Ok(Self { path, opener, database: RwLock::new(Some(database)) })
    }

    /// Reads in one snapshot of the database. Blocks on the disk.
    pub(super) fn read<T>(&self, read: impl FnOnce(&ReadTransaction) -> Result<T, redb::Error>) -> Result<T, Error> {
        let database = self.database.read().unwrap_or_else(PoisonError::into_inner);
        let database = database.as_ref().ok_or_else(|| self.closed())?;
        let read = database.begin_read().map_err(redb::Error::from).and_then(|tx| read(&tx));
        read.map_err(|error| self.error(error))
    }

    /// Runs one write transaction; `write` commits or aborts it. Blocks on the disk.
    pub(super) fn write<T>(&self, write: impl FnOnce(WriteTransaction) -> Result<T, redb::Error>) -> Result<T, Error> {
        let database = self.database.read().unwrap_or_else(PoisonError::into_inner);
        let database = database.as_ref().ok_or_else(|| self.closed())?;
        let written = database.begin_write().map_err(redb::Error::from).and_then(write);
        written.map_err(|error| self.error(error))
    }

    /// Closes the database and opens it again, which repairs what a failed write left.
    pub(super) fn reopen(&self) -> Result<(), Error> {
        let mut database = self.database.write().unwrap_or_else(PoisonError::into_inner);
        // Closed first: the file is locked by its handle.
        *database = None;
        *database = Some(open(&self.path, &self.opener)?);
        Ok(())
    }

    pub(super) fn is_open(&self) -> bool {
        self.database.read().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    fn closed(&self) -> Error {
        Error::Unavailable(format!("{} could not be opened again after an error of the disk", self.path.display()))
    }

    fn error(&self, error: redb::Error) -> Error {
        match error {
            redb::Error::Io(error) if is_full(&error) => refused(&self.path, &error),
            redb::Error::Io(error) => Error::Unavailable(format!("{}: {error}", self.path.display())),
            redb::Error::PreviousIo | redb::Error::DatabaseClosed => self.closed(),
            error => corrupt(&self.path, &error),
        }
    }
}

fn open(path: &Path, opener: &Opener) -> Result<Database, Error> {
    let disk = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path);
    let disk = disk.map_err(|error| refused(path, &error))?;
    let mut builder = Builder::new();
    // Without the check, redb may panic later on a page that was damaged.
    builder.set_cache_size(CACHE).set_check_integrity_on_open(true);
    opener(&builder, disk).map_err(|error| match error {
        DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => Error::Refused(format!(
            "another stacksnap has the data directory of {} open; stop that one, or give this one its own --data-dir",
            path.display()
        )),
        DatabaseError::Storage(redb::StorageError::Io(error)) => match error.kind() {
            io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => corrupt(path, &error),
            _ => refused(path, &error),
        },
        error => corrupt(path, &error),
    })
}

fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge | ReadOnlyFilesystem)
}

fn refused(path: &Path, error: &io::Error) -> Error {
    let advice = if is_full(error) { "; make room there, nothing was lost" } else { "" };
    Error::Refused(format!("can't write {}: {error}{advice}", path.display()))
}

fn corrupt(path: &Path, error: &dyn std::fmt::Display) -> Error {
    Error::Corrupt(format!(
        "{} is damaged or not a store ({error}); move it away and put a backup of it in its place, or start with none \
         and run `stacksnap catalog rebuild`, which finds the snapshots again in the vault",
        path.display()
    ))
}
