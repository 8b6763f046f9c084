//! How many jobs a second go through one `Rabbit`: published and confirmed with 64 in flight, delivered at prefetch 16
//! and acked; beside the same by lapin alone, on the same broker, by turns.
//!
//!     cargo run --release -p stacksnap-common --features contract --example queue_rate

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a measurement that fails shall stop")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, ConfirmSelectOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Connection, ConnectionProperties};
use stacksnap_common::queue::contract::{fresh_route, jobs, publish_all};
use stacksnap_common::queue::{Job, Queue, Rabbit, Route, rabbit};
use stacksnap_common::testing::rabbit::RabbitServer;

const JOBS: u32 = 20_000;
const IN_FLIGHT: usize = 64;
const PREFETCH: u16 = 16;

#[tokio::main]
async fn main() {
    let server = RabbitServer::start().await;
    let queue: Arc<dyn Queue> = Rabbit::connect(rabbit::Settings::new(server.url().into())).unwrap();
    for round in 1..=3 {
        let ours = rate(through_the_queue(&queue).await);
        let raw = rate(through_lapin(&queue, &server.url()).await);
        println!("round {round}: {ours:.0} jobs/s, lapin alone {raw:.0}/s, ratio {:.2}", ours / raw);
    }
    let turns = consume_again_and_again(&queue, 1_000).await;
    println!("consume, take one, cancel, ack: {:.0} turns/s", 1_000.0 / turns.as_secs_f64());
}

fn rate(took: Duration) -> f64 {
    f64::from(JOBS) / took.as_secs_f64()
}

/// A route whose queue is there, and what will go through it.
async fn prepare(queue: &Arc<dyn Queue>) -> (Route, Vec<Job>) {
    let route = fresh_route();
    publish_all(queue, &jobs(&route, 1)).await;
    let mut consumer = queue.consume(&route, 1).await.unwrap();
    consumer.next().await.unwrap().ack().await;
    let jobs = jobs(&route, JOBS);
    (route, jobs)
}

async fn through_the_queue(queue: &Arc<dyn Queue>) -> Duration {
    let (route, jobs) = prepare(queue).await;
    let mut consumer = queue.consume(&route, PREFETCH).await.unwrap();
    let started = Instant::now();
    let consuming = tokio::spawn(async move {
        for _ in 0..JOBS {
            consumer.next().await.unwrap().ack().await;
        }
    });
    futures_util::stream::iter(&jobs)
        .for_each_concurrent(IN_FLIGHT, |job| async move { queue.publish(job).await.unwrap() })
        .await;
    consuming.await.unwrap();
    started.elapsed()
}

async fn through_lapin(queue: &Arc<dyn Queue>, url: &str) -> Duration {
    let (route, jobs) = prepare(queue).await;
    let name = route.to_string();
    let publishing = Connection::connect(url, ConnectionProperties::default()).await.unwrap();
    let consuming = Connection::connect(url, ConnectionProperties::default()).await.unwrap();
    let channel = publishing.create_channel().await.unwrap();
    channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
    let takes = consuming.create_channel().await.unwrap();
    takes.basic_qos(PREFETCH, BasicQosOptions::default()).await.unwrap();
    let options = BasicConsumeOptions::default();
    let mut deliveries =
        takes.basic_consume(name.as_str().into(), "".into(), options, FieldTable::default()).await.unwrap();
    let started = Instant::now();
    let consuming = tokio::spawn(async move {
        for _ in 0..JOBS {
            deliveries.next().await.unwrap().unwrap().ack(BasicAckOptions::default()).await.unwrap();
        }
    });
    let (channel, name) = (&channel, name.as_str());
    futures_util::stream::iter(&jobs)
        .for_each_concurrent(IN_FLIGHT, |job| async move {
            let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
            let properties = BasicProperties::default().with_delivery_mode(2);
            let body = job.encode();
            let confirm = channel.basic_publish("".into(), name.into(), options, &body, properties).await.unwrap();
            assert!(confirm.await.unwrap().take_message().is_none());
        })
        .await;
    consuming.await.unwrap();
    started.elapsed()
}

/// What a worker with one slot does for each job.
async fn consume_again_and_again(queue: &Arc<dyn Queue>, turns: usize) -> Duration {
    let (route, jobs) = prepare(queue).await;
    publish_all(queue, &jobs[..turns]).await;
    let started = Instant::now();
    for _ in 0..turns {
        let mut consumer = queue.consume(&route, 1).await.unwrap();
        let delivery = consumer.next().await.unwrap();
        consumer.cancel().await;
        delivery.ack().await;
    }
    started.elapsed()
}
