//! What a restore would do: another instance, and what becomes of the one that is there.

use stacksnap_common::types::{Artifact, Preview};

use super::calls::Calls;
use super::kept::Kept;
use super::restore::{by_hand, problems, stays};
use crate::driver::Error;

pub(super) async fn preview(calls: &Calls<'_>, artifact: &Artifact) -> Result<Preview, Error> {
    let kept = Kept::of(artifact)?;
    let mut preview = Preview { creates: 1, bytes: artifact.bytes, ..Preview::default() };
    preview.blockers = problems(calls, &kept).await?;
    if !calls.ctx.may_move {
        preview.blockers.push(by_hand(&kept));
    }
    let facts = &kept.facts;
    let volume = facts.volume.map(|size| format!(", with {size} GiB")).unwrap_or_default();
    let datastore = format!("{} {}", facts.datastore.kind, facts.datastore.version);
    preview.sample.push(format!("create an instance of {datastore}{volume} from backup {}", kept.backup));
    preview.notes.extend(stays(calls, &kept).await?);
    preview.notes.push("the new instance has another id and another address".to_owned());
    if let Some(of) = &facts.replica_of {
        preview.notes.push(format!("the instance was a replica of {of}: the new one is one by itself"));
    }
    if !facts.replicas.is_empty() {
        let replicas = facts.replicas.join(", ");
        preview
            .notes
            .push(format!("the instance had replicas ({replicas}): they follow the old one, the new one has none"));
    }
    if facts.network.is_none() {
        preview.notes.push(
            "Trove did not tell in which network the instance was: the new one is where Trove puts it".to_owned(),
        );
    }
    Ok(preview)
}
