//! What a request says in its path and its query.

use std::fmt::Display;
use std::str::FromStr;

use axum::extract::{FromRequestParts, Path, Query};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use crate::fault::Fault;

/// A path's parts. What can't be decoded (not UTF-8) leads nowhere.
pub(crate) struct At<T>(pub(crate) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for At<T> {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Fault> {
        let Path(path) = Path::from_request_parts(parts, state).await.map_err(|_| Fault::not_routed())?;
        Ok(Self(path))
    }
}

/// A query's pairs, in their order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Params(Vec<(String, String)>);

impl<S: Send + Sync> FromRequestParts<S> for Params {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Fault> {
        match Query::try_from_uri(&parts.uri) {
            Ok(Query(pairs)) => Ok(Self(pairs)),
            Err(_) => Err(Fault::bad_request("The query can't be read.")),
        }
    }
}

impl Params {
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The last one counts.
    pub(crate) fn get<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        self.all(name).last()
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(key, _)| key.as_str())
    }

    /// Whole and not negative, in Heat's words.
    pub(crate) fn number(&self, name: &str) -> Result<Option<usize>, Fault> {
        let wrong = |text: &str| {
            // `heat/common/param_utils.py`, `extract_int`.
            Fault::bad_request(match text.strip_prefix('-').is_some_and(|rest| rest.parse::<u64>().is_ok()) {
                true => format!("Value '{text}' is invalid for '{name}' which only accepts non-negative integer."),
                false => format!("Only integer is acceptable by '{name}'."),
            })
        };
        self.get(name).map(str::trim).map(|text| text.parse().map_err(|_| wrong(text))).transpose()
    }

    pub(crate) fn truth(&self, name: &str) -> Result<Option<bool>, Fault> {
        self.get(name).map(|text| truth(name, text)).transpose()
    }

    /// `sort_keys`, in their order; those of no meaning here are left out, as in Heat.
    pub(crate) fn sort_keys<'a>(&'a self, known: &'a [&str]) -> Vec<&'a str> {
        self.all("sort_keys").filter(|key| known.contains(key)).collect()
    }

    /// Whether a value is one of those asked for by any of the names; if none is asked for, each is.
    pub(crate) fn wants(&self, names: &[&str], value: &str) -> bool {
        self.asks(names, |asked| asked == value)
    }

    /// As [`Params::wants`], by another rule than that they are the same.
    pub(crate) fn asks(&self, names: &[&str], is: impl Fn(&str) -> bool) -> bool {
        let asked = self.0.iter().filter(|(key, value)| names.contains(&key.as_str()) && !value.is_empty());
        let mut asked = asked.map(|(_, value)| value.as_str()).peekable();
        asked.peek().is_none() || asked.any(is)
    }

    /// `sort_dir`; false unless given otherwise.
    pub(crate) fn descending(&self, otherwise: bool) -> Result<bool, Fault> {
        match self.get("sort_dir") {
            None => Ok(otherwise),
            Some("asc") => Ok(false),
            Some("desc") => Ok(true),
            Some(_) => Err(Fault::bad_request("The sort direction provided for 'sort_dir' must be 'asc' or 'desc'.")),
        }
    }

    /// A value that is of a type, or a 400 that says why not.
    pub(crate) fn parsed<T: FromStr<Err: Display>>(&self, name: &str) -> Result<Option<T>, Fault> {
        self.get(name)
            .map(|text| text.parse().map_err(|error: T::Err| Fault::bad_request(error.to_string())))
            .transpose()
    }
}

/// Heat takes what `oslo_utils.strutils` takes.
pub(crate) fn truth(name: &str, text: &str) -> Result<bool, Fault> {
    match text.trim().to_ascii_lowercase().as_str() {
        "1" | "t" | "true" | "on" | "y" | "yes" => Ok(true),
        "0" | "f" | "false" | "off" | "n" | "no" => Ok(false),
        _ => Err(Fault::bad_request(format!(
            "Unrecognized value \"{text}\" for \"{name}\", acceptable values are: true, false"
        ))),
    }
}
