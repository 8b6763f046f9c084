//! The laws of `queue/mod.rs` as test functions over any queue.
//!
//! [`queue_contract!`](crate::queue_contract) lists them all as tests of one queue. Each function uses a pool of its
//! own, so they can share a broker. The laws about an outage break the broker for everybody, so they stand apart and
//! want a queue of their own and two ways to take it away and to bring it back.
//!
//! That something does not come is shown by what comes instead, not by waiting: on one route, jobs come in order.

#![expect(clippy::expect_used, reason = "these are tests, which happen to be in a library")]

mod tools;

use std::collections::HashSet;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{join_all, poll_immediate};

use super::{Error, Job, Lane, Queue, Route, Settled};
use crate::ids::{OperationId, StepId};

pub use tools::*;

/// Makes one test of each law: `queue_contract!(async { … an Arc<dyn Queue> … });`
#[macro_export]
macro_rules! queue_contract {
    ($queue:expr) => {
        $crate::queue_contract!(@list $queue;
            published_jobs_are_delivered,
            many_are_published_at_once,
            the_undeclared_route_of_each_publish_is_found,
            a_dropped_delivery_comes_again,
            a_dropped_consumer_gives_back,
            a_job_is_with_one_consumer_at_a_time,
            an_acked_job_does_not_come_again,
            a_late_ack_of_a_dropped_consumer_does_not_count,
            prefetch_is_a_bound,
            an_idle_consumer_is_not_held_up_by_a_busy_one,
            cancel_ends_the_handing_out,
            cancel_of_a_full_consumer_leaves_its_delivery,
            consuming_again_and_again_loses_nothing,
            next_is_cancel_safe,
            later_versions_are_set_aside,
            jobs_come_in_order,
            routes_are_apart,
            depth_counts_what_waits,
        );
    };
    (@list $queue:expr; $($law:ident),* $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $law() {
                $crate::queue::contract::$law($queue.await).await;
            }
        )*
    };
}

pub async fn published_jobs_are_delivered(queue: Arc<dyn Queue>) {
    let route = fresh_route();
    let sent = Job { trace: Some("00-abc-def-01".to_owned()), ..jobs(&route, 1).remove(0) };
    publish_all(&queue, std::slice::from_ref(&sent)).await;
    let mut consumer = consume(&queue, &route, 1).await;
    let delivery = next(&mut consumer).await;
    assert_eq!(delivery.job, sent);
    assert!(!delivery.redelivered);
    assert_eq!(delivery.ack().await, Settled::Yes);
}

/// Hundreds in flight, to some routes.
pub async fn many_are_published_at_once(queue: Arc<dyn Queue>) {
    let routes: Vec<Route> = (0..4).map(|_| fresh_route()).collect();
    let jobs: Vec<Job> = routes.iter().flat_map(|route| jobs(route, 100)).collect();
    for result in soon("publishing", join_all(jobs.iter().map(|job| queue.publish(job)))).await {
        result.expect("publish");
    }
    for route in &routes {
        let mut consumer = consume(&queue, route, 16).await;
        let steps: HashSet<StepId> = ack_next(&mut consumer, 100).await.iter().map(|job| job.step).collect();
        assert_eq!(steps.len(), 100);
    }
}

/// Messages that the broker gives back for want of a queue are taken for nothing but their own publish, also when
/// hundreds to a queue that exists are confirmed in the same instant.
pub async fn the_undeclared_route_of_each_publish_is_found(queue: Arc<dyn Queue>) {
    let busy = fresh_route();
    publish_all(&queue, &jobs(&busy, 1)).await;
    let rare: Vec<Route> = (0..5).map(|_| fresh_route()).collect();
    let mut all = jobs(&busy, 600);
    for (index, job) in rare.iter().flat_map(|route| jobs(route, 60)).enumerate() {
        all.insert(index * 3, job);
    }
    for result in soon("publishing", join_all(all.iter().map(|job| queue.publish(job)))).await {
        result.expect("publish");
    }
    for route in &rare {
        let mut consumer = consume(&queue, route, 16).await;
        let mut steps = HashSet::new();
        while steps.len() < 60 {
            let delivery = next(&mut consumer).await;
            steps.insert(delivery.job.step);
            assert_eq!(delivery.ack().await, Settled::Yes);
        }
    }
}

pub async fn a_dropped_delivery_comes_again(queue: Arc<dyn Queue>) {
    let route = fresh_route();
    let sent = jobs(&route, 1);
    publish_all(&queue, &sent).await;
    let mut consumer = consume(&queue, &route, 1).await;
    for round in 0..3 {
        let delivery = next(&mut consumer).await;
        assert_eq!(delivery.job, sent[0]);
        assert_eq!(delivery.redelivered, round > 0);
    }
    let last = next(&mut consumer).await;
    assert_eq!(last.ack().await, Settled::Yes);
}

pub async fn a_dropped_consumer_gives_back(queue: Arc<dyn Queue>) {
    let route = fresh_route();
    let sent = jobs(&route, 3);
    publish_all(&queue, &sent).await;
    let mut first = consume(&queue, &route, 2).await;
    let held = next(&mut first).await;
    drop(first);
    let mut second = consume(&queue, &route, 3).await;
    let mut steps = HashSet::new();
    let mut of_the_first = None;
    for _ in 0..3 {
        let delivery = next(&mut second).await;
        steps.insert(delivery.job.step);
        if delivery.job == held.job {
            of_the_first = Some(delivery.redelivered);
        }
        assert_eq!(delivery.ack().await, Settled::Yes);
    }
    assert_eq!(steps.len(), 3);
    assert_eq!(of_the_first, Some(true));
}

pub async fn a_job_is_with_one_consumer_at_a_time(queue: Arc<dyn Queue>) {
    let route = fresh_route();
    let sent = jobs(&route, 40);
    publish_all(&queue, &sent).await;
    let mut consumers = Vec::new();
    for _ in 0..4 {
        consumers.push(consume(&queue, &route, 10).await);
    }
    // All forty are held at once, so each is with one consumer.
    let mut held = Vec::new();
    for consumer in &mut consumers {
        for _ in 0..10 {
            held.push(next(consumer).await);
        }
    }
    let steps: HashSet<StepId> = held.iter().map(|delivery| delivery.job.step).collect();
    assert_eq!(steps.len(), 40);
    for delivery in held {
        assert_eq!(delivery.ack().await, Settled::Yes);
    }
}

pub async fn an_acked_job_does_not_come_again(queue: Arc<dyn Queue>) {
    let route = fresh_route();
    let sent = jobs(&route, 11);
    publish_all(&queue, &sent[..10]).await;
    let mut consumer = consume(&queue, &route, 4).await;
    ack_next(&mut consumer, 10).await;
    soon("cancel", consumer.cancel()).await;
    drop(consumer);
    publish_all(&queue, &sent[10..]).await;
    let mut consumer = consume(&queue, &route, 4).await;
    let first = next(&mut consumer).await;
    assert_eq!(first.job, sent[10]);
    assert!(!first.redelivered);
    assert_eq!(first.ack().await, Settled::Yes);
}

pub async fn a_late_ack_of_a_dropped_consumer_does_not_count(queue: Arc<dyn Queue>) {
    let route = fresh_route();
    let sent = jobs(&route, 1);
    publish_all(&queue, &sent).await;
    let mut first = consume(&queue, &route, 1).await;
    let stale = next(&mut first).await;
    drop(first);
    let mut second = consume(&queue, &route, 1).await;
    let again = next(&mut second).await;
    assert!(again.redelivered);
    assert_eq!(stale.ack().await, Settled::No);
    assert_eq!(again.ack().await, Settled::Yes);
}

pub async fn prefetch_is_a_bound(queue: Arc<dyn Queue>) {
    let route = fresh_route();
    let sent = jobs(&route, 10);
    publish_all(&queue, &sent).await;
    let mut bounded = consume(&queue, &route, 3).await;
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(next(&mut bounded).await);
    }
    assert!(poll_immediate(pin!(bounded.next())).await.is_none(), "a fourth delivery at prefetch 3");
    // Nothing is hidden in its buffers either: another consumer gets all the others.
    let mut other = consume(&queue, &route, 10).await;
    let others = ack_next(&mut other, 7).await;
    assert!(others.iter().all(|job| held.iter().all(|delivery| delivery.job != *job)));
    soon("cancel", other.cancel()).await;
    // One settled, one more.
    assert_eq!(held.remove(0).ack().await, Settled::Yes);
    let operation = OperationId::next();
    publish_all(&queue, &[job(&route, operation, 0), job(&route, operation, 1)]).await;
    let more = next(&mut bounded).await;
    assert_eq!(more.job.step.index, 0);
    assert!(poll_immediate(pin!(bounded.next())).await.is_none(), "a fourth delivery at prefetch 3");
}

pub async fn an_idle_consumer_is_not_held_up_by_a_busy_one(queue: Arc<dyn Queue>) {
    let route = fresh_route();
    let mut busy = consume(&queue, &route, 1).await;
    let mut idle = consume(&queue, &route, 1).await;
    let sent = jobs(&route, 21);
    publish_all(&queue, &sent[..1]).await;
    let (held, mut idle) = {
        let first = soon("either consumer", async {
            tokio::select! { one = busy.next() => (one, true), one = idle.next() => (one, false) }
        });
        match first.await {
            (Some(delivery), true) => (delivery, idle),
            (Some(delivery), false) => (delivery, busy),
            (None, _) => panic!("the consumer ended"),
        }
    };
    publish_all(&queue, &sent[1..]).await;
    assert_eq!(ack_next(&mut idle, 20).await, sent[1..]);
    assert_eq!(held.ack().await, Settled::Yes);
}

pub async fn cancel_ends_the_handing_out(queue: Arc<dyn Queue>) {
    let route = fresh_route();
    let sent = jobs(&route, 11);
    publish_all(&queue, &sent[..10]).await;
    let mut first = consume(&queue, &route, 4).await;
    let mut held = vec![next(&mut first).await];
    soon("cancel", first.cancel()).await;
    soon("cancel again", first.cancel()).await;
    publish_all(&queue, &sent[10..]).await;
    while let Some(delivery) = soon("the end", first.next()).await {
        held.push(delivery);
    }
    assert!(soon("still the end", first.next()).await.is_none());
    assert!(held.len() <= 4, "{} deliveries at prefetch 4", held.len());
    let mut steps: Vec<StepId> = held.iter().map(|delivery| delivery.job.step).collect();
    for delivery in held {
        assert_eq!(delivery.ack().await, Settled::Yes);
    }
    let mut second = consume(&queue, &route, 16).await;
    let rest = ack_next(&mut second, 11 - steps.len()).await;
    steps.extend(rest.iter().map(|job| job.step));
    assert_eq!(steps, sent.iter().map(|job| job.step).collect::<Vec<_>>());
}

/// What a worker does whose last slot is taken: cancel, then ack. The next job goes to another.
pub async fn cancel_of_a_full_consumer_leaves_its_delivery(queue: Arc<dyn Queue>) {
    let route = fresh_route();
    let sent = jobs(&route, 3);
    publish_all(&queue, &sent).await;
    let mut first = consume(&queue, &route, 1).await;
    let delivery = next(&mut first).await;
    soon("cancel", first.cancel()).await;
    assert_eq!(delivery.ack().await, Settled::Yes);
    assert!(soon("the end", first.next()).await.is_none());
    let mut second = consume(&queue, &route, 2).await;
    assert_eq!(ack_next(&mut second, 2).await, sent[1..]);
}

pub async fn consuming_again_and_again_loses_nothing(queue: Arc<dyn Queue>) {
    let route = fresh_route();
    let sent = jobs(&route, 60);
    publish_all(&queue, &sent).await;
    for expected in &sent {
        let mut consumer = consume(&queue, &route, 1).await;
        let delivery = next(&mut consumer).await;
        soon("cancel", consumer.cancel()).await;
        assert_eq!(&delivery.job, expected);
        assert_eq!(delivery.ack().await, Settled::Yes);
    }
    assert_eq!(queue.depth(&route).await.expect("depth"), 0);
}

/// A future of `next` that is dropped before it is ready takes no delivery with it.
pub async fn next_is_cancel_safe(queue: Arc<dyn Queue>) {
    let route = fresh_route();
    let mut consumer = consume(&queue, &route, 2).await;
    let sent = jobs(&route, 30);
    let publishing = publish_all(&queue, &sent);
    let consuming = async {
        let mut taken = Vec::new();
        while taken.len() < sent.len() {
            let Ok(delivery) = tokio::time::timeout(Duration::from_micros(300), consumer.next()).await else {
                continue;
            };
            let delivery = delivery.expect("the consumer ended");
            taken.push(delivery.job.clone());
            assert_eq!(delivery.ack().await, Settled::Yes);
        }
        taken
    };
    let (_, taken) = soon("all deliveries", async { tokio::join!(publishing, consuming) }).await;
    assert_eq!(taken, sent);
}

pub async fn later_versions_are_set_aside(queue: Arc<dyn Queue>) {
    let route = fresh_route();
    let mut sent = jobs(&route, 4);
    sent[0].v = Job::VERSION + 1;
    sent[2].v = 999;
    publish_all(&queue, &sent).await;
    let mut consumer = consume(&queue, &route, 1).await;
    assert_eq!(ack_next(&mut consumer, 2).await, [sent[1].clone(), sent[3].clone()]);
}

pub async fn jobs_come_in_order(queue: Arc<dyn Queue>) {
    let route = fresh_route();
    let sent = jobs(&route, 100);
    publish_all(&queue, &sent).await;
    let mut consumer = consume(&queue, &route, 8).await;
    assert_eq!(ack_next(&mut consumer, 100).await, sent);
}

pub async fn routes_are_apart(queue: Arc<dyn Queue>) {
    let data = fresh_route();
    let control = Route { lane: Lane::Control, ..data.clone() };
    let elsewhere = fresh_route();
    for route in [&data, &control, &elsewhere] {
        publish_all(&queue, &jobs(route, 2)).await;
    }
    for route in [&control, &elsewhere, &data] {
        let mut consumer = consume(&queue, route, 4).await;
        for job in ack_next(&mut consumer, 2).await {
            assert_eq!(job.route, *route);
        }
        assert!(poll_immediate(pin!(consumer.next())).await.is_none());
    }
}

pub async fn depth_counts_what_waits(queue: Arc<dyn Queue>) {
    let route = fresh_route();
    assert_eq!(queue.depth(&route).await.expect("depth of a route that nobody used"), 0);
    publish_all(&queue, &jobs(&route, 5)).await;
    assert_eq!(queue.depth(&route).await.expect("depth"), 5);
    let mut consumer = consume(&queue, &route, 2).await;
    let held = [next(&mut consumer).await, next(&mut consumer).await];
    assert_eq!(queue.depth(&route).await.expect("depth"), 3);
    drop(held);
}

/// Law 6, and what an outage does to the others: publishing fails at once and can be done again, `next` waits and goes
/// on by itself, what was held comes again and its old ack doesn't count.
pub async fn an_outage_is_waited_out<A, B>(queue: Arc<dyn Queue>, away: impl FnOnce() -> A, back: impl FnOnce() -> B)
where
    A: Future<Output = ()>,
    B: Future<Output = ()>,
{
    let route = fresh_route();
    let sent = jobs(&route, 6);
    wait_connected(&queue, true).await;
    publish_all(&queue, &sent[..4]).await;
    let mut consumer = consume(&queue, &route, 2).await;
    let held = next(&mut consumer).await;
    away().await;
    wait_connected(&queue, false).await;
    let failed = tokio::time::timeout(Duration::from_secs(3), queue.publish(&sent[4])).await;
    assert!(matches!(failed, Ok(Err(Error::Unavailable(_)))), "publish while away: {failed:?}");
    // A consumer that is made during the outage, for a queue that was never declared.
    let other_route = fresh_route();
    let mut other = consume(&queue, &other_route, 1).await;
    let waits = tokio::time::timeout(Duration::from_millis(300), async {
        tokio::select! { one = consumer.next() => one, one = other.next() => one }
    });
    assert!(waits.await.is_err(), "a delivery, or an end, while the broker is away");

    back().await;
    wait_connected(&queue, true).await;
    for job in &sent[4..] {
        publish_until_confirmed(&queue, job).await;
    }
    assert_eq!(held.ack().await, Settled::No);
    // At least once each: a publish that failed may have arrived.
    let mut steps = HashSet::new();
    while steps.len() < sent.len() {
        let delivery = next(&mut consumer).await;
        steps.insert(delivery.job.step);
        assert_eq!(delivery.ack().await, Settled::Yes);
    }
    publish_until_confirmed(&queue, &jobs(&other_route, 1)[0]).await;
    assert_eq!(next(&mut other).await.job.route, other_route);
}
