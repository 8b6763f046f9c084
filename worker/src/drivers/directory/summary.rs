//! A comparison in a few numbers and names: what a plan shows, and what a restore checks before it begins.

use std::os::fd::BorrowedFd;

use rustix::fs::StatVfsMountFlags;
use stacksnap_common::types::Preview;

use super::compare::{Action, Change, Finding, Outcome};
use super::names;
use super::restore::GROUP_BYTES;

/// How many of each kind are named.
const SAMPLE: u64 = 25;
/// How many blockers and notes are named.
const NAMED: usize = 100;

#[derive(Debug, Default)]
pub(crate) struct Summary {
    preview: Preview,
    adjusts: u64,
    more_blockers: u64,
    more_notes: u64,
    /// Bytes that the group in hand writes, and frees when it is put in place.
    group: (u64, u64),
    /// Bytes that the group before frees, which happens while this one is written.
    pending: u64,
    /// Bytes that are in use at the moment in hand beyond what was at the start, and the most that ever are.
    used: i128,
    peak: i128,
    made: u64,
}

impl Summary {
    /// Takes in one outcome of the comparison.
    pub(crate) fn add(&mut self, outcome: &Outcome) {
        match outcome {
            Outcome::Finding(Finding::Unchanged) => self.preview.unchanged += 1,
            Outcome::Finding(Finding::Note(text)) => named(&mut self.preview.notes, &mut self.more_notes, text),
            Outcome::Finding(Finding::Blocker(text)) => {
                named(&mut self.preview.blockers, &mut self.more_blockers, text)
            }
            Outcome::Change(change) => self.change(change),
        }
    }

    fn change(&mut self, change: &Change) {
        let (count, word) = match change.action {
            Action::Make => (&mut self.preview.creates, "create"),
            Action::Link(_) if !change.there => (&mut self.preview.creates, "link"),
            Action::Link(_) => (&mut self.preview.overwrites, "link"),
            Action::Replace => (&mut self.preview.overwrites, "overwrite"),
            Action::Adjust => {
                self.adjusts += 1;
                (&mut self.preview.overwrites, "adjust")
            }
            Action::Remove | Action::RemoveWith => (&mut self.preview.removes, "remove"),
        };
        *count += 1;
        let named = if word == "adjust" { self.adjusts } else { *count };
        if named <= SAMPLE && self.preview.sample.len() < 100 {
            self.preview.sample.push(format!("{word} {}", names::show(&change.path)));
        }
        self.preview.bytes += change.bytes;
        if matches!(change.action, Action::Make | Action::Replace) {
            self.made += 1;
            self.group.0 += change.takes.next_multiple_of(4096);
            self.group.1 += change.frees;
            self.peak = self.peak.max(self.used + i128::from(self.group.0));
            if self.group.0 >= GROUP_BYTES {
                self.used += i128::from(self.group.0) - i128::from(self.pending);
                self.pending = self.group.1;
                self.group = (0, 0);
            }
        }
    }

    /// What stands in the way on the file system's side: no room, read-only. `on` is a directory of it.
    pub(crate) fn check_room(&mut self, on: BorrowedFd<'_>) -> rustix::io::Result<()> {
        let system = rustix::fs::fstatvfs(on)?;
        if system.f_flag.contains(StatVfsMountFlags::RDONLY) && self.anything() {
            self.preview.blockers.insert(0, "the file system is mounted read-only".to_owned());
        }
        let free = system.f_bavail.saturating_mul(system.f_frsize);
        if self.peak > i128::from(free) {
            let text = format!("not enough room: {} bytes are needed for a time, {free} are free", self.peak);
            self.preview.blockers.insert(0, text);
        }
        // A file system without a fixed number of inodes says 0.
        if system.f_files > 0 && self.made > system.f_favail {
            let text = format!("not enough inodes: {} entries are to be made, {} are free", self.made, system.f_favail);
            self.preview.blockers.insert(0, text);
        }
        Ok(())
    }

    pub(crate) fn anything(&self) -> bool {
        self.preview.creates + self.preview.overwrites + self.preview.removes > 0
    }

    pub(crate) fn preview(mut self) -> Preview {
        if self.more_blockers > 0 {
            self.preview.blockers.push(format!("and {} more", self.more_blockers));
        }
        if self.more_notes > 0 {
            self.preview.notes.push(format!("and {} more", self.more_notes));
        }
        self.preview
    }
}

fn named(list: &mut Vec<String>, more: &mut u64, text: &str) {
    if list.len() < NAMED {
        list.push(text.to_owned());
    } else {
        *more += 1;
    }
}
