//! Opening a project's repository, and keeping its index in memory.
//!
//! A [`Project`] is small: the storage and the repository's key. What is large is its index. It is read when it is
//! needed, kept in [`Indexes`] up to a number of bytes over all projects, and brought up to date at the start of every
//! call by the lists of index files and of what is damaged: any worker may have written some; a prune replaces them.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use rustic_core::repofile::{ConfigFile, IndexFile, MasterKey};
use rustic_core::{
    BytesList, ConfigOptions, Credentials, FileType, Id, KeyOptions, ReadBackend, Repository, RepositoryBackends,
    RepositoryOptions, RusticResult, WriteBackend,
};
use secrecy::{ExposeSecret, SecretString};
use stacksnap_common::ids::ProjectId;

use super::blob::{Key, Opener, Sealer, hash};
use super::chunk::Tables;
use super::index::{Index, hash_of};
use super::storage::{Storage, through_rustic};
use super::vaults::Common;
use super::{Entry, EntryId, Error, keyfile};

/// One project's repository, its key known.
pub(super) struct Project {
    pub(super) id: ProjectId,
    pub(super) common: Arc<Common>,
    pub(super) storage: Arc<dyn Storage>,
    pub(super) tables: Tables,
    /// The same key, for rustic and for us.
    master: MasterKey,
    key: Key,
    level: i32,
    /// So that only one call reads the index at a time.
    reading: Mutex<()>,
    /// Packs that [`super::damage`] has looked at since a call began.
    pub(super) looked_at: Mutex<HashSet<Id>>,
    /// The entries that were listed last.
    entries: Mutex<Arc<HashMap<EntryId, Entry>>>,
}

/// The indexes in memory, by project; the least recently used goes first.
pub(super) struct Indexes {
    budget: u64,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    uses: u64,
    indexes: HashMap<ProjectId, (Arc<Index>, u64)>,
}

impl Indexes {
    pub(super) fn new(budget: u64) -> Self {
        Self { budget, open: Mutex::default() }
    }

    pub(super) fn bytes(&self) -> u64 {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).indexes.values().map(|(index, _)| index.bytes()).sum()
    }

    fn get(&self, project: &ProjectId) -> Option<Arc<Index>> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.uses += 1;
        let now = open.uses;
        let (index, used) = open.indexes.get_mut(project)?;
        *used = now;
        Some(Arc::clone(index))
    }

    fn put(&self, project: &ProjectId, index: &Arc<Index>) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.uses += 1;
        let now = open.uses;
        open.indexes.insert(project.clone(), (Arc::clone(index), now));
        let mut total: u64 = open.indexes.values().map(|(index, _)| index.bytes()).sum();
        while total > self.budget
            && open.indexes.len() > 1
            && let Some(oldest) = open.indexes.iter().min_by_key(|(_, (_, used))| *used).map(|(id, _)| id.clone())
        {
            total -= open.indexes.remove(&oldest).map_or(0, |(index, _)| index.bytes());
        }
    }
}

impl Project {
    /// Opens the repository, or makes it first if `make`. Of any number of workers that make it at once one does, and
    /// the others take what it made.
    pub(super) fn open(common: &Arc<Common>, id: &ProjectId, make: bool) -> Result<Self, Error> {
        let storage = common.place.repository(id);
        let password = common.master.password(id, common.settings.key_generation);
        let credentials = Credentials::password(password.expose_secret());
        let exists = || Ok::<_, Error>(!storage.list(FileType::Config)?.is_empty());
        if !exists()? {
            if !make {
                return Err(Error::NotFound(format!("project {id} has no repository")));
            }
            let lock = common.place.lock(id)?;
            if !exists()? {
                match init(&storage, &password, lock.is_some()) {
                    Err(Error::Raced(_)) | Ok(()) => {}
                    // Another was quicker, and rustic looked before it wrote.
                    Err(_) if exists()? => {}
                    Err(error) => return Err(error),
                }
            }
        }
        let (master, config) = unlock(&storage, &credentials).map_err(|error| match error {
            Error::WrongKey(_) => Error::WrongKey(format!("project {id}'s repository")),
            error => error,
        })?;
        let unusable = |what: &str| Error::Settings(format!("{}: {what}", storage.location()));
        let level = config.zstd()?.ok_or_else(|| unusable("a repository without compression is not supported"))?;
        Ok(Self {
            id: id.clone(),
            common: Arc::clone(common),
            tables: Tables::new(config.poly()?),
            key: Key::new(&master)?,
            master,
            level,
            storage,
            reading: Mutex::default(),
            looked_at: Mutex::default(),
            entries: Mutex::default(),
        })
    }

    /// The same key, as rustic takes it.
    pub(super) fn master(&self) -> &MasterKey {
        &self.master
    }

    pub(super) fn key(&self) -> &Key {
        &self.key
    }

    pub(super) fn sealer(&self) -> Result<Sealer, Error> {
        Sealer::new(self.key.clone(), self.level)
    }

    pub(super) fn opener(&self) -> Result<Opener, Error> {
        Opener::new(self.key.clone())
    }

    pub(super) fn known_entries(&self) -> Arc<HashMap<EntryId, Entry>> {
        Arc::clone(&self.entries.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn know_entries(&self, entries: &[Entry]) {
        let entries = entries.iter().map(|entry| (entry.id.clone(), entry.clone())).collect();
        *self.entries.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(entries);
    }

    /// The index, with everything written until now.
    pub(super) fn index(&self) -> Result<Arc<Index>, Error> {
        let _reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        self.looked_at.lock().unwrap_or_else(PoisonError::into_inner).clear();
        // A prune may replace a file between the listing and the reading: then once more.
        let mut tries = 0;
        loop {
            let damaged = self.storage.damaged()?;
            let listed: BTreeSet<Id> = self.storage.list(FileType::Index)?.into_iter().collect();
            let known = self.common.indexes.get(&self.id);
            let known = known.filter(|index| index.files().is_subset(&listed) && *index.damaged() == damaged);
            let known = known.unwrap_or_else(|| Arc::new(Index::beside(damaged)));
            let new: Vec<Id> = listed.difference(known.files()).copied().collect();
            let all = new.len();
            match self.read_index_files(new) {
                // One has gone on record just now: this index must say so.
                Ok(files) if files.len() < all && self.storage.damaged()? != *known.damaged() => {}
                Ok(files) if files.is_empty() => {
                    self.common.indexes.put(&self.id, &known);
                    return Ok(known);
                }
                Ok(files) => {
                    let index = Arc::new(known.with(files));
                    self.common.indexes.put(&self.id, &index);
                    return Ok(index);
                }
                Err(Error::NotFound(_)) if tries < 3 => tries += 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// This process has written these itself: they need not be read again.
    pub(super) fn extend_index(&self, files: Vec<(Id, IndexFile)>) {
        let _reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = self.common.indexes.get(&self.id)
            && !files.is_empty()
        {
            self.common.indexes.put(&self.id, &Arc::new(known.with(files)));
        }
    }

    /// Those that can be read: one that is damaged is as one that is lost ([`super::reindex`]).
    fn read_index_files(&self, ids: Vec<Id>) -> Result<Vec<(Id, IndexFile)>, Error> {
        let mut files = Vec::with_capacity(ids.len());
        for id in ids {
            match self.read_file(FileType::Index, &id) {
                Ok(file) => files.push((id, file)),
                Err(error @ Error::Damaged(_)) => self.give_up_index_file(&id, error)?,
                Err(error) => return Err(error),
            }
        }
        Ok(files)
    }

    /// Every index file now in the repository that can be read.
    pub(super) fn index_files(&self) -> Result<Vec<(Id, IndexFile)>, Error> {
        self.read_index_files(self.storage.list(FileType::Index)?)
    }

    /// A sealed JSON file of the repository, checked against its id.
    pub(super) fn read_file<T: serde::de::DeserializeOwned>(&self, kind: FileType, id: &Id) -> Result<T, Error> {
        let sealed = self.storage.read_full(kind, id)?;
        let damaged = |what: &str| Error::Damaged(format!("{}/{}: {what}", kind.dirname(), id.to_hex().as_str()));
        if hash(&sealed) != hash_of(id) {
            return Err(damaged("its bytes have changed"));
        }
        let plain = self.key.open(&sealed).ok_or_else(|| damaged("it does not open with the repository's key"))?;
        let json = match plain.split_first() {
            Some((2, packed)) => zstd::stream::decode_all(packed).map_err(|_| damaged("it can't be decompressed"))?,
            _ => plain,
        };
        serde_json::from_slice(&json).map_err(|error| damaged(&format!("it can't be understood: {error}")))
    }
}

pub(super) fn without_cache() -> RepositoryOptions {
    let mut options = RepositoryOptions::default();
    options.no_cache = true;
    options
}

/// Makes the repository: first its key file, then the config, by which it exists. `alone`: nobody else can be at it, so what keys lie there are a dead maker's.
fn init(storage: &Arc<dyn Storage>, password: &SecretString, alone: bool) -> Result<(), Error> {
    storage.create()?;
    for kind in [FileType::Snapshot, FileType::Index, FileType::Pack] {
        if !storage.list(kind)?.is_empty() {
            return Err(Error::Damaged(format!(
                "{} holds data and no config file; restore the file `config`, or move the directory away",
                storage.location()
            )));
        }
    }
    if alone {
        for key in storage.list(FileType::Key)? {
            storage.remove(FileType::Key, &key, false)?;
        }
    }
    let master = MasterKey::new();
    let key = keyfile::make(&master, password)?;
    let id = Id::new(hash(&key));
    storage.write_bytes(FileType::Key, &id, false, key.into())?;
    let mut config = ConfigOptions::default();
    config.set_version = Some(2);
    // For prune, which repacks to the size that packs have here.
    config.set_datapack_size = "16 MiB".parse().ok();
    config.set_datapack_growfactor = Some(0);
    config.set_treepack_size = "16 MiB".parse().ok();
    config.set_treepack_growfactor = Some(0);
    let backends = RepositoryBackends::new(Arc::clone(storage).as_backend(), None);
    Repository::new(&without_cache(), &backends)?.init(
        &Credentials::Masterkey(master),
        &KeyOptions::default(),
        &config,
    )?;
    Ok(())
}

/// The key that opens the config, and the config.
///
/// A key file that opens with the password but whose key does not open the config was left by a worker that lost the
/// race to make the repository. It is removed once another key has opened the config: restic would stumble over it.
fn unlock(storage: &Arc<dyn Storage>, credentials: &Credentials) -> Result<(MasterKey, ConfigFile), Error> {
    let (mut strays, mut opened_by) = (Vec::new(), None);
    let mut failure = Error::Damaged(format!("{} has no key file", storage.location()));
    for key in storage.list(FileType::Key)? {
        let content = match storage.read_full(FileType::Key, &key) {
            Ok(content) => content,
            // A stray that another worker has removed since it was listed.
            Err(_) if !storage.list(FileType::Key)?.contains(&key) => continue,
            Err(error) => return Err(error.into()),
        };
        if hash(&content) != hash_of(&key) {
            failure = Error::Damaged(format!("the key file {} of {}", key.to_hex().as_str(), storage.location()));
            continue;
        }
        let only = Arc::new(OnlyKey { storage: Arc::clone(storage), key });
        let opened = Repository::new(&without_cache(), &RepositoryBackends::new(only, None))?.open(credentials);
        match opened.map_err(Error::from) {
            Ok(repository) => opened_by = Some((repository.key(), repository.config().clone())),
            Err(error @ Error::Damaged(_)) => {
                strays.push(key);
                failure = error;
            }
            Err(error @ Error::WrongKey(_)) => failure = error,
            Err(error) => return Err(error),
        }
    }
    let opened_by = opened_by.ok_or(failure)?;
    for stray in strays {
        storage.remove(FileType::Key, &stray, false)?;
    }
    Ok(opened_by)
}

/// A repository's storage with one of its keys only, to open with.
struct OnlyKey {
    storage: Arc<dyn Storage>,
    key: Id,
}

impl ReadBackend for OnlyKey {
    fn location(&self) -> String {
        self.storage.location()
    }

    fn list_with_size(&self, kind: FileType) -> RusticResult<Vec<(Id, u32)>> {
        let mut listed = self.storage.list_with_size(kind)?;
        listed.retain(|(id, _)| kind != FileType::Key || *id == self.key);
        Ok(listed)
    }

    fn read_full(&self, kind: FileType, id: &Id) -> RusticResult<Bytes> {
        self.storage.read_full(kind, id)
    }

    fn read_partial(&self, kind: FileType, id: &Id, cache: bool, offset: u32, length: u32) -> RusticResult<Bytes> {
        self.storage.read_partial(kind, id, cache, offset, length)
    }

    fn warmup_path(&self, kind: FileType, id: &Id) -> String {
        self.storage.warmup_path(kind, id)
    }
}

/// Opening writes nothing.
impl WriteBackend for OnlyKey {
    fn write_bytes(&self, _: FileType, _: &Id, _: bool, _: BytesList) -> RusticResult<()> {
        Err(through_rustic(Error::Internal("opening a repository wrote to it".to_owned())))
    }

    fn remove(&self, _: FileType, _: &Id, _: bool) -> RusticResult<()> {
        Err(through_rustic(Error::Internal("opening a repository removed from it".to_owned())))
    }
}
