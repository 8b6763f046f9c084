//! A wait for a cloud: since when, and how often it was looked at. Part of every checkpoint.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use stacksnap_common::store::Millis;

use crate::driver::{Error, Outcome};

/// How patiently something is waited for.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// The longest that one thing may take.
    pub longest: Duration,
    /// Between two looks: at first, and at most.
    pub pace: (Duration, Duration),
    /// Where an operator says how long that is: `cinder.longest_wait`.
    pub key: &'static str,
}

impl Patience {
    pub fn new(key: &'static str) -> Self {
        Self { longest: Duration::from_secs(24 * 3600), pace: (Duration::from_secs(1), Duration::from_secs(30)), key }
    }

    /// What is told when it has come to its end: what goes on still.
    pub(crate) fn is_over(&self, what: &str) -> Error {
        Error::permanent(format!("{what}, and that for longer than {} s ({})", self.longest.as_secs(), self.key))
    }
}

/// The step is put off: it is run again with this.
pub(crate) fn later<T>(after: Duration, checkpoint: &impl Serialize) -> Result<Outcome<T>, Error> {
    let checkpoint =
        serde_json::to_value(checkpoint).map_err(|error| Error::permanent(format!("a checkpoint: {error}")))?;
    Ok(Outcome::Later { after, checkpoint })
}

/// Looks at each pace.
const LOOKS: u32 = 5;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Wait {
    /// By the store's clock, milliseconds. `None`: it has not begun.
    since: Option<u64>,
    looks: u32,
}

impl Wait {
    /// The next look, and after which pause. `None`: it has taken too long.
    pub(crate) fn on(self, patience: &Patience, now: Millis) -> Option<(Self, Duration)> {
        let since = self.since.unwrap_or(now.0);
        if Duration::from_millis(now.0.saturating_sub(since)) > patience.longest {
            return None;
        }
        let (first, longest) = patience.pace;
        let pause = first.saturating_mul(1 + self.looks / LOOKS).min(longest);
        Some((Self { since: Some(since), looks: self.looks + 1 }, pause))
    }
}

/// How a run of a discard ends: nothing is left, or what is `going` is looked at again.
pub(crate) fn gone_or_later<C: Serialize>(
    patience: &Patience,
    now: Millis,
    wait: Wait,
    going: &[String],
    checkpoint: impl FnOnce(Wait) -> C,
) -> Result<Outcome<()>, Error> {
    if going.is_empty() {
        return Ok(Outcome::Done(()));
    }
    match wait.on(patience, now) {
        Some((wait, after)) => later(after.max(Duration::from_millis(1)), &checkpoint(wait)),
        None => Err(patience.is_over(&format!("still there: {}", going.join(", ")))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_their_limit_and_the_wait_ends() {
        let patience = Patience::new("test.longest_wait");
        let mut wait = Wait::default();
        let (mut now, mut pauses) = (Millis(5_000), Vec::new());
        while let Some((next, pause)) = wait.on(&patience, now) {
            assert!(pauses.last().is_none_or(|last| *last <= pause));
            pauses.push(pause);
            now = Millis(now.0 + pause.as_millis() as u64);
            wait = next;
        }
        assert_eq!((pauses[0], pauses[5]), (Duration::from_secs(1), Duration::from_secs(2)));
        assert_eq!(pauses.last(), Some(&Duration::from_secs(30)));
        assert!(now.0 - 5_000 > 24 * 3600 * 1000 && now.0 < 24 * 3600 * 1000 + 60_000, "{now:?}");
    }
}
