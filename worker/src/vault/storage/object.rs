//! A vault in an S3-compatible object store, through opendal.
//!
//! A request that fails for a moment is tried again a few times here, and nowhere else below a step. An object is there
//! whole or not at all, so nothing is written aside. The law about `config` is kept by a conditional write
//! (`If-None-Match: *`). Tree packs are read whole and a few of them kept: a walk needs their blobs one by one.

use std::collections::{BTreeSet, VecDeque};
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use opendal::layers::{RetryLayer, TimeoutLayer};
use opendal::{Buffer, ErrorKind, Operator, services};
use rustic_core::{BytesList, FileType, Id, ReadBackend, RusticResult, WriteBackend};
use secrecy::ExposeSecret;
use stacksnap_common::ids::ProjectId;
use tokio::runtime::Runtime;

use super::{DAMAGED, Location, Place, Storage, missing, path_of, through_rustic};
use crate::vault::Error;

/// One request, without its tries.
const TIMEOUT: Duration = Duration::from_secs(60);
const TRIES: usize = 3;

pub(super) struct Bucket {
    store: Arc<Store>,
    /// As restic names it.
    name: String,
}

/// The client, and the threads that drive it: the vault is used from threads of all kinds.
struct Store {
    operator: Operator,
    runtime: Option<Runtime>,
}

impl Drop for Store {
    fn drop(&mut self) {
        // The last user may be an async task, which must not wait for threads.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Store {
    fn run<T>(&self, request: impl Future<Output = Result<T, opendal::Error>>) -> Result<T, opendal::Error> {
        match &self.runtime {
            Some(runtime) => runtime.block_on(request),
            // Only while it is dropped, when nobody has it any more.
            None => Err(opendal::Error::new(ErrorKind::Unexpected, "the client has ended")),
        }
    }

    fn create(&self, path: &str, content: Buffer) -> Result<bool, opendal::Error> {
        match self.run(async { self.operator.write_with(path, content).if_not_exists(true).await }) {
            Ok(_) => Ok(true),
            Err(error) if matches!(error.kind(), ErrorKind::ConditionNotMatch | ErrorKind::AlreadyExists) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

impl Bucket {
    pub(super) fn new(location: &Location) -> Result<Self, Error> {
        let Location::S3 { endpoint, bucket, prefix, region, access_key, secret_key } = location else {
            return Err(Error::Internal("not an object store's location".to_owned()));
        };
        let unusable = |error: &dyn std::fmt::Display| Error::Settings(format!("{location:?}: {error}"));
        // The first to do so decides for the process; doing it again changes nothing.
        opendal::install_default();
        let service = services::S3::default()
            .endpoint(endpoint)
            .bucket(bucket)
            .root(&format!("/{}/", prefix.trim_matches('/')))
            .region(region)
            .access_key_id(access_key.expose_secret())
            .secret_access_key(secret_key.expose_secret())
            // What is said here is all that counts: no other account's keys from the environment or a metadata service.
            .disable_config_load()
            .disable_ec2_metadata();
        let operator = Operator::new(service)
            .map_err(|error| unusable(&error))?
            .layer(TimeoutLayer::new().with_timeout(TIMEOUT).with_io_timeout(TIMEOUT))
            .layer(RetryLayer::new().with_max_times(TRIES).with_jitter());
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("vault-s3")
            .enable_all()
            .build()
            .map_err(|error| unusable(&error))?;
        let prefix = match prefix.trim_matches('/') {
            "" => String::new(),
            prefix => format!("{prefix}/"),
        };
        let name = format!("s3:{}/{bucket}/{prefix}", endpoint.trim_end_matches('/'));
        Ok(Self { store: Arc::new(Store { operator, runtime: Some(runtime) }), name })
    }

    fn failed(&self, error: &opendal::Error, path: &str) -> Error {
        failed(error, &format!("{}{path}", self.name))
    }
}

fn failed(error: &opendal::Error, what: &str) -> Error {
    let text = format!("{what}: {}", error.to_string().lines().next().unwrap_or_default());
    match error.kind() {
        // An object that is not there is met where it is read: here it is the bucket, for which opendal has no kind.
        ErrorKind::NotFound => Error::Unavailable(format!("{text}; is the bucket there?")),
        ErrorKind::ConfigInvalid if error.to_string().contains("NoSuchBucket") => {
            Error::Unavailable(format!("{what}: there is no such bucket; make it, or mend its name in `vault`"))
        }
        ErrorKind::PermissionDenied => Error::Denied(text),
        ErrorKind::ConfigInvalid | ErrorKind::Unsupported => Error::Settings(text),
        _ => Error::Unavailable(text),
    }
}

impl Place for Bucket {
    fn read(&self, name: &str) -> Result<Option<Vec<u8>>, Error> {
        match self.store.run(self.store.operator.read(name)) {
            Ok(content) => Ok(Some(content.to_vec())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.failed(&error, name)),
        }
    }

    fn create(&self, name: &str, content: &[u8]) -> Result<bool, Error> {
        // Some servers make a bucket by writing into it. A name that was mistyped must not become a new vault.
        let listed = async { self.store.operator.list_with("").limit(1).await };
        self.store.run(listed).map_err(|error| self.failed(&error, ""))?;
        self.store.create(name, Buffer::from(content.to_vec())).map_err(|error| self.failed(&error, name))
    }

    fn projects(&self) -> Result<Vec<ProjectId>, Error> {
        let listed = self.store.run(self.store.operator.list("")).map_err(|error| self.failed(&error, ""))?;
        let mut projects = Vec::new();
        for entry in listed {
            let Some(project) = entry.path().strip_suffix('/').and_then(|name| name.parse::<ProjectId>().ok()) else {
                continue;
            };
            let config = format!("{project}/config");
            let made = self.store.run(self.store.operator.exists(&config));
            if made.map_err(|error| self.failed(&error, &config))? {
                projects.push(project);
            }
        }
        projects.sort();
        Ok(projects)
    }

    fn repository(&self, project: &ProjectId) -> Arc<dyn Storage> {
        Arc::new(Objects {
            store: Arc::clone(&self.store),
            name: format!("{}{project}/", self.name),
            top: format!("{project}/"),
            trees: Mutex::default(),
        })
    }

    fn restic_name(&self, project: &ProjectId) -> String {
        format!("{}{project}", self.name)
    }

    fn lock(&self, _: &ProjectId) -> Result<Option<Box<dyn Send>>, Error> {
        Ok(None)
    }
}

/// One repository.
struct Objects {
    store: Arc<Store>,
    name: String,
    top: String,
    /// Tree packs that were read last, the latest at the back.
    trees: Mutex<VecDeque<(Id, Bytes)>>,
}

/// Bytes of tree packs that are kept for each project.
const TREES: usize = 64 << 20;

impl Objects {
    fn path(&self, kind: FileType, id: &Id) -> String {
        format!("{}{}", self.top, path_of(kind, id))
    }

    fn record_of(&self, id: &Id) -> String {
        format!("{}{DAMAGED}/{}", self.top, id.to_hex().as_str())
    }

    fn failed(&self, error: &opendal::Error, kind: FileType, id: &Id) -> Error {
        let what = format!("{}{}", self.name, path_of(kind, id));
        match error.kind() {
            ErrorKind::NotFound => missing(kind, &what),
            ErrorKind::RangeNotSatisfied => Error::Damaged(format!("{what} is too short")),
            _ => failed(error, &what),
        }
    }

    fn read(&self, kind: FileType, id: &Id) -> Result<Bytes, Error> {
        let content = self.store.run(self.store.operator.read(&self.path(kind, id)));
        content.map(|content| content.to_bytes()).map_err(|error| self.failed(&error, kind, id))
    }

    fn tree_pack(&self, id: &Id) -> Result<Bytes, Error> {
        let trees = || self.trees.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, kept)) = trees().iter().find(|(other, _)| other == id) {
            return Ok(kept.clone());
        }
        let read = self.read(FileType::Pack, id)?;
        let mut trees = trees();
        trees.push_back((*id, read.clone()));
        while trees.len() > 1 && trees.iter().map(|(_, kept)| kept.len()).sum::<usize>() > TREES {
            trees.pop_front();
        }
        Ok(read)
    }

    fn read_part(&self, id: &Id, kind: FileType, tree: bool, offset: u32, length: u32) -> Result<Bytes, Error> {
        let (start, end) = (u64::from(offset), u64::from(offset) + u64::from(length));
        let part = if tree {
            let pack = self.tree_pack(id)?;
            pack.get(start as usize..end as usize).map(|part| pack.slice_ref(part))
        } else {
            let read = async { self.store.operator.read_with(&self.path(kind, id)).range(start..end).await };
            let read = self.store.run(read).map_err(|error| self.failed(&error, kind, id))?;
            Some(read.to_bytes()).filter(|read| read.len() == length as usize)
        };
        part.ok_or_else(|| Error::Damaged(format!("{}{} is too short", self.name, path_of(kind, id))))
    }

    fn listed(&self, kind: FileType) -> Result<Vec<(Id, u32)>, Error> {
        if kind == FileType::Config {
            let path = self.path(kind, &Id::default());
            return match self.store.run(self.store.operator.stat(&path)) {
                Ok(meta) => Ok(vec![(Id::default(), u32::try_from(meta.content_length()).unwrap_or(u32::MAX))]),
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
                Err(error) => Err(failed(&error, &format!("{}config", self.name))),
            };
        }
        let directory = format!("{}{}/", self.top, kind.dirname());
        let listed = async { self.store.operator.list_with(&directory).recursive(true).await };
        let listed =
            self.store.run(listed).map_err(|error| failed(&error, &format!("{}{}", self.name, kind.dirname())))?;
        let name = |path: &str| path.rsplit('/').next().and_then(|name| name.parse().ok());
        let size = |length| u32::try_from(length).unwrap_or(u32::MAX);
        Ok(listed
            .iter()
            .filter_map(|entry| Some((name(entry.path())?, size(entry.metadata().content_length()))))
            .collect())
    }
}

impl Storage for Objects {
    fn damaged(&self) -> Result<BTreeSet<Id>, Error> {
        let top = format!("{}{DAMAGED}/", self.top);
        let listed = self.store.run(async { self.store.operator.list(&top).await });
        let listed = listed.map_err(|error| failed(&error, &format!("{}{DAMAGED}", self.name)))?;
        Ok(listed.iter().filter_map(|entry| entry.path().rsplit('/').next()?.parse().ok()).collect())
    }

    fn record(&self, id: &Id) -> Result<(), Error> {
        let path = self.record_of(id);
        let written = self.store.run(self.store.operator.write(&path, Buffer::new()));
        written.map(drop).map_err(|error| failed(&error, &format!("{}{DAMAGED}", self.name)))
    }

    fn absolve(&self, id: &Id) -> Result<(), Error> {
        let removed = self.store.run(self.store.operator.delete(&self.record_of(id)));
        removed.map_err(|error| failed(&error, &format!("{}{DAMAGED}", self.name)))
    }

    fn lacks(&self, pack: &Id) -> Result<bool, Error> {
        let path = self.path(FileType::Pack, pack);
        match self.store.run(self.store.operator.stat(&path)) {
            Ok(_) => Ok(false),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(true),
            Err(error) => Err(failed(&error, &path)),
        }
    }

    fn sweep(&self, _: Duration) -> Result<u64, Error> {
        Ok(0)
    }

    fn as_backend(self: Arc<Self>) -> Arc<dyn WriteBackend> {
        self
    }
}

impl ReadBackend for Objects {
    fn location(&self) -> String {
        self.name.clone()
    }

    fn list_with_size(&self, kind: FileType) -> RusticResult<Vec<(Id, u32)>> {
        self.listed(kind).map_err(through_rustic)
    }

    fn read_full(&self, kind: FileType, id: &Id) -> RusticResult<Bytes> {
        // What is read whole is read anew: what was kept of it may be what a fault has left.
        self.trees.lock().unwrap_or_else(PoisonError::into_inner).retain(|(other, _)| other != id);
        self.read(kind, id).map_err(through_rustic)
    }

    fn read_partial(&self, kind: FileType, id: &Id, tree: bool, offset: u32, length: u32) -> RusticResult<Bytes> {
        self.read_part(id, kind, tree, offset, length).map_err(through_rustic)
    }

    fn warmup_path(&self, kind: FileType, id: &Id) -> String {
        self.path(kind, id)
    }
}

impl WriteBackend for Objects {
    fn write_bytes(&self, kind: FileType, id: &Id, _: bool, content: BytesList) -> RusticResult<()> {
        let path = self.path(kind, id);
        let content = Buffer::from(content.into_vec());
        let written = if kind == FileType::Config {
            match self.store.create(&path, content) {
                Ok(true) => Ok(()),
                Ok(false) => return Err(through_rustic(Error::Raced(self.name.clone()))),
                Err(error) => Err(error),
            }
        } else {
            self.store.run(self.store.operator.write(&path, content)).map(drop)
        };
        written.map_err(|error| through_rustic(failed(&error, &format!("{}{}", self.name, path_of(kind, id)))))
    }

    fn remove(&self, kind: FileType, id: &Id, _: bool) -> RusticResult<()> {
        // Two that remove the same both succeed, by S3's own rule.
        let removed = self.store.run(self.store.operator.delete(&self.path(kind, id)));
        removed.map_err(|error| through_rustic(self.failed(&error, kind, id)))
    }
}
