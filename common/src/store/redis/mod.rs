//! The store in Redis, for several processes.
//!
//! A commit is one call of one script (`commit.lua`), which Redis runs alone: the batch is whole by that. Reads are one
//! command or one script each, so they are of one moment. What is kept under which keys is said in `wire.rs`, how the
//! connection lives in `link.rs`, what the server must be set up for in `check.rs`.
//!
//! With `appendfsync always` Redis answers a commit after it is on its disk, together with all that came in the same
//! round. Where the master has replicas, a durable commit also waits for one of them (`replicas.rs`).

mod check;
mod clock;
mod errors;
mod link;
mod replicas;
mod target;
#[cfg(test)]
mod tests;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::watch;

use super::backend::{Backend, Batch, Committed, Due, Error, Key, Millis, Shard, Shards, TimerId, Versioned};
use super::rules;
use check::Check;
use clock::Clock;
use link::Link;
use replicas::Replicas;
use target::Target;
use wire::{Keys, Script};

/// How to reach Redis, and what to ask of it.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `redis://[USER:PASSWORD@]HOST:PORT[/DB]`, `rediss://…` (TLS), `redis+unix:///PATH`, or, for the master that sentinels know by a name,
    /// `redis+sentinel://[USER:PASSWORD@]HOST:PORT,HOST:PORT/NAME[/DB]` (`rediss+sentinel://…`).
    pub url: SecretString,
    /// First part of every key; several stores can share a server by it.
    pub prefix: String,
    pub shards: Shards,
    /// For each call, with connecting.
    pub timeout: Duration,
    /// Use a server also if it is not set up to keep what it is told.
    pub allow_unsafe: bool,
    /// Whether durable commits wait for one replica. `None`: while the master has one in step.
    pub wait_replicas: Option<bool>,
}

impl Settings {
    /// The defaults for a server: prefix `stacksnap`, 1.5 s, safe, waiting where there is a replica.
    pub fn new(url: impl Into<SecretString>, shards: Shards) -> Self {
        Self {
            url: url.into(),
            prefix: "stacksnap".to_owned(),
            shards,
            timeout: Duration::from_millis(1500),
            allow_unsafe: false,
            wait_replicas: None,
        }
    }
}

/// A [`Backend`] in Redis. Needs a tokio runtime from [`Redis::connect`] on.
pub struct Redis {
    shards: Shards,
    link: Link,
    keys: Arc<Keys>,
    commit: Script,
    scan: Script,
    due: Script,
    served: Script,
    replicas: Replicas,
    wait_replicas: Option<bool>,
    clock: Clock,
    woken: watch::Sender<u64>,
}

impl Redis {
    /// Connects and checks the server.
    ///
    /// Refused: the URL is wrong, the server is older than 7.0, a replica, would lose what it is told, or was first
    /// used with another number of shards. Unavailable: it does not answer (now). The messages say what to do.
    pub async fn connect(settings: Settings) -> Result<Self, Error> {
        let Settings { url, prefix, shards, timeout, allow_unsafe, wait_replicas } = settings;
        let keys = Arc::new(Keys::new(&prefix, shards.count()));
        let link = || {
            let check = Check::new(shards, &keys, allow_unsafe);
            Ok(Link::new(Target::parse(url.expose_secret())?, check, timeout))
        };
        let commit = || Script::new(include_str!("commit.lua"));
        let (link, waiting) = (link()?, link()?);
        link.open().await?;
        Ok(Self {
            shards,
            link,
            commit: commit(),
            scan: Script::new(include_str!("scan.lua")),
            due: Script::new(include_str!("due.lua")),
            served: check::served(),
            replicas: Replicas::start(waiting, keys.clone(), commit(), timeout.mul_f64(0.6)),
            keys,
            wait_replicas,
            clock: Clock::default(),
            woken: watch::Sender::new(0),
        })
    }

    async fn waits(&self, batch: &Batch) -> bool {
        match self.wait_replicas {
            _ if !batch.durable => false,
            Some(waits) => waits,
            None => self.replicas.present(&self.link).await,
        }
    }
}

#[async_trait]
impl Backend for Redis {
    fn shards(&self) -> Shards {
        self.shards
    }

    async fn get(&self, shard: Shard, keys: &[Key]) -> Result<Vec<Option<Versioned>>, Error> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let mut cmd = redis::cmd("HMGET");
        cmd.arg(&self.keys.of(shard)?.records);
        for key in keys {
            cmd.arg(&key.0);
        }
        wire::records(self.link.query(&cmd).await?)
    }

    async fn counters(&self, shard: Shard, keys: &[Key]) -> Result<Vec<i64>, Error> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let mut cmd = redis::cmd("HMGET");
        cmd.arg(&self.keys.of(shard)?.counters);
        for key in keys {
            cmd.arg(&key.0);
        }
        wire::counters(self.link.query(&cmd).await?)
    }

    async fn scan(
        &self,
        shard: Shard,
        prefix: &str,
        after: Option<&Key>,
        limit: usize,
    ) -> Result<Vec<(Key, Versioned)>, Error> {
        let keys = self.keys.of(shard)?;
        let (from, to) = wire::bounds(prefix, after);
        let limit = limit.min(rules::MAX_SCAN);
        let arguments = |cmd: &mut redis::Cmd| {
            cmd.arg(2).arg(&keys.records).arg(&keys.index).arg(&from).arg(&to).arg(limit);
        };
        wire::scanned(self.link.script(&self.scan, arguments).await?)
    }

    async fn commit(&self, batch: &Batch) -> Result<Committed, Error> {
        rules::check(batch)?;
        let done = if self.waits(batch).await {
            self.replicas.commit(batch).await?
        } else {
            let keys = self.keys.of(batch.shard)?;
            let answer = self.link.script(&self.commit, |cmd| wire::commit(cmd, keys, batch, false)).await?;
            wire::committed(&answer, batch)?
        };
        if rules::wakes(batch, &done) {
            self.woken.send_modify(|wakes| *wakes += 1);
        }
        Ok(done)
    }

    async fn due(&self, limit: usize) -> Result<Vec<Due>, Error> {
        let arguments = |cmd: &mut redis::Cmd| {
            cmd.arg(self.shards.count());
            for timers in self.keys.timers() {
                cmd.arg(timers);
            }
            cmd.arg(limit);
        };
        wire::due(self.link.script(&self.due, arguments).await?, Shard(0))
    }

    async fn timer(&self, shard: Shard, id: &TimerId) -> Result<Option<Millis>, Error> {
        let mut cmd = redis::cmd("ZSCORE");
        cmd.arg(&self.keys.of(shard)?.timers).arg(&id.0);
        wire::timer(self.link.query(&cmd).await?)
    }

    async fn now(&self) -> Result<Millis, Error> {
        self.clock.now(&self.link).await
    }

    async fn ping(&self) -> Result<(), Error> {
        // An empty batch goes the way of every change.
        self.commit(&Batch::new(Shard(0), self.now().await?)).await.map(|_| ())
    }

    async fn uptime(&self) -> Result<u64, Error> {
        let arguments = |cmd: &mut redis::Cmd| {
            cmd.arg(1).arg(&self.keys.meta);
        };
        let answer = self.link.script(&self.served, arguments).await?;
        redis::from_redis_value(answer).map_err(|_| wire::strange(&redis::Value::Nil))
    }

    fn woken(&self) -> watch::Receiver<u64> {
        self.woken.subscribe()
    }
}
