//! What there is in the fake Cinder, and how it moves with time.
//!
//! Whatever takes time has its `due`: when it is over, and what it is then. Nothing runs in the background: before
//! anybody looks, [`State::up_to_now`] brings everything up to now, in the order in which things came due.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::super::wire::Wire;
use super::faults::{Ends, Faults};

/// How long things take.
#[derive(Debug, Clone, Copy, Default)]
pub struct Delays {
    pub volume: Duration,
    pub snapshot: Duration,
    pub backup: Duration,
    /// Of a backup into a volume, and of a volume to a snapshot.
    pub restore: Duration,
    pub delete: Duration,
}

/// How many of each there may be in a project.
#[derive(Debug, Clone, Copy)]
pub struct Quota {
    pub volumes: usize,
    pub snapshots: usize,
    pub backups: usize,
}

impl Default for Quota {
    fn default() -> Self {
        Self { volumes: 1000, snapshots: 1000, backups: 1000 }
    }
}

#[derive(Debug, Default)]
pub(in super::super) struct State {
    pub(in super::super) volumes: BTreeMap<String, Volume>,
    pub(super) snapshots: BTreeMap<String, Snapshot>,
    pub(super) backups: BTreeMap<String, Backup>,
    pub(super) groups: BTreeMap<String, Group>,
    pub(super) group_snapshots: BTreeMap<String, GroupSnapshot>,
    pub(super) delays: Delays,
    pub(super) quota: Quota,
    pub(super) held: bool,
    pub(super) faults: Faults,
    pub(super) wire: Wire,
    made: u64,
}

#[derive(Debug, Clone)]
pub struct Volume {
    pub id: String,
    pub project: String,
    pub name: Option<String>,
    pub description: Option<String>,
    pub status: String,
    /// GiB.
    pub size: u64,
    pub kind: String,
    pub bootable: bool,
    pub metadata: BTreeMap<String, String>,
    /// The servers that use it, each with its device.
    pub attached: BTreeMap<String, String>,
    pub created: String,
    pub snapshot: Option<String>,
    pub group: Option<String>,
    pub content: Vec<u8>,
    pub(super) due: Option<(Instant, Next)>,
}

#[derive(Debug, Clone)]
pub struct Snapshot {
    pub id: String,
    pub project: String,
    pub name: Option<String>,
    pub description: Option<String>,
    pub status: String,
    pub volume: String,
    pub size: u64,
    pub metadata: BTreeMap<String, String>,
    /// The group's snapshot that it is a part of.
    pub group_snapshot: Option<String>,
    pub created: String,
    pub content: Vec<u8>,
    pub(super) due: Option<(Instant, Next)>,
}

#[derive(Debug, Clone)]
pub(super) struct Group {
    pub(super) id: String,
    pub(super) project: String,
    pub(super) name: Option<String>,
    pub(super) description: Option<String>,
    pub(super) status: String,
    pub(super) created: String,
}

#[derive(Debug, Clone)]
pub struct GroupSnapshot {
    pub id: String,
    pub project: String,
    pub group: String,
    pub name: Option<String>,
    pub description: Option<String>,
    pub status: String,
    pub created: String,
    pub(super) due: Option<(Instant, Next)>,
}

#[derive(Debug, Clone)]
pub struct Backup {
    pub id: String,
    pub project: String,
    pub name: Option<String>,
    pub description: Option<String>,
    pub status: String,
    pub volume: String,
    pub snapshot: Option<String>,
    pub size: u64,
    /// What it is built on.
    pub parent: Option<String>,
    pub metadata: BTreeMap<String, String>,
    pub fail_reason: Option<String>,
    pub created: String,
    pub data_timestamp: String,
    pub content: Vec<u8>,
    /// The volume that it is being written into.
    pub(super) into: Option<String>,
    pub(super) due: Option<(Instant, Next)>,
}

/// What becomes of something that takes time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Next {
    /// It is there.
    Made,
    /// It is not, and why.
    Failed(String),
    Deleted,
    /// It stays as `error_deleting`.
    NotDeleted,
    /// A backup is in the volume; `None`: it is not.
    Restored(bool),
    /// The volume is as its snapshot.
    Reverted {
        snapshot: String,
        well: bool,
    },
}

/// Of what kind something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Of {
    Volume,
    Snapshot,
    GroupSnapshot,
    Backup,
}

impl State {
    pub(super) fn id(&mut self) -> String {
        self.made += 1;
        format!("{:08x}-0000-4000-8000-{:012x}", 0xc1de_0000_u32, self.made)
    }

    /// To the second, as Cinder's database keeps it.
    pub(in super::super) fn now() -> String {
        #[expect(clippy::disallowed_methods, reason = "this is the cloud's own clock")]
        let now = Timestamp::now();
        now.strftime("%Y-%m-%dT%H:%M:%S.000000").to_string()
    }

    /// Brings everything up to now.
    pub(in super::super) fn up_to_now(&mut self) {
        let now = Instant::now();
        while !self.held {
            let due = |due: &Option<(Instant, Next)>| due.as_ref().map(|(at, _)| *at).filter(|at| *at <= now);
            let volumes = self.volumes.values().map(|it| (due(&it.due), Of::Volume, &it.id));
            let snapshots = self.snapshots.values().map(|it| (due(&it.due), Of::Snapshot, &it.id));
            let backups = self.backups.values().map(|it| (due(&it.due), Of::Backup, &it.id));
            let groups = self.group_snapshots.values().map(|it| (due(&it.due), Of::GroupSnapshot, &it.id));
            let all = volumes.chain(snapshots).chain(groups).chain(backups);
            let first = all.filter_map(|(at, of, id)| Some((at?, of, id))).min_by_key(|(at, ..)| *at);
            let Some((_, of, id)) = first.map(|(at, of, id)| (at, of, id.clone())) else { return };
            match of {
                Of::Volume => self.settle_volume(&id),
                Of::Snapshot => self.settle_snapshot(&id),
                Of::GroupSnapshot => self.settle_group_snapshot(&id),
                Of::Backup => self.settle_backup(&id),
            }
        }
    }

    /// Something that has just begun: when it is over, and how. `well`: what it is then if nothing was told to fail.
    pub(super) fn due(&mut self, after: Duration, kind: Ends, well: Next, badly: Next) -> Option<(Instant, Next)> {
        let next = if self.faults.ends(kind) { badly } else { well };
        Some((Instant::now() + after, next))
    }

    fn settle_volume(&mut self, id: &str) {
        let Some(volume) = self.volumes.get_mut(id) else { return };
        match volume.due.take().map(|(_, next)| next) {
            Some(Next::Made) => volume.status = "available".to_owned(),
            Some(Next::Failed(_)) => volume.status = "error".to_owned(),
            Some(Next::Deleted) => drop(self.volumes.remove(id)),
            Some(Next::NotDeleted) => volume.status = "error_deleting".to_owned(),
            Some(Next::Reverted { snapshot, well }) => {
                if well && let Some(snapshot) = self.snapshots.get(&snapshot) {
                    volume.content.clone_from(&snapshot.content);
                }
                volume.status = if well { "available" } else { "error" }.to_owned();
                if let Some(snapshot) = self.snapshots.get_mut(&snapshot) {
                    snapshot.status = "available".to_owned();
                }
            }
            Some(Next::Restored(_)) | None => {}
        }
    }

    fn settle_snapshot(&mut self, id: &str) {
        let Some(snapshot) = self.snapshots.get_mut(id) else { return };
        match snapshot.due.take().map(|(_, next)| next) {
            Some(Next::Made) => snapshot.status = "available".to_owned(),
            Some(Next::Failed(_)) => snapshot.status = "error".to_owned(),
            Some(Next::Deleted) => drop(self.snapshots.remove(id)),
            Some(Next::NotDeleted) => snapshot.status = "error_deleting".to_owned(),
            _ => {}
        }
    }

    fn settle_backup(&mut self, id: &str) {
        let Some(backup) = self.backups.get_mut(id) else { return };
        match backup.due.take().map(|(_, next)| next) {
            Some(Next::Made) => {
                backup.status = "available".to_owned();
                self.backed_up(id);
            }
            Some(Next::Failed(why)) => {
                backup.status = "error".to_owned();
                backup.fail_reason = Some(why);
                self.backed_up(id);
            }
            Some(Next::Deleted) => drop(self.backups.remove(id)),
            Some(Next::NotDeleted) => backup.status = "error_deleting".to_owned(),
            Some(Next::Restored(well)) => {
                backup.status = "available".to_owned();
                let (content, into) = (backup.content.clone(), backup.into.take());
                if let Some(volume) = into.and_then(|into| self.volumes.get_mut(&into)) {
                    volume.status = if well { "available" } else { "error_restoring" }.to_owned();
                    // What fails has written something by then.
                    volume.content = if well { content } else { content[..content.len() / 2].to_vec() };
                }
            }
            Some(Next::Reverted { .. }) | None => {}
        }
    }

    /// What was backed up is free again.
    fn backed_up(&mut self, id: &str) {
        let Some(backup) = self.backups.get(id) else { return };
        if let Some(snapshot) = backup.snapshot.as_ref().and_then(|snapshot| self.snapshots.get_mut(snapshot)) {
            snapshot.status = "available".to_owned();
        } else if let Some(volume) = self.volumes.get_mut(&backup.volume) {
            volume.status = if volume.attached.is_empty() { "available" } else { "in-use" }.to_owned();
        }
    }

    pub(super) fn dependents(&self, backup: &str) -> bool {
        self.backups.values().any(|other| other.parent.as_deref() == Some(backup))
    }

    pub(super) fn lose_volume(&mut self, volume: &str) {
        self.volumes.remove(volume);
        self.snapshots.retain(|_, snapshot| snapshot.volume != volume);
    }
}
