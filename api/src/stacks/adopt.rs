//! What `adopt_stack_data` says: the document that an abandon or an export handed out, as a text.
//!
//! The template is the document's; its parameters are the document's with the request's over them. A resource's
//! `resource_id` is its physical id where the template names none. Values of hidden parameters are masked in the document:
//! of a stack that was abandoned here they are still known, else the request must give them.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use stacksnap_common::ids::{PoolName, ProjectId, StackId};
use stacksnap_common::record::Stack;
use stacksnap_common::store;
use stacksnap_common::types::Resource;

use super::given;
use crate::Api;
use crate::fault::Fault;
use crate::template::{self, hidden};

pub(super) struct Document {
    pub(super) template: Value,
    /// With the request's environment and parameters over it.
    pub(super) environment: Value,
    pub(super) files: Map<String, Value>,
    /// The id that the stack had.
    pub(super) id: Option<StackId>,
    /// Their names, types and physical ids.
    pub(super) resources: Vec<Resource>,
}

pub(super) async fn read(
    api: &Api,
    project: &ProjectId,
    data: &Value,
    body: &Map<String, Value>,
) -> Result<Document, Fault> {
    let document = api.busy.run(|| parse(data)).await?;
    let template = match document.get("template") {
        None | Some(Value::Null) => return Err(invalid("'template'")),
        Some(template) => Value::Object(template::object("Template", template)?),
    };
    if !api.stacks.enable_adopt {
        return Err(Fault::refused("NotSupported", "Stack Adopt is not supported."));
    }
    let id: Option<StackId> = document.get("id").and_then(Value::as_str).and_then(|id| id.parse().ok());
    let mut environment =
        template::environment::parse(document.get("environment").unwrap_or(&Value::Null), &Value::Null)?;
    let (request, parameters) = template::environment::requested(body, &template, &given::object(body, "files")?)?;
    let request = template::environment::parse(&request, parameters)?;
    let before = match id {
        Some(id) => abandoned(api, project, id).await?,
        None => None,
    };
    unmask(&template, &mut environment, &request, before.as_ref())?;
    Ok(Document {
        resources: resources(&document, before.as_ref())?,
        environment: given::merged(&environment, &request),
        files: given::object(&document, "files").map_err(|_| invalid("'files' must be an object"))?,
        template,
        id,
    })
}

fn parse(data: &Value) -> Result<Map<String, Value>, Fault> {
    let Value::String(text) = data else {
        return Err(invalid("it must be a string that holds the document of an abandoned stack"));
    };
    match template::value_of(text).map_err(|error| invalid(&error))? {
        Value::Object(document) => Ok(document),
        _ => Err(invalid("it must be a JSON object or YAML mapping")),
    }
}

fn invalid(why: &str) -> Fault {
    Fault::bad_request(format!("Invalid adopt data: {why}"))
}

/// What a native resource keeps may be masked as well: of a stack that was abandoned here it is still known.
fn resources(document: &Map<String, Value>, before: Option<&Stack>) -> Result<Vec<Resource>, Fault> {
    let resources = given::object(document, "resources").map_err(|_| invalid("'resources' must be an object"))?;
    let read = resources.into_iter().filter_map(|(name, resource)| {
        let text = |key: &str| resource[key].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        let (kind, external_id) = (text("type")?, text("resource_id"));
        let mut known = before.iter().flat_map(|before| &before.resources);
        let known = known.find(|own| own.name.as_str() == name && own.kind == kind && own.external_id == external_id);
        Some(Resource {
            name: name.parse().ok()?,
            kind,
            external_id,
            properties: BTreeMap::new(),
            depends_on: Vec::new(),
            pool: PoolName::default(),
            data: match (known, &resource["resource_data"]) {
                (Some(known), _) => known.data.clone(),
                (None, Value::Object(data)) if !data.is_empty() => Value::Object(data.clone()),
                (None, _) => Value::Null,
            },
        })
    });
    Ok(read.collect())
}

async fn abandoned(api: &Api, project: &ProjectId, id: StackId) -> Result<Option<Stack>, Fault> {
    match api.store.find_stack(project, id).await {
        Ok(stack) => Ok(Some(stack).filter(|stack| stack.abandoned.is_some())),
        Err(store::Error::NoStack(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Puts values in the place of masks.
fn unmask(template: &Value, environment: &mut Value, request: &Value, before: Option<&Stack>) -> Result<(), Fault> {
    for section in ["parameters", "parameter_defaults"] {
        let Some(values) = environment.get_mut(section).and_then(Value::as_object_mut) else { continue };
        for (name, value) in values.iter_mut().filter(|(name, value)| hidden::is_mask(template, name, value)) {
            let known = before.and_then(|stack| stack.environment[section].get(name));
            match known.or_else(|| request["parameters"].get(name)) {
                Some(known) => *value = known.clone(),
                None => {
                    let why = "is hidden, and its value is not in the document; give it in parameters";
                    return Err(Fault::refused("UserParameterMissing", format!("The Parameter ({name}) {why}.")));
                }
            }
        }
    }
    Ok(())
}
