//! What the two servers can do at most for one step, if nothing is wanted of them but the least that a step needs: one
//! confirmed mandatory publish to a quorum queue, its delivery, two commits by a small script in Redis, one ack.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, ConfirmSelectOptions,
    QueueDeclareOptions, QueueDeleteOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Connection, ConnectionProperties};
use stacksnap_common::testing::rabbit::RabbitServer;
use stacksnap_common::testing::redis::RedisServer;
use tokio::sync::Semaphore;

/// Steps between the begin of their publish and the ack of their delivery.
pub const IN_FLIGHT: usize = 64;

/// Takes a record from one version to the next, and sets a timer.
const COMMIT: &str = r"
local version = tonumber(redis.call('HGET', KEYS[1], ARGV[1]) or 0)
if version ~= tonumber(ARGV[2]) then return false end
redis.call('HSET', KEYS[1], ARGV[1], version + 1, ARGV[1] .. ':value', ARGV[4])
redis.call('ZADD', KEYS[2], ARGV[3], ARGV[1])
return version + 1
";

/// As large as a small record.
const VALUE: [u8; 200] = [b'v'; 200];

pub async fn run(redis: &RedisServer, rabbit: &RabbitServer, steps: u32) -> anyhow::Result<Duration> {
    let name = format!("raw.{}", uuid::Uuid::new_v4().simple());
    let publishing = Connection::connect(&rabbit.url(), ConnectionProperties::default()).await?;
    let consuming = Connection::connect(&rabbit.url(), ConnectionProperties::default()).await?;
    let channel = publishing.create_channel().await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(name.as_str().into(), durable, arguments).await?;
    let takes = consuming.create_channel().await?;
    takes.basic_qos(IN_FLIGHT as u16, BasicQosOptions::default()).await?;
    let options = BasicConsumeOptions::default();
    let mut deliveries = takes.basic_consume(name.as_str().into(), "".into(), options, FieldTable::default()).await?;
    let store = redis::Client::open(redis.url())?.get_multiplexed_async_connection().await?;
    let commit = Arc::new(Commit::load(store, &name).await?);

    let room = Arc::new(Semaphore::new(IN_FLIGHT));
    let started = Instant::now();
    let taken = Arc::clone(&room);
    let consumer = tokio::spawn(async move {
        let mut running = FuturesUnordered::new();
        for _ in 0..steps {
            let delivery = deliveries.next().await.context("the consumer ended")??;
            let (commit, taken) = (Arc::clone(&commit), Arc::clone(&taken));
            running.push(tokio::spawn(async move {
                let step = String::from_utf8_lossy(&delivery.data).into_owned();
                ensure!(commit.make(&step, 0).await? && commit.make(&step, 1).await?, "a commit was refused");
                delivery.ack(BasicAckOptions::default()).await?;
                taken.add_permits(1);
                Ok(())
            }));
            while let std::task::Poll::Ready(Some(done)) = futures_util::poll!(running.next()) {
                done??;
            }
        }
        while let Some(done) = running.next().await {
            done??;
        }
        anyhow::Ok(())
    });
    let mut confirms = FuturesUnordered::new();
    for step in 0..steps {
        room.acquire().await?.forget();
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let properties = BasicProperties::default().with_delivery_mode(2);
        let body = step.to_string();
        let confirm =
            channel.basic_publish("".into(), name.as_str().into(), options, body.as_bytes(), properties).await?;
        confirms.push(confirm);
        while let std::task::Poll::Ready(Some(confirmed)) = futures_util::poll!(confirms.next()) {
            ensure!(confirmed?.take_message().is_none(), "a message came back");
        }
    }
    while let Some(confirmed) = confirms.next().await {
        ensure!(confirmed?.take_message().is_none(), "a message came back");
    }
    consumer.await??;
    let took = started.elapsed();
    channel.queue_delete(name.as_str().into(), QueueDeleteOptions::default()).await?;
    Ok(took)
}

struct Commit {
    store: redis::aio::MultiplexedConnection,
    hash: String,
    keys: [String; 2],
}

impl Commit {
    async fn load(mut store: redis::aio::MultiplexedConnection, name: &str) -> anyhow::Result<Self> {
        let hash = redis::cmd("SCRIPT").arg("LOAD").arg(COMMIT).query_async(&mut store).await?;
        Ok(Self { store, hash, keys: [format!("{name}:records"), format!("{name}:timers")] })
    }

    async fn make(&self, step: &str, version: u32) -> anyhow::Result<bool> {
        let mut call = redis::cmd("EVALSHA");
        call.arg(&self.hash).arg(2).arg(&self.keys).arg(step).arg(version).arg(version).arg(&VALUE[..]);
        let made: Option<u32> = call.query_async(&mut self.store.clone()).await?;
        Ok(made == Some(version + 1))
    }
}
