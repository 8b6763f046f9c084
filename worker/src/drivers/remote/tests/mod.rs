//! The driver against a Heat with state.

mod contract;
mod faults;
mod lab;
