//! What the queue on RabbitMQ does when the broker dies, stops, hangs, takes nothing, or refuses.
//!
//! These tests break their broker for everybody, so they take turns with one of their own.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::HashSet;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use stacksnap_common::ids::{OperationId, StepId};
use stacksnap_common::queue::contract::{
    self, consume, fresh_route, job, jobs, next, publish_all, publish_until_confirmed, soon, wait_connected,
};
use stacksnap_common::queue::{Error, Queue, Rabbit, Settled, rabbit};
use stacksnap_common::testing::rabbit::RabbitServer;
use tokio::sync::{Mutex, MutexGuard, OnceCell};

/// The broker, for one test at a time, as it was started.
struct Turn {
    broker: MutexGuard<'static, Broker>,
}

struct Broker {
    server: RabbitServer,
    /// A test that did not reach its end may have left it stopped, hanging or with an alarm.
    in_doubt: bool,
}

impl Turn {
    async fn take() -> Self {
        static BROKER: OnceCell<Mutex<Broker>> = OnceCell::const_new();
        let start = || async { Mutex::new(Broker { server: RabbitServer::start().await, in_doubt: false }) };
        let mut broker = BROKER.get_or_init(start).await.lock().await;
        if broker.in_doubt {
            broker.server.stop();
            broker.server.start_again().await;
        }
        broker.in_doubt = true;
        Self { broker }
    }

    /// The test leaves the broker as it found it.
    fn end(mut self) {
        self.broker.in_doubt = false;
    }
}

impl Deref for Turn {
    type Target = RabbitServer;
    fn deref(&self) -> &RabbitServer {
        &self.broker.server
    }
}

impl DerefMut for Turn {
    fn deref_mut(&mut self) -> &mut RabbitServer {
        &mut self.broker.server
    }
}

fn settings(broker: &RabbitServer) -> rabbit::Settings {
    rabbit::Settings {
        timeout: Duration::from_secs(20),
        heartbeat: Duration::from_secs(2),
        ..rabbit::Settings::new(broker.url().into())
    }
}

fn connect(broker: &RabbitServer) -> Arc<dyn Queue> {
    Rabbit::connect(settings(broker)).unwrap()
}

async fn fails_at_once(queue: &Arc<dyn Queue>) {
    let started = Instant::now();
    let failed = soon("a failing publish", queue.publish(&jobs(&fresh_route(), 1)[0])).await;
    assert!(matches!(failed, Err(Error::Unavailable(_))), "{failed:?}");
    assert!(started.elapsed() < Duration::from_secs(3), "failed after {:?}", started.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_broker_is_waited_out() {
    let broker = Mutex::new(Turn::take().await);
    let queue = connect(&*broker.lock().await);
    contract::an_outage_is_waited_out(
        queue,
        || async {
            let mut broker = broker.lock().await;
            broker.flush().await;
            broker.stop();
        },
        || async { broker.lock().await.start_again().await },
    )
    .await;
    broker.into_inner().end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_broker_is_waited_out() {
    let broker = Mutex::new(Turn::take().await);
    let queue = connect(&*broker.lock().await);
    contract::an_outage_is_waited_out(
        queue,
        || async { broker.lock().await.stop_gracefully().await },
        || async { broker.lock().await.start_again().await },
    )
    .await;
    broker.into_inner().end();
}

/// Publishing fails by its timeout at first, and at once when the heartbeat has found out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hanging_broker_is_found_out() {
    let broker = Turn::take().await;
    let impatient = rabbit::Settings { timeout: Duration::from_secs(1), ..settings(&broker) };
    let queue: Arc<dyn Queue> = Rabbit::connect(impatient).unwrap();
    let route = fresh_route();
    let sent = jobs(&route, 3);
    wait_connected(&queue, true).await;
    publish_until_confirmed(&queue, &sent[0]).await;
    broker.pause();
    let failed = soon("publish", queue.publish(&sent[1])).await;
    assert!(matches!(failed, Err(Error::Unavailable(_))), "{failed:?}");
    wait_connected(&queue, false).await;
    fails_at_once(&queue).await;
    broker.resume();
    wait_connected(&queue, true).await;
    publish_until_confirmed(&queue, &sent[2]).await;
    let mut consumer = consume(&queue, &route, 1).await;
    let mut seen = HashSet::new();
    while !(seen.contains(&0) && seen.contains(&2)) {
        let delivery = next(&mut consumer).await;
        seen.insert(delivery.job.step.index);
        delivery.ack().await;
    }
    broker.end();
}

/// Sixteen publish as fast as they can and a consumer acks, while the broker is killed and comes back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_confirmed_is_lost_by_a_kill() {
    let mut broker = Turn::take().await;
    let queue = connect(&broker);
    let route = fresh_route();
    let operation = OperationId::next();
    let counter = Arc::new(AtomicU32::new(0));
    let confirmed = Arc::new(std::sync::Mutex::new(HashSet::<StepId>::new()));
    let stop = Arc::new(AtomicBool::new(false));
    let mut publishers = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let (queue, route, counter) = (queue.clone(), route.clone(), counter.clone());
        let (confirmed, stop) = (confirmed.clone(), stop.clone());
        publishers.spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                let job = job(&route, operation, counter.fetch_add(1, Ordering::Relaxed));
                match queue.publish(&job).await {
                    Ok(()) => drop(confirmed.lock().unwrap().insert(job.step)),
                    Err(error) => {
                        assert!(error.is_transient(), "{error}");
                        tokio::time::sleep(Duration::from_millis(10)).await;
                    }
                }
            }
        });
    }
    let seen = Arc::new(std::sync::Mutex::new(HashSet::<StepId>::new()));
    let consuming = {
        let (seen, mut consumer) = (seen.clone(), consume(&queue, &route, 16).await);
        tokio::spawn(async move {
            while let Some(delivery) = consumer.next().await {
                let step = delivery.job.step;
                // Acked or not: what was not will come again.
                delivery.ack().await;
                seen.lock().unwrap().insert(step);
            }
        })
    };
    let confirmed_more = async |more: usize| {
        let wanted = confirmed.lock().unwrap().len() + more;
        soon("confirms", async {
            while confirmed.lock().unwrap().len() < wanted {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
    };
    confirmed_more(1_000).await;
    broker.flush().await;
    broker.stop();
    wait_connected(&queue, false).await;
    fails_at_once(&queue).await;
    broker.start_again().await;
    confirmed_more(1_000).await;
    stop.store(true, Ordering::Relaxed);
    soon("the publishers' end", publishers.join_all()).await;
    soon("all deliveries", async {
        while !confirmed.lock().unwrap().is_subset(&seen.lock().unwrap()) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    consuming.abort();
    broker.end();
}

/// `serve` and `api` start while the broker is down.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_may_come_later() {
    let mut broker = Turn::take().await;
    broker.stop();
    let queue = connect(&broker);
    let route = fresh_route();
    let sent = jobs(&route, 1);
    assert!(matches!(soon("publish", queue.publish(&sent[0])).await, Err(Error::Unavailable(_))));
    assert!(matches!(soon("depth", queue.depth(&route)).await, Err(Error::Unavailable(_))));
    let mut consumer = consume(&queue, &route, 1).await;
    let unreachable = Rabbit::connect(settings(&broker)).unwrap();
    assert!(matches!(soon("check", unreachable.check()).await, Err(Error::Unavailable(_))));
    broker.start_again().await;
    wait_connected(&queue, true).await;
    publish_until_confirmed(&queue, &sent[0]).await;
    assert_eq!(next(&mut consumer).await.job, sent[0]);
    broker.end();
}

/// With its memory alarm on, the broker stops reading from whoever publishes. Consumers go on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_blocked_broker_counts_as_away() {
    let broker = Turn::take().await;
    let queue = connect(&broker);
    let route = fresh_route();
    let sent = jobs(&route, 2);
    wait_connected(&queue, true).await;
    publish_all(&queue, &sent[..1]).await;
    let mut consumer = consume(&queue, &route, 1).await;
    broker.ctl(&["set_vm_memory_high_watermark", "0"]).await;
    // The broker says so to those who publish, when they next do. None of them waits for its timeout.
    let started = Instant::now();
    while *queue.connected().borrow() {
        let result = soon("publish", queue.publish(&jobs(&fresh_route(), 1)[0])).await;
        assert!(!matches!(result, Err(Error::Refused(_))), "{result:?}");
        assert!(started.elapsed() < Duration::from_secs(15), "not blocked yet, or a publish that hung");
    }
    fails_at_once(&queue).await;
    let delivery = next(&mut consumer).await;
    assert_eq!(delivery.job, sent[0]);
    assert_eq!(delivery.ack().await, Settled::Yes);
    broker.ctl(&["set_vm_memory_high_watermark", "0.4"]).await;
    wait_connected(&queue, true).await;
    publish_until_confirmed(&queue, &sent[1]).await;
    assert_eq!(next(&mut consumer).await.job, sent[1]);
    broker.end();
}

/// RabbitMQ closes the channel of a consumer that holds a delivery for too long.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consumer_that_was_thrown_out_comes_back() {
    let broker = Turn::take().await;
    let limits = "[application:set_env(rabbit, Key, Value) || {Key, Value} <- ";
    broker.ctl(&["eval", &format!("{limits} [{{consumer_timeout, 500}}, {{channel_tick_interval, 200}}]].")]).await;
    let queue = connect(&broker);
    let route = fresh_route();
    let sent = jobs(&route, 3);
    publish_all(&queue, &sent).await;
    let mut consumer = consume(&queue, &route, 2).await;
    let held = next(&mut consumer).await;
    assert_eq!(held.job, sent[0]);
    // The second is buffered by now; it and the first come again.
    let again = soon("redelivery", async {
        loop {
            let delivery = consumer.next().await.expect("the consumer ended");
            if delivery.job == sent[0] {
                return delivery;
            }
            drop(delivery);
        }
    })
    .await;
    assert!(again.redelivered);
    assert_eq!(held.ack().await, Settled::No);
    assert_eq!(again.ack().await, Settled::Yes);
    let usual = "[{consumer_timeout, 1800000}, {channel_tick_interval, 60000}]";
    broker.ctl(&["eval", &format!("{limits} {usual}].")]).await;
    broker.end();
}
