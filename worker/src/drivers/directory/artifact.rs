//! What a copy leaves in the record, beside the entry in the vault.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use stacksnap_common::ids::StepId;
use stacksnap_common::types::Artifact;

use super::names;
use super::notes::{MOST, Notes};
use super::properties::Properties;
use crate::driver::{Ctx, Error};
use crate::vault::Stored;

/// What a restore must know of the copy, in [`Artifact::data`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Data {
    /// The patterns that were in force.
    #[serde(default)]
    pub(crate) exclude: Vec<String>,
    /// Mount points in the directory, as `names::show` writes them.
    #[serde(default)]
    mounts: Vec<String>,
    /// What could not be read and was left out.
    #[serde(default)]
    unreadable: Vec<String>,
}

impl Data {
    pub(crate) fn of(artifact: &Artifact) -> Result<Self, Error> {
        serde_json::from_value(artifact.data.clone())
            .map_err(|error| Error::permanent(format!("the artifact's data can't be understood: {error}")))
    }

    /// The paths that are not in the snapshot and must be left alone.
    pub(crate) fn left_out(&self) -> Result<HashSet<Vec<Vec<u8>>>, Error> {
        let all = self.mounts.iter().chain(&self.unreadable);
        all.map(|text| {
            names::shown(text)
                .ok_or_else(|| Error::permanent(format!("the artifact's data names {text:?}, which is no path")))
        })
        .collect()
    }
}

/// The artifact of a copy that is in the vault now.
pub(crate) fn of(ctx: &Ctx, properties: &Properties, notes: &Notes, stored: Stored, unfinished: &[StepId]) -> Artifact {
    let (mounts, unreadable) = notes.left_out();
    let mut warnings: Vec<String> = unfinished
        .iter()
        .take(10)
        .map(|step| {
            format!(
                "a restore of this directory (operation {}) had not been finished when it was copied",
                step.operation
            )
        })
        .collect();
    warnings.extend(notes.warnings());
    warnings.extend(stored.warnings);
    warnings.truncate(MOST);
    let data = Data { exclude: properties.patterns.clone(), mounts, unreadable };
    Artifact {
        entry: Some(stored.entry.to_string()),
        bytes: stored.bytes,
        bytes_added: stored.bytes_added,
        files: stored.files,
        digest: (!stored.digest.is_empty()).then_some(stored.digest),
        warnings,
        data: serde_json::to_value(data).unwrap_or_default(),
        ..ctx.made()
    }
}
