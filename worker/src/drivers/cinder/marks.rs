//! How anybody can tell whose a backup, a snapshot or a half-made volume is: by its name, its description and its
//! metadata. Names are what Cinder finds things by, so the name is the step.

use stacksnap_common::ids::StepId;
use stacksnap_openstack::cinder::Metadata;

use crate::driver::Ctx;

/// The metadata by which everything of ours is found, and by which nothing of others' is taken for ours.
pub(super) const STEP: &str = "stacksnap_step";
pub(super) const PROJECT: &str = "stacksnap_project";
pub(super) const STACK: &str = "stacksnap_stack";
pub(super) const RESOURCE: &str = "stacksnap_resource";
pub(super) const SNAPSHOT: &str = "stacksnap_snapshot";
/// On a backup that is out of sight and waits for those that are built on it.
pub(super) const CONDEMNED: &str = "stacksnap_condemned";

/// What `step` makes is named so.
pub(super) fn name(step: StepId) -> String {
    format!("stacksnap-{step}")
}

pub(super) fn description(ctx: &Ctx) -> String {
    let snapshot = ctx.snapshot.map(|snapshot| format!(", snapshot {snapshot}")).unwrap_or_default();
    format!("{} of stack {}{snapshot}; made by stacksnap, which removes it", ctx.resource.name, ctx.stack)
}

pub(super) fn metadata(ctx: &Ctx) -> Metadata {
    let mut marks = Metadata::from([
        (STEP.to_owned(), ctx.step.to_string()),
        (PROJECT.to_owned(), ctx.project.to_string()),
        (STACK.to_owned(), ctx.stack.to_string()),
        (RESOURCE.to_owned(), ctx.resource.name.to_string()),
    ]);
    if let Some(snapshot) = ctx.snapshot {
        marks.insert(SNAPSHOT.to_owned(), snapshot.to_string());
    }
    marks
}

pub(super) fn is_ours(metadata: &Metadata) -> bool {
    metadata.contains_key(STEP)
}
