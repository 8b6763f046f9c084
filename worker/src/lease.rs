//! The right to run a step until a time, as the worker that holds it sees it.
//!
//! A worker judges its own lease by its own monotonic clock, counted from *before* the claim or renewal was sent: the
//! store's lease ends later than what is believed here, never earlier.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

#[derive(Debug, Clone)]
pub struct Lease {
    fence: u64,
    until: Arc<Mutex<Instant>>,
    lost: CancellationToken,
}

impl Lease {
    /// A lease claimed by a commit that was sent at `sent`, for `length`.
    pub fn new(fence: u64, sent: Instant, length: Duration) -> Self {
        Self { fence, until: Arc::new(Mutex::new(sent + length)), lost: CancellationToken::new() }
    }

    /// The number that only grows: every claim of a step has a higher one.
    pub fn fence(&self) -> u64 {
        self.fence
    }

    /// Whether this worker may still act on the world. Ask before every effect that can't be taken back: each rename,
    /// each swap. A process that was paused past its lease gets `false` here.
    pub fn held(&self) -> bool {
        !self.lost.is_cancelled() && Instant::now() < *self.until.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A renewal that was sent at `sent` was granted.
    pub fn renewed(&self, sent: Instant, length: Duration) {
        let mut until = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        *until = (*until).max(sent + length);
    }

    /// Somebody else has the step now, for good.
    pub fn lose(&self) {
        self.lost.cancel();
    }

    pub fn is_lost(&self) -> bool {
        self.lost.is_cancelled()
    }

    /// Done when the lease is lost for good.
    pub async fn lost(&self) {
        self.lost.cancelled().await;
    }
}
