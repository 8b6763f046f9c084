//! One stack behind Heat's API, whoever answers.

use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use reqwest::header::{HeaderMap, HeaderValue};
use serde_json::{Map, Value, json};

/// How often it is asked whether something is complete.
const ASK: Duration = Duration::from_millis(5);
/// The Heats take a second for each resource.
const PATIENCE: Duration = Duration::from_secs(300);
/// For one answer.
const ANSWER: Duration = Duration::from_secs(60);

/// A project's orchestration, with a token.
#[derive(Clone)]
pub struct Api {
    base: String,
    headers: HeaderMap,
    http: reqwest::Client,
    keeps: bool,
}

pub struct Stack {
    api: Api,
    /// `stacks/NAME/ID`.
    path: String,
}

impl Api {
    /// `url` is up to the project; then token and project. `keeps`: it takes one request after the other on a connection.
    pub fn new(url: &str, (token, project): &(String, String), keeps: bool) -> anyhow::Result<Self> {
        let mut headers = HeaderMap::new();
        headers.insert("x-auth-token", HeaderValue::from_str(token)?);
        headers.insert("accept", HeaderValue::from_static("application/json"));
        if !keeps {
            headers.insert("connection", HeaderValue::from_static("close"));
        }
        let base = format!("{url}/{project}");
        let http = client(&headers, keeps)?;
        Ok(Self { base, headers, http, keeps })
    }

    /// A client with connections of its own.
    pub fn connection(&self) -> anyhow::Result<reqwest::Client> {
        client(&self.headers, self.keeps)
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}/{path}", self.base)
    }

    async fn get(&self, path: &str) -> anyhow::Result<Value> {
        Ok(serde_json::from_slice(&read(&self.http, &self.url(path)).await?)?)
    }

    async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        let answer = self.http.post(self.url(path)).json(body).send().await?;
        let (status, text) = (answer.status(), answer.text().await?);
        ensure!(status.is_success(), "POST {path}: {status} {text}");
        Ok(serde_json::from_str(&text)?)
    }

    /// A flat stack, complete.
    pub async fn create(&self, resources: u32) -> anyhow::Result<Stack> {
        let resources: Map<String, Value> = (0..resources)
            .map(|number| {
                let properties = json!({ "value": format!("the value of {number}") });
                (format!("r{number}"), json!({ "type": "OS::Heat::TestResource", "properties": properties }))
            })
            .collect();
        let template = json!({ "heat_template_version": "2016-10-14", "resources": resources });
        let made = self.post("stacks", &json!({ "stack_name": "bench", "template": template })).await?;
        let id = made["stack"]["id"].as_str().context("a stack without an id")?;
        let stack = Stack { api: self.clone(), path: format!("stacks/bench/{id}") };
        let start = Instant::now();
        loop {
            let shown = self.get(&stack.path).await?;
            match shown["stack"]["stack_status"].as_str() {
                Some("CREATE_COMPLETE") => return Ok(stack),
                Some("CREATE_IN_PROGRESS") if start.elapsed() < PATIENCE => {}
                _ => bail!("{}: the stack was not made: {}", self.base, shown["stack"]["stack_status_reason"]),
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

impl Stack {
    pub fn api(&self) -> &Api {
        &self.api
    }

    pub fn path(&self) -> &str {
        &self.path
    }

    /// Takes one: its id, and the time from the request until it is shown as complete.
    pub async fn snapshot(&self) -> anyhow::Result<(String, Duration)> {
        let start = Instant::now();
        let made = self.api.post(&format!("{}/snapshots", self.path), &json!({})).await?;
        // Heat wraps what it answers, or not, by its version.
        let id = made["snapshot"]["id"].as_str().or(made["id"].as_str()).context("a snapshot without an id")?;
        loop {
            let shown = self.api.get(&format!("{}/snapshots/{id}", self.path)).await?;
            match shown["snapshot"]["status"].as_str() {
                Some("COMPLETE") => return Ok((id.to_owned(), start.elapsed())),
                Some("IN_PROGRESS") if start.elapsed() < PATIENCE => {}
                _ => bail!("{}: no snapshot: {shown}", self.api.base),
            }
            tokio::time::sleep(ASK).await;
        }
    }
}

fn client(headers: &HeaderMap, keeps: bool) -> anyhow::Result<reqwest::Client> {
    let mut builder = reqwest::Client::builder().default_headers(headers.clone()).timeout(ANSWER);
    if !keeps {
        builder = builder.pool_max_idle_per_host(0);
    }
    Ok(builder.build()?)
}

/// One request whose answer is 200.
pub async fn read(http: &reqwest::Client, url: &str) -> anyhow::Result<Vec<u8>> {
    let answer = http.get(url).send().await?;
    let status = answer.status();
    let body = answer.bytes().await?;
    ensure!(status == 200 && !body.is_empty(), "GET {url}: {status}");
    Ok(body.to_vec())
}
