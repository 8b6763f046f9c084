//! Tools of the tests.

pub mod awkward;
pub mod cli;
