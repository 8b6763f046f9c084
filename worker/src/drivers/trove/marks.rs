//! How anybody can tell whose a backup or a half-made instance is. Trove keeps no metadata: a backup's mark is its name and its
//! description, an instance's its name alone. Names are what things are found by, so they begin with the step.

use stacksnap_common::ids::{ProjectId, SnapshotId, StepId};
use stacksnap_openstack::trove::Backup;

use crate::driver::Ctx;
use crate::drivers::openstack::marks;

/// How a description of ours begins, and an instance's name goes on after the step.
const OURS: &str = "made by stacksnap, which removes it: ";
const HALF_MADE: &str = " for ";
/// Trove takes so many characters (`trove/common/apischema.py`, `non_empty_string`). What is cut off is the resource's name, at
/// the end: all before it is shorter.
const LONGEST: usize = 255;

/// What a backup of ours says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) step: StepId,
    pub(super) project: ProjectId,
    pub(super) stack: String,
    pub(super) snapshot: SnapshotId,
    pub(super) resource: String,
}

pub(super) fn description(ctx: &Ctx) -> String {
    let snapshot = ctx.snapshot.map(|snapshot| snapshot.to_string()).unwrap_or_default();
    let (project, stack, resource) = (&ctx.project, ctx.stack, &ctx.resource.name);
    cut(format!("{OURS}project {project}, stack {stack}, snapshot {snapshot}, resource {resource}"))
}

/// Of an instance until it is whole. A restore of another step finds it by what follows the step's id.
pub(super) fn half_made(ctx: &Ctx) -> String {
    cut(format!("{}{}", marks::name(ctx.step), whose(ctx)))
}

fn whose(ctx: &Ctx) -> String {
    format!("{HALF_MADE}project {}, stack {}, resource {}", ctx.project, ctx.stack, ctx.resource.name)
}

/// Of which step a half-made instance of ours is, and for what it is made.
fn half_made_by(name: &str) -> Option<(StepId, &str)> {
    let (step, whose) = name.strip_prefix("stacksnap-")?.split_once(HALF_MADE)?;
    Some((step.parse().ok()?, whose))
}

/// The step, project, stack and resource of a half-made instance.
pub(super) fn half_made_of(name: &str) -> Option<(StepId, ProjectId, String, String)> {
    let (step, whose) = half_made_by(name)?;
    let mut parts = whose.splitn(3, ", ");
    let mut next = |key: &str| parts.next()?.strip_prefix(key)?.strip_prefix(' ');
    let (project, stack) = (next("project")?.parse().ok()?, next("stack")?.to_owned());
    Some((step, project, stack, next("resource")?.to_owned()))
}

/// Whether a half-made instance is one of another step for the same resource.
pub(super) fn is_left(ctx: &Ctx, name: &str) -> bool {
    let own = half_made(ctx);
    half_made_by(name).zip(half_made_by(&own)).is_some_and(|((step, whose), (_, own))| step != ctx.step && whose == own)
}

impl Mark {
    /// `None`: it is none of ours.
    pub(super) fn of(backup: &Backup) -> Option<Self> {
        let step = backup.name.strip_prefix("stacksnap-")?.parse().ok()?;
        let rest = backup.description.strip_prefix(OURS)?;
        let mut parts = rest.splitn(4, ", ");
        let mut next = |key: &str| parts.next()?.strip_prefix(key)?.strip_prefix(' ');
        Some(Self {
            step,
            project: next("project")?.parse().ok()?,
            stack: next("stack")?.to_owned(),
            snapshot: next("snapshot")?.parse().ok()?,
            resource: next("resource")?.to_owned(),
        })
    }
}

fn cut(text: String) -> String {
    text.chars().take(LONGEST).collect()
}
