//! Who gets in: no route answers a caller of another project, or one without the role.

use std::sync::Arc;

use axum::http::Method;
use serde_json::{Value, json};
use stacksnap_common::config::Limits;
use stacksnap_common::store::Settings;

use crate::support::{ByName, Reply, World};

/// Rules of requests that change nothing, whatever their method.
const READS: [&str; 3] = ["stacks:lookup", "stacks:preview", "resource:signal"];

struct Made {
    world: World,
    /// Every route that there is, as the router lists them, with something of project `p` in place of each parameter.
    routes: Vec<Filled>,
}

struct Filled {
    method: Method,
    path: String,
    rule: &'static str,
    role: &'static str,
}

impl Filled {
    /// A token of this role in project `p`.
    fn token(role: &str) -> String {
        format!("p:{role}")
    }
}

async fn made() -> Made {
    let world = World::with(Settings::default(), Limits::default(), Arc::new(ByName));
    let body = json!({"stack_name": "gold", "template": crate::support::template()});
    let stack = ask(&world, Method::POST, "/v1/p/stacks", "p:member", &body).await;
    assert_eq!(stack.status, 201, "{}", stack.text);
    world.work().await;
    let stack = stack.header("location").replace("http://127.0.0.1:8004", "");
    let snapshot = ask(&world, Method::POST, &format!("{stack}/snapshots"), "p:member", &json!({})).await;
    world.work().await;
    let filled = |path: String| {
        let path = path
            .replace("{project}", "p")
            .replace("{stack_name}", "gold")
            .replace("{stack_id}", stack.rsplit('/').next().unwrap())
            .replace("{snapshot_id}", snapshot.json()["id"].as_str().unwrap())
            .replace("{operation_id}", &snapshot.operation())
            .replace("{resource_name}", "data")
            .replace("{output_key}", "where")
            .replace("{event_id}", "x")
            .replace("{type_name}", "OS::Heat::None")
            .replace("{template_version}", "heat_template_version.pike")
            .replace("{config_id}", "x")
            .replace("{deployment_id}", "x");
        assert!(!path.contains('{'), "say what stands for the parameter of {path}");
        path
    };
    let routes = stacksnap_api::routes()
        .into_iter()
        .map(|listed| Filled { path: filled(listed.path), method: listed.method, rule: listed.rule, role: listed.role })
        .collect();
    Made { world, routes }
}

async fn ask(world: &World, method: Method, path: &str, token: &str, body: &Value) -> Reply {
    let headers = [("x-auth-token", token), ("accept", "application/json"), ("content-type", "application/json")];
    let body = if body.is_null() { String::new() } else { body.to_string() };
    world.ask(method, path, &headers, body.as_bytes()).await
}

#[tokio::test]
async fn without_a_token_nothing_under_v1_is_answered() {
    let Made { world, routes } = made().await;
    let before = world.dump().await;
    let paths = routes.iter().map(|route| (route.method.clone(), route.path.clone()));
    let nowhere = [
        (Method::GET, "/v1".to_owned()),
        (Method::GET, "/v1/p/x".to_owned()),
        (Method::GET, "/v1.0/p/stacks".to_owned()),
    ];
    for (method, path) in paths.chain(nowhere) {
        for token in [None, Some(""), Some("wrong")] {
            let headers: Vec<_> = token.map(|token| ("x-auth-token", token)).into_iter().collect();
            let reply = world.ask(method.clone(), &path, &headers, b"").await;
            let body = json!({"error": {"code": 401, "title": "Unauthorized", "message": "The request you have made requires authentication."}});
            assert_eq!((reply.status.as_u16(), reply.json()), (401, body), "{method} {path}");
            assert_eq!(reply.header("www-authenticate"), "Keystone uri=\"http://127.0.0.1:5000\"");
        }
        assert_eq!(world.ask(Method::OPTIONS, &path, &[], b"").await.status, 200, "{path}");
    }
    for path in ["/", "/healthz", "/readyz", "/healthcheck"] {
        assert!(world.get(path).await.status.as_u16() < 400, "{path}");
    }
    assert_eq!(world.dump().await, before);
}

/// A body that a change would take.
fn body(route: &Filled) -> Value {
    match (route.method.as_str(), route.rule) {
        ("GET" | "DELETE", _) => Value::Null,
        // The body names the rule.
        (_, "actions:suspend") => json!({"suspend": null}),
        (_, "stacks:update_patch") => json!({"parameters": {"label": "x"}}),
        _ => json!({}),
    }
}

#[tokio::test]
async fn another_projects_token_reads_and_writes_nothing() {
    let Made { world, routes } = made().await;
    let before = world.dump().await;
    for route in &routes {
        let Filled { method, path, .. } = route;
        for token in ["q:member", "q:reader", "q:nobody"] {
            let reply = ask(&world, method.clone(), path, token, &body(route)).await;
            let denied = (403, "HTTPForbidden".to_owned(), "Access was denied to this resource.".to_owned());
            assert_eq!(reply.fault(), denied, "{method} {path}");
        }
        // The same ids asked for in the caller's own project.
        let own = path.replacen("/v1/p/", "/v1/q/", 1);
        let reply = ask(&world, method.clone(), &own, "q:member", &body(route)).await;
        // Types and versions are the same for every project.
        let of_all = ["/resource_types", "/template_versions"].iter().any(|path| own.contains(path));
        let names_something =
            own.matches('/').count() > 3 && !of_all && !own.ends_with("/stacks/preview") && !own.ends_with("/detail");
        if names_something {
            assert!(matches!(reply.status.as_u16(), 404 | 400), "{method} {own}: {} {}", reply.status, reply.text);
        }
        let told = ["gold", "/srv/data", "first"].iter().any(|word| reply.text.contains(word));
        assert!(!told || reply.status.is_client_error(), "{method} {own}: {}", reply.text);
    }
    assert_eq!(world.dump().await, before, "nothing has changed");
    assert_eq!(ask(&world, Method::GET, "/v1/p/stacks", "q:admin", &Value::Null).await.status, 200);
}

#[tokio::test]
async fn each_route_needs_its_role() {
    let Made { world, routes } = made().await;
    let before = world.dump().await;
    for route in &routes {
        let Filled { method, path, rule, role } = route;
        // What changes something is never a reader's; a lookup only redirects.
        let reads = *method == Method::GET || READS.contains(rule);
        let (least, weaker) = match *rule {
            "service:index" => ("admin", "member"),
            // They read, and yet Heat asks for a member (contract, section 4).
            "stacks:generate_template" | "stacks:export" => ("member", "reader"),
            _ if reads => ("reader", "nobody"),
            _ => ("member", "reader"),
        };
        assert_eq!(*role, least, "{method} {path} {rule}");
        let (code, kind, message) =
            ask(&world, method.clone(), path, &Filled::token(weaker), &body(route)).await.fault();
        assert_eq!((code, kind.as_str()), (403, "Forbidden"), "{method} {path}");
        assert_eq!(message, format!("You are not authorized to use {rule}."));
    }
    assert_eq!(world.dump().await, before, "nothing has changed");
    for index in 0..routes.len() {
        // One that deletes leaves nothing for the next.
        let Made { world, routes } = made().await;
        let Filled { method, path, role, .. } = &routes[index];
        let reply = ask(&world, method.clone(), path, &Filled::token(role), &Value::Null).await;
        let refused = matches!(reply.status.as_u16(), 401 | 403 | 500..);
        assert!(!refused, "{method} {path}: {} {}", reply.status, reply.text);
    }
}

#[tokio::test]
async fn an_identity_service_that_is_away_lets_nobody_in() {
    let Made { world, routes } = made().await;
    for Filled { method, path, .. } in &routes {
        let reply = ask(&world, method.clone(), path, "away", &Value::Null).await;
        assert_eq!(reply.status, 503, "{method} {path}");
        let message = "The server is currently unavailable. Please try again at a later time.<br /><br />\nThe Keystone service is temporarily unavailable.\n\n";
        assert_eq!(
            reply.json(),
            json!({"message": message, "code": "503 Service Unavailable", "title": "Service Unavailable"})
        );
    }
}

/// Of actions the body names the rule.
#[tokio::test]
async fn each_action_needs_its_role() {
    let Made { world, routes } = made().await;
    let stack = routes.iter().find(|route| route.rule == "stacks:show").unwrap().path.clone();
    let actions = format!("{stack}/actions");
    for (action, least) in [
        ("suspend", "member"),
        ("resume", "member"),
        ("check", "reader"),
        ("cancel_update", "member"),
        ("cancel_without_rollback", "member"),
    ] {
        let body = json!({action: null});
        let weaker = if least == "member" { "p:reader" } else { "p:nobody" };
        let (code, _, message) = ask(&world, Method::POST, &actions, weaker, &body).await.fault();
        assert_eq!((code, message), (403, format!("You are not authorized to use actions:{action}.")));
        let fault = ask(&world, Method::POST, &actions, "q:member", &body).await.fault();
        assert_eq!((fault.0, fault.1.as_str()), (403, "HTTPForbidden"));
        let own = actions.replacen("/v1/p/", "/v1/q/", 1);
        assert_eq!(ask(&world, Method::POST, &own, "q:member", &body).await.fault().1, "EntityNotFound");
    }
    let body = json!({"parameters": {"label": "x"}});
    let message = ask(&world, Method::PATCH, &stack, "p:reader", &body).await.fault().2;
    assert_eq!(message, "You are not authorized to use stacks:update_patch.");
    let message = ask(&world, Method::PATCH, &stack, "p:reader", &json!({})).await.fault().2;
    assert_eq!(message, "You are not authorized to use stacks:update_no_change.");
    let shown = ask(&world, Method::GET, &stack, "p:reader", &Value::Null).await.json();
    assert_eq!(shown["stack"]["stack_status"], "SNAPSHOT_COMPLETE", "nothing has changed");
}

/// Without authentication: not for other hosts, not for web pages, wherever they ask.
#[tokio::test]
async fn without_authentication_only_this_machine_is_answered() {
    let world = World::new();
    for path in ["/v1/p/stacks", "/", "/healthz", "/metrics"] {
        for headers in [[("origin", "http://evil.example")], [("sec-fetch-site", "cross-site")]] {
            assert_eq!(world.ask(Method::GET, path, &headers, b"").await.fault().0, 403, "{path} {headers:?}");
        }
        let request = axum::http::Request::builder().uri(path).header("host", "evil.example:8004");
        assert_eq!(world.send(request.body(axum::body::Body::empty()).unwrap()).await.fault().0, 403, "{path}");
    }
}

/// One caller's key says nothing about another's.
#[tokio::test]
async fn an_idempotency_key_is_of_one_caller() {
    let world = World::with(Settings::default(), Limits::default(), Arc::new(ByName));
    let body = json!({"stack_name": "s", "template": crate::support::template()}).to_string();
    let mut ids = Vec::new();
    for project in ["p", "q"] {
        let token = format!("{project}:member");
        let headers = [("x-auth-token", token.as_str()), ("idempotency-key", "same")];
        let reply = world.ask(Method::POST, &format!("/v1/{project}/stacks"), &headers, body.as_bytes()).await;
        assert_eq!(reply.status, 201);
        ids.push(reply.json()["stack"]["id"].clone());
    }
    assert_ne!(ids[0], ids[1]);
}
