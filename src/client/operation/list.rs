//! `operation list`: the newest first.

use serde::Deserialize;
use serde_json::Value;

use super::Operation;
use crate::client::{Client, output};
use crate::exit::Failure;

#[derive(Debug, clap::Args)]
pub struct List {
    /// Only those of this stack (its id or name)
    #[arg(long, value_name = "STACK")]
    stack: Option<String>,
    /// Only those in this state: waiting, preparing, running, complete, failed, cancelled
    #[arg(long)]
    state: Option<String>,
    /// At most so many
    #[arg(long, default_value_t = 20)]
    limit: u32,
}

impl List {
    pub async fn run(self, client: &Client) -> Result<(), Failure> {
        let mut query = vec![("limit", self.limit.to_string())];
        if let Some(stack) = &self.stack {
            query.push(("stack", client.stack(stack).await?.id));
        }
        if let Some(state) = self.state {
            query.push(("state", state));
        }
        let body = client.http.get(&["operations"], &query).await?.body;
        if client.json {
            client.print(&output::json(&body));
            return Ok(());
        }
        let rows: Vec<Vec<String>> = body["operations"].as_array().into_iter().flatten().map(row).collect();
        client.print(&output::table(&["id", "kind", "stack", "state", "created", "reason"], &rows));
        Ok(())
    }
}

fn row(operation: &Value) -> Vec<String> {
    let found = Operation::deserialize(operation).unwrap_or_default();
    [Some(found.id), Some(found.kind), found.stack_name, Some(found.state), found.created_at, found.reason]
        .into_iter()
        .map(|cell| output::plain(&cell.unwrap_or_default()))
        .collect()
}
