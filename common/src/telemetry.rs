//! Logs: `tracing` to stderr, as lines for people or one JSON object a line.
//!
//! A message can be read alone, and what one would search for is in fields: `project`, `stack`, `operation`, `step`,
//! `resource`, `worker`. `error` is for what a person must look at, `warn` for what the service copes with (a server
//! away, a lease taken over), `info` for what changes state, `debug` for the rest. Never logged: tokens, passwords,
//! master keys, values of template parameters, whole environment.

use std::io::{IsTerminal, stderr};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::{Format, Telemetry};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("telemetry.level {level:?} is not a level (error, warn, info, debug, trace) or a list of module=level")]
    Level { level: String },
    #[error("logging was set up before in this process")]
    Twice,
}

/// Whether `level` can be used; for `config check`.
pub fn filter(level: &str) -> Result<EnvFilter, Error> {
    EnvFilter::builder().parse(level).map_err(|_| Error::Level { level: level.to_owned() })
}

/// Sends the logs of this process to stderr, panics among them. Once in a process.
pub fn init(config: &Telemetry) -> Result<(), Error> {
    let lines = tracing_subscriber::fmt().with_env_filter(filter(&config.level)?).with_writer(stderr);
    match config.format {
        Format::Human => lines.with_ansi(stderr().is_terminal()).finish().try_init(),
        Format::Json => lines.json().flatten_event(true).finish().try_init(),
    }
    .map_err(|_| Error::Twice)?;
    std::panic::set_hook(Box::new(|panic| {
        let message = panic.payload_as_str().unwrap_or("no message");
        let place = panic.location().map(ToString::to_string);
        tracing::error!(place, "panic: {message}");
    }));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_a_word_or_a_list() {
        for good in ["info", "warn,stacksnap_worker=debug", "off", "stacksnap_api::auth=trace"] {
            assert!(filter(good).is_ok(), "{good:?} was refused");
        }
        assert!(filter("a=loud").is_err());
    }
}
