//! The driver against the fake cloud.

mod attached;
mod contract;
mod faults;
mod groups;
mod lab;
mod volumes;
