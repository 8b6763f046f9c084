//! The OpenAPI document, held against every answer that a test of the API gets: the status must be documented, the
//! content's type too, and a JSON body must fit its schema. And the document itself, as it is served and committed.

use axum::http::Method;
use serde_json::Value;

use crate::support::{Reply, World};

/// What is wrong with an answer, as the document has it. Nothing where no route was asked.
pub(crate) fn complaint(document: &Value, method: &Method, path: &str, reply: &Reply) -> Option<String> {
    let operation = operation(document, method, path)?;
    let responses = &operation["responses"];
    let response = &responses[reply.status.as_u16().to_string()];
    if response.is_null() {
        return Some(format!("{} is not documented", reply.status));
    }
    let kind = reply.header("content-type").split(';').next().unwrap_or_default();
    if reply.text.is_empty() && kind.is_empty() {
        return None;
    }
    let content = &response["content"][kind];
    if content.is_null() {
        return Some(format!("{} with {kind:?} is not documented", reply.status));
    }
    match kind {
        "application/json" => fits(document, &content["schema"], &reply.json()).err(),
        _ => None,
    }
}

fn operation<'a>(document: &'a Value, method: &Method, path: &str) -> Option<&'a Value> {
    let parts = |path: &str| path.split('/').map(str::to_owned).collect::<Vec<_>>();
    let asked = parts(&path.replacen("/v1.0/", "/v1/", 1));
    let matches = |pattern: &str| {
        let pattern = parts(pattern);
        let same = |(own, asked): (&String, &String)| own == asked || (own.starts_with('{') && !asked.is_empty());
        pattern.len() == asked.len() && pattern.iter().zip(&asked).all(same)
    };
    let mut found: Vec<_> = document["paths"].as_object()?.iter().filter(|(pattern, _)| matches(pattern)).collect();
    // The one with the fewest parameters is the one that is routed to.
    found.sort_by_key(|(pattern, _)| pattern.matches('{').count());
    found.first()?.1.get(method.as_str().to_lowercase())
}

/// As much of JSON Schema as the document uses.
fn fits(document: &Value, schema: &Value, value: &Value) -> Result<(), String> {
    if let Some(name) = schema["$ref"].as_str() {
        let path = name.strip_prefix('#').unwrap();
        return fits(document, document.pointer(path).unwrap_or_else(|| panic!("no {name}")), value);
    }
    for any in ["oneOf", "anyOf"] {
        if let Some(options) = schema[any].as_array() {
            let wrong: Vec<_> = options.iter().filter_map(|option| fits(document, option, value).err()).collect();
            return if wrong.len() < options.len() { Ok(()) } else { Err(wrong.join(", and ")) };
        }
    }
    if let Some(all) = schema["allOf"].as_array() {
        all.iter().try_for_each(|one| fits(document, one, value))?;
    }
    let kinds: Vec<&str> = match &schema["type"] {
        Value::String(kind) => vec![kind],
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => return Ok(()),
    };
    let is = |kind: &&str| match *kind {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("a type {other}"),
    };
    if !kinds.iter().any(is) {
        return Err(format!("{value} is no {kinds:?}"));
    }
    if let (Some(values), false) = (schema["enum"].as_array(), value.is_null())
        && !values.contains(value)
    {
        return Err(format!("{value} is none of {values:?}"));
    }
    if let Some(object) = value.as_object() {
        for name in schema["required"].as_array().into_iter().flatten() {
            let name = name.as_str().unwrap();
            if !object.contains_key(name) {
                return Err(format!("{name} is missing in {value}"));
            }
        }
        for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
            if let Some(value) = object.get(name) {
                fits(document, schema, value).map_err(|wrong| format!("{name}: {wrong}"))?;
            }
        }
    }
    value.as_array().into_iter().flatten().try_for_each(|value| fits(document, &schema["items"], value))
}

#[tokio::test]
async fn it_is_served_beside_a_page_that_needs_nothing_else() {
    let world = World::new();
    let served = world.get("/openapi.json").await;
    assert_eq!(served.header("content-type"), "application/json");
    assert_eq!(served.json(), serde_json::to_value(stacksnap_api::document()).unwrap());
    assert_eq!(world.get("/docs").await.header("location"), "/docs/");
    let page = world.get("/docs/").await;
    assert_eq!((page.status.as_u16(), page.header("content-type")), (200, "text/html"));
    let policy = page.header("content-security-policy");
    assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy}");
    assert!(!page.text.contains("http://") && !page.text.contains("https://"), "asks another host: {}", page.text);
    for name in ["swagger-ui.css", "swagger-ui-bundle.js", "swagger-initializer.js"] {
        assert!(page.text.contains(name), "{name}");
        assert_eq!(world.get(&format!("/docs/{name}")).await.status, 200, "{name}");
    }
    let start = world.get("/docs/swagger-initializer.js").await;
    assert!(start.text.contains("/openapi.json"), "{}", start.text);
    for nothing in ["/docs/nothing", "/docs/../routes.rs", "/docs/%2e%2e/Cargo.toml", "/docs/a/b"] {
        assert_eq!(world.get(nothing).await.status, 404, "{nothing}");
    }
    // Not for a page of another site, as everything without authentication.
    let foreign = [("sec-fetch-site", "cross-site")];
    for path in ["/docs/", "/openapi.json"] {
        assert_eq!(world.ask(Method::GET, path, &foreign, b"").await.fault().0, 403, "{path}");
    }
}

#[test]
fn the_committed_document_is_the_one_that_is_served() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/openapi.json");
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    let now = stacksnap_api::document().to_pretty_json().unwrap() + "\n";
    assert!(committed == now, "run: stacksnap openapi > docs/openapi.json");
}

#[test]
fn the_document_tells_what_is_wrong() {
    let document = serde_json::to_value(stacksnap_api::document()).unwrap();
    let reply = |status: u16, kind: &'static str, text: &str| {
        let mut headers = axum::http::HeaderMap::new();
        headers.insert("content-type", kind.parse().unwrap());
        Reply { status: status.try_into().unwrap(), headers, text: text.to_owned() }
    };
    let complaint = |reply: Reply| complaint(&document, &Method::GET, "/v1/p/stacks/s/i/snapshots", &reply);
    assert_eq!(complaint(reply(200, "application/json", "{\"snapshots\": []}")), None);
    assert!(complaint(reply(200, "application/json", "{\"snapshot\": []}")).unwrap().contains("missing"));
    assert!(complaint(reply(200, "application/json", "{\"snapshots\": {}}")).unwrap().contains("is no"));
    assert!(complaint(reply(200, "text/html", "x")).unwrap().contains("text/html"));
    assert!(complaint(reply(201, "application/json", "{}")).unwrap().contains("not documented"));
}
