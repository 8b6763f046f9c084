//! How many steps a second go through RabbitMQ and Redis, when the steps do nothing: by the service, and by lapin and
//! redis alone, by turns on the same two servers, which are set up as the service wants them (quorum queue, every
//! message on disk; `appendonly yes`, `appendfsync always`).

mod ours;
mod raw;

use stacksnap_common::testing::rabbit::RabbitServer;
use stacksnap_common::testing::redis::RedisServer;

use crate::Arguments;
use crate::report::{all, at_least, median};

pub async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    // Where the loopback's servers want TLS there would be a choice to make; nobody makes it for us.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let (redis, rabbit) = tokio::join!(RedisServer::start(), RabbitServer::start());
    let steps = arguments.steps;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 0..arguments.rounds {
        for us in [round % 2 == 0, round % 2 != 0] {
            if us {
                ours.push(f64::from(steps) / ours::run(&redis, &rabbit, steps).await?.as_secs_f64());
            } else {
                theirs.push(f64::from(steps) / raw::run(&redis, &rabbit, steps).await?.as_secs_f64());
            }
        }
    }
    let ratios = ours.iter().zip(&theirs).map(|(ours, theirs)| ours / theirs);
    println!(
        "steps     {:.0}/s, raw limit {:.0}/s: {}",
        median(ours.iter().copied()),
        median(theirs.iter().copied()),
        at_least(median(ours.iter().copied()) / median(theirs.iter().copied()), 0.3)
    );
    println!("          ratios of all rounds: {}", all(ratios));
    println!(
        "          a step: published, delivered, claimed, acked, run by a driver that does nothing, recorded and counted \
         down; {} workers with {} slots each",
        ours::WORKERS,
        ours::defaults().control
    );
    println!(
        "          raw: a confirmed mandatory publish, a delivery, two small Lua commits, an ack; {} in flight",
        raw::IN_FLIGHT
    );
    Ok(())
}
