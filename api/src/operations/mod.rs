//! Operations: what runs and what ran, how far it is, and stopping it. Heat has none of this.

pub(crate) mod cancel;
pub(crate) mod events;
pub(crate) mod files;
pub(crate) mod list;
pub(crate) mod routes;
pub(crate) mod show;
pub(crate) mod view;

use serde::Deserialize;
use stacksnap_common::ids::{OperationId, ProjectId};
use stacksnap_common::operation::Operation;
use stacksnap_common::store::read::Seen;

use crate::Api;
use crate::fault::Fault;

/// Steps read at a time, and at most looked at for one answer: beyond, sums are left out.
const MOST: u32 = 10_000;

#[derive(Debug, Deserialize)]
pub(crate) struct OperationPath {
    operation_id: String,
}

impl OperationPath {
    fn id(&self) -> Result<OperationId, Fault> {
        self.operation_id.to_ascii_lowercase().parse().map_err(|_| Fault::no_operation(&self.operation_id))
    }

    async fn find(&self, api: &Api, project: &ProjectId) -> Result<Operation, Fault> {
        Ok(api.store.find_operation(project, self.id()?).await?)
    }
}

/// Every step, or none where they are too many.
async fn all_steps(api: &Api, operation: &Operation) -> Result<Option<Vec<Seen>>, Fault> {
    if operation.items > MOST {
        return Ok(None);
    }
    Ok(Some(api.store.list_items(&operation.project, operation.id, 0, MOST as usize).await?))
}
