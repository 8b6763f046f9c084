//! What the laws, and other tests of queues, are written with.

#![expect(clippy::expect_used, reason = "these are tests, which happen to be in a library")]

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use crate::ids::{OperationId, StepId};
use crate::queue::{Consumer, Delivery, Job, Lane, Queue, Route, Settled};

/// Longer than anything here may take on a busy machine with a slow broker.
const LONG: Duration = Duration::from_secs(120);

/// A route that nobody else uses.
pub fn fresh_route() -> Route {
    Route { pool: format!("test-{}", Uuid::new_v4().simple()).parse().expect("a pool name"), lane: Lane::Data }
}

/// The `index`-th job of one operation.
pub fn job(route: &Route, operation: OperationId, index: u32) -> Job {
    Job::new("p1".parse().expect("a project id"), StepId { operation, stage: 0, index }, route.clone())
}

pub fn jobs(route: &Route, count: u32) -> Vec<Job> {
    let operation = OperationId::next();
    (0..count).map(|index| job(route, operation, index)).collect()
}

/// Waits for what must happen.
pub async fn soon<T>(what: &str, happening: impl Future<Output = T>) -> T {
    match tokio::time::timeout(LONG, happening).await {
        Ok(value) => value,
        Err(_) => panic!("{what}: not within {LONG:?}"),
    }
}

pub async fn publish_all(queue: &Arc<dyn Queue>, jobs: &[Job]) {
    for job in jobs {
        soon("publish", queue.publish(job)).await.expect("publish");
    }
}

/// Publishes as the relay does: again until it is confirmed.
pub async fn publish_until_confirmed(queue: &Arc<dyn Queue>, job: &Job) {
    let confirmed = async {
        while let Err(error) = queue.publish(job).await {
            assert!(error.is_transient(), "{error}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    soon("publish until confirmed", confirmed).await;
}

pub async fn consume(queue: &Arc<dyn Queue>, route: &Route, prefetch: u16) -> Box<dyn Consumer> {
    soon("consume", queue.consume(route, prefetch)).await.expect("consume")
}

pub async fn next(consumer: &mut Box<dyn Consumer>) -> Delivery {
    soon("next delivery", consumer.next()).await.expect("the consumer ended")
}

pub async fn wait_connected(queue: &Arc<dyn Queue>, connected: bool) {
    let mut watch = queue.connected();
    soon("connected to change", watch.wait_for(|&now| now == connected)).await.expect("the queue is gone");
}

/// Takes and acks `count` deliveries.
pub async fn ack_next(consumer: &mut Box<dyn Consumer>, count: usize) -> Vec<Job> {
    let mut taken = Vec::new();
    for _ in 0..count {
        let delivery = next(consumer).await;
        taken.push(delivery.job.clone());
        assert_eq!(delivery.ack().await, Settled::Yes);
    }
    taken
}
