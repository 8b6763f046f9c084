//! "Look at this again at time T": the pump behind everything that happens later.
//!
//! Every process runs one. It reads the heads of the shards' timers every 250 ms, and at once when this process commits
//! a timer that is due. Taking a timer is itself a commit, so of many pumps one acts. Only the next step of a stage is
//! handed to the pump of the process that has ended the one before it, taken already. What a timer asks for:
//!
//! - an item that is ready: its job is published, and looked at again later if nobody claims it;
//! - an item whose worker's lease is over: it is taken from that worker and becomes ready;
//! - an operation: it is advanced;
//! - a snapshot that expires, an answer or an operation that is old: it is removed.
//!
//! After the store was away, leases are held back by one lease length: workers that could not renew get the time to.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::ids::{ProjectId, SnapshotId};
use crate::metrics;
use crate::queue::{Lane, Queue, Route};
use crate::record::{Answer, Worker};
use crate::store::backend::{Due, Shard};
use crate::store::keys::Timer;
use crate::store::looks::{Held, ItemLook, Look};
use crate::store::{Error, Request, Store};

#[derive(Debug, Clone)]
pub struct Settings {
    /// How often the timers are read when nothing wakes the pump.
    pub every: Duration,
    /// Timers of a shard that are taken at a time.
    pub limit: usize,
    /// Operations advanced and jobs published at a time.
    pub at_once: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { every: Duration::from_millis(250), limit: 64, at_once: 64 }
    }
}

/// How long a list of live workers is believed.
const WORKERS_FRESH: Duration = Duration::from_secs(2);
/// A pump that is woken again and again reads the timers no more often: what came due meanwhile is taken in one commit.
const GATHER: Duration = Duration::from_millis(5);
/// How soon a job is tried again when the broker is away.
const BROKER_AWAY: Duration = Duration::from_secs(1);

/// Runs until `token` is cancelled, then ends what it has taken.
pub async fn run(store: Store, queue: Arc<dyn Queue>, settings: Settings, token: CancellationToken) {
    let pump = Arc::new(Pump {
        limit: Arc::new(Semaphore::new(settings.at_once)),
        store,
        queue,
        settings,
        workers: tokio::sync::Mutex::new(None),
    });
    pump.run(token).await;
}

struct Pump {
    store: Store,
    queue: Arc<dyn Queue>,
    settings: Settings,
    limit: Arc<Semaphore>,
    workers: tokio::sync::Mutex<Option<(Instant, Arc<Vec<Worker>>)>>,
}

impl Pump {
    async fn run(self: Arc<Self>, token: CancellationToken) {
        let mut handed = self.store.handed();
        let mut woken = self.store.backend().woken();
        let mut connected = self.queue.connected();
        let mut calm = Calm::default();
        let mut measured = Instant::now();
        let mut acts = JoinSet::new();
        let mut ours = Vec::new();
        let mut read = Instant::now();
        let mut look = true;
        while !token.is_cancelled() {
            while let Ok(due) = handed.try_recv() {
                ours.push(due);
            }
            let began = Instant::now();
            self.start(std::mem::take(&mut ours), true, &calm, &mut acts).await;
            if look {
                woken.mark_unchanged();
                read = began;
                match self.store.due(self.settings.limit).await {
                    Ok(dues) => {
                        calm.back(&self.store).await;
                        let more = dues.len() >= self.settings.limit;
                        self.start(dues, false, &calm, &mut acts).await;
                        if more {
                            continue;
                        }
                    }
                    Err(error) => calm.away(&error),
                }
            }
            if measured.elapsed() > Duration::from_secs(10) {
                measured = Instant::now();
                acts.spawn(Arc::clone(&self).measure());
            }
            while acts.try_join_next().is_some() {}
            look = tokio::select! {
                () = token.cancelled() => false,
                () = tokio::time::sleep(self.settings.every.saturating_sub(read.elapsed())) => true,
                _ = woken.changed() => true,
                _ = connected.changed() => true,
                Some(due) = handed.recv() => {
                    ours.push(due);
                    false
                }
            };
            tokio::time::sleep(GATHER.saturating_sub(began.elapsed())).await;
        }
        // Nothing more is handed over; what was is still published.
        handed.close();
        while let Ok(due) = handed.try_recv() {
            ours.push(due);
        }
        self.start(ours, true, &calm, &mut acts).await;
        while acts.join_next().await.is_some() {}
    }

    /// Acts on timers. `ours`: those that were handed to this process.
    async fn start(self: &Arc<Self>, dues: Vec<Due>, ours: bool, calm: &Calm, acts: &mut JoinSet<()>) {
        let mut items: BTreeMap<Shard, Vec<Due>> = BTreeMap::new();
        for due in dues {
            match Timer::parse(&due.id) {
                Some(Timer::Item(..)) => items.entry(due.shard).or_default().push(due),
                Some(timer) => {
                    let Ok(permit) = Arc::clone(&self.limit).acquire_owned().await else { return };
                    let pump = Arc::clone(self);
                    acts.spawn(async move {
                        pump.act(due, timer).await;
                        drop(permit);
                    });
                }
                None => {}
            }
        }
        // All shards at once: what is looked at late, another process has taken by then. And taken before the heads are
        // read again, so that nothing is looked at twice.
        let looks = items
            .into_iter()
            .map(|(shard, dues)| async move { (shard, self.store.look_at_items(shard, dues, ours).await) });
        for (shard, looks) in join_all(looks).await {
            match looks {
                Ok(looks) => {
                    for look in looks {
                        let Ok(permit) = Arc::clone(&self.limit).acquire_owned().await else { return };
                        let pump = Arc::clone(self);
                        let held_back = calm.held_back();
                        acts.spawn(async move {
                            pump.item(look, held_back).await;
                            drop(permit);
                        });
                    }
                }
                Err(error) => tracing::warn!(shard = shard.0, %error, "timers can't be looked at"),
            }
        }
    }

    async fn item(&self, look: ItemLook, held_back: Option<Duration>) {
        let ItemLook { due, look, .. } = look;
        let done = match look {
            Look::Nothing => Ok(()),
            Look::Expired(_) if held_back.is_some() => self.store.look_later(&due, held_back.unwrap_or_default()).await,
            Look::Expired(held) => self.take_over(&due, *held).await,
            Look::Publish(held) => self.publish(&due, *held).await,
        };
        if let Err(error) = done {
            tracing::warn!(timer = due.id.0, %error, "a timer could not be acted on; it will be looked at again");
        }
    }

    async fn take_over(&self, due: &Due, held: Held) -> Result<(), Error> {
        let job = held.job();
        if self.store.take_over(due, held).await? {
            metrics::takeover();
            if let Some(job) = job {
                tracing::warn!(project = %job.project, step = %job.step, "lease is over; the step goes to another worker");
            }
        }
        Ok(())
    }

    async fn publish(&self, due: &Due, held: Held) -> Result<(), Error> {
        let Some(job) = held.job() else { return Ok(()) };
        if !*self.queue.connected().borrow() {
            return self.store.look_later(due, BROKER_AWAY).await;
        }
        let workers = self.workers().await?;
        if !workers.iter().any(|worker| held.can_run(worker)) {
            return self.store.unplaced(due, held).await;
        }
        self.store.placed(&held).await?;
        match self.queue.publish(&job).await {
            Ok(()) => {
                metrics::published(job.route.lane, true);
                Ok(())
            }
            Err(error) => {
                metrics::published(job.route.lane, false);
                tracing::warn!(step = %job.step, route = %job.route, %error, "job not published; trying again soon");
                self.store.look_later(due, BROKER_AWAY).await
            }
        }
    }

    async fn act(&self, due: Due, timer: Timer) {
        let done = async {
            let Some(due) = self.store.take(&due).await? else { return Ok(()) };
            match timer {
                Timer::Advance(project, operation) => self.store.advance(&project, operation).await,
                Timer::Expire(project, snapshot) => self.expire(&due, project, snapshot).await,
                Timer::Forget(project, digest) => self.store.forget_answer(&project, &digest).await,
                Timer::Retire(project, operation) => self.store.retire(&project, operation).await,
                Timer::Hold(project, stack) => self.store.forget_holds(&project, stack).await,
                Timer::Item(..) => Ok(()),
            }
        };
        if let Err(error) = done.await {
            tracing::warn!(timer = due.id.0, %error, "a timer could not be acted on; it will be looked at again");
        }
    }

    /// A snapshot's time is over: it is deleted like any other, in the service's name.
    async fn expire(&self, due: &Due, project: ProjectId, id: SnapshotId) -> Result<(), Error> {
        let snapshot = match self.store.snapshot_by_id(&project, id).await {
            Ok(snapshot) => snapshot,
            Err(Error::NoSnapshot(_)) => return Ok(()),
            Err(error) => return Err(error),
        };
        let no_answer = |_: &crate::store::Begun| Answer {
            body: String::new(),
            status: 204,
            headers: Vec::new(),
            answer: serde_json::Value::Null,
        };
        let request = Request {
            project,
            caller: "retention".to_owned(),
            trace: None,
            idempotency: None,
            heat: None,
            grant: None,
            answer: &no_answer,
        };
        match self.store.delete_snapshot(&request, snapshot.stack, id).await {
            // Its end removes the timer. If it fails it is tried again, but not at once.
            Ok(_) => self.store.look_later(due, Duration::from_secs(3600)).await,
            Err(Error::NoStack(_) | Error::NoSnapshot(_)) => Ok(()),
            // Busy, or the project has much to do: it waits.
            Err(error) => {
                tracing::info!(%error, snapshot = %id, "an expired snapshot can't be deleted yet");
                self.store.look_later(due, Duration::from_secs(300)).await
            }
        }
    }

    async fn workers(&self) -> Result<Arc<Vec<Worker>>, Error> {
        let mut known = self.workers.lock().await;
        if let Some((read, workers)) = &*known {
            // An empty list is looked at again at once: the first worker may have just come.
            if read.elapsed() < WORKERS_FRESH && !workers.is_empty() {
                return Ok(Arc::clone(workers));
            }
        }
        let workers = Arc::new(self.store.live_workers().await?);
        *known = Some((Instant::now(), Arc::clone(&workers)));
        Ok(workers)
    }

    /// Tells how long the queues of all known pools are.
    async fn measure(self: Arc<Self>) {
        let Ok(workers) = self.workers().await else { return };
        let pools: std::collections::BTreeSet<_> = workers.iter().flat_map(|worker| worker.pools.clone()).collect();
        for pool in pools {
            for lane in Lane::ALL {
                let route = Route { pool: pool.clone(), lane };
                if let Ok(depth) = self.queue.depth(&route).await {
                    metrics::queue_depth(&route, depth);
                }
            }
        }
    }
}

/// Whether leases that look expired may be taken: not for one lease length after the store was away, as seen from here
/// or as its own uptime tells.
#[derive(Debug, Default)]
struct Calm {
    away_since: Option<Instant>,
    checked: bool,
    until: Option<Instant>,
}

impl Calm {
    fn away(&mut self, error: &Error) {
        if self.away_since.is_none() {
            self.away_since = Some(Instant::now());
            self.checked = false;
            tracing::error!(%error, "the store is away; waiting for it");
        }
    }

    async fn back(&mut self, store: &Store) {
        if self.checked {
            return;
        }
        let lease = store.settings.lease;
        let Ok(uptime) = store.backend().uptime().await else { return };
        self.checked = true;
        if let Some(since) = self.away_since.take() {
            tracing::info!(seconds = since.elapsed().as_secs(), "the store is back; leases are held back");
            self.until = Some(Instant::now() + lease);
        } else if let Some(rest) = lease.checked_sub(Duration::from_millis(uptime)) {
            self.until = Some(Instant::now() + rest);
        }
    }

    /// How much longer leases are held back.
    fn held_back(&self) -> Option<Duration> {
        self.until.and_then(|until| until.checked_duration_since(Instant::now())).filter(|rest| !rest.is_zero())
    }
}
