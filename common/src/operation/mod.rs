//! Operations: what one run is, which stages it goes through, and what follows what.
//!
//! An operation works on *items*: one for each resource it touches, and one last for the whole (seal, unseal). It goes
//! through its *stages* in order; a stage runs one verb on a range of items, each of them a step. `plan.rs` makes items
//! and stages from a request (pure), `stage.rs` says what a stage is; `heat.rs` adds to a plan what a stack
//! of a real Heat needs (pure); `machine.rs` says what comes next (pure). Nothing here reads a clock or does I/O.
//!
//! The records here are what the store holds. They carry `schema`; fields that a reader does not know are kept in
//! `other` and written back, so that old and new versions run side by side.

pub mod heat;
pub mod machine;
pub mod plan;
mod stage;
#[cfg(test)]
pub(crate) mod tests;

pub use stage::{Of, OnFailure, Stage, When};

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ids::{OperationId, PoolName, ProjectId, ResourceName, SnapshotId, StackId, StackName, StepId, WorkerId};
use crate::queue::Lane;
use crate::store::Millis;
use crate::types::{Changes, Consistency, Resource, ServerMode, VolumeMode};

/// The newest layout of [`Operation`] and [`Item`] that this program writes. A record with a higher one is read, never
/// rewritten.
pub const SCHEMA: u16 = 1;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    Create,
    Adopt,
    Update,
    Check,
    Snapshot,
    Restore,
    Plan,
    SnapshotDelete,
    StackDelete,
    Verify,
    Suspend,
    Resume,
    Abandon,
}

impl Kind {
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Create => "create",
            Kind::Adopt => "adopt",
            Kind::Update => "update",
            Kind::Check => "check",
            Kind::Snapshot => "snapshot",
            Kind::Restore => "restore",
            Kind::Plan => "plan",
            Kind::SnapshotDelete => "snapshot-delete",
            Kind::StackDelete => "stack-delete",
            Kind::Verify => "verify",
            Kind::Suspend => "suspend",
            Kind::Resume => "resume",
            Kind::Abandon => "abandon",
        }
    }

    /// Heat's word for the stack's action, where the stack shows the operation.
    pub fn action(self) -> Option<&'static str> {
        match self {
            Kind::Create => Some("CREATE"),
            Kind::Adopt => Some("ADOPT"),
            Kind::Update => Some("UPDATE"),
            Kind::Check => Some("CHECK"),
            Kind::Snapshot => Some("SNAPSHOT"),
            Kind::Restore => Some("RESTORE"),
            Kind::StackDelete | Kind::Abandon => Some("DELETE"),
            Kind::Suspend => Some("SUSPEND"),
            Kind::Resume => Some("RESUME"),
            Kind::Plan | Kind::SnapshotDelete | Kind::Verify => None,
        }
    }

    /// It may change what the stack is.
    pub fn redefines(self) -> bool {
        matches!(self, Kind::Update | Kind::Restore | Kind::Plan)
    }

    /// What a reason calls it: Heat's word, or one in Heat's style.
    pub(crate) fn in_reasons(self) -> &'static str {
        self.action().unwrap_or(match self {
            Kind::Plan => "PLAN",
            Kind::Verify => "VERIFY",
            _ => "DELETE",
        })
    }

    /// Nothing else may change the stack while it runs. The others are exclusive for their snapshot.
    pub fn holds_stack(self) -> bool {
        self.action().is_some()
    }

    /// Whether it waits its turn while the project runs as many operations as it may. Who restores, or asks what a
    /// restore would do, waits for nothing: it is counted, and begins. So does what has no steps.
    pub fn stands_in_line(self) -> bool {
        !matches!(self, Kind::Restore | Kind::Plan | Kind::Suspend | Kind::Resume | Kind::Abandon)
    }

    /// It changes the snapshot that it works on, so nothing else may work on that snapshot meanwhile.
    pub fn holds_snapshot(self) -> bool {
        matches!(self, Kind::SnapshotDelete | Kind::Verify | Kind::Restore)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Accepted; the project runs as many operations as it may, or what runs on the stack must end first.
    Waiting,
    /// Its items are being written down.
    Preparing,
    Running,
    Complete,
    Failed,
    Cancelled,
}

impl State {
    pub const ALL: [State; 6] =
        [State::Waiting, State::Preparing, State::Running, State::Complete, State::Failed, State::Cancelled];

    pub fn ended(self) -> bool {
        matches!(self, State::Complete | State::Failed | State::Cancelled)
    }

    pub fn as_str(self) -> &'static str {
        match self {
            State::Waiting => "waiting",
            State::Preparing => "preparing",
            State::Running => "running",
            State::Complete => "complete",
            State::Failed => "failed",
            State::Cancelled => "cancelled",
        }
    }
}

/// What a step does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verb {
    Check,
    Quiesce,
    Cut,
    Thaw,
    Copy,
    /// Of the whole: the manifest into the vault.
    Seal,
    Preview,
    Restore,
    /// Of the whole: the manifest out of the vault.
    Unseal,
    Discard,
    Verify,
}

impl Verb {
    pub fn as_str(self) -> &'static str {
        match self {
            Verb::Check => "check",
            Verb::Quiesce => "quiesce",
            Verb::Cut => "cut",
            Verb::Thaw => "thaw",
            Verb::Copy => "copy",
            Verb::Seal => "seal",
            Verb::Preview => "preview",
            Verb::Restore => "restore",
            Verb::Unseal => "unseal",
            Verb::Discard => "discard",
            Verb::Verify => "verify",
        }
    }

    /// The lane of its steps, as long as their stage has no other: see [`Stage::lane`].
    fn lane(self) -> Lane {
        match self {
            Verb::Check | Verb::Thaw | Verb::Seal | Verb::Unseal | Verb::Discard => Lane::Control,
            Verb::Quiesce | Verb::Cut => Lane::Cut,
            Verb::Preview | Verb::Restore => Lane::Restore,
            Verb::Copy | Verb::Verify => Lane::Data,
        }
    }

    /// Whether a step in hand is told to stop when its operation stops. A restore in hand is finished: half a
    /// directory helps nobody. What cleans up is never stopped.
    pub fn stops(self) -> bool {
        matches!(self, Verb::Check | Verb::Quiesce | Verb::Cut | Verb::Copy | Verb::Seal | Verb::Preview | Verb::Verify)
    }

    /// Whether a step waits out that something it needs is away. What has only looked, or has others wait in a freeze, fails
    /// soon, and costs nothing to be asked for again.
    pub fn outlasts(self) -> bool {
        match self {
            Verb::Check | Verb::Quiesce | Verb::Cut | Verb::Preview => false,
            Verb::Thaw | Verb::Copy | Verb::Seal | Verb::Restore | Verb::Unseal | Verb::Discard | Verb::Verify => true,
        }
    }

    /// Works on the whole, not on a resource.
    pub fn of_whole(self) -> bool {
        matches!(self, Verb::Seal | Verb::Unseal)
    }
}

/// Why an operation begins nothing more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stop {
    Failed { reason: String },
    Cancelled { by: String, at: Millis },
}

/// What a caller asked for, beside the kind.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Options {
    /// Level that a snapshot must reach.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consistency: Option<Consistency>,
    /// A snapshot that protects nothing at all is fine.
    #[serde(default)]
    pub allow_unprotected: bool,
    /// Chosen resources of a restore, plan or verify; empty means all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<ResourceName>,
    #[serde(default)]
    pub safety: bool,
    /// What is to be made of volumes, where that is not what the worker's configuration says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volumes: Option<VolumeMode>,
    /// Of a snapshot: what is done to servers while they are cut.
    #[serde(default, skip_serializing_if = "ServerMode::is_run")]
    pub servers: ServerMode,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Operation {
    pub schema: u16,
    pub id: OperationId,
    pub project: ProjectId,
    pub stack: StackId,
    pub stack_name: StackName,
    pub kind: Kind,
    pub snapshot: Option<SnapshotId>,
    pub safety: Option<SnapshotId>,
    pub options: Options,
    pub state: State,
    /// Which stage runs, or ran last.
    pub stage: u16,
    /// The last stage that was begun because all was going well; `None` before the first.
    pub reached: Option<u16>,
    pub stages: Vec<Stage>,
    /// How many items there are, the whole included.
    pub items: u32,
    /// At most so many steps are published at a time.
    pub window: u32,
    pub stop: Option<Stop>,
    pub reason: Option<String>,
    pub requested_by: String,
    pub created_at: Millis,
    pub started_at: Option<Millis>,
    pub stage_started_at: Option<Millis>,
    pub ended_at: Option<Millis>,
    /// W3C traceparent of the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<String>,
    /// Quiesce was tried from, and thaw was done at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frozen_at: Option<Millis>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thawed_at: Option<Millis>,
    /// How often the operation began from quiesce again because a held cut was lost.
    #[serde(default)]
    pub again: u16,
    /// It stops only to begin from quiesce again.
    #[serde(default)]
    pub redo: bool,
    /// What workers act by towards a real Heat; kept until the operation has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<uuid::Uuid>,
    /// Update, restore, plan: what it does (or would do) to the stack's definition.
    #[serde(default, skip_serializing_if = "Changes::is_empty")]
    pub changes: Changes,
    /// Resources that the project was charged with beforehand: those that the stack will have more than it has.
    #[serde(default)]
    pub reserved: u32,
    /// Update: should it fail, the stack shows that it was rolled back.
    #[serde(default)]
    pub rolls_back: bool,
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

impl Operation {
    pub fn current(&self) -> Option<&Stage> {
        self.stages.get(usize::from(self.stage))
    }

    pub fn step(&self, item: u32) -> StepId {
        StepId { operation: self.id, stage: self.stage, index: item }
    }

    /// Heat's word for what one of the stack's resources shows of it. Heat carries out a restore as an update (contract,
    /// 2.3), and in an update what is new is created.
    pub fn action_for(&self, resource: &ResourceName) -> Option<&'static str> {
        match self.kind {
            Kind::Update | Kind::Restore if self.changes.added.contains(resource) => Some("CREATE"),
            Kind::Update | Kind::Restore => Some("UPDATE"),
            kind => kind.action(),
        }
    }

    /// The snapshot that a stage works on, for an item.
    pub fn snapshot_of(&self, stage: &Stage, item: &Item) -> Option<SnapshotId> {
        match stage.of {
            Of::Safety => self.safety,
            Of::Snapshot => item.snapshot.or(self.snapshot),
        }
    }
}

/// How far an item is in the stage that it was last in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "is")]
pub enum ItemState {
    /// To be claimed: never begun, handed back, or to be tried again.
    Ready,
    Running {
        worker: WorkerId,
        since: Millis,
    },
    Done,
    Failed {
        reason: String,
    },
    /// Not begun, or given up, because the operation stopped.
    Skipped,
}

impl ItemState {
    pub fn ended(&self) -> bool {
        matches!(self, ItemState::Done | ItemState::Failed { .. } | ItemState::Skipped)
    }
}

/// One resource within one operation, through all its stages; or the whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Item {
    pub schema: u16,
    /// `None`: the whole.
    pub resource: Option<Resource>,
    /// In a stack-delete: whose artifact this is. Else the operation's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<SnapshotId>,
    pub pool: PoolName,
    /// The stage that `state` is about. An item that the current stage has not reached yet shows an earlier one, ended.
    pub stage: u16,
    pub state: ItemState,
    /// Grows with every claim.
    pub fence: u64,
    /// Runs of this stage's step that failed or ended with their worker, since the checkpoint last moved.
    pub attempts: u32,
    /// Since when what it needs (the vault, the cloud) has not answered, in runs of this stage's step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub away_since: Option<Millis>,
    /// What the last failed attempt said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// Why it waits, when it waits longer than usual ("no live worker for pool x").
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Since when no live worker can run it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unplaced_since: Option<Millis>,
    #[serde(default)]
    pub checkpoint: Value,
    /// What the cut left, if it is durable.
    #[serde(default)]
    pub cut: Value,
    pub cut_at: Option<Millis>,
    /// A held cut was lost and another was taken later, outside of any freeze.
    #[serde(default)]
    pub cut_lost: bool,
    /// The steps of this item whose effects a discard has to look for, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tried: Vec<StepId>,
    /// Restore: the stack has the resource now and will not have it any more, so only the safety snapshot is of it; what
    /// that keeps must not hang on the resource.
    #[serde(default)]
    pub leaves: bool,
    /// The stage in which it was put off, and by that made room for the next one in the window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made_room: Option<u16>,
    /// What the step of the last stage returned, for those that return something (preview, verify, restore, check).
    #[serde(default)]
    pub result: Value,
    pub started_at: Option<Millis>,
    pub ended_at: Option<Millis>,
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

impl Item {
    pub fn new(resource: Option<Resource>, snapshot: Option<SnapshotId>, pool: PoolName) -> Self {
        Self {
            schema: SCHEMA,
            resource,
            snapshot,
            pool,
            stage: 0,
            state: ItemState::Ready,
            fence: 0,
            attempts: 0,
            away_since: None,
            last_error: None,
            note: None,
            unplaced_since: None,
            checkpoint: Value::Null,
            cut: Value::Null,
            cut_at: None,
            cut_lost: false,
            tried: Vec::new(),
            leaves: false,
            made_room: None,
            result: Value::Null,
            started_at: None,
            ended_at: None,
            other: BTreeMap::new(),
        }
    }

    /// Whether this item still has to run in `stage`.
    pub fn waits_for(&self, stage: u16) -> bool {
        self.stage < stage || (self.stage == stage && self.state == ItemState::Ready)
    }

    /// Whether a worker had this item's step of `stage` already and it must be brought to its end, though the operation
    /// has stopped: it waits for its next run, and is not one that can be given up half-way.
    pub fn in_hand(&self, verb: Verb, stage: u16) -> bool {
        !verb.stops() && self.stage == stage && self.state == ItemState::Ready && self.fence > 0
    }

    /// Whether this item has ended `stage`.
    pub fn ended(&self, stage: u16) -> bool {
        self.stage > stage || (self.stage == stage && self.state.ended())
    }
}
