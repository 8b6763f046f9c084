//! The HTTP side: Heat's stack and snapshot API, and beside it operations. It writes what is asked for into the store
//! and reads what became of it; workers do the rest. It never sees a worker.
//!
//! ```text
//! connection → serve.rs → request_id.rs → webob.rs → auth/ → routes/ → one verb, one file → the store
//! ```
//!
//! - `routes/`: all routes, each noun's from its own `routes.rs`: path, rule, what answers, documentation. `openapi/`: the
//!   document that is made of them.
//! - `stacks/`, `resources/`, `snapshots/`, `operations/`: one verb a file; `view.rs` is what it looks like in JSON.
//! - `template/`: HOT, from text to checked resources; `busy.rs`: on whose time. `templates/`: what is asked about templates
//!   before there is a stack.
//! - `services.rs`, `software.rs`: what Heat has beside stacks, as far as clients ask for it.
//! - `auth/`: who calls and what they may. `idempotency.rs`: the same change sent again.
//! - `body.rs` and `json.rs`, `params.rs`, `base.rs`: what a request says. `answer.rs`, `fault.rs`, `webob.rs`: what it is told.
//! - `heat/`: in front of a real Heat. `source.rs`: where stacks come from, the registry or Heat.
//! - `health.rs`, `versions.rs`: what is asked without a project.

mod answer;
pub mod auth;
mod base;
mod body;
mod busy;
mod fault;
mod health;
pub mod heat;
mod idempotency;
mod json;
mod openapi;
mod operations;
mod params;
mod request_id;
mod resources;
mod routes;
mod serve;
mod services;
mod snapshots;
mod software;
mod source;
mod stacks;
mod template;
mod templates;
mod versions;
mod webob;

use std::sync::Arc;

use stacksnap_common::config::{Limits, Stacks};
use stacksnap_common::metrics::Metrics;
use stacksnap_common::store::Store;
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;

pub use openapi::document;
pub use routes::{Listed, router, routes};
pub use serve::{Patience, serve};

/// Event streams that are open at the same time.
const STREAMS: usize = 512;

/// What requests are answered with.
pub struct Api {
    pub store: Store,
    /// Whether the queue is connected; only for `/readyz`.
    pub queue: watch::Receiver<bool>,
    pub identity: Arc<dyn auth::Identity>,
    /// Who may do what; the defaults unless it is replaced.
    pub rules: Arc<auth::rules::Rules>,
    pub limits: Limits,
    /// The real Heat that this service stands in front of; without it stacks are held here.
    pub heat: Option<Arc<heat::Heat>>,
    /// Where stacks are held here: how workers are let act in the cloud for callers. None: by the operator's credential.
    pub cloud: Option<heat::grant::Grants>,
    pub stacks: Stacks,
    /// How long callers may take to send a request.
    pub patience: Patience,
    /// What `/metrics` shows; without it there is no such page.
    pub metrics: Option<Metrics>,
    /// Cancelled when the process should stop: event streams end.
    pub stopping: CancellationToken,
    streams: Arc<Semaphore>,
    busy: busy::Busy,
    datas: snapshots::Datas,
}

impl Api {
    pub fn new(store: Store, queue: watch::Receiver<bool>, identity: Arc<dyn auth::Identity>, limits: Limits) -> Self {
        Self {
            store,
            queue,
            identity,
            rules: Arc::default(),
            limits,
            heat: None,
            cloud: None,
            stacks: Stacks::default(),
            patience: Patience::default(),
            metrics: None,
            stopping: CancellationToken::new(),
            streams: Arc::new(Semaphore::new(STREAMS)),
            busy: busy::Busy::default(),
            datas: snapshots::Datas::default(),
        }
    }

    /// The Heat behind us, on routes that only heat mode has.
    fn heat(&self) -> Result<Arc<heat::Heat>, fault::Fault> {
        self.heat.clone().ok_or_else(fault::Fault::internal)
    }
}
