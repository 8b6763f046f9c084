//! What a scene is played on: it replays what was recorded, and asks for what was not.
//!
//! Nothing that is accepted is done until the scene says so (`settle`): what is shown in the meantime is no matter of luck.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::binding::Bindings;
use super::compare::compare;
use super::deviations::Outcome;
use super::subject::{ALT, DEMO, Mode, Subject, Who};
use super::transcript::{Message, Transcript};
use super::wire;

const PATIENCE: Duration = Duration::from_secs(30);

pub struct Stage<'a> {
    subject: &'a dyn Subject,
    transcripts: &'a BTreeMap<String, Transcript>,
    bindings: Bindings,
    pub outcome: Outcome,
    /// What between the replays did not go as the recording's story says; it goes on, so that one failure hides no other.
    pub failed: Vec<String>,
}

impl<'a> Stage<'a> {
    pub fn new(subject: &'a dyn Subject, transcripts: &'a BTreeMap<String, Transcript>) -> Self {
        let mut bindings = Bindings::default();
        for project in [DEMO, ALT] {
            assert!(bindings.agree(project, &subject.project(project)));
        }
        Self { subject, transcripts, bindings, outcome: Outcome::new(), failed: Vec::new() }
    }

    /// Replays transcripts one after the other, as the user that most of the recording was made by.
    pub async fn replay(&mut self, numbers: &[&str]) {
        self.replay_as(Who::Demo, numbers).await;
    }

    pub async fn replay_as(&mut self, who: Who, numbers: &[&str]) {
        for number in numbers {
            let transcript = self.recorded(number);
            let request = self.request(&transcript.request, who);
            let answer = wire::send(&self.address(), &request).await;
            let recorded = self.dressed(&transcript.answer);
            let differences = compare(&recorded, &answer, &self.subject.url(), &mut self.bindings);
            assert!(self.outcome.insert((*number).to_owned(), differences).is_none(), "{number} is replayed twice");
        }
    }

    fn recorded(&self, number: &str) -> &'a Transcript {
        self.transcripts.get(number).unwrap_or_else(|| panic!("no transcript {number}"))
    }

    /// A value of a recorded answer.
    pub fn value(&self, number: &str, pointer: &str) -> Value {
        let body = self.recorded(number).answer.json().unwrap();
        body.pointer(pointer).unwrap_or_else(|| panic!("{number} has no {pointer}")).clone()
    }

    fn address(&self) -> String {
        self.subject.url().replace("http://", "")
    }

    /// A recorded request with our ids and tokens in it.
    fn request(&self, recorded: &Message, who: Who) -> Message {
        let mut request = self.dressed(recorded);
        request.start = self.bindings.apply(&request.start);
        for (name, value) in &mut request.headers {
            if name.eq_ignore_ascii_case("x-auth-token") && value == "TOKEN" {
                *value = self.subject.token(who);
            }
        }
        if let Ok(text) = std::str::from_utf8(&request.body) {
            request.body = self.bindings.apply(text).into_bytes();
        }
        request
    }

    /// What the server can't hold is written anew; any other body stays as it is, byte for byte.
    fn dressed(&self, recorded: &Message) -> Message {
        let mut message = recorded.clone();
        if let Some(body) = recorded.json() {
            let mut dressed = body.clone();
            self.subject.dress(&mut dressed);
            if dressed != body {
                message.body = dressed.to_string().into_bytes();
            }
        }
        message
    }

    /// Asks for something that was not recorded; ids in the path and the body are the recording's. Returns the body.
    pub async fn ask(&mut self, method: &str, path: &str, body: Value) -> (String, Value) {
        let mut headers = vec![
            ("Host".to_owned(), String::new()),
            ("Accept".to_owned(), "application/json".to_owned()),
            ("X-Auth-Token".to_owned(), "TOKEN".to_owned()),
        ];
        let mut bytes = Vec::new();
        if !body.is_null() {
            headers.push(("Content-Type".to_owned(), "application/json".to_owned()));
            headers.push(("Content-Length".to_owned(), String::new()));
            bytes = body.to_string().into_bytes();
        }
        let recorded = Message { start: format!("{method} /v1/{DEMO}{path} HTTP/1.1"), headers, body: bytes };
        let request = self.request(&recorded, Who::Demo);
        let answer = wire::send(&self.address(), &request).await;
        (answer.status().to_owned(), answer.json().unwrap_or_default())
    }

    /// The same, and it must be accepted.
    pub async fn change(&mut self, method: &str, path: &str, body: Value) -> Value {
        let (status, answer) = self.ask(method, path, body).await;
        if !status.starts_with('2') {
            self.failed.push(format!("{method} {path}: {status} {answer}"));
        }
        answer
    }

    /// Makes a stack that the recording knows by this id, and lets it become complete.
    pub async fn stack(&mut self, name: &str, recorded: &str, template: Value) {
        let body = json!({"stack_name": name, "template": template, "timeout_mins": 60});
        let made = self.change("POST", "/stacks", body).await;
        self.bind(recorded, &made["stack"]["id"]);
        self.settle(name, recorded).await;
    }

    /// Takes a snapshot that the recording knows by this id, and lets it end.
    pub async fn snapshot(&mut self, stack: (&str, &str), recorded: Option<&str>, name: &str) {
        let made =
            self.change("POST", &format!("/stacks/{}/{}/snapshots", stack.0, stack.1), json!({"name": name})).await;
        if let Some(recorded) = recorded {
            self.bind(recorded, &made["id"]);
        }
        self.settle(stack.0, stack.1).await;
    }

    pub fn bind(&mut self, recorded: &str, found: &Value) {
        if !found.as_str().is_some_and(|found| self.bindings.agree(recorded, found)) {
            self.failed.push(format!("{recorded} can't be {found}"));
        }
    }

    pub fn mode(&self) -> Mode {
        self.subject.mode()
    }

    /// Here the thing that the recording knows by this id is the one that it knows by the other.
    pub fn alias(&mut self, recorded: &str, other: &str) {
        self.bindings.alias(recorded, other);
    }

    /// Lets what was accepted be done, until the stack is at rest.
    pub async fn settle(&mut self, name: &str, recorded: &str) {
        let path = format!("/stacks/{name}/{recorded}");
        self.until(&path, |status, body| {
            let word = body["stack"]["stack_status"].as_str().unwrap_or_default();
            status == "404" || (status == "200" && !word.ends_with("_IN_PROGRESS"))
        })
        .await;
    }

    /// Lets what was accepted be done, until a path leads nowhere.
    pub async fn until_gone(&mut self, path: &str) {
        self.until(path, |status, _| status == "404").await;
    }

    async fn until(&mut self, path: &str, holds: impl Fn(&str, &Value) -> bool) {
        self.subject.release().await;
        let until = Instant::now() + PATIENCE;
        loop {
            let (status, body) = self.ask("GET", path, Value::Null).await;
            if holds(&status, &body) {
                break;
            }
            if Instant::now() > until {
                self.failed.push(format!("{path} stays {status} {body}"));
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        self.subject.hold().await;
    }

    pub async fn lose(&self, resource: &str) {
        self.subject.lose(resource).await;
    }
}
