//! The drivers, one resource type a module.

pub mod cinder;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, reason = "a test suite")]
pub(crate) mod contract;
pub mod directory;
pub mod native;
pub mod postgresql;
pub mod remote;
