//! `snapshot verify`: has all that the snapshot holds read back and compared. Waits, since the answer is what it is for.

use serde::Deserialize;
use serde_json::json;
use stacksnap_common::types::Verdict;

use crate::client::operation::{Operation, Step};
use crate::client::{Client, output};
use crate::exit::{Exit, Failure};

#[derive(Debug, clap::Args)]
pub struct Verify {
    /// The stack's name or id
    stack: String,
    /// The snapshot's id or name
    snapshot: String,
    /// Only this resource; may be given many times
    #[arg(long = "resource", value_name = "NAME")]
    resources: Vec<String>,
}

impl Verify {
    pub async fn run(self, client: &Client) -> Result<(), Failure> {
        let stack = client.stack(&self.stack).await?;
        let id = client.snapshot(&stack, &self.snapshot).await?;
        let body = (!self.resources.is_empty()).then(|| json!({ "resources": self.resources }));
        let path = ["stacks", &stack.name, &stack.id, "snapshots", &id, "verify"];
        let reply = client.http.post(&path, body.as_ref()).await?;
        let named = reply.body["operation"]["id"].as_str().map(str::to_owned);
        let Some(operation) = reply.operation().or(named) else {
            return Err(Failure::new(Exit::Unexpected, "the service named no operation that verifies"));
        };
        let ended = client.until_ended(&operation).await?;
        if client.json {
            let body = client.http.get(&["operations", &operation], &[]).await?.body;
            client.print(&output::json(&body));
        } else {
            client.print(&shown(&ended));
        }
        if ended.complete() {
            return Ok(());
        }
        let reason = output::plain(ended.reason.as_deref().unwrap_or("no reason was given"));
        Err(Failure::failed(format!("snapshot {id} is not good: {reason}")))
    }
}

/// What each resource's step found. The same for one that holds nothing to be read.
fn shown(operation: &Operation) -> String {
    let row = |step: &Step| {
        let verdict = Verdict::deserialize(&step.result).ok();
        let found = match (step.state.as_str(), &verdict) {
            ("done", _) => "good".to_owned(),
            (_, _) => step.why().map_or_else(|| step.state.clone(), output::plain),
        };
        vec![output::plain(step.name()), found, output::bytes(verdict.map_or(0, |verdict| verdict.bytes))]
    };
    let rows: Vec<Vec<String>> = operation.steps.iter().map(row).collect();
    output::table(&["resource", "found", "read"], &rows)
}
