//! What api and worker share. They never see each other; they meet here, in the store and the queue.
//!
//! ```text
//! request → store/{stacks,snapshots}.rs   one commit: records, items, timers
//!         → timers.rs                     publishes what is due, takes over what lost its worker, advances
//!         → queue/                        RabbitMQ, or in process: "this step may be ready"
//!         → store/claim.rs                a worker takes the step (lease, fence)
//!         → store/finish.rs               what it left, counted down; at zero the operation is looked at
//!         → store/advance.rs              next stage, or the verdict
//! ```
//!
//! - `ids.rs`, `types.rs`, `record.rs`: the words of the design, as types. `kinds.rs`, `kinds/`: what each resource type takes.
//!   `native/`: the types whose whole state is in the stack's record. `testing/`: servers that tests start.
//! - `heat.rs`: what is known of a stack that is a real Heat's.
//! - `operation/`: the pure part: plans, and what follows what.
//! - `store/`: truth. `queue/`: hints. `timers.rs`: "look at this again at time T".
//! - `config/`, `telemetry.rs`, `metrics.rs`, `shutdown.rs`, `clock.rs`: how a process is set up, seen and ended.

pub mod clock;
pub mod config;
pub mod heat;
pub mod ids;
pub mod kinds;
pub mod metrics;
pub mod native;
pub mod operation;
pub mod queue;
pub mod record;
pub mod shutdown;
pub mod store;
pub mod telemetry;
#[cfg(feature = "contract")]
pub mod testing;
pub mod timers;
pub mod types;
