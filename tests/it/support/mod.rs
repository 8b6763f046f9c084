//! Tools of the tests.

pub mod app;
pub mod awkward;
pub mod cli;
pub mod serve;
