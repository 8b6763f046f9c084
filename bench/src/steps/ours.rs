//! The service itself: one that accepts requests and two workers, as separate processes would be (each with its own
//! store, its connections, and its pump for timers). All is as it is by default; so the two run as many steps at once as
//! the raw side has in flight. What they run is a resource type of the bench's own, whose driver does nothing.
//!
//! The steps are those of `create`: one for each resource of each stack. A few projects have one stack each, so several
//! operations are under way and take turns by their windows. The time is from the first request until the last
//! operation is recorded as complete.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use async_trait::async_trait;
use serde_json::{Map, Value, json};
use stacksnap_common::config;
use stacksnap_common::ids::{OperationId, ProjectId};
use stacksnap_common::kinds::{CutKind, Kind, Kinds};
use stacksnap_common::operation::State;
use stacksnap_common::queue::{Queue, Rabbit, rabbit};
use stacksnap_common::record::Answer;
use stacksnap_common::store::backend::Shards;
use stacksnap_common::store::redis::{self, Redis};
use stacksnap_common::store::stacks::NewStack;
use stacksnap_common::store::{self, Begun, Request, Store};
use stacksnap_common::testing::rabbit::RabbitServer;
use stacksnap_common::testing::redis::RedisServer;
use stacksnap_common::timers;
use stacksnap_common::types::{Artifact, Consistency, Preview, Resource, Verdict};
use stacksnap_worker::driver::{Checked, Ctx, Cut, Describe, Driver, Error, Outcome, VaultSource};
use stacksnap_worker::slots::Counts;
use stacksnap_worker::vault::{PruneRules, Vault};
use stacksnap_worker::{Deps, Registry, Settings, housekeeping};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub const WORKERS: usize = 2;
/// One stack each.
const PROJECTS: u32 = 8;
const TYPE: &str = "Stacksnap::Nothing";
/// For all steps.
const PATIENCE: Duration = Duration::from_secs(300);

pub async fn run(redis: &RedisServer, rabbit: &RabbitServer, steps: u32) -> anyhow::Result<Duration> {
    let prefix = format!("ours-{}", uuid::Uuid::new_v4().simple());
    let (token, tasks) = (CancellationToken::new(), TaskTracker::new());
    let (store, queue) = process(redis, rabbit, &prefix).await?;
    tasks.spawn(timers::run(store.clone(), queue, timers::Settings::default(), token.clone()));
    for number in 0..WORKERS {
        let (store, queue) = process(redis, rabbit, &prefix).await?;
        tasks.spawn(timers::run(store.clone(), Arc::clone(&queue), timers::Settings::default(), token.clone()));
        let deps = Deps {
            store,
            queue,
            drivers: Registry::default().with(Arc::new(Nothing)),
            vaults: Arc::new(NoVaults),
            clouds: Default::default(),
            heat: None,
        };
        tasks.spawn(stacksnap_worker::run(deps, settings(number)?, token.clone()));
    }
    until_workers_live(&store).await?;

    let started = Instant::now();
    let mut operations = Vec::new();
    for number in 0..PROJECTS {
        let project: ProjectId = format!("{prefix}-{number}").parse()?;
        let resources = steps / PROJECTS + u32::from(number < steps % PROJECTS);
        let id = create(&store, &project, resources).await?;
        operations.push((project, id));
    }
    let waited = until_complete(&store, operations, started).await;
    let took = started.elapsed();
    token.cancel();
    tasks.close();
    tasks.wait().await;
    waited.map(|()| took)
}

/// What one process of the service stands on.
async fn process(redis: &RedisServer, rabbit: &RabbitServer, prefix: &str) -> anyhow::Result<(Store, Arc<dyn Queue>)> {
    let shards = Shards::new(16).context("16 shards")?;
    let settings = redis::Settings { prefix: prefix.to_owned(), ..redis::Settings::new(redis.url(), shards) };
    let backend = Arc::new(Redis::connect(settings).await?);
    let kinds = Kinds::default().with(Kind {
        name: TYPE,
        cut: CutKind::None,
        quiesce: false,
        external_id: None,
        external_id_ok: |_| true,
        cloud: false,
        properties: &[],
    });
    let settings = rabbit::Settings { prefix: prefix.to_owned(), ..rabbit::Settings::new(rabbit.url().into()) };
    Ok((Store::new(backend, store::Settings::default(), kinds), Rabbit::connect(settings)?))
}

/// The slots of a worker, and the like, which all promised figures mean.
pub fn defaults() -> config::Worker {
    config::Worker::default()
}

fn settings(number: usize) -> anyhow::Result<Settings> {
    let slots = defaults();
    Ok(Settings {
        id: format!("bench-{number}").parse()?,
        host: "bench".to_owned(),
        pools: vec![Default::default()],
        slots: Counts {
            data: std::thread::available_parallelism()?.get(),
            cut: slots.cut.into(),
            control: slots.control.into(),
        },
        renew: slots.renew,
        shutdown: slots.shutdown,
        housekeeping: housekeeping::Settings {
            every: Duration::from_secs(24 * 3600),
            rules: PruneRules { longest_copy: Duration::from_secs(24 * 3600) },
        },
    })
}

async fn until_workers_live(store: &Store) -> anyhow::Result<()> {
    let started = Instant::now();
    while store.live_workers().await?.len() < WORKERS {
        anyhow::ensure!(started.elapsed() < PATIENCE, "the workers do not start");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

async fn create(store: &Store, project: &ProjectId, resources: u32) -> anyhow::Result<OperationId> {
    let resource = |number: u32| {
        Ok(Resource {
            name: format!("r{number}").parse()?,
            kind: TYPE.to_owned(),
            external_id: None,
            properties: Default::default(),
            depends_on: Vec::new(),
            pool: Default::default(),
            data: Value::Null,
        })
    };
    let new = NewStack {
        name: "bench".parse()?,
        description: String::new(),
        template: json!({}),
        environment: json!({}),
        files: Map::new(),
        parameters: Map::new(),
        tags: Vec::new(),
        timeout_mins: None,
        disable_rollback: true,
        resources: (0..resources).map(resource).collect::<anyhow::Result<_>>()?,
        adopted: None,
    };
    let answer = |begun: &Begun| Answer {
        body: String::new(),
        status: 201,
        headers: Vec::new(),
        answer: json!(begun.operation.id),
    };
    let request = Request {
        project: project.clone(),
        caller: "bench".to_owned(),
        trace: None,
        idempotency: None,
        heat: None,
        grant: None,
        answer: &answer,
    };
    let Value::String(id) = store.create_stack(&request, &new).await?.answer else { bail!("no operation") };
    Ok(id.parse()?)
}

async fn until_complete(
    store: &Store,
    mut operations: Vec<(ProjectId, OperationId)>,
    started: Instant,
) -> anyhow::Result<()> {
    while let Some((project, id)) = operations.last() {
        match store.find_operation(project, *id).await?.state {
            State::Complete => drop(operations.pop()),
            State::Failed | State::Cancelled => bail!("an operation of the bench failed"),
            _ if started.elapsed() > PATIENCE => bail!("the steps are not done after {} s", PATIENCE.as_secs()),
            _ => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
    Ok(())
}

/// The driver that does nothing.
struct Nothing;

#[async_trait]
impl Driver for Nothing {
    fn describe(&self) -> Describe {
        Describe { types: &[TYPE], quiesce: false, consistency: Consistency::None, local: false }
    }

    async fn check(&self, _: &Ctx) -> Result<Checked, Error> {
        Ok(Checked::default())
    }

    async fn cut(&self, _: &Ctx) -> Result<Outcome<Cut>, Error> {
        Ok(Outcome::Done(Cut::None))
    }

    async fn copy(&self, _: &Ctx, _: Cut) -> Result<Outcome<Artifact>, Error> {
        Err(not_here())
    }

    async fn preview(&self, _: &Ctx, _: &Artifact) -> Result<Outcome<Preview>, Error> {
        Err(not_here())
    }

    async fn restore(&self, _: &Ctx, _: &Artifact) -> Result<Outcome<Preview>, Error> {
        Err(not_here())
    }

    async fn discard(
        &self,
        _: &Ctx,
        _: stacksnap_common::ids::StepId,
        _: Option<&Artifact>,
    ) -> Result<Outcome<()>, Error> {
        Ok(Outcome::Done(()))
    }

    async fn verify(&self, _: &Ctx, _: &Artifact) -> Result<Outcome<Verdict>, Error> {
        Err(not_here())
    }
}

/// Nothing is stored, so there is no vault.
struct NoVaults;

#[async_trait]
impl VaultSource for NoVaults {
    async fn vault(&self, _: &ProjectId) -> Result<Vault, Error> {
        Err(not_here())
    }

    async fn projects(&self) -> Result<Vec<ProjectId>, Error> {
        Ok(Vec::new())
    }
}

fn not_here() -> Error {
    Error::Unsupported("the bench's type is only checked".to_owned())
}
