//! Operations and their steps.

use serde_json::{Map, Value};
use utoipa::ToSchema;

#[derive(ToSchema)]
pub(crate) struct OperationList {
    operations: Vec<Operation>,
    /// Where the next page begins, if there may be one.
    next_marker: Option<String>,
}

#[derive(ToSchema)]
pub(crate) struct OperationShown {
    operation: Operation,
}

#[derive(ToSchema)]
pub(crate) struct Operation {
    #[schema(format = Uuid)]
    id: String,
    kind: String,
    state: String,
    /// What its steps are at, while it runs.
    phase: Option<String>,
    /// It is being cancelled, or has failed and cleans up.
    stopping: bool,
    stack_id: String,
    stack_name: String,
    snapshot_id: Option<String>,
    safety_snapshot_id: Option<String>,
    reason: Option<String>,
    /// What an update or a restore does to the stack's definition, or a plan's restore would.
    definition: Option<Changes>,
    requested_by: String,
    created_at: String,
    started_at: Option<String>,
    ended_at: Option<String>,
    /// From here on: not in lists.
    steps_total: Option<u64>,
    steps_done: Option<u64>,
    progress: Option<Progress>,
    /// What a plan found, by resource.
    #[schema(value_type = Option<Object>)]
    plan: Option<Map<String, Value>>,
    steps: Option<Vec<Step>>,
}

/// Names of resources.
#[derive(ToSchema)]
pub(crate) struct Changes {
    added: Vec<String>,
    changed: Vec<String>,
    removed: Vec<String>,
}

#[derive(ToSchema)]
pub(crate) struct Progress {
    bytes: u64,
    bytes_total: Option<u64>,
    files: u64,
    files_total: Option<u64>,
    /// Bytes a second.
    rate: u64,
}

#[derive(ToSchema)]
pub(crate) struct Step {
    index: u32,
    resource: Option<String>,
    r#type: Option<String>,
    pool: String,
    verb: Option<String>,
    state: String,
    reason: Option<String>,
    /// What it waits for.
    note: Option<String>,
    attempt: u32,
    worker: Option<String>,
    /// Grows with every worker that takes it.
    fence: u64,
    progress: Option<Progress>,
    /// Its driver's own.
    result: Option<Value>,
    started_at: Option<String>,
    ended_at: Option<String>,
}

#[derive(ToSchema)]
pub(crate) struct RestoredFiles {
    resources: Vec<RestoredResource>,
}

#[derive(ToSchema)]
pub(crate) struct RestoredResource {
    resource: String,
    r#type: String,
    /// `untouched`, or its step's state.
    state: String,
    reason: Option<String>,
    /// Its driver's own.
    result: Option<Value>,
}
