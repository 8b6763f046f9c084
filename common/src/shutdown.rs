//! Stopping: one token from `main`, handed down; nobody asks a global.
//!
//! SIGTERM or SIGINT cancels [`Shutdown::token`]: nothing new is taken on, what runs ends or is handed back within the
//! configured deadline, and [`Shutdown::wait`] returns when every task spawned here has ended. A second signal cancels
//! [`Shutdown::at_once`]: the process ends as if it were killed, which costs nothing but the wait for its leases to end.

use std::future::Future;
use std::io;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Cheap to clone; all clones are one.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    token: CancellationToken,
    at_once: CancellationToken,
    tasks: TaskTracker,
}

impl Shutdown {
    pub fn new() -> Self {
        Self::default()
    }

    /// Cancelled when the process should stop. A part that must end earlier than the whole makes a child token.
    pub fn token(&self) -> CancellationToken {
        self.token.clone()
    }

    /// Cancelled when the process must not wait any longer.
    pub fn at_once(&self) -> CancellationToken {
        self.at_once.clone()
    }

    /// The tasks that [`Shutdown::wait`] waits for.
    pub fn tasks(&self) -> &TaskTracker {
        &self.tasks
    }

    /// Runs a part of the process until it ends. If it ends before the process was told to stop, the process stops: a
    /// service of which one part is gone is worse than one that its supervisor starts again.
    pub fn spawn(&self, name: &'static str, part: impl Future<Output = ()> + Send + 'static) {
        let token = self.token();
        self.tasks.spawn(async move {
            let ended = tokio::spawn(part).await;
            if let Err(error) = &ended {
                tracing::error!(part = name, "a part of the process failed: {error}");
            }
            if !token.is_cancelled() {
                tracing::error!(part = name, "a part of the process ended by itself; stopping");
                token.cancel();
            }
        });
    }

    /// Tells everybody to stop.
    pub fn begin(&self) {
        self.token.cancel();
    }

    /// Listens to SIGTERM and SIGINT from now on.
    pub fn on_signals(&self) -> io::Result<()> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let (token, at_once) = (self.token(), self.at_once());
        tokio::spawn(async move {
            loop {
                let name = tokio::select! {
                    _ = terminate.recv() => "SIGTERM",
                    _ = interrupt.recv() => "SIGINT",
                };
                if token.is_cancelled() {
                    tracing::warn!("{name} again; stopping at once");
                    at_once.cancel();
                    return;
                }
                tracing::info!("{name}; stopping (once more: at once)");
                token.cancel();
            }
        });
        Ok(())
    }

    /// Waits until the process was told to stop and all its parts have ended. Whether they did: not if they took longer
    /// than `deadline` after they were told, or if a second signal came.
    pub async fn wait(&self, deadline: Duration) -> bool {
        self.token.cancelled().await;
        self.tasks.close();
        tokio::select! {
            () = self.tasks.wait() => true,
            () = tokio::time::sleep(deadline) => {
                tracing::warn!("not everything ended in {} s; stopping", deadline.as_secs());
                false
            }
            () = self.at_once.cancelled() => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(3_600);

    #[tokio::test]
    async fn waits_for_every_part() {
        let shutdown = Shutdown::new();
        let (token, (end, ended)) = (shutdown.token(), tokio::sync::oneshot::channel());
        shutdown.spawn("part", async move {
            token.cancelled().await;
            assert!(ended.await.is_ok());
        });
        shutdown.begin();
        let mut wait = std::pin::pin!(shutdown.wait(LONG));
        let early = tokio::time::timeout(Duration::from_millis(50), &mut wait).await;
        assert!(early.is_err(), "did not wait for the part");
        assert!(end.send(()).is_ok());
        assert!(wait.await);
    }

    #[tokio::test]
    async fn does_not_wait_past_the_deadline_nor_after_a_second_signal() {
        let shutdown = Shutdown::new();
        shutdown.spawn("stuck", std::future::pending());
        shutdown.begin();
        assert!(!shutdown.wait(Duration::from_millis(20)).await);
        shutdown.at_once().cancel();
        assert!(!shutdown.wait(LONG).await);
    }

    #[tokio::test]
    async fn a_part_that_ends_or_panics_stops_the_process() {
        for panics in [false, true] {
            let shutdown = Shutdown::new();
            shutdown.spawn("short", async move { assert!(!panics, "this panic is part of the test") });
            assert!(shutdown.wait(LONG).await);
        }
    }
}
