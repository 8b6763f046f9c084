//! How anybody can tell whose a backup, a snapshot, an image or a half-made volume is: by its name, its description and its
//! metadata (an image's: its properties). Names are what services find things by, so the name is the step.

use std::collections::BTreeMap;

use stacksnap_common::ids::StepId;

use crate::driver::Ctx;

/// The metadata by which everything of ours is found, and by which nothing of others' is taken for ours.
pub(crate) const STEP: &str = "stacksnap_step";
pub(crate) const PROJECT: &str = "stacksnap_project";
pub(crate) const STACK: &str = "stacksnap_stack";
pub(crate) const RESOURCE: &str = "stacksnap_resource";
pub(crate) const SNAPSHOT: &str = "stacksnap_snapshot";
/// On a backup that is out of sight and waits for those that are built on it.
pub(crate) const CONDEMNED: &str = "stacksnap_condemned";

/// In a server's metadata: the operation that has stopped it and will start it again.
pub(crate) const STOPPED: &str = "stacksnap_stopped";

/// Whether the operation of this step has stopped the server of this metadata.
pub(crate) fn stopped_by(metadata: &BTreeMap<String, String>, ctx: &Ctx) -> bool {
    metadata.get(STOPPED).is_some_and(|operation| *operation == ctx.step.operation.to_string())
}

/// What `step` makes is named so.
pub(crate) fn name(step: StepId) -> String {
    format!("stacksnap-{step}")
}

/// The step that has made what is called so, if one has.
pub(crate) fn step(name: &str) -> Option<StepId> {
    name.strip_prefix("stacksnap-")?.parse().ok()
}

/// In the metadata of a volume's part of a group's snapshot that is not needed any more: the last one so marked takes the
/// group's snapshot along.
pub(crate) const DONE: &str = "stacksnap_done";

/// What Cinder and Manila take of a description, in characters (`cinder/api/validation/parameter_types.py`; `manila/api/common.py`,
/// `check_display_field_length`).
pub(crate) const LONGEST: usize = 255;

/// `data of stack S, snapshot N; made by stacksnap, which removes it`
pub(crate) fn description(ctx: &Ctx) -> String {
    let snapshot = ctx.snapshot.map(|snapshot| format!(", snapshot {snapshot}")).unwrap_or_default();
    described(ctx, &format!(" of stack {}{snapshot}; made by stacksnap, which removes it", ctx.stack))
}

/// The resource's name and what is said of it; of the name only what there is room for: a nested one's path may be as long as
/// all of the description.
pub(crate) fn described(ctx: &Ctx, rest: &str) -> String {
    let fits = LONGEST.saturating_sub(rest.chars().count());
    ctx.resource.name.as_str().chars().take(fits).chain(rest.chars()).collect()
}

pub(crate) fn metadata(ctx: &Ctx) -> BTreeMap<String, String> {
    let mut marks = BTreeMap::from([
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

pub(crate) fn is_ours(metadata: &BTreeMap<String, String>) -> bool {
    metadata.contains_key(STEP)
}
