//! `[limits]`: what one caller may ask for. Beyond them a request is refused, nothing is queued.

use serde::Deserialize;

use super::value;

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Bytes of a request's body.
    #[serde(deserialize_with = "value::size")]
    pub body: u64,
    pub stacks_per_project: u32,
    pub resources_per_stack: u32,
    pub resources_per_project: u32,
    /// Safety snapshots are not counted.
    pub snapshots_per_stack: u32,
    pub snapshots_per_project: u32,
    /// Steps of operations that have not ended; 429 beyond.
    pub running_steps_per_project: u32,
    /// Operations of one project that run at once; the others wait in order.
    pub operations_per_project: u32,
    /// Steps of one operation that are published at once.
    pub window: u32,
    /// Heat's `max_events_per_stack`; older ones are dropped.
    pub events_per_stack: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body: 1 << 20,
            stacks_per_project: 512,
            resources_per_stack: 1_000,
            resources_per_project: 100_000,
            snapshots_per_stack: 32,
            snapshots_per_project: 10_000,
            running_steps_per_project: 200_000,
            operations_per_project: 8,
            window: 32,
            events_per_stack: 1_000,
        }
    }
}
