//! The queue: wakes workers. A job says "this step may be ready" and nothing more; the truth is in the store.
//!
//! Laws, which `contract.rs` checks for every queue:
//!
//! 1. `publish` returns `Ok` only when the job is in a queue, as durable as that queue is. On an error it may be there
//!    or not; publishing again is always right.
//! 2. What is published is delivered at least once, to one consumer at a time. A delivery that is dropped, or whose
//!    consumer or connection is gone, before `ack` returned `Settled::Yes`, comes again, with `redelivered` set.
//! 3. After `ack` returned `Settled::Yes` it does not come again. (One exception, which the store's fences make harmless:
//!    an ack is sent, not confirmed; a broker that dies in that instant may hand the job out once more.)
//! 4. A consumer has at most `prefetch` deliveries that are not settled.
//! 5. `cancel` returns when the queue will hand out nothing more to this consumer. Deliveries handed out before come
//!    out of `next`, then `next` is `None`. They can still be acked.
//!    Dropping the consumer itself gives back what is not acked, so: cancel, ack, drop.
//! 6. `next` never ends and never fails because the broker is away: it waits, and goes on when it is back.
//! 7. What can't be read as a job is set aside in the dead-letter queue and never delivered, and does not hold up others.
//! 8. Jobs of one route are handed out nearly in the order in which they were published.

#[cfg(feature = "contract")]
pub mod contract;
#[cfg(feature = "contract")]
pub mod faulty;
pub mod job;
pub mod local;
pub mod rabbit;

use async_trait::async_trait;
use tokio::sync::watch;

pub use job::{Job, Lane, Route, Unreadable};
pub use local::Local;
pub use rabbit::Rabbit;

/// The most deliveries that one consumer may hold.
pub(crate) const MAX_PREFETCH: u16 = 1_000;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The broker can't be reached, is blocked (memory or disk alarm), did not confirm in time, or gave the message
    /// back. Transient.
    #[error("the queue does not answer: {0}")]
    Unavailable(String),
    /// The broker refuses for good: wrong credentials, missing permission, a queue declared otherwise.
    #[error("the queue refuses: {0}")]
    Refused(String),
}

impl Error {
    pub fn is_transient(&self) -> bool {
        matches!(self, Error::Unavailable(_))
    }
}

/// Whether an `ack` counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    Yes,
    /// The delivery was of a connection or channel that is gone: the job will come again.
    No,
}

#[async_trait]
pub trait Queue: Send + Sync + 'static {
    async fn publish(&self, job: &Job) -> Result<(), Error>;

    /// Starts to consume a route, declaring its queue if need be. `prefetch` is 1 to 1,000 (others are brought within).
    /// A broker that is away is no error: `next` waits for it.
    async fn consume(&self, route: &Route, prefetch: u16) -> Result<Box<dyn Consumer>, Error>;

    /// Jobs that wait in a route and are with no consumer; for metrics.
    async fn depth(&self, route: &Route) -> Result<u64, Error>;

    /// Whether jobs can be published now: connected and not blocked.
    fn connected(&self) -> watch::Receiver<bool>;
}

/// Dropping a consumer gives its unsettled deliveries back.
#[async_trait]
pub trait Consumer: Send {
    /// The next delivery; `None` only after `cancel`. Cancel-safe: a future dropped before it is ready loses nothing.
    async fn next(&mut self) -> Option<Delivery>;

    async fn cancel(&mut self);
}

/// A job handed out. Dropping it without `ack` gives it back.
pub struct Delivery {
    pub job: Job,
    /// The queue knows that it handed this out before.
    pub redelivered: bool,
    pub(crate) settle: Box<dyn Settle>,
}

#[async_trait]
pub(crate) trait Settle: Send + Sync {
    async fn ack(self: Box<Self>) -> Settled;
}

impl Delivery {
    pub async fn ack(self) -> Settled {
        self.settle.ack().await
    }
}
