//! The image of a server, which Nova begins and fills, and Glance keeps.

use async_trait::async_trait;
use stacksnap_openstack::glance::Image;
use stacksnap_openstack::{Error as Cloud, Glance, Nova};

use super::state;
use crate::driver::Ctx;
use crate::drivers::openstack::make::{Found, Free, Is, Thing};
use crate::drivers::openstack::marks;

/// What Nova calls a server whose disk is about to be read, or is read.
const READ: [&str; 2] = ["image_snapshot_pending", "image_snapshot"];
/// And one whose image is on its way.
const SENT: [&str; 2] = ["image_pending_upload", "image_uploading"];
/// What Glance calls an image that is not whole yet.
const COMING: [&str; 4] = ["queued", "saving", "uploading", "importing"];

pub(super) struct AnImage<'a> {
    pub(super) ctx: &'a Ctx,
    pub(super) nova: &'a Nova,
    pub(super) glance: &'a Glance,
    pub(super) server: &'a str,
    pub(super) until: Until,
}

/// When it is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Until {
    /// The disk was read: whatever is written to it from now on is not in the image.
    Read,
    /// Glance has all of it, and Nova is done with the server: only then it takes another order.
    Whole,
}

impl AnImage<'_> {
    /// How far an image is, which also its server says: one that is not whole, and that Nova does not work on, stays so.
    async fn found(&self, image: Image) -> Result<Found, Cloud> {
        let mut image = image;
        let task = match self.nova.server(self.server).await {
            Ok(server) => server.task_state.unwrap_or_default(),
            // What it was made of is gone; what there is of it is whole or never will be.
            Err(error) if error.is_gone() => String::new(),
            Err(error) => return Err(error),
        };
        let (read, sent) = (READ.contains(&task.as_str()), SENT.contains(&task.as_str()));
        if !read && !sent && COMING.contains(&image.status.as_str()) {
            // It may have become whole since.
            image = self.glance.image(&image.id).await?;
        }
        let (mut is, mut why) = (Is::Failed, String::new());
        match image.status.as_str() {
            "active" if !read && !sent => is = Is::There,
            _ if sent && self.until == Until::Read => is = Is::There,
            "active" => is = Is::Coming,
            "pending_delete" | "deleted" => is = Is::Leaving,
            status if COMING.contains(&status) && (read || sent) => is = Is::Coming,
            status if COMING.contains(&status) => {
                why = format!("Nova works on server {} no more, and the log of its host says why", self.server);
            }
            _ => {}
        }
        Ok(Found { id: image.id, status: image.status, is, created: image.created_at, why })
    }
}

#[async_trait]
impl Thing for AnImage<'_> {
    fn word(&self) -> &'static str {
        "image"
    }

    fn maker(&self) -> &'static str {
        "Nova"
    }

    async fn named(&self) -> Result<Vec<Found>, Cloud> {
        let mut found = Vec::new();
        for image in self.glance.images_named(&marks::name(self.ctx.step)).await? {
            if image.property(marks::STEP).is_some() {
                found.push(self.found(image).await?);
            }
        }
        Ok(found)
    }

    async fn get(&self, id: &str) -> Result<Found, Cloud> {
        let image = self.glance.image(id).await?;
        self.found(image).await
    }

    async fn is_free(&self) -> Result<Free, Cloud> {
        let server = self.nova.server(self.server).await?;
        Ok(state::free(&server, "make an image of", &["active", "stopped", "paused", "suspended"]))
    }

    async fn make(&self) -> Result<String, Cloud> {
        self.nova.create_image(self.server, &marks::name(self.ctx.step), &marks::metadata(self.ctx)).await
    }

    async fn delete(&self, id: &str) -> Result<(), Cloud> {
        self.glance.delete_image(id).await
    }

    fn gone(&self, id: &str) -> String {
        format!(
            "image {id} is gone before it was whole. Nova removes one that it can't finish: the image service's quota or \
             its store may be full, and the log of the server's host says more"
        )
    }
}
