//! `snapshot restore`: makes the stack's resources what they were. A safety snapshot is taken first unless declined.

use super::by;
use crate::client::{Client, output};
use crate::exit::{Exit, Failure};

#[derive(Debug, clap::Args)]
pub struct Restore {
    /// The stack's name or id
    stack: String,
    /// The snapshot's id or name
    snapshot: String,
    /// Only this resource; may be given many times
    #[arg(long = "resource", value_name = "NAME")]
    resources: Vec<String>,
    /// Take no snapshot of what is there now
    #[arg(long)]
    no_safety: bool,
    /// Do not ask (asked only with --no-safety)
    #[arg(short, long)]
    yes: bool,
    /// Wait until it is complete
    #[arg(long)]
    wait: bool,
}

impl Restore {
    pub async fn run(self, client: &Client) -> Result<(), Failure> {
        let stack = client.stack(&self.stack).await?;
        let id = client.snapshot(&stack, &self.snapshot).await?;
        if self.no_safety {
            let question = format!("Overwrite what stack {} has now, without a way back?", stack.name);
            client.confirm(self.yes, &question)?;
        }
        let mut query: Vec<(&str, String)> = self.resources.into_iter().map(|name| ("resource", name)).collect();
        if self.no_safety {
            query.push(("safety", "false".to_owned()));
        }
        let path = ["stacks", &stack.name, &stack.id, "snapshots", &id, "restore"];
        let reply = client.http.post_query(&path, &query).await?;
        let Some(operation) = reply.operation() else {
            return Err(Failure::new(
                Exit::Unexpected,
                "the service named no operation; `stacksnap stack show` shows how it goes",
            ));
        };
        if !self.wait {
            if client.json {
                client.print_json(&reply.body, Some(&operation));
            } else {
                client.print(&format!("restore of snapshot {id} is begun{}\n", by(Some(&operation))));
            }
            return Ok(());
        }
        let ended = client.wait(&operation).await;
        if client.json {
            let body = client.http.get(&["operations", &operation], &[]).await?.body;
            client.print(&output::json(&body));
        } else if ended.is_ok() {
            client.print(&format!("stack {} is what it was in snapshot {id}\n", stack.name));
        }
        ended.map(|_| ())
    }
}
