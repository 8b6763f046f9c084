#![allow(clippy::unwrap_used)]

use axum::response::IntoResponse;

use super::*;

fn with(template: &Value, environment: &Value, parameters: &Value) -> Result<Parsed, Fault> {
    let files = json!({"f": "content"});
    let given = Given {
        template,
        environment,
        parameters,
        files: files.as_object().unwrap(),
        stack_name: &"s".parse().unwrap(),
        before: &[],
        project: &"p".parse().unwrap(),
        resources: 100,
    };
    parse(&given, &Kinds::default())
}

fn parsed(text: &str) -> Result<Parsed, Fault> {
    with(&text.into(), &Value::Null, &Value::Null)
}

/// The type and message of the refusal.
async fn refusal(result: Result<Parsed, Fault>) -> (String, String) {
    let response = result.unwrap_err().into_response();
    assert_eq!(response.status(), 400);
    let bytes = axum::body::to_bytes(response.into_body(), 100_000).await.unwrap();
    let body: Value = serde_json::from_slice(&bytes).unwrap();
    let text = |key: &str| body["error"][key].as_str().unwrap_or_default().to_owned();
    (text("type"), text("message"))
}

const GOOD: &str = r#"
heat_template_version: 2018-08-31
description: two
parameters:
  base: {type: string, default: /srv}
  secret: {type: string, hidden: true, default: s3cret}
resources:
  data:
    type: Stacksnap::Directory
    external_id: {list_join: ["/", [{get_param: base}, data]]}
    properties:
      exclude: ["*.tmp"]
      pool: host-1
  db:
    type: Stacksnap::PostgreSQL
    external_id: shop
    depends_on: data
    properties: {server: main}
  net:
    type: OS::Neutron::Net
    external_id: net-1
    properties:
      name: {str_replace: {template: "net of $s in $d", params: {$s: {get_param: "OS::stack_name"}, $d: {get_resource: data}}}}
outputs:
  where: {value: {get_resource: data}}
"#;

#[test]
fn yaml_json_and_objects_are_the_same() {
    let yaml = parsed(GOOD).unwrap();
    assert_eq!(yaml.description, "two");
    let [data, db, net] = yaml.resources.as_slice() else { panic!("{:?}", yaml.resources) };
    assert_eq!(data.external_id.as_deref(), Some("/srv/data"));
    assert_eq!(data.pool.as_str(), "host-1");
    assert_eq!(db.depends_on, ["data".parse().unwrap()]);
    assert_eq!(net.properties["name"], "net of s in /srv/data");
    assert_eq!(net.depends_on, ["data".parse().unwrap()], "a reference is a dependency");
    assert_eq!(net.pool.as_str(), "default");
    let object = with(&yaml.template, &Value::Null, &Value::Null).unwrap();
    let json = parsed(&yaml.template.to_string()).unwrap();
    assert_eq!(object.resources, yaml.resources);
    assert_eq!(json.resources, yaml.resources);
}

#[test]
fn hidden_values_are_masked() {
    let parsed = with(&GOOD.into(), &Value::Null, &json!({"secret": "hush"})).unwrap();
    assert_eq!(parsed.parameters["secret"], "hush");
    let shown = hidden::environment(&parsed.template, &parsed.environment);
    assert_eq!(shown["parameters"]["secret"], "******");
    assert_eq!(hidden::mask(&parsed.template, &parsed.parameters)["base"], "/srv");
}

#[tokio::test]
async fn what_is_wrong_is_said_in_heats_words() {
    let resource = |body: &str| format!("heat_template_version: rocky\nresources:\n  a: {{{body}}}");
    let dir = |body: &str| resource(&format!("type: Stacksnap::Directory, {body}"));
    let cases = [
        ("[]".to_owned(), "HTTPBadRequest", "The template is not a JSON object or YAML mapping."),
        ("a: [".to_owned(), "HTTPBadRequest", "Template not in valid format:"),
        ("resources: {}".to_owned(), "InvalidTemplateVersion", "Template version was not provided"),
        ("heat_template_version: 2012-01-01".to_owned(), "InvalidTemplateVersion", "2012-01-01"),
        (
            "heat_template_version: rocky\nfoo: 1".to_owned(),
            "InvalidTemplateSection",
            "The template section is invalid: foo",
        ),
        ("heat_template_version: rocky\nresources: []".to_owned(), "StackValidationFailed", "must contain a map"),
        (resource("properties: {}"), "StackValidationFailed", "Each Resource must contain a type key."),
        (resource("type: Stacksnap::Diretory"), "StackValidationFailed", "unknown type"),
        (dir("properties: {}"), "StackValidationFailed", "external_id is missing"),
        (dir("external_id: relative"), "StackValidationFailed", "absolute path"),
        (dir("external_id: /a, properties: {colour: red}"), "StackValidationFailed", "unknown property"),
        (dir("external_id: /a, properties: {pool: a/b}"), "StackValidationFailed", "pool"),
        (dir("external_id: /a, foo: 1"), "StackValidationFailed", "\"foo\" is not a valid keyword"),
        (dir("external_id: /a, depends_on: b"), "InvalidTemplateReference", "\"b\" (in a.depends_on)"),
        (dir("external_id: /a, depends_on: a"), "CircularDependencyException", "Circular Dependency Found"),
        (dir("external_id: /a, condition: c"), "StackValidationFailed", "conditions are not resolved"),
        (dir("external_id: {get_param: nope}"), "UserParameterMissing", "The Parameter (nope) was not provided."),
        (dir("external_id: /a, properties: {exclude: [{get_attr: [b, c]}]}"), "StackValidationFailed", "get_attr"),
        (dir("external_id: /a, properties: {exclude: {yaql: {}}}"), "StackValidationFailed", "the function yaql"),
        (
            "heat_template_version: 2015-04-30\nresources: {a: {type: Stacksnap::Directory, external_id: /a}}"
                .to_owned(),
            "StackValidationFailed",
            "2016-10-14",
        ),
    ];
    for (template, kind, part) in cases {
        let (found, message) = refusal(parsed(&template)).await;
        assert_eq!(found, kind, "{template}: {message}");
        assert!(message.contains(part), "{template}: {message}");
        assert_eq!(message.lines().count(), 1, "{message:?}");
    }
}

#[tokio::test]
async fn parameters_are_given_checked_and_of_their_type() {
    let template = json!({"heat_template_version": "rocky", "parameters": {
        "n": {"type": "number", "constraints": [{"range": {"min": 1, "max": 5}}]},
        "l": {"type": "comma_delimited_list", "default": "a, b"},
        "j": {"type": "json", "default": {"k": ["x"]}},
        "b": {"type": "boolean", "default": "yes"},
    }});
    let found = with(&template, &json!({"parameter_defaults": {"n": 9}}), &json!({"n": "3"})).unwrap();
    assert_eq!(Value::Object(found.parameters), json!({"n": 3, "l": ["a", "b"], "j": {"k": ["x"]}, "b": true}));
    let refused = async |parameters: Value| refusal(with(&template, &Value::Null, &parameters)).await;
    assert_eq!(refused(json!({})).await.0, "UserParameterMissing");
    assert_eq!(refused(json!({"n": 1, "x": 1})).await.0, "UnknownUserParameter");
    for wrong in [
        json!({"n": "x"}),
        json!({"n": 6}),
        json!({"n": null}),
        json!({"n": 1, "j": "{"}),
        json!({"n": 1, "b": "maybe"}),
    ] {
        assert_eq!(refused(wrong.clone()).await.0, "StackValidationFailed", "{wrong}");
    }
    let registry = json!({"resource_registry": {"A": "B"}});
    assert_eq!(refusal(with(&template, &registry, &json!({"n": 1}))).await.0, "StackValidationFailed");
}

#[tokio::test]
async fn a_small_text_can_not_grow_large() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for i in 1..12 {
        let before = format!("*a{}", i - 1);
        bomb.push_str(&format!("a{i}: &a{i} [{}]\n", [before.as_str(); 10].join(", ")));
    }
    assert_eq!(refusal(parsed(&bomb)).await.0, "HTTPBadRequest");
    let deep = format!("heat_template_version: rocky\nresources: {}{}", "[".repeat(5_000), "]".repeat(5_000));
    assert_eq!(refusal(parsed(&deep)).await.0, "HTTPBadRequest");
    let resources: Map<_, _> = (0..100)
        .map(|i| (format!("r{i}"), json!({"type": "OS::X::Y", "properties": {"v": {"get_param": "big"}}})))
        .collect();
    let template =
        json!({"heat_template_version": "rocky", "parameters": {"big": {"type": "string"}}, "resources": resources});
    let (_, message) = refusal(with(&template, &Value::Null, &json!({"big": "x".repeat(200_000)}))).await;
    assert!(message.contains("more than"), "{message}");
}
