//! Bodies, methods and paths: Heat's rules for what is no request at all (contract 1.2 to 1.4).

use axum::http::Method;
use serde_json::{Value, json};
use stacksnap_common::config::Limits;
use stacksnap_common::store::Settings;

use crate::support::World;

const MALFORMED: &str =
    "The server could not comply with the request since it is either malformed or otherwise incorrect.";

#[tokio::test]
async fn a_body_counts_only_as_heat_counts_it() {
    let world = World::new();
    let stack = world.stack("gold").await;
    let path = format!("{stack}/snapshots");
    let json = ("content-type", "application/json");
    for (headers, body) in [
        (vec![json], &b""[..]),
        (vec![], b""),
        (vec![json], b"[]"),
        (vec![json], b"\"x\""),
        (vec![json], b"5"),
        (vec![json], b"true"),
        (vec![json], b"null"),
        (vec![json], b" {\"name\": \"x\"}"),
        (vec![("content-type", "Application/JSON")], b"{\"name\": \"x\"}"),
        (vec![("content-type", "application/x-www-form-urlencoded")], b"{}"),
    ] {
        let fault = world.ask(Method::POST, &path, &headers, body).await.fault();
        assert_eq!(fault, (400, "HTTPBadRequest".to_owned(), MALFORMED.to_owned()), "{headers:?}");
    }
    for broken in [&b"{"[..], b"{\"name\": \"x\"} x", b"{\"name\": \"\xff\"}", b"{'name': 'x'}"] {
        assert_eq!(world.ask(Method::POST, &path, &[json], broken).await.fault().0, 400);
    }
    let xml = world.ask(Method::POST, &path, &[("content-type", "application/xml")], b"<name>x</name>").await;
    assert_eq!((xml.status.as_u16(), xml.text.as_str()), (400, "<code>400</code>"));
    assert_eq!(xml.header("content-type"), "application/xml; charset=UTF-8");
    let twice =
        world.ask(Method::POST, &path, &[("content-type", "text/plain")], b"{\"name\": \"a\", \"name\": \"b\"}").await;
    assert_eq!((twice.status.as_u16(), &twice.json()["name"]), (200, &json!("b")));
}

#[tokio::test]
async fn a_body_where_none_is_taken_is_400() {
    let world = World::new();
    let stack = world.stack("gold").await;
    let snapshot = world.snapshot(&stack).await;
    for (method, path) in [
        (Method::GET, format!("{stack}/snapshots")),
        (Method::GET, snapshot.clone()),
        (Method::DELETE, snapshot.clone()),
        (Method::DELETE, stack.clone()),
        (Method::GET, stack.clone()),
    ] {
        for body in [&b"{}"[..], b"{\"a\": 1}"] {
            let fault = world.ask(method.clone(), &path, &[("content-type", "application/json")], body).await.fault();
            assert_eq!((fault.0, fault.2.as_str()), (400, MALFORMED), "{method} {path}");
        }
    }
    assert_eq!(world.get(&snapshot).await.status, 200);
    assert_eq!(world.ask(Method::DELETE, &snapshot, &[], b"xyz").await.status, 204);
}

#[tokio::test]
async fn a_body_that_is_too_long_is_400() {
    let world = World::with(
        Settings::default(),
        Limits { body: 1000, ..Limits::default() },
        std::sync::Arc::new(stacksnap_api::auth::none::Open),
    );
    for length in [1001, 5000] {
        let body = format!("{{\"a\": \"{}\"}}", "x".repeat(length - 9));
        let (code, kind, message) = world.ask(Method::POST, "/v1/p/stacks", &[], body.as_bytes()).await.fault();
        assert_eq!((code, kind.as_str()), (400, "RequestLimitExceeded"));
        let text = format!(
            "Request limit exceeded: JSON body size ({length} bytes) exceeds maximum allowed size (1000 bytes)."
        );
        assert_eq!(message, text);
    }
    let body = format!("{{\"a\": \"{}\"}}", "x".repeat(991));
    assert_eq!(body.len(), 1000);
    assert_eq!(
        world.ask(Method::POST, "/v1/p/stacks", &[], body.as_bytes()).await.fault().2,
        "No stack name specified"
    );
}

#[tokio::test]
async fn other_methods_are_405_with_allow_and_options_lists_them() {
    let world = World::new();
    let stack = world.stack("gold").await;
    let snapshot = world.snapshot(&stack).await;
    let collection = format!("{stack}/snapshots");
    let restore = format!("{snapshot}/restore");
    for (path, allow, wrong) in [
        (&collection, "POST,GET", vec![Method::PUT, Method::PATCH, Method::DELETE]),
        (&snapshot, "GET,DELETE", vec![Method::PUT, Method::POST]),
        (&restore, "POST", vec![Method::GET, Method::PUT]),
    ] {
        let options = world.ask(Method::OPTIONS, path, &[], b"").await;
        assert_eq!((options.status.as_u16(), options.header("allow"), options.text.as_str()), (204, allow, ""));
        for method in wrong {
            let reply = world.ask(method.clone(), path, &[], b"").await;
            assert_eq!(
                reply.fault(),
                (405, "HTTPMethodNotAllowed".to_owned(), MALFORMED.to_owned()),
                "{method} {path}"
            );
            assert_eq!(reply.header("allow"), allow);
        }
        let trace = world.ask(Method::TRACE, path, &[], b"").await;
        assert_eq!((trace.fault().0, trace.header("allow")), (405, allow));
        let head = world.ask(Method::HEAD, path, &[], b"").await;
        assert_eq!((head.status.as_u16(), head.header("content-type")), (405, "application/json"));
        assert_eq!(head.text, "");
        let unknown =
            world.ask(Method::from_bytes(b"FOO").unwrap(), path, &[("accept", "application/json")], b"").await;
        assert_eq!((unknown.status.as_u16(), &unknown.json()["code"]), (404, &json!("404 Not Found")));
    }
}

#[tokio::test]
async fn paths_that_lead_nowhere() {
    let world = World::new();
    let stack = world.stack("gold").await;
    let snapshot = world.snapshot(&stack).await;
    let nowhere = json!({"message": "The resource could not be found.<br /><br />\n\n\n", "code": "404 Not Found", "title": "Not Found"});
    for path in [
        "/v1".to_owned(),
        "/v1/".to_owned(),
        "/v1/p".to_owned(),
        "/v1/p/nothing".to_owned(),
        format!("{snapshot}/"),
        format!("{snapshot}/nothing"),
        format!("{snapshot}/restore/x"),
        "/v1/p/stacks/gold/snapshots/x".to_owned(),
        "/v1/p/stacks/%FF/x".to_owned(),
    ] {
        let reply = world.get(&path).await;
        assert_eq!((reply.status.as_u16(), reply.json()), (404, nowhere.clone()), "{path}");
        assert_eq!(
            world.ask(Method::GET, &path, &[("accept", "text/html")], b"").await.header("content-type"),
            "text/html; charset=UTF-8"
        );
    }
    assert_eq!(world.get(&format!("{snapshot}.json")).await.fault().1, "NotFound");
    assert_eq!(world.get("/v1/p/stacks/a%2Fb/..%2f..").await.fault().1, "EntityNotFound");
    let bad = world.get("/v1/a%20b/stacks").await.fault();
    assert_eq!(bad.0, 400);
}

#[tokio::test]
async fn what_is_asked_without_a_project() {
    let world = World::new();
    let versions = json!({"versions": [{"id": "v1.0", "status": "CURRENT", "links": [{"rel": "self", "href": "http://127.0.0.1:8004/v1/"}]}]});
    for path in ["/", "/versions", "/v2/p/stacks", "/anything"] {
        let reply = world.get(path).await;
        assert_eq!((reply.status.as_u16(), reply.json()), (300, versions.clone()), "{path}");
    }
    assert_eq!(world.get("/healthcheck").await.json(), json!({"detailed": false, "reasons": []}));
    assert_eq!(world.get("/healthz").await.status, 200);
    assert_eq!(world.get("/readyz").await.json()["queue"], "ok");
    world.queue.send_replace(false);
    let ready = world.get("/readyz").await;
    assert_eq!(ready.status, 200, "requests are accepted without the queue");
    assert!(ready.json()["queue"].as_str().unwrap().starts_with("away"));
    let info = world.get("/v1/p/build_info").await.json();
    assert!(info["api"]["revision"].is_string() && info["engine"]["revision"].is_string());
    assert_eq!(world.get("/metrics").await.status, 404);
}

#[tokio::test]
async fn accept_changes_no_normal_body() {
    let world = World::new();
    let stack = world.stack("gold").await;
    for accept in ["application/xml", "text/html", "*/*", ";;;"] {
        let reply = world.ask(Method::GET, &stack, &[("accept", accept)], b"").await;
        assert_eq!((reply.status.as_u16(), reply.header("content-type")), (200, "application/json"), "{accept}");
        let reply = world.ask(Method::GET, "/v1/p/stacks/none/x", &[("accept", accept)], b"").await;
        assert_eq!(reply.fault().0, 404);
    }
}

/// The same change sent again: the same answer, one change.
#[tokio::test]
async fn an_idempotency_key_gets_the_first_answer_again() {
    let world = World::new();
    let stack = world.stack("gold").await;
    let path = format!("{stack}/snapshots");
    let send = async |key: &str, body: &str| {
        let headers = [("content-type", "application/json"), ("idempotency-key", key)];
        world.ask(Method::POST, &path, &headers, body.as_bytes()).await
    };
    let first = send("k1", "{\"name\": \"a\"}").await;
    let again = send("k1", "{\"name\": \"a\"}").await;
    assert_eq!(first.status, 200);
    assert_eq!((again.status, again.json(), again.operation()), (first.status, first.json(), first.operation()));
    world.work().await;
    assert_eq!(
        send("k1", "{\"name\": \"a\"}").await.json()["status"],
        "IN_PROGRESS",
        "the first answer, word for word"
    );
    assert_eq!(world.get(&path).await.json()["snapshots"].as_array().unwrap().len(), 1);
    let other = send("k1", "{\"name\": \"b\"}").await.fault();
    assert_eq!((other.0, other.1.as_str()), (422, "HTTPUnprocessableEntity"));
    assert_eq!(send("k2", "{\"name\": \"a\"}").await.status, 200);
    world.work().await;
    assert_eq!(world.get(&path).await.json()["snapshots"].as_array().unwrap().len(), 2);

    let restore = format!("{path}/{}/restore", first.json()["id"].as_str().unwrap());
    let key = [("idempotency-key", "k1"), ("accept", "application/json")];
    let one = world.ask(Method::POST, &restore, &key, b"").await;
    let two = world.ask(Method::POST, &restore, &key, b"").await;
    assert_eq!((one.status.as_u16(), one.operation()), (202, two.operation()));
    assert_eq!(one.json(), two.json());
    assert_eq!(world.ask(Method::POST, &format!("{restore}?safety=false"), &key, b"").await.fault().0, 422);
    world.work().await;
    for wrong in ["", "a b", &"x".repeat(256)] {
        assert_eq!(send(wrong, "{}").await.fault().0, 400, "{wrong:?}");
    }
}

#[tokio::test]
async fn a_refused_change_keeps_no_answer() {
    let world = World::new();
    let body = json!({"stack_name": "s", "template": Value::Null});
    let headers = [("idempotency-key", "k")];
    assert_eq!(world.ask(Method::POST, "/v1/p/stacks", &headers, body.to_string().as_bytes()).await.status, 400);
    let body = json!({"stack_name": "s", "template": crate::support::template()});
    assert_eq!(world.ask(Method::POST, "/v1/p/stacks", &headers, body.to_string().as_bytes()).await.status, 201);
}
