//! Which objects of other containers belong to a container: the segments of its large objects.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound::{Included, Unbounded};

use serde::{Deserialize, Serialize};
use stacksnap_openstack::swift::Segment;

use super::kept::Facts;
use crate::driver::Error;

/// Segments that are known by their names, at most, in all: they are held in memory.
const MOST_NAMES: usize = 200_000;

/// Of one container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Wanted {
    /// Of dynamic large objects: everything with one of these at its beginning. None begins with another.
    pub(super) prefixes: BTreeSet<String>,
    /// With what all that is wanted begins.
    under: Option<String>,
    #[serde(skip)]
    names: BTreeSet<String>,
}

impl Wanted {
    pub(super) fn under(&self) -> &str {
        self.under.as_deref().unwrap_or_default()
    }

    fn widen(&mut self, name: &str) {
        let common = match &self.under {
            None => name.to_owned(),
            Some(under) => {
                let same = under.chars().zip(name.chars()).take_while(|(one, other)| one == other);
                same.map(|(one, _)| one).collect()
            }
        };
        self.under = Some(common);
    }

    /// The longest candidate is the last one that does not come after the name: none begins with another.
    pub(super) fn has_prefix_of(&self, name: &str) -> bool {
        self.prefixes
            .range::<str, _>((Unbounded, Included(name)))
            .next_back()
            .is_some_and(|prefix| name.starts_with(prefix.as_str()))
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.names.contains(name) || self.has_prefix_of(name)
    }

    fn add_prefix(&mut self, prefix: &str) -> bool {
        if self.has_prefix_of(prefix) {
            return false;
        }
        self.prefixes.retain(|other| !other.starts_with(prefix));
        self.prefixes.insert(prefix.to_owned());
        self.widen(prefix);
        true
    }

    fn add_name(&mut self, name: &str) -> bool {
        if self.has(name) {
            return false;
        }
        self.names.insert(name.to_owned());
        self.widen(name);
        true
    }
}

/// What is found as objects are met: large objects may be made of large objects.
#[derive(Debug, Default)]
pub(super) struct Finds {
    main: String,
    all: BTreeMap<String, Wanted>,
    new: BTreeMap<String, Wanted>,
    names: usize,
}

impl Finds {
    pub(super) fn new(main: &str) -> Self {
        Self { main: main.to_owned(), ..Self::default() }
    }

    /// Takes in one object; `segments`: of a static large one.
    pub(super) fn meet(&mut self, facts: &Facts, segments: &[Segment]) -> Result<(), Error> {
        if let Some((container, prefix)) = facts.dlo().filter(|(container, _)| *container != self.main)
            && self.all.entry(container.clone()).or_default().add_prefix(&prefix)
        {
            self.new.entry(container).or_default().add_prefix(&prefix);
        }
        for (container, name) in segments.iter().filter_map(Segment::place).filter(|(of, _)| *of != self.main) {
            if self.all.entry(container.to_owned()).or_default().add_name(name) {
                self.new.entry(container.to_owned()).or_default().add_name(name);
                self.names += 1;
            }
        }
        if self.names > MOST_NAMES {
            return Err(Error::permanent(format!(
                "the large objects of container {:?} have more than {MOST_NAMES} segments in other containers; make those \
                 containers resources of the stack, and the large objects dynamic ones",
                self.main
            )));
        }
        Ok(())
    }

    /// What was found since the last time, by container.
    pub(super) fn take(&mut self) -> BTreeMap<String, Wanted> {
        std::mem::take(&mut self.new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_that_are_covered_are_one() {
        let mut wanted = Wanted::default();
        assert!(wanted.add_prefix("a/b/"));
        assert!(!wanted.add_prefix("a/b/c"));
        assert!(wanted.add_prefix("a/d"));
        assert_eq!(wanted.under(), "a/");
        assert!(wanted.has("a/b/x") && wanted.has("a/dx") && !wanted.has("a/c") && !wanted.has("a/"));
        assert!(wanted.add_prefix("a"));
        assert_eq!(wanted.prefixes.len(), 1);
        assert!(wanted.add_name("zü"));
        assert!(wanted.has("zü") && !wanted.has("zü2") && wanted.under().is_empty());
        assert!(!wanted.add_name("ab"));
    }
}
