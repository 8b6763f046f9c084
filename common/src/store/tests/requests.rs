//! What is accepted, what is refused and why, and that a replayed request answers the same.

use super::world::{Odds, World, new_stack, operation_of};
use crate::operation::State;
use crate::store::begin::Idempotency;
use crate::store::snapshots::{NewRestore, NewSnapshot};
use crate::store::{Error, Request, Settings};

async fn world_with_stack(settings: Settings) -> (World, crate::ids::StackId) {
    let mut world = World::new(3, Odds::default(), settings);
    let stack = world.make_stack("s", &["T::Plain"]).await.unwrap();
    let create = world.store.find_stack(&world.project, stack).await.unwrap().busy.unwrap();
    world.until_ended(create).await;
    (world, stack)
}

#[tokio::test]
async fn one_change_of_a_stack_at_a_time() {
    let (world, stack) = world_with_stack(Settings::default()).await;
    world.store.create_snapshot(&world.request(), stack, &NewSnapshot::default()).await.unwrap();
    let second = world.store.create_snapshot(&world.request(), stack, &NewSnapshot::default()).await;
    assert_eq!(second.unwrap_err().to_string(), "Stack s already has an action (SNAPSHOT) in progress.");
}

#[tokio::test]
async fn many_at_once_and_one_is_accepted() {
    let (world, stack) = world_with_stack(Settings::default()).await;
    let mut accepted = 0;
    let request = world.request();
    let new = NewSnapshot::default();
    let all = futures_util::future::join_all((0..20).map(|_| world.store.create_snapshot(&request, stack, &new))).await;
    for one in all {
        match one {
            Ok(_) => accepted += 1,
            Err(Error::Busy { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(accepted, 1);
}

#[tokio::test]
async fn the_same_key_answers_the_same_and_makes_one() {
    let (world, stack) = world_with_stack(Settings::default()).await;
    let keyed = |body: &str| Request {
        idempotency: Some(Idempotency { digest: "d".to_owned(), body: body.to_owned() }),
        ..world.request()
    };
    let first = world.store.create_snapshot(&keyed("b"), stack, &NewSnapshot::default()).await.unwrap();
    let again = world.store.create_snapshot(&keyed("b"), stack, &NewSnapshot::default()).await.unwrap();
    assert_eq!(operation_of(&first), operation_of(&again));
    assert_eq!(first.answer, again.answer);
    let other = world.store.create_snapshot(&keyed("other"), stack, &NewSnapshot::default()).await;
    assert!(matches!(other, Err(Error::KeyReused)));
}

/// Sent twice at once, and the other one is accepted between the look for an answer and the look at the stack.
#[tokio::test]
async fn a_request_is_not_in_its_own_way() {
    let (world, stack) = world_with_stack(Settings::default()).await;
    let request = world.keyed(&world.project);
    let new = NewSnapshot::default();
    let other = async || world.store.create_snapshot(&request, stack, &new).await.unwrap();
    let answer = world.store.accept(&request, async |_| {
        other().await;
        Err(world.store.create_snapshot(&world.request(), stack, &new).await.unwrap_err())
    });
    assert_eq!(operation_of(&answer.await.unwrap()), operation_of(&other().await));
    let unkeyed = world.store.create_snapshot(&world.request(), stack, &new).await;
    assert!(matches!(unkeyed, Err(Error::Busy { .. })));
}

#[tokio::test]
async fn limits_are_kept_and_named() {
    let settings = Settings { stacks: 2, snapshots_per_stack: 1, resources: 10, ..Settings::default() };
    let (mut world, stack) = world_with_stack(settings).await;
    let made = world.store.create_snapshot(&world.request(), stack, &NewSnapshot::default()).await.unwrap();
    world.until_ended(operation_of(&made)).await;
    let more = world.store.create_snapshot(&world.request(), stack, &NewSnapshot::default()).await.unwrap_err();
    assert_eq!(
        more.to_string(),
        "Request limit exceeded: You have reached the maximum snapshots per stack, 1. Please delete some snapshots."
    );
    let big = world.store.create_stack(&world.request(), &new_stack("big", &["T::Plain"; 10])).await.unwrap_err();
    assert!(big.to_string().contains("maximum resources per tenant, 10"), "{big}");
    world.make_stack("t", &["T::Plain"]).await.unwrap();
    let third = world.make_stack("u", &["T::Plain"]).await.unwrap_err();
    assert!(third.to_string().contains("maximum stacks per tenant, 2"), "{third}");
    let same = world.make_stack("t", &["T::Plain"]).await.unwrap_err();
    assert!(matches!(same, Error::Exists(_)));
}

#[tokio::test]
async fn what_is_too_much_waits_in_line_and_runs_in_order() {
    let mut world = World::new(9, Odds::default(), Settings { running: 2, ..Settings::default() });
    let mut ops = Vec::new();
    for name in ["a", "b", "c", "d", "e"] {
        let made = world.store.create_stack(&world.request(), &new_stack(name, &["T::Plain"])).await.unwrap();
        ops.push(operation_of(&made));
    }
    let mut waiting = 0;
    for op in &ops {
        waiting += usize::from(world.store.find_operation(&world.project, *op).await.unwrap().state == State::Waiting);
    }
    assert_eq!(waiting, 3);
    let mut started = Vec::new();
    for op in ops {
        let ended = world.until_ended(op).await;
        assert_eq!(ended.state, State::Complete);
        started.push(ended.started_at);
    }
    assert!(started.is_sorted(), "{started:?}");
    world.assert_clean().await;
}

#[tokio::test]
async fn a_snapshot_is_restored_only_whole_and_of_its_stack() {
    let (mut world, stack) = world_with_stack(Settings::default()).await;
    let made = world.store.create_snapshot(&world.request(), stack, &NewSnapshot::default()).await.unwrap();
    let op = world.store.find_operation(&world.project, operation_of(&made)).await.unwrap();
    let id = op.snapshot.unwrap();
    let restore = world.store.restore_snapshot(&world.request(), stack, id, &NewRestore::default()).await;
    assert_eq!(restore.unwrap_err().to_string(), "Restoring incomplete snapshot is not supported.");
    let delete = world.store.delete_snapshot(&world.request(), stack, id).await;
    assert_eq!(delete.unwrap_err().to_string(), "Deleting in-progress snapshot is not supported.");
    world.until_ended(op.id).await;
    let other = world.make_stack("other", &["T::Plain"]).await.unwrap();
    let of_other = world.store.restore_snapshot(&world.request(), other, id, &NewRestore::default()).await;
    assert!(matches!(of_other, Err(Error::OtherStack { .. })));
    let unknown = NewRestore { resources: vec!["nope".parse().unwrap()], safety: None };
    let unknown = world.store.restore_snapshot(&world.request(), stack, id, &unknown).await;
    assert_eq!(unknown.unwrap_err().to_string(), "the snapshot has no resource nope");
    let foreign = Request { project: "q".parse().unwrap(), ..world.request() };
    let of_other_project = world.store.restore_snapshot(&foreign, stack, id, &NewRestore::default()).await;
    assert!(matches!(of_other_project, Err(Error::NoSnapshot(_))));
}

/// What an operation left outside rests on it while it runs, and afterwards only where a snapshot has something of it.
#[tokio::test]
async fn an_operation_that_has_ended_is_rested_on_by_what_it_made_alone() {
    let (mut world, stack) = world_with_stack(Settings::default()).await;
    let made = world.store.create_snapshot(&world.request(), stack, &NewSnapshot::default()).await.unwrap();
    let operation = operation_of(&made);
    let rests = async |world: &World, kind| world.store.rested_on(kind).await.unwrap().contains(&operation);
    assert!(rests(&world, None).await);
    assert_eq!(world.until_ended(operation).await.state, State::Complete);
    assert!(rests(&world, Some("T::Plain")).await);
    assert!(!rests(&world, Some("T::Other")).await && !rests(&world, None).await);
}

#[tokio::test]
async fn a_stack_delete_cancels_what_runs_and_waits_for_it() {
    let (mut world, stack) = world_with_stack(Settings::default()).await;
    let made = world.store.create_snapshot(&world.request(), stack, &NewSnapshot::default()).await.unwrap();
    let deleted = world.store.delete_stack(&world.request(), stack).await.unwrap();
    let again = world.store.delete_stack(&world.request(), stack).await.unwrap();
    assert_eq!(operation_of(&deleted), operation_of(&again));
    let ended = world.until_ended(operation_of(&deleted)).await;
    assert_eq!(ended.state, State::Complete);
    let snapshot = world.store.find_operation(&world.project, operation_of(&made)).await.unwrap();
    assert_eq!(snapshot.state, State::Cancelled);
    assert!(world.store.find_stack_by_name(&world.project, &"s".parse().unwrap()).await.is_err());
    world.assert_clean().await;
}
