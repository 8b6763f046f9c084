//! The laws of [`Backend`], as tests that every backend runs: [`backend_contract!`](crate::backend_contract) lists them.
//!
//! A backend under test comes as a [`Setup`], which can also take its power away and give it back.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test suite")]

mod batches;
mod crash;
#[cfg(test)]
pub(crate) mod random;
mod scans;
mod times;

use std::sync::Arc;

use async_trait::async_trait;

use super::backend::{Backend, Batch, Committed, Error, Key, Precondition, Shard, TimerId, Versioned};

pub use batches::*;
pub use crash::*;
pub use scans::*;
pub use times::*;

/// A backend under test: empty at first, with at least two shards.
#[async_trait]
pub trait Setup: Send {
    fn backend(&self) -> Arc<dyn Backend>;

    /// Kills the store, without a chance to write anything more, also while commits are on their way, and starts it
    /// again on what it left. Afterwards `backend` is one that is connected to the new one.
    async fn kill_and_start(&mut self);
}

/// Declares one test for each law; the argument is an expression that makes a fresh [`Setup`], awaited.
#[macro_export]
macro_rules! backend_contract {
    ($setup:expr) => {
        $crate::backend_contract!(@each $setup;
            a_batch_is_seen_whole_or_not_at_all,
            a_broken_precondition_changes_nothing_and_is_named,
            each_precondition_holds_as_it_says,
            versions_grow_and_never_come_again,
            a_batch_sent_again_answers_with_its_first_result,
            a_batch_sent_many_times_at_once_is_applied_once,
            an_old_batch_is_refused,
            a_batch_that_contradicts_itself_is_refused,
            one_of_many_on_the_same_version_wins,
            counters_count_and_fire_at_zero,
            a_counter_keeps_its_range,
            a_timer_has_one_time,
            due_timers_come_earliest_first,
            a_timer_counts_from_its_commit,
            a_timer_due_at_once_wakes,
            a_scan_is_in_byte_order_and_goes_on_after_a_key,
            a_scan_keeps_to_its_prefix_and_shard,
            large_values_and_batches_come_back,
            what_was_answered_outlives_a_kill,
            a_kill_in_the_middle_loses_no_answer_and_doubles_nothing,
        );
    };
    (@each $setup:expr; $($law:ident,)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $law() {
                let mut setup = $setup.await;
                $crate::store::contract::$law(&mut setup).await;
            }
        )*
    };
}

const A: Shard = Shard(0);
const B: Shard = Shard(1);

fn key(text: impl Into<String>) -> Key {
    Key(text.into())
}

fn timer(text: impl Into<String>) -> TimerId {
    TimerId(text.into())
}

/// A batch made now.
async fn batch(store: &dyn Backend, shard: Shard) -> Batch {
    Batch::new(shard, store.now().await.unwrap())
}

async fn put(store: &dyn Backend, shard: Shard, name: &str, value: &str) -> Committed {
    let mut batch = batch(store, shard).await;
    batch.put(key(name), value.to_owned());
    store.commit(&batch).await.unwrap()
}

async fn read(store: &dyn Backend, shard: Shard, name: &str) -> Option<Versioned> {
    store.get(shard, &[key(name)]).await.unwrap().pop().unwrap()
}

async fn count(store: &dyn Backend, shard: Shard, name: &str) -> i64 {
    store.counters(shard, &[key(name)]).await.unwrap()[0]
}

fn conflict(result: Result<Committed, Error>) -> Precondition {
    match result {
        Err(Error::Conflict(precondition)) => precondition,
        other => panic!("not a conflict: {other:?}"),
    }
}
