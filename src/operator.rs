//! What an operator needs beside the service.
//!
//! `vault key` needs only the configuration. The others need the store, and the embedded store's file is open to one
//! process at a time: where a `serve` runs on the same data directory, it is asked through its control socket
//! (`control.rs`), which only its own user may use; where none runs, the files are opened here, and with Redis there is
//! nothing to be in the way of. Which of these it was is said on stderr. The work itself is the same function in
//! each case (`work.rs`), a list of JSON lines; `orphans.rs` makes a table of them.
//! Only `catalog rebuild` makes a store where there is none.

pub mod control;
mod key;
mod orphans;
pub mod work;

use std::io::Write;

use clap::Subcommand;
use stacksnap_common::config::{self, Config};

use crate::cli::ConfigFlags;
use crate::exit::Failure;
use crate::process::{parts, vaults};

pub use key::key;
pub use orphans::Orphans;
use work::{Task, Work};

#[derive(Debug, Subcommand)]
pub enum VaultCommand {
    /// Print what restic needs to read a project's vault without stacksnap
    Key {
        /// The project
        project: String,
        #[command(flatten)]
        flags: ConfigFlags,
    },
}

#[derive(Debug, Subcommand)]
pub enum CatalogCommand {
    /// Make an empty store again from the vaults: every stack that has a sealed snapshot
    Rebuild {
        #[command(flatten)]
        flags: ConfigFlags,
    },
}

#[derive(Debug, Subcommand)]
pub enum StoreCommand {
    /// Print the store's records, one JSON object a line; hidden parameters are in it in clear
    Dump {
        /// Only keys that begin with this
        #[arg(long, default_value = "")]
        prefix: String,
        #[command(flatten)]
        flags: ConfigFlags,
    },
}

pub async fn catalog(command: CatalogCommand) -> Result<(), Failure> {
    let CatalogCommand::Rebuild { flags } = command;
    run(flags, Task::Rebuild).await
}

pub async fn store(command: StoreCommand) -> Result<(), Failure> {
    let StoreCommand::Dump { prefix, flags } = command;
    run(flags, Task::Dump { prefix }).await
}

async fn run(flags: ConfigFlags, task: Task) -> Result<(), Failure> {
    run_with(flags, task, print).await
}

/// On stdout. That nobody reads it any more is no failure of ours.
fn print(line: String) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// Does the task here or has a running service do it; gives its lines to `print` as they come.
async fn run_with(flags: ConfigFlags, task: Task, print: impl FnMut(String)) -> Result<(), Failure> {
    let config = config::load(&flags.sources()).map_err(|error| Failure::usage(error.to_string()))?;
    if let Some(service) = control::find(&config)? {
        eprintln!("stacksnap: asking the service that runs on {}", config.data_dir.display());
        return service.ask(&task, print).await;
    }
    if task != Task::Rebuild {
        parts::must_be_there(&config)?;
    }
    let vaults = match vaults::open(&config, vaults::Key::Find) {
        // Without the key there is nothing to make a store from.
        Err(why) if task == Task::Rebuild => return Err(Failure::usage(format!("{why}; {}", work::GIVE_KEY))),
        Err(why) if matches!(task, Task::Orphans { .. }) => {
            eprintln!("stacksnap: {why}; {}", work::GIVE_KEY);
            None
        }
        opened => opened.ok(),
    };
    eprintln!("stacksnap: {}", opened(&config));
    let work = Work::new(&config, parts::open(&config).await?.store, vaults);
    work.run(&task, print).await
}

fn opened(config: &Config) -> String {
    match &config.redis {
        Some(address) => format!("reading the store at {address}"),
        None => format!("no service runs on {0}; opening the files in {0}", config.data_dir.display()),
    }
}
