//! The pure part under random plans: whatever happens to the steps, the stages come in order and what is owed is done.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::Value;

use super::machine::{self, Next};
use super::*;
use crate::kinds::{CutKind, Kind as ResourceKind, Kinds, Property, Required};

const NONE: &[(&str, Property, Required)] = &[];

fn kind(name: &'static str, cut: CutKind, quiesce: bool) -> ResourceKind {
    ResourceKind { name, cut, quiesce, external_id: None, external_id_ok: |_| true, cloud: false, properties: NONE }
}

pub(crate) fn kinds() -> Kinds {
    Kinds::default()
        .with(kind("T::Plain", CutKind::None, false))
        .with(kind("T::Durable", CutKind::Durable, true))
        .with(kind("T::Held", CutKind::Held, false))
        .with(kind("T::HeldFrozen", CutKind::Held, true))
}

const TYPES: [&str; 5] = ["T::Plain", "T::Durable", "T::Held", "T::HeldFrozen", "OS::Neutron::Net"];

fn resource(name: usize, kind: &str, depends_on: Vec<usize>) -> Resource {
    let named = |name: usize| ResourceName::try_from(format!("r{name}")).unwrap();
    Resource {
        name: named(name),
        kind: kind.to_owned(),
        external_id: None,
        properties: BTreeMap::new(),
        depends_on: depends_on.into_iter().map(named).collect(),
        pool: PoolName::default(),
        data: Value::Null,
    }
}

/// Resources that depend only on earlier ones.
fn resources() -> impl Strategy<Value = Vec<Resource>> {
    prop::collection::vec((0..TYPES.len(), prop::collection::vec(any::<prop::sample::Index>(), 0..3)), 1..40).prop_map(
        |drawn| {
            drawn
                .into_iter()
                .enumerate()
                .map(|(place, (kind, needs))| {
                    let needs = if place == 0 { vec![] } else { needs.iter().map(|n| n.index(place)).collect() };
                    resource(place, TYPES[kind], needs)
                })
                .collect()
        },
    )
}

fn operation(kind: Kind, plan: &plan::Plan) -> Operation {
    Operation {
        schema: SCHEMA,
        id: OperationId::next(),
        project: "p".parse().unwrap(),
        stack: StackId::random(),
        stack_name: "s".parse().unwrap(),
        kind,
        snapshot: Some(SnapshotId::random()),
        safety: None,
        options: Options::default(),
        state: State::Running,
        stage: 0,
        reached: None,
        stages: plan.stages.clone(),
        items: plan.items.len() as u32,
        window: 4,
        stop: None,
        reason: None,
        requested_by: "me".to_owned(),
        created_at: Millis(0),
        started_at: None,
        stage_started_at: None,
        ended_at: None,
        trace: None,
        frozen_at: None,
        thawed_at: None,
        again: 0,
        redo: false,
        grant: None,
        changes: Default::default(),
        reserved: 0,
        rolls_back: false,
        other: BTreeMap::new(),
    }
}

/// Runs an operation's stages; before the stage at `stop_at` (counted as they are begun) ends, it is stopped.
fn verbs_run(mut op: Operation, stop_at: Option<usize>) -> (Vec<(u16, Verb, Of)>, State) {
    let mut ran = Vec::new();
    let mut begun = false;
    loop {
        match machine::next(&op, begun) {
            Next::End(state) => return (ran, state),
            Next::Start(stage) => {
                machine::start(&mut op, stage);
                begun = true;
                let at = op.current().unwrap();
                ran.push((stage, at.verb, at.of));
                if stop_at == Some(ran.len() - 1) {
                    machine::stop(&mut op, Stop::Failed { reason: "test".to_owned() });
                }
                assert!(ran.len() < 200, "never ends");
            }
        }
    }
}

fn names(of: &[&str]) -> Vec<String> {
    of.iter().map(|name| (*name).to_owned()).collect()
}

/// Only where it is asked for, and then the server alone: its volumes are cut meanwhile.
#[test]
fn servers_are_frozen_where_they_are_to_be_stopped() {
    let resources = [resource(0, "OS::Cinder::Volume", Vec::new()), resource(1, "OS::Nova::Server", vec![0])];
    let kinds = Kinds::default().with_cloud();
    for (servers, frozen) in [(ServerMode::Run, &[][..]), (ServerMode::Stop, &["r1"])] {
        let plan = plan::snapshot(&kinds, &resources, servers);
        let of = |verb: Verb| {
            let stage = plan.stages.iter().find(|stage| stage.verb == verb).unwrap();
            let items = (0..plan.items.len() as u32).filter(|item| stage.contains(*item));
            items.map(|item| plan.items[item as usize].resource.clone().unwrap().name.to_string()).collect::<Vec<_>>()
        };
        assert_eq!((of(Verb::Quiesce), of(Verb::Thaw)), (names(frozen), names(frozen)));
        assert_eq!((of(Verb::Cut), of(Verb::Copy)), (names(&["r0", "r1"]), names(&["r0", "r1"])));
    }
}

proptest! {
    #[test]
    fn levels_come_after_what_they_need(resources in resources()) {
        let levels = plan::levels(&resources).unwrap();
        for (place, resource) in resources.iter().enumerate() {
            for need in &resource.depends_on {
                let needed = resources.iter().position(|other| other.name == *need).unwrap();
                prop_assert!(levels[needed] < levels[place]);
            }
        }
    }

    #[test]
    fn a_circle_is_named(resources in resources(), at in any::<prop::sample::Index>()) {
        let mut resources = resources;
        let place = at.index(resources.len());
        let own = resources[place].name.clone();
        resources[place].depends_on.push(own.clone());
        let circle = plan::levels(&resources).unwrap_err();
        prop_assert!(circle.0.contains(&own));
    }

    #[test]
    fn every_protectable_resource_is_copied_once_and_no_other(resources in resources()) {
        let plan = plan::snapshot(&kinds(), &resources, ServerMode::Run);
        let copy = plan.stages.iter().find(|stage| stage.verb == Verb::Copy).unwrap();
        let copied: Vec<_> = (0..plan.items.len() as u32)
            .filter(|item| copy.contains(*item))
            .map(|item| plan.items[item as usize].resource.clone().unwrap().name)
            .collect();
        let known = kinds();
        let wanted: Vec<_> =
            resources.iter().filter(|r| known.get(&r.kind).is_some()).map(|r| r.name.clone()).collect();
        prop_assert_eq!(copied, wanted);
        prop_assert_eq!(plan.unprotected.len() + copy.len() as usize, resources.len());
        prop_assert_eq!(copy.held.iter().map(|(a, b)| b - a).sum::<u32>() as usize,
            resources.iter().filter(|r| r.kind.starts_with("T::Held")).count());
    }

    /// Published by windows, chained by ends: each item exactly once, never more than a window at a time.
    #[test]
    fn chains_publish_each_item_once(resources in resources(), window in 1_u32..9, order in any::<u64>()) {
        let plan = plan::snapshot(&kinds(), &resources, ServerMode::Run);
        for stage in &plan.stages {
            let mut out: Vec<u32> = stage.first_window(window);
            let mut seen = BTreeSet::new();
            let mut turn = order;
            while !out.is_empty() {
                prop_assert!(out.len() <= window as usize);
                turn = turn.rotate_left(7).wrapping_mul(31).wrapping_add(1);
                let item = out.remove((turn % out.len() as u64) as usize);
                prop_assert!(seen.insert(item), "twice");
                out.extend(stage.after(item, window));
            }
            let held: u32 = stage.held.iter().map(|(a, b)| b - a).sum();
            prop_assert_eq!(seen.len() as u32 + held, stage.len());
        }
    }

    #[test]
    fn a_snapshot_that_is_stopped_anywhere_thaws_and_undoes(resources in resources(), stop in 0_usize..8) {
        let plan = plan::snapshot(&kinds(), &resources, ServerMode::Run);
        let all = verbs_run(operation(Kind::Snapshot, &plan), None);
        prop_assert_eq!(all.1, State::Complete);
        prop_assert!(all.0.iter().all(|(_, verb, _)| *verb != Verb::Discard));
        let stop = stop.min(all.0.len() - 1);
        let (ran, state) = verbs_run(operation(Kind::Snapshot, &plan), Some(stop));
        prop_assert_eq!(state, State::Failed);
        let has = |wanted| ran.iter().any(|(_, verb, _)| *verb == wanted);
        prop_assert_eq!(has(Verb::Quiesce), has(Verb::Thaw), "thaw is owed exactly if quiesce was tried");
        let discards = plan.stages.iter().any(|stage| stage.verb == Verb::Discard && !stage.is_empty());
        prop_assert_eq!(has(Verb::Discard), discards);
        let places: Vec<_> = ran.iter().map(|(stage, ..)| *stage).collect();
        prop_assert!(places.is_sorted());
        let unseal = ran.iter().position(|(_, verb, _)| *verb == Verb::Unseal);
        let discard = ran.iter().position(|(_, verb, _)| *verb == Verb::Discard);
        prop_assert!(discard.is_none() || unseal < discard, "the manifest goes first");
    }

    #[test]
    fn a_restore_keeps_its_safety_snapshot_once_it_is_sealed(resources in resources(), stop in 0_usize..12) {
        let plan = plan::restore(&kinds(), &resources, &[], true).unwrap();
        let (all, _) = verbs_run(operation(Kind::Restore, &plan), None);
        let stop = stop.min(all.len() - 1);
        let (ran, _) = verbs_run(operation(Kind::Restore, &plan), Some(stop));
        let restored = ran.iter().any(|(_, verb, _)| *verb == Verb::Restore);
        let undone = ran.iter().any(|(_, verb, of)| *verb == Verb::Unseal && *of == Of::Safety);
        prop_assert!(!(restored && undone), "what was overwritten is gone for good");
        let after_stop: Vec<_> = ran[stop + 1..].iter().map(|(_, verb, _)| *verb).collect();
        prop_assert!(!after_stop.contains(&Verb::Restore), "nothing further is touched");
    }

    #[test]
    fn what_leaves_is_kept_and_nothing_else_is_done_to_it(stay in resources(), leave in resources(), safety in any::<bool>()) {
        let renamed = |resource: Resource| Resource { name: format!("left_{}", resource.name).parse().unwrap(), ..resource };
        let leave: Vec<_> = leave.into_iter().map(renamed).collect();
        let plan = plan::restore(&kinds(), &stay, &leave, safety).unwrap();
        let leaves = plan.items.iter().filter(|item| item.leaves).count();
        let known = leave.iter().filter(|resource| kinds().get(&resource.kind).is_some()).count();
        prop_assert_eq!(leaves, if safety { known } else { 0 });
        prop_assert!(plan.items.last().is_some_and(|item| item.resource.is_none() && !item.leaves));
        for (place, item) in plan.items.iter().enumerate().filter(|(_, item)| item.resource.is_some()) {
            let of = |verb| plan.stages.iter().any(|stage| stage.verb == verb && stage.contains(place as u32));
            prop_assert_eq!((of(Verb::Preview), of(Verb::Restore)), (!item.leaves, !item.leaves));
            prop_assert_eq!((of(Verb::Copy), of(Verb::Discard)), (safety, safety));
        }
    }

    #[test]
    fn a_plan_done_again_ends_like_the_first(resources in resources()) {
        let mut plan = plan::snapshot(&kinds(), &resources, ServerMode::Run);
        let length = plan.stages.len();
        plan::again(&mut plan.stages, length);
        let mut op = operation(Kind::Snapshot, &plan);
        op.stage = length as u16;
        let (ran, state) = verbs_run(op, None);
        let (first, _) = verbs_run(operation(Kind::Snapshot, &plan::snapshot(&kinds(), &resources, ServerMode::Run)), None);
        prop_assert_eq!(state, State::Complete);
        let verbs = |ran: &[(u16, Verb, Of)]| ran.iter().map(|(_, verb, _)| *verb).collect::<Vec<_>>();
        prop_assert_eq!(verbs(&ran), verbs(&first));
    }
}

#[test]
fn the_first_reason_to_stop_stays() {
    let plan = plan::each(&kinds(), &[resource(0, "T::Plain", vec![])], Verb::Check);
    let mut op = operation(Kind::Create, &plan);
    assert!(machine::stop(&mut op, Stop::Failed { reason: "first".to_owned() }));
    assert!(!machine::stop(&mut op, Stop::Cancelled { by: "x".to_owned(), at: Millis(1) }));
    assert_eq!(op.stop, Some(Stop::Failed { reason: "first".to_owned() }));
}

#[test]
fn fields_that_are_not_known_survive_a_rewrite() {
    let plan = plan::each(&kinds(), &[resource(0, "T::Plain", vec![])], Verb::Check);
    let mut record = serde_json::to_value(operation(Kind::Create, &plan)).unwrap();
    record["a_newer_field"] = Value::from(7);
    let op: Operation = serde_json::from_value(record.clone()).unwrap();
    assert_eq!(serde_json::to_value(op).unwrap(), record);
    let mut record = serde_json::to_value(&plan.items[0]).unwrap();
    record["a_newer_field"] = Value::from("x");
    let item: Item = serde_json::from_value(record.clone()).unwrap();
    assert_eq!(serde_json::to_value(item).unwrap(), record);
}
