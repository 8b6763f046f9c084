//! stacksnap, as its users run it: the release binary, `serve`, everything in one process on its embedded store; spoken
//! to over HTTP. Its vault is fresh each time and compresses at the level that it takes when told nothing. It flushes
//! its packs to disk as it goes; at a restore everything is on disk before it is put in its place, and at the end.
//!
//! Time is from the request to the answer that says COMPLETE: with the plan that every restore begins with, the seal
//! that every snapshot ends with, and what store and queue take.

use std::ffi::OsStr;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde_json::{Value, json};

use crate::meter::{Cost, Meter};

/// How often an operation is asked for.
const ASK: Duration = Duration::from_millis(20);
const START: Duration = Duration::from_secs(30);

pub struct Service {
    child: Child,
    url: String,
    log: PathBuf,
    http: reqwest::Client,
    /// `stacks/NAME/ID`.
    stack: String,
}

impl Service {
    /// Starts it on a fresh directory, with these flags beside.
    pub async fn start(program: &Path, directory: &Path, flags: &[&OsStr]) -> anyhow::Result<Self> {
        std::fs::create_dir_all(directory)?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let log = directory.join("log");
        let mut command = Command::new(program);
        command
            .args(["serve", "--auth", "none", "--listen", &format!("127.0.0.1:{port}")])
            .arg("--data-dir")
            .arg(directory.join("data"))
            .args(flags)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(&log)?);
        let child = command.spawn().with_context(|| format!("start {}", program.display()))?;
        let http = reqwest::Client::builder().timeout(Duration::from_secs(30)).build()?;
        let mut service = Self { child, url: format!("http://127.0.0.1:{port}"), log, http, stack: String::new() };
        service.until_ready().await?;
        Ok(service)
    }

    /// Makes the stack that the rest is about.
    pub async fn stack(&mut self, resources: Value) -> anyhow::Result<()> {
        let template = json!({ "heat_template_version": "2016-10-14", "resources": resources });
        let made = self.run("stacks", &json!({ "stack_name": "bench", "template": template })).await?.1;
        let id = made["stack"]["id"].as_str().context("a stack without an id")?;
        self.stack = format!("stacks/bench/{id}");
        Ok(())
    }

    /// The snapshot's id.
    pub async fn snapshot(&self) -> anyhow::Result<(String, Cost)> {
        let (cost, made) = self.run(&format!("{}/snapshots", self.stack), &json!({})).await?;
        let id = made["id"].as_str().context("a snapshot without an id")?;
        Ok((id.to_owned(), cost))
    }

    /// In place. Without the safety snapshot that is usual, because restic takes none.
    pub async fn restore(&self, snapshot: &str) -> anyhow::Result<Cost> {
        let path = format!("{}/snapshots/{snapshot}/restore", self.stack);
        Ok(self.run(&path, &json!({ "safety": false })).await?.0)
    }

    /// Sends a change and waits until its operation is complete. What it cost, and the answer to the change.
    async fn run(&self, path: &str, body: &Value) -> anyhow::Result<(Cost, Value)> {
        let meter = Meter(self.child.id());
        meter.forget_memory()?;
        let before = meter.processor()?;
        let start = Instant::now();
        let answer = self.http.post(format!("{}/v1/default/{path}", self.url)).json(body).send().await?;
        let operation = answer.headers().get("x-stacksnap-operation").and_then(|value| value.to_str().ok());
        let Some(operation) = operation.map(str::to_owned) else {
            bail!("{path} was refused: {}", answer.text().await?);
        };
        let made = answer.bytes().await?;
        loop {
            tokio::time::sleep(ASK).await;
            let url = format!("{}/v1/default/operations/{operation}", self.url);
            let shown: Value = serde_json::from_slice(&self.http.get(url).send().await?.bytes().await?)?;
            match shown["operation"]["state"].as_str() {
                Some("complete") => break,
                Some("failed" | "cancelled") | None => {
                    bail!("{path} did not work: {shown}\n{}", std::fs::read_to_string(&self.log)?)
                }
                Some(_) => {}
            }
        }
        let wall = start.elapsed();
        let processor = meter.processor()?.saturating_sub(before);
        let memory = meter.memory()?.context("the service has ended")?;
        Ok((Cost { wall, processor, memory }, serde_json::from_slice(&made).unwrap_or_default()))
    }

    async fn until_ready(&mut self) -> anyhow::Result<()> {
        let start = Instant::now();
        let ready = format!("{}/readyz", self.url);
        while !self.http.get(&ready).send().await.is_ok_and(|answer| answer.status().is_success()) {
            if self.child.try_wait()?.is_some() || start.elapsed() > START {
                bail!("the service does not start: {}", std::fs::read_to_string(&self.log)?);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
