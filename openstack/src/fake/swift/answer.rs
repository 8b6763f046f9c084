//! Answers in the form that Swift's proxy gives them, swob's pages among them.

use axum::body::Bytes;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use md5::{Digest, Md5};

/// A status, headers and a body; `length`: of a `HEAD`, whose body does not come.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: Box<HeaderMap>,
    pub(super) body: Bytes,
}

/// Refusals are answers too.
pub(super) type Result<T> = std::result::Result<T, Answer>;

pub fn md5(bytes: &[u8]) -> String {
    Md5::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Answer {
    pub(super) fn new(status: StatusCode, content_type: &str, body: impl Into<Bytes>) -> Self {
        let body = body.into();
        Self { status, headers: Box::default(), body }.with("content-type", content_type)
    }

    /// With the page that swob has for the status.
    pub(super) fn page(status: StatusCode) -> Self {
        let said = match status.as_u16() {
            400 => "The server could not comply with the request since it is either malformed or otherwise incorrect.",
            401 => "This server could not verify that you are authorized to access the document you requested.",
            403 => "Access was denied to this resource.",
            404 => "The resource could not be found.",
            405 => "The method is not allowed for this resource.",
            409 => "There was a conflict when trying to complete your request.",
            411 => "Content-Length header required.",
            412 => "A precondition for this request was not met.",
            413 => "The body of your request was too large for this server.",
            416 => "The Range requested is not available.",
            422 => "Unable to process the contained instructions",
            202 => "The request is accepted for processing.",
            503 => "The server is currently unavailable. Please try again at a later time.",
            _ => "",
        };
        if said.is_empty() {
            return Self::new(status, "text/html; charset=UTF-8", "");
        }
        let name = match status.as_u16() {
            413 => "Request Entity Too Large",
            422 => "Unprocessable Entity",
            416 => "Requested Range Not Satisfiable",
            _ => status.canonical_reason().unwrap_or_default(),
        };
        Self::new(status, "text/html; charset=UTF-8", format!("<html><h1>{name}</h1><p>{said}</p></html>"))
    }

    /// With a text of its own.
    pub(super) fn text(status: StatusCode, text: impl Into<String>) -> Self {
        Self::new(status, "text/plain", text.into())
    }

    pub(super) fn with(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        self.headers.insert(name, HeaderValue::from_bytes(value.as_ref()).unwrap());
        self
    }

    /// As it is answered to a `HEAD`.
    pub(super) fn without_body(mut self) -> Self {
        self.headers.insert(CONTENT_LENGTH, HeaderValue::from(self.body.len()));
        self.body = Bytes::new();
        self
    }

    pub(super) fn content_type(self, value: &str) -> Self {
        self.with(CONTENT_TYPE.as_str(), value)
    }
}

pub(super) fn page(status: u16) -> Answer {
    Answer::page(StatusCode::from_u16(status).unwrap())
}
