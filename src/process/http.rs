//! HTTP of a process: the API where the process has it; a worker alone has `/metrics` and `/healthz`, if it was given an
//! address.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use stacksnap_api::Api;
use stacksnap_api::auth::Identity;
use stacksnap_api::auth::file::TokenFile;
use stacksnap_api::auth::none::Open;
use stacksnap_api::auth::rules::Rules;
use stacksnap_common::config::{Auth, Config, Role};
use stacksnap_common::metrics::Metrics;
use stacksnap_common::shutdown::Shutdown;
use tokio::net::TcpListener;

use super::keystone;
use super::parts::Parts;
use crate::exit::Failure;

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
    bound.await.map_err(|error| Failure::usage(format!("can't listen to {wanted} ({key}): {error}")))
}

/// Serves as a part of the process.
pub fn serve(listener: TcpListener, api: Option<Api>, metrics: Metrics, shutdown: &Shutdown) {
    let token = shutdown.token();
    let Some(mut api) = api else {
        let text = [(CONTENT_TYPE, "text/plain; version=0.0.4")];
        // That it answers is the answer: a worker whose store is away is as healthy as can be.
        let router = Router::new()
            .route("/healthz", get(|| async { "ok" }))
            .route("/metrics", get(move || async move { (text, metrics.render()) }));
        shutdown.spawn("http", async move {
            let serving = axum::serve(listener, router).with_graceful_shutdown(token.cancelled_owned());
            if let Err(error) = serving.await {
                tracing::error!("HTTP: {error}");
            }
        });
        return;
    };
    api.metrics = Some(metrics);
    shutdown.spawn("http", async move {
        if let Err(error) = stacksnap_api::serve(listener, api, token).await {
            tracing::error!("HTTP: {error}");
        }
    });
}

/// What requests are answered with. Reads the token file and the policy file.
pub fn api(config: &Config, parts: &Parts) -> Result<Api, Failure> {
    let identity: Arc<dyn Identity> = match &config.auth {
        Auth::None => Arc::new(Open),
        Auth::Keystone => Arc::new(keystone::identity(&config.keystone)?),
        Auth::Tokens(path) => Arc::new(TokenFile::open(path).map_err(|error| Failure::usage(error.to_string()))?),
    };
    let mut api = Api::new(parts.store.clone(), parts.queue.connected(), identity, config.limits.clone());
    api.stacks.clone_from(&config.stacks);
    api.heat = super::heat::front(config)?.map(Arc::new);
    if config.openstack.enabled && config.auth == Auth::Keystone {
        api.cloud = Some(super::heat::grants(config, config.openstack.act_as)?);
    }
    if let Some(path) = &config.policy.file {
        api.rules = Arc::new(Rules::load(path).map_err(|error| Failure::usage(error.to_string()))?);
    }
    Ok(api)
}
