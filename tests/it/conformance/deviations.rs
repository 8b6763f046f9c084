//! The list of what is meant to be different, `tests/conformance/deviations.toml`, and whether it is still true.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::compare::Difference;
use super::subject::Mode;
use super::transcript;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deviations {
    deviation: Vec<Deviation>,
    left_out: Vec<LeftOut>,
    /// Transcripts whose answers are not judged yet.
    #[serde(default)]
    pending: Vec<LeftOut>,
}

/// Fields that are meant to be different.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Deviation {
    /// Transcripts by number; `any`: wherever it occurs.
    at: Vec<String>,
    /// As in [`Difference::field`]; `*` stands for anything.
    fields: Vec<String>,
    reason: String,
    /// Absent: in every mode.
    modes: Option<Vec<Mode>>,
    /// Left to chance, and so no longer true only when nobody says so.
    #[serde(default)]
    sometimes: bool,
}

/// Transcripts that are not replayed.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LeftOut {
    at: Vec<String>,
    reason: String,
    modes: Option<Vec<Mode>>,
}

/// Of each transcript that was replayed, what was different.
pub type Outcome = BTreeMap<String, Vec<Difference>>;

impl Deviations {
    pub fn read() -> Self {
        let path = transcript::folder().join("deviations.toml");
        toml::from_str(&std::fs::read_to_string(path).unwrap()).unwrap_or_else(|error| panic!("{error}"))
    }

    pub fn any_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    fn is_pending(&self, number: &str) -> bool {
        self.pending.iter().any(|entry| entry.at.iter().any(|at| at == number))
    }

    /// Everything that is wrong: differences that nobody meant, entries that are no longer true, transcripts that were
    /// neither replayed nor left out.
    pub fn complaints(&self, mode: Mode, outcome: &Outcome, all: &BTreeSet<String>) -> Vec<String> {
        let ours = |modes: &Option<Vec<Mode>>| modes.as_ref().is_none_or(|modes| modes.contains(&mode));
        let mut complaints = Vec::new();
        let mut used = BTreeSet::new();
        for (number, differences) in outcome {
            if self.is_pending(number) {
                continue;
            }
            for difference in differences {
                let mut meant = false;
                for (entry, deviation) in self.deviation.iter().enumerate().filter(|(_, entry)| ours(&entry.modes)) {
                    let any = deviation.at.iter().any(|at| at == "any");
                    if !any && !deviation.at.contains(number) {
                        continue;
                    }
                    for pattern in deviation.fields.iter().filter(|pattern| matches(pattern, &difference.field)) {
                        meant = true;
                        used.insert((entry, if any { "any" } else { number.as_str() }, pattern.as_str()));
                    }
                }
                if !meant {
                    let Difference { field, recorded, found } = difference;
                    complaints.push(format!("{number} {field}\n      Heat: {recorded}\n      here: {found}"));
                }
            }
        }
        for (entry, deviation) in self.deviation.iter().enumerate().filter(|(_, entry)| ours(&entry.modes)) {
            assert!(!deviation.reason.trim().is_empty(), "a deviation needs a reason: {deviation:?}");
            // What occurs anywhere may occur where nothing is judged yet.
            let required = |at: &&String| !deviation.sometimes && (*at != "any" || !self.any_pending());
            for at in deviation.at.iter().filter(required) {
                for field in &deviation.fields {
                    if !used.contains(&(entry, at.as_str(), field.as_str())) {
                        complaints.push(format!("deviations.toml: {at} {field} does not occur (any more)"));
                    }
                }
            }
        }
        let left_out: BTreeSet<&String> =
            self.left_out.iter().filter(|entry| ours(&entry.modes)).flat_map(|entry| &entry.at).collect();
        assert!(self.left_out.iter().all(|entry| !entry.reason.trim().is_empty()), "what is left out needs a reason");
        for number in all {
            match (outcome.contains_key(number), left_out.contains(number)) {
                (false, false) => complaints.push(format!("{number} was not replayed and is not left out")),
                (true, true) => complaints.push(format!("{number} is left out and was replayed")),
                _ => {}
            }
        }
        complaints
    }
}

fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((head, tail)) => text.strip_prefix(head).is_some_and(|rest| {
            (0..=rest.len()).filter(|at| rest.is_char_boundary(*at)).any(|at| matches(tail, &rest[at..]))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaints(list: &str, outcome: &[(&str, &[&str])]) -> Vec<String> {
        let list: Deviations = toml::from_str(list).unwrap();
        let difference =
            |field: &&str| Difference { field: (*field).to_owned(), recorded: "a".to_owned(), found: "b".to_owned() };
        let outcome = outcome
            .iter()
            .map(|(number, fields)| ((*number).to_owned(), fields.iter().map(difference).collect()))
            .collect();
        let all = ["001", "002"].map(str::to_owned).into();
        list.complaints(Mode::Registry, &outcome, &all)
    }

    #[test]
    fn the_list_must_be_true_and_whole() {
        let list = "deviation = [{at = ['001'], fields = ['body.*.x'], reason = 'why'}]\nleft_out = [{at = ['002'], reason = 'why'}]";
        assert_eq!(complaints(list, &[("001", &["body.a.b.x"])]), [""; 0]);
        assert!(complaints(list, &[("001", &["body.y", "body.a.x"])])[0].starts_with("001 body.y"));
        assert!(complaints(list, &[("001", &[])])[0].contains("does not occur"));
        assert!(complaints(list, &[("001", &["body.a.x"]), ("002", &[])])[0].contains("left out and was replayed"));
        let without = "deviation = []\nleft_out = []";
        assert!(complaints(without, &[("001", &[])])[0].contains("002 was not replayed"));
        let elsewhere = "deviation = [{at = ['any'], fields = ['x'], reason = 'why', modes = ['heat']}]\nleft_out = []";
        assert!(complaints(elsewhere, &[("001", &["x"]), ("002", &[])])[0].starts_with("001 x"));
    }
}
