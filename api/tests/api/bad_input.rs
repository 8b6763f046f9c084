//! What nobody should send, and somebody will: each is refused with a reason, in no time, and changes nothing.

use std::time::{Duration, Instant};

use axum::http::Method;
use serde_json::{Value, json};

use crate::support::{World, template};

async fn refused(world: &World, body: &Value) -> String {
    let start = Instant::now();
    let reply = world.post("/v1/p/stacks", body.clone()).await;
    let (code, _, message) = reply.fault();
    assert_eq!(code, 400, "{message}");
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}: {message}", start.elapsed());
    assert!(message.len() < 2_000, "a short reason: {message}");
    assert!(!message.chars().any(|c| c.is_control() && c != '\n'), "{message:?}");
    message
}

#[tokio::test]
async fn yaml_that_is_none_or_too_much_is_refused_soon() {
    let world = World::new();
    let before = world.dump().await;
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for n in 1..12 {
        let aliases = vec![format!("*a{}", n - 1); 10].join(", ");
        bomb.push_str(&format!("a{n}: &a{n} [{aliases}]\n"));
    }
    let itself = "a: &a [*a]\n".to_owned();
    let merged = (0..30).fold("x0: &x0 {a: b}\n".to_owned(), |text, n| {
        text + &format!("x{}: &x{} {{<<: [*x{n}, *x{n}], k{n}: [*x{n}, *x{n}]}}\n", n + 1, n + 1)
    });
    let deep = "[".repeat(50_000);
    let deeper: String = (0..2_000).map(|n| format!("{}a:\n", " ".repeat(n))).collect();
    let long = format!("a: {}\n", "x".repeat(900_000));
    let many: String = (0..60_000).map(|n| format!("k{n}: v\n")).collect();
    for text in [
        bomb.as_str(),
        itself.as_str(),
        merged.as_str(),
        deep.as_str(),
        deeper.as_str(),
        long.as_str(),
        many.as_str(),
        "",
        "---",
        "a: b\n---\nc: d",
        "- a",
        "5",
        "a: b: c",
        "\t- a",
        "a: [",
        "*unknown",
        "!!python/object:os.system {}",
        "%YAML 9.9\n---\na: b",
        "a: \u{0}",
        "\u{feff}",
        "{",
        "{\"a\": 1",
        "? [a, b]\n: c",
        "1: 2",
    ] {
        refused(&world, &json!({"stack_name": "s", "template": text})).await;
        refused(&world, &json!({"stack_name": "s", "template": template(), "environment": format!("x: 1\n{text}")}))
            .await;
    }
    assert_eq!(world.dump().await, before, "nothing has changed");
}

#[tokio::test]
async fn json_that_is_too_deep_or_odd_is_refused_soon() {
    let world = World::new();
    let before = world.dump().await;
    let deep = |open: &str, close: &str, depth| format!("{}{}", open.repeat(depth), close.repeat(depth));
    for body in [
        deep("{\"a\":", "}", 100_000).replace(":}", ":1}"),
        format!("{{\"stack_name\": \"s\", \"template\": {}}}", deep("[", "]", 200_000)),
        "{\"stack_name\": \"s\", \"template\": 1e999}".to_owned(),
        "{\"stack_name\": \"\\ud800\", \"template\": {}}".to_owned(),
        "{\"stack_name\": \"s\", \"template\": {}".to_owned(),
        "{\"stack_name\": \"s\",}".to_owned(),
        "{\"stack_name\": NaN}".to_owned(),
        "{\u{0}}".to_owned(),
    ] {
        let headers = [("content-type", "application/json")];
        let reply = world.ask(Method::POST, "/v1/p/stacks", &headers, body.as_bytes()).await;
        assert_eq!(reply.fault().0, 400, "{}", &body[..body.len().min(60)]);
    }
    assert_eq!(world.dump().await, before, "nothing has changed");
}

#[tokio::test]
async fn names_with_anything_odd_in_them_are_refused() {
    let world = World::new();
    let stack = world.stack("gold").await;
    let before = world.dump().await;
    let odd = ["a\u{0}b", "a\nb", "a\r\nSet-Cookie: x", "a\tb", "a\u{7f}", "a\u{85}b", "a\u{9b}b"];
    for name in odd {
        refused(&world, &json!({"stack_name": name, "template": template()})).await;
        refused(&world, &json!({"stack_name": "s", "template": template(), "tags": [name]})).await;
        let mut with = template();
        with["resources"][name] = json!({"type": "Stacksnap::Directory", "external_id": "/srv/x"});
        refused(&world, &json!({"stack_name": "s", "template": with})).await;
        for body in [json!({"name": name}), json!({"labels": {name: "x"}}), json!({"labels": {"x": name}})] {
            let reply = world.post(&format!("{stack}/snapshots"), body).await;
            assert_eq!(reply.fault().0, 400, "{name:?}");
        }
    }
    for name in ["", " ", "1a", "-a", "a b", "a/b", "a%2fb", "..", ".", "é", "\u{202e}a", &"a".repeat(256)] {
        refused(&world, &json!({"stack_name": name, "template": template()})).await;
    }
    for wrong in [json!(5), json!(true), json!(["a"]), json!({"a": 1})] {
        refused(&world, &json!({"stack_name": wrong, "template": template()})).await;
        assert_eq!(world.post(&format!("{stack}/snapshots"), json!({"name": wrong})).await.fault().0, 400);
    }
    assert_eq!(world.dump().await, before, "nothing has changed");
}

/// Whatever a path's parts are, they name nothing that is there, and none of them gets into a header.
#[tokio::test]
async fn ids_that_are_none_lead_nowhere() {
    let world = World::new();
    let stack = world.stack("gold").await;
    let snapshot = world.snapshot(&stack).await;
    let before = world.dump().await;
    let long = "a".repeat(10_000);
    for odd in [
        "..",
        ".",
        "%2e%2e",
        "%2e%2e%2f%2e%2e",
        "..%2f..%2fetc%2fpasswd",
        "a%2fb",
        "%00",
        "a%00b",
        "%0d%0aSet-Cookie:%20a=b",
        "%ff",
        "%c3%28",
        "%",
        "%zz",
        "%252e%252e",
        "*",
        "'%20or%201=1--",
        "%3Cscript%3E",
        "%F0%9F%98%80",
        "~",
        ";a=b",
        "a:b",
        "00000000-0000-0000-0000-000000000000%20",
        "{00000000-0000-0000-0000-000000000000}",
        long.as_str(),
    ] {
        let paths = [
            format!("/v1/p/stacks/{odd}"),
            format!("/v1/p/stacks/{odd}/events?a=%0d%0ab"),
            format!("/v1/p/stacks/gold/{odd}"),
            format!("/v1/p/stacks/{odd}/{odd}/snapshots"),
            format!("{stack}/snapshots/{odd}"),
            format!("{stack}/snapshots/{odd}/restore"),
            format!("{snapshot}/{odd}"),
            format!("{stack}/resources/{odd}"),
            format!("{stack}/resources/{odd}/events"),
            format!("/v1/p/operations/{odd}"),
            format!("/v1/{odd}/stacks"),
        ];
        for path in paths {
            // What is no URI at all never gets as far as here.
            if axum::http::Uri::try_from(path.as_str()).is_err() {
                continue;
            }
            for method in [Method::GET, Method::POST, Method::DELETE] {
                let reply = world.ask(method.clone(), &path, &[("accept", "application/json")], b"").await;
                let status = reply.status.as_u16();
                let none = path.starts_with("/v1/~/") && status == 400;
                let own = path.ends_with("/stacks") && method != Method::DELETE;
                assert!(none || own || matches!(status, 400 | 404 | 405), "{method} {path}: {status} {}", reply.text);
                assert!(status < 500, "{method} {path}: {status}");
                assert_eq!(reply.header("set-cookie"), "", "{path}");
            }
        }
    }
    assert_eq!(world.dump().await, before, "nothing has changed");
}

/// What comes from a caller into a header of the answer (`Location`) stays what it was: encoded, on one line.
#[tokio::test]
async fn nothing_gets_into_a_header() {
    let world = World::new();
    let stack = world.stack("gold").await;
    for query in ["a=%0d%0aSet-Cookie:%20a=b", "a=%0A%0Ab", "%00", "a=%E2%80%A8"] {
        let reply = world.get(&format!("/v1/p/stacks/gold?{query}")).await;
        assert_eq!(reply.status, 302);
        assert_eq!(reply.header("location"), format!("http://127.0.0.1:8004{stack}?{query}"));
        assert_eq!(reply.header("set-cookie"), "");
    }
    let id = "req-11111111-2222-3333-4444-555555555555";
    for sent in [id, "req-x", "\u{e9}", &"x".repeat(5_000)] {
        let reply = world.ask(Method::GET, &stack, &[("x-openstack-request-id", sent)], b"").await;
        assert_eq!(reply.status, 200);
        assert_ne!(reply.header("x-openstack-request-id"), sent, "made here");
    }
    let page = world.ask(Method::GET, "/v1/p/stacks/gold?a=1&b='", &[("accept", "text/html")], b"").await;
    assert!(page.text.contains("a=1&amp;b=&#x27;"), "{}", page.text);
}

#[tokio::test]
async fn keys_that_come_twice_and_headers_that_do() {
    let world = World::new();
    let stack = world.stack("gold").await;
    let twice = b"{\"name\": \"a\", \"labels\": {\"x\": \"1\", \"x\": \"2\"}, \"name\": \"b\"}";
    let reply = world.ask(Method::POST, &format!("{stack}/snapshots"), &[], twice).await;
    assert_eq!((&reply.json()["name"], &reply.json()["labels"]), (&json!("b"), &json!({"x": "2"})));
    world.work().await;
    let yaml = "heat_template_version: 2018-08-31\nresources:\n  a: {type: Stacksnap::Directory, external_id: /srv/a}\n  a: {type: Stacksnap::Directory, external_id: /srv/b}\n";
    let made = world.post("/v1/p/stacks", json!({"stack_name": "twice", "template": yaml})).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let path = made.header("location").replace("http://127.0.0.1:8004", "");
    let shown = world.get(&format!("{path}/resources/a")).await.json();
    assert_eq!(shown["resource"]["physical_resource_id"], "/srv/b", "the last one, as Heat's parser takes it");
    let keys = [("idempotency-key", "a"), ("idempotency-key", "b")];
    assert_eq!(world.ask(Method::POST, &format!("{stack}/snapshots"), &keys, b"{}").await.fault().0, 400);
}

#[tokio::test]
async fn content_types_that_no_body_has() {
    let world = World::new();
    let stack = world.stack("gold").await;
    for kind in [
        "multipart/form-data; boundary=x",
        "application/x-www-form-urlencoded",
        "application/octet-stream",
        "text/html",
        "application/yaml",
        "APPLICATION/JSON",
        "json",
        "",
        ";;;",
        "text/json",
        "application/vnd.api+json",
        "\u{e9}",
    ] {
        let reply = world
            .ask(Method::POST, &format!("{stack}/snapshots"), &[("content-type", kind)], b"{\"name\": \"x\"}")
            .await;
        assert_eq!(reply.fault().0, 400, "{kind:?}");
        // Where none is needed it is none.
        let reply = world.ask(Method::GET, &format!("{stack}/snapshots"), &[("content-type", kind)], b"{}").await;
        assert_eq!(reply.status, 200, "{kind:?}");
    }
}

#[tokio::test]
async fn queries_that_say_nothing_useful() {
    let world = World::new();
    let stack = world.stack("gold").await;
    let snapshot = world.snapshot(&stack).await;
    for (query, status) in [
        ("limit=", 400),
        ("limit=-1", 400),
        ("limit=1.5", 400),
        ("limit=99999999999999999999", 400),
        ("limit=0", 200),
        ("limit=%00", 400),
        ("limit=1&limit=2", 200),
        ("marker=", 200),
        ("marker=%00", 200),
        ("sort_dir=", 400),
        ("sort_dir=ASC", 400),
        ("status=", 400),
        ("status=NONE", 400),
        ("status=complete", 200),
        ("with_data=", 400),
        ("with_data=no", 200),
        ("kind=", 400),
        ("show_hidden=x", 400),
        ("foo=bar", 200),
        ("&&==&", 200),
        ("%FF=%FF", 200),
    ] {
        let reply = world.get(&format!("{stack}/snapshots?{query}")).await;
        assert_eq!(reply.status.as_u16(), status, "{query}: {}", reply.text);
    }
    let shown = world.get(&format!("{stack}/snapshots?limit=0")).await.json();
    assert_eq!(shown, json!({"snapshots": []}));
    assert_eq!(world.get(&format!("{snapshot}?with_data=x")).await.status, 200, "show has no parameters, as in Heat");
}
