//! Whether an artifact is still what it was said to be, as far as Manila tells: it is there, well, and of that size.

use stacksnap_common::types::{Artifact, Verdict};

use super::kept::Kept;
use crate::driver::Error;
use crate::drivers::openstack::call::Calls;

pub(super) async fn verify(calls: &Calls<'_>, artifact: &Artifact) -> Result<Verdict, Error> {
    let kept = Kept::of(artifact)?;
    let name = kept.source();
    let mut problems = Vec::new();
    let found = match (&kept.copy, &kept.snapshot) {
        (Some(id), _) => calls.find(calls.manila.share(id)).await?.map(|share| (share.status, share.size)),
        (None, Some(id)) => {
            let snapshot = calls.find(calls.manila.snapshot(id)).await?;
            snapshot.map(|snapshot| (snapshot.status, snapshot.size))
        }
        (None, None) => None,
    };
    match found {
        None => problems.push(format!("{name} is not there any more: somebody else removed it")),
        Some((status, size)) => {
            // Whoever restores from it finds it well.
            if !["available", "restoring"].contains(&status.as_str()) {
                problems.push(format!("{name} is {status}"));
            }
            if size != kept.facts.size {
                problems.push(format!("{name} is of {size} GiB, and the share had {}", kept.facts.size));
            }
        }
    }
    Ok(Verdict { ok: problems.is_empty(), bytes: 0, problems })
}
