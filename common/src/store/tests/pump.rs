//! The pump and the store: a step's successor goes to the pump of the process that ended the step. The clock stands still,
//! so what is set for later never comes by itself.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::world::{Odds, World, good_end, new_stack, operation_of};
use crate::operation::State;
use crate::queue::{Lane, Local, Queue, Route};
use crate::record::Worker;
use crate::store::Settings;
use crate::timers;

const KIND: &str = "T::Plain";

fn one_at_a_time() -> World {
    World::new(11, Odds::default(), Settings { window: 1, ..Settings::default() })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_successor_is_published_by_the_own_pump() {
    let world = one_at_a_time();
    let (store, queue) = (&world.store, Local::new() as Arc<dyn Queue>);
    let now = store.now().await.unwrap();
    let worker = Worker {
        id: "w".parse().unwrap(),
        pools: vec![Default::default()],
        types: vec![KIND.to_owned()],
        version: String::new(),
        host: String::new(),
        since: now,
        beat: now,
        draining: false,
    };
    store.beat(&worker).await.unwrap();
    let token = CancellationToken::new();
    let pump = tokio::spawn(timers::run(store.clone(), Arc::clone(&queue), timers::Settings::default(), token.clone()));
    let route = Route { pool: Default::default(), lane: Lane::Control };
    let mut consumer = queue.consume(&route, 1).await.unwrap();

    let made = store.create_stack(&world.request(), &new_stack("s", &[KIND; 4])).await.unwrap();
    let works = async {
        for _ in 0..4 {
            let delivery = consumer.next().await.unwrap();
            let claimed = store.claim(&delivery.job, &worker.id).await.unwrap().unwrap();
            delivery.ack().await;
            let ended = good_end(&claimed, store);
            store.finish(&claimed, ended, Duration::ZERO).await.unwrap();
        }
        while !store.find_operation(&world.project, operation_of(&made)).await.unwrap().state.ended() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), works).await.expect("a successor was not published");
    let ended = store.find_operation(&world.project, operation_of(&made)).await.unwrap();
    assert_eq!(ended.state, State::Complete);
    token.cancel();
    pump.await.unwrap();
}

/// A process that has no pump any more leaves the next step to others, at once; one that dies between record and
/// publication, after a while.
#[tokio::test]
async fn without_a_pump_others_look() {
    for (dies, within) in [(false, 0..30_000_u64), (true, 30_000..300_000)] {
        let mut world = one_at_a_time();
        let handed = world.store.handed();
        let _unread = dies.then_some(handed);
        let made = world.store.create_stack(&world.request(), &new_stack("s", &[KIND; 3])).await.unwrap();
        let ended = world.until_ended(operation_of(&made)).await;
        assert_eq!(ended.state, State::Complete);
        let took = ended.ended_at.unwrap().0 - ended.created_at.0;
        assert!(within.contains(&took), "{took} ms");
        world.assert_clean().await;
    }
}

/// The newest events stay: the operation's own end among them.
#[tokio::test]
async fn a_stack_keeps_its_newest_events() {
    let mut world = World::new(12, Odds::default(), Settings { events: 5, ..Settings::default() });
    let stack = world.make_stack("s", &[KIND; 6]).await.unwrap();
    let create = world.stack(stack).await.busy.unwrap();
    world.until_ended(create).await;
    world.until_still().await;
    let events = world.calm.list_events(&world.project, stack).await.unwrap();
    assert_eq!(events.len(), 5, "{events:#?}");
    let last = &events[4];
    assert!(last.resource.is_none() && last.shown.status == crate::record::Status::Complete, "{last:#?}");
}
