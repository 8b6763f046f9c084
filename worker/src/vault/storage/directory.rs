//! A vault in a directory. Every file is written aside, flushed to disk and renamed into place; then its directory is
//! flushed.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rustic_core::{ALL_FILE_TYPES, BytesList, FileType, Id, ReadBackend, RusticResult, WriteBackend};
use rustix::fs::FlockOperation;
use stacksnap_common::ids::ProjectId;

use super::{DAMAGED, Place, Storage, missing, path_of, through_rustic};
use crate::vault::Error;

pub(super) struct Root {
    path: PathBuf,
}

impl Root {
    pub(super) fn new(path: &Path) -> Result<Self, Error> {
        let path = std::path::absolute(path).map_err(|error| Error::storage(&error, path.display()))?;
        Ok(Self { path })
    }

    fn here(&self) -> Result<(), Error> {
        match fs::metadata(&self.path) {
            Ok(meta) if meta.is_dir() => Ok(()),
            Ok(_) => Err(Error::Settings(format!("the vault {} is not a directory", self.path.display()))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(not_there(&self.path)),
            Err(error) => Err(Error::storage(&error, self.path.display())),
        }
    }
}

impl Place for Root {
    fn read(&self, name: &str) -> Result<Option<Vec<u8>>, Error> {
        let path = self.path.join(name);
        match fs::read(&path) {
            Ok(content) => Ok(Some(content)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.here().map(|()| None),
            Err(error) => Err(Error::storage(&error, path.display())),
        }
    }

    fn create(&self, name: &str, content: &[u8]) -> Result<bool, Error> {
        if let Err(error) = directory(&self.path)
            && error.kind() != io::ErrorKind::AlreadyExists
        {
            return Err(match error.kind() {
                io::ErrorKind::NotFound => Error::Unavailable(format!(
                    "the directory that should hold {} is not there; is its disk mounted?",
                    self.path.display()
                )),
                _ => Error::storage(&error, self.path.display()),
            });
        }
        let path = self.path.join(name);
        match write(&path, &[content], Existing::Keep) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(Error::storage(&error, path.display())),
        }
    }

    fn projects(&self) -> Result<Vec<ProjectId>, Error> {
        self.here()?;
        let failed = |error: io::Error| Error::storage(&error, self.path.display());
        let mut projects = Vec::new();
        for entry in fs::read_dir(&self.path).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            if let Some(project) = entry.file_name().to_str().and_then(|name| name.parse().ok())
                && entry.path().join("config").try_exists().map_err(failed)?
            {
                projects.push(project);
            }
        }
        projects.sort();
        Ok(projects)
    }

    fn repository(&self, project: &ProjectId) -> Arc<dyn Storage> {
        Arc::new(Directory { path: self.path.join(project.as_str()) })
    }

    fn restic_name(&self, project: &ProjectId) -> String {
        self.path.join(project.as_str()).display().to_string()
    }

    fn lock(&self, project: &ProjectId) -> Result<Option<Box<dyn Send>>, Error> {
        let path = self.path.join(format!("@lock-{project}"));
        let failed = |error: io::Error| Error::storage(&error, path.display());
        let file =
            OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path).map_err(failed)?;
        rustix::fs::flock(&file, FlockOperation::LockExclusive).map_err(|error| failed(error.into()))?;
        Ok(Some(Box::new(file)))
    }
}

/// One repository.
struct Directory {
    path: PathBuf,
}

impl Directory {
    fn file(&self, kind: FileType, id: &Id) -> PathBuf {
        self.path.join(path_of(kind, id))
    }

    fn failed(&self, error: &io::Error, kind: FileType, path: &Path) -> Error {
        if error.kind() == io::ErrorKind::NotFound {
            return if self.path.is_dir() { missing(kind, &path.display().to_string()) } else { not_there(&self.path) };
        }
        Error::storage(error, path.display())
    }

    /// The directories that hold files of this kind.
    fn directories(&self, kind: FileType) -> Result<Vec<PathBuf>, Error> {
        let top = self.path.join(kind.dirname());
        if kind != FileType::Pack {
            return Ok(vec![top]);
        }
        let failed = |error: io::Error| self.failed(&error, kind, &top);
        let mut directories = Vec::with_capacity(256);
        for entry in fs::read_dir(&top).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            if entry.file_type().map_err(failed)?.is_dir() {
                directories.push(entry.path());
            }
        }
        Ok(directories)
    }

    fn each(&self, kind: FileType, mut visit: impl FnMut(&str, &fs::DirEntry) -> io::Result<()>) -> Result<(), Error> {
        for directory in self.directories(kind)? {
            let failed = |error: io::Error| self.failed(&error, kind, &directory);
            for entry in fs::read_dir(&directory).map_err(failed)? {
                let entry = entry.map_err(failed)?;
                if let Some(name) = entry.file_name().to_str() {
                    match visit(name, &entry) {
                        // Removed since it was listed.
                        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                        other => other.map_err(failed)?,
                    }
                }
            }
        }
        Ok(())
    }

    fn list_sizes(&self, kind: FileType) -> Result<Vec<(Id, u32)>, Error> {
        if kind == FileType::Config {
            let path = self.path.join("config");
            return match fs::metadata(&path) {
                Ok(meta) => Ok(vec![(Id::default(), u32::try_from(meta.len()).unwrap_or(u32::MAX))]),
                // Not made yet; but the vault that it will be in must be there.
                Err(error) if error.kind() == io::ErrorKind::NotFound => match self.path.parent() {
                    Some(vault) if !vault.is_dir() => Err(not_there(vault)),
                    _ => Ok(Vec::new()),
                },
                Err(error) => Err(Error::storage(&error, path.display())),
            };
        }
        let mut found = Vec::new();
        self.each(kind, |name, entry| {
            if let Ok(id) = name.parse() {
                let length = entry.metadata()?.len();
                found.push((id, u32::try_from(length).map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?));
            }
            Ok(())
        })?;
        Ok(found)
    }

    fn read_part(&self, path: &Path, offset: u32, length: u32) -> io::Result<Bytes> {
        let mut content = vec![0; length as usize];
        File::open(path)?.read_exact_at(&mut content, offset.into())?;
        Ok(content.into())
    }
}

impl Storage for Directory {
    fn damaged(&self) -> Result<BTreeSet<Id>, Error> {
        let top = self.path.join(DAMAGED);
        let failed = |error: io::Error| Error::storage(&error, top.display());
        let entries = match fs::read_dir(&top) {
            Ok(entries) => entries,
            // Nothing was ever recorded; but the repository must be there.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return if self.path.is_dir() { Ok(BTreeSet::new()) } else { Err(not_there(&self.path)) };
            }
            Err(error) => return Err(failed(error)),
        };
        let mut found = BTreeSet::new();
        for entry in entries {
            found.extend(entry.map_err(failed)?.file_name().to_str().and_then(|name| name.parse::<Id>().ok()));
        }
        Ok(found)
    }

    fn record(&self, id: &Id) -> Result<(), Error> {
        let top = self.path.join(DAMAGED);
        let recorded = (|| {
            match directory(&top) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                _ => {}
            }
            let file = top.join(id.to_hex().as_str());
            OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&file)?.sync_all()?;
            flush_parent(&file)
        })();
        recorded.map_err(|error| Error::storage(&error, top.display()))
    }

    fn absolve(&self, id: &Id) -> Result<(), Error> {
        let file = self.path.join(DAMAGED).join(id.to_hex().as_str());
        match fs::remove_file(&file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::storage(&error, file.display())),
            _ => Ok(()),
        }
    }

    fn lacks(&self, pack: &Id) -> Result<bool, Error> {
        let path = self.file(FileType::Pack, pack);
        // Made with the repository: where it is not, something else has happened than the loss of a file.
        if !path.parent().is_some_and(Path::is_dir) {
            return Err(not_there(&path));
        }
        match fs::symlink_metadata(&path) {
            Ok(_) => Ok(false),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
            Err(error) => Err(Error::storage(&error, path.display())),
        }
    }

    fn sweep(&self, age: Duration) -> Result<u64, Error> {
        let mut swept = 0;
        for kind in ALL_FILE_TYPES {
            self.each(kind, |name, entry| {
                let modified = entry.metadata()?.modified()?;
                if name.contains(ASIDE) && modified.elapsed().is_ok_and(|old| old >= age) {
                    fs::remove_file(entry.path())?;
                    swept += 1;
                }
                Ok(())
            })?;
        }
        Ok(swept)
    }

    fn as_backend(self: Arc<Self>) -> Arc<dyn WriteBackend> {
        self
    }
}

impl ReadBackend for Directory {
    fn location(&self) -> String {
        self.path.display().to_string()
    }

    fn list(&self, kind: FileType) -> RusticResult<Vec<Id>> {
        if kind == FileType::Config {
            return Ok(self.list_with_size(kind)?.into_iter().map(|(id, _)| id).collect());
        }
        let mut found = Vec::new();
        self.each(kind, |name, _| {
            found.extend(name.parse::<Id>().ok());
            Ok(())
        })
        .map_err(through_rustic)?;
        Ok(found)
    }

    fn list_with_size(&self, kind: FileType) -> RusticResult<Vec<(Id, u32)>> {
        self.list_sizes(kind).map_err(through_rustic)
    }

    fn read_full(&self, kind: FileType, id: &Id) -> RusticResult<Bytes> {
        let path = self.file(kind, id);
        match fs::read(&path) {
            Ok(content) => Ok(content.into()),
            Err(error) => Err(through_rustic(self.failed(&error, kind, &path))),
        }
    }

    fn read_partial(&self, kind: FileType, id: &Id, _: bool, offset: u32, length: u32) -> RusticResult<Bytes> {
        let path = self.file(kind, id);
        self.read_part(&path, offset, length).map_err(|error| through_rustic(self.failed(&error, kind, &path)))
    }

    fn warmup_path(&self, kind: FileType, id: &Id) -> String {
        self.file(kind, id).display().to_string()
    }
}

impl WriteBackend for Directory {
    fn create(&self) -> RusticResult<()> {
        let failed = |error: io::Error, path: &Path| through_rustic(Error::storage(&error, path.display()));
        let make = |path: PathBuf| match DirBuilder::new().mode(0o700).create(&path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(failed(error, &path)),
            _ => Ok(()),
        };
        make(self.path.clone())?;
        for name in ["data", "index", "keys", "locks", "snapshots"] {
            make(self.path.join(name))?;
        }
        let data = self.path.join("data");
        for first in 0..=255_u8 {
            make(data.join(format!("{first:02x}")))?;
        }
        // Each directory of names once: 260 flushes would be seconds on a busy disk.
        for names in [&data, &self.path] {
            File::open(names).and_then(|names| names.sync_all()).map_err(|error| failed(error, names))?;
        }
        flush_parent(&self.path).map_err(|error| failed(error, &self.path))
    }

    fn write_bytes(&self, kind: FileType, id: &Id, _: bool, content: BytesList) -> RusticResult<()> {
        let path = self.file(kind, id);
        let existing = if kind == FileType::Config { Existing::Keep } else { Existing::Replace };
        let parts: Vec<&[u8]> = content.slice().iter().map(|part| &part[..]).collect();
        write(&path, &parts, existing).map_err(|error| {
            through_rustic(match error.kind() {
                io::ErrorKind::AlreadyExists => Error::Raced(path.display().to_string()),
                io::ErrorKind::NotFound => {
                    Error::Unavailable(format!("{} is not there; is its disk mounted?", path.display()))
                }
                _ => Error::storage(&error, path.display()),
            })
        })
    }

    fn remove(&self, kind: FileType, id: &Id, _: bool) -> RusticResult<()> {
        let path = self.file(kind, id);
        match fs::remove_file(&path) {
            // Two that remove the same both succeed.
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(through_rustic(Error::storage(&error, path.display())))
            }
            _ => Ok(()),
        }
    }
}

fn not_there(path: &Path) -> Error {
    Error::Unavailable(format!("the directory {} is not there; is its disk mounted?", path.display()))
}

/// In the name of every file that is not in its place yet. restic and rustic ignore such names.
const ASIDE: &str = "-tmp-";

#[derive(Clone, Copy, PartialEq)]
enum Existing {
    Keep,
    Replace,
}

fn directory(path: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(path)?;
    flush_parent(path)
}

fn flush_parent(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) => File::open(parent)?.sync_all(),
        None => Ok(()),
    }
}

/// Writes a file whole or not at all, on disk when it returns.
fn write(path: &Path, parts: &[&[u8]], existing: Existing) -> io::Result<()> {
    let mut aside = path.as_os_str().to_owned();
    aside.push(format!("{ASIDE}{}", uuid::Uuid::new_v4().as_simple()));
    let aside = PathBuf::from(aside);
    let written = (|| {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&aside)?;
        for part in parts {
            file.write_all(part)?;
        }
        file.sync_all()?;
        match existing {
            Existing::Replace => fs::rename(&aside, path),
            Existing::Keep => fs::hard_link(&aside, path),
        }
    })();
    if written.is_err() || existing == Existing::Keep {
        // If that fails too, a later sweep takes it.
        let _ = fs::remove_file(&aside);
    }
    written?;
    flush_parent(path)
}
