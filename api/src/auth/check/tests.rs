#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;

fn who(scope: Scope, roles: &[&str]) -> Who {
    Who::new("alice", scope, roles.iter().copied())
}

fn holds(text: &str, who: &Who) -> bool {
    let rules = [("admin", "role:admin"), (ADMIN, "role:admin and is_admin_project:True"), ("never", "!")];
    let rules = rules.iter().map(|(name, text)| ((*name).to_owned(), Check::parse(text).unwrap())).collect();
    Check::parse(text).unwrap().holds(who, &"p".parse().unwrap(), &rules)
}

#[test]
fn a_check_means_what_oslo_means_by_it() {
    let member = who(Scope::One("p".parse().unwrap()), &["Member", "reader"]);
    let other = who(Scope::One("q".parse().unwrap()), &["member"]);
    let system = who(Scope::System, &["admin"]);
    for (text, who, expected) in [
        ("", &other, true),
        ("@", &other, true),
        ("!", &member, false),
        ("role:member", &member, true),
        ("role:MEMBER", &member, true),
        ("role:memb", &member, false),
        ("role:member and project_id:%(project_id)s", &member, true),
        ("role:member and project_id:%(project_id)s", &other, false),
        ("project_id:q", &other, true),
        ("not role:admin", &member, true),
        ("not (role:admin or role:member)", &member, false),
        ("rule:admin or role:member", &member, true),
        ("rule:never", &system, false),
        // "and" binds closer than "or".
        ("role:member or role:x and role:y", &member, true),
        ("(role:member or role:x) and role:y", &member, false),
        ("((role:reader))", &member, true),
        ("NOT role:x AND role:reader", &member, true),
        ("user_id:alice", &member, true),
        ("is_admin:True", &member, false),
        ("is_admin:False", &member, true),
        ("is_admin:1", &system, true),
        ("role:admin and system_scope:all", &system, true),
        ("system_scope:all", &member, false),
        ("project_id:%(project_id)s", &system, false),
    ] {
        assert_eq!(holds(text, who), expected, "{text:?}");
    }
    let not_the_admin_project = Who { admin_project: false, ..who(Scope::One("p".parse().unwrap()), &["admin"]) };
    assert!(!holds("is_admin:True", &not_the_admin_project));
    assert!(holds("rule:admin and is_admin_project:False", &not_the_admin_project));
}

#[test]
fn what_is_not_understood_is_an_error() {
    for (text, expected) in [
        ("member", "is not a check"),
        ("role:", "is not a check"),
        ("role:a or", "ends where a check is expected"),
        ("and role:a", "is not a check"),
        ("role:a role:b", "is not expected there"),
        ("(role:a", "not closed"),
        ("role:a)", "is not expected there"),
        ("()", "is not a check"),
        ("http://example.org", "is not known"),
        ("is_admin:maybe", "is True or False"),
        ("project_id:%(target.project)s", "only %(project_id)s"),
        ("domain:x", "\"domain\" is not known"),
    ] {
        let found = Check::parse(text).unwrap_err();
        assert!(found.contains(expected), "{text:?} gave {found:?}");
    }
    let deep = format!("{}@{}", "(".repeat(100_000), ")".repeat(100_000));
    assert!(Check::parse(&deep).is_err());
    assert!(Check::parse(&"not ".repeat(100_000)).is_err());
}

fn any_check() -> impl Strategy<Value = Check> {
    let value = prop_oneof![Just(Value::TargetProject), "[a-z0-9]{1,8}".prop_map(Value::Text)];
    let leaf = prop_oneof![
        Just(Check::True),
        Just(Check::False),
        "[a-z:_]{1,12}".prop_map(Check::Rule),
        "[a-z_]{1,12}".prop_map(Check::Role),
        value.prop_map(|value| Check::Attribute(Attribute::ProjectId, value)),
        any::<bool>().prop_map(|truth| {
            let text = if truth { "True" } else { "False" };
            Check::Attribute(Attribute::IsAdmin, Value::Text(text.to_owned()))
        }),
    ];
    leaf.prop_recursive(5, 40, 4, |inner| {
        prop_oneof![
            inner.clone().prop_map(|check| Check::Not(Box::new(check))),
            prop::collection::vec(inner.clone(), 2..4).prop_map(Check::And),
            prop::collection::vec(inner, 2..4).prop_map(Check::Or),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(check in any_check()) {
        prop_assert_eq!(Check::parse(&check.to_string()), Ok(check));
    }

    #[test]
    fn no_text_is_too_odd(text in "[ ()@!:%a-z]{0,60}|\\PC{0,60}") {
        let _ = Check::parse(&text);
    }

    /// Putting "not" before it turns every check around, for everybody.
    #[test]
    fn not_turns_around(check in any_check(), roles in prop::collection::vec("[a-c]{1}", 0..3), project in "[pq]") {
        let who = Who::new("alice", Scope::One(project.parse().unwrap()), roles.iter().map(String::as_str));
        let target = "p".parse().unwrap();
        let rules = BTreeMap::new();
        let turned = Check::parse(&format!("not {check}")).unwrap();
        prop_assert_eq!(turned.holds(&who, &target, &rules), !check.holds(&who, &target, &rules));
    }
}
