//! The verbs over the model, with workers that crash, jobs that are lost and doubled, and a clock that is ours.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod rebuild;
mod requests;
mod world;
