//! What an artifact says of a share, beside what Manila keeps of it.

use serde::{Deserialize, Serialize};
use stacksnap_common::types::{Artifact, Consistency};
use stacksnap_openstack::manila::access::HIDDEN;
use stacksnap_openstack::manila::{self, Metadata, Share};

use super::GIB;
use super::marks::OURS;
use crate::driver::{Ctx, Error};

/// Who may reach a share, and how.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Rule {
    /// `ip`, `user`, …
    pub(super) kind: String,
    pub(super) to: String,
    /// `rw`, `ro`
    pub(super) level: String,
}

/// The share when it was cut.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Facts {
    pub(super) share: String,
    pub(super) name: String,
    pub(super) description: String,
    /// GiB.
    pub(super) size: u64,
    pub(super) protocol: String,
    #[serde(default)]
    pub(super) share_type: Option<String>,
    #[serde(default)]
    pub(super) network: Option<String>,
    #[serde(default)]
    pub(super) public: bool,
    pub(super) metadata: Metadata,
    /// In order. Those that a lock hides are not among them.
    #[serde(default)]
    pub(super) rules: Vec<Rule>,
    /// How many a lock hid.
    #[serde(default)]
    pub(super) hidden: usize,
}

/// An artifact's `data`: a snapshot, or of a safety snapshot a share with what was in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Kept {
    #[serde(flatten)]
    pub(super) facts: Facts,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) snapshot: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) copy: Option<String>,
}

impl Rule {
    /// `None`: a lock hides it, it is on its way out, or Manila could not set it.
    pub(super) fn of(rule: &manila::Rule) -> Option<Self> {
        let stays =
            matches!(rule.state.as_str(), "active" | "applying" | "queued_to_apply" | "updating" | "queued_to_update");
        let rule = Self {
            kind: rule.access_type.clone(),
            to: rule.access_to.clone(),
            level: if rule.access_level.is_empty() { "rw".to_owned() } else { rule.access_level.clone() },
        };
        (stays && rule.to != HIDDEN).then_some(rule)
    }

    pub(super) fn words(&self) -> String {
        format!("{} {} {}", self.kind, self.to, self.level)
    }
}

impl Facts {
    pub(super) fn new(share: &Share, rules: &[manila::Rule]) -> Self {
        let hidden = rules.iter().filter(|rule| rule.access_to == HIDDEN).count();
        let mut rules: Vec<_> = rules.iter().filter_map(Rule::of).collect();
        rules.sort();
        Self {
            share: share.id.clone(),
            name: share.name.clone(),
            description: share.description.clone(),
            size: share.size,
            protocol: share.share_proto.clone(),
            share_type: share.share_type.clone(),
            network: share.share_network_id.clone(),
            public: share.is_public,
            // One that once was a copy of ours is the user's by now.
            metadata: share.metadata.clone().into_iter().filter(|(name, _)| !name.starts_with(OURS)).collect(),
            rules,
            hidden,
        }
    }
}

impl Kept {
    pub(super) fn of(artifact: &Artifact) -> Result<Self, Error> {
        Self::deserialize(&artifact.data)
            .map_err(|error| Error::Unreadable(format!("what was noted of the share can't be read: {error}")))
    }

    pub(super) fn bytes(&self) -> u64 {
        self.facts.size * GIB
    }

    /// In words, for people.
    pub(super) fn source(&self) -> String {
        match (&self.copy, &self.snapshot) {
            (Some(copy), _) => format!("share {copy}, the copy"),
            (None, Some(snapshot)) => format!("snapshot {snapshot}"),
            (None, None) => "nothing".to_owned(),
        }
    }

    pub(super) fn artifact(self, ctx: &Ctx) -> Result<Artifact, Error> {
        let share = &self.facts.share;
        let mut warnings = vec![match self.copy {
            None => format!(
                "the snapshot is on the share's own backend and is lost with it; Manila does not delete share {share} as long \
                 as there is one"
            ),
            Some(_) => format!(
                "the copy is a share of its own on the backend of share {share}, and takes as much of the quota"
            ),
        }];
        if self.facts.hidden > 0 {
            warnings.push(format!(
                "{} access rules of the share are hidden by a lock: they are not kept",
                self.facts.hidden
            ));
        }
        Ok(Artifact {
            consistency: Consistency::Crash,
            bytes: self.bytes(),
            warnings,
            data: serde_json::to_value(&self)
                .map_err(|error| Error::permanent(format!("the share's facts: {error}")))?,
            ..ctx.made()
        })
    }
}
