//! `stack show`: a stack and its resources.

use serde_json::{Value, json};

use crate::client::{Client, output};
use crate::exit::Failure;

#[derive(Debug, clap::Args)]
pub struct Show {
    /// The stack's name or id
    stack: String,
}

impl Show {
    pub async fn run(self, client: &Client) -> Result<(), Failure> {
        let stack = client.stack(&self.stack).await?;
        let shown = client.http.get(&["stacks", &stack.name, &stack.id], &[]).await?.body;
        let resources = client.http.get(&["stacks", &stack.name, &stack.id, "resources"], &[]).await?.body;
        if client.json {
            client.print(&output::json(&json!({ "stack": shown["stack"], "resources": resources["resources"] })));
            return Ok(());
        }
        let show = |key: &str| output::text(&shown["stack"][key]);
        let mut text = output::pairs(&[
            ("name", show("stack_name")),
            ("id", show("id")),
            ("status", show("stack_status")),
            ("reason", show("stack_status_reason")),
            ("description", show("description")),
            ("created", show("creation_time")),
            ("updated", show("updated_time")),
        ]);
        let row = |resource: &Value| {
            ["resource_name", "resource_type", "physical_resource_id", "resource_status", "resource_status_reason"]
                .map(|key| output::text(&resource[key]))
                .to_vec()
        };
        let rows: Vec<Vec<String>> = resources["resources"].as_array().into_iter().flatten().map(row).collect();
        text.push('\n');
        text.push_str(&output::table(&["resource", "type", "is", "status", "reason"], &rows));
        client.print(&text);
        Ok(())
    }
}
