//! The driver against the fake cloud, and its laws (`contract.rs`) also on a real Cinder (`real.rs`, `disk.rs`).

mod attached;
mod contract;
mod disk;
mod faults;
mod groups;
mod lab;
mod real;
mod volumes;
