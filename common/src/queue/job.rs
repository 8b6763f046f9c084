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

    /// The message's body: JSON.
    pub fn encode(&self) -> Vec<u8> {
        serde_json::json!(self).to_string().into_bytes()
    }

    /// Reads a message's body. The version is looked at first: a later version may have any other shape.
    pub fn decode(body: &[u8]) -> Result<Self, Unreadable> {
        #[derive(Deserialize)]
        struct Versioned {
            v: u64,
        }
        let Versioned { v } = serde_json::from_slice(body).map_err(|e| Unreadable::NotAJob(e.to_string()))?;
        if v != u64::from(Self::VERSION) {
            return Err(Unreadable::Version(v));
        }
        serde_json::from_slice(body).map_err(|e| Unreadable::NotAJob(e.to_string()))
    }
}

/// Why a message was set aside.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    #[error("not a job: {0}")]
    NotAJob(String),
    /// Written by a later release than this one.
    #[error("a job of version {0}; this process reads version {known}", known = Job::VERSION)]
    Version(u64),
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::ids::OperationId;

    fn job() -> Job {
        let step = StepId { operation: OperationId::next(), stage: 1, index: 7 };
        let route = Route { pool: PoolName::default(), lane: Lane::Data };
        Job::new("p1".parse().unwrap(), step, route)
    }

    #[test]
    fn a_job_survives_its_encoding() {
        let written = Job { trace: Some("00-1-2-01".to_owned()), ..job() };
        assert_eq!(Job::decode(&written.encode()).unwrap(), written);
    }

    #[test]
    fn unknown_fields_are_ignored_and_unknown_versions_are_not() {
        let mut body: serde_json::Value = serde_json::from_slice(&job().encode()).unwrap();
        body["colour"] = "green".into();
        assert!(Job::decode(body.to_string().as_bytes()).is_ok());
        assert_eq!(Job::decode(br#"{"v": 2, "shape": "another"}"#), Err(Unreadable::Version(2)));
    }

    #[test]
    fn what_is_no_job_is_said_to_be_none() {
        for body in [&b""[..], b"[]", b"{}", b"{\"v\": 1}", b"\xff\xfe", b"{\"v\": -1}"] {
            assert!(matches!(Job::decode(body), Err(Unreadable::NotAJob(_))), "{body:?}");
        }
    }
}
