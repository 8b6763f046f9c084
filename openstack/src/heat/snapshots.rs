//! A stack's snapshots, as Heat's API has them: whoever answers may be a Heat or another stacksnap.

use reqwest::Method;
use serde::Deserialize;
use serde_json::json;

use super::Heat;
use crate::error::Error;
use crate::request::Request;

#[derive(Debug, Clone, Deserialize)]
pub struct Snapshot {
    pub id: String,
    #[serde(default)]
    pub name: Option<String>,
    /// What is, or was, done to it: `CREATE` or `DELETE`. Older Heats don't say.
    #[serde(default)]
    pub action: Option<String>,
    /// `IN_PROGRESS`, `COMPLETE` or `FAILED`.
    pub status: String,
    #[serde(default)]
    pub status_reason: Option<String>,
    #[serde(default)]
    pub creation_time: Option<String>,
    /// Only another stacksnap says so.
    #[serde(default)]
    pub consistency: Option<String>,
}

#[derive(Deserialize)]
struct One {
    snapshot: Snapshot,
}

#[derive(Deserialize)]
struct Many {
    snapshots: Vec<Snapshot>,
}

impl Heat {
    pub async fn snapshots(&self, name: &str, id: &str) -> Result<Vec<Snapshot>, Error> {
        // Heat knows no such parameter and sends all.
        let request = self.get(&["stacks", name, id, "snapshots"]).query("with_data", "False");
        self.send(request).await?.json().map(|many: Many| many.snapshots)
    }

    pub async fn snapshot(&self, name: &str, id: &str, snapshot: &str) -> Result<Snapshot, Error> {
        self.send(self.get(&["stacks", name, id, "snapshots", snapshot])).await?.json().map(|one: One| one.snapshot)
    }

    /// Begins one; its id. Not sent again by itself.
    pub async fn create_snapshot(&self, name: &str, id: &str, called: &str) -> Result<String, Error> {
        let request = Request::post(self.url(&["stacks", name, id, "snapshots"])).json(&json!({ "name": called }))?;
        self.send(request).await?.json().map(|made: Snapshot| made.id)
    }

    /// Begins a restore. Not sent again by itself.
    pub async fn restore_snapshot(&self, name: &str, id: &str, snapshot: &str) -> Result<(), Error> {
        let url = self.url(&["stacks", name, id, "snapshots", snapshot, "restore"]);
        self.send(Request::new(Method::POST, url)).await.map(|_| ())
    }

    /// One that is gone already is no error.
    pub async fn delete_snapshot(&self, name: &str, id: &str, snapshot: &str) -> Result<(), Error> {
        match self.send(Request::delete(self.url(&["stacks", name, id, "snapshots", snapshot]))).await {
            Err(error) if error.is_gone() => Ok(()),
            answer => answer.map(|_| ()),
        }
    }
}
