//! Which rules hold: the defaults, and on top of them what an operator's policy file says.
//!
//! The file is a table of names and checks, in YAML or JSON. A name is a rule that a route names, one that the defaults
//! use (`context_is_admin`, `project_reader`, `project_member`), or one that the file itself uses by `rule:NAME`. Anything
//! else is an error at the start: a misspelt rule would leave open what it was meant to close.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use stacksnap_common::ids::ProjectId;

use super::check::{ADMIN, Check};
use super::policy::Rule;
use super::{Scope, Who};
use crate::routes;

/// Rules that no route names and others ask. Heat's `heat/policies/base.py` has their like; there a token of a domain
/// may count as an admin's too, here only one of a project or the system does.
const BASE: [(&str, &str); 3] = [
    (ADMIN, "role:admin and (is_admin_project:True or system_scope:all)"),
    ("project_reader", "rule:context_is_admin or (role:reader and project_id:%(project_id)s)"),
    ("project_member", "rule:context_is_admin or (role:member and project_id:%(project_id)s)"),
];

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the policy file {path} can't be read: {why}")]
    Unreadable { path: String, why: String },
    #[error("the policy file {path}: {name}: {why}")]
    Rule { path: String, name: String, why: String },
}

/// Every rule with its check.
#[derive(Debug)]
pub struct Rules(BTreeMap<String, Check>);

impl Default for Rules {
    fn default() -> Self {
        let base = BASE.iter().copied();
        let all = base.chain(routes::rules().into_iter().map(|rule| (rule.name, rule.default)));
        // A default that can't be read lets nobody through; a test reads them all.
        Self(all.map(|(name, check)| (name.to_owned(), Check::parse(check).unwrap_or(Check::False))).collect())
    }
}

impl Rules {
    /// The defaults with what the file changes. Blocks for as long as reading takes.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let shown = path.display().to_string();
        let unreadable = |why: String| Error::Unreadable { path: shown.clone(), why };
        let text = std::fs::read_to_string(path).map_err(|error| unreadable(error.to_string()))?;
        let given: Option<BTreeMap<String, String>> =
            serde_saphyr::from_str(&text).map_err(|error| unreadable(error.to_string()))?;
        Self::with(given.unwrap_or_default()).map_err(|(name, why)| Error::Rule { path: shown, name, why })
    }

    /// An error is a rule's name and what is wrong with it.
    fn with(given: BTreeMap<String, String>) -> Result<Self, (String, String)> {
        let Self(mut rules) = Self::default();
        let known: BTreeSet<String> = rules.keys().cloned().collect();
        let names: Vec<String> = given.keys().cloned().collect();
        for (name, text) in given {
            let check = Check::parse(&text).map_err(|why| (name.clone(), why))?;
            rules.insert(name, check);
        }
        for (name, check) in &rules {
            if let Some(missing) = check.asks().into_iter().find(|asked| !rules.contains_key(*asked)) {
                return Err((name.clone(), format!("there is no rule {missing:?}")));
            }
        }
        let asked: BTreeSet<&str> = rules.values().flat_map(Check::asks).collect();
        for name in names {
            if !known.contains(&name) && !asked.contains(name.as_str()) {
                return Err((name, "there is no such rule, and no other rule asks it".to_owned()));
            }
        }
        for name in rules.keys() {
            if asks_itself(&rules, name) {
                return Err((name.clone(), "it asks itself, by way of the rules that it asks".to_owned()));
            }
        }
        Ok(Self(rules))
    }

    /// Whether `who` may do what `rule` guards, in `project`.
    pub(crate) fn allow(&self, rule: Rule, who: &Who, project: &ProjectId) -> bool {
        self.holds(rule.name, who, project)
    }

    /// Whether `who` acts in every project.
    pub(crate) fn is_admin(&self, who: &Who, project: &ProjectId) -> bool {
        self.holds(ADMIN, who, project)
    }

    /// The least of Keystone's own roles that may do what `rule` guards, in its project.
    pub(crate) fn least(&self, rule: Rule) -> &'static str {
        let Ok(project) = "any".parse::<ProjectId>() else { return "admin" };
        let may = |roles: &[&str]| {
            let who = Who::new("", Scope::One(project.clone()), roles.iter().copied());
            self.allow(rule, &who, &project)
        };
        if may(&["reader"]) {
            "reader"
        } else if may(&["member", "reader"]) {
            "member"
        } else {
            "admin"
        }
    }

    fn holds(&self, name: &str, who: &Who, project: &ProjectId) -> bool {
        self.0.get(name).is_some_and(|check| check.holds(who, project, &self.0))
    }
}

fn asks_itself(rules: &BTreeMap<String, Check>, name: &str) -> bool {
    let mut seen = BTreeSet::new();
    let mut next = vec![name];
    while let Some(at) = next.pop() {
        for asked in rules.get(at).map(Check::asks).unwrap_or_default() {
            if asked == name {
                return true;
            }
            if seen.insert(asked) {
                next.push(asked);
            }
        }
    }
    false
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::policy as rule;
    use super::*;

    fn file(text: &str) -> Result<Rules, Error> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("policy.yaml");
        std::fs::write(&path, text).unwrap();
        Rules::load(&path)
    }

    fn may(rules: &Rules, rule: Rule, roles: &[&str]) -> bool {
        let project: ProjectId = "p".parse().unwrap();
        rules.allow(rule, &Who::new("alice", Scope::One(project.clone()), roles.iter().copied()), &project)
    }

    #[test]
    fn every_default_can_be_read() {
        for (name, text) in BASE.into_iter().chain(routes::rules().into_iter().map(|rule| (rule.name, rule.default))) {
            Check::parse(text).unwrap_or_else(|why| panic!("{name}: {why}"));
        }
        assert!(Rules::with(BTreeMap::new()).is_ok());
    }

    #[test]
    fn the_defaults_are_heats() {
        let rules = Rules::default();
        assert!(may(&rules, rule::SNAPSHOT_CREATE, &["member"]));
        assert!(may(&rules, rule::SNAPSHOT_CREATE, &["admin"]));
        assert!(!may(&rules, rule::SNAPSHOT_CREATE, &["reader"]));
        assert!(may(&rules, rule::SNAPSHOT_SHOW, &["reader"]));
        // Keystone gives a member the role reader too; the role alone is not it.
        assert!(!may(&rules, rule::SNAPSHOT_SHOW, &["member"]));
        assert!(!may(&rules, rule::SNAPSHOT_SHOW, &[]));
        assert!(may(&rules, rule::STACK_LOOKUP, &["heat_stack_user"]));
        assert!(!may(&rules, rule::STACK_SHOW, &["heat_stack_user"]));
        let project: ProjectId = "p".parse().unwrap();
        for (scope, roles, expected) in [
            (Scope::One("q".parse().unwrap()), ["member"], false),
            (Scope::One("q".parse().unwrap()), ["admin"], true),
            (Scope::System, ["admin"], true),
            (Scope::System, ["reader"], false),
            (Scope::Nowhere, ["admin"], false),
            (Scope::Any, ["member"], true),
        ] {
            let who = Who::new("a", scope.clone(), roles);
            assert_eq!(rules.allow(rule::SNAPSHOT_CREATE, &who, &project), expected, "{scope:?} {roles:?}");
        }
    }

    #[test]
    fn a_file_changes_what_it_names() {
        let rules = file(
            "# ours\n\"stacks:snapshot\": \"role:operator or rule:boss\"\nboss: role:chief\n\"stacks:index\": \"!\"\n",
        )
        .unwrap();
        assert!(may(&rules, rule::SNAPSHOT_CREATE, &["operator"]) && may(&rules, rule::SNAPSHOT_CREATE, &["chief"]));
        assert!(!may(&rules, rule::SNAPSHOT_CREATE, &["member"]) && !may(&rules, rule::STACK_INDEX, &["admin"]));
        assert!(may(&rules, rule::SNAPSHOT_DELETE, &["member"]));
        let json = file(r#"{"project_reader": "role:auditor", "context_is_admin": "role:root"}"#).unwrap();
        assert!(may(&json, rule::STACK_SHOW, &["auditor"]) && !may(&json, rule::STACK_SHOW, &["admin"]));
        assert!(may(&file("").unwrap(), rule::STACK_SHOW, &["reader"]));
    }

    #[test]
    fn a_wrong_file_is_an_error_that_names_the_rule() {
        for (text, expected) in [
            ("\"stacks:snapshto\": \"@\"", "stacks:snapshto: there is no such rule"),
            ("\"stacks:snapshot\": \"rule:nobody_knows\"", "there is no rule \"nobody_knows\""),
            ("\"stacks:snapshot\": \"role:a or\"", "stacks:snapshot: it ends where a check is expected"),
            ("\"context_is_admin\": \"rule:project_member\"", "asks itself"),
            ("a: \"rule:b\"\nb: \"rule:a\"", "asks itself"),
            ("\"context_is_admin\": \"is_admin:True\"", "context_is_admin: it asks itself"),
            ("\"stacks:snapshot\": [[\"role:a\"]]", "can't be read"),
            ("- role:a", "can't be read"),
        ] {
            let found = file(text).unwrap_err().to_string();
            assert!(found.contains(expected), "{text} gave {found}");
        }
        assert!(Rules::load(Path::new("/nowhere/at/all")).unwrap_err().to_string().contains("can't be read"));
    }
}
