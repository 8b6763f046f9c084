//! Containers: made, described, listed, deleted.

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use super::answer::{Answer, Result, page};
use super::routes::Given;
use super::state::{Container, Headers, Object, State};

/// Of a listing's page, at most and by default.
const PAGE: usize = 10_000;
const LONGEST_NAME: usize = 256;

fn is_header(name: &str) -> bool {
    const KNOWN: [&str; 7] = [
        "x-container-read",
        "x-container-write",
        "x-container-sync-key",
        "x-container-sync-to",
        "x-history-location",
        "x-versions-enabled",
        "x-versions-location",
    ];
    KNOWN.contains(&name) || name.starts_with("x-container-meta-")
}

impl State {
    pub(super) fn serve_container(&mut self, method: &Method, given: &Given<'_>) -> Result<Answer> {
        match method.as_str() {
            "HEAD" => Ok(described(self.there(given)?).content_type("text/plain; charset=utf-8")),
            "GET" => self.list(given),
            "PUT" => self.make_container(given),
            "POST" => {
                set(self.there_mut(given)?, given)?;
                Ok(page(204))
            }
            "DELETE" => self.delete_container(given),
            _ => Ok(page(405)),
        }
    }

    fn there(&self, given: &Given<'_>) -> Result<&Container> {
        self.look(given.project, given.container).ok_or_else(|| page(404))
    }

    fn there_mut(&mut self, given: &Given<'_>) -> Result<&mut Container> {
        self.container(given.project, given.container).ok_or_else(|| page(404))
    }

    fn make_container(&mut self, given: &Given<'_>) -> Result<Answer> {
        let length = given.container.len();
        if length > LONGEST_NAME {
            let said = format!("Container name length of {length} longer than {LONGEST_NAME}");
            return Err(Answer::text(StatusCode::BAD_REQUEST, said));
        }
        let policy = given.header("x-storage-policy").map(str::to_owned);
        if let Some(policy) = policy.as_deref().filter(|policy| !["gold", "silver"].contains(policy)) {
            return Err(Answer::text(StatusCode::BAD_REQUEST, format!("Invalid X-Storage-Policy '{policy}'")));
        }
        let now = self.now();
        let new = self.there(given).is_err();
        if new {
            let policy = policy.unwrap_or_else(|| "gold".to_owned());
            let container = Container::new(now, [("x-storage-policy", policy.as_str())].into_iter());
            self.containers.insert((given.project.to_owned(), given.container.to_owned()), container);
        } else if let Some(policy) = policy
            && self.there(given)?.text("x-storage-policy").as_deref() != Some(&policy)
        {
            return Err(page(409));
        }
        if let Err(refused) = set(self.there_mut(given)?, given) {
            if new {
                self.containers.remove(&(given.project.to_owned(), given.container.to_owned()));
            }
            return Err(refused);
        }
        Ok(page(if new { 201 } else { 202 }))
    }

    fn delete_container(&mut self, given: &Given<'_>) -> Result<Answer> {
        if !self.there(given)?.objects.is_empty() {
            return Err(page(409));
        }
        self.containers.remove(&(given.project.to_owned(), given.container.to_owned()));
        Ok(page(204))
    }

    fn list(&self, given: &Given<'_>) -> Result<Answer> {
        let limit = given.asks("limit").map_or(Ok(PAGE), str::parse).unwrap_or(PAGE);
        if limit > PAGE {
            return Err(Answer::text(StatusCode::PRECONDITION_FAILED, format!("Maximum limit is {PAGE}")));
        }
        let now = self.there(given)?;
        let key = (given.project.to_owned(), given.container.to_owned());
        let container = self.listed.as_ref().and_then(|listed| listed.get(&key)).unwrap_or(now);
        let (prefix, marker) = (given.asks("prefix").unwrap_or_default(), given.asks("marker").unwrap_or_default());
        let found = container.objects.iter().filter(|(name, _)| name.starts_with(prefix) && name.as_str() > marker);
        let entries: Vec<Value> = found.take(limit).map(|(name, object)| entry(name, object)).collect();
        let body = serde_json::to_vec(&entries).unwrap();
        let mut answer = described(now);
        answer.status = StatusCode::OK;
        answer.body = body.into();
        Ok(answer.content_type("application/json; charset=utf-8"))
    }
}

fn described(container: &Container) -> Answer {
    let mut answer = Answer::new(StatusCode::NO_CONTENT, "text/plain; charset=utf-8", "")
        .with("x-container-object-count", container.objects.len().to_string())
        .with("x-container-bytes-used", container.bytes().to_string())
        .with("x-timestamp", container.made.timestamp())
        .with("last-modified", container.made.http())
        .with("accept-ranges", "bytes");
    for (name, value) in &container.headers {
        answer = answer.with(name, value);
    }
    answer
}

fn entry(name: &str, object: &Object) -> Value {
    let mut entry = json!({
        "name": name,
        "hash": object.etag(),
        "bytes": object.listed_bytes(),
        "content_type": object.text("content-type"),
        "last_modified": object.changed.iso(),
    });
    if object.version.is_some() {
        entry["version_symlink"] = true.into();
    }
    if object.segments.is_some() {
        entry["slo_etag"] = format!("\"{}\"", object.slo_etag()).into();
    }
    entry
}

/// What is named is set; what is empty or named by `X-Remove-` is taken away.
fn set(container: &mut Container, given: &Given<'_>) -> Result<()> {
    let mut new: Headers = given.taken(is_header);
    let removed = given.taken(|name| name.starts_with("x-remove-"));
    for name in removed.keys() {
        new.insert(name.replacen("x-remove-", "x-", 1), Vec::new());
    }
    let set = |name: &str| new.get(name).is_some_and(|value| !value.is_empty());
    if set("x-versions-location") && set("x-history-location") {
        return Err(Answer::text(
            StatusCode::BAD_REQUEST,
            "Only one of x-versions-location or x-history-location may be specified",
        ));
    }
    for (name, value) in new {
        if value.is_empty() {
            container.headers.remove(&name);
        } else if ["x-container-read", "x-container-write"].contains(&name.as_str()) {
            // An access list is kept without the blanks between its parts.
            let text = String::from_utf8_lossy(&value).into_owned();
            let parts: Vec<_> = text.split(',').map(str::trim).filter(|part| !part.is_empty()).collect();
            container.headers.insert(name, parts.join(",").into_bytes());
        } else {
            // One way to keep versions takes the place of the other.
            match name.as_str() {
                "x-versions-location" => drop(container.headers.remove("x-history-location")),
                "x-history-location" => drop(container.headers.remove("x-versions-location")),
                _ => {}
            }
            let value = if name == "x-versions-enabled" { title(&value) } else { value };
            container.headers.insert(name, value);
        }
    }
    Ok(())
}

/// `True`, as Python writes it.
fn title(truth: &[u8]) -> Vec<u8> {
    if truth.eq_ignore_ascii_case(b"true") { b"True".to_vec() } else { b"False".to_vec() }
}
