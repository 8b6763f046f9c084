//! Whether an artifact is still what it was said to be, as far as Cinder tells: it is there, well, ours, of that size, and
//! what it is built on is there too.

use stacksnap_common::types::{Artifact, Verdict};

use super::kept::{Kept, Parent};
use crate::driver::Error;
use crate::drivers::openstack::call::Calls;

pub(super) async fn verify(calls: &Calls<'_>, artifact: &Artifact) -> Result<Verdict, Error> {
    let kept = Kept::of(artifact)?;
    let name = kept.source();
    let mut problems = Vec::new();
    let found = match (&kept.backup, &kept.snapshot) {
        (Some(id), _) => {
            let backup = calls.find(calls.cinder.backup(id)).await?;
            backup.map(|backup| (backup.status, backup.size, backup.fail_reason))
        }
        (None, Some(id)) => {
            let snapshot = calls.find(calls.cinder.snapshot(id)).await?;
            snapshot.map(|snapshot| (snapshot.status, snapshot.size, String::new()))
        }
        (None, None) => None,
    };
    match found {
        None => problems.push(format!("{name} is not there any more")),
        Some((status, size, why)) => {
            // Whoever restores from it, or backs it up, finds it well.
            if !["available", "restoring", "backing-up"].contains(&status.as_str()) {
                let why = if why.is_empty() { String::new() } else { format!(": {why}") };
                problems.push(format!("{name} is {status}{why}"));
            }
            if size != kept.facts.size {
                problems.push(format!("{name} is of {size} GiB, and the volume had {}", kept.facts.size));
            }
        }
    }
    if let Some(Parent { backup, .. }) = &kept.parent
        && calls.find(calls.cinder.backup(backup)).await?.is_none_or(|parent| parent.status.starts_with("error"))
    {
        problems.push(format!("{name} is built on backup {backup}, which is gone or not well"));
    }
    Ok(Verdict { ok: problems.is_empty(), bytes: 0, problems })
}
