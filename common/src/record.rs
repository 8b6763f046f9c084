//! What the store holds of stacks and snapshots. Operations and items are in `operation`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::heat::Shadow;
use crate::ids::{OperationId, PoolName, ProjectId, ResourceName, SnapshotId, StackId, StackName, WorkerId};
use crate::operation::Stop;
use crate::store::Millis;
use crate::types::{Changes, Consistency, Resource};

/// Heat's action and status, as stacks, resources and events show them: `SNAPSHOT` and `IN_PROGRESS`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    pub action: String,
    pub status: Status,
    pub reason: String,
}

impl Shown {
    pub fn new(action: &str, status: Status, reason: impl Into<String>) -> Self {
        Self { action: action.to_owned(), status, reason: reason.into() }
    }

    /// `SNAPSHOT_IN_PROGRESS`.
    pub fn word(&self) -> String {
        format!("{}_{}", self.action, self.status.as_str())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Status {
    InProgress,
    Complete,
    Failed,
}

impl Status {
    pub fn as_str(self) -> &'static str {
        match self {
            Status::InProgress => "IN_PROGRESS",
            Status::Complete => "COMPLETE",
            Status::Failed => "FAILED",
        }
    }
}

/// A stack. Deleted ones stay as a record that shows `DELETE_COMPLETE`; their name is free.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stack {
    pub schema: u16,
    pub id: StackId,
    pub project: ProjectId,
    pub name: StackName,
    pub shown: Shown,
    pub description: String,
    /// The template, as it was given.
    pub template: Value,
    /// The user's environment: parameters and the rest.
    pub environment: Value,
    #[serde(default)]
    pub files: Map<String, Value>,
    /// The parameters' values, resolved, with the pseudo parameters.
    #[serde(default)]
    pub parameters: Map<String, Value>,
    #[serde(default)]
    pub tags: Vec<String>,
    #[serde(default)]
    pub timeout_mins: Option<u64>,
    #[serde(default = "yes")]
    pub disable_rollback: bool,
    /// Who made it.
    pub owner: String,
    pub resources: Vec<Resource>,
    pub created_at: Millis,
    #[serde(default)]
    pub updated_at: Option<Millis>,
    #[serde(default)]
    pub deleted_at: Option<Millis>,
    /// The operation that has the stack for itself.
    #[serde(default)]
    pub busy: Option<OperationId>,
    /// A stack-delete that waits until `busy` has ended.
    #[serde(default)]
    pub deleting: Option<OperationId>,
    /// Where the stack is a Heat's: then this record is its shadow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heat: Option<Shadow>,
    /// The operation that abandoned it: it shows as deleted, and its snapshots wait until it is adopted again.
    #[serde(default)]
    pub abandoned: Option<OperationId>,
    /// Grows whenever the definition changes.
    #[serde(default)]
    pub revision: u64,
    /// Resources that were added or changed after the stack was made.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub times: BTreeMap<ResourceName, Times>,
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

fn yes() -> bool {
    true
}

/// When a resource joined its stack, and when its definition changed last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Times {
    pub created_at: Millis,
    pub updated_at: Millis,
}

/// What a stack is: what an update replaces, and a restore of the whole brings back. Its name, tags, timeout and rollback
/// are not of it (contract, 2.3).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Definition {
    pub description: String,
    pub template: Value,
    pub environment: Value,
    #[serde(default)]
    pub files: Map<String, Value>,
    #[serde(default)]
    pub parameters: Map<String, Value>,
    pub resources: Vec<Resource>,
}

impl Stack {
    /// Makes the stack what a definition says.
    pub fn define(&mut self, new: Definition, now: Millis) {
        let changes = Changes::between(&self.resources, &new.resources);
        for name in changes.changed {
            let created_at = self.times_of(&name).created_at;
            self.times.insert(name, Times { created_at, updated_at: now });
        }
        for name in changes.added {
            self.times.insert(name, Times { created_at: now, updated_at: now });
        }
        for name in &changes.removed {
            self.times.remove(name);
        }
        self.description = new.description;
        self.template = new.template;
        self.environment = new.environment;
        self.files = new.files;
        self.parameters = new.parameters;
        self.resources = new.resources;
        self.revision += 1;
    }

    pub fn times_of(&self, resource: &ResourceName) -> Times {
        let with_the_stack = Times { created_at: self.created_at, updated_at: self.created_at };
        self.times.get(resource).copied().unwrap_or(with_the_stack)
    }
}

/// Why a snapshot was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Purpose {
    User,
    /// Before a restore; hidden from Heat's list, not counted to the limit, expires.
    Safety,
    Scheduled,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    pub schema: u16,
    pub id: SnapshotId,
    pub project: ProjectId,
    pub stack: StackId,
    pub stack_name: StackName,
    pub name: Option<String>,
    /// `CREATE` or `DELETE`.
    pub action: String,
    pub status: Status,
    pub status_reason: Option<String>,
    pub purpose: Purpose,
    pub created_at: Millis,
    pub ended_at: Option<Millis>,
    /// What was really got, once it is complete.
    #[serde(default)]
    pub consistency: Option<Consistency>,
    /// Milliseconds between the first cut and the last.
    #[serde(default)]
    pub skew: Option<u64>,
    /// Milliseconds for which the stack was frozen.
    #[serde(default)]
    pub frozen: Option<u64>,
    #[serde(default)]
    pub expires_at: Option<Millis>,
    #[serde(default)]
    pub locked_until: Option<Millis>,
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    #[serde(default)]
    pub last_verified: Option<Millis>,
    /// The last verification, if it failed: by what it found, or because it could not look.
    #[serde(default)]
    pub verify_failed: Option<VerifyFailed>,
    /// The operation that made it.
    #[serde(default)]
    pub made_by: Option<OperationId>,
    /// The operation that has it for itself.
    #[serde(default)]
    pub busy: Option<OperationId>,
    /// Resources in it, and how many of them are protected.
    #[serde(default)]
    pub resources: u32,
    #[serde(default)]
    pub protected: u32,
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

/// A verification that did not come to a good end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifyFailed {
    pub at: Millis,
    /// For a person.
    pub reason: String,
}

/// The stack as it was when a snapshot began; what a restore goes back to. Written once, beside the snapshot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Captured {
    pub stack: StackId,
    pub name: StackName,
    pub shown: Shown,
    pub template: Value,
    pub environment: Value,
    pub files: Map<String, Value>,
    #[serde(default)]
    pub parameters: Map<String, Value>,
    pub tags: Vec<String>,
    pub description: String,
    pub owner: String,
    #[serde(default)]
    pub timeout_mins: Option<u64>,
    pub created_at: Millis,
    /// What the snapshot is made of.
    pub resources: Vec<Resource>,
    /// The stack's own resources, where they are others: a safety snapshot is made of what a restore overwrites.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub defined: Option<Vec<Resource>>,
}

impl Captured {
    /// What the stack was then.
    pub fn definition(self) -> Definition {
        Definition {
            description: self.description,
            template: self.template,
            environment: self.environment,
            files: self.files,
            parameters: self.parameters,
            resources: self.defined.unwrap_or(self.resources),
        }
    }

    /// The stack's resources then.
    pub fn defined(&self) -> &[Resource] {
        self.defined.as_deref().unwrap_or(&self.resources)
    }

    pub fn of(stack: &Stack) -> Self {
        Self {
            stack: stack.id,
            name: stack.name.clone(),
            shown: stack.shown.clone(),
            template: stack.template.clone(),
            environment: stack.environment.clone(),
            files: stack.files.clone(),
            parameters: stack.parameters.clone(),
            tags: stack.tags.clone(),
            description: stack.description.clone(),
            owner: stack.owner.clone(),
            timeout_mins: stack.timeout_mins,
            created_at: stack.created_at,
            resources: stack.resources.clone(),
            defined: None,
        }
    }
}

/// A resource's status, as it is shown; one for each resource of a stack that an operation ever touched.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ResourceShown {
    pub shown: Shown,
    pub created_at: Millis,
    #[serde(default)]
    pub updated_at: Option<Millis>,
}

/// Something that happened to a stack or to one of its resources.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    pub id: Uuid,
    pub at: Millis,
    /// `None`: the stack itself.
    pub resource: Option<ResourceName>,
    pub shown: Shown,
    /// Of a stack of Heat's: the event of Heat's that this one follows, if that was known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// Of the resource, as it was then; older records don't have them.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub physical_id: Option<String>,
}

/// A live worker, as it says itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Worker {
    pub id: WorkerId,
    pub pools: Vec<PoolName>,
    pub types: Vec<String>,
    pub version: String,
    pub host: String,
    pub since: Millis,
    /// When it last said so.
    pub beat: Millis,
    /// It takes no more work.
    #[serde(default)]
    pub draining: bool,
}

/// An answer that was given for an `Idempotency-Key`, and to which request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// SHA-256 of the request's body, hexadecimal.
    pub body: String,
    pub status: u16,
    /// Headers that belong to the answer.
    pub headers: Vec<(String, String)>,
    pub answer: Value,
}

/// Why an operation stopped, for a person.
pub fn stop_reason(stop: &Stop) -> String {
    match stop {
        Stop::Failed { reason } => reason.clone(),
        Stop::Cancelled { by, at } => format!("cancelled by {by} at {}", crate::clock::rfc3339(*at)),
    }
}
