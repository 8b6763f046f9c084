//! `vault key PROJECT`: what restic needs.

use secrecy::ExposeSecret;
use stacksnap_common::config;
use stacksnap_common::ids::ProjectId;

use super::VaultCommand;
use crate::exit::Failure;
use crate::process::vaults::{self, Key};

/// Prints two assignments for a shell. The vault itself is not touched: a project without one gets the same answer.
pub async fn key(command: VaultCommand) -> Result<(), Failure> {
    let VaultCommand::Key { project, flags } = command;
    let project: ProjectId = project.parse().map_err(|error| Failure::usage(format!("{error}")))?;
    let config = config::load(&flags.sources()).map_err(|error| Failure::usage(error.to_string()))?;
    let access = vaults::open(&config, Key::Find)?.restic_access(&project);
    println!("RESTIC_REPOSITORY={}", quoted(&access.repository));
    println!("RESTIC_PASSWORD={}", quoted(access.password.expose_secret()));
    Ok(())
}

/// For a shell, as one word.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}
