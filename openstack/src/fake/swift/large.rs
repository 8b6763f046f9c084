//! Large objects: manifests, and what they stand for.

use std::collections::BTreeMap;

use axum::body::Bytes;
use axum::http::StatusCode;
use serde_json::{Value, json};

use super::answer::{Answer, Result, md5, page};
use super::objects::described;
use super::routes::{Given, unescape};
use super::state::{Headers, Object, Segment, State};

const MOST_SEGMENTS: usize = 1000;

impl Object {
    /// Over the etags of the segments, each with its range where it has one.
    pub(super) fn slo_etag(&self) -> String {
        let of = |segment: &Segment| match &segment.range {
            Some(range) => format!("{}:{range};", segment.etag),
            None => segment.etag.clone(),
        };
        md5(self.segments.iter().flatten().map(of).collect::<String>().as_bytes())
    }
}

impl State {
    /// What a `GET` or a `HEAD` of an object is answered with: the manifest itself, or what it stands for. A `HEAD` of a
    /// static large object looks at none of its segments.
    pub(super) fn shown_to(&self, object: &Object, given: &Given<'_>, head: bool) -> Result<Answer> {
        let itself = given.asks("multipart-manifest") == Some("get");
        if let Some(version) = object.version.as_ref().filter(|_| given.asks("symlink") == Some("get")) {
            let target = format!("{}/{}?version-id={version}", given.container, given.object);
            let link = Object { headers: BTreeMap::new(), ..object.clone() };
            let answer = described(&link, Bytes::new(), &md5(b"")).with("x-symlink-target-etag", object.etag());
            return Ok(answer.with("x-symlink-target", target).with("x-object-version-id", version));
        }
        let link = object.text("x-symlink-target").filter(|_| given.asks("symlink") != Some("get"));
        if let Some((container, name)) = link.as_deref().and_then(|target| target.split_once('/')) {
            let target = self.look(given.project, container).and_then(|container| container.objects.get(name));
            return self.shown_to(target.ok_or_else(|| page(404))?, given, head);
        }
        let Some(segments) = &object.segments else {
            if itself || !object.headers.contains_key("x-object-manifest") {
                return Ok(described(object, object.content.clone(), &object.etag()));
            }
            let etags: String = self.dlo_parts(given.project, object).map(|(_, part)| part.etag()).collect();
            let whole = self.whole(given.project, object)?;
            return Ok(described(object, whole, &format!("\"{}\"", md5(etags.as_bytes()))));
        };
        if !itself {
            let whole = if head { vec![0; object.listed_bytes()].into() } else { self.whole(given.project, object)? };
            let answer = described(object, whole, &format!("\"{}\"", object.slo_etag()));
            return Ok(answer.with("x-static-large-object", "True").with("x-manifest-etag", object.etag()));
        }
        if given.asks("format") == Some("raw") {
            let raw: Vec<Value> = segments.iter().map(raw).collect();
            let body = serde_json::to_vec(&raw).unwrap();
            let etag = md5(&body);
            return Ok(described(object, body.into(), &etag).with("x-static-large-object", "True"));
        }
        let answer = described(object, object.content.clone(), &object.etag()).with("x-static-large-object", "True");
        Ok(answer.content_type("application/json; charset=utf-8"))
    }

    fn dlo_parts<'a>(&'a self, project: &str, object: &Object) -> impl Iterator<Item = (&'a String, &'a Object)> {
        let place = unescape(&object.text("x-object-manifest").unwrap_or_default());
        let (container, prefix) = place.split_once('/').unwrap_or_default();
        let prefix = prefix.to_owned();
        let objects = self.look(project, container).into_iter().flat_map(|container| &container.objects);
        objects.filter(move |(name, _)| name.starts_with(&prefix))
    }

    /// All bytes that a reader gets.
    pub(super) fn whole(&self, project: &str, object: &Object) -> Result<Bytes> {
        if object.segments.is_none() && !object.headers.contains_key("x-object-manifest") {
            return Ok(object.content.clone());
        }
        let mut all = Vec::new();
        for segment in object.segments.iter().flatten() {
            let part = self.look(project, &segment.container).and_then(|of| of.objects.get(&segment.name));
            // What is not what it was when the manifest was put breaks the object.
            let part = part.filter(|part| part.etag_as_segment() == segment.etag).ok_or_else(|| page(409))?;
            let whole = self.whole(project, part)?;
            all.extend_from_slice(&match segment.range.as_deref().and_then(|range| range.split_once('-')) {
                Some((first, last)) => whole.slice(first.parse::<usize>().unwrap()..=last.parse().unwrap()),
                None => whole,
            });
        }
        if object.segments.is_none() {
            for (_, part) in self.dlo_parts(project, object) {
                all.extend_from_slice(&self.whole(project, part)?);
            }
        }
        Ok(all.into())
    }

    /// The etag of the whole.
    pub(super) fn make_slo(
        &mut self,
        project: &str,
        container: &str,
        name: &str,
        body: &[u8],
        headers: Headers,
    ) -> Result<String> {
        let bad = |said: String| Answer::text(StatusCode::BAD_REQUEST, said);
        let wanted: Vec<Value> =
            serde_json::from_slice(body).map_err(|_| bad("Manifest must be valid JSON.\n".to_owned()))?;
        if wanted.len() > MOST_SEGMENTS {
            let said = format!("Number of object-backed segments must be <= {MOST_SEGMENTS}.");
            return Err(Answer::text(StatusCode::PAYLOAD_TOO_LARGE, said));
        }
        let (mut segments, mut wrong) = (Vec::new(), String::new());
        for one in &wanted {
            match self.segment(project, one) {
                Ok(segment) => segments.push(segment),
                Err(why) => wrong += &format!("{}, {why}\n", one["path"].as_str().unwrap_or_default()),
            }
        }
        if !wrong.is_empty() {
            return Err(bad(format!("Errors:\n{wrong}")));
        }
        let manifest: Vec<Value> = segments.iter().map(kept).collect();
        let now = self.now();
        let content = serde_json::to_vec(&manifest).unwrap();
        let mut object = Object::new(now, content.into(), std::iter::empty());
        object.headers.extend(headers);
        object.segments = Some(segments);
        let etag = object.slo_etag();
        self.container(project, container).ok_or_else(|| page(404))?.objects.insert(name.to_owned(), object);
        Ok(etag)
    }

    fn segment(&self, project: &str, wanted: &Value) -> std::result::Result<Segment, &'static str> {
        let path = wanted["path"].as_str().and_then(|path| path.strip_prefix('/')?.split_once('/'));
        let (container, name) = path.ok_or("path does not refer to an object")?;
        let object = self.look(project, container).and_then(|container| container.objects.get(name));
        let object = object.ok_or("404 Not Found")?;
        let (etag, size) = (object.etag_as_segment(), object.listed_bytes());
        if wanted["etag"].as_str().is_some_and(|wanted| wanted != etag) {
            return Err("Etag Mismatch");
        }
        if wanted["size_bytes"].as_u64().is_some_and(|wanted| wanted != size as u64) {
            return Err("Size Mismatch");
        }
        let range = wanted["range"].as_str().map(str::to_owned);
        Ok(Segment {
            container: container.to_owned(),
            name: name.to_owned(),
            etag,
            bytes: size,
            content_type: object.text("content-type").unwrap_or_default(),
            range,
            sub_slo: object.segments.is_some(),
            changed: object.changed,
        })
    }
}

impl Object {
    fn etag_as_segment(&self) -> String {
        if self.segments.is_some() { self.slo_etag() } else { self.etag() }
    }
}

/// As it is kept, and shown to whoever asks for the manifest.
fn kept(segment: &Segment) -> Value {
    let mut kept = json!({
        "name": format!("/{}/{}", segment.container, segment.name),
        "hash": segment.etag,
        "bytes": segment.bytes,
        "content_type": segment.content_type,
        "last_modified": segment.changed.iso(),
    });
    if let Some(range) = &segment.range {
        kept["range"] = range.clone().into();
    }
    if segment.sub_slo {
        kept["sub_slo"] = true.into();
    }
    kept
}

/// As it is put.
fn raw(segment: &Segment) -> Value {
    let path = format!("/{}/{}", segment.container, segment.name);
    let mut raw = json!({"path": path, "etag": segment.etag, "size_bytes": segment.bytes});
    if let Some(range) = &segment.range {
        raw["range"] = range.clone().into();
    }
    raw
}
