//! `snapshot list`.

use serde_json::Value;

use crate::client::{Client, output};
use crate::exit::Failure;

#[derive(Debug, clap::Args)]
pub struct List {
    /// The stack's name or id
    stack: String,
    /// Also the safety snapshots that restores took
    #[arg(long)]
    all: bool,
}

impl List {
    pub async fn run(self, client: &Client) -> Result<(), Failure> {
        let stack = client.stack(&self.stack).await?;
        let query = if self.all { vec![("show_hidden", "true".to_owned())] } else { Vec::new() };
        let body = client.http.get(&["stacks", &stack.name, &stack.id, "snapshots"], &query).await?.body;
        if client.json {
            client.print(&output::json(&body));
            return Ok(());
        }
        let mut snapshots: Vec<&Value> = body["snapshots"].as_array().into_iter().flatten().collect();
        snapshots.sort_by_key(|snapshot| output::text(&snapshot["creation_time"]));
        let rows: Vec<Vec<String>> = snapshots.into_iter().map(row).collect();
        client.print(&output::table(&["id", "name", "status", "created", "reason"], &rows));
        Ok(())
    }
}

fn row(snapshot: &Value) -> Vec<String> {
    let action = output::text(&snapshot["action"]);
    let status = output::text(&snapshot["status"]);
    // A removal that runs or failed is told from a snapshot that is being made.
    let status = if action == "DELETE" { format!("DELETE_{status}") } else { status };
    let show = |key: &str| output::text(&snapshot[key]);
    vec![show("id"), show("name"), status, show("creation_time"), show("status_reason")]
}
