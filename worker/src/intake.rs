//! Intake: a free slot, then a delivery, then the claim, then the ack.
//!
//! A consumer exists only while it holds a free slot for what it may be given, and has one delivery at most. After the
//! claim it looks for the next slot; if there is none it cancels itself, waits until the broker has agreed, and only
//! then acks: so a busy worker holds no delivery that another could have. When a slot frees it consumes again.
//!
//! The delivery is acked when the claim is recorded, not when the work is done: RabbitMQ closes the channel of a consumer
//! that holds a delivery for long. From then on the lease says whose the step is.

use std::sync::Arc;
use std::time::Duration;

use stacksnap_common::queue::{Consumer, Delivery, Route};
use tokio_util::sync::CancellationToken;

use crate::Shared;
use crate::run::step;
use crate::slots::Slot;

/// How long to wait before consuming again when the store or the broker refused.
const PAUSE: Duration = Duration::from_secs(1);

/// Takes steps from one route until `token` is cancelled.
pub(crate) async fn run(shared: Arc<Shared>, route: Route, token: CancellationToken) {
    loop {
        let slot = tokio::select! {
            () = token.cancelled() => return,
            slot = shared.slots.take(route.lane) => slot,
        };
        let Some(slot) = slot else { return };
        let consumer = tokio::select! {
            () = token.cancelled() => return,
            consumer = shared.queue.consume(&route, 1) => consumer,
        };
        let went_well = match consumer {
            Ok(consumer) => consume(&shared, &route, consumer, slot, &token).await,
            Err(error) => {
                tracing::warn!(%route, %error, "can't consume; trying again");
                false
            }
        };
        if !went_well {
            tokio::select! {
                () = token.cancelled() => return,
                () = tokio::time::sleep(PAUSE) => {}
            }
        }
    }
}

/// Consumes as long as there is a slot for the next delivery. `false`: something refused.
async fn consume(
    shared: &Arc<Shared>,
    route: &Route,
    mut consumer: Box<dyn Consumer>,
    mut slot: Slot,
    token: &CancellationToken,
) -> bool {
    loop {
        let delivery = tokio::select! {
            () = token.cancelled() => return true,
            delivery = consumer.next() => delivery,
        };
        let Some(delivery) = delivery else { return true };
        let Delivery { ref job, .. } = delivery;
        let claimed = match shared.store.claim(job, &shared.me.id).await {
            Ok(claimed) => claimed,
            Err(error) => {
                tracing::warn!(step = %job.step, %error, "can't claim; the job is given back");
                return false;
            }
        };
        let Some(claimed) = claimed else {
            delivery.ack().await;
            continue;
        };
        let next = if token.is_cancelled() { None } else { shared.slots.try_take(route.lane) };
        if next.is_none() {
            consumer.cancel().await;
        }
        delivery.ack().await;
        shared.tasks.spawn(step(Arc::clone(shared), claimed, slot));
        match next {
            Some(free) => slot = free,
            None => return true,
        }
    }
}
