//! What api and worker share.

pub mod ids;
pub mod queue;
pub mod store;
#[cfg(feature = "contract")]
pub mod testing;
pub mod types;
