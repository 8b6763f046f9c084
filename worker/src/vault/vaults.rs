//! All projects' repositories: one place, one master key, and how much of their indexes is held.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use secrecy::SecretString;
use stacksnap_common::ids::ProjectId;
use tokio::sync::Semaphore;
use uuid::Uuid;

use super::open::{Indexes, Project};
use super::storage::{self, Location, MARKER, Place};
use super::{Error, MasterKey, Vault};
use crate::driver::{self, VaultSource};

#[derive(Debug, Clone)]
pub struct Settings {
    pub location: Location,
    /// How many bytes of index may be held in memory, over all projects, beside what is in use.
    pub index_bytes: u64,
    /// Which password of a project opens its repository; see [`MasterKey::password`].
    pub key_generation: u32,
}

impl Settings {
    pub fn new(location: Location) -> Self {
        Self { location, index_bytes: 256 << 20, key_generation: 1 }
    }
}

/// What restic needs to open a project's repository.
#[derive(Debug)]
pub struct ResticAccess {
    /// For `-r` or `RESTIC_REPOSITORY`.
    pub repository: String,
    /// For `RESTIC_PASSWORD`.
    pub password: SecretString,
}

/// Every vault of this deployment. Cheap to clone.
#[derive(Clone)]
pub struct Vaults(Arc<Shared>);

struct Shared {
    common: Arc<Common>,
    /// The marker, once seen, or as the store has it. It is looked at again before a repository is made.
    marker: Mutex<Option<Uuid>>,
    projects: Mutex<HashMap<ProjectId, Arc<Project>>>,
}

/// What every project needs.
pub(super) struct Common {
    pub(super) place: Arc<dyn Place>,
    pub(super) settings: Settings,
    pub(super) master: MasterKey,
    pub(super) indexes: Indexes,
    /// Calls that block threads at the same time.
    permits: Arc<Semaphore>,
}

/// More calls than that at once wait. A worker's data slots are far fewer; the rest are short.
const CALLS: usize = 64;

impl Vaults {
    /// Touches nothing yet.
    pub fn new(settings: Settings, master: MasterKey) -> Result<Self, Error> {
        let common = Arc::new(Common {
            place: storage::place(&settings.location)?,
            indexes: Indexes::new(settings.index_bytes),
            settings,
            master,
            permits: Arc::new(Semaphore::new(CALLS)),
        });
        Ok(Self(Arc::new(Shared { common, marker: Mutex::default(), projects: Mutex::default() })))
    }

    /// The id of this vault, made at its first use. Two workers with the same marker see the same vault.
    pub async fn marker(&self) -> Result<Uuid, Error> {
        let shared = Arc::clone(&self.0);
        self.0.common.run(move || shared.marker()).await
    }

    /// The vault's id as it is there now; none where there is no vault. Makes nothing.
    pub async fn found(&self) -> Result<Option<Uuid>, Error> {
        let shared = Arc::clone(&self.0);
        self.0.common.run(move || shared.read_marker()).await
    }

    /// From now on only the vault of this id is used; where another one is found, or none, that is
    /// [`Error::Unavailable`].
    pub fn expect(&self, id: Uuid) {
        *self.0.marker.lock().unwrap_or_else(PoisonError::into_inner) = Some(id);
    }

    /// The project's repository, opened, or made if there is none.
    ///
    /// [`Error::WrongKey`] if the master key is another than the one it was made with, [`Error::Damaged`] if its
    /// configuration or key can't be read, [`Error::Unavailable`] if the place is not there.
    pub async fn project(&self, project: &ProjectId) -> Result<Vault, Error> {
        let (shared, project) = (Arc::clone(&self.0), project.clone());
        self.0.common.run(move || shared.project(&project, true)).await.map(Vault)
    }

    /// As [`Vaults::project`], but [`Error::NotFound`] where there is none.
    pub async fn existing(&self, project: &ProjectId) -> Result<Vault, Error> {
        let (shared, project) = (Arc::clone(&self.0), project.clone());
        self.0.common.run(move || shared.project(&project, false)).await.map(Vault)
    }

    /// The projects that have a repository, sorted.
    pub async fn projects(&self) -> Result<Vec<ProjectId>, Error> {
        let place = Arc::clone(&self.0.common.place);
        self.0.common.run(move || place.projects()).await
    }

    /// For the operator's own restic.
    pub fn restic_access(&self, project: &ProjectId) -> ResticAccess {
        ResticAccess {
            repository: self.0.common.place.restic_name(project),
            password: self.0.common.master.password(project, self.0.common.settings.key_generation),
        }
    }

    /// Bytes of index that are held open now.
    pub fn open_bytes(&self) -> u64 {
        self.0.common.indexes.bytes()
    }
}

#[async_trait]
impl VaultSource for Vaults {
    async fn vault(&self, project: &ProjectId) -> Result<Vault, driver::Error> {
        Ok(self.project(project).await?)
    }

    async fn projects(&self) -> Result<Vec<ProjectId>, driver::Error> {
        Ok(Vaults::projects(self).await?)
    }
}

impl Common {
    /// Runs what blocks on a thread that may.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        call: impl FnOnce() -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let permit = Arc::clone(&self.permits).acquire_owned().await;
        let call = move || {
            let _permit = permit;
            call()
        };
        match tokio::task::spawn_blocking(call).await {
            Ok(result) => result,
            Err(error) if error.is_panic() => {
                // The panic's own message has gone to the log, by the hook.
                Err(Error::Internal("a panic while the vault was used; the log says where".to_owned()))
            }
            Err(_) => Err(Error::Unavailable("this process is ending".to_owned())),
        }
    }
}

impl Shared {
    fn read_marker(&self) -> Result<Option<Uuid>, Error> {
        let Some(text) = self.common.place.read(MARKER)? else { return Ok(None) };
        let parsed = std::str::from_utf8(&text).ok().and_then(|text| Uuid::parse_str(text.trim()).ok());
        parsed.map(Some).ok_or_else(|| {
            Error::Damaged(format!("{MARKER} in {:?} holds no id; restore it", self.common.settings.location))
        })
    }

    fn marker(&self) -> Result<Uuid, Error> {
        let mut seen = self.marker.lock().unwrap_or_else(PoisonError::into_inner);
        let read = || self.read_marker();
        let found = match (read(), *seen) {
            (Ok(Some(found)), _) => found,
            (Ok(None) | Err(Error::Unavailable(_)), None) => {
                self.common.place.create(MARKER, format!("{}\n", Uuid::new_v4()).as_bytes())?;
                read()?.ok_or_else(|| Error::Unavailable(format!("{MARKER} was written and is not there")))?
            }
            (Ok(None), Some(_)) => {
                return Err(Error::Unavailable(format!(
                    "{MARKER} is not in {:?}, where the vault is that this store's snapshots are in; is its disk mounted?",
                    self.common.settings.location
                )));
            }
            (Err(error), _) => return Err(error),
        };
        if let Some(before) = seen.replace(found)
            && before != found
        {
            *seen = Some(before);
            return Err(Error::Unavailable(format!(
                "{:?} is another vault ({found}) than the one that this store's snapshots are in ({before}); is the right \
                 disk mounted, and vault.path the same for all? If it is to take that one's place, run \
                 `stacksnap catalog rebuild`",
                self.common.settings.location
            )));
        }
        Ok(found)
    }

    fn project(&self, id: &ProjectId, make: bool) -> Result<Arc<Project>, Error> {
        if let Some(project) = self.projects.lock().unwrap_or_else(PoisonError::into_inner).get(id) {
            return Ok(Arc::clone(project));
        }
        let expected = self.marker.lock().unwrap_or_else(PoisonError::into_inner).is_some();
        if make || expected {
            // An unmounted disk must not look like a vault without repositories.
            self.marker()?;
        }
        let opened = Arc::new(Project::open(&self.common, id, make)?);
        let mut projects = self.projects.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(Arc::clone(projects.entry(id.clone()).or_insert(opened)))
    }
}
