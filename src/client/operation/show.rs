//! `operation show`: one operation with its steps; with `--wait` until it has ended.

use super::{Operation, Step};
use crate::client::{Client, output};
use crate::exit::Failure;

#[derive(Debug, clap::Args)]
pub struct Show {
    /// The operation's id
    id: String,
    /// Wait until it has ended
    #[arg(long)]
    wait: bool,
}

impl Show {
    pub async fn run(self, client: &Client) -> Result<(), Failure> {
        let ended = if self.wait { client.wait(&self.id).await } else { Ok(Operation::default()) };
        let body = client.http.get(&["operations", &self.id], &[]).await?.body;
        if client.json {
            client.print(&output::json(&body));
        } else {
            client.print(&shown(&Operation::of(&body)));
        }
        ended.map(|_| ())
    }
}

fn shown(operation: &Operation) -> String {
    let optional = |value: &Option<String>| output::plain(value.as_deref().unwrap_or_default());
    let mut text = output::pairs(&[
        ("id", operation.id.clone()),
        ("kind", operation.kind.clone()),
        ("stack", optional(&operation.stack_name)),
        ("state", operation.state.clone()),
        ("phase", optional(&operation.phase)),
        ("reason", optional(&operation.reason)),
        ("created", optional(&operation.created_at)),
        ("ended", optional(&operation.ended_at)),
    ]);
    if !operation.steps.is_empty() {
        let rows: Vec<Vec<String>> = operation.steps.iter().map(row).collect();
        text.push('\n');
        text.push_str(&output::table(&["resource", "step", "state", "attempt", "progress", "worker", "reason"], &rows));
    }
    text
}

fn row(step: &Step) -> Vec<String> {
    vec![
        output::plain(step.name()),
        output::plain(&step.verb),
        output::plain(&step.state),
        step.attempt.map(|attempt| attempt.to_string()).unwrap_or_default(),
        step.progress.as_ref().map(crate::client::wait::amount).unwrap_or_default(),
        output::plain(step.worker.as_deref().unwrap_or_default()),
        output::plain(step.why().unwrap_or_default()),
    ]
}
