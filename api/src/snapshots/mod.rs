//! Snapshots of a stack: Heat's five operations, and beside them `plan` and `verify`. One verb a file; `view.rs`: what is
//! shown of one, `cache.rs`: as far as that is known already.

mod cache;
pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod list;
pub(crate) mod plan;
pub(crate) mod restore;
pub(crate) mod routes;
pub(crate) mod show;
pub(crate) mod verify;
pub(crate) mod view;

pub(crate) use cache::Datas;

use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use stacksnap_common::ids::{ResourceName, SnapshotId, StackId};
use stacksnap_common::record::Answer;
use stacksnap_common::store::Begun;

use crate::answer;
use crate::auth::Caller;
use crate::fault::Fault;
use crate::heat::{Begins, Ready};
use crate::params::Params;
use crate::source::Stacks;
use crate::stacks::StackPath;

#[derive(Debug, Deserialize)]
pub(crate) struct SnapshotPath {
    #[serde(flatten)]
    pub(crate) stack: StackPath,
    pub(crate) snapshot_id: String,
}

impl SnapshotPath {
    /// The stack, which must be there, and the snapshot's id, if it can be one.
    async fn find(&self, stacks: &Stacks, caller: &Caller) -> Result<(StackId, SnapshotId), Fault> {
        let stack = stacks.find(&self.stack, caller).await?;
        Ok((stack, self.id()?))
    }

    /// The same, with the stack ready for an operation to begin on it.
    async fn begin(&self, stacks: &Stacks, caller: &Caller, begins: Begins) -> Result<(Ready, SnapshotId), Fault> {
        let ready = stacks.begin(&self.stack, caller, begins).await?;
        match self.id() {
            Ok(id) => Ok((ready, id)),
            Err(fault) => {
                stacks.gave_up(ready.grant.as_ref()).await;
                Err(fault)
            }
        }
    }

    fn id(&self) -> Result<SnapshotId, Fault> {
        // Heat's database takes ids in any case.
        self.snapshot_id.to_ascii_lowercase().parse().map_err(|_| Fault::no_snapshot(&self.snapshot_id))
    }
}

/// Names of resources, of a list in a body. An empty one is refused: it would mean all, to whoever meant none.
fn resource_names(given: &Value) -> Result<Vec<ResourceName>, Fault> {
    let wrong = || Fault::bad_request("resources must be a list of names of resources.");
    let names = given.as_array().ok_or_else(wrong)?;
    if names.is_empty() {
        return Err(Fault::bad_request("resources names no resource; leave it out for all of them."));
    }
    names.iter().map(|name| name.as_str().and_then(|name| name.parse().ok()).ok_or_else(wrong)).collect()
}

/// What plan and verify take: chosen resources, in the body or, as `resource=`, in the query; nothing else.
fn chosen(body: Option<Map<String, Value>>, params: &Params) -> Result<Vec<ResourceName>, Fault> {
    let mut names = named(params)?;
    for (key, value) in body.unwrap_or_default() {
        match key.as_str() {
            "resources" => names.extend(resource_names(&value)?),
            _ => return Err(unknown(&key)),
        }
    }
    Ok(names)
}

fn named(params: &Params) -> Result<Vec<ResourceName>, Fault> {
    let parse = |name: &str| {
        name.parse().map_err(|error: stacksnap_common::ids::Invalid| Fault::bad_request(error.to_string()))
    };
    params.all("resource").map(parse).collect()
}

fn unknown(key: &str) -> Fault {
    let key: String = key.chars().take(80).collect();
    Fault::bad_request(format!("{key:?} is not taken here."))
}

/// 202 and the operation, which tells the rest when it has ended.
fn looking(begun: &Begun) -> Answer {
    answer::make(begun, StatusCode::ACCEPTED, json!({"operation": crate::operations::view::brief(&begun.operation)}))
}

fn sent(result: Result<Answer, stacksnap_common::store::Error>, path: &SnapshotPath) -> Result<Response, Fault> {
    Ok(answer::send(result.map_err(|error| path.stack.fault(error))?))
}
