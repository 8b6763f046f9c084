//! Whether an artifact is still what it was said to be, as far as Glance tells: its image is there, whole, of that size and
//! that hash.

use stacksnap_common::types::{Artifact, Verdict};

use super::kept::Kept;
use crate::driver::Error;
use crate::drivers::openstack::call::Calls;

pub(super) async fn verify(calls: &Calls<'_>, artifact: &Artifact) -> Result<Verdict, Error> {
    let problems = problems(calls, &Kept::of(artifact)?).await?;
    Ok(Verdict { ok: problems.is_empty(), bytes: 0, problems })
}

pub(super) async fn problems(calls: &Calls<'_>, kept: &Kept) -> Result<Vec<String>, Error> {
    let id = &kept.image;
    let Some(image) = calls.find(calls.glance.image(id)).await? else {
        return Ok(vec![format!("image {id} is not there any more: somebody else removed it")]);
    };
    let mut problems = Vec::new();
    if image.status == "deactivated" {
        problems.push(format!(
            "image {id} is deactivated: an administrator can have it back (openstack image set --activate {id})"
        ));
    } else if image.status != "active" {
        problems.push(format!("image {id} is {}", image.status));
    }
    let size = image.size.unwrap_or_default();
    if image.status == "active" && size != kept.size {
        problems.push(format!("image {id} is of {size} bytes, and had {}", kept.size));
    }
    if image.status == "active" && image.hash() != kept.hash {
        problems.push(format!("image {id} has another hash than when it was made"));
    }
    Ok(problems)
}
