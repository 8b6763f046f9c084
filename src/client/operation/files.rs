//! `operation files`: what a restore that failed or was cancelled did and did not, path by path.

use serde_json::Value;

use crate::client::{Client, output};
use crate::exit::Failure;

#[derive(Debug, clap::Args)]
pub struct Files {
    /// The operation's id
    id: String,
}

impl Files {
    pub async fn run(self, client: &Client) -> Result<(), Failure> {
        let body = client.http.get(&["operations", &self.id, "files"], &[]).await?.body;
        if client.json {
            client.print(&output::json(&body));
        } else {
            client.print(&shown(&body));
        }
        Ok(())
    }
}

fn shown(body: &Value) -> String {
    let resources: Vec<&Value> = body["resources"].as_array().into_iter().flatten().collect();
    let row = |one: &&Value| {
        let result = &one["result"];
        let cells = [&one["resource"], &one["state"], &result["done"], &result["left"], &one["reason"]];
        cells.map(output::text).to_vec()
    };
    let rows: Vec<Vec<String>> = resources.iter().map(row).collect();
    let mut text = output::table(&["resource", "state", "done", "left", "reason"], &rows);
    for one in resources {
        for file in one["result"]["files"].as_array().into_iter().flatten() {
            let state = if file["done"] == true { "done" } else { "left" };
            let [resource, action, path] = [&one["resource"], &file["action"], &file["path"]].map(output::text);
            text.push_str(&format!("{resource}: {state}: {action} {path}\n"));
        }
    }
    text
}
