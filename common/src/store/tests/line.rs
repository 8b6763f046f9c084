//! The gate and the line before it; a level that was demanded and lost; steps that nobody can run.

use super::world::{Fate, Odds, Plot, World, new_stack, operation_of, snapshot_of};
use crate::ids::ProjectId;
use crate::operation::{Kind, State, Stop};
use crate::store::Settings;
use crate::store::keys::{all_waiting, count};
use crate::store::looks::Look;
use crate::store::snapshots::{NewRestore, NewSnapshot};
use crate::types::Consistency;

impl World {
    /// Of those that stand in line no more run than may, and as many run as are counted.
    pub(super) async fn assert_gate(&self, project: &ProjectId) {
        let ops = self.calm.list_operations(project, None, 1000).await.unwrap();
        let running: Vec<_> = ops.iter().filter(|op| !op.state.ended() && op.state != State::Waiting).collect();
        let of_line = running.iter().filter(|op| op.kind.stands_in_line()).count() as i64;
        assert!(of_line <= self.calm.settings.running, "{of_line} operations run");
        let running = running.len() as i64;
        let shard = self.calm.shard(project);
        let counted = self.calm.backend().counters(shard, &[count::running(project), count::waiting(project)]).await;
        let line = self.calm.backend().scan(shard, &all_waiting(project), None, 1000).await.unwrap().len() as i64;
        assert_eq!(counted.unwrap(), [running, line]);
    }
}

async fn with_stack(settings: Settings, kinds: &[&str]) -> (World, crate::ids::StackId) {
    let mut world = World::new(3, Odds::default(), settings);
    let stack = world.make_stack("s", kinds).await.unwrap();
    let create = world.stack(stack).await.busy.unwrap();
    world.until_ended(create).await;
    (world, stack)
}

/// Each end lets the next one in at once, not at some later look.
#[tokio::test]
async fn the_line_moves_as_soon_as_there_is_room() {
    let mut world = World::new(9, Odds::default(), Settings { running: 2, ..Settings::default() });
    let mut ops = Vec::new();
    for name in ["a", "b", "c", "d", "e", "f"] {
        let made = world.store.create_stack(&world.request(), &new_stack(name, &["T::Plain"])).await.unwrap();
        ops.push(operation_of(&made));
    }
    // One that is cancelled in the line is out of it, and does not hold it up.
    world.store.cancel(&world.project, ops[2], "me").await.unwrap();
    let mut ended = Vec::new();
    for op in &ops {
        ended.push(world.until_ended(*op).await);
        world.assert_gate(&world.project.clone()).await;
    }
    assert_eq!(ended[2].state, State::Cancelled);
    let took = ended.iter().map(|op| op.ended_at.unwrap().0).max().unwrap() - ended[0].created_at.0;
    assert!(took < 60_000, "{took} ms: something waited for a look");
    let mut started: Vec<_> = ended.iter().filter_map(|op| op.started_at).collect();
    assert_eq!(started.len(), 5);
    let in_order = started.clone();
    started.sort();
    assert_eq!(started, in_order);
    world.assert_clean().await;
}

/// The gate is closed and others wait before it: a restore begins all the same, and what waits goes on waiting.
#[tokio::test]
async fn a_restore_does_not_stand_in_line() {
    let (mut world, stack) = with_stack(Settings { running: 1, ..Settings::default() }, &["T::Plain"]).await;
    let made = world.store.create_snapshot(&world.request(), stack, &NewSnapshot::default()).await.unwrap();
    world.until_ended(operation_of(&made)).await;
    let mut ops = Vec::new();
    for name in ["a", "b", "c"] {
        let made = world.store.create_stack(&world.request(), &new_stack(name, &["T::Plain"])).await.unwrap();
        ops.push(operation_of(&made));
    }
    let snapshot = snapshot_of(&made);
    let answer = world.store.restore_snapshot(&world.request(), stack, snapshot, &NewRestore::default()).await.unwrap();
    let restore = world.calm.operation(&world.project, operation_of(&answer)).await.unwrap().value;
    assert_eq!(restore.state, State::Running);
    world.assert_gate(&world.project.clone()).await;
    assert_eq!(world.until_ended(restore.id).await.state, State::Complete);
    for op in ops {
        assert_eq!(world.until_ended(op).await.state, State::Complete);
        world.assert_gate(&world.project.clone()).await;
    }
    world.assert_clean().await;
}

/// The copy of a held cut dies once; for those who demand a level, all begins again, and then it is reached.
#[tokio::test]
async fn a_demanded_level_that_was_lost_is_tried_once_more() {
    for (times, complete) in [(1, true), (2, false)] {
        let (mut world, stack) = with_stack(Settings::default(), &["T::HeldFrozen", "T::HeldFrozen"]).await;
        let lost = |stage| Plot::of(Kind::Snapshot, stage, 0, Fate::DiesBefore);
        // The copy is stage 3, and stage 10 of the second time.
        world.plots = [3, 10].into_iter().take(times).map(lost).collect();
        let new = NewSnapshot { consistency: Some(Consistency::Group), ..NewSnapshot::default() };
        let made = world.store.create_snapshot(&world.request(), stack, &new).await.unwrap();
        let op = world.until_ended(operation_of(&made)).await;
        assert!(world.plots.iter().all(|plot| plot.struck));
        assert_eq!(op.again, 1);
        let reason = op.reason.clone().unwrap();
        assert_eq!(op.state == State::Complete, complete, "{reason}");
        let why = "consistency group was demanded and none was reached";
        assert_eq!(reason.contains(why), !complete, "{reason}");
        world.assert_clean().await;
        world.assert_outside(&[&world.project.clone()]).await;
    }
}

/// A cancel that comes while it undoes in order to begin again ends it.
#[tokio::test]
async fn what_is_cancelled_does_not_begin_again() {
    let (mut world, stack) = with_stack(Settings::default(), &["T::HeldFrozen", "T::HeldFrozen"]).await;
    let at = |stage, fate| Plot::of(Kind::Snapshot, stage, 0, fate);
    world.plots = vec![at(3, Fate::DiesBefore), at(6, Fate::Cancelled)];
    let new = NewSnapshot { consistency: Some(Consistency::Group), ..NewSnapshot::default() };
    let made = world.store.create_snapshot(&world.request(), stack, &new).await.unwrap();
    let op = world.until_ended(operation_of(&made)).await;
    assert!(world.plots.iter().all(|plot| plot.struck));
    assert_eq!((op.state, op.again), (State::Cancelled, 0), "{:?}", op.reason);
    assert!(matches!(op.stop, Some(Stop::Cancelled { .. })));
    world.assert_clean().await;
    world.assert_outside(&[&world.project.clone()]).await;
}

/// The time without a worker counts from when there was none, not from when the stage began.
#[tokio::test]
async fn a_step_without_a_worker_waits_its_time_and_then_fails() {
    let (world, stack) = with_stack(Settings::default(), &["T::Plain"]).await;
    let made = world.store.create_snapshot(&world.request(), stack, &NewSnapshot::default()).await.unwrap();
    let id = operation_of(&made);
    let look = async || {
        let mut held = None;
        for due in world.store.due(64).await.unwrap() {
            for look in world.store.look_at_items(due.shard, vec![due], false).await.unwrap() {
                if let Look::Publish(publish) = look.look {
                    held = Some((look.due, *publish));
                }
            }
        }
        held.unwrap()
    };
    world.pass(2 * 3_600_000);
    let (due, held) = look().await;
    world.store.unplaced(&due, held).await.unwrap();
    let items = world.items(id).await;
    assert!(!items[0].state.ended(), "it waits");
    assert_eq!(items[0].note.as_deref(), Some("no live worker in pool default that knows T::Plain"));
    // A worker comes, and goes again before it took it: the time begins anew.
    world.pass(3_000_000);
    let (_, held) = look().await;
    world.store.placed(&held).await.unwrap();
    assert_eq!(world.items(id).await[0].note, None);
    world.pass(3_000_000);
    let (due, held) = look().await;
    world.store.unplaced(&due, held).await.unwrap();
    assert!(!world.items(id).await[0].state.ended());
    world.pass(3_600_000);
    let (due, held) = look().await;
    world.store.unplaced(&due, held).await.unwrap();
    let mut world = world;
    let op = world.until_ended(id).await;
    assert_eq!(op.state, State::Failed);
    assert!(op.reason.unwrap().contains("no live worker in pool default that knows T::Plain for 3600 s"));
    world.assert_clean().await;
}
