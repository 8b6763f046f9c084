//! What each resource type takes and can: the table that the API checks templates against and that plans are made from.
//!
//! It says nothing about how a type is protected; that is its driver's, in the worker. A type that is not in the table
//! is foreign: a snapshot lists it as not protected. A `Stacksnap::` type that is not in the table is a mistake.

mod cloud;

use std::collections::BTreeMap;

use serde_json::Value;

use crate::native::{self, Native};
use crate::types::{Resource, ServerMode};

/// What a type's cut leaves behind; see `worker/src/driver.rs`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CutKind {
    /// Any worker copies from it later.
    Durable,
    /// The worker that cut goes on to copy at once.
    Held,
    /// There is none: copying is all.
    None,
    /// The stack's record is all there is of it, and its artifact is in the record too.
    Inline,
}

/// How a property is checked before anything else sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Property {
    Text,
    /// A list of non-empty texts.
    Texts,
    OneOf(&'static [&'static str]),
    Any,
}

#[derive(Debug, Clone, Copy)]
pub struct Kind {
    pub name: &'static str,
    pub cut: CutKind,
    /// It can be frozen and thawed.
    pub quiesce: bool,
    /// What `external_id` must be, in words; `None` where the type has no physical id.
    pub external_id: Option<&'static str>,
    pub external_id_ok: fn(&str) -> bool,
    /// Of a cloud: only a worker with a session there can do anything about it, and a restore may make it anew, under
    /// another physical id.
    pub cloud: bool,
    pub properties: &'static [(&'static str, Property, Required)],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Required {
    Yes,
    No,
}

fn absolute_path(text: &str) -> bool {
    text.starts_with('/') && text.len() < 4096 && !text.contains('\0')
}

fn database_name(text: &str) -> bool {
    // 63 bytes is PostgreSQL's NAMEDATALEN - 1.
    (1..=63).contains(&text.len()) && !text.contains('\0')
}

fn container_name(text: &str) -> bool {
    // The last two can't be in a URL.
    (1..=256).contains(&text.len()) && !text.contains(['/', '\0']) && text != "." && text != ".."
}

const BUILT_IN: &[Kind] = &[
    Kind {
        name: "Stacksnap::Directory",
        cut: CutKind::None,
        quiesce: false,
        external_id: Some("the absolute path of a directory"),
        external_id_ok: absolute_path,
        cloud: false,
        properties: &[
            ("exclude", Property::Texts, Required::No),
            ("unreadable", Property::OneOf(&["fail", "skip"]), Required::No),
            ("owners", Property::OneOf(&["restore", "skip"]), Required::No),
            ("pool", Property::Text, Required::No),
        ],
    },
    Kind {
        name: "Stacksnap::PostgreSQL",
        cut: CutKind::Held,
        quiesce: false,
        external_id: Some("the name of a database, 1 to 63 bytes"),
        external_id_ok: database_name,
        cloud: false,
        properties: &[("server", Property::Text, Required::Yes), ("pool", Property::Text, Required::No)],
    },
];

/// Beside those of `kinds/cloud.rs`.
const MORE: &[Kind] = &[REMOTE, CONTAINER];

/// Types without data of their own: what their services say of them is kept. A template need not name one that exists, and
/// their properties are not looked at: without a driver they are foreign.
const CONFIGURATION: &[&str] = &[
    "OS::Keystone::Domain",
    "OS::Keystone::Endpoint",
    "OS::Keystone::Group",
    "OS::Keystone::Project",
    "OS::Keystone::Region",
    "OS::Keystone::Role",
    "OS::Keystone::Service",
    "OS::Keystone::User",
    "OS::Neutron::FloatingIP",
    "OS::Neutron::Net",
    "OS::Neutron::Port",
    "OS::Neutron::Router",
    "OS::Neutron::SecurityGroup",
    "OS::Neutron::Subnet",
    "OS::Nova::KeyPair",
    "OS::Nova::ServerGroup",
];

const CONTAINER: Kind = Kind {
    name: "OS::Swift::Container",
    cut: CutKind::None,
    quiesce: false,
    external_id: Some("the name of a container, 1 to 256 bytes without a slash"),
    external_id_ok: container_name,
    cloud: true,
    properties: &[
        ("PurgeOnDelete", Property::Any, Required::No),
        ("X-Account-Meta", Property::Any, Required::No),
        ("X-Container-Meta", Property::Any, Required::No),
        ("X-Container-Read", Property::Any, Required::No),
        ("X-Container-Write", Property::Any, Required::No),
        ("name", Property::Any, Required::No),
    ],
};

/// A stack of another orchestration service.
const REMOTE: Kind = Kind {
    name: "OS::Heat::Stack",
    cut: CutKind::None,
    quiesce: false,
    external_id: Some("the id of a stack in the other service, a UUID"),
    external_id_ok: |id| uuid::Uuid::parse_str(id).is_ok(),
    cloud: true,
    properties: &[
        ("context", Property::Any, Required::No),
        ("parameters", Property::Any, Required::No),
        ("template", Property::Any, Required::No),
        ("timeout", Property::Any, Required::No),
    ],
};

impl From<&'static Native> for Kind {
    /// Its properties are checked by `native/`.
    fn from(native: &'static Native) -> Self {
        Self {
            name: native.name,
            cut: CutKind::Inline,
            quiesce: false,
            external_id: None,
            external_id_ok: |_| true,
            cloud: false,
            properties: &[],
        }
    }
}

impl Kind {
    /// Whether a snapshot freezes it before it cuts.
    pub fn freezes(&self, servers: ServerMode) -> bool {
        self.quiesce || (servers == ServerMode::Stop && self.name == cloud::STOPPABLE)
    }
}

/// The types that are known. The built-in ones, and in tests and benchmarks others beside them.
#[derive(Debug, Clone)]
pub struct Kinds(BTreeMap<&'static str, Kind>);

impl Default for Kinds {
    fn default() -> Self {
        Self(BUILT_IN.iter().copied().chain(native::all().map(Kind::from)).map(|kind| (kind.name, kind)).collect())
    }
}

impl Kinds {
    /// With the types of a cloud: where none is configured they are foreign.
    pub fn with_cloud(self) -> Self {
        let configuration = CONFIGURATION.iter().map(|name| Kind {
            name,
            cut: CutKind::None,
            quiesce: false,
            external_id: None,
            external_id_ok: |_| true,
            cloud: true,
            properties: &[],
        });
        cloud::ALL.iter().chain(MORE).copied().chain(configuration).fold(self, Self::with)
    }

    pub fn with(mut self, kind: Kind) -> Self {
        self.0.insert(kind.name, kind);
        self
    }

    /// `None`: foreign.
    pub fn get(&self, name: &str) -> Option<&Kind> {
        self.0.get(name)
    }

    pub fn all(&self) -> impl Iterator<Item = &Kind> {
        self.0.values()
    }

    /// Checks a resource as far as that needs no look at the world. The message is for the template's author.
    ///
    /// A foreign type is taken as it is, except one that begins with `Stacksnap::`: that one is a spelling mistake.
    pub fn check(&self, resource: &Resource) -> Result<(), String> {
        let Some(kind) = self.get(&resource.kind) else {
            if resource.kind.starts_with("Stacksnap::") {
                let known: Vec<_> = self.0.keys().filter(|name| name.starts_with("Stacksnap::")).copied().collect();
                return Err(format!(
                    "resources.{}: unknown type {:?}; this service knows {}",
                    resource.name,
                    resource.kind,
                    known.join(", ")
                ));
            }
            return Ok(());
        };
        if let Some(native) = native::get(kind.name) {
            let properties = native.take(&resource.properties).map(drop);
            return properties.map_err(|wrong| wrong.of(&resource.name));
        }
        if CONFIGURATION.contains(&kind.name) {
            return Ok(());
        }
        kind.check_external_id(resource)?;
        kind.check_properties(resource)
    }
}

impl Kind {
    fn check_external_id(&self, resource: &Resource) -> Result<(), String> {
        let Some(rule) = self.external_id else { return Ok(()) };
        let name = &resource.name;
        match &resource.external_id {
            None => Err(format!(
                "resources.{name}: external_id is missing; a {} names what already exists by external_id: {rule}",
                self.name
            )),
            Some(id) if !(self.external_id_ok)(id) => {
                Err(format!("resources.{name}: external_id {id:?} is not valid; it must be {rule}"))
            }
            Some(_) => Ok(()),
        }
    }

    fn check_properties(&self, resource: &Resource) -> Result<(), String> {
        let at = |property: &str| format!("resources.{}.properties.{property}", resource.name);
        for (name, value) in &resource.properties {
            let Some((_, rule, _)) = self.properties.iter().find(|(known, ..)| known == name) else {
                let known: Vec<_> = self.properties.iter().map(|(known, ..)| *known).collect();
                return Err(format!("{}: unknown property; a {} has {}", at(name), self.name, known.join(", ")));
            };
            rule.check(value).map_err(|rule| format!("{}: must be {rule}", at(name)))?;
        }
        match self
            .properties
            .iter()
            .find(|(name, _, required)| *required == Required::Yes && !resource.properties.contains_key(*name))
        {
            Some((name, ..)) => Err(format!("{}: is required", at(name))),
            None => Ok(()),
        }
    }
}

impl Property {
    fn check(self, value: &Value) -> Result<(), String> {
        let text = |value: &Value| value.as_str().is_some_and(|text| !text.is_empty());
        match self {
            Property::Text if text(value) => Ok(()),
            Property::Text => Err("a text that is not empty".to_owned()),
            Property::Texts if value.as_array().is_some_and(|list| list.iter().all(text)) => Ok(()),
            Property::Texts => Err("a list of texts, none empty".to_owned()),
            Property::OneOf(words) if value.as_str().is_some_and(|text| words.contains(&text)) => Ok(()),
            Property::OneOf(words) => Err(format!("one of {}", words.join(", "))),
            Property::Any => Ok(()),
        }
    }
}
