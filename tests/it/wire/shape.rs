//! Bodies without what differs from run to run. Pure.

use std::collections::BTreeMap;

use serde_json::Value;

/// Whether something may be missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whole {
    Yes,
    No,
}

/// `{volume}` becomes what was kept under that name.
pub(super) fn filled(text: &str, kept: &BTreeMap<String, String>) -> String {
    kept.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("{{{name}}}"), value))
}

/// What was kept becomes its name again, and what else never comes twice its form.
pub(super) fn named(text: &str, kept: &BTreeMap<String, String>) -> String {
    let mut longest: Vec<_> = kept.iter().filter(|(_, value)| value.len() > 7).collect();
    longest.sort_by_key(|(_, value)| std::cmp::Reverse(value.len()));
    let text = longest.iter().fold(text.to_owned(), |text, (name, value)| text.replace(*value, &format!("<{name}>")));
    match text.strip_prefix("req-").or_else(|| text.strip_prefix("tx")) {
        Some(rest) if rest.chars().all(|c| c.is_ascii_hexdigit() || c == '-') && rest.len() > 20 => {
            "<request>".to_owned()
        }
        _ => without_ids(&text),
    }
}

/// In place of every word that is a UUID, with or without its dashes, its form.
fn without_ids(text: &str) -> String {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let mut out = String::new();
    let mut rest = text;
    while let Some(first) = rest.find(is_part) {
        let (before, from) = rest.split_at(first);
        let (word, after) = from.split_at(from.find(|c| !is_part(c)).unwrap_or(from.len()));
        out += before;
        out += if uuid::Uuid::try_parse(word).is_ok() { "<id>" } else { word };
        rest = after;
    }
    out + rest
}

/// What of a body is compared.
#[derive(Clone, Copy)]
pub(super) struct Wanted<'a> {
    /// Names whose values count; of others only the form does.
    pub(super) verbatim: &'a dyn Fn(&str) -> bool,
    /// Names that are left out.
    pub(super) ignore: &'a [String],
}

/// The form of a body: types in place of values, but for those whose names are wanted verbatim. Of a list it is the form
/// of its entries, each different one once.
pub(super) fn of(value: &Value, wanted: &Wanted<'_>, kept: &BTreeMap<String, String>) -> Value {
    form("", value, wanted, kept)
}

fn form(name: &str, value: &Value, wanted: &Wanted<'_>, kept: &BTreeMap<String, String>) -> Value {
    let verbatim = (wanted.verbatim)(name);
    match value {
        Value::Object(map) => {
            // What is below a name that is wanted verbatim is so too.
            let below = if verbatim && !name.is_empty() { &Wanted { verbatim: &|_| true, ..*wanted } } else { wanted };
            let entries = map.iter().filter(|(name, _)| !wanted.ignore.contains(name));
            entries.map(|(name, value)| (name.clone(), form(name, value, below, kept))).collect()
        }
        Value::Array(list) => {
            let mut forms: Vec<Value> = Vec::new();
            for form in list.iter().map(|entry| form(name, entry, wanted, kept)) {
                if !forms.contains(&form) {
                    forms.push(form);
                }
            }
            forms.into()
        }
        Value::String(text) if verbatim => named(text, kept).into(),
        // Of the things that were kept one (of the fake's ids some are the same), or any text.
        Value::String(text) => {
            let same = kept.iter().filter(|(_, value)| *value == text).map(|(name, _)| format!("<{name}>"));
            let same: Vec<_> = same.collect();
            if same.is_empty() { "(text)".to_owned() } else { same.join("|") }.into()
        }
        Value::Number(_) if !verbatim => "(number)".into(),
        Value::Bool(_) if !verbatim => "(truth)".into(),
        other => other.clone(),
    }
}

pub(super) fn compare(at: &str, written: &Value, played: &Value, whole: Whole, wrong: &mut Vec<String>) {
    match (written, played) {
        (Value::Object(written), Value::Object(played)) => {
            for (name, value) in played {
                match written.get(name) {
                    Some(written) => compare(&format!("{at}/{name}"), written, value, whole, wrong),
                    None => wrong.push(format!("{at}/{name} is there, and should not be")),
                }
            }
            let missing = written.keys().filter(|name| whole == Whole::Yes && !played.contains_key(*name));
            wrong.extend(missing.map(|name| format!("{at}/{name} is missing")));
        }
        (Value::Array(written), Value::Array(played)) => {
            if written.len() != played.len() {
                wrong.push(format!(
                    "{at} has {} forms of entries where it should have {}",
                    played.len(),
                    written.len()
                ));
            }
            // Services keep some texts in sets, which have no order.
            let texts = |list: &[Value]| list.iter().all(Value::is_string);
            let sorted = |list: &[Value]| {
                let mut list = list.to_vec();
                list.sort_by_key(|text| text.as_str().map(str::to_owned));
                list
            };
            let (written, played) = match texts(written) && texts(played) {
                true => (&sorted(written), &sorted(played)),
                false => (written, played),
            };
            for (place, (written, played)) in written.iter().zip(played).enumerate() {
                compare(&format!("{at}/{place}"), written, played, whole, wrong);
            }
        }
        (Value::String(written), Value::String(played)) if played.split('|').any(|one| one == written) => {}
        (written, played) if written != played => wrong.push(format!("{at} is {played} where it should be {written}")),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn kept() -> BTreeMap<String, String> {
        BTreeMap::from([("volume".to_owned(), "0a1b2c3d-1".to_owned())])
    }

    #[test]
    fn what_differs_from_run_to_run_is_taken_out() {
        let body = json!({"id": "0a1b2c3d-1", "size": 3, "status": "available", "at": "2026-11-26", "none": null,
            "metadata": {"k": "v"}, "left": 1, "links": [{"href": "http://h/0a1b2c3d-1"}, {"href": "http://other"}]});
        let verbatim = |name: &str| ["status", "metadata"].contains(&name);
        let form = of(&body, &Wanted { verbatim: &verbatim, ignore: &["left".to_owned()] }, &kept());
        let wanted = json!({"id": "<volume>", "size": "(number)", "status": "available", "at": "(text)", "none": null,
            "metadata": {"k": "v"}, "links": [{"href": "(text)"}]});
        assert_eq!(form, wanted);
        assert_eq!(named("Volume 0a1b2c3d-1 is away.", &kept()), "Volume <volume> is away.");
        assert_eq!(named("req-01234567-0000-4000-8000-000000000000", &kept()), "<request>");
        assert_eq!(named("No 0F0e0d0c00004000800000000000000a, or so.", &kept()), "No <id>, or so.");
        assert_eq!(filled("/volumes/{volume}?x={y}", &kept()), "/volumes/0a1b2c3d-1?x={y}");
    }

    #[test]
    fn a_set_of_texts_has_no_order() {
        let differs = |written: Value, played: Value| {
            let mut wrong = Vec::new();
            compare("", &written, &played, Whole::Yes, &mut wrong);
            !wrong.is_empty()
        };
        assert!(!differs(json!(["password", "token"]), json!(["token", "password"])));
        assert!(differs(json!(["password", "token"]), json!(["token", "totp"])));
        assert!(differs(json!([{"id": "a"}, {"id": "b"}]), json!([{"id": "b"}, {"id": "a"}])));
    }

    #[test]
    fn the_fake_may_show_less_and_nothing_else() {
        let written = json!({"a": "(text)", "b": {"c": 1, "d": []}});
        let said = |played: &Value, whole| {
            let mut wrong = Vec::new();
            compare("", &written, played, whole, &mut wrong);
            wrong
        };
        assert_eq!(said(&written, Whole::Yes), [""; 0]);
        assert_eq!(said(&json!({"b": {"c": 1}}), Whole::No), [""; 0]);
        assert_eq!(said(&json!({"b": {"c": 1}}), Whole::Yes), ["/b/d is missing", "/a is missing"]);
        assert_eq!(said(&json!({"a": null, "b": {"c": 2, "e": 1}}), Whole::No).len(), 3);
        assert_eq!(said(&json!({"b": {"d": [1]}}), Whole::No), ["/b/d has 1 forms of entries where it should have 0"]);
    }
}
