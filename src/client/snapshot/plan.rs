//! `snapshot plan`: what a restore would overwrite, make and remove, without doing it.

use serde::Deserialize;
use serde_json::{Value, json};
use stacksnap_common::types::Preview;

use crate::client::operation::WHOLE;
use crate::client::{Client, output};
use crate::exit::{Exit, Failure};

#[derive(Debug, clap::Args)]
pub struct Plan {
    /// The stack's name or id
    stack: String,
    /// The snapshot's id or name
    snapshot: String,
    /// Only this resource; may be given many times
    #[arg(long = "resource", value_name = "NAME")]
    resources: Vec<String>,
}

impl Plan {
    pub async fn run(self, client: &Client) -> Result<(), Failure> {
        let stack = client.stack(&self.stack).await?;
        let id = client.snapshot(&stack, &self.snapshot).await?;
        let body = (!self.resources.is_empty()).then(|| json!({ "resources": self.resources }));
        let path = ["stacks", &stack.name, &stack.id, "snapshots", &id, "plan"];
        let reply = client.http.post(&path, body.as_ref()).await?;
        let named = reply.body["operation"]["id"].as_str().map(str::to_owned);
        let Some(operation) = reply.operation().or(named) else {
            return Err(Failure::new(Exit::Unexpected, "the service named no operation that makes the plan"));
        };
        let plan = client.wait(&operation).await?.plan.unwrap_or(Value::Null);
        if client.json {
            client.print(&output::json(&plan));
        }
        let previews = previews(&plan);
        if !client.json {
            client.print(&format!("{}{}", shown(&previews), definition(&plan)));
        }
        match previews.iter().map(|(_, preview)| preview.blockers.len()).sum() {
            0 => Ok(()),
            blockers => Err(Failure::failed(format!(
                "a restore would be refused: {}; see above",
                output::counted(blockers as u64, "reason")
            ))),
        }
    }
}

/// By resource; and of a stack of Heat's what Heat will do to the stack itself, first.
fn previews(plan: &Value) -> Vec<(String, Preview)> {
    let of_stack = plan.get("stack").map(|preview| (WHOLE.to_owned(), preview));
    let resources = plan["resources"].as_object().into_iter().flatten();
    let all = of_stack.into_iter().chain(resources.map(|(name, preview)| (output::plain(name), preview)));
    all.map(|(name, preview)| (name, Preview::deserialize(preview).unwrap_or_default())).collect()
}

/// What the restore would do to the stack's definition.
fn definition(plan: &Value) -> String {
    let mut text = String::new();
    for (key, says) in [("added", "back in the stack"), ("changed", "as it was again"), ("removed", "out of the stack")]
    {
        for name in plan["definition"][key].as_array().into_iter().flatten() {
            text.push_str(&format!("{}: {says}\n", output::text(name)));
        }
    }
    text
}

fn shown(previews: &[(String, Preview)]) -> String {
    let row = |(name, preview): &(String, Preview)| {
        let counts = [preview.creates, preview.overwrites, preview.removes, preview.unchanged];
        let counts = counts.iter().map(ToString::to_string);
        std::iter::once(name.clone()).chain(counts).chain([output::bytes(preview.bytes)]).collect()
    };
    let rows: Vec<Vec<String>> = previews.iter().map(row).collect();
    let mut text = output::table(&["resource", "makes", "overwrites", "removes", "leaves", "writes"], &rows);
    for (name, preview) in previews {
        let groups = [("", &preview.sample), ("stands in the way: ", &preview.blockers), ("note: ", &preview.notes)];
        for (label, lines) in groups {
            for line in lines {
                text.push_str(&format!("{name}: {label}{}\n", output::plain(line)));
            }
            let changes = preview.creates + preview.overwrites + preview.removes;
            let named = preview.sample.len() as u64;
            if label.is_empty() && named > 0 && changes > named {
                text.push_str(&format!("{name}: … and {} more\n", changes - named));
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_heat_will_do_is_shown_and_blocks_like_the_rest() {
        let plan = json!({"stack": {"sample": ["delete more"], "removes": 1, "blockers": ["Heat refuses the update"]},
            "resources": {"data": {"overwrites": 1}}});
        let text = shown(&previews(&plan));
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines.contains(&"(whole stack): delete more"), "{text}");
        assert!(lines.contains(&"(whole stack): stands in the way: Heat refuses the update"), "{text}");
    }

    #[test]
    fn a_sample_says_that_it_is_one() {
        let sample = vec!["overwrite a".to_owned(), "remove b".to_owned()];
        let preview = Preview { overwrites: 40, removes: 2, unchanged: 9, sample, ..Preview::default() };
        let text = shown(&[("tree".to_owned(), preview.clone())]);
        assert!(text.ends_with("tree: remove b\ntree: … and 40 more\n"), "{text}");
        let all = Preview { overwrites: 1, removes: 1, ..preview };
        assert!(shown(&[("tree".to_owned(), all)]).ends_with("tree: remove b\n"));
    }
}
