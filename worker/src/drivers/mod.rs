//! The drivers, one resource type a module.

pub mod cinder;
pub mod configuration;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, reason = "a test suite")]
pub(crate) mod contract;
pub mod directory;
pub mod glance;
pub mod manila;
pub mod native;
pub mod nova;
pub mod openstack;
pub mod postgresql;
pub mod remote;
pub mod swift;
pub mod trove;
