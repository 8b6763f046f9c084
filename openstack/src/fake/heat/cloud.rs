//! The cloud that a Heat is in: its callers are Keystone's, and its volumes are Cinder's.

use axum::http::HeaderMap;
use serde_json::Value;

use super::super::cinder::Volumes;
use super::super::keystone::Tokens;
use super::super::{Cinder, Keystone};
use super::state::{Member, State};

const VOLUME: &str = "OS::Cinder::Volume";

#[derive(Debug)]
pub(super) struct Cloud {
    tokens: Tokens,
    volumes: Volumes,
}

impl Cloud {
    pub(super) fn new(keystone: &Keystone, cinder: &Cinder) -> Self {
        Self { tokens: keystone.tokens(), volumes: cinder.inside() }
    }

    /// The id of the project that the caller's token is for.
    pub(super) fn project(&self, headers: &HeaderMap) -> Option<String> {
        self.tokens.project(headers)
    }
}

impl State {
    /// A resource is made in the cloud; its id there. `None`: its type has nothing there.
    pub(super) fn make_in_cloud(&self, project: &str, definition: &Value, properties: &Value) -> Option<String> {
        if let Some(id) = definition["external_id"].as_str() {
            return Some(id.to_owned());
        }
        let cloud = self.cloud.as_ref()?;
        (definition["type"] == VOLUME).then(|| cloud.volumes.make(project, properties))
    }

    pub(super) fn change_in_cloud(&self, member: &Member) -> Result<(), String> {
        match &self.cloud {
            Some(cloud) if member.kind == VOLUME && !member.external => {
                cloud.volumes.change(&member.physical, &member.properties)
            }
            _ => Ok(()),
        }
    }

    /// With all that is in it.
    pub(super) fn remove_in_cloud(&self, member: &Member) -> Result<(), String> {
        for inner in &member.inner {
            self.remove_in_cloud(inner)?;
        }
        match &self.cloud {
            Some(cloud) if member.kind == VOLUME && !member.external => cloud.volumes.remove(&member.physical),
            _ => Ok(()),
        }
    }

    /// What a nested stack has of its own, by the file that its type names; what was there stays.
    pub(super) fn inner(&mut self, id: &str, kind: &str, before: &[Member]) -> Result<Vec<Member>, String> {
        let stack = self.stacks[id].clone();
        let file = stack.files[kind].as_str().and_then(|text| serde_json::from_str::<Value>(text).ok());
        let resources = file.map(|file| file["resources"].clone()).unwrap_or_default();
        let wanted = resources.as_object().cloned().unwrap_or_default();
        for gone in before.iter().filter(|member| !wanted.contains_key(&member.name)) {
            self.remove_in_cloud(gone)?;
        }
        let mut inner = Vec::new();
        for (name, definition) in &wanted {
            let kept = before.iter().find(|member| member.name == *name).cloned();
            inner.push(match kept {
                Some(kept) => kept,
                None => Member {
                    status: "CREATE_COMPLETE".to_owned(),
                    reason: "state changed".to_owned(),
                    ..self.new_member(id, name, definition, None)
                },
            });
        }
        Ok(inner)
    }
}
