//! The worker: takes steps and runs them.
//!
//! ```text
//! queue → intake.rs   slot (slots.rs), delivery, claim, ack
//!       → run.rs      keeps the lease (lease.rs), tells the progress (progress.rs), records the outcome
//!       → verbs.rs    what each verb asks of a driver; seal.rs for the snapshot as a whole
//!       → drivers/    one resource type each, under the laws of driver.rs
//!       → vault/      where bytes go
//! ```
//!
//! `cloud.rs` knows in whose name a step acts towards a cloud; `heat/` has the steps of a stack of a real Heat as a whole.
//! `heartbeat.rs` says that this worker lives, in which pools, and what it knows. `housekeeping.rs` prunes the vaults;
//! `catalog.rs` makes a lost store again from them; `orphans/` finds what carries our mark and has no record.

pub mod catalog;
pub mod cloud;
pub mod driver;
pub mod drivers;
mod heartbeat;
pub mod heat;
pub mod housekeeping;
mod intake;
pub mod lease;
pub mod orphans;
pub mod progress;
mod run;
pub mod seal;
pub mod slots;
pub mod vault;
mod verbs;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use stacksnap_common::ids::{PoolName, ResourceName, WorkerId};
use stacksnap_common::queue::Queue;
use stacksnap_common::record;
use stacksnap_common::store::{self, Millis, Store};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use cloud::Clouds;
use driver::{Driver, Error, VaultSource};
use slots::{Counts, Group, Slots};

/// The drivers of this worker, by resource type.
#[derive(Clone, Default)]
pub struct Registry(BTreeMap<String, Arc<dyn Driver>>);

impl Registry {
    /// Adds a driver for each type that it describes.
    pub fn with(mut self, driver: Arc<dyn Driver>) -> Self {
        for kind in driver.describe().types {
            self.0.insert((*kind).to_owned(), Arc::clone(&driver));
        }
        self
    }

    pub fn get(&self, kind: &str) -> Option<Arc<dyn Driver>> {
        self.0.get(kind).cloned()
    }

    pub fn types(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }
}

#[derive(Debug, Clone)]
pub struct Settings {
    pub id: WorkerId,
    pub host: String,
    pub pools: Vec<PoolName>,
    pub slots: Counts,
    /// How often a lease is renewed; less than half its length.
    pub renew: Duration,
    /// How long steps in hand may go on at shutdown; those that have not ended then are handed back.
    pub shutdown: Duration,
    pub housekeeping: housekeeping::Settings,
}

/// What a worker works with.
pub struct Deps {
    pub store: Store,
    pub queue: Arc<dyn Queue>,
    pub drivers: Registry,
    pub vaults: Arc<dyn VaultSource>,
    pub clouds: Clouds,
    /// The real Heat, where the service stands in front of one.
    pub heat: Option<heat::Heat>,
}

pub(crate) struct Shared {
    store: Store,
    queue: Arc<dyn Queue>,
    drivers: Registry,
    vaults: Arc<dyn VaultSource>,
    clouds: Clouds,
    heat: Option<heat::Heat>,
    settings: Settings,
    slots: Slots,
    me: record::Worker,
    tasks: TaskTracker,
    /// Cancelled when steps in hand are to be handed back.
    hand_back: CancellationToken,
    /// Stands where a resource's name is needed for the whole.
    whole: ResourceName,
}

impl Shared {
    async fn now(&self) -> Result<Millis, Error> {
        self.store.now().await.map_err(|error| Error::transient(error.to_string()))
    }
}

/// How long handing back may take: a driver sees a cancel within a second, and one commit follows.
const HAND_BACK: Duration = Duration::from_secs(4);

/// Works until `token` is cancelled; then takes nothing more, lets what it has in hand end, hands back what does not end in
/// time, and returns.
pub async fn run(deps: Deps, settings: Settings, token: CancellationToken) -> Result<(), store::Error> {
    let now = deps.store.now().await?;
    let me = record::Worker {
        id: settings.id.clone(),
        pools: settings.pools.clone(),
        types: deps.drivers.types(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        host: settings.host.clone(),
        since: now,
        beat: now,
        draining: false,
    };
    let whole =
        ResourceName::try_from("(whole)".to_owned()).map_err(|error| store::Error::Invalid(error.to_string()))?;
    let shared = Arc::new(Shared {
        store: deps.store,
        queue: deps.queue,
        drivers: deps.drivers,
        vaults: deps.vaults,
        clouds: deps.clouds,
        heat: deps.heat,
        slots: Slots::new(settings.slots),
        me,
        tasks: TaskTracker::new(),
        hand_back: CancellationToken::new(),
        whole,
        settings,
    });
    heartbeat::once(&shared, false).await;
    let intakes = TaskTracker::new();
    for group in Group::ALL {
        for _ in 0..shared.slots.intakes(group) {
            intakes.spawn(intake::run(Arc::clone(&shared), group, token.child_token()));
        }
    }
    let beats = tokio::spawn(heartbeat::run(Arc::clone(&shared), token.child_token()));
    let grants = tokio::spawn(heat::grants::run(Arc::clone(&shared), token.child_token()));
    let tidies = tokio::spawn(housekeeping::run(Arc::clone(&shared), token.child_token()));
    tracing::info!(worker = %shared.me.id, pools = ?shared.me.pools, types = ?shared.me.types, "worker started");
    token.cancelled().await;

    intakes.close();
    intakes.wait().await;
    shared.tasks.close();
    if tokio::time::timeout(shared.settings.shutdown, shared.tasks.wait()).await.is_err() {
        tracing::info!(steps = shared.tasks.len(), "handing back what has not ended");
        shared.hand_back.cancel();
        if tokio::time::timeout(HAND_BACK, shared.tasks.wait()).await.is_err() {
            tracing::warn!(left = shared.tasks.len(), "steps did not end in time; their leases will");
        }
    }
    let _ended = tokio::join!(beats, tidies, grants);
    heartbeat::gone(&shared).await;
    tracing::info!(worker = %shared.me.id, "worker stopped");
    Ok(())
}
