//! Each single step of each kind of operation: exactly that one fails for good, dies, is run twice, is given back, or is
//! in hand when its operation is cancelled. The end must be the right one, and the world fit for use afterwards.

use super::world::{AWAY, Fate, Odds, Plot, TYPES, World, new_update, operation_of};
use crate::ids::{OperationId, SnapshotId, StackId};
use crate::operation::{Kind, Operation, State, Verb};
use crate::record::Status;
use crate::store::Settings;
use crate::store::actions::Action;
use crate::store::snapshots::{NewRestore, NewSnapshot};

const FATES: [Fate; 7] =
    [Fate::Fails, Fate::DiesBefore, Fate::DiesAfter, Fate::Twice, Fate::HandedBack, Fate::Cancelled, Fate::Away];

/// A stack, and a snapshot of it where the operation needs one.
async fn set_up(kind: Kind, plots: &[Plot]) -> (World, StackId, Option<SnapshotId>) {
    let mut world = World::new(11, Odds::default(), Settings { window: 2, ..Settings::default() });
    if kind == Kind::Create {
        world.plots = plots.to_vec();
    }
    let stack = world.make_stack("s", &TYPES).await.unwrap();
    if kind == Kind::Create {
        return (world, stack, None);
    }
    let create = world.stack(stack).await.busy.unwrap();
    world.until_ended(create).await;
    if matches!(kind, Kind::Snapshot | Kind::Update | Kind::Check) {
        world.plots = plots.to_vec();
        return (world, stack, None);
    }
    let made = world.store.create_snapshot(&world.request(), stack, &NewSnapshot::default()).await.unwrap();
    let op = world.until_ended(operation_of(&made)).await;
    assert_eq!(op.state, State::Complete);
    world.plots = plots.to_vec();
    (world, stack, op.snapshot)
}

async fn begin(world: &World, kind: Kind, stack: StackId, snapshot: Option<SnapshotId>) -> OperationId {
    let (store, request) = (&world.store, world.request());
    let answer = match (kind, snapshot) {
        (Kind::Snapshot, _) => store.create_snapshot(&request, stack, &NewSnapshot::default()).await,
        (Kind::Restore, Some(id)) => store.restore_snapshot(&request, stack, id, &NewRestore::default()).await,
        (Kind::Plan, Some(id)) => store.plan_restore(&request, stack, id, &[]).await,
        (Kind::Verify, Some(id)) => store.verify_snapshot(&request, stack, id, &[]).await,
        (Kind::SnapshotDelete, Some(id)) => store.delete_snapshot(&request, stack, id).await,
        (Kind::StackDelete, _) => store.delete_stack(&request, stack).await,
        (Kind::Check, _) => store.act(&request, stack, Action::Check).await,
        (Kind::Update, _) => {
            let base = world.stack(stack).await.revision;
            // The first is what it was, the second and third are others, the last two are new.
            let kinds =
                ["T::Plain", "T::Held", "T::Plain", "T::HeldFrozen", "OS::Neutron::Net", "T::Plain", "T::Durable"];
            store.update_stack(&request, stack, &new_update(base, &kinds, true)).await
        }
        _ => return world.stack(stack).await.busy.unwrap(),
    };
    operation_of(&answer.unwrap())
}

/// Runs one operation with what is to happen to it.
async fn run(kind: Kind, plots: &[Plot]) -> (World, StackId, Option<SnapshotId>, Operation) {
    let (mut world, stack, snapshot) = set_up(kind, plots).await;
    let id = begin(&world, kind, stack, snapshot).await;
    let op = world.until_ended(id).await;
    world.second_ones_wake().await;
    (world, stack, snapshot, op)
}

/// The steps that an operation runs.
async fn steps(kind: Kind, plots: &[Plot]) -> Vec<(Verb, u16, u32)> {
    let (world, _, _, op) = run(kind, plots).await;
    let of_op = world.done.iter().filter(|(step, _)| step.operation == op.id);
    of_op.map(|(step, verb)| (*verb, step.stage, step.index)).collect()
}

/// Whatever it was, nothing is left of it, and the stack can be protected and deleted.
async fn fit_for_use(world: &mut World, stack: StackId, what: &str) {
    let project = world.project.clone();
    world.plots.clear();
    world.assert_clean().await;
    world.assert_outside(&[&project]).await;
    if world.stack(stack).await.deleted_at.is_some() {
        return;
    }
    let made = world.store.create_snapshot(&world.request(), stack, &NewSnapshot::default()).await.unwrap();
    assert_eq!(world.until_ended(operation_of(&made)).await.state, State::Complete, "{what}");
    let deleted = world.store.delete_stack(&world.request(), stack).await.unwrap();
    assert_eq!(world.until_ended(operation_of(&deleted)).await.state, State::Complete, "{what}");
    world.assert_clean().await;
    world.assert_outside(&[&project]).await;
}

async fn each_step(kind: Kind) {
    let steps = steps(kind, &[]).await;
    assert!(!steps.is_empty());
    for (verb, stage, index) in steps {
        for fate in FATES {
            let what = format!("{} step {stage}.{index} ({}) {fate:?}", kind.as_str(), verb.as_str());
            let (mut world, stack, _, op) = run(kind, &[Plot::of(kind, stage, index, fate)]).await;
            assert!(world.plots[0].struck, "{what}: was not run");
            let reason = op.reason.clone().unwrap_or_default();
            match fate {
                Fate::Fails => {
                    assert_eq!(op.state, State::Failed, "{what}: {reason}");
                    assert!(reason.contains("drawn"), "{what}: {reason}");
                }
                Fate::Cancelled if matches!(kind, Kind::SnapshotDelete | Kind::StackDelete) => {
                    assert_eq!(op.state, State::Complete, "{what}: {reason}");
                }
                Fate::Cancelled => {
                    assert_eq!(op.state, State::Cancelled, "{what}: {reason}");
                    assert!(reason.starts_with("cancelled by somebody at "), "{what}: {reason}");
                    // A restore in hand is brought to its end.
                    let restored =
                        world.done.keys().any(|step| (step.operation, step.stage, step.index) == (op.id, stage, index));
                    assert!(verb != Verb::Restore || restored, "{what}");
                }
                // Nothing is at stake, or others wait in a freeze.
                Fate::Away if !verb.outlasts() => {
                    assert_eq!(op.state, State::Failed, "{what}: {reason}");
                    assert!(reason.contains("the vault is away (tried 5 times)"), "{what}: {reason}");
                }
                _ => assert_eq!(op.state, State::Complete, "{what}: {reason}"),
            }
            assert_eq!(world.stack(stack).await.busy, None, "{what}");
            if kind == Kind::Update {
                let (resources, revision) = if op.state == State::Complete { (7, 1) } else { (TYPES.len(), 0) };
                let stack = world.stack(stack).await;
                assert_eq!((stack.resources.len(), stack.revision), (resources, revision), "{what}: all or nothing");
            }
            fit_for_use(&mut world, stack, &what).await;
        }
    }
}

#[tokio::test]
async fn each_step_of_create() {
    Box::pin(each_step(Kind::Create)).await;
}

#[tokio::test]
async fn each_step_of_an_update() {
    Box::pin(each_step(Kind::Update)).await;
}

#[tokio::test]
async fn each_step_of_a_check() {
    Box::pin(each_step(Kind::Check)).await;
}

#[tokio::test]
async fn each_step_of_a_snapshot() {
    Box::pin(each_step(Kind::Snapshot)).await;
}

#[tokio::test]
async fn each_step_of_a_restore() {
    Box::pin(each_step(Kind::Restore)).await;
}

#[tokio::test]
async fn each_step_of_a_plan() {
    Box::pin(each_step(Kind::Plan)).await;
}

#[tokio::test]
async fn each_step_of_a_verification() {
    Box::pin(each_step(Kind::Verify)).await;
}

#[tokio::test]
async fn each_step_of_a_snapshots_delete() {
    Box::pin(each_step(Kind::SnapshotDelete)).await;
}

#[tokio::test]
async fn each_step_of_a_stacks_delete() {
    Box::pin(each_step(Kind::StackDelete)).await;
}

#[tokio::test]
async fn an_outage_that_lasts_too_long_fails_the_step() {
    let short = Settings { window: 2, outage: AWAY / 5, ..Settings::default() };
    let mut world = World::new(11, Odds::default(), short);
    let stack = world.make_stack("s", &TYPES).await.unwrap();
    let create = world.stack(stack).await.busy.unwrap();
    world.until_ended(create).await;
    world.plots = vec![Plot::of(Kind::Snapshot, 3, 0, Fate::Away)];
    let began = world.now();
    let made = world.store.create_snapshot(&world.request(), stack, &NewSnapshot::default()).await.unwrap();
    let op = world.until_ended(operation_of(&made)).await;
    let reason = op.reason.unwrap_or_default();
    assert_eq!(op.state, State::Failed, "{reason}");
    let said = reason.split_once("the vault is away (away for ").map(|(_, said)| said.split_once(" s, "));
    let Some(Some((seconds, rest))) = said else { panic!("{reason}") };
    assert!(seconds.parse::<u64>().unwrap() >= AWAY.as_secs() / 5, "{reason}");
    assert!(rest.starts_with("see worker.outage; tried 5 times)"), "{reason}");
    assert!(world.now() - began > AWAY / 5, "it was waited for");
    fit_for_use(&mut world, stack, "an outage").await;
}

/// The seal fails, so all is undone; each step of the undoing has its own fate.
#[tokio::test]
async fn each_step_of_what_is_undone() {
    for (kind, seal) in [(Kind::Snapshot, 4), (Kind::Restore, 3)] {
        let fails = Plot::of(kind, seal, 4, Fate::Fails);
        let undoing: Vec<_> = steps(kind, std::slice::from_ref(&fails))
            .await
            .into_iter()
            .filter(|(verb, ..)| matches!(verb, Verb::Unseal | Verb::Discard))
            .collect();
        assert_eq!(undoing.len(), 5, "one manifest and four artifacts");
        for (verb, stage, index) in undoing {
            for fate in FATES {
                let what = format!("{} undone, step {stage}.{index} ({}) {fate:?}", kind.as_str(), verb.as_str());
                let plots = [fails.clone(), Plot::of(kind, stage, index, fate)];
                let (mut world, stack, snapshot, op) = run(kind, &plots).await;
                let reason = op.reason.clone().unwrap_or_default();
                assert_eq!(op.state, State::Failed, "{what}: {reason}");
                assert_eq!(reason.contains("clearing up"), fate == Fate::Fails, "{what}: {reason}");
                let of = if kind == Kind::Restore { snapshot } else { op.snapshot };
                let status = world.snapshot(of.unwrap()).await.unwrap().status;
                assert_eq!(status == Status::Complete, kind == Kind::Restore, "{what}");
                fit_for_use(&mut world, stack, &what).await;
            }
        }
    }
}
