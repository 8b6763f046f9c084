//! What can be asked of lists: filters, tags, order, pages; and what stands beside them: outputs, single events, metadata.

use serde_json::{Value, json};

use crate::support::{World, keys, template};

async fn made(world: &World, name: &str, tags: &str) {
    let body = json!({"stack_name": name, "template": template(), "tags": tags});
    assert_eq!(world.post("/v1/p/stacks", body).await.status, 201);
    world.work().await;
}

async fn names(world: &World, query: &str) -> Vec<String> {
    let reply = world.get(&format!("/v1/p/stacks{query}")).await;
    assert_eq!(reply.status, 200, "{query}: {}", reply.text);
    reply.json()["stacks"].as_array().unwrap().iter().map(|s| s["stack_name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn tags_narrow_a_list() {
    let world = World::new();
    for (name, tags) in [("a", "x"), ("b", "x,y"), ("c", "y,z"), ("d", ""), ("h", "x,data-processing-cluster")] {
        made(&world, name, tags).await;
    }
    for (query, expected) in [
        ("", "d c b a"),
        ("?show_hidden=True", "h d c b a"),
        ("?tags=x", "b a"),
        ("?tags=x&show_hidden=true", "h b a"),
        ("?tags=x,y", "b"),
        ("?tags_any=x,z", "c b a"),
        ("?not_tags=x,y", "d c a"),
        ("?not_tags_any=x,z", "d"),
        ("?tags=nope", ""),
        ("?tags=", "d c b a"),
    ] {
        assert_eq!(names(&world, query).await.join(" "), expected, "{query}");
    }
    let counted = world.get("/v1/p/stacks?tags=x&limit=1&with_count=true").await.json();
    assert_eq!(counted["count"], 2);
    assert_eq!(
        world.get("/v1/p/stacks/detail").await.json()["stacks"],
        world.get("/v1/p/stacks").await.json()["stacks"]
    );
    let long = "x".repeat(81);
    let message = world.get(&format!("/v1/p/stacks?not_tags_any={long}")).await.fault().2;
    assert_eq!(message, format!("Invalid tag, \"{long}\" is longer than 80 characters"));
}

#[tokio::test]
async fn filters_and_order_are_heats() {
    let world = World::new();
    for name in ["b", "a", "c"] {
        made(&world, name, "").await;
    }
    let id = world.get("/v1/p/stacks?name=a").await.json()["stacks"][0]["id"].as_str().unwrap().to_owned();
    world.snapshot(&format!("/v1/p/stacks/a/{id}")).await;
    for (query, expected) in [
        ("?sort_keys=stack_name".to_owned(), "a b c"),
        ("?sort_keys=stack_name&sort_dir=desc".to_owned(), "c b a"),
        ("?sort_keys=stack_status&sort_keys=stack_name".to_owned(), "a b c"),
        ("?sort_keys=nonsense".to_owned(), "c a b"),
        ("?sort_keys=updated_time&sort_dir=desc&limit=1".to_owned(), "a"),
        ("?stack_name=a&stack_name=c".to_owned(), "c a"),
        (format!("?id={id}"), "a"),
        ("?id=nope".to_owned(), ""),
        ("?action=SNAPSHOT".to_owned(), "a"),
        ("?stack_status=CREATE_COMPLETE".to_owned(), "c b"),
        ("?status=COMPLETE&status=FAILED".to_owned(), "c a b"),
        ("?username=anonymous&tenant=p".to_owned(), "c a b"),
        ("?username=nobody".to_owned(), ""),
        ("?tenant=q".to_owned(), ""),
        ("?owner_id=x".to_owned(), ""),
        ("?show_nested=True".to_owned(), "c a b"),
        ("?unknown=1".to_owned(), "c a b"),
        ("?limit=0".to_owned(), ""),
        (format!("?marker={id}"), "b"),
        ("?marker=nope".to_owned(), "c a b"),
        ("?sort_keys=stack_name&limit=2".to_owned(), "a b"),
    ] {
        assert_eq!(names(&world, &query).await.join(" "), expected, "{query}");
    }
    let page = world.get("/v1/p/stacks?sort_keys=stack_name&limit=2").await.json();
    let next = page["links"][0]["href"].as_str().unwrap().strip_prefix("http://127.0.0.1:8004").unwrap().to_owned();
    let next = next.strip_prefix("/v1/p/stacks").unwrap();
    assert_eq!(names(&world, next).await, ["c"]);
    for (query, part) in [
        ("?limit=x", "Only integer is acceptable by 'limit'."),
        ("?limit=-1", "Value '-1' is invalid for 'limit' which only accepts non-negative integer."),
        ("?sort_dir=up", "sort_dir"),
        ("?with_count=maybe", "Unrecognized value \"maybe\" for \"with_count\""),
        ("?show_deleted=2", "Unrecognized value \"2\" for \"show_deleted\""),
        ("?show_hidden=x", "show_hidden"),
    ] {
        let (code, _, message) = world.get(&format!("/v1/p/stacks{query}")).await.fault();
        assert!(code == 400 && message.contains(part), "{query}: {message}");
    }
    assert_eq!(
        world.get("/v1/p/stacks?global_tenant=True").await.fault().2,
        "You are not authorized to use stacks:global_index."
    );
    world.delete(&format!("/v1/p/stacks/a/{id}")).await;
    world.work().await;
    assert_eq!(names(&world, "?show_deleted=True&sort_keys=stack_name").await, ["a", "b", "c"]);
    assert_eq!(names(&world, "").await, ["c", "b"]);
    assert_eq!(names(&world, "?show_deleted=True&action=DELETE").await, ["a"]);
}

#[tokio::test]
async fn events_are_narrowed_sorted_and_shown_one_by_one() {
    let world = World::new();
    let stack = world.stack("gold").await;
    world.snapshot(&stack).await;
    let events = async |query: &str| {
        let reply = world.get(&format!("{stack}/events{query}")).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        reply.json()["events"].as_array().unwrap().clone()
    };
    let all = events("").await;
    let of_type = events("?resource_type=OS::Heat::Stack").await;
    assert!(of_type.iter().all(|event| event["resource_name"] == "gold") && of_type.len() == 4, "{of_type:?}");
    assert_eq!(events("?resource_action=SNAPSHOT&resource_status=COMPLETE&resource_name=data").await.len(), 1);
    assert_eq!(events("?resource_name=data&resource_name=logs").await.len(), 8);
    let sorted = events("?sort_keys=resource_type").await;
    assert_eq!((sorted.len(), &sorted[0]["resource_name"]), (all.len(), &json!("gold")));
    let nested = events("?nested_depth=1&limit=1").await;
    assert_eq!(nested[0]["links"][3]["rel"], "root_stack");
    assert_eq!(world.get(&format!("{stack}/events?nested_depth=x")).await.fault().0, 400);

    let data = all.iter().find(|event| event["resource_name"] == "data").unwrap();
    assert_eq!(data["physical_resource_id"], "/srv/data");
    let href = data["links"][0]["href"].as_str().unwrap().strip_prefix("http://127.0.0.1:8004").unwrap();
    let one = world.get(href).await.json()["event"].clone();
    let mut heats = keys(data);
    heats.extend(["resource_type", "resource_properties"]);
    assert_eq!(keys(&one), heats);
    assert_eq!(one["resource_type"], "Stacksnap::Directory");
    let own = all.iter().find(|event| event["resource_name"] == "gold").unwrap();
    let href = own["links"][0]["href"].as_str().unwrap().strip_prefix("http://127.0.0.1:8004").unwrap();
    assert_eq!(world.get(href).await.json()["event"]["resource_type"], "OS::Heat::Stack");
    let unknown = format!("{stack}/resources/data/events/nope");
    assert_eq!(world.get(&unknown).await.fault(), (404, "HTTPNotFound".to_owned(), "No event nope found".to_owned()));
    let none = world.get(&format!("{stack}/resources/nope/events")).await.fault();
    assert_eq!(none, (404, "HTTPNotFound".to_owned(), "No events found for resource nope".to_owned()));
    // A deleted stack's events are still there: `stack delete --wait` looks for them.
    world.delete(&stack).await;
    world.work().await;
    assert_eq!(events("?limit=1").await[0]["resource_status"], "DELETE_COMPLETE");
}

#[tokio::test]
async fn outputs_are_named_and_shown() {
    let world = World::new();
    let stack = world.stack("gold").await;
    let outputs = world.get(&format!("{stack}/outputs")).await.json();
    let one = |key: &str| json!({"output_key": key, "description": "No description given"});
    assert_eq!(outputs, json!({"outputs": [one("where"), one("attr")]}));
    let shown = world.get(&format!("{stack}/outputs/where")).await.json();
    assert_eq!(
        shown,
        json!({"output": {"output_key": "where", "description": "No description given", "output_value": "/srv/data"}})
    );
    let broken = world.get(&format!("{stack}/outputs/attr")).await.json()["output"].clone();
    assert!(broken["output_value"].is_null() && broken["output_error"].is_string(), "{broken}");
    let fault = world.get(&format!("{stack}/outputs/nope")).await.fault();
    assert_eq!(fault, (404, "NotFound".to_owned(), "Specified output key nope not found.".to_owned()));
}

#[tokio::test]
async fn metadata_is_the_templates() {
    let world = World::new();
    let mut with = template();
    with["resources"]["data"]["metadata"] = json!({"label": {"get_param": "label"}});
    let made = world.post("/v1/p/stacks", json!({"stack_name": "gold", "template": with})).await;
    let stack = made.header("location").replace("http://127.0.0.1:8004", "");
    world.work().await;
    let metadata = async |name: &str| world.get(&format!("{stack}/resources/{name}/metadata")).await;
    assert_eq!(metadata("data").await.json(), json!({"metadata": {"label": "first"}}));
    assert_eq!(metadata("net").await.json(), json!({"metadata": {"k": "v"}}));
    assert_eq!(metadata("logs").await.json(), json!({"metadata": {}}));
    assert_eq!(metadata("nope").await.fault().1, "ResourceNotFound");
}

#[tokio::test]
async fn a_resource_keeps_its_times() {
    let world = World::new();
    let stack = world.stack("gold").await;
    let times = async |name: &str| {
        let shown = world.get(&format!("{stack}/resources/{name}")).await.json()["resource"].clone();
        (shown["creation_time"].clone(), shown["updated_time"].clone())
    };
    let before = times("data").await;
    world.snapshot(&stack).await;
    assert_eq!(times("data").await, before, "a snapshot changes no resource's times");
    let created: Value = world.get(&stack).await.json()["stack"]["creation_time"].clone();
    assert_eq!(before, (created.clone(), created));
}
