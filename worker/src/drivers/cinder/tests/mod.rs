//! The driver against the fake cloud.

mod attached;
mod contract;
mod faults;
mod lab;
mod volumes;
