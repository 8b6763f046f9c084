//! The driver against the fake cloud, and its laws (`contract.rs`) also on a real Nova (`real.rs`).

mod contract;
mod faults;
mod lab;
mod power;
mod real;
mod servers;
