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
    /// A timer that was taken and whose work did not end (a crash) is due again after this.
    #[serde(deserialize_with = "value::duration")]
    pub hold: Duration,
}

impl Default for Timers {
    fn default() -> Self {
        Self { interval: Duration::from_millis(250), hold: Duration::from_secs(10) }
    }
}
