//! The image that a step left is taken away, and waited for until it is gone. Also one that is still on its way: Nova then
//! stops filling it.

use serde::{Deserialize, Serialize};
use stacksnap_common::ids::StepId;
use stacksnap_common::types::Artifact;
use stacksnap_openstack::StatusCode;
use stacksnap_openstack::glance::Image;

use super::Settings;
use super::kept::Kept;
use crate::driver::{Error, Outcome};
use crate::drivers::openstack::call::{self, Calls};
use crate::drivers::openstack::marks;
use crate::drivers::openstack::wait::{Wait, gone_or_later};

/// The checkpoint.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Discarding {
    #[serde(default)]
    wait: Wait,
}

pub(super) async fn discard(
    settings: &Settings,
    calls: &Calls<'_>,
    made_by: StepId,
    artifact: Option<&Artifact>,
) -> Result<Outcome<()>, Error> {
    let state = Discarding::deserialize(&calls.ctx.checkpoint).unwrap_or_default();
    let kept = artifact.and_then(|artifact| Kept::of(artifact).ok());
    let mut going = Vec::new();
    for image in images(calls, made_by, kept.as_ref()).await? {
        going.extend(remove(calls, image).await?);
    }
    gone_or_later(&settings.patience, calls.ctx.now, state.wait, &going, |wait| Discarding { wait })
}

/// Those of the step's name, and the recorded one.
async fn images(calls: &Calls<'_>, made_by: StepId, kept: Option<&Kept>) -> Result<Vec<Image>, Error> {
    let mut found = calls.ask(calls.glance.images_named(&marks::name(made_by))).await?;
    if let Some(kept) = kept
        && !found.iter().any(|image| image.id == kept.image)
    {
        found.extend(calls.find(calls.glance.image(&kept.image)).await?);
    }
    found.retain(|image| image.property(marks::STEP).is_some() && image.status != "deleted");
    Ok(found)
}

/// What is left of it, in words; Glance usually leaves nothing.
async fn remove(calls: &Calls<'_>, image: Image) -> Result<Option<String>, Error> {
    let id = &image.id;
    if image.status == "pending_delete" {
        return Ok(Some(format!("image {id} (pending_delete)")));
    }
    if image.protected {
        return Err(Error::permanent(format!(
            "somebody protects image {id}, so Glance does not delete it: openstack image set --unprotected {id}, then \
             delete again"
        )));
    }
    match calls.act(calls.glance.delete_image(id)).await? {
        Ok(()) => Ok(Some(format!("image {id}"))),
        // Something is made from it just now: looked at again.
        Err(error) if error.status() == Some(StatusCode::CONFLICT) => Ok(Some(format!("image {id}: {error}"))),
        Err(error) => Err(call::error(error)),
    }
}
