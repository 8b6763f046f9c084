//! `stack list`.

use serde_json::{Value, json};

use crate::client::{Client, output};
use crate::exit::Failure;

/// Stacks asked for at a time.
const PAGE: usize = 200;

#[derive(Debug, clap::Args)]
pub struct List {}

impl List {
    pub async fn run(self, client: &Client) -> Result<(), Failure> {
        let mut stacks: Vec<Value> = Vec::new();
        loop {
            let mut query = vec![("limit", PAGE.to_string())];
            if let Some(last) = stacks.last() {
                query.push(("marker", output::text(&last["id"])));
            }
            let mut body = client.http.get(&["stacks"], &query).await?.body;
            let Value::Array(page) = body["stacks"].take() else { break };
            let full = page.len() == PAGE;
            stacks.extend(page);
            if !full {
                break;
            }
        }
        if client.json {
            client.print(&output::json(&json!({ "stacks": stacks })));
            return Ok(());
        }
        let row = |stack: &Value| {
            ["stack_name", "id", "stack_status", "creation_time"].map(|key| output::text(&stack[key])).to_vec()
        };
        let rows: Vec<Vec<String>> = stacks.iter().map(row).collect();
        client.print(&output::table(&["name", "id", "status", "created"], &rows));
        Ok(())
    }
}
