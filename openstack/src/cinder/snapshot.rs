//! Snapshots of volumes.

use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Cinder, Metadata, all};
use crate::error::Error;
use crate::reply::or_default;

#[derive(Debug, Clone, Deserialize)]
pub struct Snapshot {
    pub id: String,
    #[serde(default, deserialize_with = "or_default")]
    pub name: String,
    /// `creating`, `available`, `backing-up`, `deleting`, `error`, `error_deleting`, …
    pub status: String,
    pub volume_id: String,
    /// Of the volume when it was taken, GiB.
    pub size: u64,
    #[serde(default, deserialize_with = "or_default")]
    pub created_at: String,
    #[serde(default, deserialize_with = "or_default")]
    pub metadata: Metadata,
    /// The group's snapshot that it is a part of, with which it goes.
    #[serde(default)]
    pub group_snapshot_id: Option<String>,
    /// Whose it is; shown to those who may know.
    #[serde(default, rename = "os-extended-snapshot-attributes:project_id")]
    pub project: Option<String>,
}

/// A snapshot that is to be taken.
#[derive(Debug, Clone, Serialize)]
pub struct NewSnapshot {
    pub volume_id: String,
    pub name: String,
    pub description: String,
    /// Also of a volume that a server uses.
    pub force: bool,
    pub metadata: Metadata,
}

impl Cinder {
    pub async fn snapshot(&self, id: &str) -> Result<Snapshot, Error> {
        self.get(&["snapshots", id], "snapshot").await
    }

    pub async fn snapshots_named(&self, name: &str) -> Result<Vec<Snapshot>, Error> {
        let mut found: Vec<Snapshot> = self.list("snapshots", &[("name", name)]).await?;
        found.retain(|snapshot| snapshot.name == name);
        Ok(found)
    }

    /// All snapshots of the project; `everywhere`: of all projects, if the session is an administrator's.
    pub async fn all_snapshots(&self, everywhere: bool) -> Result<Vec<Snapshot>, Error> {
        self.list("snapshots", all(everywhere)).await
    }

    /// All snapshots of a volume.
    pub async fn snapshots_of(&self, volume: &str) -> Result<Vec<Snapshot>, Error> {
        let mut found: Vec<Snapshot> = self.list("snapshots", &[("volume_id", volume)]).await?;
        found.retain(|snapshot| snapshot.volume_id == volume);
        Ok(found)
    }

    pub async fn create_snapshot(&self, new: &NewSnapshot) -> Result<Snapshot, Error> {
        self.post(&["snapshots"], &json!({ "snapshot": new }), "snapshot").await
    }

    pub async fn rename_snapshot(&self, id: &str, name: &str, description: &str) -> Result<(), Error> {
        let body = json!({"snapshot": {"name": name, "description": description}});
        self.act(Method::PUT, &["snapshots", id], &body).await
    }

    /// `metadata`: all of it.
    pub async fn mark_snapshot(&self, id: &str, metadata: &Metadata) -> Result<(), Error> {
        self.act(Method::PUT, &["snapshots", id, "metadata"], &json!({ "metadata": metadata })).await
    }

    /// One that is a part of a group's snapshot Cinder refuses (400).
    pub async fn delete_snapshot(&self, id: &str) -> Result<(), Error> {
        self.delete(&["snapshots", id]).await
    }
}
