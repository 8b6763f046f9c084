//! The two things that are made of a share: a snapshot, and another share from a snapshot.

use async_trait::async_trait;
use stacksnap_openstack::Error as Cloud;
use stacksnap_openstack::manila::{Manila, NewShare, NewSnapshot, Share, Snapshot};

use super::marks as ours;
use super::state;
use crate::driver::Ctx;
use crate::drivers::openstack::make::{Found, Free, Is, Thing};
use crate::drivers::openstack::marks;

const MAKER: &str = "Manila";

pub(super) struct ASnapshot<'a> {
    pub(super) ctx: &'a Ctx,
    pub(super) manila: &'a Manila,
    pub(super) share: &'a str,
}

/// Named as the step's until it is finished, if it ever is: a copy stays as it is.
pub(super) struct AShare<'a> {
    pub(super) ctx: &'a Ctx,
    pub(super) manila: &'a Manila,
    pub(super) snapshot: &'a str,
    pub(super) protocol: &'a str,
    pub(super) size: u64,
    /// It is to be the stack's.
    pub(super) half: bool,
}

#[async_trait]
impl Thing for ASnapshot<'_> {
    fn word(&self) -> &'static str {
        "snapshot"
    }

    fn maker(&self) -> &'static str {
        MAKER
    }

    async fn named(&self) -> Result<Vec<Found>, Cloud> {
        let mut found = self.manila.snapshots_named(&marks::name(self.ctx.step)).await?;
        found.retain(|it| ours::of_snapshot(it).is_some() && it.share_id == self.share);
        Ok(found.into_iter().map(Found::from).collect())
    }

    async fn get(&self, id: &str) -> Result<Found, Cloud> {
        self.manila.snapshot(id).await.map(Found::from)
    }

    async fn is_free(&self) -> Result<Free, Cloud> {
        Ok(state::free(&self.manila.share(self.share).await?))
    }

    async fn make(&self) -> Result<String, Cloud> {
        let new = NewSnapshot {
            share_id: self.share.to_owned(),
            name: marks::name(self.ctx.step),
            description: ours::description(self.ctx),
            metadata: marks::metadata(self.ctx),
        };
        self.manila.create_snapshot(&new).await.map(|made| made.id)
    }

    async fn delete(&self, id: &str) -> Result<(), Cloud> {
        self.manila.delete_snapshot(id).await
    }
}

#[async_trait]
impl Thing for AShare<'_> {
    fn word(&self) -> &'static str {
        "share"
    }

    fn maker(&self) -> &'static str {
        MAKER
    }

    async fn named(&self) -> Result<Vec<Found>, Cloud> {
        let found = self.manila.shares_named(&marks::name(self.ctx.step)).await?;
        Ok(found.into_iter().filter(|it| ours::of_share(it).is_some()).map(Found::from).collect())
    }

    /// With what Manila tells of one that came to nothing.
    async fn get(&self, id: &str) -> Result<Found, Cloud> {
        let mut found = Found::from(self.manila.share(id).await?);
        if found.is == Is::Failed {
            found.why = self.manila.messages(id).await.unwrap_or_default().into_iter().next().unwrap_or_default();
        }
        Ok(found)
    }

    async fn is_free(&self) -> Result<Free, Cloud> {
        let status = self.manila.snapshot(self.snapshot).await?.status;
        Ok(state::available(&format!("snapshot {}", self.snapshot), &status))
    }

    async fn make(&self) -> Result<String, Cloud> {
        let mut metadata = marks::metadata(self.ctx);
        if self.half {
            metadata.insert(ours::HALF.to_owned(), "yes".to_owned());
        }
        let new = NewShare {
            share_proto: self.protocol.to_owned(),
            size: self.size,
            snapshot_id: self.snapshot.to_owned(),
            name: marks::name(self.ctx.step),
            description: ours::description(self.ctx),
            metadata,
        };
        self.manila.create_share(&new).await.map(|made| made.id)
    }

    async fn delete(&self, id: &str) -> Result<(), Cloud> {
        self.manila.delete_share(id).await
    }
}

fn is(status: &str) -> Is {
    match status {
        // A share goes back to it just now, by an earlier run of a restore.
        "available" | "restoring" => Is::There,
        "creating" | "creating_from_snapshot" => Is::Coming,
        "deleting" | "deferred_deleting" => Is::Leaving,
        "error_deleting" | "error_deferred_deleting" => Is::Stuck,
        _ => Is::Failed,
    }
}

impl From<Snapshot> for Found {
    fn from(it: Snapshot) -> Self {
        Self { is: is(&it.status), id: it.id, status: it.status, created: it.created_at, why: String::new() }
    }
}

impl From<Share> for Found {
    fn from(it: Share) -> Self {
        Self { is: is(&it.status), id: it.id, status: it.status, created: it.created_at, why: String::new() }
    }
}
