//! `GET /resource_types`: what templates can have. Types that are only named by `external_id`, and for which no driver is
//! there, are listed as far as they are known by name; templates may name any other.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use regex::Regex;
use serde_json::{Value, json};
use stacksnap_common::kinds::Kinds;
use stacksnap_common::native;

use crate::Api;
use crate::body::NoBody;
use crate::fault::Fault;
use crate::params::Params;

/// Types of clouds that stacks commonly name.
const NAMED: [&str; 12] = [
    "OS::Cinder::Volume",
    "OS::Glance::WebImage",
    "OS::Heat::Stack",
    "OS::Manila::Share",
    "OS::Neutron::FloatingIP",
    "OS::Neutron::Net",
    "OS::Neutron::Port",
    "OS::Neutron::Router",
    "OS::Neutron::Subnet",
    "OS::Nova::Server",
    "OS::Swift::Container",
    "OS::Trove::Instance",
];

const SUPPORT: [&str; 5] = ["UNKNOWN", "SUPPORTED", "DEPRECATED", "UNSUPPORTED", "HIDDEN"];

pub(crate) async fn list(State(api): State<Arc<Api>>, params: Params, _: NoBody) -> Result<Json<Value>, Fault> {
    let describe = params.truth("with_description")?.unwrap_or(false);
    let status = params.get("support_status").filter(|status| !status.is_empty());
    if let Some(wrong) = status.filter(|status| !SUPPORT.contains(status)) {
        let why = format!("Invalid support status and should be one of {}", SUPPORT.join(", "));
        tracing::debug!(wrong, "support_status");
        return Err(Fault::bad_request(why));
    }
    let pattern = match params.get("name").filter(|name| !name.is_empty()) {
        // As Python's `match` does: from the begin on.
        Some(name) => {
            let wrong = |_| Fault::bad_request(format!("name {name:?} is no regular expression that is taken here."));
            Some(Regex::new(&format!("^(?:{name})")).map_err(wrong)?)
        }
        None => None,
    };
    let wanted = |name: &&str| {
        status.is_none_or(|status| status == "SUPPORTED")
            && pattern.as_ref().is_none_or(|pattern| pattern.is_match(name))
    };
    let names = names(&api.store.kinds);
    let found = names.into_iter().filter(wanted).map(|name| match describe {
        true => json!({"resource_type": name, "description": description(name)}),
        false => name.into(),
    });
    Ok(Json(json!({"resource_types": found.collect::<Vec<_>>()})))
}

/// All that are known, in order.
pub(super) fn names(kinds: &Kinds) -> Vec<&'static str> {
    let mut names: Vec<_> = kinds.all().map(|kind| kind.name).chain(NAMED).collect();
    names.sort_unstable();
    names.dedup();
    names
}

pub(super) fn description(name: &str) -> &'static str {
    match native::get(name) {
        Some(native) => native.description,
        None => "A resource that exists, named by its external_id.",
    }
}
