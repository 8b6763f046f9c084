//! Two answers, field by field. What can't be the same twice is compared by what it is: an id must stand for the same
//! thing throughout, a time must be one in Heat's form, a URL must name the host that was asked.
//!
//! Lists that Heat gives in any order (resources, snapshots, events of one second) are compared by the name of what is in
//! them. The order of an object's keys is compared as well, except where the keys are names.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::binding::Bindings;
use super::transcript::Message;

/// The recording's own address.
const BASE: &str = "http://127.0.0.1:18005";

/// One field that is not as it was recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// `status`, `header.allow`, `body.snapshot.data.resources.vol_a.type`, `body.events[t1 CREATE_COMPLETE].links[0].rel`.
    pub field: String,
    pub recorded: String,
    pub found: String,
}

/// What is different in an answer; learns ids on the way.
pub fn compare(recorded: &Message, found: &Message, base: &str, bindings: &mut Bindings) -> Vec<Difference> {
    let mut comparison = Comparison { base, bindings, differences: Vec::new() };
    comparison.whole(recorded, found);
    comparison.differences
}

struct Comparison<'a> {
    base: &'a str,
    bindings: &'a mut Bindings,
    differences: Vec<Difference>,
}

impl Comparison<'_> {
    fn whole(&mut self, recorded: &Message, found: &Message) {
        if recorded.status() != found.status() {
            self.differ("status", recorded.status(), found.status());
        }
        self.headers(recorded, found);
        match (recorded.json(), found.json()) {
            (Some(recorded), Some(found)) => self.value("body", &recorded, &found),
            _ if recorded.body == found.body => {}
            _ => self.differ("body", &String::from_utf8_lossy(&recorded.body), &String::from_utf8_lossy(&found.body)),
        }
    }

    fn headers(&mut self, recorded: &Message, found: &Message) {
        for (name, value) in &recorded.headers {
            let name = name.to_lowercase();
            let field = format!("header.{name}");
            match found.header(&name) {
                None => self.differ(&field, value, "(missing)"),
                // Whether it is true was checked when the answer was read.
                Some(_) if name == "content-length" => {}
                Some(ours) => self.text(&field, value, ours),
            }
        }
        for (name, value) in &found.headers {
            let name = name.to_lowercase();
            // Of the connection, and of every server.
            let of_http = ["date", "connection"].contains(&name.as_str());
            if !of_http && recorded.header(&name).is_none() {
                self.differ(&format!("header.{name}"), "(nothing)", value);
            }
        }
    }

    fn differ(&mut self, field: &str, recorded: &str, found: &str) {
        let short = |text: &str| text.chars().take(200).collect();
        self.differences.push(Difference { field: field.to_owned(), recorded: short(recorded), found: short(found) });
    }

    fn value(&mut self, path: &str, recorded: &Value, found: &Value) {
        match (recorded, found) {
            (Value::Object(recorded), Value::Object(found)) => self.object(path, recorded, found),
            (Value::Array(recorded), Value::Array(found)) => self.array(path, recorded, found),
            (Value::String(recorded), Value::String(found)) if opaque(path) => self.opaque(path, recorded, found),
            (Value::String(recorded), Value::String(found)) => self.text(path, recorded, found),
            (recorded, found) if recorded == found => {}
            _ => self.differ(path, &recorded.to_string(), &found.to_string()),
        }
    }

    fn object(&mut self, path: &str, recorded: &Map<String, Value>, found: &Map<String, Value>) {
        for (key, value) in recorded {
            let path = format!("{path}.{key}");
            match found.get(key) {
                Some(found) => self.value(&path, value, found),
                None => self.differ(&path, &value.to_string(), "(missing)"),
            }
        }
        for (key, value) in found.iter().filter(|(key, _)| !recorded.contains_key(*key)) {
            self.differ(&format!("{path}.{key}"), "(nothing)", &value.to_string());
        }
        let names = path.ends_with(".resources") || path.ends_with(".parameters");
        let common = |of: &Map<String, Value>, other: &Map<String, Value>| -> Vec<String> {
            of.keys().filter(|key| other.contains_key(*key)).cloned().collect()
        };
        let (ours, theirs) = (common(found, recorded), common(recorded, found));
        if !names && ours != theirs {
            self.differ(&format!("{path} (order)"), &theirs.join(" "), &ours.join(" "));
        }
    }

    fn array(&mut self, path: &str, recorded: &[Value], found: &[Value]) {
        let (recorded, found) = (named(path, recorded), named(path, found));
        for (name, value) in &recorded {
            let path = format!("{path}[{name}]");
            match found.get(name) {
                Some(found) => self.value(&path, value, found),
                None => self.differ(&path, &value.to_string(), "(missing)"),
            }
        }
        for (name, value) in found.iter().filter(|(name, _)| !recorded.contains_key(*name)) {
            self.differ(&format!("{path}[{name}]"), "(nothing)", &value.to_string());
        }
    }

    /// A text that somebody made up: whatever it is, it stands for the same thing everywhere.
    fn opaque(&mut self, path: &str, recorded: &str, found: &str) {
        let both_empty = recorded.is_empty() == found.is_empty();
        if !both_empty || (!recorded.is_empty() && !self.bindings.agree(recorded, found)) {
            self.differ(path, recorded, found);
        }
    }

    /// A text with ids, times and URLs in it.
    fn text(&mut self, path: &str, recorded: &str, found: &str) {
        if self.matches(recorded, found).is_none() {
            let recorded = self.bindings.apply(recorded);
            self.differ(path, &recorded, found);
        }
    }

    fn matches(&mut self, mut recorded: &str, mut found: &str) -> Option<()> {
        while !recorded.is_empty() {
            if let Some(rest) = recorded.strip_prefix(BASE) {
                found = found.strip_prefix(self.base)?;
                recorded = rest;
            } else if let Some(length) = id(recorded) {
                let theirs = &recorded[..length];
                let ours = match self.bindings.get(theirs) {
                    Some(known) => known.to_owned(),
                    None => found[..id(found)?].to_owned(),
                };
                found = found.strip_prefix(ours.as_str())?;
                self.bindings.agree(theirs, &ours).then_some(())?;
                recorded = &recorded[length..];
            } else if is_time(recorded) {
                is_time(found).then_some(())?;
                (recorded, found) = (&recorded[TIME.len()..], &found[TIME.len()..]);
            } else {
                let next = recorded.chars().next()?;
                found = found.strip_prefix(next)?;
                recorded = &recorded[next.len_utf8()..];
            }
        }
        found.is_empty().then_some(())
    }
}

/// Members of a list by what they are called; by their place where that says nothing.
fn named<'a>(path: &str, list: &'a [Value]) -> BTreeMap<String, &'a Value> {
    let text = |value: &Value, key: &str| value[key].as_str().map(str::to_owned);
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let name = |(index, value): (usize, &'a Value)| {
        let name = match path.rsplit('.').next() {
            Some("resources") => text(value, "resource_name"),
            Some("snapshots") => text(value, "name"),
            Some("events") => {
                text(value, "resource_name").zip(text(value, "resource_status")).map(|(a, b)| format!("{a} {b}"))
            }
            _ => None,
        };
        let Some(name) = name else { return (index.to_string(), value) };
        let times = seen.entry(name.clone()).or_default();
        *times += 1;
        (if *times == 1 { name } else { format!("{name} #{times}") }, value)
    };
    list.iter().enumerate().map(name).collect()
}

/// Fields that hold what a cloud, or chance, made up.
fn opaque(path: &str) -> bool {
    let last = path.rsplit('.').next().unwrap_or_default();
    ["physical_resource_id", "resource_id"].contains(&last) || path.ends_with(".secret.resource_data.value")
}

/// The length of the id that a text begins with: a UUID, or 32 hexadecimal digits as Keystone writes them.
fn id(text: &str) -> Option<usize> {
    let hex = |range: std::ops::Range<usize>| text.get(range).is_some_and(|s| s.bytes().all(|b| b.is_ascii_hexdigit()));
    let dash = |at: usize| text.as_bytes().get(at) == Some(&b'-');
    if hex(0..8)
        && dash(8)
        && hex(9..13)
        && dash(13)
        && hex(14..18)
        && dash(18)
        && hex(19..23)
        && dash(23)
        && hex(24..36)
    {
        return Some(36);
    }
    (hex(0..32) && !text.as_bytes().get(32).is_some_and(u8::is_ascii_hexdigit)).then_some(32)
}

const TIME: &str = "0000-00-00T00:00:00Z";

fn is_time(text: &str) -> bool {
    let fits = |(b, form): (u8, u8)| if form == b'0' { b.is_ascii_digit() } else { b == form };
    text.len() >= TIME.len() && text.bytes().zip(TIME.bytes()).all(fits)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const A: &str = "c3aefb78-bea1-4714-8fe0-99e17bb64d3a";
    const B: &str = "11111111-1111-4111-8111-111111111111";

    fn fields(recorded: &Value, found: &Value) -> Vec<String> {
        let mut bindings = Bindings::default();
        let mut comparison = Comparison { base: "http://h:1", bindings: &mut bindings, differences: Vec::new() };
        comparison.value("body", recorded, found);
        comparison.differences.into_iter().map(|difference| difference.field).collect()
    }

    #[test]
    fn what_is_equal_but_for_ids_times_and_hosts_is_equal() {
        let recorded = json!({"id": A, "href": format!("{BASE}/v1/x/{A}"), "at": "2026-11-22T15:57:47Z", "snapshots": [{"name": "a"}, {"name": "b"}]});
        let found = json!({"id": B, "href": format!("http://h:1/v1/x/{B}"), "at": "2027-01-01T00:00:00Z", "snapshots": [{"name": "b"}, {"name": "a"}]});
        assert_eq!(fields(&recorded, &found), [""; 0]);
    }

    #[test]
    fn everything_else_is_seen() {
        for (recorded, found, field) in [
            (json!({"a": 1}), json!({"a": 2}), "body.a"),
            (json!({"a": 1}), json!({}), "body.a"),
            (json!({}), json!({"a": 1}), "body.a"),
            (json!({"a": 1, "b": 2}), json!({"b": 2, "a": 1}), "body (order)"),
            (json!({"a": null}), json!({"a": "x"}), "body.a"),
            (json!({"a": "2026-11-22T15:57:47Z"}), json!({"a": "2026-11-22T15:57:47"}), "body.a"),
            (json!({"a": A, "b": A}), json!({"a": B, "b": A}), "body.b"),
            (json!({"a": A, "b": B}), json!({"a": B, "b": B}), "body.b"),
            (json!({"a": A}), json!({"a": "no id"}), "body.a"),
            (json!({"a": format!("{BASE}/x")}), json!({"a": "http://other/x"}), "body.a"),
            (
                json!({"events": [{"resource_name": "t", "resource_status": "X", "links": [{"rel": "a"}]}]}),
                json!({"events": [{"resource_name": "t", "resource_status": "X", "links": [{"rel": "b"}]}]}),
                "body.events[t X].links[0].rel",
            ),
            (json!({"resources": [{"resource_name": "t"}]}), json!({"resources": []}), "body.resources[t]"),
        ] {
            assert_eq!(fields(&recorded, &found), [field], "{recorded} {found}");
        }
    }
}
