//! Consumers that stay attached.
//!
//! A consumer is attached by a channel with its prefetch and a `basic.consume` on it. Whatever ends that (the connection
//! is lost, the broker closes the channel because a delivery was held too long, the queue is deleted) is handled in one
//! way: the old channel is dropped, what it still had buffered or handed out is void, and a task attaches anew, for as
//! long as it takes. `next` only waits.
//!
//! Workers cancel and consume again for every job that takes their last slot. So a channel that was left clean, with
//! nothing unsettled on it, is kept and used again, and a queue that was declared once is not declared each time.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use backon::{BackoffBuilder, ExponentialBuilder};
use futures_util::{FutureExt, StreamExt};
use lapin::options::{BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicNackOptions, BasicQosOptions};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{Acker, Channel, Connection};
use tokio_util::task::AbortOnDropHandle;

use super::connection::{Link, State, is_not_found, within};
use super::publish::Publisher;
use super::topology;
use crate::queue::{Consumer, Delivery, Error, Job, Settle, Settled, Unreadable};

/// The most clean channels that are kept.
const SPARE_CHANNELS: usize = 16;

pub(super) struct Consumers {
    link: Link,
    publisher: Arc<Publisher>,
    /// Where messages go that can't be read.
    dead: String,
    declared: Mutex<HashSet<String>>,
    spare: Mutex<Vec<Spare>>,
}

struct Spare {
    channel: Channel,
    prefetch: u16,
}

impl Consumers {
    pub(super) fn new(link: Link, publisher: Arc<Publisher>, dead: String) -> Self {
        Self { link, publisher, dead, declared: Mutex::default(), spare: Mutex::default() }
    }

    pub(super) async fn consume(self: &Arc<Self>, queue: String, prefetch: u16) -> Result<Box<dyn Consumer>, Error> {
        let target = Target { of: self.clone(), queue, prefetch };
        let first = match self.link.up().await {
            Ok(connection) => target.attach(&connection).await,
            Err(error) => Err(error),
        };
        let state = match first {
            Ok(attached) => Attachment::Attached(Box::new(attached)),
            Err(error) if error.is_transient() => target.clone().attaching(),
            Err(error) => return Err(error),
        };
        Ok(Box::new(Attendant { target, state, cancelled: false }))
    }

    fn take_spare(&self, prefetch: u16) -> Option<Channel> {
        let mut spare = lock(&self.spare);
        spare.retain(|spare| spare.channel.status().connected());
        let index = spare.iter().position(|spare| spare.prefetch == prefetch)?;
        Some(spare.swap_remove(index).channel)
    }

    fn put_spare(&self, channel: Channel, prefetch: u16) {
        let mut spare = lock(&self.spare);
        if channel.status().connected() && spare.len() < SPARE_CHANNELS {
            spare.push(Spare { channel, prefetch });
        }
    }
}

/// What a consumer is attached to.
#[derive(Clone)]
struct Target {
    of: Arc<Consumers>,
    queue: String,
    prefetch: u16,
}

impl Target {
    /// Attaches once. Dropping the future takes back what it did: the channel is closed.
    async fn attach(&self, connection: &Connection) -> Result<Attached, Error> {
        within(self.of.link.timeout(), "consuming", async {
            match self.attach_to_declared(connection).await {
                // Deleted behind our back. The error closed that channel.
                Err(error) if is_not_found(&error) => {
                    lock(&self.of.declared).remove(&self.queue);
                    tokio::time::sleep(topology::AFTER_DELETE).await;
                    self.attach_to_declared(connection).await
                }
                first => first,
            }
        })
        .await
    }

    async fn attach_to_declared(&self, connection: &Connection) -> lapin::Result<Attached> {
        let channel = match self.of.take_spare(self.prefetch) {
            Some(channel) => channel,
            None => {
                let channel = connection.create_channel().await?;
                channel.basic_qos(self.prefetch, BasicQosOptions::default()).await?;
                channel
            }
        };
        if !lock(&self.of.declared).contains(&self.queue) {
            topology::declare(&channel, &self.queue).await?;
            lock(&self.of.declared).insert(self.queue.clone());
        }
        let deliveries = channel
            .basic_consume(
                self.queue.as_str().into(),
                ShortString::default(),
                BasicConsumeOptions::default(),
                FieldTable::default(),
            )
            .await?;
        let hold = Arc::new(Hold::default());
        Ok(Attached {
            target: self.clone(),
            channel: Some(channel),
            deliveries,
            hold,
            cancelled: false,
            drained: false,
        })
    }

    /// Attaches in a task of its own, so that it goes on when `next` is not being waited for.
    fn attaching(self) -> Attachment {
        Attachment::Attaching(AbortOnDropHandle::new(tokio::spawn(self.attach_at_last())))
    }

    async fn attach_at_last(self) -> Attached {
        let mut states = self.of.link.state();
        let mut pauses = ExponentialBuilder::new()
            .with_min_delay(Duration::from_millis(50))
            .with_max_delay(Duration::from_secs(5))
            .with_jitter()
            .without_max_times()
            .build();
        loop {
            let connection = match &*states.borrow_and_update() {
                // What a publisher may not do now does not stop a consumer; but this link never is blocked.
                State::Up(connection) => Some(connection.clone()),
                _ => None,
            };
            let Some(connection) = connection else {
                if states.changed().await.is_err() {
                    // The link is gone with the process's end.
                    std::future::pending::<()>().await;
                }
                continue;
            };
            match self.attach(&connection).await {
                Ok(attached) => {
                    tracing::info!(queue = self.queue, "consuming again");
                    return attached;
                }
                Err(error) if error.is_transient() => tracing::warn!(queue = self.queue, %error, "can't consume yet"),
                Err(error) => tracing::error!(queue = self.queue, %error, "may not consume; trying on"),
            }
            tokio::time::sleep(pauses.next().unwrap_or(Duration::from_secs(5))).await;
        }
    }
}

/// One channel with one consumer on it.
struct Attached {
    target: Target,
    /// Only taken by `drop`.
    channel: Option<Channel>,
    deliveries: lapin::Consumer,
    hold: Arc<Hold>,
    /// `basic.cancel` was confirmed.
    cancelled: bool,
    /// And everything that came before it was handed out.
    drained: bool,
}

/// What was handed out on one channel.
#[derive(Default)]
struct Hold {
    unsettled: AtomicUsize,
    /// The channel is gone, and an ack would count for nothing.
    gone: AtomicBool,
}

impl Drop for Attached {
    fn drop(&mut self) {
        let drained = self.drained || matches!(self.deliveries.next().now_or_never(), Some(None));
        let clean = self.cancelled && drained && self.hold.unsettled.load(Ordering::Acquire) == 0;
        self.hold.gone.store(true, Ordering::Release);
        // Dropped, a channel is closed, and the broker hands out again what was unsettled on it.
        if let Some(channel) = self.channel.take().filter(|_| clean) {
            self.target.of.put_spare(channel, self.target.prefetch);
        }
    }
}

enum Attachment {
    Attaching(AbortOnDropHandle<Attached>),
    Attached(Box<Attached>),
    Ended,
}

struct Attendant {
    target: Target,
    state: Attachment,
    cancelled: bool,
}

impl Attendant {
    /// After the channel ended.
    fn detach(&mut self) {
        self.state = if self.cancelled { Attachment::Ended } else { self.target.clone().attaching() };
    }

    /// A message as a delivery; none for one of a channel that ended, and for one that can't be read.
    fn receive(&self, hold: Arc<Hold>, message: lapin::message::Delivery) -> Option<Delivery> {
        if !message.acker.usable() {
            return None;
        }
        hold.unsettled.fetch_add(1, Ordering::AcqRel);
        let handed = Box::new(Handed { acker: message.acker, hold });
        match Job::decode(&message.data) {
            Ok(job) => Some(Delivery { job, redelivered: message.redelivered, settle: handed }),
            Err(reason) => {
                tokio::spawn(set_aside(self.target.clone(), message.data, reason, handed));
                None
            }
        }
    }
}

#[async_trait]
impl Consumer for Attendant {
    async fn next(&mut self) -> Option<Delivery> {
        loop {
            match &mut self.state {
                Attachment::Ended => return None,
                Attachment::Attaching(attaching) => match attaching.await {
                    Ok(attached) => self.state = Attachment::Attached(Box::new(attached)),
                    Err(_) => self.detach(),
                },
                Attachment::Attached(attached) if attached.drained => return None,
                Attachment::Attached(attached) => match attached.deliveries.next().await {
                    Some(Ok(message)) => {
                        let hold = attached.hold.clone();
                        if let Some(delivery) = self.receive(hold, message) {
                            return Some(delivery);
                        }
                    }
                    Some(Err(error)) => {
                        tracing::warn!(queue = self.target.queue, %error, "the broker ended a consumer's channel");
                        self.detach();
                    }
                    // Not detached: what was handed out can still be acked.
                    None if attached.cancelled => attached.drained = true,
                    None => {
                        tracing::warn!(queue = self.target.queue, "the broker ended a consumer");
                        self.detach();
                    }
                },
            }
        }
    }

    async fn cancel(&mut self) {
        if std::mem::replace(&mut self.cancelled, true) {
            return;
        }
        let Attachment::Attached(attached) = &mut self.state else {
            self.state = Attachment::Ended;
            return;
        };
        let Some(channel) = &attached.channel else { return };
        let tag = attached.deliveries.tag();
        let cancelling = channel.basic_cancel(tag, BasicCancelOptions::default());
        match within(self.target.of.link.timeout(), "cancelling a consumer", cancelling).await {
            Ok(()) => attached.cancelled = true,
            // Nothing is handed out on a channel that is gone.
            Err(error) => {
                tracing::debug!(queue = self.target.queue, %error, "the consumer's channel was gone at its cancel");
                self.state = Attachment::Ended;
            }
        }
    }
}

/// A message handed out and not settled.
struct Handed {
    acker: Acker,
    hold: Arc<Hold>,
}

#[async_trait]
impl Settle for Handed {
    async fn ack(self: Box<Self>) -> Settled {
        if self.hold.gone.load(Ordering::Acquire) {
            return Settled::No;
        }
        // Ready when the ack is written to the socket; the broker does not answer to it.
        match self.acker.ack(BasicAckOptions::default()).await {
            Ok(true) => Settled::Yes,
            Ok(false) | Err(_) => Settled::No,
        }
    }
}

impl Drop for Handed {
    fn drop(&mut self) {
        // After an ack this does nothing. The first poll hands it to lapin, which sends it; there is no answer to it.
        let requeue = BasicNackOptions { requeue: true, ..BasicNackOptions::default() };
        #[expect(clippy::disallowed_methods, reason = "the one place: a delivery that nobody settled goes back")]
        let _ = self.acker.nack(requeue).now_or_never();
        self.hold.unsettled.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Moves a message that can't be read to the dead-letter queue. It holds its place in the prefetch until it is there.
async fn set_aside(target: Target, body: Vec<u8>, reason: Unreadable, handed: Box<Handed>) {
    tracing::error!(queue = target.queue, %reason, bytes = body.len(), "message set aside in {}", target.of.dead);
    let mut headers = FieldTable::default();
    headers.insert("x-stacksnap-reason".into(), AMQPValue::LongString(reason.to_string().into()));
    headers.insert("x-stacksnap-queue".into(), AMQPValue::LongString(target.queue.as_str().into()));
    while handed.acker.usable() && !handed.hold.gone.load(Ordering::Acquire) {
        match target.of.publisher.publish(&target.of.dead, body.clone(), Some(headers.clone())).await {
            Ok(()) => {
                handed.ack().await;
                return;
            }
            Err(error) => tracing::warn!(%error, "can't set a message aside yet"),
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// The locks here guard plain collections whose changes are single calls: a panic elsewhere leaves them whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
