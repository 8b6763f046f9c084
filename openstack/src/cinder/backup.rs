//! Backups of volumes.

use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Cinder, Metadata, all};
use crate::error::Error;
use crate::reply::or_default;

/// What Cinder says (400) when an incremental backup has nothing to be built on.
pub const NO_PARENT: &str = "No backups available to do an incremental backup";

#[derive(Debug, Clone, Deserialize)]
pub struct Backup {
    pub id: String,
    #[serde(default, deserialize_with = "or_default")]
    pub name: String,
    /// `creating`, `available`, `restoring`, `deleting`, `error`, `error_deleting`, …
    pub status: String,
    /// The volume that it is of, as long as that is known.
    #[serde(default)]
    pub volume_id: Option<String>,
    #[serde(default)]
    pub snapshot_id: Option<String>,
    /// Of the volume, GiB.
    #[serde(default, deserialize_with = "or_default")]
    pub size: u64,
    #[serde(default)]
    pub is_incremental: bool,
    /// Others are built on it: it can't be deleted.
    #[serde(default)]
    pub has_dependent_backups: bool,
    #[serde(default, deserialize_with = "or_default")]
    pub created_at: String,
    /// Of what moment its bytes are: that of the snapshot that it was made from, else its own. The newest one is what
    /// Cinder builds an incremental backup on.
    #[serde(default, deserialize_with = "or_default")]
    pub data_timestamp: String,
    #[serde(default, deserialize_with = "or_default")]
    pub fail_reason: String,
    #[serde(default, deserialize_with = "or_default")]
    pub metadata: Metadata,
    /// Whose it is; shown to administrators.
    #[serde(default, rename = "os-backup-project-attr:project_id")]
    pub project: Option<String>,
}

/// A backup that is to be made.
#[derive(Debug, Clone, Serialize)]
pub struct NewBackup {
    pub volume_id: String,
    pub name: String,
    pub description: String,
    pub incremental: bool,
    /// Also of a volume that a server uses.
    pub force: bool,
    /// From a snapshot of the volume instead of from the volume as it is.
    pub snapshot_id: Option<String>,
    pub metadata: Metadata,
}

#[derive(Deserialize)]
struct Made {
    id: String,
}

impl Cinder {
    pub async fn backup(&self, id: &str) -> Result<Backup, Error> {
        self.get(&["backups", id], "backup").await
    }

    pub async fn backups_named(&self, name: &str) -> Result<Vec<Backup>, Error> {
        let mut found: Vec<Backup> = self.list("backups", &[("name", name)]).await?;
        found.retain(|backup| backup.name == name);
        Ok(found)
    }

    /// All backups of the project; `everywhere`: of all projects, if the session is an administrator's.
    pub async fn all_backups(&self, everywhere: bool) -> Result<Vec<Backup>, Error> {
        self.list("backups", all(everywhere)).await
    }

    /// All backups of a volume, whoever made them.
    pub async fn backups_of(&self, volume: &str) -> Result<Vec<Backup>, Error> {
        let mut found: Vec<Backup> = self.list("backups", &[("volume_id", volume)]).await?;
        found.retain(|backup| backup.volume_id.as_deref() == Some(volume));
        Ok(found)
    }

    /// Its id: the answer has little more.
    pub async fn create_backup(&self, new: &NewBackup) -> Result<String, Error> {
        self.post(&["backups"], &json!({ "backup": new }), "backup").await.map(|made: Made| made.id)
    }

    /// `metadata`: all of it.
    pub async fn mark_backup(&self, id: &str, metadata: &Metadata) -> Result<(), Error> {
        self.act(Method::PUT, &["backups", id], &json!({"backup": {"metadata": metadata}})).await
    }

    /// Its bytes into a volume that is there, is not used, and is at least as large.
    pub async fn restore_backup(&self, id: &str, volume: &str) -> Result<(), Error> {
        let body = json!({"restore": {"volume_id": volume, "name": null}});
        self.act(Method::POST, &["backups", id, "restore"], &body).await
    }

    pub async fn delete_backup(&self, id: &str) -> Result<(), Error> {
        self.delete(&["backups", id]).await
    }
}
