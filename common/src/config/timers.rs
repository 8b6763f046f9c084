//! `[timers]`: how often what is due is looked for.

use std::time::Duration;

use serde::Deserialize;

use super::value;

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Timers {
    /// New work of the same process is seen at once, whatever this is.
    #[serde(deserialize_with = "value::duration")]
    pub interval: Duration,
}

impl Default for Timers {
    fn default() -> Self {
        Self { interval: Duration::from_millis(250) }
    }
}
