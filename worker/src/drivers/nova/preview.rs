//! What a restore would do to the server.

use stacksnap_common::types::{Artifact, Preview};

use super::kept::Kept;
use super::restore::{gone, source, target};
use crate::driver::Error;
use crate::drivers::openstack::call::Calls;
use crate::drivers::openstack::make::Free;

pub(super) async fn preview(calls: &Calls<'_>, artifact: &Artifact) -> Result<Preview, Error> {
    let kept = Kept::of(artifact)?;
    let mut preview = Preview { bytes: kept.size, ..Preview::default() };
    if let Free::Never(why) = source(calls, &kept).await? {
        preview.blockers.push(why);
    }
    let id = calls.physical_id("server")?;
    let Some(server) = calls.find(calls.nova.server(id)).await? else {
        preview.blockers.push(gone(calls, id, &kept));
        return Ok(preview);
    };
    preview.overwrites = 1;
    preview.sample.push(format!("rebuild server {id} ({}) from image {}", server.name, kept.image));
    preview.notes.push(format!(
        "server {id} keeps its id, name, addresses, metadata, user data and volumes; its root disk is made anew, and \
         an ephemeral or swap disk empty"
    ));
    if kept.facts.stopped {
        preview.notes.push("its image was made while it was stopped for the snapshot".to_owned());
    }
    match target(calls, &server).await? {
        Free::Yes => {}
        Free::NotYet(why) => preview.notes.push(format!("{why}: that is waited for")),
        Free::Never(why) => preview.blockers.push(why),
    }
    Ok(preview)
}
