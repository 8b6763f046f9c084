//! Commands about the configuration.

pub mod check;
