//! How a batch is told to `commit.lua`, and what the scripts' answers mean.
//!
//! The keys of shard NN, all with its hash tag, so that a cluster keeps them in one slot:
//!
//! - `P:{sNN}:records`, a hash: a record's name → its version, a space, its bytes
//! - `P:{sNN}:index`, a sorted set of those names, all with score 0: in byte order, for `scan`
//! - `P:{sNN}:counters`, a hash; a counter at zero is not in it
//! - `P:{sNN}:timers`, a sorted set: a timer's name, by its time in milliseconds
//! - `P:{sNN}:seq`, the last `seq`
//! - `P:{sNN}:tokens:M`, a hash: the tokens of the batches made in minute M → their results; expires as a whole
//!
//! and `P:{meta}`, a hash: `shards`, `format`, and since when which server serves.

use bytes::Bytes;
use redis::{Cmd, Value};

use crate::store::backend::{
    At, Batch, Committed, Due, Error, Key, Millis, Precondition, Shard, TimerChange, TimerId, Versioned,
};
use crate::store::rules;

/// A script, called by its hash; with its text where the server does not know it yet.
pub(super) struct Script {
    text: &'static str,
    hash: String,
}

impl Script {
    pub(super) fn new(text: &'static str) -> Self {
        Self { text, hash: redis::Script::new(text).get_hash().to_owned() }
    }

    pub(super) fn text(&self) -> &'static str {
        self.text
    }

    pub(super) fn by_hash(&self) -> Cmd {
        let mut cmd = redis::cmd("EVALSHA");
        cmd.arg(&self.hash);
        cmd
    }

    pub(super) fn by_text(&self) -> Cmd {
        let mut cmd = redis::cmd("EVAL");
        cmd.arg(self.text);
        cmd
    }
}

/// The names of the keys.
pub(super) struct Keys {
    shards: Vec<ShardKeys>,
    pub(super) meta: String,
}

pub(super) struct ShardKeys {
    pub(super) records: String,
    pub(super) index: String,
    pub(super) counters: String,
    pub(super) timers: String,
    seq: String,
    tokens: String,
}

impl Keys {
    pub(super) fn new(prefix: &str, shards: u16) -> Self {
        let keys = |shard| {
            let name = |what| format!("{prefix}:{{s{shard:02}}}:{what}");
            ShardKeys {
                records: name("records"),
                index: name("index"),
                counters: name("counters"),
                timers: name("timers"),
                seq: name("seq"),
                tokens: name("tokens"),
            }
        };
        Self { shards: (0..shards).map(keys).collect(), meta: format!("{prefix}:{{meta}}") }
    }

    pub(super) fn of(&self, shard: Shard) -> Result<&ShardKeys, Error> {
        self.shards.get(usize::from(shard.0)).ok_or_else(|| Error::Invalid(format!("there is no shard {}", shard.0)))
    }

    pub(super) fn timers(&self) -> impl Iterator<Item = &str> {
        self.shards.iter().map(|keys| keys.timers.as_str())
    }
}

/// Adds keys and arguments of a commit to a call of `commit.lua`.
pub(super) fn commit(cmd: &mut Cmd, keys: &ShardKeys, batch: &Batch, written_again: bool) {
    cmd.arg(6).arg(&keys.records).arg(&keys.index).arg(&keys.counters).arg(&keys.timers).arg(&keys.seq);
    cmd.arg(format!("{}:{}", keys.tokens, batch.made.0 / 60_000));
    cmd.arg(&batch.token.as_bytes()[..]).arg(batch.made.0).arg(u8::from(written_again));
    cmd.arg(batch.preconditions.len());
    for precondition in &batch.preconditions {
        match precondition {
            Precondition::Absent(key) => cmd.arg("a").arg(&key.0).arg(""),
            Precondition::Version(key, version) => cmd.arg("v").arg(&key.0).arg(*version),
            Precondition::CounterBelow(key, limit) => cmd.arg("b").arg(&key.0).arg(*limit),
            Precondition::TimerAt(id, at) => cmd.arg("t").arg(&id.0).arg(at.0),
        };
    }
    cmd.arg(batch.counters.len());
    for counter in &batch.counters {
        cmd.arg(&counter.key.0).arg(counter.add);
        match &counter.at_zero {
            Some(change) => timer_change(cmd, change),
            None => {
                cmd.arg("").arg("").arg("");
            }
        }
    }
    cmd.arg(batch.puts.len());
    for (key, value) in &batch.puts {
        cmd.arg(&key.0).arg(&value[..]);
    }
    for keys in [&batch.deletes, &batch.counter_deletes] {
        cmd.arg(keys.len());
        for key in keys {
            cmd.arg(&key.0);
        }
    }
    cmd.arg(batch.timers.len());
    for change in &batch.timers {
        timer_change(cmd, change);
    }
}

fn timer_change(cmd: &mut Cmd, change: &TimerChange) {
    match change {
        TimerChange::Set { id, at: At::In(millis) } => cmd.arg("i").arg(&id.0).arg(*millis),
        TimerChange::Set { id, at: At::Time(time) } => cmd.arg("t").arg(&id.0).arg(time.0),
        TimerChange::Clear { id } => cmd.arg("c").arg(&id.0).arg(""),
    };
}

/// What `commit.lua` answered.
pub(super) fn committed(answer: &Value, batch: &Batch) -> Result<Committed, Error> {
    let text = match answer {
        Value::BulkString(bytes) => std::str::from_utf8(bytes).map_err(|_| strange(answer))?,
        _ => return Err(strange(answer)),
    };
    let (kind, rest) = text.split_at_checked(1).ok_or_else(|| strange(answer))?;
    let nth = || rest.parse::<usize>().ok();
    match kind {
        "D" | "K" => rules::decode(rest).ok_or_else(|| strange(answer)),
        "S" => Err(Error::Stale),
        "C" => {
            let broken = nth().and_then(|nth| batch.preconditions.get(nth)).ok_or_else(|| strange(answer))?;
            Err(Error::Conflict(broken.clone()))
        }
        "R" => {
            let counter = nth().and_then(|nth| batch.counters.get(nth)).ok_or_else(|| strange(answer))?;
            Err(rules::out_of_range(&counter.key.0))
        }
        _ => Err(strange(answer)),
    }
}

/// A record as it is kept.
fn record(value: Value) -> Result<Option<Versioned>, Error> {
    let bytes = match value {
        Value::Nil => return Ok(None),
        Value::BulkString(bytes) => Bytes::from(bytes),
        other => return Err(strange(&other)),
    };
    let end = bytes.iter().position(|byte| *byte == b' ');
    let version = end.and_then(|end| std::str::from_utf8(&bytes[..end]).ok()?.parse().ok());
    match (end, version) {
        (Some(end), Some(version)) => Ok(Some(Versioned { version, value: bytes.slice(end + 1..) })),
        _ => Err(Error::Corrupt("a record in Redis has no version; did another program write it?".to_owned())),
    }
}

fn array(value: Value) -> Result<Vec<Value>, Error> {
    match value {
        Value::Array(values) => Ok(values),
        other => Err(strange(&other)),
    }
}

fn text(value: Value) -> Result<String, Error> {
    match value {
        Value::BulkString(bytes) => {
            String::from_utf8(bytes).map_err(|_| Error::Corrupt("a name in Redis is not UTF-8".to_owned()))
        }
        Value::SimpleString(text) => Ok(text),
        other => Err(strange(&other)),
    }
}

pub(super) fn records(answer: Value) -> Result<Vec<Option<Versioned>>, Error> {
    array(answer)?.into_iter().map(record).collect()
}

pub(super) fn counters(answer: Value) -> Result<Vec<i64>, Error> {
    let value = |value| match value {
        Value::Nil => Ok(0),
        other => text(other)?.parse().map_err(|_| Error::Corrupt("a counter in Redis is not a number".to_owned())),
    };
    array(answer)?.into_iter().map(value).collect()
}

/// The bounds of a scan in ZRANGE's notation.
pub(super) fn bounds(prefix: &str, after: Option<&Key>) -> (Vec<u8>, Vec<u8>) {
    let from = match after {
        Some(after) if *after.0 >= *prefix => [b"(", after.0.as_bytes()].concat(),
        _ => [b"[", prefix.as_bytes()].concat(),
    };
    // No name holds the byte 0xff: names are UTF-8.
    (from, [b"(", prefix.as_bytes(), b"\xff"].concat())
}

pub(super) fn scanned(answer: Value) -> Result<Vec<(Key, Versioned)>, Error> {
    let [names, values]: [Value; 2] = array(answer)?.try_into().map_err(|_| strange(&Value::Nil))?;
    let (names, values) = (array(names)?, records(values)?);
    let pair = |(name, record): (Value, Option<Versioned>)| {
        let record = record.ok_or_else(|| Error::Corrupt("a name in Redis's index has no record".to_owned()))?;
        Ok((Key(text(name)?), record))
    };
    names.into_iter().zip(values).map(pair).collect()
}

pub(super) fn due(answer: Value, first: Shard) -> Result<Vec<Due>, Error> {
    let mut due = Vec::new();
    for (shard, heads) in (first.0..).map(Shard).zip(array(answer)?) {
        let mut heads = array(heads)?.into_iter();
        while let (Some(id), Some(at)) = (heads.next(), heads.next()) {
            due.push(Due { shard, id: TimerId(text(id)?), at: time(at)? });
        }
    }
    Ok(due)
}

pub(super) fn timer(answer: Value) -> Result<Option<Millis>, Error> {
    match answer {
        Value::Nil => Ok(None),
        score => time(score).map(Some),
    }
}

/// A sorted set's score, as a time.
fn time(score: Value) -> Result<Millis, Error> {
    let wrong = || Error::Corrupt("a timer's time in Redis is not a number".to_owned());
    text(score)?.parse().map(Millis).map_err(|_| wrong())
}

pub(super) fn strange(answer: &Value) -> Error {
    let kind = match answer {
        Value::Nil => "nothing",
        Value::Int(_) => "a number",
        Value::Array(_) => "a list",
        Value::ServerError(_) => "an error",
        _ => "something else",
    };
    Error::Corrupt(format!("Redis answered a script with {kind}; is it really a Redis?"))
}
