//! What an artifact says of a volume, beside what Cinder keeps of it.

use serde::{Deserialize, Serialize};
use stacksnap_common::types::{Artifact, Consistency};
use stacksnap_openstack::cinder::{Metadata, Volume};

use super::GIB;
use crate::driver::{Ctx, Error};

/// The volume when it was cut, or when its copy began.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Facts {
    pub(super) volume: String,
    pub(super) name: String,
    pub(super) description: String,
    /// GiB.
    pub(super) size: u64,
    pub(super) volume_type: Option<String>,
    pub(super) availability_zone: Option<String>,
    pub(super) bootable: bool,
    pub(super) encrypted: bool,
    pub(super) metadata: Metadata,
    /// The servers that used it and that this operation had stopped.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) stopped: Vec<String>,
    /// Of a volume that is in a group and was cut by a snapshot: how.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) group: Option<Grouped>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Grouped {
    pub(super) id: String,
    #[serde(flatten)]
    pub(super) cut: GroupCut,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum GroupCut {
    /// With all the others, by this snapshot of the group.
    #[serde(rename = "group_snapshot")]
    Together(String),
    /// By itself, and why.
    Alone(String),
}

impl Facts {
    /// The group's snapshot that the volume's own is a part of.
    pub(super) fn group_snapshot(&self) -> Option<&str> {
        match &self.group.as_ref()?.cut {
            GroupCut::Together(whole) => Some(whole),
            GroupCut::Alone(_) => None,
        }
    }
}

impl From<&Volume> for Facts {
    fn from(volume: &Volume) -> Self {
        Self {
            volume: volume.id.clone(),
            name: volume.name.clone(),
            description: volume.description.clone(),
            size: volume.size,
            volume_type: volume.volume_type.clone(),
            availability_zone: volume.availability_zone.clone(),
            bootable: volume.bootable,
            encrypted: volume.encrypted,
            metadata: volume.metadata.clone(),
            stopped: Vec::new(),
            group: None,
        }
    }
}

/// What an incremental backup is built on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Parent {
    pub(super) backup: String,
    /// Not so: a user's own backup, which Cinder took as parent because it was the newest.
    pub(super) ours: bool,
}

/// An artifact's `data`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Kept {
    #[serde(flatten)]
    pub(super) facts: Facts,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) backup: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) parent: Option<Parent>,
    /// With a backup beside it: one that should be gone and is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) snapshot: Option<String>,
}

impl Kept {
    pub(super) fn of(artifact: &Artifact) -> Result<Self, Error> {
        Self::deserialize(&artifact.data)
            .map_err(|error| Error::Unreadable(format!("what was noted of the volume can't be read: {error}")))
    }

    pub(super) fn bytes(&self) -> u64 {
        self.facts.size * GIB
    }

    /// In words, for people.
    pub(super) fn source(&self) -> String {
        match (&self.backup, &self.snapshot) {
            (Some(backup), _) => format!("backup {backup}"),
            (None, Some(snapshot)) => format!("snapshot {snapshot}"),
            (None, None) => "nothing".to_owned(),
        }
    }

    pub(super) fn artifact(self, ctx: &Ctx, mut warnings: Vec<String>) -> Result<Artifact, Error> {
        if let Some(Parent { backup, ours: false }) = &self.parent {
            warnings.push(format!(
                "the backup is incremental on {backup}, the newest backup of the volume, which is not this service's: \
                 Cinder keeps that one as long as this one is there"
            ));
        }
        if let Some(Grouped { id, cut: GroupCut::Alone(why) }) = &self.facts.group {
            warnings.push(format!("the volume is in group {id}, and was cut by itself: {why}"));
        }
        Ok(Artifact {
            consistency: Consistency::Crash,
            bytes: self.bytes(),
            warnings,
            data: serde_json::to_value(&self)
                .map_err(|error| Error::permanent(format!("the volume's facts: {error}")))?,
            ..ctx.made()
        })
    }
}
