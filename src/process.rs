//! The processes of the service, put together: `serve` is all parts in one, `api` and `worker` are those parts apart.
//!
//! Whatever can be wrong is found before anything is served: configuration, store, queue, vault, drivers, the listening
//! socket, in this order. Then the parts run until the process is told to stop, each heeding one token:
//!
//! - the pump of the timers, in every process (`common/src/timers.rs`);
//! - the worker, in `serve` and `worker` (`worker.rs`);
//! - HTTP: the API in `serve` and `api`, and metrics and health everywhere (`http.rs`);
//! - gauges, now and then (`gauges.rs`).
//!
//! A part that ends by itself ends the process: its supervisor starts it again.

pub mod cloud;
mod gauges;
mod heat;
mod http;
pub mod keystone;
pub mod parts;
pub mod vaults;
mod worker;

use std::net::SocketAddr;
use std::time::Duration;

use stacksnap_common::config::{self, Config};
use stacksnap_common::metrics::{self, Metrics};
use stacksnap_common::shutdown::Shutdown;
use stacksnap_common::{telemetry, timers};

pub use stacksnap_common::config::Role;

use crate::cli::ConfigFlags;
use crate::exit::Failure;
use crate::operator;

/// What the parts get beside the worker's own time to hand back its steps.
const GRACE: Duration = Duration::from_secs(5);

/// `serve`, `api` and `worker`: runs until SIGTERM or SIGINT.
pub fn main(role: Role, flags: ConfigFlags) -> Result<(), Failure> {
    let config = config::load(&flags.sources()).map_err(|error| Failure::usage(error.to_string()))?;
    telemetry::init(&config.telemetry).map_err(|error| Failure::usage(error.to_string()))?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::failed(format!("can't start: {error}")))?;
    let ended = runtime.block_on(async {
        let service = start(config, role).await?;
        service.shutdown.on_signals().map_err(|error| Failure::failed(format!("can't listen to signals: {error}")))?;
        service.until_told().await
    });
    // What did not end in time (a read that hangs in a dead mount) is left behind, not waited for.
    runtime.shutdown_background();
    ended
}

/// A running process.
pub struct Service {
    /// Where HTTP is served: what was configured, with the port that a 0 became.
    pub address: SocketAddr,
    shutdown: Shutdown,
    deadline: Duration,
}

impl Service {
    /// Stops it and waits until it has.
    pub async fn stop(self) {
        self.shutdown.begin();
        self.shutdown.wait(self.deadline).await;
    }

    async fn until_told(self) -> Result<(), Failure> {
        let clean = self.shutdown.wait(self.deadline).await;
        tracing::info!("stopped");
        if clean {
            Ok(())
        } else {
            Err(Failure::failed("stopped before everything had ended; other workers take over"))
        }
    }
}

/// Starts a process of this role; returns when it serves.
pub async fn start(config: Config, role: Role) -> Result<Service, Failure> {
    let problems = config.problems_of(role);
    if !problems.is_empty() {
        return Err(Failure::usage(problems.join("\n")));
    }
    let metrics = metrics::install().map_err(|error| Failure::failed(format!("metrics: {error}")))?;
    let shutdown = Shutdown::new();
    // Also beside Redis: the master key and the control socket are in it.
    if role == Role::Serve {
        parts::data_dir(&config)?;
    }
    let parts = parts::open(&config).await?;
    let vaults = match role {
        Role::Serve => Some(vaults::open(&config, vaults::Key::Make)?),
        Role::Worker => Some(vaults::open(&config, vaults::Key::Find)?),
        Role::Api => None,
    };
    let api = match role {
        Role::Serve | Role::Api => Some(http::api(&config, &parts)?),
        Role::Worker => None,
    };
    let (listener, address) = http::listen(&config, role).await?;

    shutdown.spawn("timers", {
        let settings = timers::Settings { every: config.timers.interval, ..timers::Settings::default() };
        timers::run(parts.store.clone(), parts.queue.clone(), settings, shutdown.token())
    });
    if role == Role::Serve {
        let work = operator::work::Work::new(&config, parts.store.clone(), vaults.clone());
        operator::control::serve(&config, work, &shutdown)?;
    }
    if let Some(vaults) = vaults {
        vaults::agree(&parts.store, &vaults).await?;
        let (deps, settings) = worker::prepare(&config, &parts, vaults)?;
        let token = shutdown.token();
        shutdown.spawn("worker", async move {
            if let Err(error) = stacksnap_worker::run(deps, settings, token).await {
                tracing::error!("the worker can't go on: {error}");
            }
        });
    }
    upkeep(&shutdown, metrics.clone());
    shutdown.spawn("gauges", gauges::run(parts.clone(), config.worker.pools.clone(), shutdown.token()));
    if let Some(listener) = listener {
        http::serve(listener, api, metrics, &shutdown);
        tracing::info!(%address, "serving");
    }
    Ok(Service { address, shutdown, deadline: config.worker.shutdown + GRACE })
}

fn upkeep(shutdown: &Shutdown, metrics: Metrics) {
    let token = shutdown.token();
    shutdown.spawn("metrics", async move {
        let mut tick = tokio::time::interval(Duration::from_secs(5));
        while token.run_until_cancelled(tick.tick()).await.is_some() {
            metrics.upkeep();
        }
    });
}
