//! Commits that wait for a replica.
//!
//! WAIT asks whether replicas have what its own connection wrote, and holds up what is sent behind it. So these commits
//! have a connection of their own, and go in groups: the batches that wait by now, then one WAIT for all of them. A
//! batch that no replica has confirmed in time is neither done nor undone: it answers `Unavailable`.
//!
//! Whether there is a replica is asked every two seconds while there are commits, and after each that none confirmed.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use redis::{Pipeline, Value};
use tokio::sync::{mpsc, oneshot};

use super::link::Link;
use super::wire::{self, Keys, Script};
use super::{check, errors};
use crate::store::backend::{Batch, Committed, Error};

/// Batches before one WAIT at most.
const GROUP: usize = 64;

type Request = (Batch, oneshot::Sender<Result<Committed, Error>>);

/// How long an answer about the replicas counts.
const KNOWN: Duration = Duration::from_secs(2);

/// The queue of the commits that wait, and whether commits should.
pub(super) struct Replicas {
    requests: mpsc::UnboundedSender<Request>,
    /// When it was asked last, and whether there was one.
    known: Arc<Mutex<(Option<Instant>, bool)>>,
}

impl Replicas {
    /// Serves on `link` until it is dropped. `timeout` is for one WAIT.
    pub(super) fn start(link: Link, keys: Arc<Keys>, script: Script, timeout: Duration) -> Self {
        let (sender, mut requests) = mpsc::unbounded_channel();
        let known: Arc<Mutex<(Option<Instant>, bool)>> = Arc::default();
        let doubt = known.clone();
        tokio::spawn(async move {
            let mut group: Vec<Request> = Vec::with_capacity(GROUP);
            while requests.recv_many(&mut group, GROUP).await > 0 {
                // Who gave up in the meantime settles it by another try.
                group.retain(|(_, answer)| !answer.is_closed());
                let served = serve(&link, &keys, &script, &group, timeout).await;
                match served {
                    Ok(results) => {
                        if results.iter().any(|result| matches!(result, Err(Error::Unavailable(_)))) {
                            doubt.lock().unwrap_or_else(PoisonError::into_inner).0 = None;
                        }
                        for ((_, answer), result) in group.drain(..).zip(results) {
                            let _ = answer.send(result);
                        }
                    }
                    Err(error) => {
                        for (_, answer) in group.drain(..) {
                            let _ = answer.send(Err(error.again()));
                        }
                    }
                }
            }
        });
        Self { requests: sender, known }
    }

    /// Whether the master has a replica in step, as far as `link` was told lately.
    pub(super) async fn present(&self, link: &Link) -> bool {
        let known = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let before = {
            let mut known = known();
            if known.0.is_some_and(|asked| asked.elapsed() < KNOWN) {
                return known.1;
            }
            // One asks; the others go by what was known.
            known.0 = Some(Instant::now());
            known.1
        };
        let answer = link.query(redis::cmd("INFO").arg("replication")).await;
        let info = answer.ok().and_then(|answer| redis::from_redis_value::<String>(answer).ok());
        let present = info.map_or(before, |info| check::online(&info) > 0);
        known().1 = present;
        present
    }

    pub(super) async fn commit(&self, batch: &Batch) -> Result<Committed, Error> {
        let (answer, answered) = oneshot::channel();
        let ended = || Error::Unavailable("this process is ending".to_owned());
        self.requests.send((batch.clone(), answer)).map_err(|_| ended())?;
        answered.await.map_err(|_| ended())?
    }
}

async fn serve(
    link: &Link,
    keys: &Keys,
    script: &Script,
    group: &[Request],
    timeout: Duration,
) -> Result<Vec<Result<Committed, Error>>, Error> {
    let mut answers = send(link, keys, script, group, timeout).await?;
    if answers.iter().any(errors::is_no_script) {
        link.query(redis::cmd("SCRIPT").arg("LOAD").arg(script.text())).await?;
        // Those that ran are known by their tokens.
        answers = send(link, keys, script, group, timeout).await?;
    }
    let confirmed = match answers.pop() {
        Some(Value::Int(confirmed)) => confirmed,
        Some(other) => {
            return Err(
                errors::in_answer(link.server(), other).map_or_else(|error| error, |other| wire::strange(&other))
            );
        }
        None => return Err(wire::strange(&Value::Nil)),
    };
    let result = |((batch, _), answer): (&Request, Value)| {
        let done = wire::committed(&errors::in_answer(link.server(), answer)?, batch)?;
        if confirmed > 0 {
            return Ok(done);
        }
        Err(Error::Unavailable(format!("no replica of Redis at {} has confirmed the change in time", link.server())))
    };
    Ok(group.iter().zip(answers).map(result).collect())
}

async fn send(
    link: &Link,
    keys: &Keys,
    script: &Script,
    group: &[Request],
    timeout: Duration,
) -> Result<Vec<Value>, Error> {
    let mut calls = Pipeline::with_capacity(group.len() + 1);
    for (batch, _) in group {
        let mut cmd = script.by_hash();
        wire::commit(&mut cmd, keys.of(batch.shard)?, batch, true);
        calls.add_command(cmd);
    }
    calls.cmd("WAIT").arg(1).arg(timeout.as_millis() as u64);
    link.pipeline(&calls).await
}
