//! The verbs over the model, with workers that crash, jobs that are lost and doubled, a store that fails, and a clock that
//! is ours.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod definition;
mod life;
mod line;
mod outside;
mod pump;
mod rebuild;
mod requests;
mod steps;
mod vault;
mod world;
