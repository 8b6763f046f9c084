//! Operations: what runs, how far it is, and stopping it.

pub mod cancel;
pub mod files;
pub mod list;
pub mod show;

use serde::Deserialize;
use serde_json::Value;
use stacksnap_common::types::Progress;

/// What stands for a step's resource where it is of the stack as a whole.
pub const WHOLE: &str = "(whole stack)";

/// An operation as the service shows it. What an older or newer service leaves out is empty here.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Operation {
    pub id: String,
    pub kind: String,
    pub state: String,
    pub phase: Option<String>,
    pub reason: Option<String>,
    pub stack_name: Option<String>,
    pub created_at: Option<String>,
    pub ended_at: Option<String>,
    pub steps: Vec<Step>,
    /// How many steps there are in all, where `steps` lists only some.
    pub steps_total: Option<u64>,
    pub steps_done: Option<u64>,
    /// What a plan found, by resource.
    pub plan: Option<Value>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Step {
    /// None: of the whole stack.
    pub resource: Option<String>,
    pub verb: String,
    pub state: String,
    pub reason: Option<String>,
    /// Why it waits, such as that no worker may do it.
    pub note: Option<String>,
    pub attempt: Option<u64>,
    pub worker: Option<String>,
    pub progress: Option<Progress>,
    /// What its last stage found.
    pub result: Value,
}

impl Operation {
    pub fn of(body: &Value) -> Self {
        let body = if body["operation"].is_object() { &body["operation"] } else { body };
        Self::deserialize(body).unwrap_or_default()
    }

    pub fn ended(&self) -> bool {
        ended(&self.state)
    }

    pub fn complete(&self) -> bool {
        is(&self.state, &["complete"])
    }
}

impl Step {
    pub fn ended(&self) -> bool {
        ended(&self.state)
    }

    pub fn running(&self) -> bool {
        is(&self.state, &["running", "claimed"])
    }

    /// Why it is as it is: what went wrong, else what it waits for.
    pub fn why(&self) -> Option<&str> {
        self.reason.as_deref().filter(|reason| !reason.is_empty()).or(self.note.as_deref())
    }

    /// The resource's name, or what stands for the whole.
    pub fn name(&self) -> &str {
        self.resource.as_deref().unwrap_or(WHOLE)
    }
}

fn ended(state: &str) -> bool {
    is(state, &["complete", "done", "failed", "cancelled", "skipped"])
}

fn is(state: &str, words: &[&str]) -> bool {
    words.iter().any(|word| word.eq_ignore_ascii_case(state))
}
