//! `snapshot create`.

use clap::ValueEnum;
use serde_json::{Map, Value};

use super::{by, shown};
use crate::client::{Client, output};
use crate::exit::{Exit, Failure};

#[derive(Debug, clap::Args)]
pub struct Create {
    /// The stack's name or id
    stack: String,
    /// A name for people; need not be the only one of its kind
    #[arg(long)]
    name: Option<String>,
    /// Fail unless the whole snapshot is at least this much of one point in time
    #[arg(long)]
    consistency: Option<Consistency>,
    /// Let it be complete even if no resource at all could be protected
    #[arg(long)]
    allow_unprotected: bool,
    /// What to make of a cloud's volumes, instead of what the workers' configuration says
    #[arg(long)]
    volumes: Option<Volumes>,
    /// What to do to a cloud's servers while they and their volumes are cut, instead of what the configuration says
    #[arg(long)]
    servers: Option<Servers>,
    /// Wait until it is complete
    #[arg(long)]
    wait: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Consistency {
    Crash,
    Group,
    Application,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Volumes {
    Backup,
    Snapshot,
    #[value(name = "snapshot+backup")]
    SnapshotAndBackup,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Servers {
    /// Leave them on
    Run,
    /// Stop those that are on, and start them again
    Stop,
}

impl Create {
    pub async fn run(self, client: &Client) -> Result<(), Failure> {
        let stack = client.stack(&self.stack).await?;
        let mut body = Map::new();
        if let Some(name) = self.name {
            body.insert("name".to_owned(), Value::from(name));
        }
        if let Some(level) = self.consistency.and_then(|level| level.to_possible_value()) {
            body.insert("consistency".to_owned(), Value::from(level.get_name()));
        }
        if let Some(mode) = self.volumes.and_then(|mode| mode.to_possible_value()) {
            body.insert("volumes".to_owned(), Value::from(mode.get_name()));
        }
        if let Some(servers) = self.servers.and_then(|servers| servers.to_possible_value()) {
            body.insert("servers".to_owned(), Value::from(servers.get_name()));
        }
        if self.allow_unprotected {
            body.insert("allow_unprotected".to_owned(), Value::from(true));
        }
        let path = ["stacks", &stack.name, &stack.id, "snapshots"];
        let reply = client.http.post(&path, Some(&Value::Object(body))).await?;
        let (id, operation) = (output::text(&reply.body["id"]), reply.operation());
        if !self.wait {
            if client.json {
                client.print_json(&reply.body, operation.as_deref());
            } else {
                client.print(&format!("snapshot {id} is begun{}\n", by(operation.as_deref())));
            }
            return Ok(());
        }
        let operation =
            operation.ok_or_else(|| Failure::new(Exit::Unexpected, "the service named no operation to wait for"))?;
        let ended = client.wait(&operation).await;
        // Also of one that failed: its reason and what it has are worth seeing.
        let snapshot = client.http.get(&["stacks", &stack.name, &stack.id, "snapshots", &id], &[]).await;
        if let Ok(snapshot) = snapshot {
            if client.json {
                client.print_json(&snapshot.body["snapshot"], Some(&operation));
            } else {
                client.print(&shown(&snapshot.body["snapshot"]));
            }
        }
        ended.map(|_| ())
    }
}
