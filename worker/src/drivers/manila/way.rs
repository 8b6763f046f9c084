//! In which way a share comes back, and what stands against it: looked at before anything is touched.

use stacksnap_openstack::manila::{Share, Snapshot};

use super::kept::Kept;
use super::marks as ours;
use super::state;
use crate::driver::Error;
use crate::drivers::openstack::call::Calls;
use crate::drivers::openstack::make::Free;

#[derive(Debug)]
pub(super) enum Way {
    /// In place.
    Back {
        share: Box<Share>,
        snapshot: String,
    },
    /// As a new share: why not in place.
    New(String),
    /// Worth waiting for; in words.
    NotYet(String),
    Never(String),
}

impl From<Free> for Option<Way> {
    fn from(free: Free) -> Self {
        match free {
            Free::Yes => None,
            Free::NotYet(why) => Some(Way::NotYet(why)),
            Free::Never(why) => Some(Way::Never(why)),
        }
    }
}

pub(super) async fn way(calls: &Calls<'_>, kept: &Kept) -> Result<Way, Error> {
    if let Some(against) = source(calls, kept).await?.into() {
        return Ok(against);
    }
    let Some(snapshot) = &kept.snapshot else {
        return anew(calls, kept, "what it was is kept as a share of its own".to_owned()).await;
    };
    let id = calls.physical_id("share")?;
    if id != kept.facts.share {
        let why = format!("the snapshot is of share {}, which the stack has no more", kept.facts.share);
        return anew(calls, kept, why).await;
    }
    let Some(share) = calls.find(calls.manila.share(id)).await? else {
        return Ok(Way::Never(format!("share {id} is gone, and what Manila kept of it went with it")));
    };
    if !share.revert_to_snapshot_support {
        return anew(calls, kept, format!("the backend of share {id} can't take it back to a snapshot")).await;
    }
    let newer = newer(calls, id, snapshot).await?;
    let (own, theirs): (Vec<_>, Vec<_>) = newer.into_iter().partition(|it| ours::of_snapshot(it).is_some());
    if !theirs.is_empty() {
        return Ok(in_the_way(id, snapshot, &theirs));
    }
    if !own.is_empty() {
        let why = format!("share {id} has newer snapshots of this service's, which it would cost ({})", words(&own));
        return anew(calls, kept, why).await;
    }
    if let Some(against) = state::free(&share).into() {
        return Ok(against);
    }
    Ok(match share.access_rules_status.as_str() {
        "" | "active" => Way::Back { share: Box::new(share), snapshot: snapshot.clone() },
        "error" => Way::Never(format!(
            "an access rule of share {id} is in error, and Manila takes no such share back: delete that rule (openstack share \
             access list {id}; openstack share access delete), then restore"
        )),
        status => Way::NotYet(format!("the access rules of share {id} are {status}")),
    })
}

/// Whether there is something to restore from.
async fn source(calls: &Calls<'_>, kept: &Kept) -> Result<Free, Error> {
    let name = kept.source();
    let status = match (&kept.copy, &kept.snapshot) {
        (Some(id), _) => calls.find(calls.manila.share(id)).await?.map(|share| share.status),
        (None, Some(id)) => calls.find(calls.manila.snapshot(id)).await?.map(|snapshot| snapshot.status),
        (None, None) => None,
    };
    Ok(match status.as_deref() {
        None => Free::Never(format!("{name} is not there any more: somebody else removed it")),
        Some(status) => state::available(&name, status),
    })
}

/// All that stand between the share and its snapshot. Times are to the second: of two in the same one nobody can tell.
async fn newer(calls: &Calls<'_>, share: &str, snapshot: &str) -> Result<Vec<Snapshot>, Error> {
    let mut all = calls.ask(calls.manila.snapshots_of(share)).await?;
    let taken = all.iter().find(|it| it.id == snapshot).map(|it| it.created_at.clone()).unwrap_or_default();
    all.retain(|it| it.id != snapshot && it.created_at >= taken);
    Ok(all)
}

fn in_the_way(share: &str, snapshot: &str, theirs: &[Snapshot]) -> Way {
    let ids: Vec<_> = theirs.iter().map(|it| it.id.as_str()).collect();
    Way::Never(format!(
        "Manila takes share {share} back only to its newest snapshot, and newer than {snapshot} is what somebody else made: {}. \
         Remove what is not needed any more (openstack share snapshot delete {}), then restore; or make a share from \
         {snapshot} yourself (openstack share create --snapshot-id {snapshot})",
        words(theirs),
        ids.join(" ")
    ))
}

/// `snapshot S (before the upgrade)`
fn words(snapshots: &[Snapshot]) -> String {
    let one = |it: &Snapshot| if it.name.is_empty() { it.id.clone() } else { format!("{} ({})", it.id, it.name) };
    let all: Vec<_> = snapshots.iter().map(one).collect();
    format!("snapshot {}", all.join(", "))
}

/// Whether a new share can be made, and can be the stack's.
async fn anew(calls: &Calls<'_>, kept: &Kept, why: String) -> Result<Way, Error> {
    let name = kept.source();
    let from = kept.copy.as_ref().unwrap_or(&kept.facts.share);
    let by_hand = match (&kept.copy, &kept.snapshot) {
        (None, Some(snapshot)) => {
            format!("openstack share create --snapshot-id {snapshot} makes one, from which files can be taken over")
        }
        _ => format!("files can be taken over from share {from}"),
    };
    if !calls.ctx.may_move {
        return Ok(Way::Never(format!(
            "{why}; and the stack is Heat's, which can't be told of another share made from {name}. {by_hand}"
        )));
    }
    let can = calls.find(calls.manila.share(from)).await?.is_some_and(|it| it.create_share_from_snapshot_support);
    Ok(match can {
        true => Way::New(why),
        false => Way::Never(format!(
            "{why}; and no new share can be made from {name}: its share type is not one with \
             create_share_from_snapshot_support"
        )),
    })
}
