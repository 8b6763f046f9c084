//! `snapshot show`.

use super::shown;
use crate::client::{Client, output};
use crate::exit::Failure;

#[derive(Debug, clap::Args)]
pub struct Show {
    /// The stack's name or id
    stack: String,
    /// The snapshot's id or name
    snapshot: String,
}

impl Show {
    pub async fn run(self, client: &Client) -> Result<(), Failure> {
        let stack = client.stack(&self.stack).await?;
        let id = client.snapshot(&stack, &self.snapshot).await?;
        let body = client.http.get(&["stacks", &stack.name, &stack.id, "snapshots", &id], &[]).await?.body;
        client.print(&if client.json { output::json(&body) } else { shown(&body["snapshot"]) });
        Ok(())
    }
}
