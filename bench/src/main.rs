//! What the project promises of speed and memory, measured beside something that everybody has: restic, what RabbitMQ and
//! Redis do without us, real Heats, the time that a cloud takes. Only ratios within one run mean anything; the times are
//! the machine's.
//!
//! ```text
//! bench/run → bytes/   a tree is copied and restored by stacksnap and by restic, by turns
//!               sample.rs    the tree          stacksnap.rs, restic.rs   who does it
//!               same.rs      what came back
//!           → steps/   no-op steps through RabbitMQ and Redis, and the raw limit of both, by turns
//!               ours.rs      the service       raw.rs      lapin and redis alone
//!           → heat/    a stack of sixty resources, beside two real Heats on the loopback
//!               cloud.rs     Keystone and the Heats     ours.rs      the service beside them
//!               stack.rs     the client of all three    load.rs      reads at full speed
//!           → volumes/ a stack of a hundred volumes, whose backups take as long as a cloud's do
//!           → service.rs stacksnap in one process    meter.rs    processor and memory of a process
//!           → report.rs  medians, in a few lines
//! ```
//!
//! It measures and judges nothing, except that a wrong result is an error: files that differ, steps that were not done.

#![expect(unreachable_pub, reason = "a binary exports nothing; here `pub` says what a module offers to the others")]

mod bytes;
mod heat;
mod meter;
mod report;
mod service;
mod steps;
mod volumes;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Measures stacksnap beside restic, beside RabbitMQ and Redis alone, beside two real Heats, and beside a slow cloud.
#[derive(Debug, Parser)]
#[command(name = "bench/run")]
struct Arguments {
    #[command(subcommand)]
    part: Option<Part>,
    /// How often each is measured; the median counts
    #[arg(long, global = true, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Where the temporary files go: the file system is part of what is measured
    #[arg(long, global = true, value_name = "DIR", default_value_os_t = std::env::temp_dir())]
    scratch: PathBuf,
    /// The program that is measured
    #[arg(long, global = true, value_name = "FILE", default_value = "target/release/stacksnap")]
    stacksnap: PathBuf,
    /// Files of the tree
    #[arg(long, global = true, default_value_t = 90_000, value_parser = clap::value_parser!(u32).range(1..))]
    files: u32,
    /// Megabytes (10^6 bytes) in the tree
    #[arg(long, global = true, default_value_t = 2_000)]
    megabytes: u64,
    /// Steps of one measurement
    #[arg(long, global = true, default_value_t = 16_000, value_parser = clap::value_parser!(u32).range(1_000..))]
    steps: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Subcommand)]
enum Part {
    /// Only the tree, against restic
    Bytes,
    /// Only no-op steps, against RabbitMQ and Redis alone
    Steps,
    /// Only snapshots and reads of sixty resources, against real Heats; as root, they are installed if missing
    Heat,
    /// Only a hundred volumes in a cloud that takes its time
    Volumes,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    report::machine(&arguments.scratch)?;
    let wanted = |part: Part| arguments.part.is_none_or(|only| only == part);
    if wanted(Part::Bytes) {
        bytes::run(arguments).await?;
    }
    if wanted(Part::Steps) {
        steps::run(arguments).await?;
    }
    if wanted(Part::Heat) {
        heat::run(arguments).await?;
    }
    if wanted(Part::Volumes) {
        volumes::run(arguments).await?;
    }
    Ok(())
}
