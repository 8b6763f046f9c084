//! Snapshots: Heat's keys, then ours.

use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// Keys that are not known are ignored.
#[derive(ToSchema)]
pub(crate) struct SnapshotRequest {
    /// 255 characters at most, none of them a control character. Need not differ from other snapshots'.
    name: Option<String>,
    /// Demanded; not reached: the snapshot is FAILED.
    consistency: Option<Consistency>,
    /// At most 64, of at most 255 characters.
    #[schema(value_type = Option<Object>)]
    labels: Option<Map<String, Value>>,
    /// A snapshot that protects nothing is otherwise FAILED.
    allow_unprotected: Option<bool>,
    /// What is made of a cloud's volumes; else what the workers' configuration says (`cinder.mode`).
    volumes: Option<VolumeMode>,
    /// Whether a cloud's servers are stopped while they are cut; else as the service is set up (`nova.servers`).
    servers: Option<ServerMode>,
}

#[derive(Serialize, ToSchema)]
pub(crate) enum VolumeMode {
    #[serde(rename = "backup")]
    Backup,
    #[serde(rename = "snapshot")]
    Snapshot,
    #[serde(rename = "snapshot+backup")]
    SnapshotAndBackup,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ServerMode {
    Run,
    Stop,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Consistency {
    Application,
    Group,
    Crash,
    None,
}

#[derive(ToSchema)]
pub(crate) struct SnapshotShown {
    snapshot: Snapshot,
}

#[derive(ToSchema)]
pub(crate) struct SnapshotList {
    snapshots: Vec<Snapshot>,
}

#[derive(ToSchema)]
pub(crate) struct Snapshot {
    #[schema(format = Uuid)]
    id: String,
    name: Option<String>,
    /// `DELETE` once it is being removed.
    action: SnapshotAction,
    status: Status,
    status_reason: Option<String>,
    /// The stack as it was; null where a list was asked for without it.
    data: Option<SnapshotData>,
    creation_time: String,
    /// Who wanted it: `user`, `safety` (a restore), `scheduled`.
    kind: String,
    /// What was really reached.
    consistency: Option<Consistency>,
    /// Between the first and the last resource's point in time.
    skew_ms: Option<u64>,
    frozen_ms: Option<u64>,
    resources: u64,
    protected: u64,
    #[schema(value_type = Object)]
    labels: Map<String, Value>,
    ended_at: Option<String>,
    expires_at: Option<String>,
    last_verified: Option<String>,
    /// The last verification, if it did not end well.
    verify_failed: Option<VerifyFailed>,
    /// What made it.
    operation: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct VerifyFailed {
    at: String,
    reason: String,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum SnapshotAction {
    Create,
    Delete,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum Status {
    InProgress,
    Complete,
    Failed,
}

/// Heat's abandon document.
#[derive(ToSchema)]
pub(crate) struct SnapshotData {
    name: String,
    id: String,
    action: String,
    #[schema(value_type = Object)]
    environment: Map<String, Value>,
    #[schema(value_type = Object)]
    files: Map<String, Value>,
    status: String,
    #[schema(value_type = Object)]
    template: Map<String, Value>,
    /// By name; what there is of each.
    #[schema(value_type = Object)]
    resources: Map<String, Value>,
    project_id: String,
    stack_user_project_id: Option<String>,
    tags: Vec<String>,
}

/// No other keys; Heat takes no body at all.
#[derive(ToSchema)]
pub(crate) struct RestoreRequest {
    /// Names; absent: the whole stack.
    #[schema(min_items = 1)]
    resources: Option<Vec<String>>,
    /// Whether to take a safety snapshot first.
    safety: Option<bool>,
}

/// No other keys.
#[derive(ToSchema)]
pub(crate) struct ChosenResources {
    /// Names; absent: all.
    #[schema(min_items = 1)]
    resources: Option<Vec<String>>,
}
