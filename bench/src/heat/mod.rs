//! Sixty resources, beside two real Heats: how long a snapshot takes, and how many reads a second there are.
//!
//! `tests/openstack/up` starts Keystone, Debian's Heat and the newest Heat on the loopback ([`cloud`]). stacksnap runs
//! beside them in registry mode, as one process for the API and one worker, on RabbitMQ and Redis, its tokens validated by
//! the same Keystone ([`ours`]). All three are asked the same by the same client ([`stack`]): to make a flat stack of
//! `OS::Heat::TestResource`s, to snapshot it, and, over eight connections, to list and to show ([`load`]).
//!
//! Each read is measured while every stack has one snapshot. Heat 27 waits a second for each resource of a snapshot, so of
//! its own there is only that one; of the others there are ten more.

mod cloud;
mod load;
mod ours;
mod stack;

use std::time::Duration;

use crate::Arguments;
use crate::report::{all, at_least, at_most, median, seconds};
use cloud::Cloud;
use ours::Service;
use stack::{Api, Stack};

const RESOURCES: u32 = 60;
const SNAPSHOTS: usize = 10;
const CONNECTIONS: usize = 8;
/// How long each read is measured in one round.
const LOAD: Duration = Duration::from_secs(3);

struct Subject {
    name: &'static str,
    stack: Stack,
    first: Duration,
    snapshot: String,
    more: Vec<f64>,
}

pub async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let directory = tempfile::Builder::new().prefix("stacksnap-bench-heat-").tempdir_in(&arguments.scratch)?;
    let cloud = Cloud::start(&directory.path().join("cloud"))?;
    let service = Service::start(&arguments.stacksnap, &directory.path().join("ours"), &cloud).await?;
    let token = cloud.token().await?;
    let apis = [("stacksnap", service.url()), ("Heat 19", &cloud.heat19), ("Heat 27", &cloud.heat27)];
    let mut making = Vec::new();
    for (name, url) in apis {
        // Heat 27 is behind uwsgi, as its authors advise: a process there is held by the connection that it has accepted, and
        // ends it after an answer.
        let api = Api::new(url, &token, name != "Heat 27")?;
        making.push(async move { anyhow::Ok((name, api.create(RESOURCES).await?)) });
    }
    // The Heats take a second for each resource; at once, because nothing is measured here.
    let stacks = futures_util::future::try_join_all(making).await?;
    let mut subjects = Vec::new();
    for (name, stack) in stacks {
        let (snapshot, first) = stack.snapshot().await?;
        subjects.push(Subject { name, stack, first, snapshot, more: Vec::new() });
    }
    println!(
        "heat      registry mode on RabbitMQ and Redis, beside the Heats of tests/openstack/up; {RESOURCES} resources"
    );
    for (what, least) in [("stack show", None), ("snapshot list", Some(20.0)), ("snapshot show", Some(20.0))] {
        reads(what, least, &subjects, arguments.rounds).await?;
    }
    for _ in 0..SNAPSHOTS {
        for subject in subjects.iter_mut().filter(|subject| subject.name != "Heat 27") {
            let (_, took) = subject.stack.snapshot().await?;
            subject.more.push(seconds(took));
        }
    }
    snapshots(&subjects);
    Ok(())
}

/// Requests a second, by turns.
async fn reads(what: &str, least: Option<f64>, subjects: &[Subject], rounds: u32) -> anyhow::Result<()> {
    let mut rates = vec![Vec::new(); subjects.len()];
    for _ in 0..rounds {
        for (subject, rates) in subjects.iter().zip(&mut rates) {
            let path = match what {
                "stack show" => subject.stack.path().to_owned(),
                "snapshot list" => format!("{}/snapshots", subject.stack.path()),
                _ => format!("{}/snapshots/{}", subject.stack.path(), subject.snapshot),
            };
            rates.push(load::rate(subject.stack.api(), &path, CONNECTIONS, LOAD).await?);
        }
    }
    let medians: Vec<f64> = rates.iter().map(|rates| median(rates.iter().copied())).collect();
    for (subject, theirs) in subjects.iter().zip(&medians).skip(1) {
        let ratio = medians[0] / theirs;
        let shown = least.map_or_else(|| format!("{ratio:.0}"), |least| at_least(ratio, least));
        println!(
            "          {what}: {:.0}/s, {} {theirs:.1}/s at {CONNECTIONS} connections: {shown}",
            medians[0], subject.name
        );
    }
    Ok(())
}

fn snapshots(subjects: &[Subject]) {
    let ours = median(subjects[0].more.iter().copied());
    println!("          POST until COMPLETE, median of {SNAPSHOTS}: {} s", at_most(ours, 0.5));
    println!("          all: {}", all(subjects[0].more.iter().copied()));
    for subject in &subjects[1..] {
        let (theirs, of) = match subject.more.len() {
            0 => (seconds(subject.first), "the only one".to_owned()),
            count => (median(subject.more.iter().copied()), format!("median of {count}")),
        };
        println!("          {}: {theirs:.2} s ({of}): {:.2} of it", subject.name, ours / theirs);
    }
}
