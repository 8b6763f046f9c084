//! A store that was lost, made again from what was sealed.

use super::world::{Odds, World, operation_of};
use crate::operation::State;
use crate::record::Status;
use crate::store::rebuild::{Rebuilt, Sealed};
use crate::store::snapshots::{NewRestore, NewSnapshot};
use crate::store::{Error, Settings};

/// What the manifests of a stack's snapshots say, newest first: the records as they are when the seal is written.
async fn sealed(world: &World, stack: crate::ids::StackId) -> Vec<Sealed> {
    let mut sealed = Vec::new();
    for mut snapshot in world.store.list_snapshots(&world.project, stack).await.unwrap() {
        let captured = world.store.captured(&world.project, snapshot.id).await.unwrap();
        let artifacts = world.store.artifacts(&world.project, snapshot.id).await.unwrap();
        let sealed_at = snapshot.ended_at.unwrap();
        snapshot.status = Status::InProgress;
        snapshot.ended_at = None;
        snapshot.expires_at = None;
        sealed.insert(0, Sealed { snapshot, captured, artifacts, sealed_at });
    }
    sealed
}

#[tokio::test]
async fn what_was_sealed_is_listed_shown_restored_and_deleted_again() {
    let mut old = World::new(5, Odds::default(), Settings::default());
    let stack = old.make_stack("s", &["T::Plain", "T::Held"]).await.unwrap();
    let create = old.store.find_stack(&old.project, stack).await.unwrap().busy.unwrap();
    old.until_ended(create).await;
    for _ in 0..2 {
        let begun = old.store.create_snapshot(&old.request(), stack, &NewSnapshot::default()).await.unwrap();
        assert_eq!(old.until_ended(operation_of(&begun)).await.state, State::Complete);
        old.pass(5_000);
    }
    let sealed = sealed(&old, stack).await;

    let mut new = World::new(6, Odds::default(), Settings { snapshots_per_stack: 2, ..Settings::default() });
    for _ in 0..2 {
        let project = new.project.clone();
        let mut became = Vec::new();
        for one in &sealed {
            became.push(new.store.rebuild(&project, one).await.unwrap());
        }
        let again = new.store.list_snapshots(&project, stack).await.unwrap();
        let before = old.store.list_snapshots(&project, stack).await.unwrap();
        for (again, before) in again.iter().zip(&before) {
            assert_eq!(
                (again.id, again.status, &again.status_reason),
                (before.id, Status::Complete, &before.status_reason)
            );
            assert_eq!(
                new.store.artifacts(&project, again.id).await.unwrap(),
                old.store.artifacts(&project, before.id).await.unwrap()
            );
        }
        assert_eq!(again.len(), 2);
        // The second time nothing is made twice.
        assert!(became == [Rebuilt::Made; 2] || became == [Rebuilt::Known; 2], "{became:?}");
    }
    let shown = new.store.find_stack_by_name(&new.project, &"s".parse().unwrap()).await.unwrap();
    assert_eq!((shown.id, shown.shown.word().as_str()), (stack, "SNAPSHOT_COMPLETE"));

    // The limit counts what was brought back; a restore and the deletes work, and leave nothing.
    let third = new.store.create_snapshot(&new.request(), stack, &NewSnapshot::default()).await;
    assert!(third.is_err(), "the limit of two snapshots does not hold");
    let first = sealed[1].snapshot.id;
    let restore = new.store.restore_snapshot(&new.request(), stack, first, &NewRestore::default()).await.unwrap();
    assert_eq!(new.until_ended(operation_of(&restore)).await.state, State::Complete);
    let delete = new.store.delete_stack(&new.request(), stack).await.unwrap();
    assert_eq!(new.until_ended(operation_of(&delete)).await.state, State::Complete);
    assert!(matches!(new.store.find_snapshot(&new.project, stack, first).await, Err(Error::NoSnapshot(_))));
    assert_eq!(new.store.rebuild(&new.project, &sealed[0]).await.unwrap(), Rebuilt::StackDeleted);
}

#[tokio::test]
async fn a_name_that_is_taken_is_left_alone() {
    let mut old = World::new(7, Odds::default(), Settings::default());
    let stack = old.make_stack("s", &["T::Plain"]).await.unwrap();
    let create = old.store.find_stack(&old.project, stack).await.unwrap().busy.unwrap();
    old.until_ended(create).await;
    let begun = old.store.create_snapshot(&old.request(), stack, &NewSnapshot::default()).await.unwrap();
    old.until_ended(operation_of(&begun)).await;
    let new = World::new(8, Odds::default(), Settings::default());
    let other = new.make_stack("s", &["T::Plain"]).await.unwrap();
    assert_eq!(new.store.rebuild(&new.project, &sealed(&old, stack).await[0]).await.unwrap(), Rebuilt::NameTaken);
    assert_eq!(new.store.find_stack_by_name(&new.project, &"s".parse().unwrap()).await.unwrap().id, other);
}
