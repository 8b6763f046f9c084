//! Trees of all kinds of entries, made from a seed, damaged from a seed, and compared to the last bit.
//!
//! `stacksnap demo` shows the main job on one, and the tests run on many. What a process without privileges can't make
//! (other owners, devices, capabilities) is left out; everything else that a Linux file system can hold is there: names
//! that are no text, paths longer than `PATH_MAX`, holes, links of every sort, ACLs, times before 1970 and after 2100.
//!
//! [`manifest()`] reads a tree in the plainest way and shares nothing with the walk that a copy uses but the opening of
//! deep directories, so that a mistake there shows.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{Mode, OFlags};

mod build;
mod damage;
mod manifest;

pub use build::{Size, build};
pub use damage::{Damage, damage};
pub use manifest::{Difference, Manifest, compare, manifest};

/// Opens the top of a tree.
pub(crate) fn open(dir: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(rustix::fs::open(dir, flags, Mode::empty())?)
}

/// A small generator of numbers: the same seed gives the same tree everywhere.
#[derive(Debug, Clone)]
pub(crate) struct Numbers(u64);

impl Numbers {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed ^ 0x9e37_79b9_7f4a_7c15)
    }

    /// SplitMix64 (Steele, Lea, Flood 2014).
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Below `bound`, which is not zero.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    /// Once in `of` times.
    pub(crate) fn once_in(&mut self, of: u64) -> bool {
        self.below(of) == 0
    }

    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        from.get(usize::try_from(self.below(from.len() as u64)).unwrap_or(0))
    }

    /// Bytes that do not compress, or, half of the time, that do.
    pub(crate) fn bytes(&mut self, length: usize) -> Vec<u8> {
        let plain = self.once_in(2);
        let mut bytes = Vec::with_capacity(length + 8);
        while bytes.len() < length {
            let next = self.next();
            if plain {
                bytes.extend_from_slice(format!("line {}\n", next % 1000).as_bytes());
            } else {
                bytes.extend_from_slice(&next.to_le_bytes());
            }
        }
        bytes.truncate(length);
        bytes
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const SIZE: Size = Size { entries: 300, largest: 100_000 };

    #[test]
    fn a_seed_gives_the_same_tree_and_damage_shows() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        build(one.path(), 7, SIZE).unwrap();
        build(two.path(), 7, SIZE).unwrap();
        let was = manifest(one.path()).unwrap();
        assert!(was.size().0 > 350, "{:?}", was.size());
        assert_eq!(compare(&was, two.path()).unwrap(), []);
        let done = damage(two.path(), 1).unwrap();
        assert!(done.total() > 60 && done.0.len() >= 12, "{done:?}");
        assert!(compare(&was, two.path()).unwrap().len() > 60);
        assert_eq!(compare(&was, one.path()).unwrap(), []);
    }
}
