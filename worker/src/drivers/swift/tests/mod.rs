//! The driver against a fake Swift, and its laws (`contract.rs`) also on a real one (`real.rs`).

mod contract;
mod faults;
mod lab;
mod objects;
mod owner;
mod real;
