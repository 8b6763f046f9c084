//! The queue on RabbitMQ, 3.10 or later. Nothing outside this directory names lapin.
//!
//! Two connections, because a broker that is short of memory or disk stops reading from connections that publish: one
//! to publish and to declare, one to consume, made when something is consumed for the first time. `connection` keeps
//! each of them up, `publish` pipelines confirmed publishes on one channel, `consume` keeps consumers attached,
//! `topology` names and declares the queues.
//!
//! Jobs go through the default exchange to the durable quorum queue `<prefix>.<pool>.<lane>`. It is declared by whoever
//! needs it first: a consumer, or a publisher whose message came back. What can't be read goes to `<prefix>.dead`.
//!
//! lapin's own recovery is left off. It gives no event when a connection is lost, it does not mend channels that the
//! broker closed, and those need to be built again here anyway: so everything that ends a channel takes that one way.

mod connection;
mod consume;
mod publish;
mod topology;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::watch;

use self::connection::{Address, Link};
use self::consume::Consumers;
use self::publish::Publisher;
use super::{Consumer, Error, Job, MAX_PREFETCH, Queue, Route};

#[derive(Debug, Clone)]
pub struct Settings {
    /// `amqp[s]://[user[:password]@]host[:port][/vhost]`; the vhost is percent-encoded, and `/` if there is none.
    pub url: SecretString,
    /// What the names of all queues begin with; 1 to 64 of `a-z A-Z 0-9 _ - .`.
    pub prefix: String,
    /// How long a connection, a confirm, or any answer of the broker may take.
    pub timeout: Duration,
    /// A broker that was silent for twice as long is taken for lost. Whole seconds, at least one.
    pub heartbeat: Duration,
    /// For `amqps`: certificates (PEM) to trust instead of the system's.
    pub authorities: Option<String>,
}

impl Settings {
    pub fn new(url: SecretString) -> Self {
        Self {
            url,
            prefix: "stacksnap".to_owned(),
            timeout: Duration::from_secs(10),
            heartbeat: Duration::from_secs(10),
            authorities: None,
        }
    }
}

pub struct Rabbit {
    address: Address,
    prefix: String,
    publisher: Arc<Publisher>,
    consumers: OnceLock<Arc<Consumers>>,
}

impl Rabbit {
    /// Starts to connect, and goes on trying for as long as this lives. The broker need not be there: `connected` tells
    /// when it is. Needs a tokio runtime.
    ///
    /// `Refused` for settings that can't work with any broker. What the broker itself refuses (credentials, vhost,
    /// permissions) is logged, comes from `publish`, and from [`Rabbit::check`].
    pub fn connect(settings: Settings) -> Result<Arc<Self>, Error> {
        if !prefix_is_valid(&settings.prefix) {
            return Err(Error::Refused(format!(
                "the prefix {:?} of its names must be 1 to 64 characters of a-z A-Z 0-9 _ - .",
                settings.prefix
            )));
        }
        let address = Address::parse(settings.url.expose_secret(), &settings)?;
        let publisher = Publisher::start(Link::start(address.clone(), "publishing"));
        Ok(Arc::new(Self {
            address,
            prefix: settings.prefix,
            publisher: Arc::new(publisher),
            consumers: OnceLock::new(),
        }))
    }

    /// Tries, on a connection of its own, what the service will need: the broker, the credentials, the vhost, and the
    /// right to declare a queue. Leaves the dead-letter queue declared.
    pub async fn check(&self) -> Result<(), Error> {
        let connection = self.address.open("checking").await?;
        topology::declare_on(&connection, &topology::dead(&self.prefix), self.address.timeout).await
    }

    fn queue_of(&self, route: &Route) -> String {
        topology::queue(&self.prefix, route)
    }

    fn consumers(&self) -> &Arc<Consumers> {
        self.consumers.get_or_init(|| {
            let link = Link::start(self.address.clone(), "consuming");
            Arc::new(Consumers::new(link, self.publisher.clone(), topology::dead(&self.prefix)))
        })
    }
}

fn prefix_is_valid(prefix: &str) -> bool {
    (1..=64).contains(&prefix.len())
        && prefix.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
}

#[async_trait]
impl Queue for Rabbit {
    async fn publish(&self, job: &Job) -> Result<(), Error> {
        self.publisher.publish(&self.queue_of(&job.route), job.encode(), None).await
    }

    async fn consume(&self, route: &Route, prefetch: u16) -> Result<Box<dyn Consumer>, Error> {
        self.consumers().consume(self.queue_of(route), prefetch.clamp(1, MAX_PREFETCH)).await
    }

    async fn depth(&self, route: &Route) -> Result<u64, Error> {
        self.publisher.depth(&self.queue_of(route)).await
    }

    fn connected(&self) -> watch::Receiver<bool> {
        self.publisher.connected()
    }
}
