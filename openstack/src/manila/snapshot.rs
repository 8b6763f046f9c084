//! Snapshots of shares.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Manila, Metadata, all};
use crate::error::Error;
use crate::reply::or_default;

/// As `manila/api/views/share_snapshots.py` shows it.
#[derive(Debug, Clone, Deserialize)]
pub struct Snapshot {
    pub id: String,
    #[serde(default, deserialize_with = "or_default")]
    pub name: String,
    #[serde(default, deserialize_with = "or_default")]
    pub description: String,
    /// `creating`, `available`, `restoring`, `deleting`, `error`, `error_deleting`, …
    pub status: String,
    pub share_id: String,
    /// Of the share when it was taken, GiB.
    #[serde(default, deserialize_with = "or_default")]
    pub size: u64,
    #[serde(default, deserialize_with = "or_default")]
    pub created_at: String,
    /// Empty before 2.73.
    #[serde(default, deserialize_with = "or_default")]
    pub metadata: Metadata,
    #[serde(default, rename = "project_id")]
    pub project: Option<String>,
}

/// A snapshot that is to be taken.
#[derive(Debug, Clone, Serialize)]
pub struct NewSnapshot {
    pub share_id: String,
    pub name: String,
    pub description: String,
    /// Passed over by a Manila before 2.73.
    pub metadata: Metadata,
}

impl Manila {
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

    /// All snapshots of a share, whoever took them.
    pub async fn snapshots_of(&self, share: &str) -> Result<Vec<Snapshot>, Error> {
        let mut found: Vec<Snapshot> = self.list("snapshots", &[("share_id", share)]).await?;
        found.retain(|snapshot| snapshot.share_id == share);
        Ok(found)
    }

    pub async fn create_snapshot(&self, new: &NewSnapshot) -> Result<Snapshot, Error> {
        self.post(&["snapshots"], &json!({ "snapshot": new }), "snapshot").await
    }

    /// Refused (400) unless it is `available` or `error`.
    pub async fn delete_snapshot(&self, id: &str) -> Result<(), Error> {
        self.delete(&["snapshots", id]).await
    }
}
