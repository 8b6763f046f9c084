//! The queues' names, and how they are declared.
//!
//! A queue's arguments can't be changed later, and a declare with other arguments closes the channel. So they are the
//! same on every broker that we run on, and hold only what must be.

use std::sync::Arc;
use std::time::Duration;

use lapin::options::QueueDeclareOptions;
use lapin::types::FieldTable;
use lapin::{Channel, Connection, Queue};

use super::connection::{is_not_found, within};
use crate::queue::{Error, Route};

/// In effect none. From 4.0 on RabbitMQ drops a message that was given back 20 times, unless told otherwise; the value
/// -1, which it takes for "no limit", is refused by 3.x. How often a step may be tried is the store's to say.
const DELIVERY_LIMIT: i64 = 1_000_000_000;

/// How long a queue that was found missing is left missing, in case somebody has just deleted it. When it is declared
/// again at once, before its consumers are told of the end, RabbitMQ 3.10 takes them over to the new queue, where what
/// it hands to them never arrives.
pub(super) const AFTER_DELETE: Duration = Duration::from_millis(200);

pub(super) fn queue(prefix: &str, route: &Route) -> String {
    format!("{prefix}.{}.{}", route.pool, route.lane)
}

/// Where messages go that can't be read. No route has this name: a route's ends in its lane, after a pool.
pub(super) fn dead(prefix: &str) -> String {
    format!("{prefix}.dead")
}

/// Declares a queue on a channel, which is closed if the broker refuses.
pub(super) async fn declare(channel: &Channel, queue: &str) -> lapin::Result<Queue> {
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), lapin::types::AMQPValue::LongString("quorum".into()));
    arguments.insert("x-delivery-limit".into(), DELIVERY_LIMIT.into());
    let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(queue.into(), options, arguments).await
}

/// Declares a queue on a channel of its own, so that a refusal hurts nobody else.
pub(super) async fn declare_on(connection: &Connection, queue: &str, timeout: Duration) -> Result<(), Error> {
    within(timeout, "declaring a queue", async {
        let channel = connection.create_channel().await?;
        declare(&channel, queue).await
    })
    .await?;
    Ok(())
}

/// How many messages wait in a queue and are with no consumer. None in a queue that does not exist.
pub(super) async fn depth(connection: &Arc<Connection>, queue: &str, timeout: Duration) -> Result<u64, Error> {
    let looking = async {
        let channel = connection.create_channel().await?;
        let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        match channel.queue_declare(queue.into(), passive, FieldTable::default()).await {
            Err(error) if is_not_found(&error) => Ok(0),
            found => found.map(|queue| u64::from(queue.message_count())),
        }
    };
    within(timeout, "looking at a queue", looking).await
}
