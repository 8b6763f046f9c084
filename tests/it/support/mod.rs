//! Tools of the tests.

pub mod app;
pub mod awkward;
pub mod cli;
mod leftovers;
pub mod postgres;
pub mod serve;
pub mod service;
