//! `vault key PROJECT`: what restic needs.

use secrecy::ExposeSecret;
use stacksnap_common::config;
use stacksnap_common::ids::ProjectId;

use super::VaultCommand;
use crate::exit::{Exit, Failure};
use crate::process::vaults::{self, Key};

/// Prints two assignments for a shell. Of the vault no more is looked at than whether there is one of that project.
pub async fn key(command: VaultCommand) -> Result<(), Failure> {
    let VaultCommand::Key { project, flags } = command;
    let project: ProjectId = project.parse().map_err(|error| Failure::usage(format!("{error}")))?;
    let config = config::load(&flags.sources()).map_err(|error| Failure::usage(error.to_string()))?;
    let vaults = vaults::open(&config, Key::Find)?;
    let there = vaults.projects().await.map_err(|error| Failure::failed(error.to_string()))?;
    if !there.contains(&project) {
        return Err(Failure::new(Exit::NotFound, "no vault of that project is there yet"));
    }
    let access = vaults.restic_access(&project);
    println!("RESTIC_REPOSITORY={}", quoted(&access.repository));
    println!("RESTIC_PASSWORD={}", quoted(access.password.expose_secret()));
    Ok(())
}

/// For a shell, as one word.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}
