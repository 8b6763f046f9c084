//! An operation on a stack of Heat's begins.
//!
//! First the version of the stack's holds is noted, then Heat is read, then the shadow is made what was read, then the
//! grant is made; the operation's own commit requires that no change has gone through us since the first of these. What
//! goes round us is found by the worker, which compares Heat with what was seen before each write and at the end.

use axum::http::HeaderMap;
use stacksnap_common::heat::{Begin, Grant};
use stacksnap_common::ids::{ProjectId, SnapshotId, StackId};
use stacksnap_common::record::Status;
use stacksnap_common::store;

use super::{Heat, token};
use crate::Api;
use crate::auth::Caller;
use crate::fault::Fault;
use crate::stacks::StackPath;

/// What is to begin, as far as it decides what must be known of the stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Begins {
    Snapshot,
    /// Of this snapshot, if it can be one of ours.
    Restore(Option<SnapshotId>),
    /// Nothing is changed, but Heat is asked.
    Plan,
    /// Heat is not asked: what we have is looked at or removed, wherever it is.
    Kept,
    /// Neither Heat nor a cloud is asked.
    Own,
    StackDelete,
}

/// A stack on which an operation may begin.
#[derive(Debug)]
pub(crate) struct Ready {
    pub(crate) stack: StackId,
    /// `None`: the stack is ours.
    pub(crate) heat: Option<Begin>,
    /// By what a worker acts for the caller.
    pub(crate) grant: Option<Grant>,
}

impl Heat {
    pub(crate) async fn begin(
        &self,
        api: &Api,
        caller: &Caller,
        path: &StackPath,
        headers: &HeaderMap,
        begins: Begins,
    ) -> Result<Ready, Fault> {
        let project = &caller.project;
        let unknown = |_| Fault::no_stack(&path.stack_name);
        let stack: StackId = path.stack_id.to_ascii_lowercase().parse().map_err(unknown)?;
        let (guard, captured) = match begins {
            Begins::Own => {
                self.stack(project, path, headers).await?;
                return Ok(Ready { stack, heat: None, grant: None });
            }
            Begins::Kept => {
                self.stack(project, path, headers).await?;
                let cloud = api.store.kinds.all().any(|kind| kind.cloud);
                let grant = if cloud { self.grant(api, caller, headers).await? } else { None };
                return Ok(Ready { stack, heat: None, grant });
            }
            Begins::StackDelete => {
                self.stack(project, path, headers).await?;
                (None, Vec::new())
            }
            Begins::Plan => {
                self.look(api, project, path, headers).await?;
                (None, Vec::new())
            }
            Begins::Snapshot | Begins::Restore(_) => {
                if let Begins::Restore(Some(snapshot)) = begins {
                    whole(api, caller, path, stack, snapshot).await?;
                }
                let guard = api.store.guard(project, stack).await.map_err(|error| path.fault(error))?;
                let found = self.read(api, project, path, headers).await?;
                if matches!(begins, Begins::Restore(_)) && found.mirror.seen.action() == "SUSPEND" {
                    let why = "Restoring a suspended stack is not supported; resume it first.";
                    return Err(Fault::refused("NotSupported", why));
                }
                api.store.mirror(project, &found.mirror).await.map_err(|error| path.fault(error))?;
                (Some(guard), found.captured)
            }
        };
        let grant = self.grant(api, caller, headers).await?;
        Ok(Ready { stack, heat: Some(Begin { guard, captured }), grant })
    }

    /// A plan compares with what the stack has now, as far as that stands still.
    async fn look(&self, api: &Api, project: &ProjectId, path: &StackPath, headers: &HeaderMap) -> Result<(), Fault> {
        if super::read::seen(&self.stack(project, path, headers).await?).in_progress() {
            return Ok(());
        }
        let found = self.read(api, project, path, headers).await?;
        match api.store.mirror(project, &found.mirror).await {
            Ok(_) | Err(store::Error::Busy { .. }) => Ok(()),
            Err(error) => Err(path.fault(error)),
        }
    }

    async fn grant(&self, api: &Api, caller: &Caller, headers: &HeaderMap) -> Result<Option<Grant>, Fault> {
        self.grants.make(api, caller, token(headers).as_ref()).await
    }
}

/// Refuses a snapshot that is not complete, as Heat does before it looks whether the stack is busy: it may be busy with
/// that.
async fn whole(
    api: &Api,
    caller: &Caller,
    path: &StackPath,
    stack: StackId,
    snapshot: SnapshotId,
) -> Result<(), Fault> {
    match api.store.snapshot_by_id(&caller.project, snapshot).await {
        Ok(found) if found.stack != stack || found.stack_name.as_str() != path.stack_name => Ok(()),
        Ok(found) if found.status == Status::Complete && found.action == "CREATE" => Ok(()),
        Ok(_) => Err(store::Error::NotSupported(store::INCOMPLETE).into()),
        Err(store::Error::NoSnapshot(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
