//! One connection, kept up.
//!
//! A task connects, follows the connection's events until it is lost, and connects again after a pause that doubles from
//! 100 ms to 5 s, with jitter, for ever. Everybody else looks at a watch that says how things are. A connection that is
//! lost is replaced, never mended: who has a channel on it finds it closed and asks here for the next.

use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use futures_util::StreamExt;
use lapin::protocol::{AMQPErrorKind, AMQPHardError, AMQPSoftError};
use lapin::tcp::OwnedTLSConfig;
use lapin::uri::AMQPUri;
use lapin::{Connection, ConnectionProperties, ErrorKind, Event};
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use super::Settings;
use crate::queue::Error;

/// Not every way in which lapin loses a connection has an event.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Where the broker is and how to come in. Has no `Debug`: it holds the password.
#[derive(Clone)]
pub(super) struct Address {
    uri: AMQPUri,
    authorities: Option<String>,
    pub(super) timeout: Duration,
}

impl Address {
    pub(super) fn parse(url: &str, settings: &Settings) -> Result<Self, Error> {
        // The parser's own messages repeat the URL, with its password.
        let malformed =
            || Error::Refused("its URL is not of the form amqp[s]://user:password@host[:port][/vhost]".to_owned());
        if !url.starts_with("amqp://") && !url.starts_with("amqps://") {
            return Err(malformed());
        }
        let mut uri: AMQPUri = url.parse().map_err(|_: String| malformed())?;
        // The parser takes an IPv6 address for no host at all, which it reads as localhost.
        let authority = url.split("://").nth(1).unwrap_or_default().split(['/', '?']).next().unwrap_or_default();
        let host = authority.rsplit('@').next().unwrap_or_default();
        if let Some((address, _)) = host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            uri.authority.host = address.to_owned();
        }
        // "amqp://host/" names the vhost "", which nobody has and many write.
        if uri.vhost.is_empty() {
            uri.vhost = "/".to_owned();
        }
        let seconds = u16::try_from(settings.heartbeat.as_secs().max(1)).unwrap_or(u16::MAX);
        uri.query.heartbeat.get_or_insert(seconds);
        Ok(Self { uri, authorities: settings.authorities.clone(), timeout: settings.timeout })
    }

    /// Connects once.
    pub(super) async fn open(&self, purpose: &str) -> Result<Connection, Error> {
        let properties = ConnectionProperties::default()
            .with_connection_name(format!("stacksnap, {purpose}, pid {}", std::process::id()).into());
        let tls = OwnedTLSConfig { cert_chain: self.authorities.clone(), ..OwnedTLSConfig::default() };
        let runtime = lapin::runtime::default_runtime().map_err(|error| refusal_or_absence(&error))?;
        let connecting = Connection::connect_uri_with_config(self.uri.clone(), properties, tls, runtime);
        within(self.timeout, "connecting", connecting).await
    }

    /// For logs and errors: no credentials.
    fn shown(&self) -> String {
        let AMQPUri { scheme, authority, vhost, .. } = &self.uri;
        format!("{scheme}://{}:{} vhost {vhost}", authority.host, authority.port)
    }
}

#[derive(Clone)]
pub(super) enum State {
    /// The first attempt has not ended.
    Starting,
    Up(Arc<Connection>),
    /// The broker reads nothing from us until its alarm is over.
    Blocked(String),
    Away(Arc<Error>),
}

/// A connection that is kept up for as long as this lives.
pub(super) struct Link {
    state: watch::Receiver<State>,
    connected: watch::Receiver<bool>,
    timeout: Duration,
    _task: AbortOnDropHandle<()>,
}

impl Link {
    pub(super) fn start(address: Address, purpose: &'static str) -> Self {
        let (state, states) = watch::channel(State::Starting);
        let (connected, is_connected) = watch::channel(false);
        let timeout = address.timeout;
        let tell = Teller { state, connected };
        let task = AbortOnDropHandle::new(tokio::spawn(keep_up(address, purpose, tell)));
        Self { state: states, connected: is_connected, timeout, _task: task }
    }

    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }

    pub(super) fn state(&self) -> watch::Receiver<State> {
        self.state.clone()
    }

    pub(super) fn connected(&self) -> watch::Receiver<bool> {
        self.connected.clone()
    }

    /// The connection, or at once why there is none. Only the end of the first attempt is waited for.
    pub(super) async fn up(&self) -> Result<Arc<Connection>, Error> {
        if let State::Up(connection) = &*self.state.borrow() {
            return Ok(connection.clone());
        }
        let mut states = self.state.clone();
        match states.wait_for(|state| !matches!(state, State::Starting)).await.as_deref() {
            Ok(State::Up(connection)) => Ok(connection.clone()),
            Ok(other) => Err(other.error()),
            Err(_) => Err(State::Starting.error()),
        }
    }
}

impl State {
    /// Why nothing can be done now.
    pub(super) fn error(&self) -> Error {
        match self {
            State::Starting => Error::Unavailable("not connected yet".to_owned()),
            State::Up(_) => Error::Unavailable("the connection is lost".to_owned()),
            State::Blocked(reason) => {
                Error::Unavailable(format!("the broker takes nothing, its alarm is on: {reason}"))
            }
            State::Away(error) => match &**error {
                Error::Unavailable(reason) => Error::Unavailable(reason.clone()),
                Error::Refused(reason) => Error::Refused(reason.clone()),
            },
        }
    }
}

struct Teller {
    state: watch::Sender<State>,
    connected: watch::Sender<bool>,
}

impl Teller {
    fn tell(&self, state: State) {
        let up = matches!(state, State::Up(_));
        self.state.send_replace(state);
        self.connected.send_if_modified(|now| std::mem::replace(now, up) != up);
    }
}

async fn keep_up(address: Address, purpose: &'static str, teller: Teller) {
    let broker = address.shown();
    let pauses = || {
        ExponentialBuilder::new()
            .with_min_delay(Duration::from_millis(100))
            .with_max_delay(Duration::from_secs(5))
            .with_jitter()
            .without_max_times()
            .build()
    };
    let mut pause = pauses();
    let mut said = String::new();
    loop {
        match address.open(purpose).await {
            Ok(connection) => {
                tracing::info!(%broker, purpose, "connected to RabbitMQ");
                (pause, said) = (pauses(), String::new());
                follow(Arc::new(connection), &broker, purpose, &teller).await;
            }
            Err(error) => {
                // Once for each reason: an outage of a night is not a gigabyte of log.
                if said != error.to_string() {
                    said = error.to_string();
                    if error.is_transient() {
                        tracing::warn!(%broker, purpose, %error, "RabbitMQ can't be reached; trying on");
                    } else {
                        tracing::error!(%broker, purpose, %error, "RabbitMQ refuses us; check its URL; trying on");
                    }
                }
                teller.tell(State::Away(Arc::new(error)));
            }
        }
        tokio::time::sleep(pause.next().unwrap_or(LOOK_AGAIN)).await;
    }
}

/// Returns when the connection is lost, having told so.
async fn follow(connection: Arc<Connection>, broker: &str, purpose: &str, teller: &Teller) {
    let mut events = std::pin::pin!(connection.events_listener());
    let mut look = tokio::time::interval(LOOK_AGAIN);
    teller.tell(State::Up(connection.clone()));
    let mut last = None;
    while connection.status().connected() {
        let event = tokio::select! { event = events.next() => event, _ = look.tick() => continue };
        match event {
            Some(Event::ConnectionBlocked(reason)) => {
                tracing::warn!(broker, purpose, reason, "RabbitMQ blocks us: an alarm is on");
                teller.tell(State::Blocked(reason));
            }
            Some(Event::ConnectionUnblocked) => {
                tracing::info!(broker, purpose, "RabbitMQ blocks us no more");
                teller.tell(State::Up(connection.clone()));
            }
            // Also of a channel; whether the connection is lost, the loop's condition knows.
            Some(Event::Error(error)) => last = Some(error),
            Some(_) => {}
            None => break,
        }
    }
    let reason = match last {
        Some(error) => format!("the connection is lost: {error}"),
        None => "the connection is lost".to_owned(),
    };
    tracing::warn!(broker, purpose, reason, "RabbitMQ is away; connecting again");
    teller.tell(State::Away(Arc::new(Error::Unavailable(reason))));
}

/// Waits for the broker, but not for ever.
pub(super) async fn within<T>(
    timeout: Duration,
    what: &str,
    doing: impl Future<Output = lapin::Result<T>>,
) -> Result<T, Error> {
    // lapin's futures are big.
    match tokio::time::timeout(timeout, Box::pin(doing)).await {
        Ok(result) => result.map_err(|error| refusal_or_absence(&error)),
        Err(_) => Err(Error::Unavailable(format!("{what}: no answer within {timeout:?}"))),
    }
}

pub(super) fn refusal_or_absence(error: &lapin::Error) -> Error {
    let text = error.to_string();
    let ErrorKind::ProtocolError(protocol) = error.kind() else { return Error::Unavailable(text) };
    match protocol.kind() {
        AMQPErrorKind::Soft(AMQPSoftError::ACCESSREFUSED | AMQPSoftError::PRECONDITIONFAILED)
        | AMQPErrorKind::Hard(AMQPHardError::NOTALLOWED) => Error::Refused(text),
        _ => Error::Unavailable(text),
    }
}

pub(super) fn is_not_found(error: &lapin::Error) -> bool {
    match error.kind() {
        ErrorKind::ProtocolError(protocol) => *protocol.kind() == AMQPErrorKind::Soft(AMQPSoftError::NOTFOUND),
        _ => false,
    }
}
