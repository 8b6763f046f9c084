//! The worker of a process: its drivers, vaults, slots and name.

use std::sync::Arc;
use std::time::Duration;

use stacksnap_common::config::Config;
use stacksnap_common::ids::WorkerId;
use stacksnap_worker::drivers::cinder::{self, Volume};
use stacksnap_worker::drivers::configuration::Configuration;
use stacksnap_worker::drivers::directory::{self, Directory};
use stacksnap_worker::drivers::glance::Image;
use stacksnap_worker::drivers::manila::{self, Share};
use stacksnap_worker::drivers::native::Native;
use stacksnap_worker::drivers::nova::{self, Server};
use stacksnap_worker::drivers::openstack::Patience;
use stacksnap_worker::drivers::postgresql::Postgresql;
use stacksnap_worker::drivers::postgresql::settings::Connections;
use stacksnap_worker::drivers::remote::{self, Stack};
use stacksnap_worker::drivers::swift::Container;
use stacksnap_worker::drivers::trove::{self, Instance};
use stacksnap_worker::housekeeping;
use stacksnap_worker::slots::Counts;
use stacksnap_worker::vault::PruneRules;
use stacksnap_worker::vault::Vaults;
use stacksnap_worker::{Deps, Registry, Settings};
use uuid::Uuid;

use super::parts::Parts;
use crate::exit::Failure;

const DAY: Duration = Duration::from_secs(24 * 3600);

pub fn prepare(config: &Config, parts: &Parts, vaults: Vaults) -> Result<(Deps, Settings), Failure> {
    let deps = Deps {
        store: parts.store.clone(),
        queue: Arc::clone(&parts.queue),
        drivers: drivers(config),
        clouds: super::cloud::clouds(config)?,
        vaults: Arc::new(vaults),
        heat: super::heat::back(config)?,
    };
    let host = host();
    let settings = Settings {
        id: id(&host)?,
        host,
        pools: config.worker.pools.clone(),
        slots: Counts {
            data: config.slots.count().into(),
            cut: config.worker.cut.into(),
            control: config.worker.control.into(),
        },
        renew: config.worker.renew,
        shutdown: config.worker.shutdown,
        housekeeping: housekeeping::Settings {
            every: config.vault.prune_interval,
            // What is marked is kept for a day more than the longest copy takes.
            rules: PruneRules { longest_copy: config.vault.keep_delete.saturating_sub(DAY) },
        },
    };
    Ok((deps, settings))
}

fn drivers(config: &Config) -> Registry {
    let roots = config
        .directory_root
        .iter()
        .map(|root| directory::AllowedRoot { project: root.project.clone(), path: root.path.clone() });
    let settings =
        directory::Settings { roots: roots.collect(), control: config.data_dir.join("control"), own: config.own() };
    let connections = Connections::new(config.postgresql.clone());
    let drivers = Registry::default()
        .with(Arc::new(Directory::new(settings)))
        .with(Arc::new(Postgresql::new(connections)))
        .with(Arc::new(Native));
    if !config.openstack.enabled {
        return drivers;
    }
    let patience = Patience { longest: config.nova.longest_wait, ..Patience::new("nova.longest_wait") };
    let longest = config.openstack.longest_wait;
    let general = Patience { longest, ..Patience::new("openstack.longest_wait") };
    let there = Stack::new(remote::Settings { patience: general });
    let instance = Instance::new(trove::Settings { full_every: config.trove.full_every, patience: general });
    let volume = Volume::new(cinder::Settings {
        mode: config.cinder.mode,
        full_every: config.cinder.full_every,
        patience: Patience { longest: config.cinder.longest_wait, ..Patience::new("cinder.longest_wait") },
    });
    let longest = config.manila.longest_wait;
    let share = Share::new(manila::Settings { patience: Patience { longest, ..Patience::new("manila.longest_wait") } });
    drivers
        .with(Arc::new(Configuration))
        .with(Arc::new(Container))
        .with(Arc::new(there))
        .with(Arc::new(instance))
        .with(Arc::new(Server::new(nova::Settings { patience })))
        .with(Arc::new(Image::new(patience)))
        .with(Arc::new(share))
        .with(Arc::new(volume))
}

/// The host's name, as far as it fits an id.
fn host() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let fits = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    let name: String = name.trim().chars().filter(fits).take(64).collect();
    if name.is_empty() { "host".to_owned() } else { name }
}

/// New at each start: what the same host did before its restart was another worker.
fn id(host: &str) -> Result<WorkerId, Failure> {
    let id = format!("{host}-{}-{:.8}", std::process::id(), Uuid::new_v4().simple().to_string());
    WorkerId::try_from(id).map_err(|error| Failure::failed(error.to_string()))
}
