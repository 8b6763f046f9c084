//! Connections: HTTP/1.1, bounded in number and in the time that a caller may take to send a request's head.
//!
//! When the token is cancelled nothing new is accepted, requests in hand are answered, and event streams end.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::{Api, router};

/// Open connections; more wait to be accepted.
const CONNECTIONS: usize = 4096;
/// A request's line and headers.
const HEAD_BYTES: usize = 64 << 10;

/// How long a caller may take. Whoever takes longer is answered 400, or not at all, and the connection ends.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// For a request's head to arrive, and for an idle connection to send one.
    pub head: Duration,
    /// For the next part of a body.
    pub part: Duration,
    /// For a whole body.
    pub body: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { head: Duration::from_secs(30), part: Duration::from_secs(30), body: Duration::from_secs(120) }
    }
}

/// Serves until `token` is cancelled and every request in hand has been answered.
pub async fn serve(listener: TcpListener, api: Api, token: CancellationToken) -> io::Result<()> {
    let head = api.patience.head;
    let router = router(Api { stopping: token.clone(), ..api });
    let connections = Arc::new(Semaphore::new(CONNECTIONS));
    let open = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            () = token.cancelled() => break,
            accepted = next(&listener, &connections) => accepted,
        };
        let Some((stream, permit)) = accepted else { break };
        let (router, token) = (router.clone(), token.clone());
        open.spawn(async move {
            connection(stream, router, head, token).await;
            drop(permit);
        });
    }
    drop(listener);
    open.close();
    open.wait().await;
    Ok(())
}

async fn next(
    listener: &TcpListener,
    connections: &Arc<Semaphore>,
) -> Option<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let permit = Arc::clone(connections).acquire_owned().await.ok()?;
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return Some((stream, permit)),
            // A caller that gave up meanwhile is nothing; without file descriptors waiting is all there is.
            Err(error) => {
                if !matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset) {
                    tracing::warn!("no connection can be accepted now: {error}");
                    tokio::time::sleep(Duration::from_millis(500)).await;
                }
            }
        }
    }
}

async fn connection(stream: TcpStream, router: Router, head: Duration, token: CancellationToken) {
    // Answers are small and written whole; waiting for more would only cost time.
    let _ = stream.set_nodelay(true);
    let service = TowerToHyperService::new(router);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head)
        .max_buf_size(HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = token.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!("a connection ended early: {error}");
    }
}
