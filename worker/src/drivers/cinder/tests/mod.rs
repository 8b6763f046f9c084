//! The driver against the fake cloud.

mod attached;
mod contract;
mod disk;
mod faults;
mod lab;
mod real;
mod volumes;
