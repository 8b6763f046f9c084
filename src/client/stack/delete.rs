//! `stack delete`: the stack's record and all its snapshots; the resources themselves stay as they are.

use crate::client::Client;
use crate::exit::Failure;

#[derive(Debug, clap::Args)]
pub struct Delete {
    /// The stack's name or id
    stack: String,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
    /// Wait until its snapshots are gone
    #[arg(long)]
    wait: bool,
}

impl Delete {
    pub async fn run(self, client: &Client) -> Result<(), Failure> {
        let stack = client.stack(&self.stack).await?;
        let question = format!("Delete stack {} and all of its snapshots? Its resources stay as they are.", stack.name);
        client.confirm(self.yes, &question)?;
        let reply = client.http.delete(&["stacks", &stack.name, &stack.id]).await?;
        client.ended(reply, self.wait, &format!("stack {}", stack.name)).await
    }
}
