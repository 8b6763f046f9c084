//! `[worker]` and `slots`: what one worker process takes on.

use std::fmt;
use std::num::NonZeroU16;
use std::time::Duration;

use serde::{Deserialize, Deserializer};

use super::value;
use crate::ids::PoolName;

/// How many steps of the data and restore lanes run at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slots {
    /// As many as the process may use cores.
    Cores,
    Count(NonZeroU16),
}

impl Slots {
    /// At least 1.
    pub fn count(self) -> u16 {
        match self {
            Slots::Cores => {
                std::thread::available_parallelism().map_or(1, |cores| u16::try_from(cores.get()).unwrap_or(u16::MAX))
            }
            Slots::Count(count) => count.get(),
        }
    }
}

impl fmt::Display for Slots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.count().fmt(f)
    }
}

impl<'de> Deserialize<'de> for Slots {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(NonZeroU16::new(u16::deserialize(deserializer)?).map_or(Slots::Cores, Slots::Count))
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Worker {
    /// The pools whose steps this worker takes.
    pub pools: Vec<PoolName>,
    /// Permits of the cut lane.
    pub cut: u16,
    /// Permits of the control lane.
    pub control: u16,
    /// For how long a claimed step is this worker's.
    #[serde(deserialize_with = "value::duration")]
    pub lease: Duration,
    /// How often a lease is renewed.
    #[serde(deserialize_with = "value::duration")]
    pub renew: Duration,
    /// How often the worker says that it lives; after four times this it counts as gone.
    #[serde(deserialize_with = "value::duration")]
    pub heartbeat: Duration,
    /// A step that failed (or whose worker died) so often without getting further fails for good.
    pub attempts: u32,
    /// So long a step waits for what it needs and what does not answer.
    #[serde(deserialize_with = "value::duration")]
    pub outage: Duration,
    /// A step of a pool without a live worker fails after this.
    #[serde(deserialize_with = "value::duration")]
    pub placement_timeout: Duration,
    /// After SIGTERM, steps that did not end within this are handed back.
    #[serde(deserialize_with = "value::duration")]
    pub shutdown: Duration,
}

impl Default for Worker {
    fn default() -> Self {
        Self {
            pools: vec![PoolName::default()],
            cut: 32,
            control: 32,
            lease: Duration::from_secs(10),
            renew: Duration::from_secs(3),
            heartbeat: Duration::from_secs(5),
            attempts: 5,
            outage: Duration::from_secs(900),
            placement_timeout: Duration::from_secs(3_600),
            shutdown: Duration::from_secs(20),
        }
    }
}
