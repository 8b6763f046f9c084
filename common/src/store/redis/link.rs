//! A connection that is made when it is needed, and again when it was lost.
//!
//! One connection carries all calls, which Redis answers in order. A call that fails fails: nothing is sent twice here,
//! because the outcome may be unknown. After an error of the connection, or no answer in time, the next call gets a new
//! one; those that still wait on the old one keep it until they end. Every new connection is checked before its first
//! use (`check.rs`). A refused connection is not tried again for a moment, so that a server that is down is not stormed.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{AsyncConnectionConfig, Cmd, Pipeline, RedisError, RedisFuture, RedisResult, Value};

use super::check::Check;
use super::errors;
use super::target::Target;
use super::wire::Script;
use crate::store::backend::Error;

/// How long a failed connect answers for the next ones.
const CALM: Duration = Duration::from_millis(100);

/// A connection to the server, or to all of a cluster.
#[derive(Clone)]
pub(super) enum Connection {
    Server(MultiplexedConnection),
}

impl Connection {
    fn inner(&mut self) -> &mut (dyn ConnectionLike + Send) {
        match self {
            Connection::Server(connection) => connection,
        }
    }

    pub(super) async fn query(&mut self, cmd: &Cmd) -> RedisResult<Value> {
        self.inner().req_packed_command(cmd).await?.extract_error()
    }

    fn pipeline<'a>(&'a mut self, calls: &'a Pipeline) -> RedisFuture<'a, Vec<Value>> {
        let count = calls.len();
        self.inner().req_packed_commands(calls, 0, count)
    }

    pub(super) async fn info(&mut self, server: &str) -> Result<String, Error> {
        let answer = self.query(redis::cmd("INFO").arg("server").arg("replication")).await;
        answer.and_then(|answer| Ok(redis::from_redis_value(answer)?)).map_err(|error| errors::error(server, &error))
    }
}

#[derive(Clone)]
struct Live {
    id: u64,
    connection: Connection,
}

pub(super) struct Link {
    target: Target,
    check: Check,
    config: AsyncConnectionConfig,
    /// For one call with all that it waits for.
    timeout: Duration,
    live: Mutex<Option<Live>>,
    /// Held while connecting; when and why the last try failed.
    connecting: tokio::sync::Mutex<(u64, Option<(Instant, Error)>)>,
}

impl Link {
    pub(super) fn new(target: Target, check: Check, timeout: Duration) -> Self {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(timeout.mul_f64(0.6)))
            .set_response_timeout(Some(timeout));
        Self { target, check, config, timeout, live: Mutex::default(), connecting: tokio::sync::Mutex::default() }
    }

    /// Where it leads, without credentials.
    pub(super) fn server(&self) -> &str {
        self.target.shown()
    }

    /// Connects if need be, and checks.
    pub(super) async fn open(&self) -> Result<(), Error> {
        self.within(async { self.get().await.map(drop) }).await
    }

    pub(super) async fn query(&self, cmd: &Cmd) -> Result<Value, Error> {
        self.within(async {
            let mut live = self.get().await?;
            let answer = live.connection.query(cmd).await;
            answer.map_err(|error| self.failed(&live, &error))
        })
        .await
    }

    /// The answers of calls sent together, each of which may be an error.
    pub(super) async fn pipeline(&self, calls: &Pipeline) -> Result<Vec<Value>, Error> {
        self.within(async {
            let mut live = self.get().await?;
            let answers = live.connection.pipeline(calls).await;
            answers.map_err(|error| self.failed(&live, &error))
        })
        .await
    }

    /// Calls a script. A server that does not know it gets its text: it has not run by then.
    pub(super) async fn script(&self, script: &Script, arguments: impl Fn(&mut Cmd)) -> Result<Value, Error> {
        self.within(async {
            let mut live = self.get().await?;
            let mut cmd = script.by_hash();
            arguments(&mut cmd);
            let mut answer = live.connection.query(&cmd).await;
            if answer.as_ref().is_err_and(errors::is_unknown_script) {
                let mut cmd = script.by_text();
                arguments(&mut cmd);
                answer = live.connection.query(&cmd).await;
            }
            answer.map_err(|error| self.failed(&live, &error))
        })
        .await
    }

    async fn within<T>(&self, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        match tokio::time::timeout(self.timeout, work).await {
            Ok(done) => done,
            Err(_) => {
                // It may hang for good, on a host that is gone.
                self.set(None);
                Err(Error::Unavailable(format!("Redis at {}: no answer in time", self.server())))
            }
        }
    }

    fn current(&self) -> Option<Live> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, live: Option<Live>) {
        *self.live.lock().unwrap_or_else(PoisonError::into_inner) = live;
    }

    async fn get(&self) -> Result<Live, Error> {
        if let Some(live) = self.current() {
            return Ok(live);
        }
        let mut connecting = self.connecting.lock().await;
        if let Some(live) = self.current() {
            return Ok(live);
        }
        let (id, failure) = &mut *connecting;
        if let Some((when, error)) = failure
            && when.elapsed() < CALM
        {
            return Err(error.again());
        }
        match self.connect(*id + 1).await {
            Ok(live) => {
                *id += 1;
                *failure = None;
                self.set(Some(live.clone()));
                Ok(live)
            }
            Err(error) => {
                *failure = Some((Instant::now(), error.again()));
                Err(error)
            }
        }
    }

    async fn connect(&self, id: u64) -> Result<Live, Error> {
        let mut connection = self.target.connect(&self.config).await?;
        self.check.run(self.server(), &mut connection).await?;
        tracing::debug!(server = self.server(), "connected to Redis");
        Ok(Live { id, connection })
    }

    /// Tells an error, and leaves a connection that is of no more use.
    fn failed(&self, live: &Live, error: &RedisError) -> Error {
        // A replica that was a master says READONLY: the master is elsewhere now.
        if error.is_unrecoverable_error() || error.is_timeout() || error.code() == Some("READONLY") {
            let mut current = self.live.lock().unwrap_or_else(PoisonError::into_inner);
            if current.as_ref().is_some_and(|current| current.id == live.id) {
                *current = None;
            }
        }
        errors::error(self.server(), error)
    }
}
