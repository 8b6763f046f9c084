//! A queue that misbehaves, for tests of those who use one.
//!
//! It wraps a real queue and does what brokers and networks do at bad moments: publishes that fail before or after they
//! took effect, jobs delivered twice, late, out of order, given back, or never. Each by a rate and a seed, so that a run
//! can be had again, or the next few publishes on demand.
//!
//! Work must survive all of it: a job is a hint, and the truth is in the store.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;
use tokio::time::Instant;

use super::{Consumer, Delivery, Error, Job, Queue, Route, Settle, Settled};

/// How often each fault happens, in a thousand cases.
#[derive(Debug, Clone, Copy, Default)]
pub struct Faults {
    pub publish_fails_before: u16,
    pub publish_fails_after: u16,
    /// A delivery is never handed out, nor comes again, as if somebody had purged the queue.
    pub lose: u16,
    /// A delivery is given back instead of handed out, as if a worker had died with it.
    pub give_back: u16,
    /// A job is handed out once more, also after it was acked, and beyond the prefetch.
    pub duplicate: u16,
    /// A delivery comes late, by up to `delay_up_to`; others overtake it.
    pub delay: u16,
    pub delay_up_to: Duration,
}

impl Faults {
    /// Every fault in one of ten cases.
    pub fn many() -> Self {
        Self {
            publish_fails_before: 100,
            publish_fails_after: 100,
            lose: 100,
            give_back: 100,
            duplicate: 100,
            delay: 100,
            delay_up_to: Duration::from_millis(200),
        }
    }
}

/// When a publish fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Publish {
    /// The job is not in the queue.
    FailsBefore,
    /// The job is in the queue, and the caller does not know.
    FailsAfter,
}

pub struct Faulty {
    queue: Arc<dyn Queue>,
    chance: Arc<Chance>,
    on_demand: Mutex<VecDeque<Publish>>,
}

impl Faulty {
    pub fn new(queue: Arc<dyn Queue>, seed: u64, faults: Faults) -> Arc<Self> {
        Arc::new(Self { queue, chance: Chance::new(seed, faults), on_demand: Mutex::default() })
    }

    /// From now on; for instance none, when a test wants to see the end.
    pub fn set(&self, faults: Faults) {
        lock(&self.chance.state).faults = faults;
    }

    /// The next publishes fail so, in this order, whatever the rates.
    pub fn fail_next(&self, publishes: impl IntoIterator<Item = Publish>) {
        lock(&self.on_demand).extend(publishes);
    }
}

#[async_trait]
impl Queue for Faulty {
    async fn publish(&self, job: &Job) -> Result<(), Error> {
        let demanded = lock(&self.on_demand).pop_front();
        let fault = demanded.or_else(|| {
            if self.chance.of(|faults| faults.publish_fails_before) {
                Some(Publish::FailsBefore)
            } else if self.chance.of(|faults| faults.publish_fails_after) {
                Some(Publish::FailsAfter)
            } else {
                None
            }
        });
        if fault != Some(Publish::FailsBefore) {
            self.queue.publish(job).await?;
        }
        match fault {
            None => Ok(()),
            Some(fault) => Err(Error::Unavailable(format!("a fault was injected: publish {fault:?}"))),
        }
    }

    async fn consume(&self, route: &Route, prefetch: u16) -> Result<Box<dyn Consumer>, Error> {
        let queue = self.queue.consume(route, prefetch).await?;
        Ok(Box::new(FaultyConsumer { queue, chance: self.chance.clone(), held: Vec::new(), ended: false }))
    }

    async fn depth(&self, route: &Route) -> Result<u64, Error> {
        self.queue.depth(route).await
    }

    fn connected(&self) -> watch::Receiver<bool> {
        self.queue.connected()
    }
}

struct FaultyConsumer {
    queue: Box<dyn Consumer>,
    chance: Arc<Chance>,
    /// What is to be handed out, and when.
    held: Vec<(Instant, Delivery)>,
    ended: bool,
}

impl FaultyConsumer {
    /// Decides what becomes of a delivery. One that is lost is to be acked.
    fn admit(&mut self, delivery: Delivery) -> Option<Delivery> {
        if self.chance.of(|faults| faults.lose) {
            return Some(delivery);
        }
        if self.chance.of(|faults| faults.give_back) {
            return None;
        }
        if self.chance.of(|faults| faults.duplicate) {
            let twin = Delivery { job: delivery.job.clone(), redelivered: true, settle: Box::new(Twin) };
            self.held.push((self.due(), twin));
        }
        self.held.push((self.due(), delivery));
        None
    }

    fn due(&self) -> Instant {
        let late = self.chance.of(|faults| faults.delay);
        Instant::now() + if late { self.chance.delay() } else { Duration::ZERO }
    }

    fn first(&self) -> Option<(usize, Instant)> {
        self.held.iter().enumerate().map(|(index, (due, _))| (index, *due)).min_by_key(|&(_, due)| due)
    }
}

#[async_trait]
impl Consumer for FaultyConsumer {
    async fn next(&mut self) -> Option<Delivery> {
        loop {
            let first = self.first();
            if let Some((index, due)) = first
                && due <= Instant::now()
            {
                return Some(self.held.remove(index).1);
            }
            let due = first.map(|(_, due)| due);
            let arrived = tokio::select! {
                arrived = self.queue.next(), if !self.ended => arrived,
                () = tokio::time::sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => continue,
                else => return None,
            };
            match arrived {
                None => self.ended = true,
                Some(delivery) => {
                    if let Some(lost) = self.admit(delivery) {
                        // Not awaited here: whoever drops this future must not give it back.
                        tokio::spawn(lost.ack());
                    }
                }
            }
        }
    }

    async fn cancel(&mut self) {
        self.queue.cancel().await;
    }
}

/// A second delivery of a job, of which the queue knows nothing.
struct Twin;

#[async_trait]
impl Settle for Twin {
    async fn ack(self: Box<Self>) -> Settled {
        Settled::Yes
    }
}

struct Chance {
    state: Mutex<ChanceState>,
}

struct ChanceState {
    faults: Faults,
    seed: u64,
}

impl Chance {
    fn new(seed: u64, faults: Faults) -> Arc<Self> {
        Arc::new(Self { state: Mutex::new(ChanceState { faults, seed }) })
    }

    fn of(&self, rate: impl Fn(&Faults) -> u16) -> bool {
        let mut state = lock(&self.state);
        let rate = u64::from(rate(&state.faults));
        // Nothing is drawn for what can't happen, so that one rate does not change the course of another.
        rate > 0 && state.draw() % 1_000 < rate
    }

    fn delay(&self) -> Duration {
        let mut state = lock(&self.state);
        let most = u64::try_from(state.faults.delay_up_to.as_micros()).unwrap_or(u64::MAX).max(1);
        Duration::from_micros(state.draw() % most)
    }
}

impl ChanceState {
    /// SplitMix64 (Steele, Lea, Flood 2014): a few lines, and the same on every machine.
    fn draw(&mut self) -> u64 {
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.seed;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use std::collections::HashMap;

    use super::super::Local;
    use super::super::contract::{consume, fresh_route, jobs, next, publish_all};
    use super::*;

    crate::queue_contract!(async { Faulty::new(Local::new(), 1, Faults::default()) as Arc<dyn Queue> });

    #[tokio::test]
    async fn publishes_fail_on_demand() {
        let faulty = Faulty::new(Local::new(), 1, Faults::default());
        let route = fresh_route();
        let sent = jobs(&route, 3);
        faulty.fail_next([Publish::FailsBefore, Publish::FailsAfter]);
        assert!(faulty.publish(&sent[0]).await.unwrap_err().is_transient());
        assert_eq!(faulty.depth(&route).await.unwrap(), 0);
        assert!(faulty.publish(&sent[1]).await.unwrap_err().is_transient());
        assert_eq!(faulty.depth(&route).await.unwrap(), 1);
        faulty.publish(&sent[2]).await.unwrap();
        assert_eq!(faulty.depth(&route).await.unwrap(), 2);
    }

    /// Publishes 50 jobs and takes `count` deliveries through a consumer with these faults.
    async fn take(count: usize, faults: Faults) -> Vec<(u32, bool)> {
        let queue: Arc<dyn Queue> = Faulty::new(Local::new(), 7, faults);
        let route = fresh_route();
        publish_all(&queue, &jobs(&route, 50)).await;
        let mut consumer = consume(&queue, &route, 20).await;
        let mut came = Vec::new();
        while came.len() < count {
            let delivery = next(&mut consumer).await;
            came.push((delivery.job.step.index, delivery.redelivered));
            delivery.ack().await;
        }
        came
    }

    fn each_once(mut came: Vec<(u32, bool)>) -> bool {
        came.sort_unstable();
        came.iter().map(|&(index, _)| index).eq(0..50)
    }

    #[tokio::test]
    async fn lost_jobs_do_not_come() {
        let faulty = Faulty::new(Local::new(), 7, Faults { lose: 1_000, ..Faults::default() });
        let queue: Arc<dyn Queue> = faulty.clone();
        let route = fresh_route();
        let sent = jobs(&route, 4);
        publish_all(&queue, &sent[..3]).await;
        let mut consumer = consume(&queue, &route, 1).await;
        while queue.depth(&route).await.unwrap() > 0 {
            let nothing = tokio::time::timeout(Duration::from_millis(1), consumer.next()).await;
            assert!(nothing.is_err(), "a delivery of a job that should be lost");
        }
        faulty.set(Faults::default());
        publish_all(&queue, &sent[3..]).await;
        assert_eq!(next(&mut consumer).await.job, sent[3]);
    }

    #[tokio::test]
    async fn duplicates_come_twice() {
        let came = take(100, Faults { duplicate: 1_000, ..Faults::default() }).await;
        let mut times = HashMap::new();
        came.iter().for_each(|(index, _)| *times.entry(index).or_insert(0) += 1);
        assert_eq!(times.len(), 50);
        assert!(times.values().all(|&times| times == 2));
    }

    #[tokio::test]
    async fn what_is_given_back_comes_again() {
        let came = take(50, Faults { give_back: 500, ..Faults::default() }).await;
        assert!(came.iter().any(|&(_, redelivered)| redelivered));
        assert!(each_once(came));
    }

    #[tokio::test]
    async fn delays_let_others_pass() {
        let faults = Faults { delay: 500, delay_up_to: Duration::from_millis(50), ..Faults::default() };
        let came = take(50, faults).await;
        assert!(!came.is_sorted());
        assert!(each_once(came));
    }

    #[test]
    fn the_same_seed_gives_the_same_course() {
        let course = |seed| {
            let chance = Chance::new(seed, Faults::many());
            (0..1_000).map(|_| chance.of(|faults| faults.lose)).collect::<Vec<_>>()
        };
        assert_eq!(course(3), course(3));
        assert_ne!(course(3), course(4));
        let lost = course(3).into_iter().filter(|&lost| lost).count();
        assert!((60..140).contains(&lost), "{lost} of 1,000 at a rate of 100");
    }
}
