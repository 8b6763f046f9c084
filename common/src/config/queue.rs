//! `[queue]`: the wake-up messages. `amqp` says which queue: RabbitMQ at that URL, or the one in the process.

use std::time::Duration;

use serde::Deserialize;

use super::value;

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Queue {
    /// A publish that is not confirmed after this counts as failed, and is sent again by its timer.
    #[serde(deserialize_with = "value::duration")]
    pub confirm_timeout: Duration,
}

impl Default for Queue {
    fn default() -> Self {
        Self { confirm_timeout: Duration::from_secs(5) }
    }
}
