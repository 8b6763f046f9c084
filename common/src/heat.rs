//! Stacks of a real Heat: what is known of one that is not ours.
//!
//! The stack itself is Heat's. Here is its *shadow*: a [`crate::record::Stack`] that stands for it while we have
//! something to do with it, and as long as we have snapshots of it. Two services change such a stack, each with its own
//! clock, so nothing is decided by comparing times: whenever we look at Heat for one of our operations we note what it
//! said ([`Seen`]), and as long as it still says the same, nothing has happened there since and our own state is the
//! newer one ([`Shadow::covers`]).

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::ids::{OperationId, ProjectId, StackId, StackName};
use crate::record::{Shown, Status};
use crate::store::Millis;
use crate::types::{Artifact, Resource};

/// A stack in Heat at one moment, as far as a later moment is compared with it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// `CREATE_COMPLETE`.
    pub status: String,
    /// `updated_time`, as Heat wrote it: to the second.
    pub updated: Option<String>,
    /// The newest event's id.
    #[serde(default)]
    pub event: Option<String>,
}

impl Seen {
    /// Whether Heat has changed nothing between the two. An event alone is no change: a signal makes one too.
    pub fn same(&self, other: &Seen) -> bool {
        self.status == other.status && self.updated == other.updated
    }

    /// Heat works on the stack.
    pub fn in_progress(&self) -> bool {
        self.status.ends_with("_IN_PROGRESS")
    }

    /// `UPDATE` of `UPDATE_COMPLETE`.
    pub fn action(&self) -> &str {
        split(&self.status).map_or(self.status.as_str(), |(action, _)| action)
    }
}

/// What makes a stack's record a shadow.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shadow {
    pub seen: Seen,
    /// What we show is newer than what Heat shows, unless Heat has changed since.
    pub newer: bool,
}

impl Shadow {
    /// Whether our state is shown over what Heat says now.
    pub fn covers(&self, now: &Seen) -> bool {
        self.newer && self.seen.same(now)
    }
}

/// `SNAPSHOT_COMPLETE` → `SNAPSHOT`, `COMPLETE`. `None`: not of that form.
pub fn split(word: &str) -> Option<(&str, Status)> {
    [("_IN_PROGRESS", Status::InProgress), ("_COMPLETE", Status::Complete), ("_FAILED", Status::Failed)]
        .into_iter()
        .find_map(|(end, status)| Some((word.strip_suffix(end)?, status)))
        .filter(|(action, _)| !action.is_empty())
}

/// Heat's state as ours is written.
pub fn shown(word: &str, reason: &str) -> Shown {
    let (action, status) = split(word).unwrap_or((word, Status::Complete));
    Shown::new(action, status, reason)
}

/// A stack as Heat has it now; what its shadow is made of.
#[derive(Debug, Clone)]
pub struct Mirror {
    pub id: StackId,
    pub name: StackName,
    pub seen: Seen,
    pub reason: String,
    pub description: String,
    pub template: Value,
    /// Hidden values are masked, as Heat gives them.
    pub environment: Value,
    pub files: Map<String, Value>,
    pub tags: Vec<String>,
    pub timeout_mins: Option<u64>,
    pub disable_rollback: bool,
    pub owner: String,
    /// All of them, those of nested stacks too, by their path.
    pub resources: Vec<Resource>,
}

/// What a request brings to a stack of Heat's, beside what it asks for.
#[derive(Debug, Clone)]
pub struct Begin {
    /// `None`: it does not matter what changes the stack meanwhile.
    pub guard: Option<Guard>,
    /// Resources of which there is nothing but what the template and the reading of Heat gave: captured already.
    pub captured: Vec<Artifact>,
}

/// The version of a stack's holds before Heat was read: nobody may have changed the stack since.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guard {
    pub stack: StackId,
    pub version: Option<u64>,
}

/// Changes that callers have sent through us and Heat has not answered yet.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holds {
    pub open: Vec<OpenHold>,
    /// When the last one was dropped or taken.
    pub last: Millis,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenHold {
    pub id: Uuid,
    /// From then on whoever took it is thought to be dead.
    pub until: Millis,
}

impl Holds {
    pub fn any(&self, now: Millis) -> bool {
        self.open.iter().any(|hold| hold.until > now)
    }
}

/// One hold, to be dropped.
#[derive(Debug, Clone)]
pub struct Hold {
    pub project: ProjectId,
    pub stack: StackId,
    pub id: Uuid,
}

/// What lets a worker act towards Heat, and in its cloud, for a caller who is gone.
#[derive(Clone, Serialize, Deserialize)]
pub struct Grant {
    pub id: Uuid,
    pub project: ProjectId,
    pub by: By,
    /// What uses it. `None`: not known yet whether anything will.
    pub operation: Option<OperationId>,
    pub made: Millis,
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum By {
    /// A Keystone trust to the service's user. `id` is not known as long as it is only intended.
    Trust { id: Option<String>, trustor: String },
    /// The caller's own token, as long as it lives.
    Token(String),
    /// The service's own user.
    Operator,
}

impl std::fmt::Debug for Grant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let by = match &self.by {
            By::Trust { .. } => "trust",
            By::Token(_) => "token",
            By::Operator => "operator",
        };
        write!(f, "Grant({} by {by})", self.id)
    }
}

/// What Heat shows in place of a hidden value.
pub const MASK: &str = "******";

/// The names of a template's hidden parameters; also of one in CloudFormation's form (`NoEcho`).
pub fn hidden(template: &Value) -> BTreeSet<String> {
    let is_true = |value: &Value| match value {
        Value::Bool(hidden) => *hidden,
        Value::String(text) => text.eq_ignore_ascii_case("true"),
        _ => false,
    };
    let of = |section: &str, key: &str| {
        let parameters = template[section].as_object().into_iter().flatten();
        let hidden = parameters.filter(|(_, parameter)| is_true(&parameter[key])).map(|(name, _)| name.clone());
        hidden.collect::<Vec<_>>()
    };
    of("parameters", "hidden").into_iter().chain(of("Parameters", "NoEcho")).collect()
}

/// What a snapshot has of a resource that no driver protects, where the stack is Heat's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Captures {
    /// Its value is all there is of it, and the template gives it: brought back by Heat itself.
    Value,
    /// A value that was made by chance: it is kept for people to read; one that is gone is made anew.
    Generated,
    /// It holds other resources; each of them is listed by itself.
    Members,
    /// It has no data, only properties; Heat brings them back with the template.
    Configuration,
    /// Heat has not made it.
    Nothing,
}

impl Captures {
    /// `None`: a type that has data of its own, which only a driver can protect.
    pub fn of(kind: &str, has_members: bool) -> Option<Self> {
        match kind {
            _ if has_members => Some(Self::Members),
            "OS::Heat::TestResource" | "OS::Heat::Value" | "OS::Heat::None" => Some(Self::Value),
            "OS::Heat::RandomString" => Some(Self::Generated),
            _ if CONFIGURATION.iter().any(|known| kind == *known || is_below(kind, known)) => Some(Self::Configuration),
            _ => None,
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Value => "value",
            Self::Generated => "generated value",
            Self::Members => "members",
            Self::Configuration => "configuration",
            Self::Nothing => "nothing",
        }
    }

    /// Whether a restore brings it back. One that was made by chance is brought back as another.
    pub fn protects(self) -> bool {
        !matches!(self, Self::Generated | Self::Nothing)
    }
}

/// Types that hold no data: what they are is what their properties say. With `::` at the end: all of that service.
const CONFIGURATION: &[&str] = &[
    "OS::Neutron::",
    "OS::Keystone::",
    "OS::Octavia::",
    "OS::Designate::",
    "OS::Nova::Flavor",
    "OS::Nova::HostAggregate",
    "OS::Nova::KeyPair",
    "OS::Nova::Quota",
    "OS::Nova::ServerGroup",
    "OS::Cinder::EncryptedVolumeType",
    "OS::Cinder::QoSAssociation",
    "OS::Cinder::QoSSpecs",
    "OS::Cinder::Quota",
    "OS::Cinder::VolumeAttachment",
    "OS::Cinder::VolumeType",
    "OS::Glance::WebImage",
    "OS::Manila::SecurityService",
    "OS::Manila::ShareNetwork",
    "OS::Manila::ShareType",
    "OS::Heat::AccessPolicy",
    "OS::Heat::CloudConfig",
    "OS::Heat::MultipartMime",
    "OS::Heat::ResourceChain",
    "OS::Heat::ResourceGroup",
    "OS::Heat::AutoScalingGroup",
    "OS::Heat::ScalingPolicy",
    "OS::Heat::SoftwareComponent",
    "OS::Heat::SoftwareConfig",
    "OS::Heat::SoftwareDeployment",
    "OS::Heat::SoftwareDeploymentGroup",
    "OS::Heat::StructuredConfig",
    "OS::Heat::StructuredDeployment",
    "OS::Heat::UpdateWaitConditionHandle",
    "OS::Heat::WaitCondition",
    "OS::Heat::WaitConditionHandle",
];

fn is_below(kind: &str, service: &str) -> bool {
    service.ends_with("::") && kind.starts_with(service)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(status: &str, updated: Option<&str>) -> Seen {
        Seen { status: status.to_owned(), updated: updated.map(str::to_owned), event: None }
    }

    #[test]
    fn ours_is_shown_until_heat_moves() {
        let at_end = seen("CREATE_COMPLETE", None);
        let shadow = Shadow { seen: at_end.clone(), newer: true };
        assert!(shadow.covers(&Seen { event: Some("later".to_owned()), ..at_end.clone() }));
        assert!(!shadow.covers(&seen("UPDATE_IN_PROGRESS", None)));
        assert!(!shadow.covers(&seen("CREATE_COMPLETE", Some("2026-11-22T16:00:37Z"))));
        assert!(!Shadow { newer: false, ..shadow }.covers(&at_end));
    }

    #[test]
    fn words_of_heat_are_split() {
        assert_eq!(split("ROLLBACK_IN_PROGRESS"), Some(("ROLLBACK", Status::InProgress)));
        assert_eq!(split("CREATE_COMPLETE"), Some(("CREATE", Status::Complete)));
        assert_eq!(split("_FAILED"), None);
        assert_eq!(split("odd"), None);
        assert_eq!(shown("odd", "r").word(), "odd_COMPLETE");
        assert!(seen("SUSPEND_IN_PROGRESS", None).in_progress());
        assert_eq!(seen("SUSPEND_COMPLETE", None).action(), "SUSPEND");
    }

    #[test]
    fn what_has_data_is_never_called_configuration() {
        for kind in ["OS::Cinder::Volume", "OS::Nova::Server", "OS::Manila::Share", "OS::Trove::Instance", "My::Own"] {
            assert_eq!(Captures::of(kind, false), None, "{kind}");
        }
        assert_eq!(Captures::of("OS::Neutron::Port", false), Some(Captures::Configuration));
        assert_eq!(Captures::of("OS::Heat::TestResource", false), Some(Captures::Value));
        assert_eq!(Captures::of("file:///nested.yaml", true), Some(Captures::Members));
        assert!(!Captures::Generated.protects());
    }

    #[test]
    fn a_grant_never_shows_its_token() {
        let grant = Grant {
            id: Uuid::nil(),
            project: "p".parse().unwrap_or_else(|_| unreachable!()),
            by: By::Token("secret".to_owned()),
            operation: None,
            made: Millis(0),
        };
        assert!(!format!("{grant:?}").contains("secret"));
    }
}
