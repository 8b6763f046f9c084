//! Backups of instances.
//!
//! Trove deletes all backups that are built on one together with it (`trove/backup/models.py`, `Backup.delete`), and shows
//! none as being deleted: it is there as it was, and then it is gone.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::Trove;
use crate::error::Error;
use crate::reply::or_default;

#[derive(Debug, Clone, Deserialize)]
pub struct Backup {
    pub id: String,
    #[serde(default, deserialize_with = "or_default")]
    pub name: String,
    #[serde(default, deserialize_with = "or_default")]
    pub description: String,
    /// `NEW`, `BUILDING`, `SAVING`, `COMPLETED`, `FAILED`, `RESTORED` (known from another region), `DELETE_FAILED`.
    pub status: String,
    /// What it is of; it stays when that is gone. None: it is of another region's.
    #[serde(default)]
    pub instance_id: Option<String>,
    /// What it is built on.
    #[serde(default)]
    pub parent_id: Option<String>,
    /// GB, with a fraction, once it is there.
    #[serde(default)]
    pub size: Option<f64>,
    #[serde(default, deserialize_with = "or_default")]
    pub created: String,
    #[serde(default, deserialize_with = "or_default")]
    pub updated: String,
    #[serde(default)]
    pub datastore: Option<Datastore>,
    /// Whose it is; newer releases say so.
    #[serde(default)]
    pub project_id: Option<String>,
}

/// Of what kind the databases are: `mysql`, and a version's name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Datastore {
    #[serde(default, rename = "type", deserialize_with = "or_default")]
    pub kind: String,
    #[serde(default, deserialize_with = "or_default")]
    pub version: String,
    /// Where several versions have one name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version_number: Option<String>,
}

/// A backup that is to be made.
#[derive(Debug, Clone, Serialize)]
pub struct NewBackup {
    pub name: String,
    pub description: String,
    pub instance: String,
    /// Incremental on this one; else whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent_id: Option<String>,
}

impl Trove {
    pub async fn backup(&self, id: &str) -> Result<Backup, Error> {
        self.get(&["backups", id], "backup").await
    }

    /// All backups of an instance, whoever made them, also of one that is gone.
    pub async fn backups_of(&self, instance: &str) -> Result<Vec<Backup>, Error> {
        let mut found: Vec<Backup> = self.list(&["backups"], &[("instance_id", instance)]).await?;
        found.retain(|backup| backup.instance_id.as_deref() == Some(instance));
        Ok(found)
    }

    /// All backups of the project; `everywhere`: of all projects, if the session is an administrator's.
    pub async fn all_backups(&self, everywhere: bool) -> Result<Vec<Backup>, Error> {
        self.list(&["backups"], if everywhere { &[("all_projects", "True")] } else { &[] }).await
    }

    /// Refused (422) while the instance is at anything else, another backup included.
    pub async fn create_backup(&self, new: &NewBackup) -> Result<Backup, Error> {
        self.post(&["backups"], &json!({ "backup": new }), "backup").await
    }

    /// With all that are built on it. Refused (422) while it, or one of those, is being made. Each request counts: one that
    /// is sent twice takes two off the project's quota.
    pub async fn delete_backup(&self, id: &str) -> Result<(), Error> {
        self.delete(&["backups", id]).await
    }
}
