//! Real servers for tests, each private to the test process and gone with it.

pub mod rabbit;
pub mod redis;
