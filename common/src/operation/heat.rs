//! What a plan gets beside where the stack is a real Heat's: steps of the whole, in which a worker looks at Heat and
//! changes the stack there.
//!
//! - snapshot: … copy → *check* (nothing has changed in Heat) → seal
//! - restore: preview, *of the stack too* → [safety] → *restore* (Heat brings the stack back to the snapshot's template)
//!   → data, level by level → *check* (owed: whatever happened, what Heat says is noted)
//! - plan: preview, *of the stack too*
//! - stack-delete: snapshots → *discard* (Heat deletes the stack)
//!
//! They run on the item of the whole, and have the verbs that do the same to a resource.

use super::plan::Plan;
use super::{Item, Kind, Of, OnFailure, Stage, Verb, When};
use crate::ids::PoolName;

/// Adds what a stack of Heat's needs. `template`: a restore brings the stack itself back too; where resources were
/// chosen it does not.
pub fn weave(plan: &mut Plan, kind: Kind, template: bool) {
    let whole = match kind {
        Kind::Snapshot | Kind::Restore | Kind::Plan | Kind::StackDelete => whole(plan),
        _ => return,
    };
    let stage = |verb, when| Stage {
        verb,
        of: Of::Snapshot,
        when,
        on_failure: OnFailure::Stop,
        items: vec![(whole, whole + 1)],
        held: Vec::new(),
    };
    let last_going =
        |plan: &Plan, verb| plan.stages.iter().rposition(|stage| stage.verb == verb && stage.when == When::Going);
    match kind {
        Kind::Snapshot => {
            if let Some(seal) = last_going(plan, Verb::Seal) {
                insert(plan, seal, stage(Verb::Check, When::Going));
            }
        }
        Kind::Restore => {
            also(plan, Verb::Preview, whole);
            let first = plan.stages.iter().position(|stage| stage.verb == Verb::Restore);
            let (Some(first), Some(last)) = (first, last_going(plan, Verb::Restore)) else { return };
            // Behind all data first, so that the place of what comes before it stays.
            insert(plan, last + 1, stage(Verb::Check, When::Owed { after: first as u16 }));
            if template {
                insert(plan, first, stage(Verb::Restore, When::Going));
                // Owed from the moment that Heat was asked for anything.
                if let Some(check) = plan.stages.get_mut(last + 2) {
                    check.when = When::Owed { after: first as u16 };
                }
            }
        }
        Kind::Plan => also(plan, Verb::Preview, whole),
        Kind::StackDelete => {
            // A stack whose snapshots could not be taken away is not taken away either.
            for stage in plan.stages.iter_mut().filter(|stage| stage.verb == Verb::Discard) {
                stage.on_failure = OnFailure::Stop;
            }
            let end = plan.stages.len();
            insert(plan, end, stage(Verb::Discard, When::Going));
        }
        _ => {}
    }
}

/// The place of the item of the whole; it is added where there is none.
fn whole(plan: &mut Plan) -> u32 {
    let is_whole = |item: &Item| item.resource.is_none() && item.snapshot.is_none();
    if let Some(place) = plan.items.iter().position(is_whole) {
        return place as u32;
    }
    let pool = plan.items.first().map_or_else(PoolName::default, |item| item.pool.clone());
    plan.items.push(Item::new(None, None, pool));
    plan.items.len() as u32 - 1
}

/// The first stage with this verb does it to one item more, behind all others.
fn also(plan: &mut Plan, verb: Verb, item: u32) {
    if let Some(stage) = plan.stages.iter_mut().find(|stage| stage.verb == verb) {
        match stage.items.last_mut() {
            Some((_, to)) if *to == item => *to += 1,
            _ => stage.items.push((item, item + 1)),
        }
    }
}

/// Puts a stage into its place; those that name a later one by its place name its new place.
fn insert(plan: &mut Plan, at: usize, stage: Stage) {
    let moved = |place: u16| if usize::from(place) >= at { place + 1 } else { place };
    for other in &mut plan.stages {
        other.when = match other.when {
            When::Going => When::Going,
            When::Owed { after } => When::Owed { after: moved(after) },
            When::Undo { unless } => When::Undo { unless: moved(unless) },
        };
    }
    plan.stages.insert(at, stage);
}
