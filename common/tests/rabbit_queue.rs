//! The queue on RabbitMQ keeps the laws of every queue, on a real broker.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::Arc;

use stacksnap_common::queue::{Queue, Rabbit, rabbit};
use stacksnap_common::queue_contract;
use stacksnap_common::testing::rabbit::RabbitServer;

queue_contract!(async {
    let server = RabbitServer::shared().await;
    Rabbit::connect(rabbit::Settings::new(server.url().into())).expect("settings") as Arc<dyn Queue>
});
