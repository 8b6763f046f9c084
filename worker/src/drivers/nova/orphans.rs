//! Images of servers that carry our mark, for whoever looks for those that no record knows.

use std::collections::BTreeMap;

use async_trait::async_trait;
use stacksnap_openstack::glance::Image;
use stacksnap_openstack::{Error as Cloud, Glance, Session};

use crate::drivers::openstack::orphans::{One, Reach, until_gone};
use crate::orphans::{Error, Finder, Listed, Thing, service};

#[derive(Debug)]
pub struct OfGlance {
    pub session: Session,
    /// Our projects are Keystone's: what another project owns than its mark says is none of ours.
    pub same_projects: bool,
}

#[async_trait]
impl Finder for OfGlance {
    fn place(&self) -> &'static str {
        "Glance"
    }

    /// Of all projects where the session is an administrator's; else of its own: what others share with it or with all
    /// is not looked at.
    async fn list(&self) -> Result<Listed, Error> {
        let reach = Reach::of(&self.session).await?;
        let owner = match &reach {
            Reach::Everywhere => None,
            Reach::Own(project) => Some(project.as_str()),
        };
        let images = match Glance::new(self.session.clone()).images_of_servers(owner).await {
            // A cloud without images: no server of it was ever protected.
            Err(Cloud::NoEndpoint { .. }) => return Ok(Listed::default()),
            images => images.map_err(service)?,
        };
        let things = images.into_iter().filter_map(|image| one(image).thing(self.same_projects)).collect();
        Ok(Listed { things, notes: reach.note(self.place()).into_iter().collect() })
    }

    async fn remove(&self, thing: &Thing) -> Result<(), Error> {
        let glance = Glance::new(self.session.clone());
        glance.delete_image(&thing.id).await.map_err(service)?;
        // Glance has promised to delete one that is `pending_delete` (delayed_delete): nobody can use it any more.
        let glance = &glance;
        until_gone(self.place(), move || async move {
            match glance.image(&thing.id).await {
                Ok(image) if matches!(image.status.as_str(), "pending_delete" | "deleted") => Ok(None),
                found => found.map(|image| Some(image.status)),
            }
        })
        .await
    }
}

fn one(image: Image) -> One {
    let texts = image.properties.iter().filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())));
    let metadata: BTreeMap<_, _> = texts.collect();
    One {
        what: "image",
        metadata,
        created_at: image.created_at,
        bytes: image.size.unwrap_or_default(),
        lies_in: image.owner,
        id: image.id,
    }
}
