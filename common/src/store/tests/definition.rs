//! What a stack is: updated, restored, given up and taken up again; and what is counted of it.

use super::world::{Odds, World, new_stack, new_update, operation_of};
use crate::ids::{OperationId, SnapshotId, StackId};
use crate::operation::State;
use crate::record::Status;
use crate::store::actions::Action;
use crate::store::rebuild::{Rebuilt, Sealed};
use crate::store::snapshots::{NewRestore, NewSnapshot};
use crate::store::stacks::{Adopted, NewStack};
use crate::store::{Error, Settings};

async fn with_stack(settings: Settings, kinds: &[&str]) -> (World, StackId) {
    let mut world = World::new(5, Odds::default(), settings);
    let stack = world.make_stack("s", kinds).await.unwrap();
    let create = world.stack(stack).await.busy.unwrap();
    assert_eq!(world.until_ended(create).await.state, State::Complete);
    (world, stack)
}

async fn ended(world: &mut World, id: OperationId, state: State) {
    let op = world.until_ended(id).await;
    assert_eq!(op.state, state, "{op:?}");
}

async fn snapshot(world: &mut World, stack: StackId) -> SnapshotId {
    let made = world.store.create_snapshot(&world.request(), stack, &NewSnapshot::default()).await.unwrap();
    let op = world.until_ended(operation_of(&made)).await;
    assert_eq!(op.state, State::Complete);
    op.snapshot.unwrap()
}

async fn update(world: &mut World, stack: StackId, kinds: &[&str]) -> Result<(), Error> {
    let base = world.stack(stack).await.revision;
    let made = world.store.update_stack(&world.request(), stack, &new_update(base, kinds, true)).await?;
    ended(world, operation_of(&made), State::Complete).await;
    Ok(())
}

fn adopted(name: &str, id: StackId, kinds: &[&str]) -> NewStack {
    NewStack { adopted: Some(Adopted { id: Some(id) }), ..new_stack(name, kinds) }
}

#[tokio::test]
async fn what_was_made_of_an_older_stack_is_refused() {
    let (mut world, stack) = with_stack(Settings::default(), &["T::Plain"]).await;
    update(&mut world, stack, &["T::Held"]).await.unwrap();
    let old = new_update(0, &["T::Plain"], true);
    let refused = world.store.update_stack(&world.request(), stack, &old).await;
    assert!(matches!(refused, Err(Error::Changed(_))), "{refused:?}");
}

/// A restore may make a stack bigger: it is counted when it is accepted, and given back when it fails.
#[tokio::test]
async fn a_restore_that_would_pass_the_limit_is_refused() {
    let (mut world, stack) = with_stack(Settings { resources: 4, ..Settings::default() }, &["T::Plain"; 4]).await;
    let id = snapshot(&mut world, stack).await;
    update(&mut world, stack, &["T::Plain"]).await.unwrap();
    let other = world.make_stack("t", &["T::Plain"; 2]).await.unwrap();
    let restore = NewRestore::default();
    let refused = world.store.restore_snapshot(&world.request(), stack, id, &restore).await.unwrap_err();
    assert!(refused.to_string().contains("maximum resources per tenant, 4"), "{refused}");
    let gone = world.store.delete_stack(&world.request(), other).await.unwrap();
    ended(&mut world, operation_of(&gone), State::Complete).await;

    let begun = world.store.restore_snapshot(&world.request(), stack, id, &restore).await.unwrap();
    assert!(world.make_stack("t", &["T::Plain"]).await.is_err(), "its place is taken already");
    world.store.cancel(&world.project, operation_of(&begun), "me").await.unwrap();
    ended(&mut world, operation_of(&begun), State::Cancelled).await;
    assert_eq!(world.stack(stack).await.resources.len(), 1);
    world.assert_clean().await;

    let begun = world.store.restore_snapshot(&world.request(), stack, id, &restore).await.unwrap();
    ended(&mut world, operation_of(&begun), State::Complete).await;
    assert_eq!(world.stack(stack).await.resources.len(), 4);
    world.assert_clean().await;
}

#[tokio::test]
async fn a_stack_delete_cancels_an_update_and_waits_for_it() {
    let (mut world, stack) = with_stack(Settings::default(), &["T::Plain"]).await;
    let new = new_update(0, &["T::Plain", "T::Held", "T::Plain"], true);
    let updated = world.store.update_stack(&world.request(), stack, &new).await.unwrap();
    let deleted = world.store.delete_stack(&world.request(), stack).await.unwrap();
    ended(&mut world, operation_of(&deleted), State::Complete).await;
    ended(&mut world, operation_of(&updated), State::Cancelled).await;
    world.assert_clean().await;
}

#[tokio::test]
async fn what_has_no_steps_does_not_wait_for_room() {
    let settings = Settings { running: 1, ..Settings::default() };
    let (mut world, stack) = with_stack(settings, &["T::Plain"]).await;
    world.make_stack("t", &["T::Plain"]).await.unwrap();
    let suspended = world.store.act(&world.request(), stack, Action::Suspend).await.unwrap();
    ended(&mut world, operation_of(&suspended), State::Complete).await;
    assert_eq!(world.stack(stack).await.shown.word(), "SUSPEND_COMPLETE");
    world.assert_clean().await;
}

#[tokio::test]
async fn an_abandoned_stack_keeps_its_snapshots_for_the_one_that_is_adopted() {
    let settings = Settings { snapshots_per_stack: 1, ..Settings::default() };
    let (mut world, stack) = with_stack(settings, &["T::Plain", "T::Held"]).await;
    let project = world.project.clone();
    let id = snapshot(&mut world, stack).await;
    let given_up = world.store.abandon_stack(&world.request(), stack).await.unwrap();
    let early = world.store.delete_stack(&world.request(), stack).await;
    assert!(matches!(early, Err(Error::Busy { .. })), "it would take the snapshots along: {early:?}");
    ended(&mut world, operation_of(&given_up), State::Complete).await;
    world.assert_clean().await;
    world.assert_outside(&[&project]).await;
    assert!(world.store.find_stack_by_name(&project, &"s".parse().unwrap()).await.is_err());

    // However long it takes: the record is there as long as a snapshot is.
    world.store.retire(&project, operation_of(&given_up)).await.unwrap();
    assert!(world.stack(stack).await.abandoned.is_some());
    world.make_stack("s", &["T::Plain"]).await.expect("its name is free");
    let made =
        world.store.create_stack(&world.request(), &adopted("again", stack, &["T::Plain", "T::Held"])).await.unwrap();
    ended(&mut world, operation_of(&made), State::Complete).await;
    let again = world.stack(stack).await;
    assert_eq!((again.name.as_str(), again.shown.word().as_str()), ("again", "ADOPT_COMPLETE"));
    let more = world.store.create_snapshot(&world.request(), stack, &NewSnapshot::default()).await;
    assert!(matches!(more, Err(Error::Limit(_))), "it counts as before: {more:?}");
    let restored = world.store.restore_snapshot(&world.request(), stack, id, &NewRestore::default()).await.unwrap();
    ended(&mut world, operation_of(&restored), State::Complete).await;
    // What retires later leaves the new life alone.
    world.store.retire(&project, operation_of(&given_up)).await.unwrap();
    assert_eq!(world.stack(stack).await.shown.word(), "RESTORE_COMPLETE");
    let deleted = world.store.delete_stack(&world.request(), stack).await.unwrap();
    ended(&mut world, operation_of(&deleted), State::Complete).await;
    assert!(matches!(world.snapshot(id).await, Err(Error::NoSnapshot(_))));
    world.assert_clean().await;
    world.assert_outside(&[&project]).await;
}

/// What of an abandoned stack expires is deleted, and without snapshots the stack itself goes in time.
#[tokio::test]
async fn an_abandoned_stack_goes_with_its_last_snapshot() {
    let (mut world, stack) = with_stack(Settings::default(), &["T::Plain"]).await;
    let project = world.project.clone();
    let id = snapshot(&mut world, stack).await;
    let given_up = world.store.abandon_stack(&world.request(), stack).await.unwrap();
    ended(&mut world, operation_of(&given_up), State::Complete).await;
    // As the timers do when a snapshot's time is over.
    let deleted = world.store.delete_snapshot(&world.request(), stack, id).await.unwrap();
    ended(&mut world, operation_of(&deleted), State::Complete).await;
    world.store.retire(&project, operation_of(&given_up)).await.unwrap();
    assert!(matches!(world.store.find_stack(&project, stack).await, Err(Error::NoStack(_))));
    world.assert_clean().await;
    world.assert_outside(&[&project]).await;
}

#[tokio::test]
async fn a_rebuild_knows_what_is_abandoned() {
    let (mut world, stack) = with_stack(Settings::default(), &["T::Plain"]).await;
    let project = world.project.clone();
    let id = snapshot(&mut world, stack).await;
    let mut sealed = Sealed {
        snapshot: world.snapshot(id).await.unwrap(),
        captured: world.store.captured(&project, id).await.unwrap(),
        artifacts: world.store.artifacts(&project, id).await.unwrap(),
        sealed_at: world.store.now().await.unwrap(),
    };
    sealed.snapshot.status = Status::InProgress;
    let given_up = world.store.abandon_stack(&world.request(), stack).await.unwrap();
    ended(&mut world, operation_of(&given_up), State::Complete).await;
    assert_eq!(world.store.rebuild(&project, &sealed).await.unwrap(), Rebuilt::Abandoned);
    assert!(world.stack(stack).await.deleted_at.is_some(), "it is not brought back to life");
    world.assert_clean().await;

    // An empty store knows nothing of it: what is in the vault comes back as it was sealed.
    let mut empty = World::new(6, Odds::default(), Settings::default());
    assert_eq!(empty.store.rebuild(&project, &sealed).await.unwrap(), Rebuilt::Made);
    assert_eq!(empty.stack(stack).await.shown.word(), "SNAPSHOT_COMPLETE");
    empty.assert_clean().await;
    // And a stack that was adopted before the rebuild gets its snapshots from it.
    let mut adopting = World::new(6, Odds::default(), Settings::default());
    let made = adopting.store.create_stack(&adopting.request(), &adopted("s", stack, &["T::Plain"])).await.unwrap();
    ended(&mut adopting, operation_of(&made), State::Complete).await;
    assert_eq!(adopting.store.rebuild(&project, &sealed).await.unwrap(), Rebuilt::Made);
    assert_eq!(adopting.store.list_snapshots(&project, stack).await.unwrap().len(), 1);
}
