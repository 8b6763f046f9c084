//! One binary for everything: the service and its parts, what an operator needs, and a client for people.
//!
//! - `cli.rs`: the command line. `exit.rs`: the exit statuses.
//! - `client/`: speaks to a running service; one file a verb.
//! - `process/`: `serve`, `api` and `worker`, put together from their parts.
//! - `operator/`: `vault key`, `catalog rebuild`, `orphans`, `store dump`.
//! - `config/`: `config check`. `demo/`: the main job on real data.

#![expect(unreachable_pub, reason = "a binary exports nothing; here `pub` says what a module offers to the others")]

mod cli;
mod client;
mod config;
mod demo;
mod exit;
mod operator;
mod process;

use std::process::ExitCode;

use clap::Parser;

use cli::{Cli, Command, ConfigCommand, OperationVerb, SnapshotVerb, StackVerb};
use client::{Client, Target};
use exit::{Exit, Failure};

fn main() -> ExitCode {
    let cli = Cli::parse();
    tls();
    match run(cli.command) {
        Ok(()) => Exit::Ok.into(),
        Err(failure) => {
            for line in failure.message.lines() {
                eprintln!("stacksnap: {line}");
            }
            failure.exit.into()
        }
    }
}

/// Two providers of cryptography may be linked in by a dependency; rustls then wants to be told which one is meant.
/// That one was chosen before in this process is fine.
fn tls() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Serve(flags) => process::main(process::Role::Serve, flags),
        Command::Api(flags) => process::main(process::Role::Api, flags),
        Command::Worker(flags) => process::main(process::Role::Worker, flags),
        Command::Demo(demo) => demo.main(),
        Command::Vault(command) => block_on(operator::key(command)),
        Command::Catalog(command) => block_on(operator::catalog(command)),
        Command::Store(command) => block_on(operator::store(command)),
        Command::Orphans(orphans) => block_on(orphans.run()),
        Command::Config(ConfigCommand::Check(flags)) => block_on(config::check::run(flags)),
        Command::Config(ConfigCommand::Default) => {
            print!("{}", stacksnap_common::config::DEFAULT);
            Ok(())
        }
        Command::Openapi => {
            println!("{}", openapi()?);
            Ok(())
        }
        Command::Stack { target, verb } => block_on(stack(target, verb)),
        Command::Snapshot { target, verb } => block_on(snapshot(target, verb)),
        Command::Operation { target, verb } => block_on(operation(target, verb)),
    }
}

fn openapi() -> Result<String, Failure> {
    stacksnap_api::document().to_pretty_json().map_err(|error| Failure::failed(error.to_string()))
}

/// On a runtime of one thread: enough for what waits for answers.
fn block_on(work: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::failed(format!("can't start: {error}")))?;
    runtime.block_on(work)
}

async fn stack(target: Target, verb: StackVerb) -> Result<(), Failure> {
    let client = Client::new(target)?;
    match verb {
        StackVerb::Create(verb) => verb.run(&client).await,
        StackVerb::List(verb) => verb.run(&client).await,
        StackVerb::Show(verb) => verb.run(&client).await,
        StackVerb::Delete(verb) => verb.run(&client).await,
    }
}

async fn snapshot(target: Target, verb: SnapshotVerb) -> Result<(), Failure> {
    let client = Client::new(target)?;
    match verb {
        SnapshotVerb::Create(verb) => verb.run(&client).await,
        SnapshotVerb::List(verb) => verb.run(&client).await,
        SnapshotVerb::Show(verb) => verb.run(&client).await,
        SnapshotVerb::Restore(verb) => verb.run(&client).await,
        SnapshotVerb::Plan(verb) => verb.run(&client).await,
        SnapshotVerb::Verify(verb) => verb.run(&client).await,
        SnapshotVerb::Delete(verb) => verb.run(&client).await,
    }
}

async fn operation(target: Target, verb: OperationVerb) -> Result<(), Failure> {
    let client = Client::new(target)?;
    match verb {
        OperationVerb::List(verb) => verb.run(&client).await,
        OperationVerb::Show(verb) => verb.run(&client).await,
        OperationVerb::Cancel(verb) => verb.run(&client).await,
        OperationVerb::Files(verb) => verb.run(&client).await,
    }
}
