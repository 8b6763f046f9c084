//! The heartbeat: says every few seconds that this worker lives. It decides where steps can be placed, nothing else:
//! whether a step's worker lives is for its lease to say.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::Shared;

/// Three of these fit into the time after which a worker counts as silent.
const EVERY: Duration = Duration::from_secs(5);

pub(crate) async fn run(shared: Arc<Shared>, token: CancellationToken) {
    loop {
        tokio::select! {
            () = token.cancelled() => break,
            () = tokio::time::sleep(EVERY) => {}
        }
        once(&shared, false).await;
    }
    once(&shared, true).await;
}

pub(crate) async fn once(shared: &Shared, draining: bool) {
    let beat = async {
        let mut worker = shared.me.clone();
        worker.beat = shared.store.now().await?;
        worker.draining = draining;
        shared.store.beat(&worker).await
    };
    if let Err(error) = beat.await {
        tracing::warn!(%error, "no heartbeat: the store does not take it");
    }
}

pub(crate) async fn gone(shared: &Shared) {
    if let Err(error) = shared.store.gone(&shared.me.id).await {
        tracing::warn!(%error, "could not say goodbye; this worker will be forgotten by itself");
    }
}
