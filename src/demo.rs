//! `stacksnap demo`: the main job on real data, from nothing to nothing.
//!
//! In a temporary directory it makes a directory tree with files of every kind and, where a PostgreSQL server can be
//! started from an installed package, a database. It starts the service in this process, as `stacksnap serve` would,
//! and from there on speaks HTTP only: makes a stack of both, takes a snapshot, damages both thoroughly, shows what a
//! restore would do, restores, and compares every byte, mode, time, link and row with what was there. Whatever happens,
//! the server is ended and the directory removed. The exit status is non-zero if anything differs.

mod database;
mod place;
mod tree;

use std::time::Instant;

use serde_json::{Value, json};
use stacksnap_common::config::{Config, DirectoryRoot, Telemetry};
use stacksnap_common::ids::ProjectId;
use stacksnap_common::telemetry;
use stacksnap_common::types::Preview;

use crate::client::{Client, output};
use crate::exit::{Exit, Failure};
use crate::process;

use database::Database;
use place::Place;
use tree::Tree;

/// The project that everything is done in.
const PROJECT: &str = "default";
const STACK: &str = "demo";

#[derive(Debug, clap::Args)]
pub struct Demo {
    /// Entries of the directory tree
    #[arg(long, default_value_t = 4_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    entries: u64,
    /// The same number makes the same tree and the same damage
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Leave the database out
    #[arg(long)]
    no_database: bool,
    /// Say also what the service logs
    #[arg(long)]
    verbose: bool,
}

impl Demo {
    pub fn main(self) -> Result<(), Failure> {
        let runtime =
            tokio::runtime::Runtime::new().map_err(|error| Failure::failed(format!("can't start: {error}")))?;
        let telemetry =
            Telemetry { level: if self.verbose { "info" } else { "error" }.to_owned(), ..Telemetry::default() };
        telemetry::init(&telemetry).map_err(|error| Failure::failed(error.to_string()))?;
        let ended = runtime.block_on(self.run());
        runtime.shutdown_background();
        ended
    }

    async fn run(self) -> Result<(), Failure> {
        let place = Place::new()?;
        let result = tokio::select! {
            result = self.play(&place) => result,
            signal = interrupted() => Err(Failure::new(Exit::Interrupted, format!("{signal}; everything is cleaned up"))),
        };
        place.remove()?;
        result
    }

    async fn play(&self, place: &Place) -> Result<(), Failure> {
        let start = Instant::now();
        let tree = Tree::build(place.sub("data")?, self.seed, self.entries).await?;
        say(&format!("made      a directory of {}", tree.size()));
        let database = if self.no_database { None } else { Database::start().await? };
        match &database {
            Some(database) => say(&format!("made      a database of {}", database.size())),
            None if self.no_database => {}
            None => say(
                "note      no PostgreSQL is installed here: the database is left out (Debian's package: postgresql)",
            ),
        }

        let mut config = Config { data_dir: place.path("service"), ..Config::default() };
        config.listen.set_port(0);
        config.directory_root = vec![DirectoryRoot { project: None, path: tree.path.clone() }];
        let project: ProjectId = PROJECT.parse().map_err(|error| Failure::failed(format!("{error}")))?;
        config.postgresql.extend(database.as_ref().map(|database| ("demo".to_owned(), database.connection(project))));
        let service = process::start(config, process::Role::Serve).await?;
        let played = self.act(&format!("http://{}", service.address), &tree, database.as_ref()).await;
        service.stop().await;
        played?;
        say(&format!("done      in {:.1} s; nothing is left behind", start.elapsed().as_secs_f64()));
        Ok(())
    }

    /// The part that speaks HTTP.
    async fn act(&self, url: &str, tree: &Tree, database: Option<&Database>) -> Result<(), Failure> {
        let client = Client::quiet(url, PROJECT)?;
        let resources = template(tree, database);
        let body = json!({ "stack_name": STACK, "template": { "heat_template_version": "2016-10-14", "resources": resources } });
        let reply = client.http.post(&["stacks"], Some(&body)).await?;
        let stack = reply.body["stack"]["id"].as_str().unwrap_or_default().to_owned();
        done(&client, &reply.operation()).await?;
        let snapshots = ["stacks", STACK, stack.as_str(), "snapshots"];
        let count = resources.as_object().map_or(0, serde_json::Map::len);
        say(&format!("stack {STACK}, of {}", output::counted(count as u64, "resource")));

        let began = Instant::now();
        let reply = client.http.post(&snapshots, Some(&json!({ "name": "before" }))).await?;
        let snapshot = reply.body["id"].as_str().unwrap_or_default().to_owned();
        done(&client, &reply.operation()).await?;
        let of_snapshot = [&snapshots[..], &[snapshot.as_str()]].concat();
        let shown = client.http.get(&of_snapshot, &[]).await?.body;
        say(&format!(
            "snapshot  {}: {} in {:.1} s",
            output::text(&shown["snapshot"]["status"]),
            output::text(&shown["snapshot"]["status_reason"]),
            began.elapsed().as_secs_f64()
        ));

        let damage = tree.damage(self.seed).await?;
        say(&format!("damaged   the directory: {damage}"));
        if let Some(database) = database {
            say(&format!("damaged   the database: {}", database.damage().await?));
        }
        let (files, rows) = (tree.differences().await?.len(), differences(database).await?.len());
        if files == 0 || (database.is_some() && rows == 0) {
            return Err(Failure::failed("the damage does not show: this demo proves nothing"));
        }

        let reply = client.http.post(&[&of_snapshot[..], &["plan"]].concat(), None).await?;
        let plan = done(&client, &reply.operation()).await?;
        for (resource, preview) in plan["plan"]["resources"].as_object().into_iter().flatten() {
            say(&format!("plan      {resource}: {}", planned(preview)));
        }

        let began = Instant::now();
        let reply = client.http.post(&[&of_snapshot[..], &["restore"]].concat(), None).await?;
        done(&client, &reply.operation()).await?;
        say(&format!(
            "restored  in {:.1} s, after a safety snapshot of the damaged state",
            began.elapsed().as_secs_f64()
        ));

        let mut found = tree.differences().await?;
        found.extend(differences(database).await?);
        for difference in found.iter().take(20) {
            say(&format!("DIFFERS   {difference}"));
        }
        if !found.is_empty() {
            return Err(Failure::failed(format!(
                "{} after the restore",
                output::counted(found.len() as u64, "difference")
            )));
        }
        say(&format!("compared  {}: every byte, mode, time, link and attribute is what it was", tree.size()));
        if let Some(database) = database {
            say(&format!("compared  {}: every row, sequence and definition is what it was", database.size()));
        }
        Ok(())
    }
}

/// SIGINT or SIGTERM.
async fn interrupted() -> &'static str {
    use tokio::signal::unix::{SignalKind, signal};
    match (signal(SignalKind::interrupt()), signal(SignalKind::terminate())) {
        (Ok(mut interrupt), Ok(mut terminate)) => tokio::select! {
            _ = interrupt.recv() => "interrupted",
            _ = terminate.recv() => "terminated",
        },
        _ => std::future::pending().await,
    }
}

fn template(tree: &Tree, database: Option<&Database>) -> Value {
    let mut resources = json!({ "files": { "type": "Stacksnap::Directory", "external_id": tree.path } });
    if let Some(database) = database {
        resources["orders"] = json!({
            "type": "Stacksnap::PostgreSQL",
            "external_id": database.name(),
            "properties": { "server": "demo" },
        });
    }
    resources
}

/// Waits for an operation and returns it as the service shows it; fails unless it is complete.
async fn done(client: &Client, operation: &Option<String>) -> Result<Value, Failure> {
    let Some(id) = operation else {
        return Err(Failure::new(Exit::Unexpected, "the service named no operation for a change"));
    };
    client.wait(id).await?;
    let mut body = client.http.get(&["operations", id], &[]).await?.body;
    Ok(if body["operation"].is_object() { body["operation"].take() } else { body })
}

async fn differences(database: Option<&Database>) -> Result<Vec<String>, Failure> {
    match database {
        Some(database) => database.differences().await,
        None => Ok(Vec::new()),
    }
}

fn planned(preview: &Value) -> String {
    let preview: Preview = serde_json::from_value(preview.clone()).unwrap_or_default();
    format!(
        "makes {}, overwrites {}, removes {}, leaves {} as they are; writes {}",
        preview.creates,
        preview.overwrites,
        preview.removes,
        preview.unchanged,
        output::bytes(preview.bytes)
    )
}

/// What was done in one word, then what of it.
fn say(line: &str) {
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    println!("{word:9} {}", output::plain(rest));
}
