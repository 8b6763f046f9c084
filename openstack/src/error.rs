//! What went wrong with a call. An error names the call (method and URL without its query), what the service said, and
//! the request id under which the service's own log has it.

use std::time::Duration;

use reqwest::{Method, StatusCode};

#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// No answer, or none to its end. Whether the service did what was asked is not known, unless `sent` is false.
    #[error("{call}: {why}")]
    NoAnswer { call: Call, why: String, sent: bool },
    /// An answer of 400 and above.
    #[error(transparent)]
    Answered(Box<Answered>),
    /// A success whose content is not what the service's API reference says.
    #[error("{call}: the answer can't be understood: {why}")]
    Garbled { call: Call, why: String },
    #[error("the service catalogue has no {service} with interface {interface} in region {region}; it has: {known}")]
    NoEndpoint { service: String, interface: &'static str, region: String, known: String },
    /// What we were set up with can't be used.
    #[error("{0}")]
    Settings(String),
}

/// A method and a URL, the URL without query, user and password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    pub method: Method,
    pub at: String,
}

impl std::fmt::Display for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.method, self.at)
    }
}

#[derive(Debug, Clone, thiserror::Error)]
#[error("{call}: {status}: {message}{}", .request.as_ref().map(|id| format!(" ({id})")).unwrap_or_default())]
pub struct Answered {
    pub call: Call,
    pub status: StatusCode,
    /// The service's own words, or the status' name.
    pub message: String,
    /// The service's `x-openstack-request-id`.
    pub request: Option<String>,
    /// `Retry-After`, where there was one.
    pub after: Option<Duration>,
}

impl Error {
    /// Whether the same call may succeed later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::NoAnswer { .. } => true,
            Self::Answered(answer) => {
                matches!(answer.status.as_u16(), 408 | 425 | 429 | 500 | 502 | 503 | 504)
            }
            Self::Garbled { .. } | Self::NoEndpoint { .. } | Self::Settings(_) => false,
        }
    }

    /// The answer's status, if there was an answer.
    pub fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Answered(answer) => Some(answer.status),
            _ => None,
        }
    }

    /// When the service wants to be asked again.
    pub fn after(&self) -> Option<Duration> {
        match self {
            Self::Answered(answer) => answer.after,
            _ => None,
        }
    }

    /// What was asked for is not there (404, 410).
    pub fn is_gone(&self) -> bool {
        matches!(self.status(), Some(StatusCode::NOT_FOUND | StatusCode::GONE))
    }

    /// The token or the credentials are not accepted (401).
    pub fn is_unauthorized(&self) -> bool {
        self.status() == Some(StatusCode::UNAUTHORIZED)
    }
}
