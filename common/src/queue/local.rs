//! The queue of `serve`: in this process, in memory.
//!
//! Each route has a line of jobs by number. `next` takes the lowest number under the line's lock and notes who holds
//! it; `ack` strikes that note; a delivery or a consumer that is dropped puts its jobs back at their old place, marked
//! as redelivered. A job is handed out only when somebody asks for it, so nothing is ever buffered for a consumer.
//!
//! Jobs do not outlive the process. That is as durable as this queue is: the timers in the store publish again what was
//! not claimed.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tokio::sync::{Notify, watch};

use super::{Consumer, Delivery, Error, Job, MAX_PREFETCH, Queue, Route, Settle, Settled, Unreadable};

pub struct Local {
    lines: Mutex<HashMap<Route, Arc<Line>>>,
    connected: watch::Sender<bool>,
}

impl Local {
    pub fn new() -> Arc<Self> {
        Arc::new(Self { lines: Mutex::default(), connected: watch::Sender::new(true) })
    }

    /// Goes away like a broker whose connection breaks: what is held comes again, publishing fails, `next` waits; or
    /// comes back.
    #[cfg(feature = "contract")]
    pub fn set_connected(&self, connected: bool) {
        let lines = lock(&self.lines);
        self.connected.send_replace(connected);
        for line in lines.values() {
            let mut jobs = line.jobs();
            jobs.open = connected;
            jobs.give_back_all();
            drop(jobs);
            line.changed.notify_waiters();
        }
    }

    fn line(&self, route: &Route) -> Arc<Line> {
        let mut lines = lock(&self.lines);
        match lines.get(route) {
            Some(line) => line.clone(),
            None => lines.entry(route.clone()).or_insert_with(|| Line::new(*self.connected.borrow())).clone(),
        }
    }
}

#[async_trait]
impl Queue for Local {
    async fn publish(&self, job: &Job) -> Result<(), Error> {
        if !*self.connected.borrow() {
            return Err(Error::Unavailable("it was set away".to_owned()));
        }
        if job.v != Job::VERSION {
            // There is no operator to look into a dead-letter queue in memory: the log has it, and the job is gone.
            tracing::error!(step = %job.step, reason = %Unreadable::Version(job.v.into()), "job set aside");
            return Ok(());
        }
        let line = self.line(&job.route);
        line.jobs().add(job.clone());
        line.changed.notify_waiters();
        Ok(())
    }

    async fn consume(&self, route: &Route, prefetch: u16) -> Result<Box<dyn Consumer>, Error> {
        let line = self.line(route);
        let id = line.jobs().number();
        let prefetch = usize::from(prefetch.clamp(1, MAX_PREFETCH));
        Ok(Box::new(Taker { line, id, prefetch, cancelled: false }))
    }

    async fn depth(&self, route: &Route) -> Result<u64, Error> {
        let waiting = self.line(route).jobs().waiting.len();
        Ok(u64::try_from(waiting).unwrap_or(u64::MAX))
    }

    fn connected(&self) -> watch::Receiver<bool> {
        self.connected.subscribe()
    }
}

/// One route.
struct Line {
    jobs: Mutex<Jobs>,
    /// Told after every change that may let a consumer go on.
    changed: Notify,
}

#[derive(Default)]
struct Jobs {
    open: bool,
    /// The last number given to a job, a consumer or a handing-out.
    last: u64,
    waiting: BTreeMap<u64, Waiting>,
    /// By the number of the handing-out, so that an old delivery of a job can't settle its new one.
    held: HashMap<u64, Held>,
}

struct Waiting {
    job: Job,
    redelivered: bool,
}

struct Held {
    consumer: u64,
    place: u64,
    job: Job,
}

impl Line {
    fn new(open: bool) -> Arc<Self> {
        Arc::new(Self { jobs: Mutex::new(Jobs { open, ..Jobs::default() }), changed: Notify::new() })
    }

    fn jobs(&self) -> MutexGuard<'_, Jobs> {
        lock(&self.jobs)
    }
}

impl Jobs {
    fn number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    fn add(&mut self, job: Job) {
        let place = self.number();
        self.waiting.insert(place, Waiting { job, redelivered: false });
    }

    /// The next job for this consumer, with the number of its handing-out.
    fn take(&mut self, consumer: u64, prefetch: usize) -> Option<(u64, Waiting)> {
        if !self.open || self.held.values().filter(|held| held.consumer == consumer).count() >= prefetch {
            return None;
        }
        let (place, waiting) = self.waiting.pop_first()?;
        let tag = self.number();
        self.held.insert(tag, Held { consumer, place, job: waiting.job.clone() });
        Some((tag, waiting))
    }

    fn give_back(&mut self, tag: u64) {
        if let Some(Held { place, job, .. }) = self.held.remove(&tag) {
            self.waiting.insert(place, Waiting { job, redelivered: true });
        }
    }

    fn give_back_of(&mut self, consumer: u64) {
        let tags: Vec<u64> = self.held.iter().filter(|(_, held)| held.consumer == consumer).map(|(&t, _)| t).collect();
        tags.into_iter().for_each(|tag| self.give_back(tag));
    }

    #[cfg(feature = "contract")]
    fn give_back_all(&mut self) {
        let tags: Vec<u64> = self.held.keys().copied().collect();
        tags.into_iter().for_each(|tag| self.give_back(tag));
    }
}

struct Taker {
    line: Arc<Line>,
    id: u64,
    prefetch: usize,
    cancelled: bool,
}

#[async_trait]
impl Consumer for Taker {
    async fn next(&mut self) -> Option<Delivery> {
        if self.cancelled {
            return None;
        }
        loop {
            // Armed before the look, so that a job that comes in between is not slept through.
            let mut changed = std::pin::pin!(self.line.changed.notified());
            changed.as_mut().enable();
            let taken = self.line.jobs().take(self.id, self.prefetch);
            if let Some((tag, Waiting { job, redelivered })) = taken {
                let settle = Box::new(Handed { line: self.line.clone(), tag });
                return Some(Delivery { job, redelivered, settle });
            }
            changed.await;
        }
    }

    async fn cancel(&mut self) {
        self.cancelled = true;
    }
}

impl Drop for Taker {
    fn drop(&mut self) {
        self.line.jobs().give_back_of(self.id);
        self.line.changed.notify_waiters();
    }
}

/// A handing-out that is not settled yet.
struct Handed {
    line: Arc<Line>,
    tag: u64,
}

#[async_trait]
impl Settle for Handed {
    async fn ack(self: Box<Self>) -> Settled {
        let held = self.line.jobs().held.remove(&self.tag);
        // The drop that follows finds nothing to give back, and tells the consumer that it may take another.
        if held.is_some() { Settled::Yes } else { Settled::No }
    }
}

impl Drop for Handed {
    fn drop(&mut self) {
        self.line.jobs().give_back(self.tag);
        self.line.changed.notify_waiters();
    }
}

/// The locks here guard plain collections whose changes are single calls: a panic elsewhere leaves them whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
