//! What api and worker share.

pub mod ids;
pub mod queue;
pub mod store;
pub mod types;
