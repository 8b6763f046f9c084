//! Which request is what.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State as Shared};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST, LOCATION};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::state::{Stack, State};
use super::{Asked, Trouble};

/// What can be asked for by a stack's name alone: Heat says where it is.
const FOUND: [&str; 5] = ["resources", "events", "template", "environment", "files"];

/// What there is of a stack.
const BELOW: [&str; 11] = [
    "resources",
    "events",
    "template",
    "environment",
    "files",
    "outputs",
    "actions",
    "abandon",
    "export",
    "preview",
    "snapshots",
];

type Query = BTreeMap<String, String>;

pub(super) async fn answer(Shared(world): Shared<Arc<Mutex<State>>>, request: Request) -> Response {
    let trouble = world.lock().unwrap().trouble;
    if let Trouble::Slow(time) = trouble {
        tokio::time::sleep(time).await;
    }
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 64 << 20).await.unwrap_or_default();
    let token = parts.headers.get("x-auth-token").map(|token| token.to_str().unwrap().to_owned());
    let asked = Asked {
        method: parts.method.to_string(),
        path: parts.uri.path_and_query().map(ToString::to_string).unwrap_or_default(),
        token: token.clone(),
        headers: parts.headers.keys().map(|name| name.as_str().to_owned()).collect(),
        body: serde_json::from_slice(&body).unwrap_or(Value::Null),
    };
    let (body, host) = (asked.body.clone(), host(&parts.headers));
    let mut response = {
        let mut state = world.lock().unwrap();
        state.asked.push(asked);
        let query: Query = parts
            .uri
            .query()
            .unwrap_or_default()
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let path: Vec<&str> = parts.uri.path().trim_start_matches("/v1/").split('/').collect();
        let (of, user) = match &state.cloud {
            Some(cloud) => (cloud.project(&parts.headers), "owner"),
            None => token.as_deref().map_or((None, ""), |token| {
                let (of, user) = token.split_once(':').unwrap_or((token, "owner"));
                (Some(of.to_owned()), user)
            }),
        };
        match of.as_deref() {
            _ if trouble == Trouble::Broken => fault(StatusCode::INTERNAL_SERVER_ERROR, "RemoteError", ""),
            None => {
                fault(StatusCode::UNAUTHORIZED, "Unauthorized", "The request you have made requires authentication.")
            }
            Some(of) if of != "*" && Some(of) != path.first().copied() => {
                fault(StatusCode::FORBIDDEN, "HTTPForbidden", "Access was denied to this resource.")
            }
            Some(_) => state.route(&parts.method, &path, &query, &body, user, &format!("http://{host}/v1")),
        }
    };
    let id = format!("req-{}", world.lock().unwrap().id());
    let id = HeaderValue::try_from(id).unwrap();
    response.headers_mut().insert(HeaderName::from_static("x-openstack-request-id"), id);
    if trouble == Trouble::CutOff { cut_off(response).await } else { response }
}

impl State {
    fn route(
        &mut self,
        method: &Method,
        path: &[&str],
        query: &Query,
        body: &Value,
        user: &str,
        base: &str,
    ) -> Response {
        let project = path[0];
        match (method.as_str(), &path[1..]) {
            ("GET", ["stacks"] | ["stacks", "detail"]) => {
                if let Some(id) = query.get("id") {
                    self.look(id);
                }
                self.list(project, query, base)
            }
            ("POST", ["stacks"]) => self.make(project, user, body, base),
            ("GET", ["build_info"]) => {
                Json(json!({"api": {"revision": "fake"}, "engine": {"revision": "fake"}})).into_response()
            }
            (_, ["stacks", name]) => self.found(project, name, "", query, base),
            ("GET", ["stacks", name, below]) if FOUND.contains(below) => {
                self.found(project, name, &format!("/{below}"), query, base)
            }
            (_, ["stacks", _, _, below, ..]) if !BELOW.contains(below) => not_routed(),
            (_, ["stacks", _, _, "snapshots", _, below @ ..]) if !below.is_empty() && *below != ["restore"] => {
                not_routed()
            }
            ("GET" | "DELETE", ["stacks", _, _, "snapshots", _]) if body.is_object() => fault(
                StatusCode::BAD_REQUEST,
                "HTTPBadRequest",
                "The server could not comply with the request since it is either malformed or otherwise incorrect.",
            ),
            (method, ["stacks", name, id, below @ ..]) => {
                self.look(id);
                match self.stacks.get(*id) {
                    Some(stack) if stack.project == project && stack.name == *name => {
                        self.of_stack(method, id, below, query, body, base)
                    }
                    _ => no_stack(name),
                }
            }
            _ => not_routed(),
        }
    }

    fn make(&mut self, project: &str, user: &str, body: &Value, base: &str) -> Response {
        let name = body["stack_name"].as_str().unwrap_or_default();
        if self.stacks.values().any(|s| s.project == project && s.name == name && !s.is_deleted()) {
            return fault(StatusCode::CONFLICT, "StackExists", &format!("The Stack ({name}) already exists."));
        }
        let id = self.create(project, user, body);
        let href = self.stacks[&id].href(base);
        let answer = json!({"stack": {"id": id, "links": [{"href": href, "rel": "self"}]}});
        (StatusCode::CREATED, [(LOCATION, href)], Json(answer)).into_response()
    }

    fn found(&self, project: &str, name: &str, below: &str, query: &Query, base: &str) -> Response {
        let is = |s: &&Stack| s.project == project && (s.id == *name || (s.name == *name && !s.is_deleted()));
        let Some(stack) = self.stacks.values().find(is) else { return no_stack(name) };
        let query: Vec<_> = query.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let query = if query.is_empty() { String::new() } else { format!("?{}", query.join("&")) };
        let href = format!("{}{below}{query}", stack.href(base));
        let message = format!(
            "The resource was found at <a href=\"{href}\">{href}</a>;\nyou should be redirected automatically.\n\n"
        );
        let body = json!({"message": message, "code": "302 Found", "title": "Found"});
        (StatusCode::FOUND, [(LOCATION, href)], Json(body)).into_response()
    }

    fn list(&self, project: &str, query: &Query, base: &str) -> Response {
        if query.contains_key("global_tenant") {
            let why = "You are not authorized to use stacks:global_index.";
            return fault(StatusCode::FORBIDDEN, "Forbidden", why);
        }
        let is = |name: &str, value: &str| query.get(name).is_none_or(|asked| asked == value);
        let mut found: Vec<_> = self
            .stacks
            .values()
            .filter(|s| s.project == project && !s.is_deleted() && is("name", &s.name))
            .filter(|s| is("status", &s.status) && is("action", &s.action) && is("id", &s.id))
            .collect();
        found.reverse();
        let count = found.len();
        if let Some(at) = query.get("marker").and_then(|marker| found.iter().position(|s| s.id == *marker)) {
            found.drain(..=at);
        }
        let limit = query.get("limit").map_or(usize::MAX, |limit| limit.parse().unwrap());
        found.truncate(limit);
        let mut body = json!({"stacks": found.iter().map(|stack| stack.row(base)).collect::<Vec<_>>()});
        if let Some(last) = found.last().filter(|_| found.len() == limit) {
            let mut kept: Vec<_> = query.iter().filter(|(name, _)| *name != "marker").collect();
            kept.sort();
            let kept: Vec<_> = kept.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
            let href = format!("{base}/{project}/stacks?{}&marker={}", kept.join("&"), last.id);
            body["links"] = json!([{"rel": "next", "href": href}]);
        }
        if query.contains_key("with_count") {
            body["count"] = count.into();
        }
        Json(body).into_response()
    }

    fn of_stack(
        &mut self,
        method: &str,
        id: &str,
        below: &[&str],
        query: &Query,
        body: &Value,
        base: &str,
    ) -> Response {
        if (method, below) == ("GET", &[]) {
            self.change(id);
        }
        let stack = self.stacks[id].clone();
        match (method, below) {
            ("GET", []) => Json(json!({"stack": stack.full(base)})).into_response(),
            _ if stack.is_deleted() => no_stack(&stack.name),
            ("GET", ["template"]) => Json(stack.template).into_response(),
            ("GET", ["files"]) => Json(stack.files).into_response(),
            ("GET", ["environment"]) => Json(stack.environment()).into_response(),
            ("GET", ["outputs"]) => {
                let named = |mut output: Value| {
                    output.as_object_mut().unwrap().remove("output_value");
                    output
                };
                Json(json!({"outputs": stack.outputs().map(named).collect::<Vec<_>>()})).into_response()
            }
            ("GET", ["outputs", name]) => match stack.outputs().find(|output| output["output_key"] == *name) {
                Some(output) => Json(json!({"output": output})).into_response(),
                None => fault(StatusCode::NOT_FOUND, "NotFound", &format!("Specified output key {name} not found.")),
            },
            ("GET", ["resources"]) => {
                let listed =
                    stack.resources(base, query.contains_key("nested_depth"), query.contains_key("with_detail"));
                Json(json!({"resources": listed})).into_response()
            }
            ("GET", ["resources", name]) => {
                match stack.resources(base, false, true).into_iter().find(|resource| resource["resource_name"] == *name)
                {
                    Some(resource) => Json(json!({"resource": resource})).into_response(),
                    None => {
                        let why = format!("The Resource ({name}) could not be found in Stack {}.", stack.name);
                        fault(StatusCode::NOT_FOUND, "ResourceNotFound", &why)
                    }
                }
            }
            ("GET", ["events"]) => events(&stack, query, base),
            ("PATCH" | "PUT", ["preview"]) => preview(&stack, body),
            ("PATCH" | "PUT", []) => {
                self.begin(id, "UPDATE");
                self.stacks.get_mut(id).unwrap().take(method, body);
                accepted()
            }
            ("POST", ["actions"]) => {
                let action = body.as_object().and_then(|body| body.keys().next().cloned()).unwrap_or_default();
                self.begin(id, &action.to_uppercase());
                Json(Value::Null).into_response()
            }
            ("DELETE", []) => {
                self.begin(id, "DELETE");
                StatusCode::NO_CONTENT.into_response()
            }
            ("GET", ["export"]) => Json(stack.document()).into_response(),
            ("DELETE", ["abandon"]) => {
                self.stacks.remove(id);
                Json(stack.document()).into_response()
            }
            ("POST", ["snapshots"]) if stack.status == "IN_PROGRESS" => busy(&stack),
            ("POST", ["snapshots"]) => Json(self.take_snapshot(id, &body["name"])).into_response(),
            ("GET", ["snapshots"]) => Json(json!({"snapshots": stack.snapshots})).into_response(),
            (method, ["snapshots", snapshot, below @ ..]) => {
                let Some(found) = stack.snapshots.iter().find(|found| found["id"] == *snapshot) else {
                    return fault(StatusCode::NOT_FOUND, "NotFound", &format!("Snapshot with id {snapshot} not found"));
                };
                match (method, below) {
                    ("GET", []) => Json(json!({"snapshot": found})).into_response(),
                    ("DELETE", []) if found["status"] == "IN_PROGRESS" => fault(
                        StatusCode::BAD_REQUEST,
                        "NotSupported",
                        "Deleting in-progress snapshot is not supported.",
                    ),
                    ("DELETE", []) => {
                        self.stacks.get_mut(id).unwrap().snapshots.retain(|found| found["id"] != *snapshot);
                        StatusCode::NO_CONTENT.into_response()
                    }
                    ("POST", ["restore"]) if stack.status == "IN_PROGRESS" => busy(&stack),
                    ("POST", ["restore"]) => {
                        self.restore(id, found);
                        accepted()
                    }
                    _ => fault(StatusCode::METHOD_NOT_ALLOWED, "HTTPMethodNotAllowed", ""),
                }
            }
            _ => not_routed(),
        }
    }
}

fn events(stack: &Stack, query: &Query, base: &str) -> Response {
    let mut events = stack.shown_events(base);
    if let Some(name) = query.get("resource_name") {
        events.retain(|event| event["resource_name"] == *name);
    }
    if query.get("sort_dir").map(String::as_str) != Some("asc") {
        events.reverse();
    }
    if let Some(at) = query.get("marker").and_then(|marker| events.iter().position(|event| event["id"] == *marker)) {
        events.drain(..=at);
    }
    events.truncate(query.get("limit").map_or(usize::MAX, |limit| limit.parse().unwrap()));
    Json(json!({"events": events})).into_response()
}

fn preview(stack: &Stack, body: &Value) -> Response {
    let names = |template: &Value| -> Vec<String> {
        template["resources"].as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect()
    };
    let (now, then) = (names(&stack.template), names(body.get("template").unwrap_or(&stack.template)));
    let of = |names: Vec<&String>| names.into_iter().map(|name| json!({"resource_name": name})).collect::<Vec<_>>();
    Json(json!({"resource_changes": {
        "unchanged": of(then.iter().filter(|name| now.contains(name)).collect()), "updated": [], "replaced": [],
        "added": of(then.iter().filter(|name| !now.contains(name)).collect()),
        "deleted": of(now.iter().filter(|name| !then.contains(name)).collect()),
    }}))
    .into_response()
}

fn host(headers: &HeaderMap) -> String {
    headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost").to_owned()
}

fn no_stack(name: &str) -> Response {
    fault(StatusCode::NOT_FOUND, "EntityNotFound", &format!("The Stack ({name}) could not be found."))
}

fn busy(stack: &Stack) -> Response {
    let why = format!("Stack {} already has an action ({}) in progress.", stack.name, stack.action);
    fault(StatusCode::CONFLICT, "ActionInProgress", &why)
}

fn accepted() -> Response {
    (StatusCode::ACCEPTED, Json(json!({"message": "The request is accepted for processing.<br /><br />\n\n\n", "code": "202 Accepted", "title": "Accepted"}))).into_response()
}

fn not_routed() -> Response {
    let body = json!({"message": "The resource could not be found.<br /><br />\n\n\n", "code": "404 Not Found", "title": "Not Found"});
    (StatusCode::NOT_FOUND, Json(body)).into_response()
}

fn fault(status: StatusCode, kind: &str, message: &str) -> Response {
    let explanation = match status.as_u16() {
        403 => "Access was denied to this resource.",
        404 => "The resource could not be found.",
        409 => "There was a conflict when trying to complete your request.",
        500 => "The server has either erred or is incapable of performing the requested operation.",
        _ => "The server could not comply with the request since it is either malformed or otherwise incorrect.",
    };
    let body = json!({"code": status.as_u16(), "title": status.canonical_reason(), "explanation": explanation,
        "error": {"type": kind, "traceback": null, "message": message}});
    (status, Json(body)).into_response()
}

/// The first half of an answer, and then an error in place of the rest.
async fn cut_off(response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    let whole = axum::body::to_bytes(body, 64 << 20).await.unwrap_or_default();
    parts.headers.remove(CONTENT_LENGTH);
    parts.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let half = whole.slice(..whole.len() / 2);
    let pieces = [Ok::<Bytes, std::io::Error>(half), Err(std::io::Error::other("cut off"))];
    Response::from_parts(parts, Body::from_stream(futures_util::stream::iter(pieces)))
}
