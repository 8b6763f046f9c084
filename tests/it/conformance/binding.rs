//! Which of our ids stands for which of the recording's: learnt where an answer names a new one, and true from then on.
//! Two that were different must stay so.

use std::collections::BTreeMap;

#[derive(Debug, Default)]
pub struct Bindings {
    found: BTreeMap<String, String>,
    recorded: BTreeMap<String, String>,
}

impl Bindings {
    /// What stands for a recorded text, if that is known already.
    pub fn get(&self, recorded: &str) -> Option<&str> {
        self.found.get(recorded).map(String::as_str)
    }

    /// Whether this pair agrees with all that is known; a new one is learnt.
    pub fn agree(&mut self, recorded: &str, found: &str) -> bool {
        match (self.found.get(recorded), self.recorded.get(found)) {
            (None, None) => {
                self.found.insert(recorded.to_owned(), found.to_owned());
                self.recorded.insert(found.to_owned(), recorded.to_owned());
                true
            }
            (Some(known), _) => known == found,
            (None, Some(_)) => false,
        }
    }

    /// From now on a recorded text stands for what another stands for: here two things are one.
    pub fn alias(&mut self, recorded: &str, other: &str) {
        if let Some(found) = self.found.get(other).cloned() {
            self.found.insert(recorded.to_owned(), found);
        }
    }

    /// A recorded text with our ids in place of the recording's, also where those are written in capitals.
    pub fn apply(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (recorded, found) in &self.found {
            text = text.replace(recorded, found);
            if recorded.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-') {
                text = text.replace(&recorded.to_uppercase(), &found.to_uppercase());
            }
        }
        text
    }
}
