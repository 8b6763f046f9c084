//! The service as processes: `serve` alone, or `api` and workers on a Redis and a RabbitMQ of their own. Whatever is
//! still there when it is dropped (jobs, leases, artifacts) fails the test that made it.

use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use reqwest::{Client, Method};
use serde_json::{Value, json};
use stacksnap_common::testing::rabbit::RabbitServer;
use stacksnap_common::testing::redis::RedisServer;
use tempfile::TempDir;

use super::cli;

/// One process of the service; killed when dropped.
pub struct Process {
    pub name: String,
    child: Child,
}

impl Process {
    pub fn start(name: &str, arguments: &[String], log: &Path) -> Self {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let file = std::fs::File::options().create(true).append(true).open(log).unwrap();
        let mut command = cli::command(&arguments);
        command.stdout(Stdio::null()).stderr(file);
        Self { name: name.to_owned(), child: command.spawn().unwrap() }
    }

    fn pid(&self) -> rustix::process::Pid {
        rustix::process::Pid::from_child(&self.child)
    }

    pub fn signal(&self, signal: rustix::process::Signal) {
        rustix::process::kill_process(self.pid(), signal).unwrap();
    }

    /// SIGKILL: no time to say anything.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// SIGTERM; whether it ended with status 0 in time.
    pub async fn stop(&mut self) -> bool {
        self.signal(rustix::process::Signal::TERM);
        let until = Instant::now() + Duration::from_secs(60);
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.success();
            }
            assert!(Instant::now() < until, "{} does not stop", self.name);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// What a test drives: the processes, a directory to protect, and an HTTP client.
pub struct App {
    pub api: Process,
    pub workers: Vec<Process>,
    pub redis: Option<RedisServer>,
    pub rabbit: Option<RabbitServer>,
    pub dir: TempDir,
    pub url: String,
    /// Whose requests these are; `default` at first.
    pub project: String,
    http: Client,
    pub(super) flags: Vec<String>,
    /// What the workers' configuration file has beside the vault.
    config: String,
}

pub fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl App {
    /// Everything in one process, on the embedded store and queue.
    pub async fn embedded() -> Self {
        Self::embedded_with("").await
    }

    /// The same with a configuration file.
    pub async fn embedded_with(config: &str) -> Self {
        Self::start(None, None, 0, &[], config).await
    }

    /// An API and workers on servers of their own.
    pub async fn distributed(workers: usize, worker_flags: &[&str]) -> Self {
        Self::distributed_with(workers, worker_flags, "").await
    }

    /// The same with more in the workers' configuration file.
    pub async fn distributed_with(workers: usize, worker_flags: &[&str], config: &str) -> Self {
        let (redis, rabbit) = tokio::join!(RedisServer::start(), RabbitServer::start());
        Self::start(Some(redis), Some(rabbit), workers, worker_flags, config).await
    }

    async fn start(
        redis: Option<RedisServer>,
        rabbit: Option<RabbitServer>,
        workers: usize,
        worker_flags: &[&str],
        config: &str,
    ) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        std::fs::create_dir(&root).unwrap();
        let key = dir.path().join("master.key");
        let port = free_port();
        let mut flags: Vec<String> = Vec::new();
        let mut flag = |name: &str, value: String| flags.extend([name.to_owned(), value]);
        flag("--directory-root", root.display().to_string());
        if let (Some(redis), Some(rabbit)) = (&redis, &rabbit) {
            std::fs::write(&key, format!("{}\n", "5eed".repeat(16))).unwrap();
            std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
            flag("--redis", redis.url());
            flag("--amqp", rabbit.url());
        } else {
            let file = dir.path().join("serve.toml");
            std::fs::write(&file, config).unwrap();
            flag("--config", file.display().to_string());
        }
        let role = if redis.is_some() { "api" } else { "serve" };
        let mut arguments = vec![role.to_owned(), "--listen".to_owned(), format!("127.0.0.1:{port}")];
        arguments.extend(["--data-dir".to_owned(), dir.path().join("data").display().to_string()]);
        arguments.extend(flags.clone());
        let api = Process::start(role, &arguments, &dir.path().join("log"));
        let mut app = Self {
            api,
            workers: Vec::new(),
            redis,
            rabbit,
            url: format!("http://127.0.0.1:{port}"),
            project: "default".to_owned(),
            http: Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap(),
            dir,
            flags,
            config: config.to_owned(),
        };
        for _ in 0..workers {
            app.add_worker(worker_flags);
        }
        app.until("the API answers", async |app| {
            app.http.get(format!("{}/healthz", app.url)).send().await.is_ok_and(|answer| answer.status().is_success())
        })
        .await;
        app
    }

    /// One more worker.
    pub fn add_worker(&mut self, more: &[&str]) {
        let number = self.workers.len();
        let config = self.dir.path().join("worker.toml");
        let text = format!(
            "{}\n[vault]\npath = {:?}\nmaster_key_file = {:?}\n",
            self.config,
            self.dir.path().join("vault"),
            self.dir.path().join("master.key")
        );
        std::fs::write(&config, text).unwrap();
        let mut arguments = vec!["worker".to_owned(), "--config".to_owned(), config.display().to_string()];
        arguments.extend(["--data-dir".to_owned(), self.dir.path().join("workers").display().to_string()]);
        arguments.extend(self.flags.clone());
        arguments.extend(more.iter().map(|flag| (*flag).to_owned()));
        self.workers.push(Process::start(&format!("worker {number}"), &arguments, &self.dir.path().join("log")));
    }

    /// Starts `serve` again after it was killed, on the same data.
    pub async fn start_again(&mut self) {
        let port = self.url.rsplit(':').next().unwrap().to_owned();
        let mut arguments = vec!["serve".to_owned(), "--listen".to_owned(), format!("127.0.0.1:{port}")];
        arguments.extend(["--data-dir".to_owned(), self.dir.path().join("data").display().to_string()]);
        arguments.extend(self.flags.clone());
        self.api = Process::start("serve", &arguments, &self.dir.path().join("log"));
        self.until("the API answers", async |app| {
            app.http.get(format!("{}/healthz", app.url)).send().await.is_ok_and(|answer| answer.status().is_success())
        })
        .await;
    }

    pub fn root(&self) -> PathBuf {
        self.dir.path().join("root")
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    /// Sends a request below `/v1/<project>`; returns status, headers and body.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> (u16, reqwest::header::HeaderMap, Value) {
        let mut request = self.http.request(method, format!("{}/v1/{}{path}", self.url, self.project));
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.timeout(Duration::from_secs(30)).send().await.unwrap();
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let text = answer.text().await.unwrap();
        (status, headers, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    pub async fn get(&self, path: &str) -> Value {
        let (status, _, body) = self.send(Method::GET, path, None).await;
        assert!((200..300).contains(&status), "GET {path}: {status} {body}\n{}", self.log());
        body
    }

    /// Sends a change and returns its body and operation.
    pub async fn change(&self, method: Method, path: &str, body: Option<Value>) -> (Value, String) {
        let (status, headers, answer) = self.send(method.clone(), path, body).await;
        assert!((200..300).contains(&status), "{method} {path}: {status} {answer}\n{}", self.log());
        let operation = headers.get("x-stacksnap-operation").expect("names its operation").to_str().unwrap().to_owned();
        (answer, operation)
    }

    /// Waits until an operation has ended, and returns it.
    pub async fn ended(&self, operation: &str) -> Value {
        let path = format!("/operations/{operation}");
        let mut last = Value::Null;
        let until = Instant::now() + Duration::from_secs(120);
        loop {
            let (status, _, body) = self.send(Method::GET, &path, None).await;
            if status == 200 {
                last = body["operation"].clone();
                if ["complete", "failed", "cancelled"].contains(&last["state"].as_str().unwrap_or_default()) {
                    return last;
                }
            }
            assert!(Instant::now() < until, "never ended: {last:#}\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub async fn completes(&self, operation: &str) -> Value {
        let ended = self.ended(operation).await;
        assert_eq!(ended["state"], "complete", "{ended:#}\n{}", self.log());
        ended
    }

    /// Makes a stack of one directory in a pool; returns its path `/stacks/<name>/<id>`.
    pub async fn stack(&self, name: &str, tree: &Path) -> String {
        self.stack_of(name, json!({ "data": { "type": "Stacksnap::Directory", "external_id": tree } })).await
    }

    pub async fn stack_of(&self, name: &str, resources: Value) -> String {
        let template = json!({ "heat_template_version": "2018-08-31", "resources": resources });
        let body = json!({ "stack_name": name, "template": template });
        let (made, operation) = self.change(Method::POST, "/stacks", Some(body)).await;
        self.completes(&operation).await;
        format!("/stacks/{name}/{}", made["stack"]["id"].as_str().unwrap())
    }

    /// Takes a snapshot to its end; returns its id.
    pub async fn snapshot(&self, stack: &str, name: &str) -> String {
        let (made, operation) =
            self.change(Method::POST, &format!("{stack}/snapshots"), Some(json!({ "name": name }))).await;
        assert_eq!(made["status"], "IN_PROGRESS");
        self.completes(&operation).await;
        made["id"].as_str().unwrap().to_owned()
    }

    pub async fn restore(&self, stack: &str, snapshot: &str) -> Value {
        let (_, operation) = self.change(Method::POST, &format!("{stack}/snapshots/{snapshot}/restore"), None).await;
        self.completes(&operation).await
    }

    /// Waits until something holds.
    pub async fn until(&self, what: &str, holds: impl AsyncFn(&Self) -> bool) {
        let until = Instant::now() + Duration::from_secs(60);
        while !holds(self).await {
            assert!(Instant::now() < until, "never: {what}\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until a step with this verb runs; returns its worker.
    pub async fn running(&self, operation: &str, verb: &str) -> String {
        let until = Instant::now() + Duration::from_secs(60);
        loop {
            let op = self.get(&format!("/operations/{operation}")).await["operation"].clone();
            let steps = op["steps"].as_array().cloned().unwrap_or_default();
            if let Some(step) = steps.iter().find(|step| step["verb"] == verb && step["state"] == "running") {
                return step["worker"].as_str().unwrap_or_default().to_owned();
            }
            assert!(Instant::now() < until, "{verb} never ran: {op:#}\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Which of our workers has this id: an id carries the process's number.
    pub fn worker_named(&self, id: &str) -> usize {
        self.workers
            .iter()
            .position(|worker| id.contains(&format!("-{}-", worker.child.id())))
            .unwrap_or_else(|| panic!("no worker {id}"))
    }
}
