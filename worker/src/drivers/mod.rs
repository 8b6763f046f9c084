//! The drivers, one resource type a module.

pub mod directory;
pub mod native;
pub mod postgresql;
