//! Requests one after the other, and what is noted of the answers.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use reqwest::header::{HeaderMap, HeaderName};
use reqwest::{Method, Url};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::clouds::Cloud;
use super::shape::{self, Whole};

/// What something is waited for at most.
const PATIENCE: Duration = Duration::from_secs(180);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Scene {
    #[serde(skip)]
    name: String,
    /// As the catalogue calls it.
    service: String,
    /// What goes with every request, by the service that it goes to.
    #[serde(default)]
    headers: BTreeMap<String, BTreeMap<String, String>>,
    /// Of an answer's headers those that are compared.
    watch: Vec<String>,
    /// Of a body's fields those whose values are compared, not only their form.
    values: Vec<String>,
    /// Fields that are not looked at.
    ignore: Vec<String>,
    steps: Vec<Step>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    does: String,
    /// `POST /volumes`; `{name}` is what was kept under that name. Absent: `hook` alone.
    #[serde(default)]
    ask: Option<String>,
    /// Something that is done to the cloud by other ways: a function of [`Cloud`].
    #[serde(default)]
    hook: Option<String>,
    #[serde(default)]
    body: Option<Value>,
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// Whose token goes with it; `nobody`: none.
    #[serde(default = "demo")]
    by: String,
    /// Another service than the scene's.
    #[serde(default)]
    service: Option<String>,
    /// Name → place in the answer's body (`/volume/id`), or one of its headers (`x-subject-token`).
    #[serde(default)]
    keep: BTreeMap<String, String>,
    /// Asked again until these places have these values.
    #[serde(default)]
    until: BTreeMap<String, Value>,
    /// Asked again until this is the answer's status.
    #[serde(default)]
    until_status: Option<u16>,
    /// Headers that differ from run to run.
    #[serde(default)]
    differs: Vec<String>,
}

fn demo() -> String {
    "demo".to_owned()
}

/// One answer, without what differs from run to run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Answer {
    pub(super) does: String,
    pub(super) ask: String,
    pub(super) status: u16,
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: Value,
}

fn place(file: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/openstack/wire").join(file)
}

impl Scene {
    pub(super) fn read(name: &str) -> Self {
        let text = std::fs::read_to_string(place(&format!("{name}.json"))).unwrap();
        let scene: Self = serde_json::from_str(&text).unwrap();
        Self { name: name.to_owned(), ..scene }
    }

    pub(super) fn answers(&self) -> Vec<Answer> {
        let text = std::fs::read_to_string(place(&format!("{}.answers.json", self.name))).unwrap();
        serde_json::from_str(&text).unwrap()
    }

    pub(super) fn write(&self, answers: &[Answer]) {
        let text = serde_json::to_string_pretty(answers).unwrap() + "\n";
        std::fs::write(place(&format!("{}.answers.json", self.name)), text).unwrap();
    }

    pub(super) async fn play(&self, cloud: &dyn Cloud) -> Vec<Answer> {
        let mut kept = BTreeMap::new();
        let mut answers = Vec::new();
        for step in &self.steps {
            if let Some(hook) = &step.hook {
                kept.extend(cloud.hook(hook, &kept).await);
            }
            if let Some(ask) = &step.ask {
                answers.push(self.ask(cloud, step, ask, &mut kept).await);
            }
        }
        answers
    }

    async fn ask(&self, cloud: &dyn Cloud, step: &Step, ask: &str, kept: &mut BTreeMap<String, String>) -> Answer {
        let until = Instant::now() + PATIENCE;
        loop {
            let (status, headers, text) = self.send(cloud, step, ask, kept).await;
            let body: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
            let there = step.until.iter().all(|(at, wanted)| body.pointer(at) == Some(wanted));
            if !there || step.until_status.is_some_and(|wanted| wanted != status) {
                assert!(Instant::now() < until, "{}: {}: in the end it was {status} {text}", self.name, step.does);
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
            for (name, at) in &step.keep {
                let header = |at: &str| Some(headers.get(at)?.to_str().ok()?.to_owned());
                let found = match at.starts_with('/') {
                    true => body.pointer(at).and_then(Value::as_str).map(str::to_owned),
                    false => header(at),
                };
                let found = found.unwrap_or_else(|| panic!("{}: {}: no {at} in {status} {text}", self.name, step.does));
                kept.insert(name.clone(), found);
            }
            let named = |text: &str| shape::named(text, kept);
            let watched = self.watch.iter().filter(|name| !step.differs.contains(name)).filter_map(|name| {
                let name: HeaderName = name.parse().unwrap();
                let value = headers.get(&name)?.to_str().unwrap();
                Some((name.to_string(), named(value)))
            });
            let verbatim = |name: &str| status >= 400 || self.values.iter().any(|value| value == name);
            return Answer {
                does: step.does.clone(),
                ask: ask.to_owned(),
                status,
                headers: watched.collect(),
                body: if body.is_null() && !text.is_empty() && text != "null" {
                    if status >= 400 { named(&text).into() } else { format!("{} bytes", text.len()).into() }
                } else {
                    shape::of(&body, &shape::Wanted { verbatim: &verbatim, ignore: &self.ignore }, kept)
                },
            };
        }
    }

    async fn send(
        &self,
        cloud: &dyn Cloud,
        step: &Step,
        ask: &str,
        kept: &BTreeMap<String, String>,
    ) -> (u16, HeaderMap, String) {
        let fill = |text: &str| shape::filled(text, kept);
        let (method, path) = ask.split_once(' ').unwrap();
        let service = step.service.as_ref().unwrap_or(&self.service);
        let url: Url = format!("{}{}", cloud.endpoint(service).await, fill(path)).parse().unwrap();
        let mut request = cloud.client().request(method.parse::<Method>().unwrap(), url);
        if step.by != "nobody" {
            request = request.header("x-auth-token", cloud.token(&step.by).await);
        }
        let of_scene = self.headers.get(service).into_iter().flatten();
        for (name, value) in of_scene.chain(&step.headers) {
            request = request.header(name, fill(value));
        }
        if let Some(body) = &step.body {
            if !step.headers.contains_key("content-type") {
                request = request.header("content-type", "application/json");
            }
            request = request.body(fill(&body.to_string()));
        }
        if let Some(text) = &step.text {
            request = request.body(text.clone());
        }
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.headers().clone(), answer.text().await.unwrap())
    }
}

/// What of `played` is not as `written`. `whole`: nor may anything be missing.
pub(super) fn differences(written: &[Answer], played: &[Answer], whole: Whole) -> Vec<String> {
    let mut wrong = Vec::new();
    if written.len() != played.len() {
        wrong.push(format!("{} answers are written down, and {} came: write them anew", written.len(), played.len()));
    }
    for (written, played) in written.iter().zip(played) {
        let at = format!("{} ({})", played.does, played.ask);
        if (&written.does, &written.ask) != (&played.does, &played.ask) {
            wrong.push(format!("{at}: written down is {} ({})", written.does, written.ask));
            continue;
        }
        if written.status != played.status {
            wrong.push(format!("{at}: {} where it should be {}", played.status, written.status));
        }
        for (name, value) in &written.headers {
            if played.headers.get(name) != Some(value) {
                wrong.push(format!(
                    "{at}: header {name} is {:?} where it should be {value:?}",
                    played.headers.get(name)
                ));
            }
        }
        for name in played.headers.keys().filter(|name| !written.headers.contains_key(*name)) {
            wrong.push(format!("{at}: header {name} is there where none should be"));
        }
        let mut said = Vec::new();
        shape::compare("", &written.body, &played.body, whole, &mut said);
        wrong.extend(said.into_iter().map(|said| format!("{at}: {said}")));
    }
    wrong
}
