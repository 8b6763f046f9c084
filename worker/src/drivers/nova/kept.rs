//! What an artifact says of a server and of its image.

use serde::{Deserialize, Serialize};
use stacksnap_common::types::{Artifact, Consistency};
use stacksnap_openstack::glance::Image;
use stacksnap_openstack::nova::Server;

use crate::driver::{Ctx, Error};
use crate::drivers::openstack::marks;

/// The server when its image was begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Facts {
    pub(super) server: String,
    pub(super) name: String,
    pub(super) flavor: String,
    /// This operation had stopped it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) stopped: bool,
}

impl Facts {
    pub(super) fn of(server: &Server, ctx: &Ctx) -> Self {
        Self {
            server: server.id.clone(),
            name: server.name.clone(),
            flavor: server.flavor.original_name.clone(),
            stopped: server.vm_state == "stopped" && marks::stopped_by(&server.metadata, ctx),
        }
    }
}

/// An artifact's `data`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Kept {
    #[serde(flatten)]
    pub(super) facts: Facts,
    pub(super) image: String,
    /// Of the image, bytes.
    pub(super) size: u64,
    /// `sha512:…`, as Glance says; none where it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) hash: Option<String>,
}

impl Kept {
    pub(super) fn new(facts: Facts, image: &Image) -> Self {
        Self { facts, image: image.id.clone(), size: image.size.unwrap_or_default(), hash: image.hash() }
    }

    pub(super) fn of(artifact: &Artifact) -> Result<Self, Error> {
        Self::deserialize(&artifact.data)
            .map_err(|error| Error::Unreadable(format!("what was noted of the server can't be read: {error}")))
    }

    pub(super) fn artifact(
        self,
        ctx: &Ctx,
        consistency: Consistency,
        warnings: Vec<String>,
    ) -> Result<Artifact, Error> {
        Ok(Artifact {
            consistency,
            bytes: self.size,
            warnings,
            data: serde_json::to_value(&self)
                .map_err(|error| Error::permanent(format!("the server's facts: {error}")))?,
            ..ctx.made()
        })
    }
}
