//! The command line: what there is to say, not what is done about it.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use stacksnap_common::config::Sources;

use crate::client::{Target, operation, snapshot, stack};
use crate::demo::Demo;
use crate::exit;
use crate::operator::{CatalogCommand, Orphans, StoreCommand, VaultCommand};

#[derive(Debug, Parser)]
#[command(
    name = "stacksnap",
    version,
    about = "Snapshots and restores a whole stack as one unit, through OpenStack Heat's stack-snapshot API",
    after_help = exit::HELP,
    disable_help_subcommand = true
)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the whole service in one process; needs nothing else
    Serve(ConfigFlags),
    /// Run only the API; workers are reached through Redis and RabbitMQ
    Api(ConfigFlags),
    /// Run only a worker
    Worker(ConfigFlags),
    /// Show the main job on real data: snapshot, damage, restore, compare; leaves nothing behind
    Demo(Demo),

    /// Look at the configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Print the OpenAPI document of the API
    Openapi,
    /// The vaults' keys
    #[command(subcommand)]
    Vault(VaultCommand),
    /// The store, from the vaults
    #[command(subcommand)]
    Catalog(CatalogCommand),
    /// The store's records
    #[command(subcommand)]
    Store(StoreCommand),
    /// List what carries stacksnap's mark and has no record: in the vaults, the cloud and PostgreSQL
    Orphans(Orphans),

    /// Stacks: what belongs together
    #[command(after_help = exit::HELP)]
    Stack {
        #[command(flatten)]
        target: Target,
        #[command(subcommand)]
        verb: StackVerb,
    },
    /// Snapshots of a stack
    #[command(after_help = exit::HELP)]
    Snapshot {
        #[command(flatten)]
        target: Target,
        #[command(subcommand)]
        verb: SnapshotVerb,
    },
    /// What runs, and what ran
    #[command(after_help = exit::HELP)]
    Operation {
        #[command(flatten)]
        target: Target,
        #[command(subcommand)]
        verb: OperationVerb,
    },
}

#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Read the configuration, check it, and try the servers that it names
    Check(ConfigFlags),
    /// Print every key with its default
    Default,
}

#[derive(Debug, Subcommand)]
pub enum StackVerb {
    /// Register a stack from a template
    Create(stack::create::Create),
    /// List the project's stacks
    List(stack::list::List),
    /// Show a stack and its resources
    Show(stack::show::Show),
    /// Delete a stack's record and its snapshots
    Delete(stack::delete::Delete),
}

#[derive(Debug, Subcommand)]
pub enum SnapshotVerb {
    /// Take a snapshot
    Create(snapshot::create::Create),
    /// List a stack's snapshots
    List(snapshot::list::List),
    /// Show a snapshot
    Show(snapshot::show::Show),
    /// Make the stack what it was
    Restore(snapshot::restore::Restore),
    /// Show what a restore would do
    Plan(snapshot::plan::Plan),
    /// Read a snapshot back and compare
    Verify(snapshot::verify::Verify),
    /// Delete a snapshot
    Delete(snapshot::delete::Delete),
}

#[derive(Debug, Subcommand)]
pub enum OperationVerb {
    /// List the newest operations
    List(operation::list::List),
    /// Show an operation and its steps
    Show(operation::show::Show),
    /// Stop an operation; a restore finishes the resource in hand and leaves the rest as it is
    Cancel(operation::cancel::Cancel),
    /// List what a restore that did not come to its end did and did not
    Files(operation::files::Files),
}

/// The flags of everything that has a configuration; each is also a key of the file and a variable.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Configuration")]
pub struct ConfigFlags {
    /// A configuration file (STACKSNAP_CONFIG); `stacksnap config default` prints one
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where HTTP is served [default: 127.0.0.1:8004]
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Option<String>,
    /// Where the embedded store, vault and key are [default: stacksnap-data]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<String>,
    /// Below which directories a Stacksnap::Directory may be, for all projects or one; may be given many times
    #[arg(long, value_name = "[PROJECT=]PATH")]
    directory_root: Vec<String>,
    /// Who may call: nobody is asked (loopback only), Keystone's users, or a token file [default: none]
    #[arg(long, value_name = "none|keystone|FILE")]
    auth: Option<String>,
    /// Use this Redis in place of the embedded store
    #[arg(long, value_name = "URL")]
    redis: Option<String>,
    /// Use this RabbitMQ in place of the queue in the process
    #[arg(long, value_name = "URL")]
    amqp: Option<String>,
    /// Steps that move bytes at the same time [default: one per core]
    #[arg(long, value_name = "N")]
    slots: Option<String>,
}

impl ConfigFlags {
    /// These flags on top of this process's environment.
    pub fn sources(self) -> Sources {
        let single = [
            ("listen", self.listen),
            ("data_dir", self.data_dir),
            ("auth", self.auth),
            ("redis", self.redis),
            ("amqp", self.amqp),
            ("slots", self.slots),
        ];
        let mut flags: Vec<_> = single.into_iter().filter_map(|(key, value)| Some((key, value?))).collect();
        flags.extend(self.directory_root.into_iter().map(|root| ("directory_root", root)));
        Sources::of_process(self.config, flags)
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }
}
