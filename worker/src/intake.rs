//! Intake: a free slot, then a delivery, then the claim, then the ack.
//!
//! An intake consumes only while it holds a free slot for what it may be given: from the queues of all its lanes and
//! pools at once, so that a slot never waits for one of them while another has work. After a claim the step is begun, and
//! the intake looks for the next slot; if there is none it cancels its consumers, waits until the broker has agreed, and
//! only then acks: so a busy worker holds no delivery that another could have. When a slot frees it consumes again.
//!
//! Most steps of the short lanes end at once, and cancelling and consuming cost the broker more than such a step does.
//! So an intake with one consumer first waits a moment for a slot, with the delivery of the step that was just claimed
//! not acked yet: at a prefetch of 1 the broker hands out nothing more meanwhile.
//!
//! The delivery is acked when the claim is recorded, not when the work is done: RabbitMQ closes the channel of a consumer
//! that holds a delivery for long. From the claim on the lease says whose the step is.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::select_all;
use stacksnap_common::queue::{Consumer, Delivery, Error, Lane, Route};
use tokio_util::sync::CancellationToken;

use crate::Shared;
use crate::run::step;
use crate::slots::{CopyRight, Group, Slot};

/// How long to wait before consuming again when the store or the broker refused.
const PAUSE: Duration = Duration::from_secs(1);
/// How long a slot is waited for before the consumers are cancelled.
const LINGER: Duration = Duration::from_millis(100);

/// Takes steps of a group of lanes, of all pools, until `token` is cancelled.
pub(crate) async fn run(shared: Arc<Shared>, group: Group, token: CancellationToken) {
    while !token.is_cancelled() {
        let slot = tokio::select! {
            () = token.cancelled() => return,
            slot = shared.slots.take(group) => slot,
        };
        let Some(slot) = slot else { return };
        let mut intake = Intake { shared: &shared, group, consumers: Vec::new(), right: None };
        if let Err(refused) = intake.consume(slot, &token).await {
            tracing::warn!(?group, reason = refused, "can't take steps; trying again");
            tokio::select! {
                () = token.cancelled() => return,
                () = tokio::time::sleep(PAUSE) => {}
            }
        }
    }
}

/// What an intake consumes from while it holds a slot.
struct Intake<'a> {
    shared: &'a Arc<Shared>,
    group: Group,
    consumers: Vec<(Lane, Box<dyn Consumer>)>,
    /// Held while it consumes copies.
    right: Option<CopyRight>,
}

enum Woken {
    Stop,
    /// A copy may be taken from now on.
    Right(Option<CopyRight>),
    /// From which consumer; `None`: it has ended.
    Delivery(usize, Option<Delivery>),
}

impl Intake<'_> {
    /// Consumes as long as there is a slot for the next delivery. An error says who refused.
    async fn consume(&mut self, mut slot: Slot, token: &CancellationToken) -> Result<(), String> {
        for lane in self.group.lanes() {
            if *lane != Lane::Data {
                self.open(*lane).await.map_err(|error| error.to_string())?;
            }
        }
        loop {
            let (lane, delivery) = match self.wait(token).await {
                Woken::Stop => return Ok(()),
                Woken::Right(right) => {
                    self.right = right;
                    self.open(Lane::Data).await.map_err(|error| error.to_string())?;
                    continue;
                }
                Woken::Delivery(_, None) => return Ok(()),
                Woken::Delivery(from, Some(delivery)) => (self.consumers[from].0, delivery),
            };
            let claimed = self.shared.store.claim(&delivery.job, &self.shared.me.id).await;
            // What was not claimed is given back when it is dropped.
            let Some(claimed) = claimed.map_err(|error| error.to_string())? else {
                delivery.ack().await;
                continue;
            };
            if lane == Lane::Data {
                slot = slot.with(self.right.take());
            }
            self.shared.tasks.spawn(step(Arc::clone(self.shared), claimed, slot));
            let next = if token.is_cancelled() { None } else { self.next_slot(token).await };
            if next.is_none() {
                self.close(None).await;
            } else if lane == Lane::Data {
                self.right = self.shared.slots.try_copy();
                if self.right.is_none() {
                    // Copies are consumed anew once there is a right to one more.
                    self.close(Some(Lane::Data)).await;
                }
            }
            delivery.ack().await;
            match next {
                Some(free) => slot = free,
                None => return Ok(()),
            }
        }
    }

    /// A slot for the delivery after this one, if there is one now or in a moment. Several consumers are not kept waiting:
    /// another of them may be handed something that a second worker has a slot for.
    async fn next_slot(&mut self, token: &CancellationToken) -> Option<Slot> {
        if self.consumers.len() > 1 {
            return self.shared.slots.try_take(self.group);
        }
        tokio::select! {
            biased;
            slot = self.shared.slots.take(self.group) => slot,
            () = token.cancelled() => None,
            () = tokio::time::sleep(LINGER) => None,
        }
    }

    async fn wait(&mut self, token: &CancellationToken) -> Woken {
        let copies = self.group.lanes().contains(&Lane::Data) && self.right.is_none();
        let slots = self.shared.slots.clone();
        let deliveries = select_all(self.consumers.iter_mut().map(|(_, consumer)| consumer.next()));
        tokio::select! {
            // A restore that is there already goes first.
            biased;
            () = token.cancelled() => Woken::Stop,
            (delivery, from, _) = deliveries => Woken::Delivery(from, delivery),
            right = slots.copy(), if copies => Woken::Right(right),
        }
    }

    /// Consumes a lane, from the queues of all pools.
    async fn open(&mut self, lane: Lane) -> Result<(), Error> {
        for pool in &self.shared.settings.pools {
            let route = Route { pool: pool.clone(), lane };
            self.consumers.push((lane, self.shared.queue.consume(&route, 1).await?));
        }
        Ok(())
    }

    /// Ends the consumers of a lane, or all, and waits until nothing more is handed to them. What was handed to another
    /// of them in this very moment goes back to its queue.
    async fn close(&mut self, lane: Option<Lane>) {
        for (_, consumer) in self.consumers.iter_mut().filter(|(of, _)| lane.is_none_or(|lane| lane == *of)) {
            consumer.cancel().await;
        }
        self.consumers.retain(|(of, _)| lane.is_some_and(|lane| lane != *of));
    }
}
