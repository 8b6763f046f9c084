//! `POST /stacks`: makes a stack of what already exists, from a HOT template.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Map, Value, json};
use stacksnap_common::ids::{ProjectId, StackName};
use stacksnap_common::store::Begun;
use stacksnap_common::store::stacks::NewStack;

use super::view::link;
use crate::Api;
use crate::answer;
use crate::body::Change;
use crate::fault::Fault;
use crate::params::truth;
use crate::template;

pub(crate) async fn create(State(api): State<Arc<Api>>, mut change: Change) -> Result<Response, Fault> {
    let body = change.required()?;
    let new = parse(&api, change.project(), &body)?;
    let base = change.base.clone();
    let answer = |begun: &Begun| {
        let href = base.stack(&begun.stack);
        let body = json!({"stack": {"id": begun.stack.id, "links": [link(&href, "self")]}});
        let mut answer = answer::make(begun, StatusCode::CREATED, body);
        answer.headers.push(("location".to_owned(), href));
        answer
    };
    Ok(answer::send(api.store.create_stack(&change.request(&answer), &new).await?))
}

pub(crate) fn parse(api: &Api, project: &ProjectId, body: &Map<String, Value>) -> Result<NewStack, Fault> {
    for (key, why) in [
        ("converge", "converge is not taken when a stack is created."),
        ("template_url", "template_url is not supported; give the template itself as template."),
        ("files_container", "files_container is not supported; give the files themselves as files."),
        ("adopt_stack_data", "Stack Adopt is not supported."),
    ] {
        if body.get(key).is_some_and(|value| !value.is_null()) {
            return Err(Fault::refused("NotSupported", why));
        }
    }
    let name = name(body.get("stack_name"))?;
    let template = match body.get("template") {
        None | Some(Value::Null) => return Err(Fault::bad_request("No template specified")),
        Some(template) => template,
    };
    let files = object(body, "files")?;
    let given = template::Given {
        template,
        environment: body.get("environment").unwrap_or(&Value::Null),
        parameters: body.get("parameters").unwrap_or(&Value::Null),
        files: &files,
        stack_name: &name,
        before: &[],
        project,
        resources: api.limits.resources_per_stack as usize,
    };
    let parsed = template::parse(&given, &api.store.kinds)?;
    Ok(NewStack {
        name,
        description: parsed.description,
        template: parsed.template,
        environment: parsed.environment,
        parameters: parsed.parameters,
        resources: parsed.resources,
        files,
        tags: tags(body.get("tags"))?,
        timeout_mins: timeout(body.get("timeout_mins"))?,
        disable_rollback: match body.get("disable_rollback") {
            None | Some(Value::Null) => true,
            Some(Value::Bool(yes)) => *yes,
            Some(Value::String(text)) => truth("disable_rollback", text)?,
            Some(other) => truth("disable_rollback", &other.to_string())?,
        },
    })
}

fn name(given: Option<&Value>) -> Result<StackName, Fault> {
    match given {
        None | Some(Value::Null) => Err(Fault::bad_request("No stack name specified")),
        Some(Value::String(name)) => name.parse().map_err(|_| {
            let shown: String = name.chars().take(300).collect();
            let rule = "must contain only alphanumeric or \"_-.\" characters, must start with alpha and must be 255 characters or less.";
            Fault::refused("StackValidationFailed", format!("Invalid stack name {shown} {rule}"))
        }),
        Some(other) => {
            Err(Fault::refused("StackValidationFailed", format!("Invalid stack name {other}, must be a string")))
        }
    }
}

fn object(body: &Map<String, Value>, key: &str) -> Result<Map<String, Value>, Fault> {
    match body.get(key) {
        None | Some(Value::Null) => Ok(Map::new()),
        Some(Value::Object(object)) => Ok(object.clone()),
        Some(_) => Err(Fault::bad_request(format!("{key} must be an object."))),
    }
}

fn timeout(given: Option<&Value>) -> Result<Option<u64>, Fault> {
    let wrong = || Fault::bad_request("Only integer is acceptable by 'timeout_mins'.");
    let minutes = match given {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(text)) => text.trim().parse().map_err(|_| wrong())?,
        Some(other) => other.as_u64().ok_or_else(wrong)?,
    };
    // Heat's column is an integer of 32 bits.
    if minutes <= i32::MAX as u64 { Ok(Some(minutes)) } else { Err(wrong()) }
}

/// A list, or a text separated by commas; each at most 80 characters (`heat/engine/parameters.py` and Heat's API).
fn tags(given: Option<&Value>) -> Result<Vec<String>, Fault> {
    let tags: Vec<Value> = match given {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::String(text)) => text.split(',').map(|tag| Value::from(tag.trim())).collect(),
        Some(Value::Array(tags)) => tags.clone(),
        Some(other) => return Err(Fault::bad_request(format!("Invalid tags, \"{other}\" is not a list"))),
    };
    let mut found = Vec::new();
    for tag in tags {
        let Value::String(tag) = tag else {
            return Err(Fault::bad_request(format!("Invalid tag, \"{tag}\" is not a string")));
        };
        if tag.chars().count() > 80 {
            return Err(Fault::bad_request(format!("Invalid tag, \"{tag}\" is longer than 80 characters")));
        }
        if tag.contains(',') {
            return Err(Fault::bad_request(format!("Invalid tag, \"{tag}\" contains a comma")));
        }
        if tag.chars().any(char::is_control) {
            return Err(Fault::bad_request("Invalid tag, it contains a control character"));
        }
        if !tag.is_empty() {
            found.push(tag);
        }
    }
    if found.len() > 100 { Err(Fault::bad_request("A stack has at most 100 tags.")) } else { Ok(found) }
}
