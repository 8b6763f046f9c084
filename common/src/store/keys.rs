//! Where each record is: the names of keys, counters and timers.
//!
//! Every key begins with what it is, then the project. Lists are read by prefix, in the order of the last part: ids of
//! operations and events are version 7 and so in the order of time, and snapshots are listed by the time they began.

use crate::ids::{OperationId, ProjectId, ResourceName, SnapshotId, StackId, StackName, StepId, WorkerId};
use crate::store::backend::{Key, Millis, TimerId};

macro_rules! key {
    ($($part:tt)*) => { Key(format!($($part)*)) };
}

/// Of no project, in shard 0.
pub(super) fn vault() -> Key {
    key!("vault")
}

pub(super) fn stack(project: &ProjectId, id: StackId) -> Key {
    key!("stack/{project}/{id}")
}

pub(super) fn stacks(project: &ProjectId) -> String {
    format!("stack/{project}/")
}

pub(super) fn stack_name(project: &ProjectId, name: &StackName) -> Key {
    key!("stack-name/{project}/{name}")
}

pub(super) fn snapshot(project: &ProjectId, id: SnapshotId) -> Key {
    key!("snapshot/{project}/{id}")
}

pub(super) fn captured(project: &ProjectId, id: SnapshotId) -> Key {
    key!("captured/{project}/{id}")
}

/// Names the snapshots of a stack in the order in which they began.
pub(super) fn snapshot_of(project: &ProjectId, stack: StackId, began: Millis, id: SnapshotId) -> Key {
    key!("snapshot-of/{project}/{stack}/{:015}-{id}", began.0)
}

pub(super) fn snapshots_of(project: &ProjectId, stack: StackId) -> String {
    format!("snapshot-of/{project}/{stack}/")
}

pub(super) fn artifact(project: &ProjectId, snapshot: SnapshotId, resource: &ResourceName) -> Key {
    key!("artifact/{project}/{snapshot}/{resource}")
}

pub(super) fn artifacts(project: &ProjectId, snapshot: SnapshotId) -> String {
    format!("artifact/{project}/{snapshot}/")
}

pub(super) fn resource(project: &ProjectId, stack: StackId, resource: &ResourceName) -> Key {
    key!("resource/{project}/{stack}/{resource}")
}

pub(super) fn resources(project: &ProjectId, stack: StackId) -> String {
    format!("resource/{project}/{stack}/")
}

pub(super) fn event(project: &ProjectId, stack: StackId, id: uuid::Uuid) -> Key {
    key!("event/{project}/{stack}/{id}")
}

pub(super) fn events(project: &ProjectId, stack: StackId) -> String {
    format!("event/{project}/{stack}/")
}

/// What an update that runs will make of its stack.
pub(super) fn pending(project: &ProjectId, operation: OperationId) -> Key {
    key!("pending/{project}/{operation}")
}

pub(super) fn operation(project: &ProjectId, id: OperationId) -> Key {
    key!("operation/{project}/{id}")
}

pub(super) fn operations(project: &ProjectId) -> String {
    format!("operation/{project}/")
}

pub(super) fn item(project: &ProjectId, operation: OperationId, index: u32) -> Key {
    key!("item/{project}/{operation}/{index:08}")
}

pub(super) fn items(project: &ProjectId, operation: OperationId) -> String {
    format!("item/{project}/{operation}/")
}

/// The place of an item, from its key.
pub(super) fn item_index(key: &Key) -> Option<u32> {
    key.0.rsplit('/').next()?.parse().ok()
}

pub(super) fn progress(project: &ProjectId, operation: OperationId, index: u32) -> Key {
    key!("progress/{project}/{operation}/{index:08}")
}

pub(super) fn waiting(project: &ProjectId, id: OperationId) -> Key {
    key!("waiting/{project}/{id}")
}

pub(super) fn all_waiting(project: &ProjectId) -> String {
    format!("waiting/{project}/")
}

pub(super) fn answer(project: &ProjectId, digest: &str) -> Key {
    key!("answer/{project}/{digest}")
}

pub(super) fn worker(id: &WorkerId) -> Key {
    key!("worker/{id}")
}

/// Short holds on a stack of Heat's.
pub(super) fn holds(project: &ProjectId, stack: StackId) -> Key {
    key!("hold/{project}/{stack}")
}

/// What workers act by towards Heat.
pub(super) fn grant(project: &ProjectId, id: uuid::Uuid) -> Key {
    key!("grant/{project}/{id}")
}

/// Those of all projects of a shard.
pub(super) const GRANTS: &str = "grant/";
pub(super) const OPERATIONS: &str = "operation/";
pub(super) const ARTIFACTS: &str = "artifact/";

/// Whose turn it is to prune the project's vault.
pub(super) fn prune(project: &ProjectId) -> Key {
    key!("prune/{project}")
}

pub(super) const WORKERS: &str = "worker/";

/// Counters.
pub(super) mod count {
    use super::{Key, OperationId, ProjectId, StackId};

    /// Items that have not ended a stage.
    pub(in crate::store) fn left(project: &ProjectId, operation: OperationId, stage: u16) -> Key {
        key!("left/{project}/{operation}/{stage}")
    }

    /// Steps that failed, where the others go on.
    pub(in crate::store) fn failed(project: &ProjectId, operation: OperationId) -> Key {
        key!("failed/{project}/{operation}")
    }

    /// Operations that run.
    pub(in crate::store) fn running(project: &ProjectId) -> Key {
        key!("running/{project}")
    }

    /// Operations that wait for others of the project to end.
    pub(in crate::store) fn waiting(project: &ProjectId) -> Key {
        key!("waiting/{project}")
    }

    /// Items of operations that have not ended.
    pub(in crate::store) fn steps(project: &ProjectId) -> Key {
        key!("steps/{project}")
    }

    pub(in crate::store) fn stacks(project: &ProjectId) -> Key {
        key!("stacks/{project}")
    }

    pub(in crate::store) fn resources(project: &ProjectId) -> Key {
        key!("resources/{project}")
    }

    /// Snapshots that a user asked for.
    pub(in crate::store) fn snapshots(project: &ProjectId) -> Key {
        key!("snapshots/{project}")
    }

    pub(in crate::store) fn snapshots_of(project: &ProjectId, stack: StackId) -> Key {
        key!("snapshots-of/{project}/{stack}")
    }
}

/// What a timer is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Timer {
    /// Look what comes next for an operation.
    Advance(ProjectId, OperationId),
    /// Look at an item: publish it, or take it from a worker whose lease is over.
    Item(ProjectId, OperationId, u32),
    /// A snapshot expires.
    Expire(ProjectId, SnapshotId),
    /// An answer is old enough to be forgotten.
    Forget(ProjectId, String),
    /// An operation ended so long ago that its records may go.
    Retire(ProjectId, OperationId),
    /// Nothing that changed a stack of Heat's can be under way any more.
    Hold(ProjectId, StackId),
}

impl Timer {
    pub fn id(&self) -> TimerId {
        TimerId(match self {
            Timer::Advance(project, operation) => format!("advance/{project}/{operation}"),
            Timer::Item(project, operation, index) => format!("item/{project}/{operation}/{index}"),
            Timer::Expire(project, snapshot) => format!("expire/{project}/{snapshot}"),
            Timer::Forget(project, digest) => format!("forget/{project}/{digest}"),
            Timer::Retire(project, operation) => format!("retire/{project}/{operation}"),
            Timer::Hold(project, stack) => format!("hold/{project}/{stack}"),
        })
    }

    /// `None`: a newer version's timer, which is left alone.
    pub fn parse(id: &TimerId) -> Option<Self> {
        let mut parts = id.0.splitn(4, '/');
        let (what, project, subject) = (parts.next()?, parts.next()?.parse().ok()?, parts.next()?);
        match what {
            "advance" => Some(Timer::Advance(project, subject.parse().ok()?)),
            "item" => Some(Timer::Item(project, subject.parse().ok()?, parts.next()?.parse().ok()?)),
            "expire" => Some(Timer::Expire(project, subject.parse().ok()?)),
            "retire" => Some(Timer::Retire(project, subject.parse().ok()?)),
            "hold" => Some(Timer::Hold(project, subject.parse().ok()?)),
            "forget" => Some(Timer::Forget(project, subject.to_owned())),
            _ => None,
        }
    }
}

impl From<(&ProjectId, StepId)> for Timer {
    fn from((project, step): (&ProjectId, StepId)) -> Self {
        Timer::Item(project.clone(), step.operation, step.index)
    }
}
