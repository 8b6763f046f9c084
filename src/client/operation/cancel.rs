//! `operation cancel`.

use crate::client::{Client, output};
use crate::exit::Failure;

#[derive(Debug, clap::Args)]
pub struct Cancel {
    /// The operation's id
    id: String,
    /// Wait until it has ended: what was made is removed, what was frozen is thawed
    #[arg(long)]
    wait: bool,
}

impl Cancel {
    pub async fn run(self, client: &Client) -> Result<(), Failure> {
        let reply = client.http.post(&["operations", &self.id, "cancel"], None).await?;
        if self.wait {
            let ended = client.until_ended(&self.id).await?;
            if ended.complete() {
                return Err(Failure::failed(format!(
                    "operation {} was complete before it could be cancelled",
                    self.id
                )));
            }
        }
        if client.json {
            client.print(&output::json(&reply.body));
        } else if self.wait {
            client.print(&format!("operation {} is cancelled\n", self.id));
        } else {
            client.print(&format!("operation {} is being cancelled\n", self.id));
        }
        Ok(())
    }
}
