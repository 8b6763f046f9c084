//! What there is in the fake Trove, and how it moves with time.
//!
//! Whatever takes time has its `due`: when it is over, and what it is then. Nothing runs in the background: before
//! anybody looks, [`State::up_to_now`] brings everything up to now, in the order in which things came due.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::super::wire::Wire;

/// How long things take.
#[derive(Debug, Clone, Copy, Default)]
pub struct Delays {
    pub backup: Duration,
    /// Of an instance from a backup.
    pub build: Duration,
    /// Of a backup or an instance.
    pub delete: Duration,
}

/// How many of each there may be in a project.
#[derive(Debug, Clone, Copy)]
pub struct Quota {
    pub instances: usize,
    pub backups: usize,
}

impl Default for Quota {
    fn default() -> Self {
        Self { instances: 1000, backups: 1000 }
    }
}

/// The object store that backups go to, as far as Trove looks at it before it begins (`verify_swift_auth_token`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Swift {
    #[default]
    There,
    /// The project's account can't be read.
    Refuses,
    /// The catalogue has none.
    Missing,
    Away,
}

/// Something that takes time and ends badly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ends {
    BackupFailed,
    /// An instance that is made ends in `ERROR`.
    BuildInError,
    /// Of a backup: it stays, as `DELETE_FAILED`. So until 2023; newer releases show it no more, and leave its object.
    DeleteFailed,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) instances: BTreeMap<String, Instance>,
    pub(super) backups: BTreeMap<String, Backup>,
    pub(super) delays: Delays,
    pub(super) quota: Quota,
    pub(super) swift: Swift,
    /// 0: 20, as Trove has it.
    pub(super) page: usize,
    pub(super) held: bool,
    pub(super) ends: Vec<Ends>,
    pub(super) always: Vec<Ends>,
    pub(super) counted: BTreeMap<String, usize>,
    pub(super) port: u16,
    pub(super) wire: Wire,
    made: u64,
}

#[derive(Debug, Clone)]
pub struct Instance {
    pub id: String,
    pub project: String,
    pub name: String,
    /// Apart from the backups that are made of it: `BUILD`, `ACTIVE`, `ERROR`, `SHUTDOWN`, …
    pub status: String,
    pub datastore: String,
    pub version: String,
    pub flavor: String,
    /// GiB.
    pub size: u64,
    pub network: String,
    pub configuration: Option<String>,
    pub replica_of: Option<String>,
    pub cluster: Option<String>,
    pub availability_zone: Option<String>,
    pub locality: Option<String>,
    pub public: bool,
    pub allowed_cidrs: Vec<String>,
    pub fault: Option<String>,
    pub created: String,
    /// What it was made from.
    pub backup: Option<String>,
    pub content: Vec<u8>,
    pub(super) due: Option<(Instant, Next)>,
}

#[derive(Debug, Clone)]
pub struct Backup {
    pub id: String,
    pub project: String,
    pub name: String,
    pub description: Option<String>,
    pub status: String,
    pub instance: String,
    /// What it is built on.
    pub parent: Option<String>,
    /// GB.
    pub size: Option<f64>,
    pub datastore: (String, String),
    pub created: String,
    /// Grows with each change: the order of lists.
    pub updated: u64,
    pub content: Vec<u8>,
    pub(super) due: Option<(Instant, Next)>,
}

/// What becomes of something that takes time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Next {
    /// It is there.
    Made,
    /// It is not.
    Failed,
    Deleted,
    /// It stays as `DELETE_FAILED`.
    NotDeleted,
}

impl Backup {
    /// `trove/backup/state.py`, `RUNNING_STATES`.
    pub(super) fn runs(&self) -> bool {
        ["NEW", "BUILDING", "SAVING"].contains(&self.status.as_str())
    }
}

impl State {
    pub(super) fn id(&mut self) -> String {
        self.made += 1;
        format!("{:08x}-0000-4000-8000-{:012x}", 0xda7a_0000_u32, self.made)
    }

    /// Another moment than all before.
    pub(super) fn tick(&mut self) -> u64 {
        self.made += 1;
        self.made
    }

    /// To the second, as Trove's database keeps it.
    pub(super) fn now() -> String {
        #[expect(clippy::disallowed_methods, reason = "this is the cloud's own clock")]
        let now = Timestamp::now();
        now.strftime("%Y-%m-%dT%H:%M:%S").to_string()
    }

    /// Something that has just begun: when it is over, and how.
    pub(super) fn due(&mut self, after: Duration, kind: Ends, well: Next, badly: Next) -> Option<(Instant, Next)> {
        let told = self.ends.iter().position(|ends| *ends == kind);
        let fails = self.always.contains(&kind) || told.map(|place| self.ends.remove(place)).is_some();
        Some((Instant::now() + after, if fails { badly } else { well }))
    }

    /// Brings everything up to now.
    pub(super) fn up_to_now(&mut self) {
        let now = Instant::now();
        while !self.held {
            let due = |due: &Option<(Instant, Next)>| due.as_ref().map(|(at, _)| *at).filter(|at| *at <= now);
            let instances = self.instances.values().map(|it| (due(&it.due), true, &it.id));
            let backups = self.backups.values().map(|it| (due(&it.due), false, &it.id));
            let first = instances.chain(backups).filter_map(|(at, is, id)| Some((at?, is, id))).min_by_key(|it| it.0);
            let Some((_, is_instance, id)) = first.map(|(at, is, id)| (at, is, id.clone())) else { return };
            if is_instance { self.settle_instance(&id) } else { self.settle_backup(&id) }
        }
    }

    fn settle_instance(&mut self, id: &str) {
        let Some(instance) = self.instances.get_mut(id) else { return };
        let next = instance.due.take().map(|(_, next)| next);
        let from = instance.backup.clone();
        match next {
            Some(Next::Made) => {
                // The guest reads the backup and all that it is built on.
                let content = from.map_or_else(|| Some(Vec::new()), |backup| self.chain(&backup));
                let Some(instance) = self.instances.get_mut(id) else { return };
                match content {
                    Some(content) => (instance.status, instance.content) = ("ACTIVE".to_owned(), content),
                    None => {
                        instance.status = "ERROR".to_owned();
                        instance.fault = Some("Failed to restore: the backup's parent can't be read".to_owned());
                    }
                }
            }
            Some(Next::Failed) => {
                instance.status = "ERROR".to_owned();
                instance.fault = Some("Error creating server: no valid host was found".to_owned());
            }
            Some(Next::Deleted) => drop(self.instances.remove(id)),
            Some(Next::NotDeleted) | None => {}
        }
    }

    /// What a backup brings back. `None`: something that it is built on is gone.
    fn chain(&self, backup: &str) -> Option<Vec<u8>> {
        let backup = self.backups.get(backup)?;
        if let Some(parent) = &backup.parent {
            self.chain(parent)?;
        }
        Some(backup.content.clone())
    }

    fn settle_backup(&mut self, id: &str) {
        let updated = self.tick();
        let Some(backup) = self.backups.get_mut(id) else { return };
        let next = backup.due.take().map(|(_, next)| next);
        backup.updated = updated;
        match next {
            Some(Next::Made) => {
                backup.status = "COMPLETED".to_owned();
                backup.size = Some(0.14);
            }
            Some(Next::Failed) => backup.status = "FAILED".to_owned(),
            Some(Next::Deleted) => drop(self.backups.remove(id)),
            Some(Next::NotDeleted) => backup.status = "DELETE_FAILED".to_owned(),
            None => {}
        }
    }

    pub(super) fn put_instance(&mut self, project: &str, content: &[u8]) -> String {
        let (id, created) = (self.id(), Self::now());
        let instance = Instance {
            id: id.clone(),
            project: project.to_owned(),
            name: "orders".to_owned(),
            status: "ACTIVE".to_owned(),
            datastore: "mysql".to_owned(),
            version: "8.0".to_owned(),
            flavor: "6".to_owned(),
            size: 2,
            network: "3dc8f3c2-f335-11eb-878c-00224d6b7bc1".to_owned(),
            configuration: None,
            replica_of: None,
            cluster: None,
            availability_zone: None,
            locality: None,
            public: false,
            allowed_cidrs: Vec::new(),
            fault: None,
            created,
            backup: None,
            content: content.to_vec(),
            due: None,
        };
        self.instances.insert(id.clone(), instance);
        id
    }
}
