//! `GET …/snapshots`: oldest first. Beyond Heat: `limit`, `marker`, `sort_dir`, `status`, `with_data=false`, and `kind`
//! (`user`, which is what Heat's clients see and the default; `safety`, `scheduled`, `all`). A value that none of them can
//! have is a 400; a marker that is not there is the whole list, and other keys are ignored, as in Heat.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt, TryStreamExt, stream};
use stacksnap_common::record::{Purpose, Snapshot, Status};

use super::view;
use crate::Api;
use crate::auth::Caller;
use crate::body::NoBody;
use crate::fault::Fault;
use crate::params::{At, Params};
use crate::source::Stacks;
use crate::stacks::StackPath;

/// Snapshots whose data is read at the same time.
const AT_ONCE: usize = 8;

pub(crate) async fn list(
    State(api): State<Arc<Api>>,
    stacks: Stacks,
    caller: Caller,
    At(path): At<StackPath>,
    params: Params,
    _: NoBody,
) -> Result<Response, Fault> {
    let limit = params.number("limit")?.unwrap_or(usize::MAX);
    let with_data = params.truth("with_data")?.unwrap_or(true);
    let kind = kind(&params)?;
    let status = params.get("status").map(status).transpose()?;
    let stack = stacks.find(&path, &caller).await?;
    let mut snapshots = api.store.list_snapshots(&caller.project, stack).await?;
    snapshots.retain(kind);
    if params.descending(false)? {
        snapshots.reverse();
    }
    if let Some(marker) = params.get("marker") {
        let after = snapshots.iter().position(|snapshot| snapshot.id.to_string() == marker).map_or(0, |at| at + 1);
        snapshots.drain(..after);
    }
    if let Some(status) = status {
        snapshots.retain(|snapshot| snapshot.status == status);
    }
    snapshots.truncate(limit);
    let shown: Vec<_> = match with_data {
        true => {
            let reads = snapshots.iter().map(|snapshot| view::with_data(&api, &caller.project, snapshot));
            stream::iter(reads.collect::<Vec<_>>()).buffered(AT_ONCE).try_collect().await?
        }
        false => snapshots.iter().map(|snapshot| view::view(snapshot, None)).collect(),
    };
    Ok(Json(BTreeMap::from([("snapshots", shown)])).into_response())
}

fn status(text: &str) -> Result<Status, Fault> {
    let all = [Status::InProgress, Status::Complete, Status::Failed];
    let found = all.into_iter().find(|status| status.as_str().eq_ignore_ascii_case(text));
    found.ok_or_else(|| Fault::bad_request("status must be one of IN_PROGRESS, COMPLETE, FAILED."))
}

fn kind(params: &Params) -> Result<fn(&Snapshot) -> bool, Fault> {
    match params.get("kind") {
        None if params.truth("show_hidden")?.unwrap_or(false) => Ok(|_| true),
        None => Ok(Snapshot::listed),
        Some("all") => Ok(|_| true),
        Some("user") => Ok(|snapshot| snapshot.purpose == Purpose::User),
        Some("safety") => Ok(|snapshot| snapshot.purpose == Purpose::Safety),
        Some("scheduled") => Ok(|snapshot| snapshot.purpose == Purpose::Scheduled),
        Some(_) => Err(Fault::bad_request("kind must be one of user, safety, scheduled, all.")),
    }
}
