//! Heat (orchestration): stacks as a snapshot needs them, and their own snapshots (`snapshots.rs`).
//!
//! What Heat gives is typed as far as something is decided by it; templates, environments and files are handed on as they
//! are. A stack is always asked for by name and id together, so no redirect is ever followed.

mod paths;
mod snapshots;

use std::collections::BTreeMap;

use reqwest::{Method, Url};
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::error::Error;
use crate::http::Http;
use crate::reply::Reply;
use crate::request::Request;
use crate::session::{Session, below};

pub use paths::Tree;
pub use snapshots::Snapshot;

/// Nested stacks are walked down so far; Heat's own `max_nested_stack_depth` is 5 by default.
const DEPTH: &str = "20";

/// One project's Heat. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Heat {
    by: By,
    /// `…/v1/{project}`, without a slash at its end.
    base: Url,
}

#[derive(Debug, Clone)]
enum By {
    Session(Session),
    /// A token that is used as it is; a Heat without authentication needs none.
    Token(Http, Option<SecretString>),
}

#[derive(Debug, Clone, Deserialize)]
pub struct Stack {
    pub id: String,
    pub stack_name: String,
    /// `CREATE_COMPLETE`.
    pub stack_status: String,
    #[serde(default)]
    pub stack_status_reason: Option<String>,
    /// To the second, as Heat writes it.
    #[serde(default)]
    pub updated_time: Option<String>,
    #[serde(default)]
    pub description: Option<String>,
    #[serde(default)]
    pub tags: Option<Vec<String>>,
    #[serde(default)]
    pub timeout_mins: Option<u64>,
    #[serde(default)]
    pub disable_rollback: Option<bool>,
    #[serde(default)]
    pub stack_owner: Option<String>,
    /// The stack that it is nested in.
    #[serde(default)]
    pub parent: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Resource {
    pub resource_name: String,
    pub resource_type: String,
    #[serde(default)]
    pub physical_resource_id: Option<String>,
    pub resource_status: String,
    /// Of the same stack: those that depend on it.
    #[serde(default)]
    pub required_by: Vec<String>,
    #[serde(default)]
    pub links: Vec<Link>,
    #[serde(default)]
    pub attributes: Option<Value>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Link {
    pub href: String,
    pub rel: String,
}

impl Resource {
    pub fn link(&self, rel: &str) -> Option<&str> {
        self.links.iter().find(|link| link.rel == rel).map(|link| link.href.as_str())
    }
}

#[derive(Debug, Clone, Deserialize)]
pub struct Event {
    pub id: String,
}

/// What an update would do, by Heat's own words for it.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Changes {
    #[serde(default)]
    pub unchanged: Vec<Changed>,
    #[serde(default)]
    pub updated: Vec<Changed>,
    #[serde(default)]
    pub replaced: Vec<Changed>,
    #[serde(default)]
    pub added: Vec<Changed>,
    #[serde(default)]
    pub deleted: Vec<Changed>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Changed {
    pub resource_name: String,
}

/// What a stack is to become.
#[derive(Debug, Clone)]
pub struct Update<'a> {
    pub template: &'a Value,
    pub files: &'a Map<String, Value>,
    /// `parameters`, `parameter_defaults` and `resource_registry`, without what is hidden.
    pub environment: &'a Value,
    /// Parameters that are to have the template's default again.
    pub clear: &'a [String],
}

#[derive(Deserialize)]
struct Stacks {
    stacks: Vec<Stack>,
}

#[derive(Deserialize)]
struct OneStack {
    stack: Stack,
}

#[derive(Deserialize)]
struct Resources {
    resources: Vec<Resource>,
}

#[derive(Deserialize)]
struct Events {
    events: Vec<Event>,
}

#[derive(Deserialize)]
struct Preview {
    resource_changes: Changes,
}

impl Heat {
    /// `url`: the endpoint up to `/v1`.
    pub fn with_session(session: Session, url: &Url, project: &str) -> Self {
        Self { by: By::Session(session), base: below(url.clone(), &[project]) }
    }

    /// `url`: a project's endpoint, as the catalogue has it.
    pub fn of_project(session: Session, url: Url) -> Self {
        Self { by: By::Session(session), base: url }
    }

    pub fn with_token(http: Http, token: Option<SecretString>, url: &Url, project: &str) -> Self {
        Self { by: By::Token(http, token), base: below(url.clone(), &[project]) }
    }

    /// By its id alone; one that is deleted is not there.
    pub async fn find_stack(&self, id: &str) -> Result<Option<Stack>, Error> {
        let request = self.get(&["stacks"]).query("id", id).query("show_nested", "True").query("show_hidden", "True");
        let Stacks { stacks } = self.send(request).await?.json()?;
        Ok(stacks.into_iter().find(|stack| stack.id == id))
    }

    /// All of the project, hidden and nested ones too.
    pub async fn stacks(&self) -> Result<Vec<Stack>, Error> {
        let request = self.get(&["stacks"]).query("show_nested", "True").query("show_hidden", "True");
        self.send(request).await?.json().map(|many: Stacks| many.stacks)
    }

    /// A deleted stack is shown too, as `DELETE_COMPLETE`.
    pub async fn stack(&self, name: &str, id: &str) -> Result<Stack, Error> {
        let request = self.get(&["stacks", name, id]).query("resolve_outputs", "False");
        self.send(request).await?.json().map(|one: OneStack| one.stack)
    }

    pub async fn template(&self, name: &str, id: &str) -> Result<Value, Error> {
        self.send(self.get(&["stacks", name, id, "template"])).await?.json()
    }

    /// The user's environment; hidden values are masked.
    pub async fn environment(&self, name: &str, id: &str) -> Result<Value, Error> {
        self.send(self.get(&["stacks", name, id, "environment"])).await?.json()
    }

    pub async fn files(&self, name: &str, id: &str) -> Result<Map<String, Value>, Error> {
        self.send(self.get(&["stacks", name, id, "files"])).await?.json()
    }

    /// All resources with their attributes, those of nested stacks too.
    pub async fn resources(&self, name: &str, id: &str) -> Result<Vec<Resource>, Error> {
        let request = self.get(&["stacks", name, id, "resources"]);
        let request = request.query("nested_depth", DEPTH).query("with_detail", "True");
        self.send(request).await?.json().map(|many: Resources| many.resources)
    }

    /// The newest event of the stack itself and its own resources.
    pub async fn newest_event(&self, name: &str, id: &str) -> Result<Option<Event>, Error> {
        let request = self.get(&["stacks", name, id, "events"]).query("limit", "1").query("sort_dir", "desc");
        match self.send(request).await {
            Ok(reply) => reply.json().map(|many: Events| many.events.into_iter().next()),
            // A stack without any.
            Err(error) if error.is_gone() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Begins an update that keeps the values of what it does not name (`PATCH`). Not sent again by itself.
    pub async fn update(&self, name: &str, id: &str, update: &Update<'_>) -> Result<(), Error> {
        let request = Request::new(Method::PATCH, self.url(&["stacks", name, id])).json(&update.body())?;
        self.send(request).await.map(|_| ())
    }

    /// What the same update would do.
    pub async fn preview_update(&self, name: &str, id: &str, update: &Update<'_>) -> Result<Changes, Error> {
        let request = Request::new(Method::PATCH, self.url(&["stacks", name, id, "preview"])).json(&update.body())?;
        self.send(request.repeatable()).await?.json().map(|preview: Preview| preview.resource_changes)
    }

    /// Begins the stack's delete; one that is gone already is no error.
    pub async fn delete(&self, name: &str, id: &str) -> Result<(), Error> {
        match self.send(Request::delete(self.url(&["stacks", name, id]))).await {
            Err(error) if error.is_gone() => Ok(()),
            answer => answer.map(|_| ()),
        }
    }

    fn url(&self, path: &[&str]) -> Url {
        below(self.base.clone(), path)
    }

    fn get(&self, path: &[&str]) -> Request {
        Request::get(self.url(path))
    }

    async fn send(&self, request: Request) -> Result<Reply, Error> {
        match &self.by {
            By::Session(session) => session.send(request).await,
            By::Token(http, Some(token)) => http.send(request.token(token)?).await,
            By::Token(http, None) => http.send(request).await,
        }
    }
}

impl Update<'_> {
    fn body(&self) -> Value {
        let mut body = BTreeMap::from([
            ("template", self.template.clone()),
            ("files", Value::Object(self.files.clone())),
            ("environment", self.environment.clone()),
        ]);
        if !self.clear.is_empty() {
            body.insert("clear_parameters", json!(self.clear));
        }
        json!(body)
    }
}
