//! The tables of the file, and what reading and applying a batch do to them.
//!
//! Every row is of one shard; its number comes first in each key, so a shard's rows stand together and in byte order.
//! Timers are kept twice: by name, to replace and clear them, and by time, to find what is due. So are tokens: by token,
//! and by the time from which they may be forgotten.

use std::collections::HashMap;
use std::ops::Bound;

use bytes::Bytes;
use redb::{ReadTransaction, ReadableTable, StorageError, Table, TableDefinition, WriteTransaction};

use crate::store::backend::{
    Batch, Committed, Due, Error, Key, Millis, Precondition, Shard, TimerChange, TimerId, Versioned,
};
use crate::store::rules;

pub(super) const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
const RECORDS: TableDefinition<'_, (u16, &str), (u64, &[u8])> = TableDefinition::new("records");
const COUNTERS: TableDefinition<'_, (u16, &str), i64> = TableDefinition::new("counters");
const TIMERS: TableDefinition<'_, (u16, &str), u64> = TableDefinition::new("timers");
const TIMES: TableDefinition<'_, (u16, u64, &str), ()> = TableDefinition::new("timers_by_time");
/// A result, as text, and when it may be forgotten.
const TOKENS: TableDefinition<'_, (u16, u128), (u64, &str)> = TableDefinition::new("tokens");
const EXPIRIES: TableDefinition<'_, (u64, u16, u128), ()> = TableDefinition::new("tokens_by_expiry");
const SEQS: TableDefinition<'_, u16, u64> = TableDefinition::new("seqs");

/// Makes the tables where they are missing, so that a reader finds them.
pub(super) fn create(tx: &WriteTransaction) -> Result<(), redb::Error> {
    Tables::open(tx)?;
    tx.open_table(META)?;
    Ok(())
}

/// What one batch came to, within a transaction that is not committed yet.
pub(super) enum Outcome {
    Applied(Committed),
    /// It was applied before.
    Known(Committed),
    /// Nothing was changed.
    Not(Error),
}

/// The tables of one write transaction.
pub(super) struct Tables<'tx> {
    records: Table<'tx, (u16, &'static str), (u64, &'static [u8])>,
    counters: Table<'tx, (u16, &'static str), i64>,
    timers: Table<'tx, (u16, &'static str), u64>,
    times: Table<'tx, (u16, u64, &'static str), ()>,
    tokens: Table<'tx, (u16, u128), (u64, &'static str)>,
    expiries: Table<'tx, (u64, u16, u128), ()>,
    seqs: Table<'tx, u16, u64>,
}

impl<'tx> Tables<'tx> {
    pub(super) fn open(tx: &'tx WriteTransaction) -> Result<Self, redb::Error> {
        Ok(Self {
            records: tx.open_table(RECORDS)?,
            counters: tx.open_table(COUNTERS)?,
            timers: tx.open_table(TIMERS)?,
            times: tx.open_table(TIMES)?,
            tokens: tx.open_table(TOKENS)?,
            expiries: tx.open_table(EXPIRIES)?,
            seqs: tx.open_table(SEQS)?,
        })
    }

    /// Applies one batch at `micros`. An error of the file leaves the transaction half-done: it must be aborted.
    pub(super) fn apply(&mut self, batch: &Batch, micros: u64) -> Result<Outcome, StorageError> {
        let now = Millis(micros / 1000);
        if let Some(row) = self.tokens.get((batch.shard.0, batch.token.as_u128()))? {
            let (_, text) = row.value();
            return rules::decode(text)
                .map(Outcome::Known)
                .ok_or_else(|| StorageError::Corrupted(format!("the result {text:?} of a commit")));
        }
        if batch.made.0 + rules::STALE_AFTER < now.0 {
            return Ok(Outcome::Not(Error::Stale));
        }
        for precondition in &batch.preconditions {
            if !self.holds(batch.shard.0, precondition)? {
                return Ok(Outcome::Not(Error::Conflict(precondition.clone())));
            }
        }
        let counters = match self.counted(batch)? {
            Ok(counters) => counters,
            Err(invalid) => return Ok(Outcome::Not(invalid)),
        };
        let last = self.seqs.get(batch.shard.0)?.map_or(0, |seq| seq.value());
        let seq = rules::next_seq(last, micros);
        self.seqs.insert(batch.shard.0, seq)?;
        let done = Committed { seq, counters, at: now };
        self.change(batch, &done)?;
        self.remember(batch, &done)?;
        Ok(Outcome::Applied(done))
    }

    fn holds(&self, shard: u16, precondition: &Precondition) -> Result<bool, StorageError> {
        Ok(match precondition {
            Precondition::Absent(key) => self.records.get((shard, &*key.0))?.is_none(),
            Precondition::Version(key, version) => {
                self.records.get((shard, &*key.0))?.is_some_and(|row| row.value().0 == *version)
            }
            Precondition::CounterBelow(key, limit) => {
                self.counters.get((shard, &*key.0))?.map_or(0, |row| row.value()) < *limit
            }
            Precondition::TimerAt(id, at) => self.timers.get((shard, &*id.0))?.is_some_and(|row| row.value() == at.0),
        })
    }

    /// The counters' values after each addition, before any is written.
    fn counted(&self, batch: &Batch) -> Result<Result<Vec<i64>, Error>, StorageError> {
        let mut values: HashMap<&Key, i64> = HashMap::new();
        let mut after = Vec::with_capacity(batch.counters.len());
        for counter in &batch.counters {
            let before = match values.get(&counter.key) {
                Some(value) => *value,
                None => self.counters.get((batch.shard.0, &*counter.key.0))?.map_or(0, |row| row.value()),
            };
            let Some(value) = rules::add(before, counter.add) else {
                return Ok(Err(rules::out_of_range(&counter.key.0)));
            };
            values.insert(&counter.key, value);
            after.push(value);
        }
        Ok(Ok(after))
    }

    fn change(&mut self, batch: &Batch, done: &Committed) -> Result<(), StorageError> {
        let shard = batch.shard.0;
        for (key, value) in &batch.puts {
            self.records.insert((shard, &*key.0), (done.seq, &**value))?;
        }
        for key in &batch.deletes {
            self.records.remove((shard, &*key.0))?;
        }
        for key in &batch.counter_deletes {
            self.counters.remove((shard, &*key.0))?;
        }
        for (counter, value) in batch.counters.iter().zip(&done.counters) {
            if *value == 0 {
                self.counters.remove((shard, &*counter.key.0))?;
                if let Some(change) = &counter.at_zero {
                    self.time(shard, change, done.at)?;
                }
            } else {
                self.counters.insert((shard, &*counter.key.0), value)?;
            }
        }
        for change in &batch.timers {
            self.time(shard, change, done.at)?;
        }
        Ok(())
    }

    fn time(&mut self, shard: u16, change: &TimerChange, now: Millis) -> Result<(), StorageError> {
        let (TimerChange::Set { id, .. } | TimerChange::Clear { id }) = change;
        let id = &*id.0;
        let before = match change {
            TimerChange::Set { at, .. } => {
                let at = rules::time(*at, now).0;
                self.times.insert((shard, at, id), ())?;
                self.timers.insert((shard, id), at)?.map(|row| row.value()).filter(|before| *before != at)
            }
            TimerChange::Clear { .. } => self.timers.remove((shard, id))?.map(|row| row.value()),
        };
        if let Some(before) = before {
            self.times.remove((shard, before, id))?;
        }
        Ok(())
    }

    fn remember(&mut self, batch: &Batch, done: &Committed) -> Result<(), StorageError> {
        let until = done.at.0.max(batch.made.0) + rules::TOKEN_KEPT;
        let token = batch.token.as_u128();
        self.tokens.insert((batch.shard.0, token), (until, &*rules::encode(done)))?;
        self.expiries.insert((until, batch.shard.0, token), ())?;
        Ok(())
    }

    /// Forgets at most `limit` tokens whose time is over.
    pub(super) fn forget(&mut self, now: Millis, limit: usize) -> Result<(), StorageError> {
        for _ in 0..limit {
            let Some((until, shard, token)) = self.expiries.first()?.map(|(row, _)| row.value()) else { break };
            if until > now.0 {
                break;
            }
            self.expiries.remove((until, shard, token))?;
            self.tokens.remove((shard, token))?;
        }
        Ok(())
    }
}

/// The stored result of a batch, if it was applied.
pub(super) fn known(tx: &ReadTransaction, batch: &Batch) -> Result<Option<Committed>, redb::Error> {
    let tokens = tx.open_table(TOKENS)?;
    let row = tokens.get((batch.shard.0, batch.token.as_u128()))?;
    Ok(row.and_then(|row| rules::decode(row.value().1)))
}

pub(super) fn get(tx: &ReadTransaction, shard: Shard, keys: &[Key]) -> Result<Vec<Option<Versioned>>, redb::Error> {
    let records = tx.open_table(RECORDS)?;
    keys.iter().map(|key| Ok(records.get((shard.0, &*key.0))?.map(|row| versioned(row.value())))).collect()
}

pub(super) fn counters(tx: &ReadTransaction, shard: Shard, keys: &[Key]) -> Result<Vec<i64>, redb::Error> {
    let counters = tx.open_table(COUNTERS)?;
    keys.iter().map(|key| Ok(counters.get((shard.0, &*key.0))?.map_or(0, |row| row.value()))).collect()
}

pub(super) fn scan(
    tx: &ReadTransaction,
    shard: Shard,
    prefix: &str,
    after: Option<&Key>,
    limit: usize,
) -> Result<Vec<(Key, Versioned)>, redb::Error> {
    let from = match after {
        Some(after) if *after.0 >= *prefix => Bound::Excluded((shard.0, &*after.0)),
        _ => Bound::Included((shard.0, prefix)),
    };
    let mut found = Vec::new();
    for row in tx.open_table(RECORDS)?.range::<(u16, &str)>((from, Bound::Unbounded))? {
        let (key, value) = row?;
        let (of, name) = key.value();
        if of != shard.0 || !name.starts_with(prefix) || found.len() >= limit {
            break;
        }
        found.push((Key(name.to_owned()), versioned(value.value())));
    }
    Ok(found)
}

pub(super) fn due(tx: &ReadTransaction, shard: Shard, now: Millis, limit: usize) -> Result<Vec<Due>, redb::Error> {
    let mut due = Vec::new();
    let times = tx.open_table(TIMES)?;
    for row in times.range((shard.0, 0, "")..(shard.0, now.0 + 1, ""))?.take(limit) {
        let (key, ()) = row.map(|(key, _)| (key, ()))?;
        let (_, at, id) = key.value();
        due.push(Due { shard, id: TimerId(id.to_owned()), at: Millis(at) });
    }
    Ok(due)
}

pub(super) fn timer(tx: &ReadTransaction, shard: Shard, id: &TimerId) -> Result<Option<Millis>, redb::Error> {
    Ok(tx.open_table(TIMERS)?.get((shard.0, &*id.0))?.map(|row| Millis(row.value())))
}

fn versioned((version, value): (u64, &[u8])) -> Versioned {
    Versioned { version, value: Bytes::copy_from_slice(value) }
}
