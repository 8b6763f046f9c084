//! What is asked about templates before there is a stack.

use axum::http::Method;
use serde_json::{Value, json};

use crate::support::{World, template};

fn minimal() -> Value {
    json!({
        "heat_template_version": "2015-04-30",
        "parameters": {"name": {"type": "string"}, "secs": {"type": "number", "default": 0}},
        "resources": {"t": {"type": "OS::Heat::TestResource", "properties": {
            "client_name": {"get_param": "name"}, "wait_secs": {"get_param": "secs"}}}},
    })
}

#[tokio::test]
async fn a_template_is_validated_with_and_without_values() {
    let world = World::new();
    let answer = world.post("/v1/p/validate", json!({"template": minimal()})).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let answer = answer.json();
    assert_eq!(answer["Parameters"]["name"]["Type"], "String");
    assert_eq!(answer["Parameters"]["secs"]["Default"], 0);
    assert_eq!(answer["Environment"]["parameters"], json!({}));
    let values = json!({"parameters": {"name": "x", "secs": "123"}});
    let answer = world.post("/v1/p/validate", json!({"template": minimal(), "environment": values})).await.json();
    assert_eq!(answer["Parameters"]["secs"]["Value"], "123");
    let mut wrong = minimal();
    wrong["resources"]["t"]["properties"]["foo"] = 1.into();
    let (code, kind, message) =
        world.post("/v1/p/validate", json!({"template": wrong, "environment": values})).await.fault();
    assert_eq!((code, kind.as_str()), (400, "StackValidationFailed"));
    assert_eq!(message, "Property error: resources.t.properties: Unknown Property foo");
    let none = world.post("/v1/p/validate", json!({})).await.fault();
    assert_eq!((none.0, none.2.as_str()), (400, "No template specified"));
}

#[tokio::test]
async fn a_preview_shows_a_stack_and_makes_none() {
    let world = World::new();
    let body = json!({"stack_name": "s", "template": minimal(), "parameters": {"name": "x"}});
    let answer = world.post("/v1/p/stacks/preview", body).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let stack = answer.json()["stack"].clone();
    assert_eq!((&stack["stack_name"], &stack["parameters"]["name"]), (&json!("s"), &json!("x")));
    assert_eq!(stack["resources"][0]["resource_type"], "OS::Heat::TestResource");
    assert_eq!(stack["resources"][0]["physical_resource_id"], "");
    assert_eq!(world.get("/v1/p/stacks").await.json()["stacks"], json!([]));
    let named = world.post("/v1/p/stacks/preview", json!({"stack_name": "s", "template": template()})).await.json();
    assert_eq!(named["stack"]["resources"][0]["physical_resource_id"], "/srv/data");
}

#[tokio::test]
async fn types_are_listed_and_shown() {
    let world = World::new();
    let all = world.get("/v1/p/resource_types").await.json();
    let all = all["resource_types"].as_array().unwrap().clone();
    for name in ["OS::Heat::TestResource", "OS::Heat::RandomString", "Stacksnap::Directory", "OS::Nova::Server"] {
        assert!(all.contains(&name.into()), "{name}");
    }
    let some = world.get("/v1/p/resource_types?name=OS::Heat::R&with_description=true").await.json();
    assert_eq!(some["resource_types"][0]["resource_type"], "OS::Heat::RandomString");
    assert_eq!(world.get("/v1/p/resource_types?name=(").await.status, 400);
    let shown = world.get("/v1/p/resource_types/OS::Heat::TestResource").await.json();
    assert_eq!(shown["support_status"]["status"], "SUPPORTED");
    assert_eq!(shown["properties"]["wait_secs"]["default"], 0);
    assert_eq!(shown["properties"]["action_wait_secs"]["schema"]["create"]["type"], "number");
    assert_eq!(shown["attributes"]["output"]["description"].as_str().map(str::is_empty), Some(false));
    let hot = world.get("/v1/p/resource_types/OS::Heat::TestResource/template?template_type=hot").await.json();
    assert_eq!(hot["resources"]["TestResource"]["type"], "OS::Heat::TestResource");
    assert_eq!(hot["heat_template_version"], "2016-10-14");
    let cfn = world.get("/v1/p/resource_types/OS::Nova::Server/template").await.json();
    assert_eq!(cfn["Resources"]["Server"]["Type"], "OS::Nova::Server");
    let (code, kind, message) = world.get("/v1/p/resource_types/OS::No::Such").await.fault();
    assert_eq!((code, kind.as_str()), (404, "EntityNotFound"));
    assert_eq!(message, "The Resource Type (OS::No::Such) could not be found.");
}

#[tokio::test]
async fn versions_and_their_functions_are_listed() {
    let world = World::new();
    let versions = world.get("/v1/p/template_versions").await.json();
    let of = |version: &str| {
        let version = format!("heat_template_version.{version}");
        versions["template_versions"].as_array().unwrap().iter().find(|one| one["version"] == version.as_str()).cloned()
    };
    assert_eq!(
        of("2016-04-08").unwrap(),
        json!({"version": "heat_template_version.2016-04-08", "type": "hot", "aliases": []})
    );
    assert_eq!(of("2017-09-01").unwrap()["aliases"], json!(["heat_template_version.pike"]));
    let names = async |path: &str| {
        let found = world.get(&format!("/v1/p/template_versions/heat_template_version.{path}")).await.json();
        let found = found["template_functions"].as_array().unwrap().clone();
        found.iter().map(|one| one["functions"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let old = names("2013-05-23/functions").await;
    assert!(old.contains(&"Ref".to_owned()) && !old.contains(&"repeat".to_owned()), "{old:?}");
    let new = names("pike/functions").await;
    assert!(new.contains(&"yaql".to_owned()) && !new.contains(&"equals".to_owned()), "{new:?}");
    assert!(names("pike/functions?with_condition_func=true").await.contains(&"equals".to_owned()));
    assert_eq!(world.get("/v1/p/template_versions/heat_template_version.1999-01-01/functions").await.status, 404);
}

#[tokio::test]
async fn software_and_services_answer_what_clients_ask() {
    let world = World::new();
    assert_eq!(world.get("/v1/p/software_configs").await.json(), json!({"software_configs": []}));
    assert_eq!(world.get("/v1/p/software_deployments").await.json(), json!({"software_deployments": []}));
    let (code, kind, _) = world.post("/v1/p/software_configs", json!({"name": "x"})).await.fault();
    assert_eq!((code, kind.as_str()), (400, "NotSupported"));
    assert_eq!(world.get("/v1/p/software_configs/x").await.status, 404);
    assert_eq!(world.ask(Method::GET, "/v1/p/services", &[], b"").await.json(), json!({"services": []}));
}
