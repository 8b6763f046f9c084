//! What api and worker share.

pub mod config;
pub mod ids;
pub mod metrics;
pub mod queue;
pub mod shutdown;
pub mod store;
pub mod telemetry;
pub mod types;
