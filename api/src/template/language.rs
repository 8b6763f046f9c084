//! Template languages: the versions of HOT that Heat 27 knows, and which functions each has.
//!
//! A map of one key is a call only if the key is a function of the template's version; else it is a map. What a version
//! no longer has is refused by name (`heat/engine/hot/template.py`).

use serde_json::{Map, Value};

use crate::fault::Fault;

/// A version of HOT: how far it is along, so that later ones are greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version(usize);

/// Oldest first, by date.
const DATES: [&str; 11] = [
    "2013-05-23",
    "2014-10-16",
    "2015-04-30",
    "2015-10-15",
    "2016-04-08",
    "2016-10-14",
    "2017-02-24",
    "2017-09-01",
    "2018-03-02",
    "2018-08-31",
    "2021-04-16",
];

/// Names of releases for dates (`heat.templates` in Heat's `setup.cfg`).
const NAMES: [(&str, &str); 6] = [
    ("newton", "2016-10-14"),
    ("ocata", "2017-02-24"),
    ("pike", "2017-09-01"),
    ("queens", "2018-03-02"),
    ("rocky", "2018-08-31"),
    ("wallaby", "2021-04-16"),
];

/// What generated templates are in.
pub(crate) const OLDEST_WITH_EXTERNAL_ID: &str = "2016-10-14";

/// The first that has `external_id`, `condition` and `if`.
pub(super) const NEWTON: Version = Version(5);
pub(super) const PIKE: Version = Version(7);
/// The first whose `if` may lack its third part.
pub(super) const WALLABY: Version = Version(10);

impl Version {
    pub(crate) fn named(text: &str) -> Option<Self> {
        let date = NAMES.iter().find(|(name, _)| *name == text).map_or(text, |(_, date)| date);
        DATES.iter().position(|known| *known == date).map(Self)
    }

    /// Of a template. What it says is in Heat's words.
    pub(super) fn of(template: &Map<String, Value>) -> Result<Self, Fault> {
        let wrong =
            |why: String| Fault::refused("InvalidTemplateVersion", format!("The template version is invalid: {why}"));
        match template.get("heat_template_version") {
            Some(given) => given.as_str().and_then(Self::named).ok_or_else(|| {
                let given: String = given.as_str().map_or_else(|| given.to_string(), str::to_owned);
                let given: String = given.chars().take(80).collect();
                let known = names().collect::<Vec<_>>().join(", ");
                wrong(format!(
                    "\"heat_template_version: {given}\". \"heat_template_version\" should be one of: {known}"
                ))
            }),
            None if template.contains_key("AWSTemplateFormatVersion") => Err(wrong(
                "AWSTemplateFormatVersion is not taken by this service; give heat_template_version".to_owned(),
            )),
            None => Err(wrong("Template version was not provided".to_owned())),
        }
    }

    pub(crate) fn functions(self) -> impl Iterator<Item = &'static Function> {
        FUNCTIONS.iter().filter(move |function| function.is_in(self))
    }

    /// Those that only conditions have, and those that they share with the rest.
    pub(crate) fn condition_functions(self) -> impl Iterator<Item = &'static Function> {
        let is_in = move |function: &&Function| match function.name {
            "get_param" => self >= NEWTON,
            "yaql" | "contains" => self >= PIKE,
            _ => function.conditions && Version::since(function.since) <= self,
        };
        FUNCTIONS.iter().filter(is_in)
    }

    fn since(date: &str) -> Self {
        Self(DATES.iter().position(|known| *known == date).unwrap_or(DATES.len()))
    }

    /// Whether `name` calls a function in this version. `Err`: it did in an older one.
    pub(super) fn calls(self, name: &str) -> Result<bool, ()> {
        let known = FUNCTIONS.iter().filter(|function| function.name == name && !function.conditions);
        let mut is_known = false;
        for function in known {
            if Version::since(function.since) <= self {
                if function.until.is_none_or(|until| self < Version::since(until)) {
                    return Ok(true);
                }
                is_known = true;
            }
        }
        if is_known { Err(()) } else { Ok(false) }
    }
}

/// All names that a template can give: dates and releases, in order.
fn names() -> impl Iterator<Item = &'static str> {
    DATES.iter().flat_map(|date| std::iter::once(*date).chain(release(date)))
}

/// The versions by date, oldest first.
pub(crate) fn dates() -> impl Iterator<Item = &'static str> {
    DATES.into_iter()
}

/// The release that a version is also named after.
pub(crate) fn release(date: &str) -> Option<&'static str> {
    NAMES.iter().find(|(_, of)| *of == date).map(|(name, _)| *name)
}

pub(crate) struct Function {
    pub(crate) name: &'static str,
    since: &'static str,
    /// The first version that no longer has it.
    until: Option<&'static str>,
    /// Only conditions have it.
    conditions: bool,
    pub(crate) description: &'static str,
}

impl Function {
    /// Only conditions have it.
    pub(crate) fn is_of_conditions(&self) -> bool {
        self.conditions
    }

    fn is_in(&self, version: Version) -> bool {
        !self.conditions
            && Version::since(self.since) <= version
            && self.until.is_none_or(|until| version < Version::since(until))
    }
}

const fn function(name: &'static str, since: &'static str, description: &'static str) -> Function {
    Function { name, since, until: None, conditions: false, description }
}

const fn removed(name: &'static str, until: &'static str, description: &'static str) -> Function {
    Function { until: Some(until), ..function(name, "2013-05-23", description) }
}

const fn condition(name: &'static str, since: &'static str, description: &'static str) -> Function {
    Function { conditions: true, ..function(name, since, description) }
}

/// Heat's own first sentence where a client's tests read it.
static FUNCTIONS: [Function; 34] = [
    function("get_param", "2013-05-23", "A function for resolving parameter references."),
    function("get_resource", "2013-05-23", "A function for resolving resource references."),
    function("get_attr", "2013-05-23", "A function for resolving resource attributes."),
    function("get_file", "2013-05-23", "A function for including a file inline."),
    function("str_replace", "2013-05-23", "A function for performing string substitutions."),
    function("list_join", "2013-05-23", "A function for joining strings."),
    function("resource_facade", "2013-05-23", "A function for retrieving data in a parent provider template."),
    function("repeat", "2015-04-30", "A function for iterating over a list of items."),
    function("digest", "2015-04-30", "A function for performing digest operations."),
    function("str_split", "2015-10-15", "A function for splitting delimited strings into a list."),
    function("map_merge", "2016-04-08", "A function for merging maps."),
    function("map_replace", "2016-10-14", "A function for performing substitutions on maps."),
    function("yaql", "2016-10-14", "A function for executing a yaql expression; this service refuses it."),
    function("if", "2016-10-14", "A function to return a value by a condition."),
    function("filter", "2017-02-24", "A function for filtering out values from lists."),
    function("str_replace_strict", "2017-02-24", "A str_replace that refuses params which the template lacks."),
    function("str_replace_vstrict", "2017-09-01", "A str_replace_strict that refuses empty values too."),
    function("make_url", "2017-09-01", "A function for making a URL; this service refuses it."),
    function("list_concat", "2017-09-01", "A function for extending lists."),
    function("list_concat_unique", "2017-09-01", "A function for extending lists with unique items."),
    function("contains", "2017-09-01", "A function for checking whether a value is in a sequence."),
    condition("equals", "2016-10-14", "A function for comparing whether two values are equal."),
    condition("not", "2016-10-14", "A function that acts as a NOT operator for conditions."),
    condition("and", "2016-10-14", "A function that acts as an AND operator for conditions."),
    condition("or", "2016-10-14", "A function that acts as an OR operator for conditions."),
    removed("Fn::Select", "2015-10-15", "A function for selecting an item from a list or map."),
    removed("Ref", "2014-10-16", "A function for resolving parameters or resource references."),
    removed("Fn::GetAZs", "2014-10-16", "A function for retrieving availability zones; this service refuses it."),
    removed("Fn::Join", "2014-10-16", "A function for joining strings."),
    removed("Fn::Split", "2014-10-16", "A function for splitting strings."),
    removed("Fn::Replace", "2014-10-16", "A function for performing string substitutions."),
    removed("Fn::Base64", "2014-10-16", "A function that returns its argument as it is."),
    removed("Fn::MemberListToMap", "2014-10-16", "A function to make a map of a list; this service refuses it."),
    removed("Fn::ResourceFacade", "2014-10-16", "A function for retrieving data in a parent provider template."),
];
