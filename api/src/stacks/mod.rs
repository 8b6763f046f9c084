//! Stacks, as Heat has them: `/v1/{project}/stacks…`. One verb a file.
//!
//! A stack is asked for by name and id together, which must agree; a name or an id alone is answered with a redirect to
//! both (`lookup.rs`).

pub(crate) mod abandon;
pub(crate) mod actions;
mod adopt;
pub(crate) mod create;
pub(crate) mod delete;
mod document;
pub(crate) mod environment;
pub(crate) mod events;
pub(crate) mod export;
pub(crate) mod files;
mod given;
pub(crate) mod list;
pub(crate) mod lookup;
pub(crate) mod outputs;
pub(crate) mod preview_update;
pub(crate) mod routes;
pub(crate) mod show;
pub(crate) mod template;
pub(crate) mod update;
pub(crate) mod view;

use serde::Deserialize;
use stacksnap_common::ids::{ProjectId, StackId};
use stacksnap_common::record::Stack;

use crate::Api;
use crate::fault::Fault;

#[derive(Debug, Deserialize)]
pub(crate) struct StackPath {
    pub(crate) stack_name: String,
    pub(crate) stack_id: String,
}

impl StackPath {
    /// The stack, a deleted one too.
    pub(crate) async fn any(&self, api: &Api, project: &ProjectId) -> Result<Stack, Fault> {
        let unknown = || Fault::no_stack(&self.stack_name);
        // Heat's database takes ids in any case.
        let id: StackId = self.stack_id.to_ascii_lowercase().parse().map_err(|_| unknown())?;
        let stack = api.store.find_stack(project, id).await.map_err(|error| self.fault(error))?;
        if stack.name.as_str() == self.stack_name { Ok(stack) } else { Err(unknown()) }
    }

    /// The stack, if it is not deleted.
    pub(crate) async fn live(&self, api: &Api, project: &ProjectId) -> Result<Stack, Fault> {
        let stack = self.any(api, project).await?;
        if stack.deleted_at.is_none() { Ok(stack) } else { Err(Fault::no_stack(&self.stack_name)) }
    }

    /// A verb's error, in the name that the caller used.
    pub(crate) fn fault(&self, error: stacksnap_common::store::Error) -> Fault {
        Fault::from(error).about_stack(&self.stack_name)
    }
}
