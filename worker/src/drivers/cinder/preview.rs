//! What a restore would do to the volume.

use stacksnap_common::types::{Artifact, Preview};

use super::kept::{GroupCut, Grouped, Kept};
use super::restore::{Target, heat_has_it, source, target, to_set_back};
use crate::driver::Error;
use crate::drivers::openstack::call::Calls;
use crate::drivers::openstack::make::Free;

pub(super) async fn preview(calls: &Calls<'_>, artifact: &Artifact) -> Result<Preview, Error> {
    let kept = Kept::of(artifact)?;
    let mut preview = Preview { bytes: kept.bytes(), ..Preview::default() };
    let stands = |found: Free, notes: &mut Vec<String>| match found {
        Free::Yes => None,
        Free::NotYet(why) => {
            notes.push(format!("{why}: that is waited for"));
            None
        }
        Free::Never(why) => Some(why),
    };
    preview.blockers.extend(stands(source(calls, &kept).await?, &mut preview.notes));
    if !kept.facts.stopped.is_empty() {
        let servers = kept.facts.stopped.join(", ");
        preview.notes.push(format!("it was cut while server {servers}, which used it, was stopped for the snapshot"));
    }
    match &kept.facts.group {
        Some(Grouped { id, cut: GroupCut::Together(_) }) => {
            preview.notes.push(format!("it was cut at once with the other volumes of group {id}"));
        }
        Some(Grouped { id, cut: GroupCut::Alone(why) }) => {
            preview.notes.push(format!("it was cut by itself, though it was in group {id}: {why}"));
        }
        None => {}
    }
    let (id, then) = (calls.physical_id("volume")?, kept.facts.size);
    match calls.find(calls.cinder.volume(id)).await? {
        // Not in the stack any more: Heat makes it anew before its data is brought back.
        None if !calls.ctx.may_move && calls.ctx.current.is_none() => {
            preview.creates = 1;
            preview.sample.push(format!("create a volume of {then} GiB and overwrite it from {}", kept.source()));
            preview.notes.push(format!("volume {id} is gone: Heat makes another one, with another id"));
        }
        None if !calls.ctx.may_move => preview.blockers.push(heat_has_it(id)),
        None => {
            preview.creates = 1;
            preview.sample.push(format!("create a volume of {then} GiB from {}", kept.source()));
            preview.notes.push(format!("volume {id} is gone: the new one has another id"));
            if kept.facts.encrypted {
                preview.notes.push("the volume is encrypted: the new one gets a key of its own".to_owned());
            }
        }
        Some(volume) => {
            preview.overwrites = 1;
            preview.sample.push(format!("overwrite volume {id} from {}", kept.source()));
            if volume.size > then {
                let now = volume.size;
                preview.notes.push(format!("volume {id} has grown from {then} to {now} GiB; it stays as large"));
            }
            match target(calls, &volume, &kept).await? {
                Target::Free => preview.notes.extend(to_set_back(&volume)),
                Target::Used(place) => {
                    let words = place.words();
                    preview
                        .notes
                        .push(format!("volume {id} is detached from {words} meanwhile, and attached there again"));
                    if place.runs {
                        preview.notes.push(format!(
                            "server {} is on: what its guest has open on the volume is lost, unless it is unmounted or the \
                             server is stopped before",
                            place.server
                        ));
                    }
                }
                Target::NotYet(why) => preview.notes.push(format!("{why}: that is waited for")),
                Target::Never(why) => preview.blockers.push(why),
            }
        }
    }
    Ok(preview)
}
