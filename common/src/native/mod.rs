//! Resource types with no cloud behind them: their whole state is a small value in the stack's own record.
//!
//! `types.rs` is what each type takes, as Heat's plugins have it (`heat/engine/resources/openstack/heat/`); `schema.rs`
//! brings given properties into their types. `make.rs` decides, when a request is accepted, what a create or an update
//! makes of a resource: its physical id and its value; `random.rs` is where chance comes in. From then on all is pure:
//! attributes and references are read from the record, waits and failures from the properties.
//!
//! Deciding at the request and not in a worker has two reasons: the value is in the commit that accepts, so that no crash
//! and no repeated request makes a second one; and other resources' properties that refer to it can be resolved at once.

pub mod make;
mod random;
pub mod schema;
#[cfg(test)]
mod tests;
mod types;

use serde_json::Value;

use crate::types::Resource;
use schema::{Attribute, Property};

/// A native type.
#[derive(Debug)]
pub struct Native {
    pub name: &'static str,
    pub description: &'static str,
    /// Of Heat, the first that had it.
    pub since: &'static str,
    pub properties: &'static [Property],
    pub attributes: &'static [Attribute],
    /// It takes any properties and does nothing with them.
    pub anything: bool,
}

pub(crate) const TEST_RESOURCE: &str = "OS::Heat::TestResource";
pub(crate) const NONE: &str = "OS::Heat::None";
pub(crate) const VALUE: &str = "OS::Heat::Value";
pub(crate) const RANDOM_STRING: &str = "OS::Heat::RandomString";

/// `None`: the type is not native.
pub fn get(name: &str) -> Option<&'static Native> {
    types::ALL.iter().find(|native| native.name == name)
}

pub fn all() -> impl Iterator<Item = &'static Native> {
    types::ALL.iter()
}

/// What `get_attr` of a native resource gives. `None`: the type has no such attribute. `Null` where there is no value
/// (yet), and for every attribute of an `OS::Heat::None`.
pub fn attribute(resource: &Resource, name: &str) -> Option<Value> {
    let native = get(&resource.kind)?;
    if native.anything {
        return Some(Value::Null);
    }
    native.attributes.iter().find(|attribute| attribute.name == name)?;
    Some(match resource.kind.as_str() {
        VALUE => resource.properties.get("value").cloned().unwrap_or_default(),
        _ => resource.data["value"].clone(),
    })
}

/// What `get_resource` of a native resource gives: its physical id; of a random string the string itself, as in Heat. A
/// resource that was not made gives its name.
pub fn reference(resource: &Resource) -> String {
    let made = match resource.kind.as_str() {
        RANDOM_STRING if resource.external_id.is_some() => resource.data["value"].as_str(),
        _ => resource.external_id.as_deref(),
    };
    made.unwrap_or(resource.name.as_str()).to_owned()
}

/// What a step of an operation has to do beside keeping the record.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Effort {
    /// Seconds until the step is done; `None`: for ever.
    pub seconds: Option<f64>,
    /// Then it fails.
    pub fails: bool,
}

/// How long `action` (`create`, `update`, `delete`) of a resource takes and whether it fails: as an
/// `OS::Heat::TestResource` is told to; the others take no time.
pub fn effort(resource: &Resource, action: &str) -> Effort {
    if resource.kind != TEST_RESOURCE {
        return Effort { seconds: Some(0.0), fails: false };
    }
    let property = |name: &str| resource.properties.get(name);
    let own = property("action_wait_secs").and_then(|waits| waits.get(action)).and_then(Value::as_f64);
    let seconds = own.or_else(|| property("wait_secs").and_then(Value::as_f64)).unwrap_or(0.0);
    let fails = property("fail").and_then(Value::as_bool).unwrap_or(false) && action != "delete";
    Effort { seconds: (seconds >= 0.0).then_some(seconds), fails }
}

/// Why an `OS::Heat::TestResource` that is told to fail has failed, in Heat's words.
pub fn failure(resource: &Resource) -> String {
    format!("Test Resource failed {}", resource.name)
}
