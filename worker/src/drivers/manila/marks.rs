//! What of Manila's is ours: by metadata, which a share always has; by name and description together where a snapshot has
//! none, as before version 2.73 of the API. So the description says all that the metadata do.

use stacksnap_common::ids::{ProjectId, SnapshotId, StackId, StepId};
use stacksnap_openstack::manila::{Metadata, Share, Snapshot};

use crate::driver::Ctx;
use crate::drivers::openstack::marks;

/// How all our marks begin.
pub(super) const OURS: &str = "stacksnap_";
/// On a share that a restore makes, until it is finished.
pub(super) const HALF: &str = "stacksnap_half";
const END: &str = "; made by stacksnap, which removes it";

/// `data of stack S of project P, snapshot N; made by stacksnap, which removes it`, its first word cut to what fits.
pub(super) fn description(ctx: &Ctx) -> String {
    let snapshot = ctx.snapshot.map(|snapshot| format!(", snapshot {snapshot}")).unwrap_or_default();
    marks::described(ctx, &format!(" of stack {} of project {}{snapshot}{END}", ctx.stack, ctx.project))
}

/// What marks a snapshot as ours. `None`: it is somebody else's.
pub(super) fn of_snapshot(snapshot: &Snapshot) -> Option<Metadata> {
    match marks::is_ours(&snapshot.metadata) {
        true => Some(snapshot.metadata.clone()),
        false => told(&snapshot.name, &snapshot.description),
    }
}

/// What marks a share as ours: a copy, or one that is not finished.
pub(super) fn of_share(share: &Share) -> Option<&Metadata> {
    Some(&share.metadata).filter(|metadata| marks::is_ours(metadata))
}

/// Whether both are of the same resource of the same stack.
pub(super) fn is_of(ctx: &Ctx, found: &Metadata) -> bool {
    let ours = marks::metadata(ctx);
    [marks::PROJECT, marks::STACK, marks::RESOURCE].iter().all(|mark| found.get(*mark) == ours.get(*mark))
}

/// The metadata that a name and a [`description`] stand for.
fn told(name: &str, description: &str) -> Option<Metadata> {
    let step: StepId = name.strip_prefix("stacksnap-")?.parse().ok()?;
    let mut rest = description.strip_suffix(END)?;
    let mut found = Metadata::from([(marks::STEP.to_owned(), step.to_string())]);
    if let Some((before, snapshot)) = rest.rsplit_once(", snapshot ") {
        let snapshot: SnapshotId = snapshot.parse().ok()?;
        found.insert(marks::SNAPSHOT.to_owned(), snapshot.to_string());
        rest = before;
    }
    let (rest, project) = rest.rsplit_once(" of project ")?;
    let (resource, stack) = rest.rsplit_once(" of stack ")?;
    let (project, stack): (ProjectId, StackId) = (project.parse().ok()?, stack.parse().ok()?);
    found.insert(marks::PROJECT.to_owned(), project.to_string());
    found.insert(marks::STACK.to_owned(), stack.to_string());
    found.insert(marks::RESOURCE.to_owned(), resource.to_owned());
    Some(found)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::drivers::openstack::lab::{Cloud, resource, step};

    #[tokio::test]
    async fn a_description_says_what_the_metadata_do() {
        let cloud = Cloud::start().await;
        for (name, fits) in [("data", true), (&*"r".repeat(200), false)] {
            let ctx = cloud.ctx(step(), resource(name, "OS::Manila::Share", "id"));
            let text = description(&ctx);
            assert!(text.chars().count() <= marks::LONGEST, "{text}");
            let found = told(&marks::name(ctx.step), &text).unwrap();
            assert_eq!(found == marks::metadata(&ctx), fits, "{text}");
            assert_eq!(found[marks::STEP], ctx.step.to_string());
            assert_eq!((found == marks::metadata(&ctx), is_of(&ctx, &found)), (fits, fits));
            assert_eq!(told("mine", &text), None);
            assert_eq!(told(&marks::name(ctx.step), "mine"), None);
        }
    }
}
