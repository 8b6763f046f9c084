//! Where the store is: the URL, and how its server is found.

use redis::{AsyncConnectionConfig, Client, Value};

use super::errors;
use super::link::Connection;
use crate::store::backend::Error;

/// - `redis://[USER:PASSWORD@]HOST:PORT[/DB]`, `rediss://…` with TLS, `redis+unix:///PATH`: one server
/// - `redis+sentinel://[USER:PASSWORD@]HOST:PORT,HOST:PORT,…/NAME[/DB]` (`rediss+sentinel`): the master that sentinels
///   know as NAME, asked for at each connect; user and password are the master's
pub(super) struct Target {
    shown: String,
    kind: Kind,
}

enum Kind {
    Server(Client),
    Sentinel { sentinels: Vec<Client>, name: String, master: Url },
}

/// The parts of a URL that all servers share.
struct Url {
    scheme: &'static str,
    credentials: String,
    database: String,
}

impl Url {
    fn client(&self, address: &str) -> Result<Client, Error> {
        let Url { scheme, credentials, database } = self;
        open(&format!("{scheme}://{credentials}{address}/{database}"), address)
    }
}

impl Target {
    pub(super) fn parse(url: &str) -> Result<Self, Error> {
        let wrong = || {
            let rule = "redis://HOST:PORT, rediss://HOST:PORT or redis+sentinel://HOST:PORT,HOST:PORT/NAME";
            Error::Refused(format!("the URL of Redis is not of the form {rule}"))
        };
        let (scheme, rest) = url.split_once("://").ok_or_else(wrong)?;
        let (credentials, places) = match rest.rsplit_once('@') {
            Some((credentials, places)) => (format!("{credentials}@"), places),
            None => (String::new(), rest),
        };
        let (hosts, path) = places.split_once('/').unwrap_or((places, ""));
        match scheme {
            "redis" | "rediss" | "redis+unix" | "unix" => {
                // A socket's path stands where other URLs have a host.
                let shown = if hosts.is_empty() { places.split('?').next().unwrap_or_default() } else { hosts };
                let client = open(url, shown)?;
                Ok(Self { shown: shown.to_owned(), kind: Kind::Server(client) })
            }
            "redis+sentinel" | "rediss+sentinel" => {
                let (name, database) = path.split_once('/').unwrap_or((path, ""));
                if name.is_empty() {
                    return Err(wrong());
                }
                let scheme = if scheme == "redis+sentinel" { "redis" } else { "rediss" };
                let asked = Url { scheme, credentials: String::new(), database: String::new() };
                let sentinels = hosts.split(',').map(|host| asked.client(host)).collect::<Result<_, _>>()?;
                let master = Url { scheme, credentials, database: database.to_owned() };
                let kind = Kind::Sentinel { sentinels, name: name.to_owned(), master };
                Ok(Self { shown: format!("{name} of {hosts}"), kind })
            }
            _ => Err(wrong()),
        }
    }

    /// The address, without credentials.
    pub(super) fn shown(&self) -> &str {
        &self.shown
    }

    pub(super) async fn connect(&self, config: &AsyncConnectionConfig) -> Result<Connection, Error> {
        let error = |error| errors::error(&self.shown, &error);
        match &self.kind {
            Kind::Server(client) => {
                let connection = client.get_multiplexed_async_connection_with_config(config).await.map_err(error)?;
                Ok(Connection::Server(connection))
            }
            Kind::Sentinel { sentinels, name, master } => {
                let mut last = None;
                for sentinel in sentinels {
                    match self.master(sentinel, name, config).await {
                        Ok(address) => {
                            let client = master.client(&address)?;
                            let connection = client.get_multiplexed_async_connection_with_config(config).await;
                            return connection.map(Connection::Server).map_err(error);
                        }
                        Err(error) => last = Some(error),
                    }
                }
                Err(last.unwrap_or_else(|| Error::Unavailable("no sentinel is named in the URL of Redis".to_owned())))
            }
        }
    }

    /// Where a sentinel says that the master is.
    async fn master(&self, sentinel: &Client, name: &str, config: &AsyncConnectionConfig) -> Result<String, Error> {
        let error = |error| errors::error(&self.shown, &error);
        let mut connection = sentinel.get_multiplexed_async_connection_with_config(config).await.map_err(error)?;
        let mut ask = redis::cmd("SENTINEL");
        let answer = ask.arg("GET-MASTER-ADDR-BY-NAME").arg(name).query_async::<Value>(&mut connection).await;
        match redis::from_redis_value::<Option<(String, u16)>>(answer.map_err(error)?) {
            Ok(Some((host, port))) if host.contains(':') => Ok(format!("[{host}]:{port}")),
            Ok(Some((host, port))) => Ok(format!("{host}:{port}")),
            _ => Err(Error::Unavailable(format!("the sentinel knows no master of that name ({})", self.shown))),
        }
    }
}

fn open(url: &str, shown: &str) -> Result<Client, Error> {
    Client::open(url).map_err(|error| errors::error(shown, &error))
}
