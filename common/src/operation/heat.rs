//! What a plan gets beside where the stack is a real Heat's: steps of the whole, in which a worker looks at Heat and
//! changes the stack there.
//!
//! - snapshot: … copy → *check* (nothing has changed in Heat) → seal
//! - restore: preview, *of the stack too* → (safety) → *restore* (Heat brings the stack back to the snapshot's template)
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::plan;
    use super::*;
    use crate::ids::SnapshotId;
    use crate::kinds::Kinds;
    use crate::types::Resource;

    /// Of directories each of which may need the one before.
    fn resources() -> impl Strategy<Value = Vec<Resource>> {
        prop::collection::vec(any::<bool>(), 0..8).prop_map(|needs| {
            let named = |place: usize| format!("r{place}").parse().unwrap_or_else(|_| unreachable!());
            let of = |(place, needs): (usize, bool)| {
                let mut value = serde_json::json!({"name": format!("r{place}"), "type": "Stacksnap::Directory"});
                value["external_id"] = "/srv".into();
                let mut resource: Resource = serde_json::from_value(value).unwrap_or_else(|_| unreachable!());
                resource.depends_on = if needs && place > 0 { vec![named(place - 1)] } else { Vec::new() };
                resource
            };
            needs.into_iter().enumerate().map(of).collect()
        })
    }

    fn whole(plan: &Plan) -> u32 {
        let place = plan.items.iter().position(|item| item.resource.is_none() && item.snapshot.is_none());
        place.map_or(u32::MAX, |place| place as u32)
    }

    fn place(plan: &Plan, verb: Verb, of_whole: bool) -> Option<usize> {
        let whole = whole(plan);
        plan.stages
            .iter()
            .position(|stage| stage.verb == verb && !stage.is_empty() && (stage.contains(whole) == of_whole))
    }

    proptest! {
        #[test]
        fn a_snapshot_is_sealed_only_after_heat_was_looked_at(resources in resources()) {
            let bare = plan::snapshot(&Kinds::default(), &resources, Default::default());
            let mut woven = bare.clone();
            weave(&mut woven, Kind::Snapshot, true);
            prop_assert_eq!(&woven.items, &bare.items);
            let check = place(&woven, Verb::Check, true);
            let seal = woven.stages.iter().position(|stage| stage.verb == Verb::Seal);
            prop_assert_eq!(check.map(|at| at + 1), seal);
            // What undoes a snapshot still stops where it is sealed.
            for stage in &woven.stages {
                if let When::Undo { unless } = stage.when {
                    prop_assert_eq!(Some(usize::from(unless)), seal);
                }
            }
            woven.stages.remove(check.unwrap_or_default());
            prop_assert_eq!(woven.stages.len(), bare.stages.len());
        }

        #[test]
        fn a_restore_changes_the_stack_between_safety_and_data(
            resources in resources(), safety in any::<bool>(), template in any::<bool>(),
        ) {
            let Ok(bare) = plan::restore(&Kinds::default(), &resources, &[], safety) else { return Ok(()) };
            let mut woven = bare.clone();
            weave(&mut woven, Kind::Restore, template);
            let update = place(&woven, Verb::Restore, true);
            prop_assert_eq!(update.is_some(), template);
            let data = place(&woven, Verb::Restore, false);
            let seal = place(&woven, Verb::Seal, true);
            if let Some(update) = update {
                prop_assert!(seal.is_none_or(|seal| seal < update));
                prop_assert!(data.is_none_or(|data| update < data));
            }
            let check = place(&woven, Verb::Check, true).unwrap_or_default();
            prop_assert!(data.is_none_or(|data| data < check));
            let first = woven.stages.iter().position(|stage| stage.verb == Verb::Restore).map(|at| at as u16);
            prop_assert_eq!(Some(woven.stages[check].when), first.map(|after| When::Owed { after }));
            prop_assert!(woven.stages[0].contains(whole(&woven)));
        }

        #[test]
        fn the_stack_goes_last(resources in resources()) {
            let mut woven = plan::delete(&[(SnapshotId::random(), resources)]);
            weave(&mut woven, Kind::StackDelete, true);
            let last = woven.stages.last().map(|stage| (stage.verb, stage.items.clone()));
            let whole = whole(&woven);
            prop_assert_eq!(last, Some((Verb::Discard, vec![(whole, whole + 1)])));
            prop_assert!(woven.stages.iter().all(|stage| stage.on_failure == OnFailure::Stop));
        }
    }
}
