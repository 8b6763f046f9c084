//! The driver against the fake Trove.

mod chains;
mod contract;
mod faults;
mod instances;
mod lab;
