//! Cancelling an operation: it begins nothing more, undoes what it must, and ends as CANCELLED.

use super::backend::At;
use super::keys::{self, Timer};
use super::{Error, PATIENCE, Store, backend, put, require_version};
use crate::ids::{OperationId, ProjectId};
use crate::operation::{Kind, Operation, Stop, machine};

impl Store {
    /// Cancelling what is being cancelled already is fine. Steps in hand see it within one renewal.
    pub async fn cancel(&self, project: &ProjectId, id: OperationId, by: &str) -> Result<Operation, Error> {
        loop {
            let mut op = self.operation(project, id).await?;
            let ended = op.value.state.ended();
            let refuse = |why| Err(Error::NotCancellable { operation: id, kind: op.value.kind.as_str(), ended, why });
            if ended {
                return refuse("it has ended");
            }
            if matches!(op.value.kind, Kind::SnapshotDelete | Kind::StackDelete | Kind::Abandon) {
                return refuse("a delete is finished once it has begun");
            }
            let now = self.now().await?;
            if !machine::stop(&mut op.value, Stop::Cancelled { by: by.to_owned(), at: now }) {
                return Ok(op.value);
            }
            let mut batch = self.batch(self.shard(project)).await?;
            require_version(&mut batch, keys::operation(project, id), op.version);
            put(&mut batch, keys::operation(project, id), &op.value)?;
            batch.set_timer(Timer::Advance(project.clone(), id).id(), At::NOW);
            match self.settle(&batch, PATIENCE).await {
                Ok(_) => return Ok(op.value),
                Err(backend::Error::Conflict(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}
