//! The driver against a fake Swift.

mod contract;
mod faults;
mod lab;
mod objects;
