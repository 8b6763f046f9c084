//! Volumes that a server uses.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::Nova;
use crate::error::Error;
use crate::reply::or_default;

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Attachment {
    #[serde(rename = "volumeId")]
    pub volume: String,
    /// `/dev/vdb`; none on a server that no host runs.
    #[serde(default)]
    pub device: Option<String>,
    /// By which the guest finds it.
    #[serde(default)]
    pub tag: Option<String>,
    /// The volume is deleted with the server.
    #[serde(default, deserialize_with = "or_default")]
    pub delete_on_termination: bool,
}

/// An attachment that is to be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NewAttachment {
    #[serde(rename = "volumeId")]
    pub volume: String,
    /// Some hypervisors (libvirt) choose it themselves, whatever is asked for: the next that is free.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    pub delete_on_termination: bool,
}

impl Nova {
    /// All of a server's.
    pub async fn attachments(&self, server: &str) -> Result<Vec<Attachment>, Error> {
        self.get(&["servers", server, "os-volume_attachments"]).await?.one("volumeAttachments")
    }

    /// Begins it: the volume is `in-use` when it is done.
    pub async fn attach(&self, server: &str, new: &NewAttachment) -> Result<(), Error> {
        self.post(&["servers", server, "os-volume_attachments"], &json!({ "volumeAttachment": new })).await.map(drop)
    }

    /// Begins it: the volume is `available` when it is done, and `in-use` again if the guest does not let go of it. Of one
    /// that is not attached Nova says 404.
    pub async fn detach(&self, server: &str, volume: &str) -> Result<(), Error> {
        self.delete(&["servers", server, "os-volume_attachments", volume]).await.map(drop)
    }
}
