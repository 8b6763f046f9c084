//! `POST /stacks`: makes a stack of what already exists, from a HOT template; with `adopt_stack_data`, of what another
//! stack was (`adopt.rs`).

use std::borrow::Cow;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Map, Value, json};
use stacksnap_common::ids::{ProjectId, StackName};
use stacksnap_common::store::stacks::{Adopted, NewStack};
use stacksnap_common::store::{Begun, Request};

use super::view::link;
use super::{adopt, given};
use crate::Api;
use crate::answer;
use crate::body::Change;
use crate::fault::Fault;
use crate::source::Stacks;
use crate::template;

pub(crate) async fn create(State(api): State<Arc<Api>>, stacks: Stacks, mut change: Change) -> Result<Response, Fault> {
    let body = change.required()?;
    let new = parse(&api, change.project(), &body).await?;
    let base = change.base.clone();
    let answer = |begun: &Begun| {
        let href = base.stack(&begun.stack);
        let body = json!({"stack": {"id": begun.stack.id, "links": [link(&href, "self")]}});
        let mut answer = answer::make(begun, StatusCode::CREATED, body);
        answer.headers.push(("location".to_owned(), href));
        answer
    };
    let grant = stacks.act(&change.caller, &new.resources).await?;
    let request = Request { grant, ..change.request(&answer) };
    let result = api.store.create_stack(&request, &new).await;
    Ok(answer::send(stacks.settle_grant(&request, result).await?))
}

pub(crate) async fn parse(api: &Api, project: &ProjectId, body: &Map<String, Value>) -> Result<NewStack, Fault> {
    given::refuse(body)?;
    if given::present(body, "converge").is_some() {
        // `heat/api/openstack/v1/stacks.py`, `prepare_args`.
        let why = "converge flag only supported in stack update (or update preview) request.";
        return Err(Fault::bad_request(why));
    }
    let name = name(body.get("stack_name"))?;
    let adopted = match given::present(body, "adopt_stack_data") {
        Some(data) => Some(adopt::read(api, project, data, body).await?),
        None => None,
    };
    api.busy.run(|| read(api, project, body, name, adopted)).await
}

fn read(
    api: &Api,
    project: &ProjectId,
    body: &Map<String, Value>,
    name: StackName,
    adopted: Option<adopt::Document>,
) -> Result<NewStack, Fault> {
    let files = given::object(body, "files")?;
    let (template, environment, parameters, files) = match &adopted {
        Some(adopted) => {
            let mut all = adopted.files.clone();
            all.extend(files);
            (&adopted.template, Cow::Borrowed(&adopted.environment), &Value::Null, all)
        }
        None => {
            let template =
                given::present(body, "template").ok_or_else(|| Fault::bad_request("No template specified"))?;
            let (environment, parameters) = template::environment::requested(body, template, &files)?;
            (template, environment, parameters, files)
        }
    };
    let given = template::Given {
        template,
        environment: &environment,
        parameters,
        files: &files,
        stack_name: &name,
        project,
        resources: api.limits.resources_per_stack as usize,
        before: adopted.as_ref().map(|adopted| adopted.resources.as_slice()).unwrap_or_default(),
        adopting: adopted.is_some(),
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
        tags: given::tags(body.get("tags"))?.unwrap_or_default(),
        timeout_mins: given::timeout(body.get("timeout_mins"))?,
        disable_rollback: given::disable_rollback(body.get("disable_rollback"))?.unwrap_or(true),
        adopted: adopted.map(|adopted| Adopted { id: adopted.id }),
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
