//! What other services of the same cloud do with volumes: Heat makes those of its stacks and takes them away again.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde_json::Value;

use super::state::State;
use super::volumes::IN_THE_WAY;
use crate::fake::wire::Service;

/// Cheap to clone.
#[derive(Debug, Clone)]
pub(in crate::fake) struct Volumes(pub(super) Arc<Mutex<State>>);

impl Volumes {
    /// By the properties of an `OS::Cinder::Volume`; there at once. Its id.
    pub(in crate::fake) fn make(&self, project: &str, properties: &Value) -> String {
        let mut state = self.0.lock().unwrap();
        let id = state.put_volume(project, b"");
        let volume = state.volumes.get_mut(&id).unwrap();
        volume.size = properties["size"].as_u64().unwrap_or(1);
        volume.name = properties["name"].as_str().map(str::to_owned);
        volume.metadata = metadata(properties);
        id
    }

    /// As its properties are now.
    pub(in crate::fake) fn change(&self, id: &str, properties: &Value) -> Result<(), String> {
        let mut state = self.0.lock().unwrap();
        state.settle();
        let Some(volume) = state.volumes.get_mut(id) else { return Err(format!("Volume {id} could not be found.")) };
        let size = properties["size"].as_u64().unwrap_or(volume.size);
        if size < volume.size {
            return Err("Shrinking volume is not supported.".to_owned());
        }
        volume.size = size;
        volume.metadata = metadata(properties);
        Ok(())
    }

    /// At once; refused as Cinder refuses it. One that is gone is fine.
    pub(in crate::fake) fn remove(&self, id: &str) -> Result<(), String> {
        let mut state = self.0.lock().unwrap();
        state.settle();
        let snapshots = state.snapshots.values().any(|snapshot| snapshot.volume == id);
        match state.volumes.get(id) {
            Some(volume) if snapshots || volume.group.is_some() || volume.status != "available" => {
                Err(IN_THE_WAY.to_owned())
            }
            _ => {
                state.volumes.remove(id);
                Ok(())
            }
        }
    }
}

fn metadata(properties: &Value) -> BTreeMap<String, String> {
    let pairs = properties["metadata"].as_object().into_iter().flatten();
    pairs.map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned())).collect()
}
