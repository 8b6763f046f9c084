//! What is not as it was, field by field.

use serde_json::{Map, Value};

use super::table::Kind;

/// Fields of a security group's rules that are the rule; the rest (ids, times, revisions) is Neutron's.
const OF_RULES: [&str; 8] = [
    "description",
    "direction",
    "ethertype",
    "port_range_max",
    "port_range_min",
    "protocol",
    "remote_group_id",
    "remote_ip_prefix",
];
/// A value that is shown in a plan, in characters.
const SHOWN: usize = 120;

/// The configuration in what a service tells of a thing.
pub(super) fn configuration(kind: &Kind, thing: &Map<String, Value>) -> Map<String, Value> {
    let fields = kind.settable.iter().chain(kind.fixed);
    fields.filter_map(|name| Some(((*name).to_owned(), normal(name, thing.get(*name)?)))).collect()
}

/// Services give lists in no order: what is equal but for it is equal.
fn normal(name: &str, value: &Value) -> Value {
    let Value::Array(list) = value else { return value.clone() };
    let mut list: Vec<Value> = list.clone();
    if name == "security_group_rules" {
        for rule in &mut list {
            if let Value::Object(rule) = rule {
                rule.retain(|name, _| OF_RULES.contains(&name.as_str()));
            }
        }
    }
    // The order of name servers is the order in which they are asked.
    if name != "dns_nameservers" {
        list.sort_by_key(Value::to_string);
    }
    Value::Array(list)
}

#[derive(Debug, Default, PartialEq)]
pub(super) struct Drift {
    /// To be set.
    pub(super) set: Map<String, Value>,
    /// `set mtu: 1500 (now 1400)`, for those that are set.
    pub(super) sets: Vec<String>,
    /// `differs: mtu is 1400, was 1500; not changed`, for those that are not.
    pub(super) fixed: Vec<String>,
}

pub(super) fn drift(kind: &Kind, then: &Map<String, Value>, now: &Map<String, Value>) -> Drift {
    let mut drift = Drift::default();
    for (name, was) in then {
        let is = now.get(name).map_or(Value::Null, |is| normal(name, is));
        if is == *was {
            continue;
        }
        if kind.settable.contains(&name.as_str()) {
            drift.sets.push(format!("set {name}: {} (now {})", shown(was), shown(&is)));
            drift.set.insert(name.clone(), was.clone());
        } else {
            drift.fixed.push(format!("differs: {name} is {}, was {}; not changed", shown(&is), shown(was)));
        }
    }
    drift
}

fn shown(value: &Value) -> String {
    let text = value.to_string();
    let mut shown: String = text.chars().take(SHOWN).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::table::get;
    use super::*;

    #[test]
    fn fields_that_differ_are_set_or_named() -> Result<(), &'static str> {
        let kind = get("OS::Neutron::Net").ok_or("no such type")?;
        let of = |value: Value| value.as_object().cloned().unwrap_or_default();
        let then = of(json!({"id": "1", "name": "a", "mtu": 1500, "subnets": ["x", "y"], "updated_at": "then"}));
        let kept = configuration(kind, &then);
        assert_eq!(Value::Object(kept.clone()), json!({"name": "a", "mtu": 1500, "subnets": ["x", "y"]}));
        let now = of(json!({"id": "1", "name": "b", "mtu": 1400, "subnets": ["y", "x"], "updated_at": "now"}));
        let drift = drift(kind, &kept, &now);
        assert_eq!(Value::Object(drift.set), json!({"name": "a"}));
        assert_eq!(drift.sets, ["set name: \"a\" (now \"b\")"]);
        assert_eq!(drift.fixed, ["differs: mtu is 1400, was 1500; not changed"]);
        Ok(())
    }

    #[test]
    fn rules_are_the_same_whatever_their_ids_and_their_order() -> Result<(), &'static str> {
        let kind = get("OS::Neutron::SecurityGroup").ok_or("no such type")?;
        let group = |first: &str, second: &str| {
            let rule = |id: &str, port: u16| json!({"id": id, "protocol": "tcp", "port_range_min": port, "revision_number": id.len()});
            let mut rules = vec![rule(first, 22), rule(second, 80)];
            if first > second {
                rules.reverse();
            }
            Map::from_iter([("security_group_rules".to_owned(), Value::Array(rules))])
        };
        let kept = configuration(kind, &group("a", "b"));
        assert_eq!(drift(kind, &kept, &group("z", "yy")), Drift::default());
        let mut fewer = group("a", "b");
        fewer.insert("security_group_rules".to_owned(), json!([]));
        assert!(drift(kind, &kept, &fewer).fixed[0].starts_with("differs: security_group_rules is [], was [{"));
        Ok(())
    }
}
