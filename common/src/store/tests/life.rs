//! Whatever is drawn, every operation ends, no step ends well twice, what was frozen is thawed, and nothing is left over.

use proptest::prelude::*;

use super::world::{Odds, TYPES, World, ask, operation_of, snapshot_of};
use crate::ids::{OperationId, ProjectId, SnapshotId, StackId};
use crate::operation::{ItemState, State, Verb};
use crate::record::Status;
use crate::store::actions::Action;
use crate::store::snapshots::{NewRestore, NewSnapshot};
use crate::store::stacks::{Adopted, NewStack};
use crate::store::{Error, Settings};
use crate::types::Consistency;

fn seldom(most: u8) -> impl Strategy<Value = u8> {
    prop_oneof![Just(0_u8), Just(0), 0..most]
}

fn odds() -> impl Strategy<Value = Odds> {
    let runs = (0_u8..40, 0_u8..60, seldom(20), seldom(30), 0_u8..60, 0_u8..40);
    let rest = (0_u8..60, 0_u8..60, seldom(30), prop_oneof![Just(0_u8), Just(0), 8..40_u8]);
    (runs, rest).prop_map(|(runs, rest)| {
        let (dies, retries, fails, gone, later, hands_back) = runs;
        let (loses_job, doubles_job, cancels, faults) = rest;
        Odds { dies, retries, fails, gone, later, hands_back, loses_job, doubles_job, cancels, faults }
    })
}

fn settings() -> Settings {
    Settings { window: 3, attempts: 4, running: 2, ..Settings::default() }
}

fn block_on(future: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future);
}

/// A stack's whole life: made, snapshotted, restored, looked at, verified, its snapshot deleted, deleted.
async fn life(seed: u64, odds: Odds, kinds: Vec<usize>, demand: Option<Consistency>) {
    let mut world = World::new(seed, odds, settings());
    let project = world.project.clone();
    let kinds: Vec<&str> = kinds.into_iter().map(|kind| TYPES[kind]).collect();
    let stack = world.make_stack("s", &kinds).await.unwrap();
    let create = world.stack(stack).await.busy.unwrap();
    world.until_ended(create).await;
    assert_eq!(world.stack(stack).await.busy, None);

    let new = NewSnapshot { consistency: demand, ..NewSnapshot::default() };
    let made = ask!(world, &project, create_snapshot(stack, &new)).unwrap();
    let id = snapshot_of(&made);
    let op = world.until_ended(operation_of(&made)).await;
    let snapshot = world.snapshot(id).await.unwrap();
    let artifacts = world.calm.artifacts(&project, id).await.unwrap();
    if op.state == State::Complete {
        assert_eq!(snapshot.status, Status::Complete);
        assert_eq!(artifacts.len(), kinds.len(), "each resource is protected or named");
        assert!(demand.is_none_or(|demand| snapshot.consistency >= Some(demand)));
        restored(&mut world, stack, id).await;
    } else {
        assert_eq!(snapshot.status, Status::Failed);
        for item in world.items(op.id).await.iter().filter(|item| !item.tried.is_empty()) {
            assert!(item.state.ended(), "{item:?}");
        }
    }
    let deleted = ask!(world, &project, delete_snapshot(stack, id)).unwrap();
    let op = world.until_ended(operation_of(&deleted)).await;
    match op.state {
        State::Complete => assert!(matches!(world.snapshot(id).await, Err(Error::NoSnapshot(_)))),
        _ => assert_eq!(world.snapshot(id).await.unwrap().status, Status::Failed),
    }
    let deleted = ask!(world, &project, delete_stack(stack)).unwrap();
    let op = world.until_ended(operation_of(&deleted)).await;
    if op.state == State::Complete {
        assert!(world.stack(stack).await.deleted_at.is_some());
        assert!(world.calm.list_snapshots(&project, stack).await.unwrap().is_empty());
        world.make_stack("s", &kinds).await.expect("the name is free again");
    }
    world.assert_clean().await;
    world.assert_outside(&[&project]).await;
}

async fn restored(world: &mut World, stack: StackId, id: SnapshotId) {
    let project = world.project.clone();
    let protected = world.calm.artifacts(&project, id).await.unwrap().iter().filter(|a| a.protected).count();
    let made = ask!(world, &project, restore_snapshot(stack, id, &NewRestore::default())).unwrap();
    let op = world.until_ended(operation_of(&made)).await;
    let restores = world.done.iter().filter(|(s, verb)| s.operation == op.id && **verb == Verb::Restore).count();
    let safety = world.snapshot(op.safety.unwrap()).await;
    let reason = op.reason.unwrap();
    if op.state == State::Complete {
        assert_eq!(restores, protected);
    } else {
        assert_eq!(reason.contains("; restored: "), restores > 0, "{reason}");
    }
    if restores > 0 {
        assert_eq!(safety.unwrap().status, Status::Complete, "nothing is touched before it is safe");
    } else if op.state != State::Complete {
        assert!(safety.is_err() || reason.contains("in safety snapshot"), "{reason}");
    }
    for item in world.items(op.id).await {
        assert!(!matches!(item.state, ItemState::Running { .. }), "{item:?}");
    }
    let planned = ask!(world, &project, plan_restore(stack, id, &[])).unwrap();
    world.until_ended(operation_of(&planned)).await;
    let verified = ask!(world, &project, verify_snapshot(stack, id, &[])).unwrap();
    let op = world.until_ended(operation_of(&verified)).await;
    let seen = world.snapshot(id).await.unwrap();
    assert_eq!(seen.last_verified.is_some(), op.state == State::Complete);
    assert_eq!(seen.verify_failed.map(|failed| failed.reason), op.reason.filter(|_| op.state == State::Failed));
    assert_eq!(seen.busy, None);
}

/// One request, of whatever kind, on whatever is there.
async fn request(world: &mut World, project: &ProjectId, asked: &mut Vec<OperationId>) {
    let stacks = world.calm.list_stacks(project).await.unwrap();
    let live: Vec<_> = stacks.iter().filter(|stack| stack.deleted_at.is_none()).map(|stack| stack.id).collect();
    let what = world.draw() % 24;
    let abandoned = stacks.iter().find(|stack| stack.abandoned.is_some()).map(|stack| stack.id);
    if let (Some(id), 16..18) = (abandoned, what) {
        let kinds = some_kinds(world);
        let adopted = Some(Adopted { id: Some(id) });
        let new = NewStack { adopted, ..super::world::new_stack(["a", "b", "c"][live.len().min(2)], &kinds) };
        return note(ask!(world, project, create_stack(&new)), asked);
    }
    if live.len() < 2 && what < 6 {
        let name = ["a", "b", "c"][live.len()];
        let kinds = some_kinds(world);
        let new = super::world::new_stack(name, &kinds);
        return note(ask!(world, project, create_stack(&new)), asked);
    }
    if live.is_empty() {
        return;
    }
    let stack = live[world.draw() as usize % live.len()];
    let snapshots = world.calm.list_snapshots(project, stack).await.unwrap();
    let snapshot = snapshots.get(world.draw() as usize % snapshots.len().max(1)).map(|snapshot| snapshot.id);
    let demands = [None, Some(Consistency::Crash), Some(Consistency::Group)];
    let new = NewSnapshot { consistency: demands[world.draw() as usize % 3], ..NewSnapshot::default() };
    match (what, snapshot) {
        (0..6, _) => note(ask!(world, project, create_snapshot(stack, &new)), asked),
        (6..9, Some(id)) => note(ask!(world, project, restore_snapshot(stack, id, &NewRestore::default())), asked),
        (9..11, Some(id)) => note(ask!(world, project, delete_snapshot(stack, id)), asked),
        (11, Some(id)) => note(ask!(world, project, verify_snapshot(stack, id, &[])), asked),
        (12, Some(id)) => note(ask!(world, project, plan_restore(stack, id, &[])), asked),
        (13, _) => note(ask!(world, project, delete_stack(stack)), asked),
        (14, _) if !asked.is_empty() => {
            let id = asked[world.draw() as usize % asked.len()];
            match world.calm.cancel(project, id, "somebody").await {
                Ok(_) | Err(Error::NotCancellable { .. } | Error::NoOperation(_)) => {}
                Err(error) => panic!("{error}"),
            }
        }
        (15 | 16, _) => note(ask!(world, project, abandon_stack(stack)), asked),
        (17 | 18, _) => {
            let base = world.calm.find_stack(project, stack).await.unwrap().revision;
            let kinds = some_kinds(world);
            let new = super::world::new_update(base, &kinds, world.draw().is_multiple_of(2));
            note(ask!(world, project, update_stack(stack, &new)), asked);
        }
        (19, _) => {
            let rollback = world.draw().is_multiple_of(2);
            // What it stops is known already.
            note(ask!(world, project, cancel_update(stack, rollback)), &mut Vec::new());
        }
        (20.., _) => {
            let action = [Action::Suspend, Action::Resume, Action::Check][world.draw() as usize % 3];
            note(ask!(world, project, act(stack, action)), asked);
        }
        _ => {}
    }
}

fn some_kinds(world: &mut World) -> Vec<&'static str> {
    (0..world.draw() % 6).map(|_| TYPES[world.draw() as usize % TYPES.len()]).collect()
}

/// What may be refused, where requests come at any time.
fn note(answer: Result<crate::record::Answer, Error>, asked: &mut Vec<OperationId>) {
    match answer {
        Ok(answer) => asked.push(operation_of(&answer)),
        Err(
            Error::Busy { .. }
            | Error::SnapshotBusy { .. }
            | Error::NotSupported(_)
            | Error::Unsupported(_)
            | Error::Changed(_)
            | Error::Exists(_)
            | Error::NoStack(_)
            | Error::NoSnapshot(_),
        ) => {}
        Err(error) => panic!("{error}"),
    }
}

/// Two projects, each with a few stacks, and requests at any time.
async fn lives(seed: u64, odds: Odds, requests: usize) {
    let mut world = World::new(seed, odds, settings());
    let projects: [ProjectId; 2] = ["p".parse().unwrap(), "q".parse().unwrap()];
    let mut asked = [Vec::new(), Vec::new()];
    for _ in 0..requests {
        let which = world.draw() as usize % 2;
        request(&mut world, &projects[which], &mut asked[which]).await;
        for _ in 0..world.draw() % 120 {
            world.turn().await;
            for project in &projects {
                world.assert_gate(project).await;
            }
        }
    }
    world.until_still().await;
    for project in &projects {
        world.assert_clean_of(project).await;
    }
    world.assert_outside(&[&projects[0], &projects[1]]).await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_every_operation_ends_and_nothing_is_left(
        seed in any::<u64>(),
        odds in odds(),
        kinds in prop::collection::vec(0..TYPES.len(), 1..9),
        demand in prop::option::of(prop::sample::select(vec![Consistency::Crash, Consistency::Group])),
    ) {
        block_on(life(seed, odds, kinds, demand));
    }

    #[test]
    fn whatever_is_asked_of_two_projects_ends_and_nothing_is_left(
        seed in any::<u64>(),
        odds in odds(),
        requests in 1..16_usize,
    ) {
        block_on(lives(seed, odds, requests));
    }
}

#[tokio::test]
async fn nothing_goes_wrong_and_all_is_well() {
    let mut world = World::new(7, Odds::default(), settings());
    let stack = world.make_stack("s", &TYPES).await.unwrap();
    let create = world.stack(stack).await.busy.unwrap();
    assert_eq!(world.until_ended(create).await.state, State::Complete);
    let made = world.store.create_snapshot(&world.request(), stack, &NewSnapshot::default()).await.unwrap();
    let op = world.until_ended(operation_of(&made)).await;
    assert_eq!(op.state, State::Complete, "{op:?}");
    let snapshot = world.snapshot(op.snapshot.unwrap()).await.unwrap();
    assert_eq!(snapshot.protected, 4);
    assert_eq!(
        snapshot.status_reason.as_deref(),
        Some("4 of 5 resources protected; not: r4 (no driver for OS::Neutron::Net)")
    );
    assert_eq!(world.stack(stack).await.shown.word(), "SNAPSHOT_COMPLETE");
    let events = world.store.list_events(&world.project, stack).await.unwrap();
    let words: Vec<_> = events.iter().map(|event| event.shown.word()).collect();
    assert_eq!(words.last().map(String::as_str), Some("SNAPSHOT_COMPLETE"));
    // The stack, four resources, and one that no driver protects, which shows it at the end.
    assert_eq!(words.iter().filter(|word| *word == "SNAPSHOT_IN_PROGRESS").count(), 6, "{words:?}");
    world.assert_clean().await;
    world.assert_outside(&[&world.project.clone()]).await;
}
