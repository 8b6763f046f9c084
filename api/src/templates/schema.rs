//! `GET /resource_types/{type}`, and `/template` below it.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::{Map, Value, json};
use stacksnap_common::kinds;
use stacksnap_common::native;
use stacksnap_common::native::schema::{Property, Rule, Type};

use super::types;
use crate::Api;
use crate::body::NoBody;
use crate::fault::Fault;
use crate::params::{At, Params};
use crate::template::language;

pub(crate) async fn show(
    State(api): State<Arc<Api>>,
    At((_, name)): At<(String, String)>,
    params: Params,
    _: NoBody,
) -> Result<Json<Value>, Fault> {
    let describe = params.truth("with_description")?.unwrap_or(false);
    let (properties, attributes) = of(&api, &name)?;
    let since = native::get(&name).map(|native| native.since);
    let mut shown = json!({
        "resource_type": name,
        "properties": properties,
        "attributes": attributes,
        "support_status": {"status": "SUPPORTED", "message": null, "version": since, "previous_status": null},
    });
    if describe {
        shown["description"] = types::description(&name).into();
    }
    Ok(Json(shown))
}

/// A parameter for each property, and an output for each attribute.
pub(crate) async fn template(
    State(api): State<Arc<Api>>,
    At((_, name)): At<(String, String)>,
    params: Params,
    _: NoBody,
) -> Result<Json<Value>, Fault> {
    let hot = match params.get("template_type") {
        None | Some("cfn") => false,
        Some("hot") => true,
        Some(other) => {
            let why = format!(
                "Template type is not supported: Invalid template type \"{other}\", valid types are: cfn, hot."
            );
            return Err(Fault::bad_request(why));
        }
    };
    let (properties, attributes) = of(&api, &name)?;
    let short = name.rsplit("::").next().unwrap_or(&name).to_owned();
    let description = format!("Initial template of {short}");
    let parameters: Map<_, _> = properties.iter().map(|(name, one)| (name.clone(), parameter(one, hot))).collect();
    let call = |function: &str, argument: Value| json!({ function: argument });
    let refer = |name: &String| (name.clone(), call(if hot { "get_param" } else { "Ref" }, name.as_str().into()));
    let given: Map<_, _> = properties.keys().map(refer).collect();
    let output = |(attribute, one): (&String, &Value)| {
        let text = one["description"].clone();
        let value = call(if hot { "get_attr" } else { "Fn::GetAtt" }, json!([short, attribute]));
        let one = if hot {
            json!({"description": text, "value": value})
        } else {
            json!({"Description": text, "Value": value})
        };
        (attribute.clone(), one)
    };
    let outputs: Map<_, _> = attributes.iter().map(output).collect();
    Ok(Json(if hot {
        json!({
            "heat_template_version": language::OLDEST_WITH_EXTERNAL_ID,
            "description": description,
            "parameters": parameters,
            "resources": {short.as_str(): {"type": name, "properties": given}},
            "outputs": outputs,
        })
    } else {
        json!({
            "HeatTemplateFormatVersion": "2012-12-12",
            "Description": description,
            "Parameters": parameters,
            "Resources": {short.as_str(): {"Type": name, "Properties": given}},
            "Outputs": outputs,
        })
    }))
}

/// Schemas by name.
type Schemas = Map<String, Value>;

/// The schemas of a type's properties and attributes, as Heat shows them.
fn of(api: &Api, name: &str) -> Result<(Schemas, Schemas), Fault> {
    let mut attributes = Map::new();
    let mut properties = Map::new();
    if let Some(native) = native::get(name) {
        for one in native.properties.iter().filter(|property| !property.hidden) {
            properties.insert(one.name.to_owned(), property(one));
        }
        for one in native.attributes {
            let mut shown = json!({"description": one.description});
            if let Some(of) = one.of {
                shown["type"] = of.into();
            }
            attributes.insert(one.name.to_owned(), shown);
        }
    } else if let Some(kind) = api.store.kinds.get(name) {
        for (name, of, required) in kind.properties {
            let of = if matches!(of, kinds::Property::Texts) { "list" } else { "string" };
            let required = *required == kinds::Required::Yes;
            let shown = json!({"type": of, "required": required, "update_allowed": true, "immutable": false});
            properties.insert((*name).to_owned(), shown);
        }
    } else if !types::names(&api.store.kinds).contains(&name) {
        let why = format!("The Resource Type ({name}) could not be found.");
        return Err(Fault::new(StatusCode::NOT_FOUND, "EntityNotFound", why));
    }
    attributes.insert("show".to_owned(), json!({"description": "Detailed information about resource.", "type": "map"}));
    Ok((properties, attributes))
}

fn property(property: &Property) -> Value {
    let mut shown = json!({
        "type": property.of.as_str(),
        "required": property.required,
        "update_allowed": property.update,
        "description": property.description,
        "immutable": false,
    });
    if let Some(default) = property.default_value() {
        shown["default"] = default;
    }
    let rules: Vec<_> = property.rules.iter().map(rule).collect();
    if !rules.is_empty() {
        shown["constraints"] = rules.into();
    }
    let below = |properties: &[Property]| -> Value {
        Value::Object(properties.iter().map(|one| (one.name.to_owned(), self::property(one))).collect())
    };
    match property.of {
        Type::Map(keys) if !keys.is_empty() => shown["schema"] = below(keys),
        Type::List(keys) if !keys.is_empty() => {
            let item = json!({
                "type": "map", "required": false, "update_allowed": false, "immutable": false, "schema": below(keys),
            });
            shown["schema"] = json!({"*": item});
        }
        _ => {}
    }
    shown
}

fn rule(rule: &Rule) -> Value {
    match rule {
        Rule::Range(min, max) => json!({"range": {"min": min, "max": max}}),
        Rule::OneOf(words) => json!({"allowed_values": words}),
        Rule::Custom(name) => json!({"custom_constraint": name}),
    }
}

fn parameter(property: &Value, hot: bool) -> Value {
    let of = property["type"].as_str().unwrap_or("string");
    let of = match (of, hot) {
        ("integer" | "number", true) => "number",
        ("integer" | "number", false) => "Number",
        ("boolean", true) => "boolean",
        ("boolean", false) => "Boolean",
        ("list", true) => "comma_delimited_list",
        ("list", false) => "CommaDelimitedList",
        ("map" | "any", true) => "json",
        ("map" | "any", false) => "Json",
        (_, true) => "string",
        (_, false) => "String",
    };
    let mut shown = Map::new();
    let mut put = |cfn: &str, own: &str, value: Value| shown.insert(if hot { own } else { cfn }.to_owned(), value);
    put("Type", "type", of.into());
    if let Some(default) = property.get("default") {
        put("Default", "default", default.clone());
    }
    if let Some(text) = property.get("description") {
        put("Description", "description", text.clone());
    }
    Value::Object(shown)
}
