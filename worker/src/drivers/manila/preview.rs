//! What a restore would do to the share.

use std::collections::BTreeSet;

use stacksnap_common::types::{Artifact, Preview};
use stacksnap_openstack::manila::Share;

use super::kept::{Kept, Rule};
use super::way::{Way, way};
use crate::driver::{Error, Safety};
use crate::drivers::openstack::call::Calls;

pub(super) async fn preview(calls: &Calls<'_>, artifact: &Artifact) -> Result<Preview, Error> {
    let kept = Kept::of(artifact)?;
    let mut preview = Preview { bytes: kept.bytes(), ..Preview::default() };
    if !calls.ctx.may_move && calls.ctx.current.is_none() {
        preview.blockers.push(format!(
            "share {} is not in the stack any more: Heat would make another one, and what is in {} can't be brought into that. \
             openstack share create --snapshot-id makes a share from a snapshot",
            kept.facts.share,
            kept.source()
        ));
        return Ok(preview);
    }
    match way(calls, &kept).await? {
        Way::Never(why) => preview.blockers.push(why),
        Way::Back { share, snapshot } => back(calls, &kept, &share, &snapshot, &mut preview).await?,
        Way::New(why) => {
            preview.creates = 1;
            let (size, source) = (kept.facts.size, kept.source());
            preview.sample.push(format!("create a share of {size} GiB from {source}"));
            preview.notes.extend(new(&why, calls.physical_id("share")?, &kept));
        }
        // What comes after that is not known yet.
        Way::NotYet(why) => {
            preview.overwrites = 1;
            preview.sample.push(format!("overwrite share {} from {}", calls.physical_id("share")?, kept.source()));
            preview.notes.push(format!("{why}: that is waited for"));
        }
    }
    Ok(preview)
}

async fn back(
    calls: &Calls<'_>,
    kept: &Kept,
    share: &Share,
    snapshot: &str,
    preview: &mut Preview,
) -> Result<(), Error> {
    let id = &share.id;
    preview.overwrites = 1;
    preview.sample.push(format!("overwrite share {id}: back to snapshot {snapshot}"));
    preview.notes.push(format!(
        "share {id} changes under whoever has it mounted: have it unmounted meanwhile, or mounted anew afterwards"
    ));
    preview.notes.extend(of_size(share, kept));
    let is: BTreeSet<_> = calls.ask(calls.manila.rules(id)).await?.iter().filter_map(Rule::of).collect();
    let then: BTreeSet<_> = kept.facts.rules.iter().cloned().collect();
    for (rules, what) in [(then.difference(&is), "come back"), (is.difference(&then), "go")] {
        let words: Vec<_> = rules.map(Rule::words).collect();
        if !words.is_empty() {
            preview.notes.push(format!("access rules of share {id} {what}: {}", words.join(", ")));
        }
    }
    let (can, gib) = (share.create_share_from_snapshot_support, share.size);
    match calls.ctx.safety {
        Safety::This => {}
        Safety::Before | Safety::None if can => preview.notes.push(format!(
            "a safety snapshot keeps what is in share {id} now as a share of its own: {gib} GiB more of the project's quota"
        )),
        Safety::Before => preview.blockers.push(format!(
            "a safety snapshot of share {id} would be newer than {snapshot}, and Manila takes a share back only to its newest; \
             nor can its backend make a share from a snapshot to keep what is there now. Restore without a safety snapshot \
             (--no-safety)"
        )),
        Safety::None => preview.notes.push(format!(
            "share {id} can be restored only without a safety snapshot (--no-safety): that would be in the way"
        )),
    }
    Ok(())
}

/// Of a share that is not as large any more as it was.
pub(super) fn of_size(share: &Share, kept: &Kept) -> Option<String> {
    let (id, now, then) = (&share.id, share.size, kept.facts.size);
    match now.cmp(&then) {
        std::cmp::Ordering::Equal => None,
        std::cmp::Ordering::Greater => Some(format!(
            "share {id} has grown from {then} to {now} GiB: taken back it is of {then} GiB, and is extended to {now} again"
        )),
        std::cmp::Ordering::Less => {
            Some(format!("share {id} has been shrunk from {then} to {now} GiB: taken back it is of {then} GiB again"))
        }
    }
}

/// What is to be known of a share that comes back as a new one.
pub(super) fn new(why: &str, old: &str, kept: &Kept) -> Vec<String> {
    let mut notes = vec![
        format!("it becomes a new share, with another id and other export locations: {why}"),
        format!(
            "share {old} stays as it is, with all that is in it; it is yours to remove when it is not needed any more"
        ),
    ];
    if kept.facts.public {
        notes.push("the share was public: the new one is not, until somebody who may makes it so".to_owned());
    }
    notes
}
