//! What every process stands on: the store and the queue, as the configuration says.

use std::os::unix::fs::DirBuilderExt;
use std::sync::Arc;

use secrecy::SecretString;
use stacksnap_common::config::Config;
use stacksnap_common::kinds::Kinds;
use stacksnap_common::queue::{self, Queue, Rabbit, rabbit};
use stacksnap_common::store::backend::{Backend, Shards};
use stacksnap_common::store::embedded::Embedded;
use stacksnap_common::store::redis::{self, Redis};
use stacksnap_common::store::{self, Store};

use crate::exit::{Exit, Failure};

/// Cheap to clone.
#[derive(Clone)]
pub struct Parts {
    pub store: Store,
    pub queue: Arc<dyn Queue>,
}

/// Opens both. Redis must be there, and keep what it is told; RabbitMQ may come later: requests are accepted without it.
pub async fn open(config: &Config) -> Result<Parts, Failure> {
    let kinds = if config.openstack.enabled { Kinds::default().with_cloud() } else { Kinds::default() };
    Ok(Parts { store: Store::new(backend(config).await?, settings(config), kinds), queue: queue(config)? })
}

/// Refuses where there is no store yet: who only looks must not make one, least of all because of a slip in `data_dir`.
/// What is in a Redis is found there, or nothing is.
pub fn must_be_there(config: &Config) -> Result<(), Failure> {
    if config.redis.is_some() || config.store_file().exists() {
        return Ok(());
    }
    Err(Failure::usage(format!("there is no store in {}; see --data-dir", config.data_dir.display())))
}

async fn backend(config: &Config) -> Result<Arc<dyn Backend>, Failure> {
    let shards = Shards::new(config.store.shards).ok_or_else(|| Failure::usage("store.shards is not 1 to 1024"))?;
    if let Some(address) = &config.redis {
        let mut settings = redis::Settings::new(SecretString::from(address.expose()), shards);
        settings.timeout = config.store.timeout;
        settings.allow_unsafe = config.store.allow_unsafe;
        let redis = Redis::connect(settings).await.map_err(|error| failure(&error))?;
        return Ok(Arc::new(redis));
    }
    data_dir(config)?;
    let dir = config.data_dir.clone();
    match tokio::task::spawn_blocking(move || Embedded::open(&dir, shards)).await {
        Ok(opened) => Ok(Arc::new(opened.map_err(|error| failure(&error))?)),
        Err(error) => Err(Failure::failed(format!("opening the store: {error}"))),
    }
}

fn failure(error: &store::backend::Error) -> Failure {
    let exit = if error.is_transient() { Exit::Unreachable } else { Exit::Failed };
    Failure::new(exit, error.to_string())
}

/// Where the embedded store, the master key and the control socket are. Made if missing, for this user only.
pub fn data_dir(config: &Config) -> Result<(), Failure> {
    let path = &config.data_dir;
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|error| Failure::usage(format!("data_dir {} can't be made: {error}", path.display())))
}

fn queue(config: &Config) -> Result<Arc<dyn Queue>, Failure> {
    let Some(address) = &config.amqp else { return Ok(queue::Local::new()) };
    let mut settings = rabbit::Settings::new(SecretString::from(address.expose()));
    settings.timeout = config.queue.confirm_timeout;
    let rabbit = Rabbit::connect(settings).map_err(|error| Failure::new(Exit::Usage, format!("amqp: {error}")))?;
    Ok(rabbit)
}

fn settings(config: &Config) -> store::Settings {
    let limits = &config.limits;
    store::Settings {
        stacks: limits.stacks_per_project.into(),
        resources: limits.resources_per_project.into(),
        snapshots: limits.snapshots_per_project.into(),
        snapshots_per_stack: limits.snapshots_per_stack.into(),
        steps: limits.running_steps_per_project.into(),
        running: limits.operations_per_project.into(),
        window: limits.window,
        lease: config.worker.lease,
        attempts: config.worker.attempts,
        outage: config.worker.outage,
        placement_timeout: config.worker.placement_timeout,
        safety_kept: config.retention.safety_snapshots,
        safety: config.restore.safety_snapshot,
        servers: config.nova.servers,
        operations_kept: config.retention.operations,
        events: limits.events_per_stack as usize,
    }
}
