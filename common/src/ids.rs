//! Names of things: one newtype for each, parsed once at the edge, so that a project can't be passed for a stack.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Why a text is not the id it should be. The message names the rule and is fit for a caller to read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} {given:?} is not valid: {rule}")]
pub struct Invalid {
    what: &'static str,
    given: String,
    rule: &'static str,
}

impl Invalid {
    pub(crate) fn new(what: &'static str, given: &str, rule: &'static str) -> Self {
        let given = given.chars().take(80).collect();
        Self { what, given, rule }
    }
}

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.as_hyphenated().fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = Invalid;
            fn from_str(text: &str) -> Result<Self, Invalid> {
                match Uuid::parse_str(text) {
                    // Only the lower-case hyphenated form is an id of ours: Heat compares ids as text.
                    Ok(id) if id.as_hyphenated().to_string() == text => Ok(Self(id)),
                    _ => Err(Invalid::new($what, text, "a lower-case UUID with hyphens")),
                }
            }
        }
    };
}

uuid_id!(
    /// A stack, for its whole life; its name may be used again after it is deleted, its id never.
    StackId,
    "stack id"
);
uuid_id!(
    /// A snapshot of one stack.
    SnapshotId,
    "snapshot id"
);
uuid_id!(
    /// One run. Version 7: ids sort in the order in which operations were accepted.
    OperationId,
    "operation id"
);

impl StackId {
    pub fn random() -> Self {
        Self(Uuid::new_v4())
    }
}

impl SnapshotId {
    pub fn random() -> Self {
        Self(Uuid::new_v4())
    }
}

impl OperationId {
    pub fn next() -> Self {
        Self(Uuid::now_v7())
    }
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $what:literal, $rule:literal, $ok:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = Invalid;
            fn try_from(text: String) -> Result<Self, Invalid> {
                let ok: fn(&str) -> bool = $ok;
                if ok(&text) { Ok(Self(text)) } else { Err(Invalid::new($what, &text, $rule)) }
            }
        }

        impl FromStr for $name {
            type Err = Invalid;
            fn from_str(text: &str) -> Result<Self, Invalid> {
                Self::try_from(text.to_owned())
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }
    };
}

fn word(text: &str, max: usize) -> bool {
    (1..=max).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
        && text != "."
        && text != ".."
}

text_id!(
    /// The tenant: Keystone's project id, or the name that a token file gives it.
    ProjectId,
    "project id",
    "1 to 64 characters of a-z A-Z 0-9 _ - .",
    |text| word(text, 64)
);
text_id!(
    /// A stack's name, by Heat's rule (`heat/engine/stack.py`, `_validate_stack_name`).
    StackName,
    "stack name",
    "must contain only alphanumeric or \"_-.\" characters, must start with alpha and must be 255 characters or less",
    |text| word(text, 255) && text.starts_with(|c: char| c.is_ascii_alphabetic())
);
text_id!(
    /// A resource's logical name within its stack, as Heat allows it: no slash, not empty, 255 characters at most.
    ResourceName,
    "resource name",
    "1 to 255 characters, without \"/\" and control characters",
    |text| {
        !text.is_empty() && text.chars().count() <= 255 && !text.contains('/') && !text.chars().any(char::is_control)
    }
);
text_id!(
    /// Workers that can reach the same things. Part of a queue's name.
    PoolName,
    "pool",
    "1 to 64 characters of a-z A-Z 0-9 _ - .",
    |text| word(text, 64)
);
text_id!(
    /// One worker process, from its start to its end.
    WorkerId,
    "worker id",
    "1 to 128 characters of a-z A-Z 0-9 _ - .",
    |text| word(text, 128)
);

impl Default for PoolName {
    fn default() -> Self {
        Self("default".to_owned())
    }
}

/// One step of an operation: stage `stage` of its plan, place `index` in that stage.
///
/// Shown as `<operation>.<stage>.<index>`; every effect that a driver has outside carries this text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct StepId {
    pub operation: OperationId,
    pub stage: u16,
    pub index: u32,
}

impl fmt::Display for StepId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.operation, self.stage, self.index)
    }
}

impl FromStr for StepId {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Invalid> {
        let invalid = || Invalid::new("step id", text, "<operation>.<stage>.<index>");
        let mut parts = text.split('.');
        let (Some(operation), Some(stage), Some(index), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(invalid());
        };
        Ok(Self {
            operation: operation.parse().map_err(|_| invalid())?,
            stage: stage.parse().map_err(|_| invalid())?,
            index: index.parse().map_err(|_| invalid())?,
        })
    }
}
