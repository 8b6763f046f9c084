//! Which template language a template is in.

use serde_json::{Map, Value};

use crate::fault::Fault;

/// All that Heat 27 knows, oldest first, dates and names alike (`heat.templates` in its `setup.cfg`).
const KNOWN: [&str; 17] = [
    "2013-05-23",
    "2014-10-16",
    "2015-04-30",
    "2015-10-15",
    "2016-04-08",
    "2016-10-14",
    "newton",
    "2017-02-24",
    "ocata",
    "2017-09-01",
    "pike",
    "2018-03-02",
    "queens",
    "2018-08-31",
    "rocky",
    "2021-04-16",
    "wallaby",
];

/// The first that has `external_id`.
const EXTERNAL_ID: &str = "2016-10-14";

pub(super) fn check(template: &Map<String, Value>) -> Result<(), Fault> {
    let wrong =
        |why: String| Err(Fault::refused("InvalidTemplateVersion", format!("The template version is invalid: {why}")));
    match template.get("heat_template_version") {
        Some(Value::String(version)) if KNOWN.contains(&version.as_str()) => Ok(()),
        Some(other) => {
            let given = other.as_str().map_or_else(|| other.to_string(), |text| text.chars().take(80).collect());
            let known = KNOWN.join(", ");
            wrong(format!("\"heat_template_version: {given}\". \"heat_template_version\" should be one of: {known}"))
        }
        None if template.contains_key("AWSTemplateFormatVersion")
            || template.contains_key("HeatTemplateFormatVersion") =>
        {
            wrong("only HOT templates are taken; give heat_template_version".to_owned())
        }
        None => wrong("Template version was not provided".to_owned()),
    }
}

pub(super) fn has_external_id(template: &Map<String, Value>) -> bool {
    let given = template.get("heat_template_version").and_then(Value::as_str);
    let place = |version: &str| KNOWN.iter().position(|known| *known == version);
    given.and_then(place) >= place(EXTERNAL_ID)
}
