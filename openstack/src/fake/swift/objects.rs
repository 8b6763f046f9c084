//! Objects: written, read as a whole or in part, described, deleted; old versions kept where a container says so.

use axum::body::Bytes;
use axum::http::{Method, StatusCode};

use super::answer::{Answer, Result, md5, page};
use super::routes::Given;
use super::state::{Headers, Object, State};

/// The largest object, in bytes: it is 5 GiB in Swift.
const LARGEST: usize = 64 << 20;
const LONGEST_NAME: usize = 1024;

fn is_header(name: &str) -> bool {
    const KNOWN: [&str; 11] = [
        "cache-control",
        "content-disposition",
        "content-encoding",
        "content-language",
        "content-type",
        "expires",
        "x-delete-at",
        "x-object-manifest",
        "x-robots-tag",
        "x-symlink-target",
        "x-symlink-target-account",
    ];
    KNOWN.contains(&name) || name.starts_with("x-object-meta-")
}

impl State {
    pub(super) fn serve_object(&mut self, method: &Method, name: &str, given: &Given<'_>) -> Result<Answer> {
        if self.look(given.project, given.container).is_none() {
            return Err(page(404));
        }
        match method.as_str() {
            "GET" | "HEAD" => {
                let object = self.one(name, given)?;
                let answer = self.shown_to(object, given, method == Method::HEAD)?;
                ranged(conditional(answer, given)?, given)
            }
            "PUT" => self.put_object(name, given),
            "POST" => self.post(name, given),
            "DELETE" => self.delete_object(name, given),
            _ => Ok(page(405)),
        }
    }

    fn one(&self, name: &str, given: &Given<'_>) -> Result<&Object> {
        let object = self.look(given.project, given.container).and_then(|container| container.objects.get(name));
        let mut clock = Self::default();
        object.filter(|object| !object.has_expired(clock.now())).ok_or_else(|| page(404))
    }

    fn put_object(&mut self, name: &str, given: &Given<'_>) -> Result<Answer> {
        if name.len() > LONGEST_NAME {
            let said = format!("Object name length of {} longer than {LONGEST_NAME}", name.len());
            return Err(Answer::text(StatusCode::BAD_REQUEST, said));
        }
        if given.body.len() > LARGEST {
            return Err(Answer::text(StatusCode::PAYLOAD_TOO_LARGE, "Your request is too large."));
        }
        let headers = self.new_headers(given, given.asks("multipart-manifest") == Some("put"))?;
        if given.header("if-none-match") == Some("*") && self.one(name, given).is_ok() {
            return Err(page(412));
        }
        self.room(given, given.body.len())?;
        self.keep_version(name, given)?;
        if given.asks("multipart-manifest") == Some("put") {
            let body = given.body.clone();
            let etag = self.make_slo(given.project, given.container, name, &body, headers)?;
            return Ok(page(201).with("etag", format!("\"{etag}\"")));
        }
        let etag = md5(&given.body);
        if given.header("etag").is_some_and(|wanted| wanted.trim_matches('"').to_ascii_lowercase() != etag) {
            return Err(page(422));
        }
        let now = self.now();
        let mut object = Object::new(now, given.body.clone(), std::iter::empty());
        object.headers.extend(headers);
        let enabled =
            |container: &super::state::Container| container.text("x-versions-enabled").as_deref() == Some("True");
        object.version = self.look(given.project, given.container).filter(|it| enabled(it)).map(|_| now.timestamp());
        let objects = &mut self.container(given.project, given.container).ok_or_else(|| page(404))?.objects;
        objects.insert(name.to_owned(), object);
        Ok(page(201).with("etag", etag).with("last-modified", now.http()))
    }

    fn new_headers(&mut self, given: &Given<'_>, slo: bool) -> Result<Headers> {
        let headers = given.taken(|name| is_header(name) && !(slo && name == "x-object-manifest"));
        let bad = |said: &str| Err(Answer::text(StatusCode::BAD_REQUEST, said));
        if let Some(at) = given.header("x-delete-at") {
            match at.parse::<i64>() {
                Err(_) => return bad("Non-integer X-Delete-At"),
                Ok(at) if at <= self.now().second() => return bad("X-Delete-At in past"),
                Ok(_) => {}
            }
        }
        if given.header("x-object-manifest").is_some_and(|place| !place.contains('/')) {
            let said = "X-Object-Manifest must be in the format container/prefix";
            return Err(Answer::new(StatusCode::BAD_REQUEST, "text/html; charset=UTF-8", said));
        }
        Ok(headers)
    }

    /// A container's quota, as the middleware of that name has it.
    fn room(&self, given: &Given<'_>, bytes: usize) -> Result<()> {
        let Some(container) = self.look(given.project, given.container) else { return Ok(()) };
        let quota = |name: &str| container.text(name).and_then(|quota| quota.parse::<usize>().ok());
        let full = quota("x-container-meta-quota-bytes").is_some_and(|quota| container.bytes() + bytes > quota)
            || quota("x-container-meta-quota-count").is_some_and(|quota| container.objects.len() + 1 > quota);
        let refused = Answer::text(StatusCode::PAYLOAD_TOO_LARGE, "Upload exceeds quota.");
        if full { Err(refused) } else { Ok(()) }
    }

    fn post(&mut self, name: &str, given: &Given<'_>) -> Result<Answer> {
        self.one(name, given)?;
        let mut headers = self.new_headers(given, false)?;
        let now = self.now();
        let container = self.container(given.project, given.container).ok_or_else(|| page(404))?;
        let object = container.objects.get_mut(name).ok_or_else(|| page(404))?;
        // What is not named goes; the content type stays.
        if let Some(kept) = object.headers.remove("content-type") {
            headers.entry("content-type".to_owned()).or_insert(kept);
        }
        object.headers = headers;
        object.changed = now;
        Ok(page(202))
    }

    fn delete_object(&mut self, name: &str, given: &Given<'_>) -> Result<Answer> {
        self.one(name, given)?;
        let (place, history) = self.versions(given);
        let objects = |state: &mut Self, of: &str| -> Option<std::collections::BTreeMap<String, Object>> {
            state.container(given.project, of).map(|container| std::mem::take(&mut container.objects))
        };
        if history {
            self.keep_version(name, given)?;
        }
        let mut mine = objects(self, given.container).unwrap_or_default();
        mine.remove(name);
        // The newest version comes back in its place.
        if let Some(place) = place.filter(|_| !history)
            && let Some(old) = self.container(given.project, &place)
        {
            let prefix = version_prefix(name);
            let newest = old.objects.keys().rfind(|version| version.starts_with(&prefix)).cloned();
            if let Some(version) = newest.and_then(|version| old.objects.remove(&version)) {
                mine.insert(name.to_owned(), version);
            }
        }
        self.container(given.project, given.container).ok_or_else(|| page(404))?.objects = mine;
        Ok(page(204))
    }

    /// Where old versions go, and whether a deletion makes one too.
    fn versions(&self, given: &Given<'_>) -> (Option<String>, bool) {
        let Some(container) = self.look(given.project, given.container) else { return (None, false) };
        match container.text("x-history-location") {
            Some(place) => (Some(place), true),
            None => (container.text("x-versions-location"), false),
        }
    }

    fn keep_version(&mut self, name: &str, given: &Given<'_>) -> Result<()> {
        let (Some(place), Ok(old)) = (self.versions(given).0, self.one(name, given).cloned()) else { return Ok(()) };
        let Some(versions) = self.container(given.project, &place) else {
            return Err(page(412));
        };
        versions.objects.insert(format!("{}{}", version_prefix(name), old.written.timestamp()), old);
        Ok(())
    }
}

fn version_prefix(name: &str) -> String {
    format!("{:03x}{name}/", name.len())
}

/// The object with this content.
pub(super) fn described(object: &Object, content: Bytes, etag: &str) -> Answer {
    let mut answer = Answer::new(StatusCode::OK, "", content)
        .with("etag", etag)
        .with("x-timestamp", object.changed.timestamp())
        .with("last-modified", object.changed.http())
        .with("accept-ranges", "bytes");
    for (name, value) in &object.headers {
        answer = answer.with(name, value);
    }
    answer
}

fn conditional(answer: Answer, given: &Given<'_>) -> Result<Answer> {
    let etag = answer.headers["etag"].to_str().unwrap().trim_matches('"').to_owned();
    let names = |wanted: &str| wanted == "*" || wanted.split(',').any(|one| one.trim().trim_matches('"') == etag);
    if given.header("if-match").is_some_and(|wanted| !names(wanted)) {
        let mut refused = Answer { status: StatusCode::PRECONDITION_FAILED, body: Bytes::new(), ..answer };
        refused.headers.remove("accept-ranges");
        return Err(refused.with("content-type", "text/html; charset=UTF-8"));
    }
    if given.header("if-none-match").is_some_and(names) {
        return Err(Answer { status: StatusCode::NOT_MODIFIED, body: Bytes::new(), ..answer });
    }
    Ok(answer)
}

/// `bytes=N-` and `bytes=N-M`.
fn ranged(answer: Answer, given: &Given<'_>) -> Result<Answer> {
    let range = given.header("range").and_then(|range| range.strip_prefix("bytes=")?.split_once('-'));
    let Some((first, last)) = range.and_then(|(first, last)| Some((first.parse::<usize>().ok()?, last))) else {
        return Ok(answer);
    };
    let length = answer.body.len();
    if first >= length {
        let refused = Answer { status: StatusCode::RANGE_NOT_SATISFIABLE, body: page(416).body, ..answer };
        return Err(refused.with("content-range", format!("bytes */{length}")));
    }
    let last = last.parse().unwrap_or(length - 1).min(length - 1);
    let body = answer.body.slice(first..=last);
    let answer = answer.with("content-range", format!("bytes {first}-{last}/{length}"));
    Ok(Answer { status: StatusCode::PARTIAL_CONTENT, body, ..answer })
}
