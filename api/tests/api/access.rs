//! Who gets in: no route answers a caller of another project, or one without the role.

use std::sync::Arc;

use axum::http::Method;
use serde_json::{Value, json};
use stacksnap_common::config::Limits;
use stacksnap_common::store::Settings;

use crate::support::{ByName, Reply, World};

struct Made {
    world: World,
    /// Every route, with what stands for it, and the least role it needs.
    routes: Vec<(Method, String, &'static str, &'static str)>,
}

async fn made() -> Made {
    let world = World::with(Settings::default(), Limits::default(), Arc::new(ByName));
    let body = json!({"stack_name": "gold", "template": crate::support::template()});
    let stack = ask(&world, Method::POST, "/v1/p/stacks", "p:member", &body).await;
    assert_eq!(stack.status, 201, "{}", stack.text);
    world.work().await;
    let stack = stack.header("location").replace("http://127.0.0.1:8004", "");
    let snapshot = ask(&world, Method::POST, &format!("{stack}/snapshots"), "p:member", &json!({})).await;
    let operation = format!("/v1/p/operations/{}", snapshot.operation());
    world.work().await;
    let snapshot = format!("{stack}/snapshots/{}", snapshot.json()["id"].as_str().unwrap());
    let (get, post) = (Method::GET, Method::POST);
    let routes = vec![
        (get.clone(), "/v1/p/build_info".to_owned(), "reader", "build_info:build_info"),
        (get.clone(), "/v1/p/stacks".to_owned(), "reader", "stacks:index"),
        (post.clone(), "/v1/p/stacks".to_owned(), "member", "stacks:create"),
        (get.clone(), "/v1/p/stacks/gold".to_owned(), "reader", "stacks:lookup"),
        (get.clone(), "/v1/p/stacks/gold/events".to_owned(), "reader", "stacks:lookup"),
        (get.clone(), stack.clone(), "reader", "stacks:show"),
        (get.clone(), format!("{stack}/template"), "reader", "stacks:template"),
        (get.clone(), format!("{stack}/environment"), "reader", "stacks:environment"),
        (get.clone(), format!("{stack}/files"), "reader", "stacks:files"),
        (get.clone(), format!("{stack}/events"), "reader", "events:index"),
        (get.clone(), "/v1/p/stacks/detail".to_owned(), "reader", "stacks:detail"),
        (post.clone(), "/v1/p/stacks/gold/actions".to_owned(), "reader", "stacks:lookup"),
        (get.clone(), format!("{stack}/outputs"), "reader", "stacks:list_outputs"),
        (get.clone(), format!("{stack}/outputs/where"), "reader", "stacks:show_output"),
        (get.clone(), format!("{stack}/export"), "member", "stacks:export"),
        (get.clone(), format!("{stack}/resources/data/metadata"), "reader", "resource:metadata"),
        (post.clone(), format!("{stack}/resources/data/signal"), "reader", "resource:signal"),
        (Method::PATCH, format!("{stack}/resources/data"), "member", "resource:mark_unhealthy"),
        (get.clone(), format!("{stack}/resources/data/events/x"), "reader", "events:show"),
        (Method::PUT, stack.clone(), "member", "stacks:update"),
        (Method::PUT, format!("{stack}/preview"), "member", "stacks:preview_update"),
        (Method::PATCH, format!("{stack}/preview"), "member", "stacks:preview_update_patch"),
        (Method::PATCH, stack.clone(), "member", "stacks:update_patch"),
        (get.clone(), format!("{stack}/resources"), "reader", "resource:index"),
        (get.clone(), format!("{stack}/resources/data"), "reader", "resource:show"),
        (get.clone(), format!("{stack}/resources/data/events"), "reader", "events:index"),
        (get.clone(), format!("{stack}/snapshots"), "reader", "stacks:list_snapshots"),
        (get.clone(), snapshot.clone(), "reader", "stacks:show_snapshot"),
        (get.clone(), "/v1/p/operations".to_owned(), "reader", "operations:index"),
        (get.clone(), operation.clone(), "reader", "operations:show"),
        (get.clone(), format!("{operation}/events"), "reader", "operations:show"),
        (get.clone(), format!("{operation}/files"), "reader", "operations:show"),
        (post.clone(), format!("{operation}/cancel"), "member", "operations:cancel"),
        (post.clone(), format!("{snapshot}/plan"), "member", "stacks:plan_restore"),
        (post.clone(), format!("{snapshot}/verify"), "member", "stacks:verify_snapshot"),
        (post.clone(), format!("{stack}/snapshots"), "member", "stacks:snapshot"),
        (post, format!("{snapshot}/restore"), "member", "stacks:restore_snapshot"),
        (Method::DELETE, snapshot, "member", "stacks:delete_snapshot"),
        (Method::DELETE, format!("{stack}/abandon"), "member", "stacks:abandon"),
        (Method::DELETE, stack, "member", "stacks:delete"),
    ];
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
    let paths = routes.iter().map(|(method, path, ..)| (method.clone(), path.clone()));
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
}

#[tokio::test]
async fn another_projects_token_reads_and_writes_nothing() {
    let Made { world, routes } = made().await;
    for (method, path, ..) in &routes {
        let reply = ask(&world, method.clone(), path, "q:member", &Value::Null).await;
        let denied = (403, "HTTPForbidden".to_owned(), "Access was denied to this resource.".to_owned());
        assert_eq!(reply.fault(), denied, "{method} {path}");
        // The same ids asked for in the caller's own project.
        let own = path.replacen("/v1/p/", "/v1/q/", 1);
        let reply = ask(&world, method.clone(), &own, "q:member", &Value::Null).await;
        let empty =
            ["{\"stacks\":[]}", "{\"operations\":[]}"].contains(&reply.text.as_str()) || own.ends_with("build_info");
        let refused = matches!(reply.status.as_u16(), 404 | 400);
        assert!(empty || refused, "{method} {own}: {} {}", reply.status, reply.text);
    }
    let stacks = ask(&world, Method::GET, "/v1/p/stacks", "p:reader", &Value::Null).await.json();
    assert_eq!(stacks["stacks"][0]["stack_status"], "SNAPSHOT_COMPLETE", "nothing has changed");
    assert_eq!(ask(&world, Method::GET, "/v1/p/stacks", "q:admin", &Value::Null).await.status, 200);
}

#[tokio::test]
async fn each_route_needs_its_role() {
    let Made { world, routes } = made().await;
    for (method, path, least, rule) in &routes {
        let weaker = if *least == "member" { "p:reader" } else { "p:nobody" };
        let (code, kind, message) = ask(&world, method.clone(), path, weaker, &Value::Null).await.fault();
        assert_eq!((code, kind.as_str()), (403, "Forbidden"), "{method} {path}");
        assert_eq!(message, format!("You are not authorized to use {rule}."));
    }
    for (method, path, least, _) in &routes {
        let reply = ask(&world, method.clone(), path, &format!("p:{least}"), &Value::Null).await;
        assert!(
            !matches!(reply.status.as_u16(), 401 | 403 | 500..),
            "{method} {path}: {} {}",
            reply.status,
            reply.text
        );
        world.work().await;
    }
}

#[tokio::test]
async fn an_identity_service_that_is_away_lets_nobody_in() {
    let Made { world, routes } = made().await;
    for (method, path, ..) in &routes {
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
    let stack = routes.last().map(|(_, path, ..)| path.clone()).unwrap();
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
