//! The driver against the fake cloud.

mod attached;
mod contract;
mod disk;
mod faults;
mod groups;
mod lab;
mod real;
mod volumes;
