//! What a stack is made of, and what a snapshot of it leaves behind: the words of the design, as types.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::ids::{PoolName, ResourceName, StepId};
use crate::store::backend::Millis;

/// One member of a stack, resolved: no intrinsic functions are left in its properties.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Resource {
    pub name: ResourceName,
    /// `Stacksnap::Directory`, `OS::Cinder::Volume`, …
    #[serde(rename = "type")]
    pub kind: String,
    /// The physical id: what exists already. A path, a database's name, a volume's id.
    pub external_id: Option<String>,
    #[serde(default)]
    pub properties: BTreeMap<String, Value>,
    #[serde(default)]
    pub depends_on: Vec<ResourceName>,
    #[serde(default)]
    pub pool: PoolName,
    /// What the service itself keeps of it: of a native type its state; see `native/`. Else `Null`.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub data: Value,
}

/// What becomes of a stack's resources when its definition changes. Names, each in the order of the new definition; those
/// removed in the order of the old one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changes {
    pub added: Vec<ResourceName>,
    /// Of another type, physical id, pool or properties than before.
    pub changed: Vec<ResourceName>,
    pub removed: Vec<ResourceName>,
}

impl Changes {
    pub fn between(old: &[Resource], new: &[Resource]) -> Self {
        let before: BTreeMap<_, _> = old.iter().map(|resource| (&resource.name, resource)).collect();
        let after: BTreeSet<_> = new.iter().map(|resource| &resource.name).collect();
        let mut changes = Self::default();
        for resource in new {
            match before.get(&resource.name) {
                None => changes.added.push(resource.name.clone()),
                Some(before) if !before.is_the_same(resource) => changes.changed.push(resource.name.clone()),
                Some(_) => {}
            }
        }
        let gone = old.iter().filter(|resource| !after.contains(&resource.name));
        changes.removed = gone.map(|resource| resource.name.clone()).collect();
        changes
    }

    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.changed.is_empty() && self.removed.is_empty()
    }
}

impl Resource {
    /// Whether another definition names the same thing and says the same of it. What it depends on is not of the thing.
    fn is_the_same(&self, other: &Self) -> bool {
        (&self.kind, &self.external_id, &self.properties, &self.pool, &self.data)
            == (&other.kind, &other.external_id, &other.properties, &other.pool, &other.data)
    }
}

/// What a snapshot makes of a volume.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum VolumeMode {
    /// A copy of its bytes by the cloud's backup service, apart from the volume's own backend.
    #[default]
    #[serde(rename = "backup")]
    Backup,
    /// A point in time on the volume's own backend: fast, and lost with the backend.
    #[serde(rename = "snapshot")]
    Snapshot,
    /// The point in time by a snapshot, the copy by a backup of it; then the snapshot is removed.
    #[serde(rename = "snapshot+backup")]
    SnapshotAndBackup,
}

/// What a snapshot does to a server while it and its volumes are cut.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ServerMode {
    /// Nothing: the cut is what a power cut would have left.
    #[default]
    Run,
    /// One that runs is stopped before, and started again afterwards.
    Stop,
}

impl ServerMode {
    pub fn is_run(&self) -> bool {
        *self == Self::Run
    }
}

/// How much of a point in time a snapshot really is. Ordered: a later one promises more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Consistency {
    /// No point in time: what was copied first may be older than what was copied last.
    None,
    /// What a power cut would have left, of one resource.
    Crash,
    /// What a power cut would have left, of all resources at the same moment.
    Group,
    /// The application had made itself consistent, or gave a consistent view itself.
    Application,
}

/// What a step left behind for a resource: enough to restore, verify and discard it, on any worker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Artifact {
    pub resource: ResourceName,
    #[serde(rename = "type")]
    pub kind: String,
    /// The step that made it; what is outside carries the same id.
    pub step: StepId,
    /// The fence under which it was made; of two entries of one step the higher wins.
    pub fence: u64,
    /// Whether it can bring the resource's data back. If not, `why` says why not.
    pub protected: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    pub consistency: Consistency,
    /// When the point in time was taken, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cut_at: Option<Millis>,
    /// The vault's entry, where the bytes are in the vault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry: Option<String>,
    /// Bytes of the resource, as a reader of it would count them.
    pub bytes: u64,
    /// Bytes that this artifact added to the vault, after deduplication and compression.
    pub bytes_added: u64,
    pub files: u64,
    /// SHA-256 over the content, hexadecimal, as the driver defines it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// What a person should know: files that changed while they were copied, what could not be read. At most 1,000.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// All of it is in `data`: it has nothing outside that would have to be looked for, verified or removed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub inline: bool,
    /// The driver's own.
    #[serde(default)]
    pub data: Value,
}

impl Artifact {
    /// Of a copy of which nothing else is to be told.
    pub fn made(resource: &Resource, step: StepId, fence: u64) -> Self {
        Self {
            resource: resource.name.clone(),
            kind: resource.kind.clone(),
            step,
            fence,
            protected: true,
            why: None,
            consistency: Consistency::None,
            cut_at: None,
            entry: None,
            bytes: 0,
            bytes_added: 0,
            files: 0,
            digest: None,
            warnings: Vec::new(),
            inline: false,
            data: Value::Null,
        }
    }

    /// For a resource whose data nothing here can protect.
    pub fn unprotected(resource: &Resource, step: StepId, fence: u64, why: impl Into<String>) -> Self {
        Self { protected: false, why: Some(why.into()), ..Self::made(resource, step, fence) }
    }

    /// For a resource that was gone, or could not be read, when its copy was tried: what `tried` left is taken away with
    /// the snapshot.
    pub fn given_up(resource: &Resource, step: StepId, fence: u64, why: impl Into<String>, tried: &[StepId]) -> Self {
        Self { data: json!({ "tried": tried }), ..Self::unprotected(resource, step, fence, why) }
    }

    /// The steps whose effects a discard of this artifact has to look for.
    pub fn made_by(&self) -> Vec<StepId> {
        if self.inline {
            return Vec::new();
        }
        if self.protected {
            return vec![self.step];
        }
        serde_json::from_value(self.data["tried"].clone()).unwrap_or_default()
    }
}

/// What a restore of one resource would do, or did.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Preview {
    /// Entries (files, tables, the resource itself) that would be made anew.
    pub creates: u64,
    pub overwrites: u64,
    pub removes: u64,
    pub unchanged: u64,
    /// Bytes that would be written.
    pub bytes: u64,
    /// Some of each, named, for a person to look at: `overwrite a/b`, `remove c`. At most 100.
    pub sample: Vec<String>,
    /// What stands in the way; a restore would be refused.
    pub blockers: Vec<String>,
    /// What will be left as it is: mount points, what is excluded, owners that can't be set.
    pub notes: Vec<String>,
    /// Of a restore that is done: the resource's physical id, where it may be another than before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub physical_id: Option<String>,
}

/// What `verify` found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    pub ok: bool,
    /// Bytes read and compared.
    pub bytes: u64,
    #[serde(default)]
    pub problems: Vec<String>,
}

/// A step's counters, as a caller sees them while it runs. Bytes and files; `None` where a total is not known.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    pub bytes: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes_total: Option<u64>,
    pub files: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files_total: Option<u64>,
    /// Bytes a second, over the last few seconds.
    #[serde(default)]
    pub rate: u64,
}
