//! Stacks, their resources, events and templates, as Heat's clients ask for them.

use axum::http::Method;
use serde_json::{Value, json};
use stacksnap_common::operation::Verb;

use crate::support::{World, failing, keys, template};

#[tokio::test]
async fn create_is_201_and_in_progress_until_each_resource_was_looked_at() {
    let world = World::new();
    let body = json!({"stack_name": "gold", "template": template(), "timeout_mins": 60, "tags": "a,b", "parameters": {"label": "one"}});
    let made = world.post("/v1/p/stacks", body).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let location = made.header("location").to_owned();
    let id = made.json()["stack"]["id"].as_str().unwrap().to_owned();
    assert_eq!(location, format!("http://127.0.0.1:8004/v1/p/stacks/gold/{id}"));
    assert_eq!(made.json(), json!({"stack": {"id": id, "links": [{"href": location, "rel": "self"}]}}));
    let path = format!("/v1/p/stacks/gold/{id}");
    assert_eq!(world.get(&path).await.json()["stack"]["stack_status"], "CREATE_IN_PROGRESS");
    world.work().await;
    let shown = world.get(&path).await.json()["stack"].clone();
    // Transcript 008.
    let heats = [
        "stack_name",
        "id",
        "links",
        "creation_time",
        "updated_time",
        "deletion_time",
        "notification_topics",
        "parameters",
        "description",
        "template_description",
        "capabilities",
        "disable_rollback",
        "timeout_mins",
        "stack_owner",
        "parent",
        "stack_user_project_id",
        "tags",
        "stack_status",
        "stack_status_reason",
        "outputs",
    ];
    assert_eq!(keys(&shown), heats);
    assert_eq!(shown["stack_status"], "CREATE_COMPLETE");
    assert_eq!(shown["tags"], json!(["a", "b"]));
    assert_eq!(shown["parameters"]["label"], "one");
    assert_eq!(shown["parameters"]["OS::stack_name"], "gold");
    assert_eq!(shown["outputs"][0]["output_value"], "/srv/data");
    assert_eq!(shown["outputs"][1]["output_value"], Value::Null);
    assert!(shown["outputs"][1]["output_error"].as_str().unwrap().contains("get_attr"));
    assert_eq!(world.get(&format!("{path}?resolve_outputs=False")).await.json()["stack"].get("outputs"), None);
}

#[tokio::test]
async fn a_check_that_fails_fails_the_stack_with_its_reason() {
    let world = World::new();
    let body = json!({"stack_name": "gold", "template": template()});
    let path = world.post("/v1/p/stacks", body).await.header("location").replace("http://127.0.0.1:8004", "");
    world.work_as(&failing(Verb::Check, "no such directory")).await;
    let shown = world.get(&path).await.json()["stack"].clone();
    assert_eq!(shown["stack_status"], "CREATE_FAILED");
    assert!(shown["stack_status_reason"].as_str().unwrap().contains("no such directory"), "{shown}");
}

#[tokio::test]
async fn what_can_not_be_a_stack_is_refused() {
    let world = World::new();
    world.stack("taken").await;
    let with = |name: Value| json!({"stack_name": name, "template": template()});
    let rule = "must contain only alphanumeric or \"_-.\" characters, must start with alpha and must be 255 characters or less.";
    let good = template();
    for (body, code, kind, part) in [
        (with(json!("1bad")), 400, "StackValidationFailed", format!("Invalid stack name 1bad {rule}")),
        (with(json!("a".repeat(256))), 400, "StackValidationFailed", rule.to_owned()),
        (with(json!("a/b")), 400, "StackValidationFailed", rule.to_owned()),
        (with(json!(5)), 400, "StackValidationFailed", "Invalid stack name 5, must be a string".to_owned()),
        (json!({"template": good}), 400, "HTTPBadRequest", "No stack name specified".to_owned()),
        (json!({"stack_name": "s"}), 400, "HTTPBadRequest", "No template specified".to_owned()),
        (with(json!("taken")), 409, "StackExists", "The Stack (taken) already exists.".to_owned()),
        (json!({"stack_name": "s", "template": 5}), 400, "HTTPBadRequest", "not a JSON object".to_owned()),
        (
            json!({"stack_name": "s", "template": good, "tags": ["x".repeat(81)]}),
            400,
            "HTTPBadRequest",
            "longer than 80".to_owned(),
        ),
        (
            json!({"stack_name": "s", "template": good, "timeout_mins": -1}),
            400,
            "HTTPBadRequest",
            "timeout_mins".to_owned(),
        ),
        (
            json!({"stack_name": "s", "template": good, "disable_rollback": "x"}),
            400,
            "HTTPBadRequest",
            "disable_rollback".to_owned(),
        ),
        (json!({"stack_name": "s", "template": good, "files": []}), 400, "HTTPBadRequest", "files".to_owned()),
        (
            json!({"stack_name": "s", "template": good, "parameters": {"x": 1}}),
            400,
            "UnknownUserParameter",
            "(x)".to_owned(),
        ),
        (json!({"stack_name": "s", "template_url": "http://h/t"}), 400, "NotSupported", "template_url".to_owned()),
    ] {
        let (found, found_kind, message) = world.post("/v1/p/stacks", body.clone()).await.fault();
        assert_eq!((found, found_kind.as_str()), (code, kind), "{body}: {message}");
        assert!(message.contains(&part), "{body}: {message}");
    }
    assert_eq!(world.get("/v1/p/stacks").await.json()["stacks"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_name_or_an_id_alone_is_302_to_both() {
    let world = World::new();
    let path = world.stack("gold").await;
    let id = path.rsplit('/').next().unwrap();
    let full = format!("http://127.0.0.1:8004{path}");
    for (method, asked, location) in [
        (Method::GET, "/v1/p/stacks/gold".to_owned(), full.clone()),
        (
            Method::GET,
            format!("/v1/p/stacks/{id}?resolve_outputs=False&x=%2F"),
            format!("{full}?resolve_outputs=False&x=%2F"),
        ),
        (Method::DELETE, "/v1/p/stacks/gold".to_owned(), full.clone()),
        (Method::POST, "/v1/p/stacks/gold".to_owned(), full.clone()),
        (Method::PUT, "/v1/p/stacks/gold".to_owned(), full.clone()),
        (Method::PATCH, "/v1/p/stacks/gold".to_owned(), full.clone()),
        (
            Method::GET,
            "/v1.0/p/stacks/gold/events?limit=1&sort_dir=desc".to_owned(),
            format!("{full}/events?limit=1&sort_dir=desc"),
        ),
        (Method::GET, "/v1/p/stacks/gold/resources".to_owned(), format!("{full}/resources")),
        (Method::GET, "/v1/p/stacks/gold/template".to_owned(), format!("{full}/template")),
        (Method::GET, "/v1/p/stacks/gold/environment?a=b".to_owned(), format!("{full}/environment?a=b")),
        (Method::GET, "/v1/p/stacks/gold/files".to_owned(), format!("{full}/files")),
        (Method::GET, "/v1/p/stacks/gold/actions".to_owned(), format!("{full}/actions")),
        (Method::POST, "/v1/p/stacks/gold/actions?x=1".to_owned(), format!("{full}/actions?x=1")),
        (Method::POST, "/v1/p/stacks/gold/template".to_owned(), format!("{full}/template")),
    ] {
        let reply = world.ask(method.clone(), &asked, &[("accept", "application/json")], b"").await;
        assert_eq!((reply.status.as_u16(), reply.header("location")), (302, location.as_str()), "{method} {asked}");
    }
    let reply = world.get("/v1/p/stacks/gold").await;
    let text = format!(
        "The resource was found at <a href=\"{full}\">{full}</a>;\nyou should be redirected automatically.\n\n"
    );
    assert_eq!(reply.json(), json!({"message": text, "code": "302 Found", "title": "Found"}));
    // Neither do outputs, abandon and export (contract, 1.5).
    for (method, below) in [(Method::GET, "outputs"), (Method::DELETE, "abandon"), (Method::GET, "export")] {
        let reply = world.ask(method, &format!("/v1/p/stacks/gold/{below}"), &[], b"").await;
        assert_eq!(reply.fault().1, "EntityNotFound", "{below}");
    }
    // No redirect for snapshots (transcripts 101, 103).
    assert_eq!(world.get("/v1/p/stacks/gold/snapshots").await.fault().1, "EntityNotFound");
    let reply = world.post("/v1/p/stacks/gold/snapshots", json!({})).await;
    assert_eq!((reply.fault().0, reply.header("allow")), (405, "GET,PUT,PATCH,DELETE"));
    for unknown in ["none", "1bad", "%00"] {
        assert_eq!(world.get(&format!("/v1/p/stacks/{unknown}")).await.fault().1, "EntityNotFound", "{unknown}");
    }
    world.delete(&path).await;
    world.work().await;
    assert_eq!(world.get("/v1/p/stacks/gold").await.fault().1, "EntityNotFound");
    assert_eq!(world.get(&format!("/v1/p/stacks/{id}")).await.status, 302);
}

#[tokio::test]
async fn delete_removes_the_snapshots_too_and_keeps_the_record() {
    let world = World::new();
    let path = world.stack("gold").await;
    world.snapshot(&path).await;
    let gone = world.delete(&path).await;
    assert_eq!((gone.status.as_u16(), gone.text.as_str()), (204, ""));
    assert_eq!(world.get(&path).await.json()["stack"]["stack_status"], "DELETE_IN_PROGRESS");
    assert_eq!(world.delete(&path).await.status, 204);
    world.work().await;
    let shown = world.get(&path).await.json()["stack"].clone();
    assert_eq!(shown["stack_status"], "DELETE_COMPLETE");
    assert!(shown["deletion_time"].is_string() && shown.get("outputs").is_none(), "{shown}");
    assert_eq!(world.delete(&path).await.fault().1, "EntityNotFound");
    assert_eq!(world.get("/v1/p/stacks").await.json()["stacks"], json!([]));
    world.stack("gold").await;
}

#[tokio::test]
async fn stacks_are_listed_newest_first_and_paged() {
    let world = World::new();
    for name in ["a", "b", "c"] {
        world.stack(name).await;
    }
    let names = async |query: &str| -> Vec<String> {
        let body = world.get(&format!("/v1/p/stacks{query}")).await.json();
        body["stacks"].as_array().unwrap().iter().map(|s| s["stack_name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names("").await, ["c", "b", "a"]);
    assert_eq!(names("?sort_dir=asc").await, ["a", "b", "c"]);
    assert_eq!(names("?name=b").await, ["b"]);
    assert_eq!(names("?status=COMPLETE&limit=2").await, ["c", "b"]);
    assert_eq!(names("?status=FAILED").await, [""; 0]);
    let page = world.get("/v1/p/stacks?limit=1&with_count=True").await.json();
    assert_eq!(page["count"], 3);
    let id = page["stacks"][0]["id"].as_str().unwrap();
    let href = format!("http://127.0.0.1:8004/v1/p/stacks?limit=1&with_count=True&marker={id}");
    assert_eq!(page["links"], json!([{"rel": "next", "href": href}]));
    let next = world.get(href.strip_prefix("http://127.0.0.1:8004").unwrap()).await.json();
    assert_eq!(next["stacks"][0]["stack_name"], "b");
    let heats = [
        "id",
        "links",
        "stack_name",
        "description",
        "stack_status",
        "stack_status_reason",
        "creation_time",
        "updated_time",
        "deletion_time",
        "stack_owner",
        "parent",
        "stack_user_project_id",
        "tags",
    ];
    assert_eq!(keys(&page["stacks"][0]), heats);
    assert_eq!(world.get("/v1/p/stacks?limit=x").await.fault().2, "Only integer is acceptable by 'limit'.");
}

#[tokio::test]
async fn resources_are_shown_with_what_needs_them() {
    let world = World::new();
    let path = world.stack("gold").await;
    let found = world.get(&format!("{path}/resources")).await.json()["resources"].clone();
    let heats = [
        "updated_time",
        "creation_time",
        "logical_resource_id",
        "resource_name",
        "physical_resource_id",
        "resource_status",
        "resource_status_reason",
        "resource_type",
        "links",
        "required_by",
    ];
    assert_eq!(keys(&found[0]), heats);
    assert_eq!(found[0]["physical_resource_id"], "/srv/data");
    assert_eq!(found[0]["required_by"], json!(["logs"]));
    assert_eq!(found[0]["resource_status"], "CREATE_COMPLETE");
    let count = async |query: &str| {
        world.get(&format!("{path}/resources{query}")).await.json()["resources"].as_array().unwrap().len()
    };
    assert_eq!(count("?type=OS::Neutron::Net").await, 1);
    assert_eq!(count("?name=data&name=logs&nested_depth=5").await, 2);
    assert_eq!(world.get(&format!("{path}/resources?foo=1")).await.fault().2, "Invalid filter parameters ['foo']");
    let one = world.get(&format!("{path}/resources/data")).await.json()["resource"].clone();
    assert_eq!(one["attributes"], json!({}));
    let (code, kind, message) = world.get(&format!("{path}/resources/nope")).await.fault();
    assert_eq!((code, kind.as_str()), (404, "ResourceNotFound"));
    assert_eq!(message, "The Resource (nope) could not be found in Stack gold.");
}

#[tokio::test]
async fn events_tell_what_happened_in_pages() {
    let world = World::new();
    let path = world.stack("gold").await;
    world.snapshot(&path).await;
    let events = async |query: &str| {
        world.get(&format!("{path}/events{query}")).await.json()["events"].as_array().unwrap().clone()
    };
    let of = |events: &[Value]| -> Vec<String> {
        let word = |event: &Value| format!("{} {}", event["resource_name"], event["resource_status"]).replace('"', "");
        events.iter().map(word).collect()
    };
    let oldest_first = events("?sort_dir=asc").await;
    let words = of(&oldest_first);
    assert_eq!(words[0], "gold CREATE_IN_PROGRESS");
    assert_eq!(words.last().unwrap(), "gold SNAPSHOT_COMPLETE");
    assert!(words.contains(&"data SNAPSHOT_COMPLETE".to_owned()), "{words:?}");
    let keys_of = [
        "id",
        "links",
        "event_time",
        "logical_resource_id",
        "resource_name",
        "physical_resource_id",
        "resource_status",
        "resource_status_reason",
    ];
    assert_eq!(keys(&oldest_first[0]), keys_of);
    assert_eq!(of(&events("").await)[0], "gold SNAPSHOT_COMPLETE");
    assert_eq!(events("?limit=2").await.len(), 2);
    let marker = oldest_first[1]["id"].as_str().unwrap();
    assert_eq!(of(&events(&format!("?sort_dir=asc&marker={marker}")).await), words[2..]);
    let of_data = world.get(&format!("{path}/resources/data/events")).await.json();
    assert!(of_data["events"].as_array().unwrap().iter().all(|event| event["resource_name"] == "data"));
    assert_eq!(world.get(&format!("{path}/resources/nope/events")).await.status, 404);
}

#[tokio::test]
async fn template_environment_and_files_come_bare() {
    let world = World::new();
    let path = world.stack("gold").await;
    assert_eq!(world.get(&format!("{path}/template")).await.json(), template());
    let environment = world.get(&format!("{path}/environment")).await.json();
    let heats = ["resource_registry", "parameters", "parameter_defaults", "event_sinks", "encrypted_param_names"];
    assert_eq!(keys(&environment), heats);
    assert_eq!(world.get(&format!("{path}/files")).await.json(), json!({}));
}
