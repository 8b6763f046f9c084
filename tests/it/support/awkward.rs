//! A service that answers as a well-behaved one seldom does: what the client must cope with and the real service can't
//! be made to do at will. It holds one stack, `web`, and one operation that takes a few looks to end.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::Json;
use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::{Value, json};

pub const STACK: &str = "11111111-1111-4111-8111-111111111111";
pub const OPERATION: &str = "01900000-0000-7000-8000-000000000001";

/// What it does to whom, and what it saw.
#[derive(Default)]
pub struct Awkward {
    /// The next so many changes are carried out and their connection is cut before the answer.
    pub cut: u32,
    /// The next so many looks at the operation are answered with 503.
    pub away: u32,
    /// The state in which the operation ends.
    pub end: &'static str,
    pub looks: u32,
    /// Changes by their idempotency key.
    pub changes: HashMap<String, u32>,
    pub token: Option<String>,
}

type Shared = Arc<Mutex<Awkward>>;

/// Serves on a free port until the process ends; returns the URL.
pub fn start(awkward: Awkward) -> (String, Shared) {
    let shared: Shared = Arc::new(Mutex::new(awkward));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new()
        .route("/v1/{project}/stacks/{name}", get(lookup))
        .route("/v1/{project}/stacks/{name}/{id}/snapshots", get(list).post(create))
        .route("/v1/{project}/operations/{id}", get(operation))
        .with_state(shared.clone());
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            listener.set_nonblocking(true).unwrap();
            axum::serve(tokio::net::TcpListener::from_std(listener).unwrap(), router).await.unwrap();
        });
    });
    (url, shared)
}

fn fault(status: StatusCode, kind: &str, message: &str) -> Response {
    let body = json!({ "code": status.as_u16(), "error": { "type": kind, "traceback": null, "message": message } });
    (status, Json(body)).into_response()
}

async fn lookup(
    State(shared): State<Shared>,
    Path((project, name)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    if let Some(token) = &shared.lock().unwrap().token
        && headers.get("x-auth-token").is_none_or(|given| given != token.as_str())
    {
        let body = json!({"error": {"code": 401, "title": "Unauthorized", "message": "The request you have made requires authentication."}});
        return (StatusCode::UNAUTHORIZED, Json(body)).into_response();
    }
    match name.as_str() {
        // The location's host is another one: a client that followed it would send its token there.
        "web" | STACK => {
            let location = format!("http://192.0.2.1:1/v1/{project}/stacks/web/{STACK}?x=/y/z");
            (StatusCode::FOUND, [(header::LOCATION, location)]).into_response()
        }
        "broken" => (StatusCode::INTERNAL_SERVER_ERROR, "Traceback:\n  oh no").into_response(),
        "odd" => Json(json!("what?")).into_response(),
        _ => fault(StatusCode::NOT_FOUND, "EntityNotFound", &format!("The Stack ({name}) could not be found.")),
    }
}

async fn list() -> Json<Value> {
    let snapshot = |id: u32, name: &str| json!({"id": format!("{id:08}-0000-4000-8000-000000000000"), "name": name, "action": "CREATE", "status": "COMPLETE"});
    Json(json!({ "snapshots": [snapshot(1, "one"), snapshot(2, "two"), snapshot(3, "two")] }))
}

async fn create(State(shared): State<Shared>, request: Request) -> Response {
    let key = request.headers().get("idempotency-key").unwrap().to_str().unwrap().to_owned();
    let cut = {
        let mut awkward = shared.lock().unwrap();
        *awkward.changes.entry(key).or_default() += 1;
        let cut = awkward.cut > 0;
        awkward.cut = awkward.cut.saturating_sub(1);
        cut
    };
    // A handler that panics cuts the connection.
    assert!(!cut, "this panic is part of the test");
    let body = json!({"id": "22222222-2222-4222-8222-222222222222", "name": null, "action": "CREATE", "status": "IN_PROGRESS"});
    ([("x-stacksnap-operation", OPERATION)], Json(body)).into_response()
}

async fn operation(State(shared): State<Shared>, Path((_, id)): Path<(String, String)>) -> Response {
    if id != OPERATION {
        return fault(StatusCode::NOT_FOUND, "NotFound", &format!("Operation {id} not found"));
    }
    let mut awkward = shared.lock().unwrap();
    if awkward.away > 0 {
        awkward.away -= 1;
        let body = json!({"message": "The server is currently unavailable.<br /><br />\nThe store does not answer.\n\n", "code": "503 Service Unavailable"});
        return (StatusCode::SERVICE_UNAVAILABLE, Json(body)).into_response();
    }
    awkward.looks += 1;
    let ended = awkward.looks >= 3;
    let step = |state: &str| json!({"resource": "data", "verb": "copy", "state": state, "progress": {"bytes": 1048576, "bytes_total": 2097152, "files": 3}, "unknown": 1});
    Json(json!({"operation": {
        "id": id,
        "kind": "snapshot",
        "state": if ended { awkward.end } else { "running" },
        "reason": if awkward.end == "failed" { json!("disk full\u{1b}[31m on\nvault") } else { Value::Null },
        "steps": [step(if ended { awkward.end } else { "running" })],
    }}))
    .into_response()
}
