//! Where the resources of a stack of Heat's are after Heat has changed it for one of our operations: what Heat made anew
//! has another physical id, and what is to be done to it is done to that one.

use super::backend;
use super::keys::{self, count};
use super::{Error, PATIENCE, Read, Store, put, require_version};
use crate::ids::{OperationId, ProjectId, StackId};
use crate::types::Resource;

impl Store {
    /// Notes what the stack has now. Nothing is done where the operation has the stack no more.
    pub async fn note_resources(
        &self,
        project: &ProjectId,
        stack: StackId,
        operation: OperationId,
        resources: &[Resource],
    ) -> Result<(), Error> {
        let key = keys::stack(project, stack);
        for _ in 0..20 {
            let Read { mut value, version } = self.stack(project, stack).await?;
            if value.busy != Some(operation) || value.resources == resources {
                return Ok(());
            }
            let more = resources.len() as i64 - value.resources.len() as i64;
            value.resources = resources.to_vec();
            let mut batch = self.batch(self.shard(project)).await?;
            batch.count(count::resources(project), more, None);
            require_version(&mut batch, key.clone(), version);
            put(&mut batch, key.clone(), &value)?;
            match self.settle(&batch, PATIENCE).await {
                Ok(_) => return Ok(()),
                Err(backend::Error::Conflict(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(backend::Error::Unavailable("too many changes at once to the same stack".to_owned()).into())
    }
}
