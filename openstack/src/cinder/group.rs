//! Groups of volumes, and snapshots of a whole group at once (generic volume groups, `/group_snapshots`, since 3.14).
//!
//! Cinder takes a snapshot of every volume of the group, each of which is an ordinary snapshot that names the group's
//! (`cinder/volume/api.py`, `create_snapshots_in_db`), and begins with its name and description. It has no metadata. One of
//! them alone can't be deleted: the group's snapshot goes as a whole.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Cinder, Volume, all};
use crate::error::Error;
use crate::reply::or_default;

#[derive(Debug, Clone, Deserialize)]
pub struct GroupSnapshot {
    pub id: String,
    #[serde(default, deserialize_with = "or_default")]
    pub name: String,
    /// `creating`, `available`, `deleting`, `error`, …
    pub status: String,
    pub group_id: String,
    #[serde(default, deserialize_with = "or_default")]
    pub created_at: String,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Group {
    pub id: String,
    /// `available`, `creating`, `updating`, `deleting`, `error`, …
    pub status: String,
}

/// A snapshot of a group that is to be taken.
#[derive(Debug, Clone, Serialize)]
pub struct NewGroupSnapshot {
    pub group_id: String,
    pub name: String,
    pub description: String,
}

#[derive(Deserialize)]
struct Made {
    id: String,
}

impl Cinder {
    pub async fn group(&self, id: &str) -> Result<Group, Error> {
        self.get(&["groups", id], "group").await
    }

    /// The volumes of a group.
    pub async fn volumes_in(&self, group: &str) -> Result<Vec<Volume>, Error> {
        let mut found: Vec<Volume> = self.list("volumes", &[("group_id", group)]).await?;
        found.retain(|volume| volume.group_id.as_deref() == Some(group));
        Ok(found)
    }

    pub async fn group_snapshot(&self, id: &str) -> Result<GroupSnapshot, Error> {
        self.get(&["group_snapshots", id], "group_snapshot").await
    }

    /// All snapshots of a group.
    pub async fn group_snapshots_of(&self, group: &str) -> Result<Vec<GroupSnapshot>, Error> {
        let mut found: Vec<GroupSnapshot> = self.list("group_snapshots", &[("group_id", group)]).await?;
        found.retain(|snapshot| snapshot.group_id == group);
        Ok(found)
    }

    /// All snapshots of groups of the project; `everywhere`: of all projects, if the session is an administrator's.
    pub async fn all_group_snapshots(&self, everywhere: bool) -> Result<Vec<GroupSnapshot>, Error> {
        self.list("group_snapshots", all(everywhere)).await
    }

    /// Its id: the answer has little more.
    pub async fn create_group_snapshot(&self, new: &NewGroupSnapshot) -> Result<String, Error> {
        let body = json!({ "group_snapshot": new });
        self.post(&["group_snapshots"], &body, "group_snapshot").await.map(|made: Made| made.id)
    }

    /// With the snapshots of all its volumes.
    pub async fn delete_group_snapshot(&self, id: &str) -> Result<(), Error> {
        self.delete(&["group_snapshots", id]).await
    }
}
