//! `[telemetry]`: logs and metrics.

use std::fmt;
use std::net::SocketAddr;

use serde::Deserialize;

use super::value;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// A line for people.
    Human,
    /// One JSON object a line.
    Json,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Format::Human => "human",
            Format::Json => "json",
        })
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Telemetry {
    pub format: Format,
    /// What is logged: a level, or directives as `info,stacksnap_worker=debug`.
    pub level: String,
    /// Where a process without the API serves `/metrics` and `/healthz`.
    #[serde(deserialize_with = "value::optional")]
    pub listen: Option<SocketAddr>,
}

impl Default for Telemetry {
    fn default() -> Self {
        Self { format: Format::Human, level: "info".to_owned(), listen: None }
    }
}
