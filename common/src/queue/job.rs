//! The message: a pointer to a step.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::ids::{Invalid, PoolName, ProjectId, StepId};

/// Which of a worker's slots a step takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Lane {
    /// Short, and never in the way of bytes: thaw, cancel, discard, polls.
    Control,
    /// The moment of the point in time.
    Cut,
    /// Bytes out of the vault.
    Restore,
    /// Bytes into the vault.
    Data,
}

impl Lane {
    pub const ALL: [Lane; 4] = [Lane::Control, Lane::Cut, Lane::Restore, Lane::Data];

    pub fn as_str(self) -> &'static str {
        match self {
            Lane::Control => "control",
            Lane::Cut => "cut",
            Lane::Restore => "restore",
            Lane::Data => "data",
        }
    }
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Lane {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Invalid> {
        Lane::ALL
            .into_iter()
            .find(|lane| lane.as_str() == text)
            .ok_or_else(|| Invalid::new("lane", text, "one of control, cut, restore, data"))
    }
}

/// A queue's address: `stacksnap.<pool>.<lane>`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Route {
    pub pool: PoolName,
    pub lane: Lane,
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "stacksnap.{}.{}", self.pool, self.lane)
    }
}

/// "This step may be ready." Unknown fields are ignored, so that old and new versions run side by side; `v` grows only
/// when an old reader would do wrong, and a reader refuses a `v` that it does not know (to the dead-letter queue).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    pub v: u16,
    pub project: ProjectId,
    pub step: StepId,
    pub route: Route,
    /// W3C `traceparent` of the request, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<String>,
}

impl Job {
    pub const VERSION: u16 = 1;

    pub fn new(project: ProjectId, step: StepId, route: Route) -> Self {
        Self { v: Self::VERSION, project, step, route, trace: None }
    }
}
