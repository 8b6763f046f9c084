//! Nova (compute, `/v2.1`): servers, as far as protecting them and the volumes attached to them needs it.
//!
//! - [`server`]: what is protected, and what can be done to it.
//! - [`attachment`]: the volumes that it uses, each at its device.
//!
//! One version of the API is asked for everywhere, [`VERSION`] (Train, 2019). A `POST` is sent once: what became of one
//! that got no answer is for the caller to look for.

pub mod attachment;
pub mod server;
#[cfg(test)]
mod tests;

use reqwest::Method;
use serde_json::Value;

pub use attachment::{Attachment, NewAttachment};
pub use server::Server;

use crate::error::Error;
use crate::reply::Reply;
use crate::request::Request;
use crate::session::Session;

/// The API's version that is asked for: `createImage` says the image's id since 2.45, a rebuild leaves the user data as
/// they are since 2.57, an attachment tells whether its volume ends with the server since 2.79. From 2.93 on a rebuild
/// would write an image over a volume that a server boots from.
pub const VERSION: &str = "2.79";
const SERVICE: &str = "compute";

/// One project's Nova. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Nova {
    session: Session,
}

impl Nova {
    pub fn new(session: Session) -> Self {
        Self { session }
    }

    async fn request(&self, method: Method, path: &[&str]) -> Result<Request, Error> {
        self.session.request(method, SERVICE, path).await?.microversion(SERVICE, VERSION)
    }

    async fn get(&self, path: &[&str]) -> Result<Reply, Error> {
        self.session.send(self.request(Method::GET, path).await?).await
    }

    async fn post(&self, path: &[&str], body: &Value) -> Result<Reply, Error> {
        self.session.send(self.request(Method::POST, path).await?.json(body)?).await
    }

    async fn delete(&self, path: &[&str]) -> Result<Reply, Error> {
        self.session.send(self.request(Method::DELETE, path).await?).await
    }
}
