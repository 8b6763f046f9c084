//! Plans: from what is asked to items and stages. Pure.
//!
//! - snapshot: quiesce → cut → thaw (owed) → copy → seal; undo: unseal, discard
//! - restore: preview → [safety: cut → copy → seal] → restore, level by level; undo of the safety snapshot until sealed.
//!   The safety snapshot has more than what is restored where resources leave the stack by it
//! - plan: preview; verify: verify; create, adopt, update, check: check; suspend, resume, abandon: nothing
//! - snapshot-delete, stack-delete: unseal → discard
//!
//! A stage without items is never begun, so a plan always has all the stages of its kind, and their places are fixed.

use std::collections::{BTreeMap, BTreeSet};

use super::{Item, Of, OnFailure, Stage, Verb, When};
use crate::ids::{PoolName, ResourceName, SnapshotId};
use crate::kinds::{CutKind, Kinds};
use crate::types::{Resource, ServerMode};

#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    pub items: Vec<Item>,
    pub stages: Vec<Stage>,
    /// What no driver protects, and why.
    pub unprotected: Vec<(Resource, String)>,
}

/// The resources depend on each other in a circle; the names are those that are in it or behind it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Circular Dependency Found: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))]
pub struct Circle(pub Vec<ResourceName>);

/// For each resource how many levels of others come before it. A dependency on a name that is not among them is not
/// waited for.
pub fn levels(resources: &[Resource]) -> Result<Vec<usize>, Circle> {
    let index: BTreeMap<_, _> = resources.iter().enumerate().map(|(i, resource)| (&resource.name, i)).collect();
    // Each is taken once all that it needs are, so every dependency is looked at twice.
    let mut missing = vec![0; resources.len()];
    let mut needed_by = vec![Vec::new(); resources.len()];
    for (i, resource) in resources.iter().enumerate() {
        let needs: BTreeSet<usize> = resource.depends_on.iter().filter_map(|name| index.get(name).copied()).collect();
        missing[i] = needs.len();
        needs.into_iter().for_each(|need| needed_by[need].push(i));
    }
    let mut level = vec![0; resources.len()];
    let mut ready: Vec<usize> = (0..resources.len()).filter(|i| missing[*i] == 0).collect();
    let mut taken = 0;
    while let Some(i) = ready.pop() {
        taken += 1;
        for &next in &needed_by[i] {
            level[next] = level[next].max(level[i] + 1);
            missing[next] -= 1;
            if missing[next] == 0 {
                ready.push(next);
            }
        }
    }
    if taken < resources.len() {
        let left = (0..resources.len()).filter(|i| missing[*i] > 0);
        return Err(Circle(left.map(|i| resources[i].name.clone()).collect()));
    }
    Ok(level)
}

/// `servers`: what is done to servers while they are cut.
pub fn snapshot(kinds: &Kinds, resources: &[Resource], servers: ServerMode) -> Plan {
    let (items, unprotected) = protectable(kinds, resources);
    let all = places(&items, |_| true);
    // A freeze has items of its own, behind the whole: a held copy runs on while its resource is thawed.
    let freezes = |resource: &&Resource| kinds.get(&resource.kind).is_some_and(|kind| kind.freezes(servers));
    let frozen: Vec<_> = items.iter().filter(freezes).cloned().collect();
    let first = items.len() as u32 + 1;
    let quiesce = if frozen.is_empty() { Vec::new() } else { vec![(first, first + frozen.len() as u32)] };
    let going = |verb, items| Stage { items, ..stage(verb, Of::Snapshot, When::Going, OnFailure::Stop) };
    let undo = |verb, items| Stage { items, ..stage(verb, Of::Snapshot, When::Undo { unless: 4 }, OnFailure::GoOn) };
    let whole = whole_after(&items);
    let stages = vec![
        going(Verb::Quiesce, quiesce.clone()),
        going(Verb::Cut, cuttable(kinds, &items)),
        Stage { items: quiesce, ..stage(Verb::Thaw, Of::Snapshot, When::Owed { after: 0 }, OnFailure::GoOn) },
        Stage { held: held(kinds, &items), ..going(Verb::Copy, all.clone()) },
        going(Verb::Seal, whole.clone()),
        undo(Verb::Unseal, whole),
        undo(Verb::Discard, all),
    ];
    let mut items = with_whole(items, None);
    items.extend(frozen.into_iter().map(|resource| {
        let pool = resource.pool.clone();
        Item::new(Some(resource), None, pool)
    }));
    Plan { items, stages, unprotected }
}

/// `resources` are those to be restored, as they are to be after it. `leaving`: those that the stack has now and will not
/// have then, so that their data goes with them: the safety snapshot is of them too.
pub fn restore(kinds: &Kinds, resources: &[Resource], leaving: &[Resource], safety: bool) -> Result<Plan, Circle> {
    let levels = levels(resources)?;
    let (mut items, mut unprotected) = protectable(kinds, resources);
    let restored = places(&items, |_| true);
    let stay = items.len();
    if safety {
        let (more, foreign) = protectable(kinds, leaving);
        items.extend(more);
        unprotected.extend(foreign);
    }
    let level_of: BTreeMap<_, _> = resources.iter().map(|resource| &resource.name).zip(levels).collect();
    let all = places(&items, |_| true);
    let whole = whole_after(&items);
    let when_safe = |items: Vec<(u32, u32)>| if safety { items } else { Vec::new() };
    let of_safety =
        |verb, on_failure, items| Stage { items: when_safe(items), ..stage(verb, Of::Safety, When::Going, on_failure) };
    let undo = |verb, items| Stage {
        items: when_safe(items),
        ..stage(verb, Of::Safety, When::Undo { unless: 3 }, OnFailure::GoOn)
    };
    let mut stages = vec![
        Stage { items: restored, ..stage(Verb::Preview, Of::Snapshot, When::Going, OnFailure::Stop) },
        of_safety(Verb::Cut, OnFailure::NoteGone, cuttable(kinds, &items)),
        Stage { held: when_safe(held(kinds, &items)), ..of_safety(Verb::Copy, OnFailure::NoteGone, all.clone()) },
        of_safety(Verb::Seal, OnFailure::Stop, whole.clone()),
    ];
    let deepest = level_of.values().copied().max().unwrap_or(0);
    for level in 0..=deepest {
        let items = places(&items, |resource| level_of.get(&resource.name) == Some(&level));
        stages.push(Stage { items, ..stage(Verb::Restore, Of::Snapshot, When::Going, OnFailure::Stop) });
    }
    stages.push(undo(Verb::Unseal, whole));
    stages.push(undo(Verb::Discard, all));
    let mut items = with_whole(items, None);
    for item in items.iter_mut().skip(stay).filter(|item| item.resource.is_some()) {
        item.leaves = true;
    }
    Ok(Plan { items, stages, unprotected })
}

/// One verb on every resource that has a driver: check, preview, verify. All are run, whatever one of them says.
pub fn each(kinds: &Kinds, resources: &[Resource], verb: Verb) -> Plan {
    let (items, unprotected) = protectable(kinds, resources);
    let stages =
        vec![Stage { items: places(&items, |_| true), ..stage(verb, Of::Snapshot, When::Going, OnFailure::GoOn) }];
    let mut items = with_whole(items, None);
    // There is nothing to be done to the whole.
    items.pop();
    Plan { items, stages, unprotected }
}

/// An operation that changes records alone.
pub fn nothing() -> Plan {
    Plan { items: Vec::new(), stages: Vec::new(), unprotected: Vec::new() }
}

/// Takes snapshots away, each with the resources that it has artifacts of: first all manifests, then the artifacts, so
/// that nothing sealed ever lacks a part.
pub fn delete(snapshots: &[(SnapshotId, Vec<Resource>)]) -> Plan {
    let mut items: Vec<_> = snapshots
        .iter()
        .map(|(snapshot, resources)| {
            let pool = resources.first().map(|resource| resource.pool.clone()).unwrap_or_default();
            Item::new(None, Some(*snapshot), pool)
        })
        .collect();
    let manifests = items.len() as u32;
    items.extend(snapshots.iter().flat_map(|(snapshot, resources)| {
        resources.iter().map(|resource| Item::new(Some(resource.clone()), Some(*snapshot), resource.pool.clone()))
    }));
    let range = |from, to| if from == to { Vec::new() } else { vec![(from, to)] };
    let stages = vec![
        Stage { items: range(0, manifests), ..stage(Verb::Unseal, Of::Snapshot, When::Going, OnFailure::Stop) },
        Stage {
            items: range(manifests, items.len() as u32),
            ..stage(Verb::Discard, Of::Snapshot, When::Going, OnFailure::GoOn)
        },
    ];
    Plan { items, stages, unprotected: Vec::new() }
}

/// The same stages once more, after those that there are: a held cut was lost and a level is demanded.
pub fn again(stages: &mut Vec<Stage>, length: usize) {
    let shift = stages.len() as u16;
    let from = stages.len() - length;
    for i in from..from + length {
        let mut stage = stages[i].clone();
        let first = from as u16;
        stage.when = match stage.when {
            When::Going => When::Going,
            When::Owed { after } => When::Owed { after: after - first + shift },
            When::Undo { unless } => When::Undo { unless: unless - first + shift },
        };
        stages.push(stage);
    }
}

fn stage(verb: Verb, of: Of, when: When, on_failure: OnFailure) -> Stage {
    Stage { verb, of, when, on_failure, items: Vec::new(), held: Vec::new() }
}

fn protectable(kinds: &Kinds, resources: &[Resource]) -> (Vec<Resource>, Vec<(Resource, String)>) {
    let (known, foreign): (Vec<_>, Vec<_>) =
        resources.iter().cloned().partition(|resource| kinds.get(&resource.kind).is_some());
    let why = |resource: Resource| {
        let why = format!("no driver for {}", resource.kind);
        (resource, why)
    };
    (known, foreign.into_iter().map(why).collect())
}

fn cuttable(kinds: &Kinds, items: &[Resource]) -> Vec<(u32, u32)> {
    let is_cut = |cut| matches!(cut, CutKind::Durable | CutKind::Held);
    places(items, |resource| kinds.get(&resource.kind).is_some_and(|kind| is_cut(kind.cut)))
}

fn held(kinds: &Kinds, items: &[Resource]) -> Vec<(u32, u32)> {
    places(items, |resource| kinds.get(&resource.kind).is_some_and(|kind| kind.cut == CutKind::Held))
}

/// The half-open ranges of places whose resource is wanted.
fn places(items: &[Resource], wanted: impl Fn(&Resource) -> bool) -> Vec<(u32, u32)> {
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for place in items.iter().enumerate().filter(|(_, resource)| wanted(resource)).map(|(place, _)| place as u32) {
        match ranges.last_mut() {
            Some((_, to)) if *to == place => *to += 1,
            _ => ranges.push((place, place + 1)),
        }
    }
    ranges
}

/// The place of the whole, behind all resources.
fn whole_after(items: &[Resource]) -> Vec<(u32, u32)> {
    let place = items.len() as u32;
    vec![(place, place + 1)]
}

fn with_whole(resources: Vec<Resource>, snapshot: Option<SnapshotId>) -> Vec<Item> {
    let pool = resources.first().map_or_else(PoolName::default, |resource| resource.pool.clone());
    let mut items: Vec<_> = resources
        .into_iter()
        .map(|resource| {
            let pool = resource.pool.clone();
            Item::new(Some(resource), snapshot, pool)
        })
        .collect();
    items.push(Item::new(None, snapshot, pool));
    items
}
