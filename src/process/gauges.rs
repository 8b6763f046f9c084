//! Gauges that nobody's work writes: how deep the queues of this process's pools are, and whether store and queue answer.

use std::time::Duration;

use stacksnap_common::ids::PoolName;
use stacksnap_common::metrics::{self, Backend};
use stacksnap_common::queue::{Lane, Route};
use tokio_util::sync::CancellationToken;

use super::parts::Parts;

const EVERY: Duration = Duration::from_secs(5);

pub async fn run(parts: Parts, pools: Vec<PoolName>, token: CancellationToken) {
    let connected = parts.queue.connected();
    let mut tick = tokio::time::interval(EVERY);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while token.run_until_cancelled(tick.tick()).await.is_some() {
        let measured = async {
            metrics::backend_up(Backend::Store, parts.store.ping().await.is_ok());
            let up = *connected.borrow();
            metrics::backend_up(Backend::Queue, up);
            for route in pools.iter().flat_map(routes).filter(|_| up) {
                // Unknown for now is no reason to report a wrong number, nor an old one as new.
                if let Ok(jobs) = parts.queue.depth(&route).await {
                    metrics::queue_depth(&route, jobs);
                }
            }
        };
        if token.run_until_cancelled(measured).await.is_none() {
            return;
        }
    }
}

fn routes(pool: &PoolName) -> impl Iterator<Item = Route> {
    Lane::ALL.into_iter().map(|lane| Route { pool: pool.clone(), lane })
}
