//! The state of a native resource, as an artifact holds it: JSON as a text, so that its digest is over what is kept, byte
//! for byte, however numbers are read.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use stacksnap_common::types::{Artifact, Resource};

use crate::driver::Error;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct State {
    physical_id: Option<String>,
    properties: BTreeMap<String, Value>,
    data: Value,
}

impl State {
    pub(super) fn of(resource: &Resource) -> Self {
        Self {
            physical_id: resource.external_id.clone(),
            properties: resource.properties.clone(),
            data: resource.data.clone(),
        }
    }

    /// What an artifact holds, if it is what was put into it.
    pub(super) fn kept(artifact: &Artifact) -> Result<Self, Error> {
        let Some(text) = artifact.data["state"].as_str() else {
            return Err(Error::Unreadable("the value that was kept is not there".to_owned()));
        };
        if artifact.digest.as_deref() != Some(&digest(text)) {
            let why = "the value that was kept is not the one that was copied: its digest differs";
            return Err(Error::Unreadable(why.to_owned()));
        }
        serde_json::from_str(text)
            .map_err(|error| Error::Unreadable(format!("the value that was kept can't be read: {error}")))
    }

    pub(super) fn text(&self) -> Result<String, Error> {
        serde_json::to_string(self).map_err(|error| Error::permanent(format!("the value can't be kept: {error}")))
    }
}

/// SHA-256, hexadecimal.
pub(super) fn digest(text: &str) -> String {
    hex::encode(Sha256::digest(text.as_bytes()))
}
