//! `orphans`: what carries our mark and has no record; removed only by its id.

use std::io::Write;

use serde_json::Value;
use stacksnap_common::config::value::parse_duration;
use stacksnap_worker::orphans::{Remove, Thing, Told};

use super::work::Task;
use crate::cli::ConfigFlags;
use crate::client::output;
use crate::exit::Failure;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Every stacksnap on the same cloud marks what it makes in the same way: what another installation, \
                        with another store, has made is listed here too. Look before you delete."
)]
pub struct Orphans {
    /// One JSON object a line
    #[arg(long)]
    json: bool,
    /// Leave out what is younger: it may just be being made
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = parse_duration)]
    older_than: std::time::Duration,
    /// Delete these, of those that are listed; nothing is deleted otherwise
    #[arg(long, value_name = "ID", value_delimiter = ',', num_args = 1..)]
    delete: Vec<String>,
    #[command(flatten)]
    flags: ConfigFlags,
}

impl Orphans {
    pub async fn run(self) -> Result<(), Failure> {
        let remove = if self.delete.is_empty() { Remove::Nothing } else { Remove::Named(self.delete) };
        let task = Task::Orphans { older_than: self.older_than, remove };
        let mut rows = Vec::new();
        let ended = super::run_with(self.flags, task, |line| match serde_json::from_str(&line) {
            Ok(Told::Note(note)) => eprintln!("stacksnap: {}", output::plain(&note)),
            Ok(Told::Orphan { .. }) if self.json => {
                let told: Value = serde_json::from_str(&line).unwrap_or_default();
                super::print(told["orphan"].to_string());
            }
            Ok(Told::Orphan { thing, removed, failed }) => rows.push(row(thing, removed, failed)),
            Err(_) => super::print(line),
        })
        .await;
        if !self.json && !rows.is_empty() {
            let headings = ["what", "id", "project", "stack", "resource", "made", "size", ""];
            let _ = write!(std::io::stdout(), "{}", output::table(&headings, &rows));
        }
        ended
    }
}

fn row(thing: Thing, removed: bool, failed: Option<String>) -> Vec<String> {
    let made = thing.made_at.and_then(|at| jiff::Timestamp::from_millisecond(at.0 as i64).ok());
    let made = made.map(|at| at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()).unwrap_or_default();
    let became = failed.unwrap_or_else(|| if removed { "deleted".to_owned() } else { String::new() });
    let size = if thing.bytes == 0 { String::new() } else { output::bytes(thing.bytes) };
    let [stack, resource] = [thing.stack, thing.resource].map(Option::unwrap_or_default);
    [thing.what, thing.id, thing.project, stack, resource, made, size, became].map(|cell| output::plain(&cell)).into()
}
