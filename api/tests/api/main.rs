//! The API over a store in memory, without workers: shapes, refusals, authentication, idempotency, limits.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod access;
mod actions;
mod adoption;
mod bad_input;
mod bodies;
mod connections;
mod document;
mod heat;
mod heat_adoption;
mod keystone;
mod lists;
mod operations;
mod snapshots;
mod stacks;
mod support;
mod templates;
mod updates;
