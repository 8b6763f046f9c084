//! The driver against the fake cloud.

mod contract;
mod faults;
mod lab;
mod power;
mod servers;
