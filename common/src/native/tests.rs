//! What requests make of native resources, and what is read of them afterwards.

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use serde_json::{Value, json};

use super::make::{Change, Error, make};
use super::*;
use crate::types::Resource;

fn resource(kind: &str, properties: Value) -> Resource {
    Resource {
        name: "r".parse().unwrap(),
        kind: kind.to_owned(),
        external_id: None,
        properties: serde_json::from_value(properties).unwrap(),
        depends_on: Vec::new(),
        pool: Default::default(),
        data: Value::Null,
    }
}

fn made_of(kind: &str, properties: Value, before: Option<&Resource>) -> Result<(Resource, Change), Error> {
    let mut resource = resource(kind, properties);
    let change = make(get(kind).unwrap(), &mut resource, before, &"s".parse().unwrap())?;
    Ok((resource, change))
}

fn made(kind: &str, properties: Value) -> Resource {
    made_of(kind, properties, None).unwrap().0
}

fn changed(before: &Resource, properties: Value) -> (Resource, Change) {
    made_of(&before.kind, properties, Some(before)).unwrap()
}

#[test]
fn a_test_resource_keeps_its_text_and_has_heats_physical_name() {
    let one = made(TEST_RESOURCE, json!({"value": "one", "wait_secs": "3"}));
    assert_eq!(attribute(&one, "output"), Some("one".into()));
    assert_eq!(attribute(&one, "value"), None);
    let id = one.external_id.clone().unwrap();
    let short = id.strip_prefix("s-r-").unwrap();
    assert!(short.len() == 12 && short.bytes().all(|b| b.is_ascii_lowercase() || (b'2'..=b'7').contains(&b)), "{id}");
    assert_eq!(reference(&one), id);
    assert_eq!(one.properties["wait_secs"], 3, "a number, though it was given as a text");
    assert_eq!(attribute(&made(TEST_RESOURCE, json!({})), "output"), Some("test_string".into()));
}

#[test]
fn an_update_keeps_changes_or_replaces_as_in_heat() {
    let one = made(TEST_RESOURCE, json!({"value": "one"}));
    let (same, change) = changed(&one, json!({"value": "one"}));
    assert_eq!((same, change), (one.clone(), Change::Kept));
    let (two, change) = changed(&one, json!({"value": "two"}));
    assert_eq!((change, attribute(&two, "output")), (Change::Updated, Some("two".into())));
    assert_eq!(two.external_id, one.external_id);
    let (new, change) = changed(&one, json!({"value": "two", "update_replace": true}));
    assert_eq!(change, Change::Replaced);
    assert_ne!(new.external_id, one.external_id);
    let (new, change) = changed(&one, json!({"value": "one", "update_replace_value": "x"}));
    assert_eq!(change, Change::Replaced);
    assert_ne!(new.external_id, one.external_id);
    let (failed, change) = changed(&one, json!({"value": "two", "fail": true}));
    assert_eq!((change, attribute(&failed, "output")), (Change::Updated, Some("one".into())));
    let (mended, _) = changed(&failed, json!({"value": "two"}));
    assert_eq!(attribute(&mended, "output"), Some("two".into()));
    let other = made_of(VALUE, json!({"value": 1}), Some(&one)).unwrap();
    assert_eq!(other.1, Change::Made, "another type is another resource");
}

#[test]
fn what_fails_is_not_made_and_is_made_by_the_next_update() {
    let failed = made(TEST_RESOURCE, json!({"value": "one", "fail": "true"}));
    assert_eq!((failed.external_id.as_deref(), &failed.data), (None, &Value::Null));
    assert_eq!(reference(&failed), "r");
    assert_eq!(effort(&failed, "create"), Effort { seconds: Some(0.0), fails: true });
    assert!(!effort(&failed, "delete").fails);
    let (mended, change) = changed(&failed, json!({"value": "one"}));
    assert_eq!((change, attribute(&mended, "output")), (Change::Made, Some("one".into())));
}

#[test]
fn waits_are_by_action() {
    let waits = made(TEST_RESOURCE, json!({"wait_secs": 5, "action_wait_secs": {"update": 0.5}}));
    assert_eq!(effort(&waits, "create").seconds, Some(5.0));
    assert_eq!(effort(&waits, "update").seconds, Some(0.5));
    assert_eq!(effort(&made(TEST_RESOURCE, json!({"wait_secs": -1})), "create").seconds, None);
    assert_eq!(effort(&made(NONE, json!({"wait_secs": 5})), "create").seconds, Some(0.0));
}

#[test]
fn a_random_string_is_made_once_and_anew_when_its_salt_changes() {
    let one = made(RANDOM_STRING, json!({}));
    let text = one.data["value"].as_str().unwrap();
    assert!(text.len() == 32 && text.bytes().all(|b| b.is_ascii_alphanumeric()), "{text}");
    assert_eq!(attribute(&one, "value"), Some(text.into()));
    assert_eq!(reference(&one), text);
    assert_eq!(changed(&one, json!({"length": 32})).0.data, one.data, "the default, spelt out");
    let (salted, change) = changed(&one, json!({"salt": "x"}));
    assert_eq!(change, Change::Replaced);
    assert_ne!(salted.data, one.data);
}

proptest! {
    #[test]
    fn a_random_string_has_what_is_asked_for(
        digits in 1_usize..20, upper in 1_usize..20, marks in 1_usize..20, more in 0_usize..30,
    ) {
        let properties = json!({
            "length": digits + upper + marks + more,
            "character_classes": [{"class": "digits", "min": digits}, {"class": "uppercase", "min": upper}],
            "character_sequences": [{"sequence": "-+ü", "min": marks}],
        });
        let one = made(RANDOM_STRING, properties);
        let text = one.data["value"].as_str().unwrap();
        let count = |is: fn(char) -> bool| text.chars().filter(|c| is(*c)).count();
        prop_assert_eq!(text.chars().count(), digits + upper + marks + more);
        prop_assert!(count(|c| c.is_ascii_digit()) >= digits);
        prop_assert!(count(|c| c.is_ascii_uppercase()) >= upper);
        prop_assert!(count(|c| "-+ü".contains(c)) >= marks);
        prop_assert_eq!(count(|c| c.is_ascii_digit() || c.is_ascii_uppercase() || "-+ü".contains(c)), text.chars().count());
    }
}

#[test]
fn a_value_is_what_it_is_given_in_the_type_it_is_told() {
    for (kind, given, found) in [
        (Value::Null, json!({"a": [1]}), json!({"a": [1]})),
        ("number".into(), json!("1.5"), json!(1.5)),
        ("boolean".into(), json!("True"), json!(true)),
        ("string".into(), json!(7), json!("7")),
        ("json".into(), json!({"a": 1}), json!({"a": 1})),
        ("comma_delimited_list".into(), json!(["a"]), json!(["a"])),
    ] {
        let one = made(VALUE, json!({"type": kind, "value": given}));
        assert_eq!(attribute(&one, "value"), Some(found));
    }
    let one = made(VALUE, json!({"value": "a"}));
    let (two, change) = changed(&one, json!({"value": "b"}));
    assert_eq!((change, attribute(&two, "value")), (Change::Updated, Some("b".into())));
    assert_eq!(one.external_id, two.external_id);
}

#[test]
fn none_takes_everything_and_shows_nothing() {
    let none = made(NONE, json!({"anything": {"at": "all"}}));
    assert_eq!(attribute(&none, "whatever"), Some(Value::Null));
    let (same, change) = changed(&none, json!({"other": 1}));
    assert_eq!((change, &same.external_id), (Change::Kept, &none.external_id));
}

#[test]
fn what_is_wrong_is_said_in_heats_words() {
    let wrong = |kind: &str, properties: Value| match made_of(kind, properties, None).unwrap_err() {
        Error::Wrong(wrong) => wrong.of(&"r".parse().unwrap()),
        other => other.to_string(),
    };
    let at = |path: &str, why: &str| format!("Property error: resources.r.properties{path}: {why}");
    for (kind, properties, expected) in [
        (TEST_RESOURCE, json!({"foo": 1}), at("", "Unknown Property foo")),
        (TEST_RESOURCE, json!({"fail": "x"}), at(".fail", "\"x\" is not a valid boolean")),
        (TEST_RESOURCE, json!({"fail": 1}), at(".fail", "\"1\" is not a valid boolean")),
        (TEST_RESOURCE, json!({"value": [1]}), at(".value", "Value must be a string; got [1]")),
        (TEST_RESOURCE, json!({"wait_secs": "x"}), at(".wait_secs", "Value \"x\" is invalid for data type \"Number\"")),
        (TEST_RESOURCE, json!({"action_wait_secs": 3}), at(".action_wait_secs", "\"3\" is not a map")),
        (TEST_RESOURCE, json!({"action_wait_secs": {"x": 3}}), at(".action_wait_secs", "Unknown Property x")),
        (VALUE, json!({}), at("", "Property value not assigned")),
        (VALUE, json!({"value": 1, "type": "json"}), at(".value", "\"1\" is not a map")),
        (RANDOM_STRING, json!({"length": 513}), at(".length", "513 is out of range (min: 1, max: 512)")),
        (RANDOM_STRING, json!({"length": 0}), at(".length", "0 is out of range (min: 1, max: 512)")),
        (
            RANDOM_STRING,
            json!({"character_classes": [{"class": "digits"}, {"min": 0}]}),
            at(".character_classes[1].min", "0 is out of range (min: 1, max: 512)"),
        ),
        (
            RANDOM_STRING,
            json!({"length": 2, "character_classes": [{"class": "digits", "min": 3}]}),
            "Length property cannot be smaller than combined character class and character sequence minimums"
                .to_owned(),
        ),
        (RANDOM_STRING, json!({"character_classes": []}), "There are no characters to make the string of".to_owned()),
    ] {
        assert_eq!(wrong(kind, properties), expected);
    }
}
