//! Work that keeps a processor busy: reading and checking templates. One of the largest size takes long.
//!
//! The thread that does it serves nobody else meanwhile, so the runtime gives its other tasks to another thread: other
//! requests, and in `serve` the renewals of the worker's leases. As many templates are read at once as there are
//! processors; more wait in line.

use std::num::NonZero;
use std::thread::available_parallelism;

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::Semaphore;
use tokio::task::block_in_place;

use crate::fault::Fault;

/// The line.
pub(crate) struct Busy(Semaphore);

impl Default for Busy {
    fn default() -> Self {
        Self(Semaphore::new(available_parallelism().map_or(1, NonZero::get)))
    }
}

impl Busy {
    /// Does `work`, which waits for nothing, when its turn has come.
    ///
    /// # Errors
    /// Those of `work`.
    pub(crate) async fn run<T>(&self, work: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
        let _turn = self.0.acquire().await.map_err(|_| Fault::internal())?;
        match Handle::current().runtime_flavor() {
            RuntimeFlavor::MultiThread => block_in_place(work),
            // There is no other thread.
            _ => work(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::Arc;
    use std::sync::mpsc::{RecvTimeoutError, channel};
    use std::time::Duration;

    use super::*;

    /// More pieces of work than there are threads, each of which ends only when a task has run beside it.
    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn others_are_served_meanwhile() {
        let busy = Arc::new(Busy::default());
        let works: Vec<_> = (0..8)
            .map(|_| {
                let busy = Arc::clone(&busy);
                tokio::spawn(async move {
                    busy.run(|| {
                        let (tell, told) = channel();
                        tokio::spawn(async move { tell.send(()) });
                        Ok(told.recv_timeout(Duration::from_secs(60)))
                    })
                    .await
                })
            })
            .collect();
        for work in works {
            assert_eq!(work.await.unwrap().unwrap(), Ok::<(), RecvTimeoutError>(()));
        }
    }

    #[tokio::test]
    async fn one_thread_does_it_all_the_same() {
        assert_eq!(Busy::default().run(|| Ok(7)).await.unwrap(), 7);
    }
}
