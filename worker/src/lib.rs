//! The worker.

pub mod driver;
pub mod drivers;
pub mod lease;
pub mod progress;
pub mod vault;
