//! The drivers, one resource type a module.

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, reason = "a test suite")]
pub(crate) mod contract;
pub mod cinder;
pub mod directory;
pub mod native;
pub mod postgresql;
