//! Whether a server keeps what it is told: asked on every new connection, because a server may come back as another.

use redis::Value;

use super::errors;
use super::link::Connection;
use super::wire::{Keys, Script};
use crate::store::backend::{Error, Shards};
use crate::store::rules;

/// What is kept under the keys. A higher number was written by a newer stacksnap and is refused.
const FORMAT: u32 = 1;

/// What a server is asked.
pub(super) struct Check {
    shards: Shards,
    meta: String,
    allow_unsafe: bool,
    served: Script,
}

/// Notes which server serves, and tells for how long.
pub(super) fn served() -> Script {
    Script::new(include_str!("served.lua"))
}

impl Check {
    pub(super) fn new(shards: Shards, keys: &Keys, allow_unsafe: bool) -> Self {
        Self { shards, meta: keys.meta.clone(), allow_unsafe, served: served() }
    }

    /// Asks one server, and writes into an empty one what it is used for.
    pub(super) async fn run(&self, server: &str, connection: &mut Connection) -> Result<(), Error> {
        let info = connection.info(server).await?;
        let field = |name: &str| field(&info, name);
        let version = field("redis_version").unwrap_or("0");
        let major: u32 = version.split('.').next().and_then(|major| major.parse().ok()).unwrap_or(0);
        if major < 7 {
            return Err(Error::Refused(format!("Redis at {server} is version {version}; 7.0 or later is needed")));
        }
        if field("role") == Some("slave") {
            return Err(Error::Refused(format!("Redis at {server} is a replica; give the address of its master")));
        }
        self.durability(server, connection).await?;
        self.identity(server, connection).await?;
        let mut served = self.served.by_text();
        served.arg(1).arg(&self.meta);
        connection.query(&served).await.map_err(|error| errors::error(server, &error))?;
        Ok(())
    }

    async fn durability(&self, server: &str, connection: &mut Connection) -> Result<(), Error> {
        let mut ask = redis::cmd("CONFIG");
        ask.arg("GET").arg("appendonly").arg("appendfsync").arg("maxmemory-policy");
        let wrong = match connection.query(&ask).await {
            Ok(answer) => faults(&pairs(answer)),
            Err(error) => vec![format!("it does not tell its configuration ({error}): allow this user CONFIG GET")],
        };
        if wrong.is_empty() {
            return Ok(());
        }
        let text = format!("Redis at {server} would lose what was accepted: {}", wrong.join("; "));
        if !self.allow_unsafe {
            return Err(Error::Refused(format!(
                "{text} (in redis.conf). To go on all the same, set `allow_unsafe = true` under `[store]`"
            )));
        }
        tracing::warn!("{text}; going on, as `allow_unsafe` is set");
        Ok(())
    }

    async fn identity(&self, server: &str, connection: &mut Connection) -> Result<(), Error> {
        let shards = self.shards.count();
        for (field, value) in [("shards", u32::from(shards)), ("format", FORMAT)] {
            connection
                .query(redis::cmd("HSETNX").arg(&self.meta).arg(field).arg(value))
                .await
                .map_err(|error| errors::error(server, &error))?;
        }
        let answer = connection.query(redis::cmd("HMGET").arg(&self.meta).arg("shards").arg("format")).await;
        let answer = answer.map_err(|error| errors::error(server, &error))?;
        let (used, format): (u32, u32) = redis::from_redis_value(answer)
            .map_err(|_| Error::Corrupt(format!("Redis at {server}: {} is not a store's", self.meta)))?;
        if format > FORMAT {
            return Err(Error::Refused(format!(
                "the store in Redis at {server} was written by a newer stacksnap (format {format}, this one knows \
                 {FORMAT}); use that one"
            )));
        }
        if used != u32::from(shards) {
            return Err(Error::Refused(rules::other_shards(used, self.shards)));
        }
        Ok(())
    }
}

/// Replicas that have all that the master has, or nearly so; one that still copies the whole is not among them.
pub(super) fn online(info: &str) -> usize {
    let replicas = info.lines().filter_map(|line| line.strip_prefix("slave")?.split_once(':'));
    replicas.filter(|(_, state)| state.split(',').any(|part| part == "state=online")).count()
}

/// A field of INFO.
pub(super) fn field<'info>(info: &'info str, name: &str) -> Option<&'info str> {
    info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
}

fn pairs(answer: Value) -> Vec<(String, String)> {
    redis::from_redis_value(answer).unwrap_or_default()
}

/// What is wrong with a configuration, each with what to set.
fn faults(config: &[(String, String)]) -> Vec<String> {
    let value = |name: &str| config.iter().find(|(key, _)| key == name).map_or("unknown", |(_, value)| value.as_str());
    let mut wrong = Vec::new();
    let mut want = |name: &str, is: &str, set: &str| wrong.push(format!("`{name}` is `{is}`, set `{name} {set}`"));
    if value("appendonly") != "yes" {
        want("appendonly", value("appendonly"), "yes");
    }
    if value("appendfsync") != "always" {
        want("appendfsync", value("appendfsync"), "always");
    }
    if value("maxmemory-policy") != "noeviction" {
        want("maxmemory-policy", value("maxmemory-policy"), "noeviction");
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fault_is_named_with_what_to_set() {
        let config = |appendonly: &str, appendfsync: &str, policy: &str| {
            let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
            [pair("appendonly", appendonly), pair("appendfsync", appendfsync), pair("maxmemory-policy", policy)]
        };
        assert_eq!(faults(&config("yes", "always", "noeviction")), [""; 0]);
        assert_eq!(
            faults(&config("yes", "everysec", "noeviction")),
            ["`appendfsync` is `everysec`, set `appendfsync always`"]
        );
        assert_eq!(
            faults(&config("no", "no", "allkeys-lru")),
            [
                "`appendonly` is `no`, set `appendonly yes`",
                "`appendfsync` is `no`, set `appendfsync always`",
                "`maxmemory-policy` is `allkeys-lru`, set `maxmemory-policy noeviction`",
            ]
        );
        assert_eq!(faults(&[]).len(), 3);
    }

    #[test]
    fn only_replicas_in_step_count() {
        let info = "role:master\r\nconnected_slaves:2\r\nslave0:ip=10.0.0.2,port=6379,state=online,offset=5,lag=0\r\n\
                    slave1:ip=10.0.0.3,port=6379,state=wait_bgsave,offset=0,lag=0\r\nslave_read_only:1\r\n";
        assert_eq!(online(info), 1);
        assert_eq!(online("role:master\r\nconnected_slaves:0\r\n"), 0);
    }

    #[test]
    fn a_field_of_info_is_found_by_its_whole_name() {
        let info = "# Replication\r\nrole:master\r\nconnected_slaves:2\r\nrole_x:no\r\n";
        assert_eq!(field(info, "role"), Some("master"));
        assert_eq!(field(info, "connected_slaves"), Some("2"));
        assert_eq!(field(info, "slaves"), None);
    }
}
