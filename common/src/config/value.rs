//! Kinds of values: durations and sizes with their unit, secrets, and keys that may be left empty.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer};

/// Reads `250ms`, `10s`, `5min`, `48h`, `7d`: a whole number and one unit.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    const RULE: &str = "is not a duration: a whole number with ms, s, min, h or d is, as in \"10s\"";
    let (number, unit) = split(text).ok_or_else(|| format!("{text:?} {RULE}"))?;
    let milliseconds: u64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(format!("{text:?} {RULE}")),
    };
    number.checked_mul(milliseconds).map(Duration::from_millis).ok_or_else(|| format!("{text:?} is too long"))
}

/// Reads `4096`, `64KiB`, `1MiB`, `2GiB`: bytes, in binary units.
pub fn parse_size(text: &str) -> Result<u64, String> {
    const RULE: &str = "is not a size: a whole number of bytes is, or one with KiB, MiB, GiB or TiB, as in \"1MiB\"";
    let (number, unit) = split(text).ok_or_else(|| format!("{text:?} {RULE}"))?;
    let shift = match unit {
        "" | "B" => 0,
        "KiB" => 10,
        "MiB" => 20,
        "GiB" => 30,
        "TiB" => 40,
        _ => return Err(format!("{text:?} {RULE}")),
    };
    number.checked_mul(1 << shift).ok_or_else(|| format!("{text:?} is too large"))
}

fn split(text: &str) -> Option<(u64, &str)> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    Some((number.parse().ok()?, unit.trim()))
}

pub(super) fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    parse_duration(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
}

pub(super) fn size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    parse_size(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
}

/// A value by its own rule.
pub(super) fn parsed<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: FromStr,
    T::Err: fmt::Display,
    D: Deserializer<'de>,
{
    String::deserialize(deserializer)?.trim().parse().map_err(serde::de::Error::custom)
}

/// An empty text is "not set": TOML has no null, and an environment variable is often set to nothing.
pub(super) fn optional<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: FromStr,
    T::Err: fmt::Display,
    D: Deserializer<'de>,
{
    let text = String::deserialize(deserializer)?;
    if text.trim().is_empty() { Ok(None) } else { text.trim().parse().map(Some).map_err(serde::de::Error::custom) }
}

/// A text that must not be seen: its `Debug` says nothing, and it has no `Display`.
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    /// The text, for the one place that needs it.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(SecretString::from(text))
    }
}

impl FromStr for Secret {
    type Err = std::convert::Infallible;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self::from(text))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.expose() == other.expose()
    }
}

impl Eq for Secret {}

/// Where a server is, with what it takes to log in. Shown without user and password.
#[derive(Clone, PartialEq, Eq)]
pub struct Address(Secret);

impl Address {
    /// The whole URL, for the client library.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

impl FromStr for Address {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // The text itself is in no message: it may hold a password.
        match text.split_once("://") {
            Some((scheme, rest)) if !scheme.is_empty() && !rest.is_empty() => Ok(Self(Secret::from(text))),
            _ => Err("is not a URL: it has no scheme, as in redis://host:6379"),
        }
    }
}

impl fmt::Display for Address {
    /// Without what stands before the `@` and without the query, which may hold a password too.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.expose();
        let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
        let rest = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
        let rest = rest.split(['?', '#']).next().unwrap_or_default();
        write!(f, "{scheme}://{rest}")
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn durations_have_a_unit() {
        assert_eq!(parse_duration("250ms").unwrap(), Duration::from_millis(250));
        assert_eq!(parse_duration(" 10 s ").unwrap(), Duration::from_secs(10));
        assert_eq!(parse_duration("5min").unwrap(), Duration::from_secs(300));
        assert_eq!(parse_duration("7d").unwrap(), Duration::from_secs(7 * 86_400));
        for bad in ["10", "", "s", "-1s", "1.5s", "10 weeks", "99999999999999999999s", "18446744073709551615d"] {
            assert!(parse_duration(bad).is_err(), "{bad:?} was taken for a duration");
        }
    }

    #[test]
    fn sizes_are_binary() {
        assert_eq!(parse_size("1MiB").unwrap(), 1_048_576);
        assert_eq!(parse_size("4096").unwrap(), 4096);
        for bad in ["1MB", "MiB", "-1", "1.5GiB", "99999999TiB"] {
            assert!(parse_size(bad).is_err(), "{bad:?} was taken for a size");
        }
    }

    #[test]
    fn a_password_is_never_shown() {
        let address: Address = "amqp://user:pa@ss@host:5672/%2f?password=word#x".parse().unwrap();
        assert_eq!(address.to_string(), "amqp://host:5672/%2f");
        assert_eq!(format!("{address:?} {:?}", Secret::from("word")), "amqp://host:5672/%2f [redacted]");
        assert!(!"user:word@host".parse::<Address>().unwrap_err().contains("word"));
    }
}
