//! What holds between keys, and the bounds of single ones. Each finding is one line that names the key.

use std::collections::HashSet;
use std::time::Duration;

use super::{Auth, Config};

/// Which process the configuration is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// All in one process.
    Serve,
    Api,
    Worker,
}

const SECOND: Duration = Duration::from_secs(1);

impl Config {
    /// Everything that is wrong; empty if nothing is. Touches neither files nor the network.
    pub fn problems(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut demand = |holds: bool, message: &str| {
            if !holds {
                found.push(message.to_owned());
            }
        };
        demand(
            self.auth != Auth::None || self.listen.ip().is_loopback(),
            &format!(
                "listen = {}: without authentication only a loopback address is served; set auth to \"keystone\" or a token file, or listen to 127.0.0.1",
                self.listen
            ),
        );
        demand(!self.data_dir.as_os_str().is_empty(), "data_dir is empty; name a directory");
        demand(
            self.auth != Auth::Tokens("".into()),
            "auth is empty; give \"keystone\", the path of a token file, or \"none\"",
        );
        demand((1..=1024).contains(&self.store.shards), "store.shards is not 1 to 1024");
        demand(
            (Duration::from_millis(50)..=60 * SECOND).contains(&self.store.timeout),
            "store.timeout is not 50ms to 60s",
        );
        demand(
            (Duration::from_millis(50)..=60 * SECOND).contains(&self.queue.confirm_timeout),
            "queue.confirm_timeout is not 50ms to 60s",
        );
        demand(
            (Duration::from_millis(10)..=10 * SECOND).contains(&self.timers.interval),
            "timers.interval is not 10ms to 10s",
        );
        demand(
            matches!(
                self.redis.as_ref().map(scheme),
                None | Some("redis" | "rediss" | "redis+sentinel" | "redis+unix" | "unix")
            ),
            "redis is not a redis:// or rediss:// URL",
        );
        demand(
            matches!(self.amqp.as_ref().map(scheme), None | Some("amqp" | "amqps")),
            "amqp is not an amqp:// or amqps:// URL",
        );
        if let Err(error) = crate::telemetry::filter(&self.telemetry.level) {
            demand(false, &error.to_string());
        }
        for problem in self.heat.problems(self.auth == Auth::Keystone) {
            demand(false, problem);
        }
        for problem in self.keystone.problems(self.auth == Auth::Keystone) {
            demand(false, &problem);
        }
        let openstack = self.openstack.problems(self.auth == Auth::Keystone);
        for problem in openstack
            .into_iter()
            .chain(self.cinder.problems())
            .chain(self.nova.problems())
            .chain(self.manila.problems())
        {
            demand(false, problem);
        }
        for problem in self.trove.problems() {
            demand(false, problem);
        }
        self.worker_problems(&mut demand);
        self.vault_problems(&mut demand);
        self.limit_problems(&mut demand);
        for (name, connection) in &self.postgresql {
            for problem in connection.problems() {
                demand(false, &format!("postgresql.{name}{problem}"));
            }
        }
        found
    }

    /// What is wrong for a process of this role, beside [`Config::problems`].
    pub fn problems_of(&self, role: Role) -> Vec<String> {
        let mut found = Vec::new();
        if matches!(role, Role::Api | Role::Worker) {
            for (key, missing) in [("redis", self.redis.is_none()), ("amqp", self.amqp.is_none())] {
                if missing {
                    found.push(format!(
                        "{key} is not set; api and worker are separate processes and meet there (`serve` needs neither)"
                    ));
                }
            }
        }
        if role == Role::Worker && self.vault.master_key.is_none() && self.vault.master_key_file.is_none() {
            found.push(
                "vault.master_key_file is not set; all workers must have the same key, so a worker makes none"
                    .to_owned(),
            );
        }
        if role == Role::Worker && self.vault.path.is_none() && self.vault.s3.bucket.is_none() {
            found.push("vault.path is not set; all workers must see the same vault, so there is no default".to_owned());
        }
        found
    }

    fn worker_problems(&self, demand: &mut dyn FnMut(bool, &str)) {
        let worker = &self.worker;
        demand(!worker.pools.is_empty(), "worker.pools is empty; a worker without a pool does nothing");
        demand(
            worker.pools.iter().collect::<HashSet<_>>().len() == worker.pools.len(),
            "worker.pools names a pool twice",
        );
        demand((1..=1_000).contains(&worker.cut), "worker.cut is not 1 to 1000");
        demand((1..=1_000).contains(&worker.control), "worker.control is not 1 to 1000");
        demand(self.slots.count() <= 1_000, "slots is not 0 to 1000");
        demand((SECOND..=3_600 * SECOND).contains(&worker.lease), "worker.lease is not 1s to 1h");
        demand(worker.renew >= Duration::from_millis(100), "worker.renew is shorter than 100ms");
        demand(
            worker.lease > 2 * worker.renew,
            "worker.lease is not more than twice worker.renew; one lost renewal would lose the step",
        );
        demand(worker.heartbeat >= Duration::from_millis(100), "worker.heartbeat is shorter than 100ms");
        demand(worker.attempts >= 1, "worker.attempts is 0; no step would ever run");
        demand(
            worker.placement_timeout >= 4 * worker.heartbeat,
            "worker.placement_timeout is shorter than four times worker.heartbeat; a worker that restarts would count as gone",
        );
    }

    fn vault_problems(&self, demand: &mut dyn FnMut(bool, &str)) {
        let vault = &self.vault;
        demand(
            vault.path.is_none() || vault.s3.bucket.is_none(),
            "vault.path and vault.s3.bucket are both set; the vault is in one place, keep one",
        );
        demand(
            vault.master_key.is_none() || vault.master_key_file.is_none(),
            "vault.master_key and vault.master_key_file are both set; keep one",
        );
        let hexadecimal = |key: &str| key.len() == 64 && key.bytes().all(|b| b.is_ascii_hexdigit());
        demand(
            vault.master_key.as_ref().is_none_or(|key| hexadecimal(key.expose().trim())),
            "vault.master_key is not exactly 64 hexadecimal digits (32 bytes); `openssl rand -hex 32` makes one",
        );
        demand(
            vault.s3.access_key.is_some() == vault.s3.secret_key.is_some(),
            "vault.s3.access_key and vault.s3.secret_key go together; set both or none",
        );
        demand(
            vault.s3.bucket.is_some() || vault.s3.endpoint.is_none(),
            "vault.s3.endpoint is set without vault.s3.bucket",
        );
        demand(
            vault.keep_delete >= 25 * 3_600 * SECOND,
            "vault.keep_delete is shorter than 25h; a copy that runs for long could lose packs that it relies on",
        );
        demand(vault.handles >= 1 << 20, "vault.handles is smaller than 1MiB");
    }

    fn limit_problems(&self, demand: &mut dyn FnMut(bool, &str)) {
        let limits = &self.limits;
        demand((1 << 10..=64 << 20).contains(&limits.body), "limits.body is not 1KiB to 64MiB");
        for (key, value) in [
            ("stacks_per_project", limits.stacks_per_project),
            ("resources_per_stack", limits.resources_per_stack),
            ("resources_per_project", limits.resources_per_project),
            ("snapshots_per_stack", limits.snapshots_per_stack),
            ("snapshots_per_project", limits.snapshots_per_project),
            ("running_steps_per_project", limits.running_steps_per_project),
            ("operations_per_project", limits.operations_per_project),
            ("window", limits.window),
            ("events_per_stack", limits.events_per_stack),
        ] {
            demand(value >= 1, &format!("limits.{key} is 0; nothing could be done"));
        }
        demand(
            limits.resources_per_stack <= limits.running_steps_per_project,
            "limits.running_steps_per_project is below limits.resources_per_stack; the largest stack could never be snapshotted",
        );
    }
}

fn scheme(address: &super::Address) -> &str {
    address.expose().split("://").next().unwrap_or_default()
}
