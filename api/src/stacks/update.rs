//! `PUT` and `PATCH` of a stack: 202, and UPDATE_IN_PROGRESS by then.
//!
//! PUT says all anew: what it leaves out is gone, but for the timeout and the rollback. PATCH (Heat's `existing`) keeps what
//! it does not name: template, files, tags, and parameters, of which those in `clear_parameters` go back to their defaults
//! and those that the template no longer has are dropped.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Map, Value};
use stacksnap_common::record::{Definition, Stack};
use stacksnap_common::store::update::NewUpdate;
use stacksnap_common::store::{Begun, Error};

use super::{StackPath, given};
use crate::Api;
use crate::answer;
use crate::auth::{allowed, policy};
use crate::body::Change;
use crate::fault::Fault;
use crate::params::At;
use crate::source::Stacks;
use crate::template::{self, parameters};

/// How often a PATCH is made anew when the stack was changed while it was made.
const TRIES: usize = 5;

pub(crate) async fn put(
    State(api): State<Arc<Api>>,
    stacks: Stacks,
    At(path): At<StackPath>,
    mut change: Change,
) -> Result<Response, Fault> {
    let body = change.required()?;
    update(&api, &stacks, &path, &change, &body, false).await
}

pub(crate) async fn patch(
    State(api): State<Arc<Api>>,
    stacks: Stacks,
    At(path): At<StackPath>,
    mut change: Change,
) -> Result<Response, Fault> {
    // The rule comes before the body, whatever that is.
    let body = change.body.take();
    let nothing = body.as_ref().is_some_and(changes_nothing);
    allowed(&change.caller, if nothing { policy::STACK_UPDATE_NO_CHANGE } else { policy::STACK_UPDATE_PATCH })?;
    update(&api, &stacks, &path, &change, &body.ok_or_else(Fault::malformed)?, true).await
}

/// `heat/api/openstack/v1/stacks.py`, `no_change`.
fn changes_nothing(body: &Map<String, Value>) -> bool {
    let empty = |value: &Value| match value {
        Value::Null => true,
        Value::Object(object) => object.is_empty(),
        _ => false,
    };
    body.iter().all(|(key, value)| match key.as_str() {
        "template" => value.is_null(),
        "stack_name" | "existing" => true,
        "parameters" | "environment" | "environment_files" | "files" => empty(value),
        _ => false,
    })
}

async fn update(
    api: &Api,
    stacks: &Stacks,
    path: &StackPath,
    change: &Change,
    body: &Map<String, Value>,
    existing: bool,
) -> Result<Response, Fault> {
    let answer = |begun: &Begun| answer::make(begun, StatusCode::ACCEPTED, Value::Null);
    let mut request = change.request(&answer);
    let mut left = TRIES;
    loop {
        let stack = path.live(api, change.project()).await?;
        let new = parse(api, &stack, body, existing).await?;
        left -= 1;
        if request.grant.is_none() {
            request.grant = stacks.act(&change.caller, &new.definition.resources).await?;
        }
        match api.store.update_stack(&request, stack.id, &new).await {
            Err(Error::Changed(_)) if left > 0 => {}
            done => {
                let done = stacks.settle_grant(&request, done).await;
                return Ok(answer::send(done.map_err(|error| path.fault(error))?));
            }
        }
    }
}

/// What a definition is made from.
struct Parts {
    template: Value,
    environment: Value,
    files: Map<String, Value>,
}

pub(super) async fn parse(
    api: &Api,
    stack: &Stack,
    body: &Map<String, Value>,
    existing: bool,
) -> Result<NewUpdate, Fault> {
    api.busy.run(|| read(api, stack, body, existing)).await
}

fn read(api: &Api, stack: &Stack, body: &Map<String, Value>, existing: bool) -> Result<NewUpdate, Fault> {
    given::refuse(body)?;
    let parts = if existing { kept(stack, body)? } else { anew(body)? };
    let given = template::Given {
        template: &parts.template,
        environment: &parts.environment,
        parameters: &Value::Null,
        files: &parts.files,
        stack_name: &stack.name,
        project: &stack.project,
        resources: api.limits.resources_per_stack as usize,
        before: &stack.resources,
        adopting: false,
    };
    let parsed = template::parse(&given, &api.store.kinds)?;
    immutable(stack, &parsed)?;
    let tags = given::tags(body.get("tags"))?;
    Ok(NewUpdate {
        base: stack.revision,
        tags: if existing { tags.unwrap_or_else(|| stack.tags.clone()) } else { tags.unwrap_or_default() },
        timeout_mins: given::timeout(body.get("timeout_mins"))?.or(stack.timeout_mins),
        disable_rollback: given::disable_rollback(body.get("disable_rollback"))?.unwrap_or(stack.disable_rollback),
        definition: Definition {
            description: parsed.description,
            template: parsed.template,
            environment: parsed.environment,
            files: parts.files,
            parameters: parsed.parameters,
            resources: parsed.resources,
        },
    })
}

fn anew(body: &Map<String, Value>) -> Result<Parts, Fault> {
    let template = given::present(body, "template").ok_or_else(|| Fault::bad_request("No template specified"))?;
    let files = given::object(body, "files")?;
    Ok(Parts { template: template.clone(), environment: requested(body, template, &files)?, files })
}

fn requested(body: &Map<String, Value>, template: &Value, files: &Map<String, Value>) -> Result<Value, Fault> {
    let (environment, parameters) = template::environment::requested(body, template, files)?;
    template::environment::parse(&environment, parameters)
}

fn kept(stack: &Stack, body: &Map<String, Value>) -> Result<Parts, Fault> {
    let template = match given::present(body, "template") {
        Some(template) => Value::Object(template::object("Template", template)?),
        None => stack.template.clone(),
    };
    let mut files = stack.files.clone();
    files.extend(given::object(body, "files")?);
    let cleared = names(body.get("clear_parameters"))?;
    let mut environment = stack.environment.clone();
    if let Some(values) = environment.get_mut("parameters").and_then(Value::as_object_mut) {
        values.retain(|name, _| !cleared.contains(&name.as_str()));
    }
    let mut environment = given::merged(&environment, &requested(body, &template, &files)?);
    if let Some(values) = environment.get_mut("parameters").and_then(Value::as_object_mut) {
        values.retain(|name, _| template["parameters"].get(name).is_some());
    }
    Ok(Parts { template, environment, files })
}

fn names(given: Option<&Value>) -> Result<Vec<&str>, Fault> {
    let wrong = || Fault::bad_request("clear_parameters must be a list of names of parameters.");
    match given {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(names)) => names.iter().map(|name| name.as_str().ok_or_else(wrong)).collect(),
        Some(_) => Err(wrong()),
    }
}

/// A parameter that the new template calls immutable keeps its value (`heat/engine/parameters.py`).
fn immutable(stack: &Stack, new: &template::Parsed) -> Result<(), Fault> {
    let changed = |name: &&String| {
        parameters::is_immutable(&new.template, name)
            && stack.parameters.get(*name).is_some_and(|before| new.parameters.get(*name) != Some(before))
    };
    let names: Vec<_> = new.parameters.keys().filter(changed).map(String::as_str).collect();
    if names.is_empty() {
        return Ok(());
    }
    let why = format!("The following parameters are immutable and may not be updated: {}", names.join(", "));
    Err(Fault::refused("ImmutableParameterModified", why))
}
