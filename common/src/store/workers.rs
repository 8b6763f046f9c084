//! Who is alive: each worker says so every few seconds. Worker records belong to no project; they are in shard 0.

use std::time::Duration;

use super::keys;
use super::{Error, Shard, Store, decode, put};
use crate::ids::WorkerId;
use crate::record::Worker;

/// A worker that has not said anything for so long, in milliseconds, is not counted on.
pub(super) const SILENT: u64 = 20_000;
/// A worker that has not said anything for so long is forgotten.
const FORGOTTEN: u64 = 3_600_000;

impl Store {
    /// A worker says that it is alive.
    pub async fn beat(&self, worker: &Worker) -> Result<(), Error> {
        let mut batch = self.batch(Shard(0)).await?.disposable();
        put(&mut batch, keys::worker(&worker.id), worker)?;
        self.settle(&batch, Duration::ZERO).await?;
        Ok(())
    }

    /// A worker says that it is gone.
    pub async fn gone(&self, id: &WorkerId) -> Result<(), Error> {
        let mut batch = self.batch(Shard(0)).await?;
        batch.delete(keys::worker(id));
        self.settle(&batch, Duration::from_secs(1)).await?;
        Ok(())
    }

    /// Workers that are alive. Those long silent are forgotten on the way.
    pub async fn live_workers(&self) -> Result<Vec<Worker>, Error> {
        let now = self.now().await?;
        let mut live = Vec::new();
        let mut old = self.batch(Shard(0)).await?.disposable();
        let mut forget = 0;
        for (key, stored) in self.backend.scan(Shard(0), keys::WORKERS, None, 10_000).await? {
            let worker = decode::<Worker>(&key, &stored)?.value;
            let silent = now.0.saturating_sub(worker.beat.0);
            if silent <= SILENT {
                live.push(worker);
            } else if silent > FORGOTTEN {
                old.delete(key);
                forget += 1;
            }
        }
        if forget > 0 {
            self.settle(&old, Duration::ZERO).await?;
        }
        Ok(live)
    }
}
