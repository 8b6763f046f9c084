//! Objects.
//!
//! Every request is for the object itself (`multipart-manifest=get`, `symlink=get`): of a manifest that is the manifest, and
//! of a symbolic link the link, not what either stands for. But where a container keeps versions (`X-Versions-Enabled`),
//! each object is a link to its newest version, which is Swift's own way to keep it: there the version is asked for.

use bytes::Bytes;
use futures_util::Stream;
use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, ETAG, HeaderMap, HeaderValue, IF_MATCH, RANGE};
use serde::{Deserialize, Serialize};

use super::{Headers, Swift};
use crate::error::Error;
use crate::reply::Reply;
use crate::request::Request;
use crate::stream::Open;

/// What an answer says of an object, its headers' values without what only the way needs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Object {
    /// Of the content that is asked for.
    pub bytes: u64,
    /// MD5 of the content, hexadecimal; of a static large object, asked for as a whole, of its segments' etags.
    pub etag: String,
    /// Seconds since 1970 with five digits behind the point, as Swift orders versions.
    pub timestamp: String,
    pub headers: Headers,
}

/// A part of a static large object, in the form in which a manifest is put.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    /// `/container/object`. Absent where `data` is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Bytes in the manifest itself, base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size_bytes: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<String>,
}

impl Segment {
    /// Container and object.
    pub fn place(&self) -> Option<(&str, &str)> {
        self.path.as_deref()?.strip_prefix('/')?.split_once('/')
    }
}

impl Object {
    fn of(headers: &HeaderMap) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        Self {
            bytes: text("content-length").parse().unwrap_or_default(),
            etag: text("etag").trim_matches('"').to_owned(),
            timestamp: text("x-timestamp").to_owned(),
            headers: Headers::of_object(headers),
        }
    }

    /// A static large object's manifest.
    pub fn is_slo(&self) -> bool {
        self.headers.get("x-static-large-object").is_some_and(|yes| yes.eq_ignore_ascii_case("true"))
    }

    /// A dynamic large object's manifest: the container and the prefix of its segments, which are escaped in the header.
    pub fn dlo(&self) -> Option<(String, String)> {
        dlo(&self.headers)
    }
}

/// Whether an answer is of a link to an object's newest version.
fn is_to_version(headers: &HeaderMap) -> bool {
    let target = headers.get("x-symlink-target").and_then(|target| target.to_str().ok());
    target.is_some_and(|target| target.contains("?version-id="))
}

/// Where the segments of a dynamic large object are.
pub fn dlo(headers: &Headers) -> Option<(String, String)> {
    let place = unescape(headers.get("x-object-manifest")?);
    let (container, prefix) = place.split_once('/')?;
    Some((container.to_owned(), prefix.to_owned()))
}

fn unescape(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digits = (*first == b'%').then(|| after.get(..2)).flatten();
        match digits.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

impl Swift {
    /// `link`: of a link, the link.
    async fn itself(&self, method: Method, container: &str, name: &str, link: bool) -> Result<Request, Error> {
        let request = self.request(method, container, Some(name)).await?.query("multipart-manifest", "get");
        Ok(if link { request.query("symlink", "get") } else { request })
    }

    pub async fn object(&self, container: &str, name: &str) -> Result<Object, Error> {
        let mut reply = self.send(self.itself(Method::HEAD, container, name, true).await?).await?;
        if is_to_version(&reply.headers) {
            reply = self.send(self.itself(Method::HEAD, container, name, false).await?).await?;
        }
        Ok(Object::of(&reply.headers))
    }

    /// A large object as a whole: what its segments are together.
    pub async fn large_object(&self, container: &str, name: &str) -> Result<Object, Error> {
        let request = self.request(Method::HEAD, container, Some(name)).await?;
        Ok(Object::of(&self.send(request).await?.headers))
    }

    /// What it is, and its bytes from `from` on, to be read. `etag`: only if it is the one with this, and no link.
    pub async fn open_object(
        &self,
        container: &str,
        name: &str,
        etag: Option<&str>,
        from: u64,
    ) -> Result<(Object, Open), Error> {
        let mut link = etag.is_none();
        loop {
            let mut request = self.itself(Method::GET, container, name, link).await?;
            if let Some(etag) = etag {
                request = request.header(IF_MATCH, value(etag)?);
            }
            if from > 0 {
                request = request.header(RANGE, value(&format!("bytes={from}-"))?);
            }
            let open = self.session.open(request).await?;
            if !link || !is_to_version(&open.headers) {
                return Ok((Object::of(&open.headers), open));
            }
            link = false;
        }
    }

    /// The parts of a static large object.
    pub async fn segments(&self, container: &str, name: &str) -> Result<Vec<Segment>, Error> {
        let request = self.itself(Method::GET, container, name, false).await?.query("format", "raw");
        let reply: Reply = self.send(request).await?;
        reply.json()
    }

    /// Writes an object. Swift compares what arrives with `etag` and keeps nothing that is something else (422).
    pub async fn put_object<S, E>(
        &self,
        container: &str,
        name: &str,
        headers: &Headers,
        (bytes, etag): (u64, &str),
        body: impl FnMut() -> S,
    ) -> Result<(), Error>
    where
        S: Stream<Item = Result<Bytes, E>> + Send + 'static,
        E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static,
    {
        let request = headers.put(self.request(Method::PUT, container, Some(name)).await?)?;
        self.session.pour(request.header(ETAG, value(etag)?), bytes, body).await.map(drop)
    }

    /// Writes the manifest of a static large object. Every segment must be there, and be as it says (400). The etag of the
    /// whole.
    pub async fn put_slo(
        &self,
        container: &str,
        name: &str,
        headers: &Headers,
        segments: &[Segment],
    ) -> Result<String, Error> {
        let request = self.request(Method::PUT, container, Some(name)).await?.query("multipart-manifest", "put");
        // The content type is the object's, not the manifest's.
        let request = request.json(&segments)?.header(CONTENT_TYPE, value("application/octet-stream")?);
        let request = headers.put(request)?;
        Ok(Object::of(&self.send(request).await?.headers).etag)
    }

    /// Sets all of an object's metadata: what is not named is taken away.
    pub async fn set_object(&self, container: &str, name: &str, headers: &Headers) -> Result<(), Error> {
        self.send(headers.put(self.request(Method::POST, container, Some(name)).await?)?).await.map(drop)
    }

    /// Of a large object: the manifest, not its segments.
    pub async fn delete_object(&self, container: &str, name: &str) -> Result<(), Error> {
        self.delete(self.request(Method::DELETE, container, Some(name)).await?).await
    }
}

fn value(text: &str) -> Result<HeaderValue, Error> {
    HeaderValue::from_str(text).map_err(|_| Error::Settings(format!("{text:?} is no header's value")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_says_where_its_segments_are() {
        let dlo = |text: &str| {
            let mut headers = Headers::default();
            headers.set("x-object-manifest", text);
            dlo(&headers)
        };
        let place = |container: &str, prefix: &str| Some((container.to_owned(), prefix.to_owned()));
        assert_eq!(dlo("c/p/q_"), place("c", "p/q_"));
        assert_eq!(dlo("c%20d/%C3%BC%2Fx%"), place("c d", "ü/x%"));
        assert_eq!(dlo("no-slash"), None);
    }
}
