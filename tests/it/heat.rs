//! Heat mode end to end: the binary in front of a Heat with state, and what its worker does to that.

use std::time::{Duration, Instant};

use reqwest::{Client, Method};
use serde_json::{Value, json};
use stacksnap_openstack::fake::heat::Heat;
use tempfile::TempDir;

use crate::support::app::{Process, free_port};

struct Front {
    heat: Heat,
    process: Process,
    url: String,
    dir: TempDir,
    http: Client,
}

fn template() -> Value {
    json!({
        "heat_template_version": "2018-08-31",
        "parameters": {"label": {"type": "string", "default": "one"}, "pw": {"type": "string", "hidden": true, "default": "x"}},
        "resources": {
            "t1": {"type": "OS::Heat::TestResource", "properties": {"value": {"get_param": "label"}}},
            "group": {"type": "OS::Heat::ResourceGroup"},
        },
    })
}

impl Front {
    async fn new() -> Self {
        let heat = Heat::start().await;
        let dir = tempfile::tempdir().unwrap();
        let port = free_port();
        let config = format!(
            "listen = \"127.0.0.1:{port}\"\ndata_dir = \"{}\"\n[heat]\nurl = \"{}\"\nact_as = \"token\"\n[worker]\nlease = \"2s\"\nrenew = \"500ms\"\n",
            dir.path().join("data").display(),
            heat.url(),
        );
        std::fs::write(dir.path().join("config.toml"), config).unwrap();
        let process = start(&dir);
        let http = Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let front = Self { heat, process, url: format!("http://127.0.0.1:{port}"), dir, http };
        front.up().await;
        front
    }

    async fn up(&self) {
        let until = Instant::now() + Duration::from_secs(60);
        while !self.http.get(format!("{}/healthz", self.url)).send().await.is_ok_and(|answer| answer.status() == 200) {
            assert!(Instant::now() < until, "it does not come up: {}", self.log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    async fn ask(&self, method: Method, path: &str, body: Value) -> (u16, Value) {
        let mut request = self.http.request(method, format!("{}{path}", self.url)).header("x-auth-token", "p:demo");
        request = request.header("accept", "application/json");
        if !body.is_null() {
            request = request.json(&body);
        }
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        (status, serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or(Value::Null))
    }

    fn stack(&self) -> (String, String) {
        let id = self.heat.stack("p", "s", template());
        (format!("/v1/p/stacks/s/{id}"), id)
    }

    /// Waits until the stack shows this; its reason.
    async fn shows(&self, stack: &str, wanted: &str) -> String {
        let until = Instant::now() + Duration::from_secs(90);
        loop {
            let (_, body) = self.ask(Method::GET, stack, Value::Null).await;
            let stack = &body["stack"];
            if stack["stack_status"] == wanted {
                return stack["stack_status_reason"].as_str().unwrap().to_owned();
            }
            assert!(Instant::now() < until, "{stack} and not {wanted}; {}", self.log());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn snapshot(&self, stack: &str) -> String {
        let (status, made) = self.ask(Method::POST, &format!("{stack}/snapshots"), json!({"name": "s"})).await;
        assert_eq!(status, 200, "{made}");
        self.shows(stack, "SNAPSHOT_COMPLETE").await;
        format!("{stack}/snapshots/{}", made["id"].as_str().unwrap())
    }

    async fn restore(&self, snapshot: &str) {
        let (status, answer) = self.ask(Method::POST, &format!("{snapshot}/restore"), Value::Null).await;
        assert_eq!(status, 202, "{answer}");
    }
}

fn start(dir: &TempDir) -> Process {
    let config = dir.path().join("config.toml").display().to_string();
    Process::start("serve", &["serve".to_owned(), "--config".to_owned(), config], &dir.path().join("log"))
}

#[tokio::test]
async fn a_restore_brings_template_and_values_back_each_time_and_keeps_what_is_hidden() {
    let front = Front::new().await;
    let (stack, id) = front.stack();
    let snapshot = front.snapshot(&stack).await;
    for round in ["two", "three"] {
        let mut other = template();
        other["resources"]["t2"] = json!({"type": "OS::Heat::TestResource"});
        let change = json!({"template": other, "parameters": {"label": round, "pw": "very-secret"}});
        let (status, answer) = front.ask(Method::PATCH, &stack, change).await;
        assert_eq!(status, 202, "{answer}");
        front.shows(&stack, "UPDATE_COMPLETE").await;
        front.restore(&snapshot).await;
        front.shows(&stack, "RESTORE_COMPLETE").await;
        assert_eq!(front.heat.template(&id), template());
        assert_eq!(front.heat.parameter(&id, "label"), Value::Null, "the default again");
        assert_eq!(front.heat.parameter(&id, "pw"), "very-secret");
    }
    assert!(!front.log().contains("p:demo") && !front.log().contains("very-secret"));
    let (_, events) = front.ask(Method::GET, &format!("{stack}/events?resource_name=s"), Value::Null).await;
    let words: Vec<_> = events["events"].as_array().unwrap().iter().map(|e| e["resource_status"].clone()).collect();
    assert_eq!(
        words[..4],
        ["RESTORE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_IN_PROGRESS", "RESTORE_IN_PROGRESS"],
        "newest first: {words:?}"
    );
}

#[tokio::test]
async fn a_stack_that_was_changed_round_us_fails_the_operation_and_says_so() {
    let front = Front::new().await;
    let (stack, id) = front.stack();
    // It is looked at when the request comes, and then by the worker.
    front.heat.change_on_look(&id, 2);
    let (status, made) = front.ask(Method::POST, &format!("{stack}/snapshots"), json!({})).await;
    assert_eq!(status, 200, "{made}");
    let reason = front.shows(&stack, "SNAPSHOT_FAILED").await;
    assert!(reason.contains("was changed in Heat meanwhile") && reason.contains("UPDATE_COMPLETE"), "{reason}");
    let snapshot = front.snapshot(&stack).await;
    front.heat.change_on_look(&id, 2);
    front.restore(&snapshot).await;
    let reason = front.shows(&stack, "RESTORE_FAILED").await;
    assert!(reason.contains("was changed in Heat meanwhile"), "{reason}");
    let asked = front.heat.asked();
    assert!(
        asked.iter().all(|asked| asked.method != "PATCH" || asked.path.ends_with("/preview")),
        "nothing was touched"
    );
}

#[tokio::test]
async fn an_update_that_heat_can_not_do_fails_the_restore_with_heats_reason() {
    let front = Front::new().await;
    let (stack, _) = front.stack();
    let snapshot = front.snapshot(&stack).await;
    front.heat.fail_next();
    front.restore(&snapshot).await;
    let reason = front.shows(&stack, "RESTORE_FAILED").await;
    assert!(reason.contains("UPDATE_FAILED: Stack UPDATE failed: it was told to"), "{reason}");
    front.restore(&snapshot).await;
    front.shows(&stack, "RESTORE_COMPLETE").await;
}

#[tokio::test]
async fn a_worker_that_dies_while_heat_updates_is_followed_by_one_that_only_waits() {
    let mut front = Front::new().await;
    let (stack, id) = front.stack();
    let snapshot = front.snapshot(&stack).await;
    front.heat.looks(1_000_000);
    front.restore(&snapshot).await;
    let until = Instant::now() + Duration::from_secs(60);
    while front.heat.status(&id) != "UPDATE_IN_PROGRESS" {
        assert!(Instant::now() < until, "{}", front.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    front.process.kill();
    front.process = start(&front.dir);
    front.up().await;
    front.heat.settle(&id);
    front.shows(&stack, "RESTORE_COMPLETE").await;
    let sent =
        front.heat.asked().into_iter().filter(|asked| asked.method == "PATCH" && !asked.path.ends_with("/preview"));
    assert_eq!(sent.count(), 1);
}

#[tokio::test]
async fn a_delete_takes_the_snapshots_and_then_the_stack() {
    let front = Front::new().await;
    let (stack, id) = front.stack();
    let snapshot = front.snapshot(&stack).await;
    assert_eq!(front.ask(Method::DELETE, &stack, Value::Null).await.0, 204);
    front.shows(&stack, "DELETE_COMPLETE").await;
    assert_eq!(front.heat.status(&id), "DELETE_COMPLETE");
    assert_eq!(front.ask(Method::GET, &snapshot, Value::Null).await.0, 404);
}
