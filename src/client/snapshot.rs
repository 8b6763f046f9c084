//! Snapshots of a stack.

pub mod create;
pub mod delete;
pub mod list;
pub mod plan;
pub mod restore;
pub mod show;
pub mod verify;

use serde_json::Value;
use uuid::Uuid;

use super::{Client, Stack, http, output};
use crate::exit::{Exit, Failure};

impl Client {
    /// Finds a snapshot of a stack by its id or its name; several may have the same name.
    async fn snapshot(&self, stack: &Stack, id_or_name: &str) -> Result<String, Failure> {
        if Uuid::parse_str(id_or_name).is_ok() {
            return Ok(id_or_name.to_owned());
        }
        let body = self.http.get(&["stacks", &stack.name, &stack.id, "snapshots"], &[]).await?.body;
        let snapshots = body["snapshots"].as_array().into_iter().flatten();
        let named: Vec<String> = snapshots
            .filter(|snapshot| snapshot["name"] == id_or_name)
            .map(|found| output::text(&found["id"]))
            .collect();
        match named.as_slice() {
            [id] => Ok(id.clone()),
            [] => Err(Failure::new(
                Exit::NotFound,
                format!(
                    "stack {} has no snapshot {id_or_name:?}; `stacksnap snapshot list {}` shows what it has",
                    stack.name, stack.name
                ),
            )),
            several => Err(Failure::usage(format!(
                "{} snapshots are named {id_or_name:?}; give one's id: {}",
                several.len(),
                several.join(", ")
            ))),
        }
    }

    /// Says that a removal was begun, or waits until it has ended.
    pub(super) async fn ended(&self, reply: http::Reply, wait: bool, what: &str) -> Result<(), Failure> {
        let operation = reply.operation();
        match &operation {
            Some(operation) if wait => {
                self.wait(operation).await?;
            }
            None if wait => return Err(Failure::new(Exit::Unexpected, "the service named no operation to wait for")),
            _ => {}
        }
        if self.json {
            self.print_json(&reply.body, operation.as_deref());
        } else if wait {
            self.print(&format!("{what} is deleted\n"));
        } else {
            self.print(&format!("{what} is being deleted{}\n", by(operation.as_deref())));
        }
        Ok(())
    }
}

/// `, operation …`
fn by(operation: Option<&str>) -> String {
    operation.map_or_else(String::new, |operation| format!(", operation {operation}"))
}

/// A snapshot in pairs, with what became of each of its resources and what a person should know of them.
fn shown(snapshot: &Value) -> String {
    let show = |key: &str| output::text(&snapshot[key]);
    let mut text = output::pairs(&[
        ("id", show("id")),
        ("name", show("name")),
        ("status", show("status")),
        ("reason", show("status_reason")),
        ("created", show("creation_time")),
        ("consistency", output::text(&snapshot["consistency"])),
    ]);
    let Some(resources) = snapshot["data"]["resources"].as_object().filter(|resources| !resources.is_empty()) else {
        return text;
    };
    let row = |(name, resource): (&String, &Value)| {
        let data = &resource["artifact"];
        let size = data["bytes"].as_u64().map(output::bytes).unwrap_or_default();
        let protected = match data["protected"].as_bool() {
            Some(true) => "yes".to_owned(),
            Some(false) => format!("no: {}", output::text(&data["why"])),
            None => String::new(),
        };
        vec![output::plain(name), output::text(&resource["type"]), protected, output::text(&data["consistency"]), size]
    };
    let rows: Vec<Vec<String>> = resources.iter().map(row).collect();
    text.push('\n');
    text.push_str(&output::table(&["resource", "type", "protected", "consistency", "size"], &rows));
    for (name, resource) in resources {
        for warning in resource["artifact"]["warnings"].as_array().into_iter().flatten() {
            text.push_str(&format!("{}: warning: {}\n", output::plain(name), output::text(warning)));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_copy_left_out_is_told_of_its_resource() {
        let artifact =
            json!({"protected": true, "warnings": ["mnt is another file system\nand was left out", "a changed"]});
        let text = shown(&json!({"id": "7", "data": {"resources": {"tree": {"type": "T", "artifact": artifact}}}}));
        let warnings: Vec<&str> = text.lines().filter(|line| line.contains("warning")).collect();
        assert_eq!(
            warnings,
            ["tree: warning: mnt is another file system and was left out", "tree: warning: a changed"]
        );
    }
}
