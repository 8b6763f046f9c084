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
        adopting: false,
        project: &"p".parse().unwrap(),
        resources: 100,
    };
    parse(&given, &Kinds::default())
}

fn parsed(text: &str) -> Result<Parsed, Fault> {
    with(&text.into(), &Value::Null, &Value::Null)
}

/// The type and message of the refusal.
async fn refusal<T: std::fmt::Debug>(result: Result<T, Fault>) -> (String, String) {
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
        (dir("external_id: /a, condition: c"), "StackValidationFailed", "Invalid condition \"c\""),
        (resource("type: OS::Cinder::Volume"), "StackValidationFailed", "name what exists by external_id"),
        (resource("type: OS::Heat::Value, external_id: x"), "StackValidationFailed", "leave external_id out"),
        (
            resource("type: OS::Heat::TestResource, properties: {foo: 1}"),
            "StackValidationFailed",
            "Property error: resources.a.properties: Unknown Property foo",
        ),
        (dir("external_id: {get_param: nope}"), "UserParameterMissing", "The Parameter (nope) was not provided."),
        (dir("external_id: /a, properties: {exclude: [{get_attr: [b, c]}]}"), "InvalidTemplateReference", "get_attr"),
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
        .map(|i| {
            (
                format!("r{i}"),
                json!({"type": "OS::X::Y", "external_id": "x", "properties": {"v": {"get_param": "big"}}}),
            )
        })
        .collect();
    let template =
        json!({"heat_template_version": "rocky", "parameters": {"big": {"type": "string"}}, "resources": resources});
    let (_, message) = refusal(with(&template, &Value::Null, &json!({"big": "x".repeat(200_000)}))).await;
    assert!(message.contains("more than"), "{message}");
}

fn value(version: &str, given: Value) -> Result<Value, Fault> {
    let template = json!({"heat_template_version": version, "parameters": {
        "yes": {"type": "boolean", "default": true}, "no": {"type": "boolean", "default": false},
        "map": {"type": "json", "default": {"k": ["x", "y"]}},
    }, "conditions": {"on": {"get_param": "yes"}, "off": {"not": "on"}, "both": {"and": ["on", {"or": ["off", "on"]}]}},
    "resources": {"v": {"type": "OS::Heat::Value", "properties": {"value": given}}}});
    let parsed = with(&template, &Value::Null, &Value::Null)?;
    Ok(parsed.resources[0].properties.get("value").cloned().unwrap_or_default())
}

#[test]
fn functions_are_heats() {
    for (given, expected) in [
        (json!({"get_param": ["map", "k", 1]}), json!("y")),
        (json!({"get_param": ["map", "k", 7]}), json!("")),
        (json!({"list_join": ["-", ["a", {"b": 1}], [null]]}), json!("a-{\"b\": 1}-")),
        (json!({"str_split": [",", "a,b"]}), json!(["a", "b"])),
        (json!({"str_split": [",", "a,b", "1"]}), json!("b")),
        (json!({"str_replace": {"template": "aab", "params": {"a": "b", "aa": [1, 2]}}}), json!("[1, 2]b")),
        (json!({"digest": ["sha256", "a"]}), json!("ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb")),
        (json!({"map_merge": [{"a": 1}, null, {"a": 2}]}), json!({"a": 2})),
        (json!({"map_replace": [{"a": "x"}, {"keys": {"a": "b"}, "values": {"x": "y"}}]}), json!({"b": "y"})),
        (json!({"list_concat": [[1], [2, 1]]}), json!([1, 2, 1])),
        (json!({"list_concat_unique": [[1], [2, 1]]}), json!([1, 2])),
        (json!({"filter": [["a"], ["a", "b"]]}), json!(["b"])),
        (json!({"contains": ["a", ["a"]]}), json!(true)),
        (json!({"if": ["both", "then", "else"]}), json!("then")),
        (json!({"if": [{"equals": [{"get_param": "no"}, true]}, {"get_attr": ["gone", "x"]}, "else"]}), json!("else")),
        (json!([1, {"if": ["off", 2]}]), json!([1])),
        (
            json!({"repeat": {"template": {"%a%": "%b%"}, "for_each": {"%a%": ["p", "q"], "%b%": ["r", "s"]}}}),
            json!([{"p": "r"}, {"p": "s"}, {"q": "r"}, {"q": "s"}]),
        ),
        (
            json!({"repeat": {"template": "%a%%b%", "for_each": {"%a%": [1, 2], "%b%": ["r", "s"]}, "permutations": false}}),
            json!(["1r", "2s"]),
        ),
        (json!({"equals": [1, 1]}), json!({"equals": [1, 1]})),
    ] {
        assert_eq!(value("wallaby", given.clone()).unwrap(), expected, "{given}");
    }
    // A map whose key is no function of its version is a map.
    assert!(value("2016-10-14", json!({"contains": 1})).is_ok_and(|value| value == json!({"contains": 1})));
}

#[tokio::test]
async fn what_functions_refuse_is_said() {
    for (version, given, part) in [
        ("wallaby", json!({"yaql": {"expression": "$"}}), "the function yaql is not resolved by this service"),
        ("wallaby", json!({"Ref": "x"}), "is not supported in this version of HOT"),
        ("wallaby", json!({"if": ["nope", 1, 2]}), "Invalid condition \"nope\""),
        ("rocky", json!({"if": ["on", 1]}), "Arguments to \"if\" must be of the form"),
        ("wallaby", json!({"get_attr": ["v", "value"]}), "Circular Dependency Found"),
        ("wallaby", json!({"get_attr": ["w", "value"]}), "\"w\" (in get_attr) is incorrect"),
        (
            "wallaby",
            json!({"str_replace_strict": {"template": "a", "params": {"b": 1}}}),
            "not found in the template: b",
        ),
        ("wallaby", json!({"digest": ["md5", "a"]}), "Algorithm must be one of"),
        (
            "wallaby",
            json!({"repeat": {"template": "x", "for_each": {"a": vec![0; 3_000], "b": vec![0; 3_000]}}}),
            "more than",
        ),
    ] {
        let refused = value(version, given.clone()).map(|_| panic!("{given} was taken"));
        let (_, message) = refusal(refused).await;
        assert!(message.contains(part), "{given}: {message}");
    }
}

#[test]
fn native_resources_are_made_and_referred_to() {
    let template = |label: &str| {
        json!({"heat_template_version": "2015-04-30", "resources": {
            "last": {"type": "OS::Heat::TestResource", "properties": {"value": {"get_attr": ["middle", "output"]}}},
            "middle": {"type": "OS::Heat::TestResource", "properties": {
                "value": {"str_replace": {"template": "x-y", "params": {"x": label, "y": {"get_resource": "secret"}}}}}},
            "secret": {"type": "OS::Heat::RandomString", "properties": {"length": 8}},
        }})
    };
    let made = with(&template("one"), &Value::Null, &Value::Null).unwrap().resources;
    let [last, middle, secret] = made.as_slice() else { panic!("{made:?}") };
    let text = secret.data["value"].as_str().unwrap();
    assert_eq!((text.len(), &middle.data["value"]), (8, &json!(format!("one-{text}"))));
    assert_eq!(last.data, middle.data);
    assert_eq!(last.depends_on, ["middle".parse().unwrap()]);
    // An update keeps the secret and the physical ids.
    let files = Map::new();
    let (name, project) = ("s".parse().unwrap(), "p".parse().unwrap());
    let template = template("two");
    let given = Given {
        template: &template,
        environment: &Value::Null,
        parameters: &Value::Null,
        files: &files,
        stack_name: &name,
        project: &project,
        before: &made,
        adopting: false,
        resources: 100,
    };
    let updated = parse(&given, &Kinds::default()).unwrap().resources;
    assert_eq!(updated[2], *secret);
    assert_eq!(updated[0].data["value"], json!(format!("two-{text}")));
    assert_eq!(updated[0].external_id, last.external_id);
}

#[test]
fn what_a_false_condition_leaves_out_is_not_there() {
    let template = json!({"heat_template_version": "rocky", "conditions": {"never": {"equals": [1, 2]}}, "resources": {
        "a": {"type": "OS::Heat::None", "depends_on": "b"},
        "b": {"type": "OS::Nova::Server", "condition": "never"},
    }});
    let made = with(&template, &Value::Null, &Value::Null).unwrap().resources;
    assert_eq!(made.len(), 1);
    assert!(made[0].depends_on.is_empty());
}

#[test]
fn validating_describes_parameters_and_needs_no_values() {
    let template = json!({"heat_template_version": "2015-04-30", "description": "d", "parameters": {
        "name": {"type": "string", "description": "n", "constraints": [
            {"length": {"min": 2, "max": 3}, "description": "two or three"}, {"allowed_pattern": "[a-z]+"}]},
        "secs": {"type": "number", "default": 0, "hidden": true},
    }, "parameter_groups": [{"label": "g", "parameters": ["name"]}], "resources": {
        "t": {"type": "OS::Heat::TestResource", "properties": {"client_name": {"get_param": "name"}}},
    }});
    let files = Map::new();
    let (name, project) = ("s".parse().unwrap(), "p".parse().unwrap());
    let parameters = json!({"secs": 123});
    let given = Given {
        template: &template,
        environment: &Value::Null,
        parameters: &parameters,
        files: &files,
        stack_name: &name,
        project: &project,
        before: &[],
        adopting: false,
        resources: 100,
    };
    let answer = validate(&given, &Kinds::default()).unwrap();
    assert_eq!(
        answer["Parameters"]["name"],
        json!({
            "Type": "String", "Description": "n", "NoEcho": "false", "Label": "name", "MinLength": 2, "MaxLength": 3,
            "ConstraintDescription": "two or three", "AllowedPattern": "[a-z]+",
        })
    );
    assert_eq!(
        answer["Parameters"]["secs"],
        json!({
            "Type": "Number", "Description": "", "NoEcho": "true", "Label": "secs", "Default": "******", "Value": "******",
        })
    );
    assert_eq!(answer["ParameterGroups"][0]["label"], "g");
}

#[tokio::test]
async fn constraints_are_checked_and_must_have_sense() {
    let with_one = |kind: &str, constraint: Value, given: Value| {
        let template = json!({"heat_template_version": "rocky", "parameters": {
            "p": {"type": kind, "constraints": [constraint]}}});
        with(&template, &Value::Null, &json!({"p": given}))
    };
    for (kind, constraint, good) in [
        ("string", json!({"length": {"min": 2}}), json!("ab")),
        ("number", json!({"range": {"max": 5}}), json!(5)),
        ("number", json!({"modulo": {"step": 3, "offset": 1}}), json!(7)),
        ("string", json!({"allowed_pattern": "[a-z]+"}), json!("ab")),
        ("string", json!({"custom_constraint": "nova.flavor"}), json!("m1.tiny")),
        ("comma_delimited_list", json!({"allowed_values": ["a", "b"]}), json!("a,b")),
    ] {
        assert!(with_one(kind, constraint.clone(), good).is_ok(), "{constraint}");
    }
    for (kind, constraint, bad, part) in [
        ("string", json!({"length": {"min": 2}}), json!("a"), "length (1) is out of range (min: 2, max: None)"),
        ("number", json!({"range": {"min": 1, "max": 5}}), json!(6), "6 is out of range (min: 1, max: 5)"),
        ("number", json!({"modulo": {"step": 3, "offset": 1}}), json!(8), "8 is not a multiple of 3"),
        ("string", json!({"allowed_pattern": "[a-z]+"}), json!("ab1"), "\"ab1\" does not match pattern \"[a-z]+\""),
        ("string", json!({"allowed_values": ["a"]}), json!("b"), "b is not an allowed value [a]"),
        ("string", json!({"allowed_pattern": "(?=a)"}), json!("a"), "can't be checked by this service"),
        ("string", json!({"allowed_pattern": "(a{1000}){1000}"}), json!("a"), "can't be checked by this service"),
        ("number", json!({"modulo": {"step": 0, "offset": 0}}), json!(8), "step cannot be 0."),
        ("number", json!({"range": {}}), json!(8), "must have a min value"),
        ("number", json!({"colour": {}}), json!(8), "Invalid key 'colour'"),
    ] {
        let (_, message) = refusal(with_one(kind, constraint, bad)).await;
        assert!(message.contains(part), "{message}");
    }
}

#[tokio::test]
async fn environment_files_are_put_over_each_other_and_over_parameters() {
    let template: Value = "heat_template_version: rocky\nparameters: {a: {type: string}, b: {type: string}}".into();
    let files = json!({"one": "parameters: {a: one, b: one, undeclared: 1}", "two": {"parameters": {"b": "two", "c": 3}},
        "none": "", "merging": "parameter_merge_strategies: {b: merge}"});
    let requested = |body: Value| {
        let (body, files) = (body.as_object().unwrap(), files.as_object().unwrap());
        let (environment, parameters) = environment::requested(body, &template, files)?;
        environment::parse(&environment, parameters).map(|found| found["parameters"].clone())
    };
    let merged = json!({"environment": {"parameters": {"a": "merged"}}, "parameters": {"b": "mine"}});
    assert_eq!(requested(merged.clone()).unwrap(), json!({"a": "merged", "b": "mine"}));
    let with = |names: Value| {
        let mut body = merged.clone();
        body["environment_files"] = names;
        requested(body)
    };
    assert_eq!(with(json!([])).unwrap(), json!({"a": "merged", "b": "mine"}), "an empty list is none");
    assert_eq!(
        with(json!(["one", "none"])).unwrap(),
        json!({"a": "one", "b": "one"}),
        "no undeclared ones over values"
    );
    assert_eq!(with(json!(["one", "two"])).unwrap(), json!({"a": "one", "b": "two"}));
    assert_eq!(with(json!(["two", "one"])).unwrap(), json!({"a": "one", "b": "one"}));
    let alone = requested(json!({"environment_files": ["two"]})).unwrap();
    assert_eq!(alone, json!({"b": "two", "c": 3}), "the first counts whole, and what it has too much is refused later");
    for (names, part) in [
        (json!("one"), "must be a list"),
        (json!([1]), "names 1, and files has nothing"),
        (json!(["three"]), "names \"three\", and files has nothing"),
        (json!(["merging"]), "parameter_merge_strategies are not supported"),
    ] {
        let (_, message) = refusal(with(names)).await;
        assert!(message.contains(part), "{message}");
    }
}
