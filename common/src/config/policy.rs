//! `[stacks]`, `[snapshot]`, `[restore]`, `[retention]`: what is done where a request does not say otherwise, and what is kept.

use std::time::Duration;

use serde::Deserialize;

use super::value;

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stacks {
    /// Heat's `enable_stack_abandon`, which is off in Heat.
    pub enable_abandon: bool,
    /// Heat's `enable_stack_adopt`, which is off in Heat.
    pub enable_adopt: bool,
    /// Heat's `hidden_stack_tags`: stacks with one of them are not listed unless `show_hidden` is asked for.
    pub hidden_tags: Vec<String>,
}

impl Default for Stacks {
    fn default() -> Self {
        Self { enable_abandon: true, enable_adopt: true, hidden_tags: vec!["data-processing-cluster".to_owned()] }
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Snapshot {
    /// A snapshot that protected no resource at all is COMPLETE all the same.
    pub allow_unprotected: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Restore {
    /// A snapshot of what is there is taken before anything is overwritten.
    pub safety_snapshot: bool,
}

impl Default for Restore {
    fn default() -> Self {
        Self { safety_snapshot: true }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retention {
    /// From its end, a safety snapshot lives for this.
    #[serde(deserialize_with = "value::duration")]
    pub safety_snapshots: Duration,
    /// From its end, an operation can be looked up for this.
    #[serde(deserialize_with = "value::duration")]
    pub operations: Duration,
}

impl Default for Retention {
    fn default() -> Self {
        Self { safety_snapshots: Duration::from_secs(7 * 86_400), operations: Duration::from_secs(30 * 86_400) }
    }
}
