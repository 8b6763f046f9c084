//! What the copy before had: an object that a listing still shows as it was then is not asked for again.
//!
//! The tree before is walked beside the new one: both have the objects in the same order, so that one look ahead is all
//! that is held.

use super::kept::Facts;
use crate::vault::{Error, Found, Tree};

type Entries = Box<dyn Iterator<Item = Result<Found, Error>> + Send>;

/// Blocks.
pub(super) struct Previous(std::iter::Peekable<Entries>);

impl Previous {
    pub(super) fn new(tree: Option<Tree>) -> Self {
        let entries: Entries = match tree {
            Some(tree) => Box::new(tree.entries()),
            None => Box::new(std::iter::empty()),
        };
        Self(entries.peekable())
    }

    /// The object at this path, but for its group, which may be another by now. Paths must come in a walk's order.
    pub(super) fn find(&mut self, section: &[Vec<u8>], name: &[u8]) -> Option<Facts> {
        loop {
            // One that can't be read only makes this copy slower; verify names the damage.
            let Ok(next) = self.0.peek()? else { return None };
            let path = &next.entry.path;
            let at =
                (path.get(..section.len()).unwrap_or(path), path.get(section.len() + 1).map_or(&[][..], Vec::as_slice));
            match at.cmp(&(section, name)) {
                std::cmp::Ordering::Less => drop(self.0.next()),
                std::cmp::Ordering::Equal => return Facts::from_entry(&self.0.next()?.ok()?.entry),
                std::cmp::Ordering::Greater => return None,
            }
        }
    }
}
