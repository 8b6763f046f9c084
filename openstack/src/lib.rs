//! OpenStack as seen by a client: one session for all services, and thin typed clients on it. Nothing here knows what a
//! snapshot is.
//!
//! ```text
//! a client (keystone.rs, …) → session.rs: token and endpoint → http.rs: connections, timeouts, what is sent again
//! ```
//!
//! - `http.rs`: one pool of connections with its TLS and timeouts; `request.rs`: what is asked; `reply.rs`: the answer.
//! - `credentials.rs`: who we are and for which project; `token.rs`: what Keystone says of a token;
//!   `catalogue.rs`: where the services are.
//! - `clouds.rs`: `clouds.yaml`, where all of that may be written.
//! - `stream.rs`: bodies that are too large to be held, down and up.
//! - `session.rs`: credentials turned into a token that is renewed in time, and calls that carry it.
//! - `keystone.rs`: other people's tokens validated; trusts.
//! - `heat/`: stacks, read and updated, and their snapshots.
//! - `cinder/`: volumes, snapshots and backups. `nova/`: servers and what is attached to them. `glance/`: images.
//! - `manila/`: shares, their snapshots and access rules. `swift/`: containers and objects. `trove/`: instances of databases and
//!   their backups. `thing.rs`: whatever is one JSON object and has no data of its own.
//! - `error.rs`: what went wrong, and whether trying again helps.
//! - `fake/` (feature `fake`): a cloud with state to test against, which answers as the real services do.
//!
//! No secret is in a log, an error or a `Debug`: tokens and passwords are `SecretString`s, headers that hold one are
//! marked as sensitive, and a service that repeats a token in its message has it cut out.

pub mod catalogue;
pub mod cinder;
mod clouds;
mod credentials;
mod error;
#[cfg(feature = "fake")]
pub mod fake;
pub mod glance;
pub mod heat;
pub mod http;
pub mod keystone;
pub mod manila;
pub mod nova;
mod reply;
mod request;
mod session;
mod stream;
pub mod swift;
pub mod thing;
mod token;
pub mod trove;

pub use cinder::Cinder;
pub use clouds::Cloud;
pub use credentials::{Credentials, Domain, Scope, User};
pub use error::{Answered, Error};
pub use glance::Glance;
pub use heat::Heat;
pub use http::Http;
pub use keystone::Keystone;
pub use manila::Manila;
pub use nova::Nova;
pub use reply::Reply;
pub use request::Request;
pub use reqwest::{Method, StatusCode, Url};
pub use session::{Session, Settings};
pub use stream::Open;
pub use swift::Swift;
pub use thing::Things;
pub use token::{Named, Token};
pub use trove::Trove;

#[cfg(test)]
mod tests;
