//! Checks: the language of oslo.policy (its documentation, "Policy Rule Expressions"), parsed once and asked often.
//!
//! ```text
//! or     = and ("or" and)*
//! and    = not ("and" not)*
//! not    = "not" not | "(" or ")" | check
//! check  = "@" | "!" | "rule:" NAME | "role:" NAME | ATTRIBUTE ":" VALUE
//! ```
//!
//! `@` and the empty text let everybody do it, `!` nobody. An attribute is one of the caller's; a value is a text, or
//! `%(project_id)s`, the project that the URL names. What oslo has beside (`http:`, lists of lists, values of other
//! targets) is an error: a rule that would never hold, or always, must not be taken in silence.

use std::collections::BTreeMap;
use std::fmt;

use stacksnap_common::ids::ProjectId;

use super::{Scope, Who};

/// How deep parentheses and `not` may stand in each other.
const DEEPEST: usize = 32;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Check {
    True,
    False,
    Not(Box<Check>),
    And(Vec<Check>),
    Or(Vec<Check>),
    Rule(String),
    Role(String),
    Attribute(Attribute, Value),
}

/// What is known of a caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Attribute {
    UserId,
    ProjectId,
    /// Acts in every project: what the rule `context_is_admin` says.
    IsAdmin,
    /// Keystone has not said that the project is another one than the admin project.
    IsAdminProject,
    /// `all` for a token of the whole system.
    SystemScope,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    Text(String),
    /// `%(project_id)s`
    TargetProject,
}

const ATTRIBUTES: [(&str, Attribute); 5] = [
    ("user_id", Attribute::UserId),
    ("project_id", Attribute::ProjectId),
    ("is_admin", Attribute::IsAdmin),
    ("is_admin_project", Attribute::IsAdminProject),
    ("system_scope", Attribute::SystemScope),
];

/// The rule that says who acts in every project.
pub(super) const ADMIN: &str = "context_is_admin";

impl Check {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let words = words(text);
        if words.is_empty() {
            return Ok(Self::True);
        }
        let mut words = words.into_iter().peekable();
        let check = or(&mut words, 0)?;
        match words.next() {
            None => Ok(check),
            Some(word) => Err(format!("{word:?} is not expected there")),
        }
    }

    /// The rules that this one asks.
    pub(super) fn asks(&self) -> Vec<&str> {
        match self {
            Self::Rule(name) => vec![name],
            Self::Not(check) => check.asks(),
            Self::And(checks) | Self::Or(checks) => checks.iter().flat_map(Check::asks).collect(),
            Self::Attribute(Attribute::IsAdmin, _) => vec![ADMIN],
            _ => Vec::new(),
        }
    }

    /// `rules` must have every rule that is asked, without a circle.
    pub(super) fn holds(&self, who: &Who, target: &ProjectId, rules: &BTreeMap<String, Check>) -> bool {
        let rule = |name: &str| rules.get(name).is_some_and(|check| check.holds(who, target, rules));
        match self {
            Self::True => true,
            Self::False => false,
            Self::Not(check) => !check.holds(who, target, rules),
            Self::And(checks) => checks.iter().all(|check| check.holds(who, target, rules)),
            Self::Or(checks) => checks.iter().any(|check| check.holds(who, target, rules)),
            Self::Rule(name) => rule(name),
            Self::Role(name) => who.has_role(name),
            Self::Attribute(attribute, value) => {
                let value = match value {
                    Value::Text(text) => text,
                    Value::TargetProject => target.as_str(),
                };
                match attribute {
                    Attribute::UserId => who.user_id == value,
                    Attribute::ProjectId => match &who.scope {
                        Scope::Any => value == target.as_str(),
                        Scope::One(own) => value == own.as_str(),
                        Scope::System | Scope::Nowhere => false,
                    },
                    Attribute::IsAdmin => is(rule(ADMIN), value),
                    Attribute::IsAdminProject => is(who.admin_project, value),
                    Attribute::SystemScope => who.scope == Scope::System && value == "all",
                }
            }
        }
    }
}

fn is(fact: bool, value: &str) -> bool {
    match value {
        "True" | "true" | "1" => fact,
        _ => !fact,
    }
}

/// Parentheses are words of their own, also without space around them.
fn words(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    for mut word in text.split_whitespace() {
        while let Some(rest) = word.strip_prefix('(') {
            words.push("(");
            word = rest;
        }
        let (word, end) = word.split_at(word.trim_end_matches(')').len());
        if !word.is_empty() {
            words.push(word);
        }
        words.extend(end.chars().map(|_| ")"));
    }
    words
}

type Words<'a> = std::iter::Peekable<std::vec::IntoIter<&'a str>>;

fn or(words: &mut Words<'_>, depth: usize) -> Result<Check, String> {
    let mut checks = vec![and(words, depth)?];
    while words.next_if(|word| word.eq_ignore_ascii_case("or")).is_some() {
        checks.push(and(words, depth)?);
    }
    Ok(if checks.len() == 1 { checks.remove(0) } else { Check::Or(checks) })
}

fn and(words: &mut Words<'_>, depth: usize) -> Result<Check, String> {
    let mut checks = vec![not(words, depth)?];
    while words.next_if(|word| word.eq_ignore_ascii_case("and")).is_some() {
        checks.push(not(words, depth)?);
    }
    Ok(if checks.len() == 1 { checks.remove(0) } else { Check::And(checks) })
}

fn not(words: &mut Words<'_>, depth: usize) -> Result<Check, String> {
    if depth > DEEPEST {
        return Err(format!("more than {DEEPEST} parentheses and \"not\" in each other"));
    }
    match words.next() {
        None => Err("it ends where a check is expected".to_owned()),
        Some("(") => {
            let check = or(words, depth + 1)?;
            match words.next() {
                Some(")") => Ok(check),
                _ => Err("a parenthesis is not closed".to_owned()),
            }
        }
        Some(word) if word.eq_ignore_ascii_case("not") => Ok(Check::Not(Box::new(not(words, depth + 1)?))),
        Some(word) => check(word),
    }
}

fn check(word: &str) -> Result<Check, String> {
    match word {
        "@" => return Ok(Check::True),
        "!" => return Ok(Check::False),
        _ => {}
    }
    let Some((kind, value)) = word.split_once(':').filter(|(kind, value)| !kind.is_empty() && !value.is_empty()) else {
        return Err(format!("{word:?} is not a check; one is rule:NAME, role:NAME, ATTRIBUTE:VALUE, @ or !"));
    };
    match kind {
        "rule" => return Ok(Check::Rule(value.to_owned())),
        // oslo compares roles without regard to case.
        "role" => return Ok(Check::Role(value.to_lowercase())),
        _ => {}
    }
    let Some((_, attribute)) = ATTRIBUTES.iter().find(|(name, _)| *name == kind) else {
        let known: Vec<_> = ATTRIBUTES.iter().map(|(name, _)| *name).collect();
        return Err(format!("{word:?}: {kind:?} is not known; rule, role, {} are", known.join(", ")));
    };
    let value = match value {
        "%(project_id)s" | "%(tenant_id)s" => Value::TargetProject,
        _ if value.contains(['%', '(', ')']) => {
            return Err(format!("{word:?}: of what is asked for only %(project_id)s is known"));
        }
        _ => Value::Text(value.to_owned()),
    };
    let truth = ["True", "true", "1", "False", "false", "0"];
    let wants_truth = matches!(attribute, Attribute::IsAdmin | Attribute::IsAdminProject);
    if wants_truth && !matches!(&value, Value::Text(text) if truth.contains(&text.as_str())) {
        return Err(format!("{word:?}: {kind} is True or False"));
    }
    Ok(Check::Attribute(*attribute, value))
}

/// As it could be written in a file.
impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |f: &mut fmt::Formatter<'_>, checks: &[Check], word: &str| {
            f.write_str("(")?;
            for (index, check) in checks.iter().enumerate() {
                if index > 0 {
                    write!(f, " {word} ")?;
                }
                write!(f, "{check}")?;
            }
            f.write_str(")")
        };
        match self {
            Self::True => f.write_str("@"),
            Self::False => f.write_str("!"),
            Self::Not(check) => write!(f, "not {check}"),
            Self::And(checks) => list(f, checks, "and"),
            Self::Or(checks) => list(f, checks, "or"),
            Self::Rule(name) => write!(f, "rule:{name}"),
            Self::Role(name) => write!(f, "role:{name}"),
            Self::Attribute(attribute, value) => {
                let name = ATTRIBUTES.iter().find(|(_, known)| known == attribute).map_or("", |(name, _)| name);
                match value {
                    Value::Text(text) => write!(f, "{name}:{text}"),
                    Value::TargetProject => write!(f, "{name}:%(project_id)s"),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
