//! A snapshot as Heat's clients read it: Heat's seven keys in Heat's order, then ours.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use stacksnap_common::clock::rfc3339;
use stacksnap_common::ids::{OperationId, ProjectId, SnapshotId};
use stacksnap_common::record::{Captured, Purpose, Snapshot, Status};
use stacksnap_common::types::{Artifact, Consistency, Resource};

use crate::Api;
use crate::fault::Fault;
use crate::stacks::view::time;
use crate::template::hidden;

/// With `data` as the store has it now.
pub(crate) async fn with_data<'a>(
    api: &Api,
    project: &ProjectId,
    snapshot: &'a Snapshot,
) -> Result<Shown<'a, Option<Arc<RawValue>>>, Fault> {
    if let Some(data) = api.datas.get(snapshot) {
        return Ok(view(snapshot, Some(data)));
    }
    // A snapshot whose removal has begun may have lost what it captured.
    let captured = match api.store.captured(project, snapshot.id).await {
        Ok(captured) => captured,
        Err(stacksnap_common::store::Error::NoSnapshot(_)) => return Ok(view(snapshot, None)),
        Err(error) => return Err(error.into()),
    };
    let making = snapshot.action == "CREATE" && snapshot.status == Status::InProgress;
    let artifacts = if making { Vec::new() } else { api.store.artifacts(project, snapshot.id).await? };
    let text = serde_json::value::to_raw_value(&data(snapshot, &captured, &artifacts)).map_err(|error| {
        tracing::error!(%error, snapshot = %snapshot.id, "a snapshot's data can't be written");
        Fault::internal()
    })?;
    let data = Arc::from(text);
    api.datas.put(snapshot, &data);
    Ok(view(snapshot, Some(data)))
}

/// What is shown of a snapshot.
#[derive(Serialize)]
pub(crate) struct Shown<'a, D> {
    id: SnapshotId,
    name: &'a Option<String>,
    action: &'a str,
    status: &'static str,
    status_reason: Option<&'a str>,
    data: D,
    creation_time: String,
    kind: Purpose,
    consistency: Option<Consistency>,
    skew_ms: Option<u64>,
    frozen_ms: Option<u64>,
    resources: u32,
    protected: u32,
    labels: &'a BTreeMap<String, String>,
    ended_at: Value,
    expires_at: Value,
    last_verified: Value,
    verify_failed: Value,
    operation: Option<OperationId>,
}

pub(crate) fn view<D>(snapshot: &Snapshot, data: D) -> Shown<'_, D> {
    Shown {
        id: snapshot.id,
        name: &snapshot.name,
        action: &snapshot.action,
        status: snapshot.status.as_str(),
        status_reason: reason(snapshot),
        data,
        creation_time: rfc3339(snapshot.created_at),
        kind: snapshot.purpose,
        consistency: snapshot.consistency,
        skew_ms: snapshot.skew,
        frozen_ms: snapshot.frozen,
        resources: snapshot.resources,
        protected: snapshot.protected,
        labels: &snapshot.labels,
        ended_at: time(snapshot.ended_at),
        expires_at: time(snapshot.expires_at),
        last_verified: time(snapshot.last_verified),
        verify_failed: match &snapshot.verify_failed {
            Some(failed) => json!({ "at": rfc3339(failed.at), "reason": failed.reason }),
            None => Value::Null,
        },
        operation: snapshot.made_by,
    }
}

/// While a snapshot is being made its reason is how it will have ended, for the manifest; nobody is told before it has.
fn reason(snapshot: &Snapshot) -> Option<&str> {
    let making = snapshot.status == Status::InProgress && snapshot.action == "CREATE";
    snapshot.status_reason.as_deref().filter(|_| !making)
}

/// The document that Heat calls `data`: the stack as it was, and what there is of each resource.
///
/// While the snapshot is being made it shows the stack's state from before, and no resources; then SNAPSHOT and how it
/// ended, and those resources that something was recorded of.
pub(crate) fn data(snapshot: &Snapshot, captured: &Captured, artifacts: &[Artifact]) -> Value {
    let ended = snapshot.action == "DELETE" || snapshot.status != Status::InProgress;
    let status = match (ended, snapshot.action.as_str()) {
        (false, _) => captured.shown.status,
        // What it had reached is no longer shown once it is being removed.
        (true, "DELETE") => Status::Complete,
        (true, _) => snapshot.status,
    };
    let resources: Map<_, _> =
        artifacts.iter().map(|artifact| (artifact.resource.to_string(), resource(captured, artifact))).collect();
    json!({
        "name": captured.name,
        "id": captured.stack,
        "action": if ended { "SNAPSHOT" } else { captured.shown.action.as_str() },
        "environment": hidden::environment(&captured.template, &captured.environment),
        "files": captured.files,
        "status": status.as_str(),
        "template": captured.template,
        "resources": resources,
        "project_id": snapshot.project,
        "stack_user_project_id": null,
        "tags": captured.tags,
    })
}

/// Heat's private data of a resource: what a native type keeps. Others have theirs outside.
fn kept(captured: &Captured, resource: Option<&Resource>) -> Value {
    match resource {
        Some(resource) if resource.data.is_object() => {
            hidden::redact(&captured.template, &captured.parameters, &resource.data)
        }
        _ => json!({}),
    }
}

/// Heat's seven keys, then what the snapshot really has of it.
fn resource(captured: &Captured, artifact: &Artifact) -> Value {
    let resource = captured.resources.iter().find(|resource| resource.name == artifact.resource);
    let metadata = &captured.template["resources"][artifact.resource.as_str()]["metadata"];
    let mut shown = json!({
        "name": artifact.resource,
        "resource_id": resource.and_then(|resource| resource.external_id.as_deref()),
        "type": artifact.kind,
        "action": "SNAPSHOT",
        "status": "COMPLETE",
        "metadata": if metadata.is_object() { metadata.clone() } else { json!({}) },
        "resource_data": kept(captured, resource),
        "artifact": {
            "protected": artifact.protected,
            "why": artifact.why,
            "consistency": artifact.consistency,
            "cut_at": time(artifact.cut_at),
            "bytes": artifact.bytes,
            "bytes_added": artifact.bytes_added,
            "files": artifact.files,
            "digest": artifact.digest,
            "warnings": artifact.warnings,
            "entry": artifact.entry,
        },
    });
    // Of a stack of a real Heat's: what there was to capture of a resource that no driver is for.
    if let Some(captures) = artifact.data["captures"].as_str() {
        shown["artifact"]["captures"] = captures.into();
    }
    // Of a server that was stopped while it was cut, and of a volume that such servers use: which.
    if let Some(stopped) = artifact.data.get("stopped") {
        shown["artifact"]["stopped"] = stopped.clone();
    }
    shown
}
