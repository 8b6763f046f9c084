//! The driver as a whole, on a real vault, a real file system and, where a test needs one, real mounts and processes.

#![allow(clippy::unwrap_used, clippy::expect_used)]

pub(super) mod contract;
mod faults;
mod harness;
mod host;
mod whole;
