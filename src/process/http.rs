//! HTTP of a process: the API where the process has it, and `/metrics`; a worker alone has `/metrics` and `/healthz`.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use stacksnap_common::config::{Config, Role};
use stacksnap_common::metrics::Metrics;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::parts::Parts;
use crate::exit::Failure;

/// Requests in hand get this long after the process was told to stop; streams of events are ended.
const LINGER: Duration = Duration::from_secs(5);

/// Binds where this process serves HTTP; nothing for a worker that was given no address.
pub async fn listen(config: &Config, role: Role) -> Result<(Option<TcpListener>, SocketAddr), Failure> {
    let (key, wanted) = match (role, config.telemetry.listen) {
        (Role::Worker, None) => return Ok((None, config.listen)),
        (Role::Worker, Some(address)) => ("telemetry.listen", address),
        _ => ("listen", config.listen),
    };
    let bound = async {
        let listener = TcpListener::bind(wanted).await?;
        let address = listener.local_addr()?;
        Ok::<_, std::io::Error>((Some(listener), address))
    };
    bound.await.map_err(|error| Failure::failed(format!("can't listen to {wanted} ({key}): {error}")))
}

pub fn router(config: &Config, role: Role, parts: &Parts, metrics: Metrics) -> Result<Router, Failure> {
    let text = [(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    let router = Router::new().route("/metrics", get(move || async move { (text, metrics.render()) }));
    Ok(match role {
        Role::Serve | Role::Api => router.merge(api(config, parts)?),
        // That it answers is the answer: a worker whose store is away is as healthy as can be.
        Role::Worker => router.route("/healthz", get(|| async { "ok".into_response() })),
    })
}

/// Serves until `token` is cancelled, then ends the requests in hand.
pub async fn serve(listener: TcpListener, router: Router, token: CancellationToken) {
    let told = token.clone();
    let serving = axum::serve(listener, router).with_graceful_shutdown(async move { told.cancelled().await });
    tokio::select! {
        ended = serving => {
            if let Err(error) = ended {
                tracing::error!("HTTP: {error}");
            }
        }
        () = async { token.cancelled().await; tokio::time::sleep(LINGER).await } => {}
    }
}
