//! What every backend does in the same way, written once: which batches are valid, how long tokens are kept, how
//! `seq` grows, how a result is stored beside its token, and which commits wake the timers' pump.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};

use super::backend::{At, Batch, Committed, Error, Millis, Shards, TimerChange};

/// A batch made longer ago than this is refused. Milliseconds.
pub(crate) const STALE_AFTER: u64 = 10 * 60 * 1000;

/// How long a token's result is kept, from the later of commit and making. Longer than [`STALE_AFTER`], so that a
/// batch whose token is forgotten is stale. Milliseconds.
pub(crate) const TOKEN_KEPT: u64 = 15 * 60 * 1000;

/// The largest number that is exact in every backend: Redis's scripts and sorted sets count in doubles.
pub(crate) const MAX_NUMBER: i64 = (1 << 53) - 1;

/// Keys that one `scan` may return at most.
pub(crate) const MAX_SCAN: usize = 10_000;

/// What [`Batch`] promises about itself.
pub(crate) fn check(batch: &Batch) -> Result<(), Error> {
    let invalid = |what: &str, name: &str| Err(Error::Invalid(format!("{what} ({name})")));
    let mut records = HashSet::with_capacity(batch.puts.len() + batch.deletes.len());
    for key in batch.puts.iter().map(|(key, _)| key).chain(&batch.deletes) {
        if !records.insert(key) {
            return invalid("a key is put or deleted twice", &key.0);
        }
    }
    for (at, key) in batch.counter_deletes.iter().enumerate() {
        if batch.counter_deletes[..at].contains(key) || batch.counters.iter().any(|counter| counter.key == *key) {
            return invalid("a counter is deleted, and deleted again or added to", &key.0);
        }
    }
    if let Some(counter) = batch.counters.iter().find(|counter| counter.add.unsigned_abs() > MAX_NUMBER as u64) {
        return invalid("an addition beyond 2^53", &counter.key.0);
    }
    let at_zero = batch.counters.iter().filter_map(|counter| counter.at_zero.as_ref());
    for change in at_zero.chain(&batch.timers) {
        if let TimerChange::Set { id, at: At::In(time) | At::Time(Millis(time)) } = change
            && *time > MAX_NUMBER as u64 / 2
        {
            return invalid("a timer's time is beyond 2^52 ms", &id.0);
        }
    }
    Ok(())
}

/// A counter's new value, if it stays in range.
pub(crate) fn add(value: i64, add: i64) -> Option<i64> {
    value.checked_add(add).filter(|sum| sum.abs() <= MAX_NUMBER)
}

pub(crate) fn out_of_range(key: &str) -> Error {
    Error::Invalid(format!("a counter would leave the range of 2^53 ({key})"))
}

pub(crate) fn other_shards(used: impl std::fmt::Display, asked: Shards) -> String {
    format!(
        "the store was first used with {used} shards and can't be read with {}; set `shards = {used}` under `[store]`",
        asked.count()
    )
}

/// The next `seq` of a shard. It follows the clock (microseconds), so that it grows also past commits that a crash or a
/// failover lost: a version that someone saw of those is not given out again.
pub(crate) fn next_seq(last: u64, now_micros: u64) -> u64 {
    now_micros.max(last + 1)
}

/// When a timer is due, for a commit at `now`.
pub(crate) fn time(at: At, now: Millis) -> Millis {
    match at {
        At::In(millis) => Millis(now.0 + millis),
        At::Time(time) => time,
    }
}

/// Whether a commit set a timer that is due at once.
pub(crate) fn wakes(batch: &Batch, done: &Committed) -> bool {
    let fired = batch.counters.iter().zip(&done.counters).filter(|(_, value)| **value == 0);
    fired.filter_map(|(counter, _)| counter.at_zero.as_ref()).chain(&batch.timers).any(|change| match change {
        TimerChange::Set { at, .. } => time(*at, done.at) <= done.at,
        TimerChange::Clear { .. } => false,
    })
}

/// How a result is stored beside its token: `seq at counter counter …`, decimal.
pub(crate) fn encode(done: &Committed) -> String {
    let mut text = format!("{} {}", done.seq, done.at.0);
    for value in &done.counters {
        text.push(' ');
        text.push_str(&value.to_string());
    }
    text
}

pub(crate) fn decode(text: &str) -> Option<Committed> {
    let mut parts = text.split(' ');
    let seq = parts.next()?.parse().ok()?;
    let at = Millis(parts.next()?.parse().ok()?);
    let counters = parts.map(|part| part.parse().ok()).collect::<Option<_>>()?;
    Some(Committed { seq, counters, at })
}

/// Keeps a clock from stepping back a little. A small step back (a time daemon, an estimate with another error) is
/// waited out at the last reading; a larger one was made on purpose, and is followed.
#[derive(Debug, Default)]
pub(crate) struct Steady(AtomicU64);

impl Steady {
    /// Microseconds.
    const FOLLOWED: u64 = 2_000_000;

    /// A reading in microseconds, corrected.
    pub(crate) fn read(&self, micros: u64) -> u64 {
        let corrected = |last: u64| if micros < last && last - micros <= Self::FOLLOWED { last } else { micros };
        match self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| Some(corrected(last))) {
            Ok(last) | Err(last) => corrected(last),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_survives_its_text() {
        for counters in [vec![], vec![0], vec![-3, MAX_NUMBER, -MAX_NUMBER]] {
            let done = Committed { seq: 1_732_311_410_123_456, counters, at: Millis(1_732_311_410_123) };
            assert_eq!(decode(&encode(&done)), Some(done));
        }
        assert_eq!(decode("12"), None);
        assert_eq!(decode("12 x"), None);
    }

    #[test]
    fn a_small_step_back_is_waited_out_and_a_large_one_followed() {
        let steady = Steady::default();
        assert_eq!(steady.read(10_000_000), 10_000_000);
        assert_eq!(steady.read(9_999_000), 10_000_000);
        assert_eq!(steady.read(10_000_001), 10_000_001);
        assert_eq!(steady.read(1_000_000), 1_000_000);
    }

    #[test]
    fn seq_follows_the_clock_and_never_stands() {
        assert_eq!(next_seq(5, 100), 100);
        assert_eq!(next_seq(100, 100), 101);
        assert_eq!(next_seq(500, 100), 501);
    }
}
