//! `snapshot delete`.

use crate::client::Client;
use crate::exit::Failure;

#[derive(Debug, clap::Args)]
pub struct Delete {
    /// The stack's name or id
    stack: String,
    /// The snapshot's id or name
    snapshot: String,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
    /// Wait until it is gone
    #[arg(long)]
    wait: bool,
}

impl Delete {
    pub async fn run(self, client: &Client) -> Result<(), Failure> {
        let stack = client.stack(&self.stack).await?;
        let id = client.snapshot(&stack, &self.snapshot).await?;
        client.confirm(self.yes, &format!("Delete snapshot {id} of stack {}?", stack.name))?;
        let reply = client.http.delete(&["stacks", &stack.name, &stack.id, "snapshots", &id]).await?;
        client.ended(reply, self.wait, &format!("snapshot {id}")).await
    }
}
