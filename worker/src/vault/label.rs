//! What an entry says of itself: which step made it, for which resource of which stack, under which fence.
//!
//! A label travels as the tags of a restic snapshot, so that `restic snapshots` shows it, the step's successor finds
//! what its predecessor left (adoption), and orphans can be told. A tag is `name=value`; what restic's command line
//! could not take in a value (commas, white space, control characters) and `%` stands there as `%XX`.

use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::str::FromStr;

use rustic_core::StringList;
use rustic_core::repofile::SnapshotId as ResticId;
use serde::{Deserialize, Serialize};
use stacksnap_common::ids::{Invalid, ProjectId, ResourceName, SnapshotId, StackId, StepId};

/// The id of one restic snapshot: 64 hexadecimal digits, lower case.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EntryId(String);

impl EntryId {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn of(id: ResticId) -> Self {
        Self(id.to_hex().to_string())
    }

    pub(super) fn restic(&self) -> ResticId {
        // Checked when it was made.
        self.0.parse().unwrap_or_default()
    }
}

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for EntryId {
    type Err = super::Error;
    fn from_str(text: &str) -> Result<Self, super::Error> {
        if text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Ok(Self(text.to_owned()));
        }
        let given: String = text.chars().take(80).collect();
        Err(super::Error::NotFound(format!("{given:?} is no vault entry's id")))
    }
}

impl TryFrom<String> for EntryId {
    type Error = super::Error;
    fn try_from(text: String) -> Result<Self, super::Error> {
        text.parse()
    }
}

impl From<EntryId> for String {
    fn from(id: EntryId) -> Self {
        id.0
    }
}

/// What an entry holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Content {
    Stream,
    Tree,
    /// What a whole snapshot is made of; its presence seals it.
    Manifest,
}

/// Who made an entry, and for what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    pub project: ProjectId,
    pub stack: StackId,
    pub snapshot: SnapshotId,
    /// None for a manifest.
    pub resource: Option<ResourceName>,
    pub step: StepId,
    /// Of two entries of one step the one with the higher fence counts.
    pub fence: u64,
}

impl Label {
    pub(super) fn tags(&self, content: Content) -> StringList {
        let mut tags = StringList::default();
        let mut tag = |name: &str, value: &str| tags.add(format!("{name}={}", escape(value)));
        tag("stacksnap", content.word());
        tag("project", self.project.as_str());
        tag("stack", &self.stack.to_string());
        tag("snapshot", &self.snapshot.to_string());
        if let Some(resource) = &self.resource {
            tag("resource", resource.as_str());
        }
        tag("step", &self.step.to_string());
        tag("fence", &self.fence.to_string());
        tags
    }

    /// `None` for a restic snapshot that is none of ours.
    pub(super) fn parse(tags: &StringList) -> Option<(Self, Content)> {
        let tags: BTreeMap<&str, String> = tags
            .iter()
            .filter_map(|tag| tag.split_once('='))
            .map(|(name, value)| Some((name, unescape(value)?)))
            .collect::<Option<_>>()?;
        let get = |name: &str| tags.get(name).map(String::as_str);
        fn parsed<T: FromStr<Err = Invalid>>(text: Option<&str>) -> Option<T> {
            text?.parse().ok()
        }
        let content = Content::parse(get("stacksnap")?)?;
        let resource = match get("resource") {
            Some(name) => Some(name.parse().ok()?),
            None => None,
        };
        let label = Self {
            project: parsed(get("project"))?,
            stack: parsed(get("stack"))?,
            snapshot: parsed(get("snapshot"))?,
            resource,
            step: parsed(get("step"))?,
            fence: get("fence")?.parse().ok()?,
        };
        Some((label, content))
    }
}

impl Content {
    fn word(self) -> &'static str {
        match self {
            Self::Stream => "stream",
            Self::Tree => "tree",
            Self::Manifest => "manifest",
        }
    }

    fn parse(word: &str) -> Option<Self> {
        [Self::Stream, Self::Tree, Self::Manifest].into_iter().find(|content| content.word() == word)
    }
}

fn escape(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    for c in value.chars() {
        if matches!(c, ',' | '%') || c.is_whitespace() || c.is_control() {
            let mut bytes = [0; 4];
            for byte in c.encode_utf8(&mut bytes).bytes() {
                // Writing to a String can't fail.
                let _ = write!(escaped, "%{byte:02X}");
            }
        } else {
            escaped.push(c);
        }
    }
    escaped
}

fn unescape(value: &str) -> Option<String> {
    let mut parts = value.split('%');
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        bytes.push(u8::from_str_radix(part.get(..2)?, 16).ok()?);
        bytes.extend_from_slice(part.get(2..)?.as_bytes());
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
pub(super) mod tests {
    #![allow(clippy::unwrap_used)]
    use stacksnap_common::ids::OperationId;

    use super::*;

    pub(crate) fn label(resource: &str) -> Label {
        Label {
            project: "demo".parse().unwrap(),
            stack: StackId::random(),
            snapshot: SnapshotId::random(),
            resource: Some(resource.parse().unwrap()),
            step: StepId { operation: OperationId::next(), stage: 1, index: 7 },
            fence: 3,
        }
    }

    #[test]
    fn a_label_survives_its_tags() {
        for name in ["data", "a, b", "100%", "%2C", "größe\u{a0}x", "..", "x=y", "\u{1f4af}"] {
            let made = label(name);
            for content in [Content::Stream, Content::Tree, Content::Manifest] {
                let tags = made.tags(content);
                assert!(tags.iter().all(|tag| !tag.contains([',', ' '])), "{tags}");
                assert_eq!(Label::parse(&tags), Some((made.clone(), content)));
            }
        }
        let manifest = Label { resource: None, ..label("x") };
        assert_eq!(Label::parse(&manifest.tags(Content::Manifest)), Some((manifest, Content::Manifest)));
    }

    #[test]
    fn what_others_put_there_is_none_of_ours() {
        for tags in ["", "daily", "stacksnap=tree", "stacksnap=%ZZ,step=1", "stacksnap=other,fence=1"] {
            assert_eq!(Label::parse(&tags.parse().unwrap()), None, "{tags}");
        }
    }

    #[test]
    fn an_entry_id_is_sixty_four_hexadecimal_digits() {
        let text = "0a".repeat(32);
        assert_eq!(text.parse::<EntryId>().unwrap().restic().to_hex().to_string(), text);
        for bad in ["", "latest", &"0A".repeat(32), &"0a".repeat(31)] {
            assert!(bad.parse::<EntryId>().is_err());
        }
    }
}
