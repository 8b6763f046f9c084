//! End to end: the binary as a person or a supervisor runs it.

#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub)]

mod cinder;
mod client;
mod config;
mod conformance;
mod damage;
mod faults;
mod flow;
mod heat;
mod heat_killed;
mod lanes;
mod native;
mod operator;
mod remote;
mod several;
mod stacks;
mod support;
mod swift;
mod trove;
mod wire;
mod workers;
