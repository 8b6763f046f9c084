//! A hundred volumes in one stack, in a cloud that takes its time: 20 seconds for a backup, as many at once as are asked
//! for. A cloud that works here has no room for so many, so it is the fake one, with its Keystone, in this process;
//! stacksnap is a process of its own with everything at its defaults, and speaks to it over the wire.
//!
//! Nothing can be quicker than one backup. What is measured is what the other ninety-nine add, and what they cost in memory.

use std::time::Duration;

use serde_json::{Map, Value, json};
use stacksnap_openstack::fake;
use stacksnap_openstack::fake::cinder::Delays;

use crate::Arguments;
use crate::meter::Cost;
use crate::report::{all, at_most, median, seconds};
use crate::service::Service;

const VOLUMES: usize = 100;
const BACKUP: Duration = Duration::from_secs(20);
/// What else takes time there.
const SHORT: Duration = Duration::from_secs(2);
/// Seconds, from the request until it is complete.
const TIME: f64 = 40.0;
/// MiB, of the whole process.
const MEMORY: f64 = 150.0;

pub async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let mut costs = Vec::new();
    for _ in 0..arguments.rounds {
        costs.push(round(arguments).await?);
    }
    let walls = || costs.iter().map(|cost| seconds(cost.wall));
    println!("volumes   {VOLUMES} of one stack, {} s a backup: {} s", BACKUP.as_secs(), at_most(median(walls()), TIME));
    println!(
        "          all rounds: {}; {:.2} of the time of one backup",
        all(walls()),
        median(walls()) / seconds(BACKUP)
    );
    let memory = costs.iter().map(|cost| cost.memory as f64 / f64::from(1 << 20)).fold(0.0, f64::max);
    println!("          peak memory of the process: {} MiB", at_most(memory, MEMORY));
    Ok(())
}

async fn round(arguments: &Arguments) -> anyhow::Result<Cost> {
    let scratch = tempfile::Builder::new().prefix("stacksnap-bench-").tempdir_in(&arguments.scratch)?;
    let keystone = fake::Keystone::start().await;
    keystone.grant("operator", "demo", &["member"]);
    let cinder = fake::Cinder::start(&keystone).await;
    cinder.delays(Delays { volume: SHORT, snapshot: SHORT, backup: BACKUP, restore: BACKUP, delete: SHORT });
    let clouds = scratch.path().join("clouds.yaml");
    let auth = json!({
        "auth_url": keystone.url().as_str(),
        "username": "operator",
        "password": "secret-of-operator",
        "project_name": "demo",
    });
    std::fs::write(&clouds, json!({ "clouds": { "bench": { "auth": auth } } }).to_string())?;
    let config = scratch.path().join("stacksnap.toml");
    let openstack = format!("enabled = true\ncloud = \"bench\"\nclouds_file = {clouds:?}\nprojects = [\"default\"]\n");
    std::fs::write(&config, format!("[openstack]\n{openstack}"))?;
    let flags = ["--config".as_ref(), config.as_os_str()];
    let mut service = Service::start(&arguments.stacksnap, &scratch.path().join("stacksnap"), &flags).await?;
    let resource = |number: usize| {
        let volume = cinder.volume("demo-id", number.to_string().as_bytes());
        (format!("volume{number}"), json!({ "type": "OS::Cinder::Volume", "external_id": volume }))
    };
    service.stack(Value::Object((0..VOLUMES).map(resource).collect::<Map<_, _>>())).await?;
    let (_, cost) = service.snapshot().await?;
    let good = cinder.backups().iter().filter(|backup| backup.status == "available").count();
    anyhow::ensure!(good == VOLUMES, "{good} backups of {VOLUMES} volumes");
    Ok(cost)
}
