//! The queue in process keeps the laws of every queue.

use std::sync::Arc;

use stacksnap_common::queue::{Local, Queue, contract};
use stacksnap_common::queue_contract;

queue_contract!(async { Local::new() as Arc<dyn Queue> });

#[tokio::test]
async fn an_outage_is_waited_out() {
    let local = Local::new();
    let (away, back) = (local.clone(), local.clone());
    contract::an_outage_is_waited_out(
        local,
        || async move { away.set_connected(false) },
        || async move { back.set_connected(true) },
    )
    .await;
}
