//! The drivers, one resource type a module.

pub mod postgresql;
