//! Swift (object storage, `/v1/AUTH_project`): containers and objects, as far as protecting a container needs them.
//!
//! - [`container`]: a container's own headers, and its objects, page by page.
//! - [`object`]: one object: its headers, its bytes as a stream down and up, and large objects' manifests.
//! - [`headers`]: what of an answer's headers is the thing's own and is given back when it is made again.
//!
//! Names are any UTF-8 of up to 256 (containers) and 1024 bytes (objects). A listing is in the order of the names' bytes,
//! and may be a little behind what was just written. All that is asked here may be asked twice: a `POST` sets headers.

pub mod container;
pub mod headers;
pub mod object;
#[cfg(test)]
mod tests;

use reqwest::{Method, StatusCode};

pub use container::{Container, Listed};
pub use headers::Headers;
pub use object::{Object, Segment};

use crate::error::Error;
use crate::reply::Reply;
use crate::request::Request;
use crate::session::Session;

const SERVICE: &str = "object-store";

/// One project's Swift. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Swift {
    session: Session,
}

impl Swift {
    pub fn new(session: Session) -> Self {
        Self { session }
    }

    /// Of a container, or of an object in it. The two names are one part of the URL, with its slashes escaped: an object named
    /// `..` would else lead out of its container. Swift takes a slash that is escaped for a slash.
    async fn request(&self, method: Method, container: &str, object: Option<&str>) -> Result<Request, Error> {
        let mut url = self.session.endpoint(SERVICE).await?;
        let name = object.map_or_else(|| container.to_owned(), |object| format!("{container}/{object}"));
        url.set_path(&format!("{}/{}", url.path().trim_end_matches('/'), escaped(&name)));
        Ok(Request::new(method, url).repeatable())
    }

    async fn send(&self, request: Request) -> Result<Reply, Error> {
        self.session.send(request).await
    }

    /// One that is gone already is no error.
    async fn delete(&self, request: Request) -> Result<(), Error> {
        match self.send(request).await {
            Err(error) if error.is_gone() => Ok(()),
            answer => answer.map(drop),
        }
    }
}

/// All but what no URL's parser has an opinion about: tabs and line ends in a path are dropped by some.
fn escaped(name: &str) -> String {
    let mut escaped = String::with_capacity(name.len() + 16);
    for byte in name.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => escaped.push(char::from(byte)),
            byte => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}

/// What was to be done only if the object is as it was said to be (`If-Match`) was not done.
pub fn is_another(error: &Error) -> bool {
    error.status() == Some(StatusCode::PRECONDITION_FAILED)
}
