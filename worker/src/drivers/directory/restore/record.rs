//! What one restore set out to do and how far it came, in files that outlive it.
//!
//! `<control>/restores/<key>/<step>/` has four of them. `changes`, `links` and `removals` have one line for each path,
//! in the order in which they are done: the action, a tab, the path as `names::show` writes it, and for a link another
//! tab and the path that it is a link of. `state` says how many lines of each are done. Paths are thus never all in
//! memory, and a person can read what a restore that failed did and did not.
//!
//! A restore that is killed is begun anew by the next claim: it compares again, finds most of it done, and writes these
//! files again. They are removed when a restore of the same directory is done.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use stacksnap_common::ids::StepId;

use crate::drivers::directory::compare::{Action, Change};
use crate::drivers::directory::control::make_dir;
use crate::drivers::directory::names;

/// The three lists, in the order in which they are worked off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum List {
    Changes,
    Links,
    Removals,
}

const LISTS: [List; 3] = [List::Changes, List::Links, List::Removals];

impl List {
    fn file(self) -> &'static str {
        match self {
            Self::Changes => "changes",
            Self::Links => "links",
            Self::Removals => "removals",
        }
    }

    fn of(action: &Action) -> Self {
        match action {
            Action::Make | Action::Replace | Action::Adjust => Self::Changes,
            Action::Link(_) => Self::Links,
            Action::Remove | Action::RemoveWith => Self::Removals,
        }
    }
}

/// How far a restore came: lines done, by list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct State {
    pub(crate) changes: u64,
    pub(crate) links: u64,
    pub(crate) removals: u64,
}

impl State {
    pub(crate) fn of(&mut self, list: List) -> &mut u64 {
        match list {
            List::Changes => &mut self.changes,
            List::Links => &mut self.links,
            List::Removals => &mut self.removals,
        }
    }
}

/// One path of a restore, for a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileState {
    /// `create`, `overwrite`, `adjust`, `link` or `remove`.
    pub action: &'static str,
    /// As one line of text: what is not plain is written `\xNN`.
    pub path: String,
    /// Whether it was done before the restore ended.
    pub done: bool,
}

/// A restore that has not come to its end.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Half {
    /// Paths that are as they were in the snapshot.
    pub done: u64,
    /// Paths that are still as they were found.
    pub left: u64,
    /// The first thousand of each.
    pub files: Vec<FileState>,
}

/// So many paths of each sort are listed.
const LISTED: u64 = 1000;

pub(crate) struct Record {
    dir: PathBuf,
    writers: [Option<BufWriter<File>>; 3],
    state: State,
    lines: u64,
}

impl Record {
    /// Begins the record of `step`, in place of an earlier one of the same step.
    pub(crate) fn begin(restores: &Path, step: StepId) -> io::Result<Self> {
        let dir = restores.join(step.to_string());
        make_dir(&dir)?;
        let mut writers = [None, None, None];
        for (list, writer) in LISTS.iter().zip(&mut writers) {
            *writer = Some(BufWriter::new(File::create(dir.join(list.file()))?));
        }
        let mut record = Self { dir, writers, state: State::default(), lines: 0 };
        record.save()?;
        Ok(record)
    }

    /// Writes down a change that is to be made.
    pub(crate) fn add(&mut self, change: &Change) -> io::Result<()> {
        let Some(writer) = &mut self.writers[List::of(&change.action) as usize] else {
            return Err(io::Error::other("the list is closed"));
        };
        write!(writer, "{}\t{}", word(&change.action), names::show(&change.path))?;
        if let Action::Link(of) = &change.action {
            write!(writer, "\t{}", names::show(of))?;
        }
        self.lines += 1;
        writeln!(writer)
    }

    /// All is written down; nothing is added any more.
    pub(crate) fn close(&mut self) -> io::Result<()> {
        for writer in &mut self.writers {
            if let Some(mut writer) = writer.take() {
                writer.flush()?;
            }
        }
        Ok(())
    }

    /// The lines of a list, in order.
    pub(crate) fn read(&self, list: List) -> io::Result<Lines> {
        Lines::open(&self.dir, list)
    }

    /// `count` lines more of a list are done; written down.
    pub(crate) fn done(&mut self, list: List, count: u64) -> io::Result<()> {
        self.count(list, count);
        self.save()
    }

    /// The same, written down with the next [`Record::done`].
    pub(crate) fn count(&mut self, list: List, count: u64) {
        *self.state.of(list) += count;
    }

    /// Lines that are done, of how many.
    pub(crate) fn counted(&self) -> (u64, u64) {
        (self.state.changes + self.state.links + self.state.removals, self.lines)
    }

    fn save(&mut self) -> io::Result<()> {
        let new = self.dir.join("state.new");
        fs::write(&new, serde_json::to_vec(&self.state)?)?;
        fs::rename(new, self.dir.join("state"))
    }

    /// Nothing was touched: removes the record.
    pub(crate) fn discard(self) -> io::Result<()> {
        fs::remove_dir_all(&self.dir)
    }

    /// The restore is done: removes its record, and those of earlier ones of the same directory.
    pub(crate) fn finish(self) -> io::Result<()> {
        match self.dir.parent() {
            Some(all) => fs::remove_dir_all(all),
            None => Ok(()),
        }
    }
}

/// The lines of one list.
pub(crate) struct Lines(BufReader<File>);

impl Lines {
    fn open(dir: &Path, list: List) -> io::Result<Self> {
        Ok(Self(BufReader::new(File::open(dir.join(list.file()))?)))
    }

    /// The next; bytes are not known here any more.
    pub(crate) fn next(&mut self) -> io::Result<Option<Change>> {
        let mut line = String::new();
        if self.0.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let wrong = || io::Error::other("a line in the control directory is not readable");
        let mut parts = line.trim_end_matches('\n').split('\t');
        let (action, path) = (parts.next().ok_or_else(wrong)?, parts.next().ok_or_else(wrong)?);
        let action = match action {
            "create" => Action::Make,
            "overwrite" => Action::Replace,
            "adjust" => Action::Adjust,
            "link" => Action::Link(parts.next().and_then(names::shown).ok_or_else(wrong)?),
            "remove" => Action::Remove,
            "remove-with" => Action::RemoveWith,
            _ => return Err(wrong()),
        };
        Ok(Some(Change {
            path: names::shown(path).ok_or_else(wrong)?,
            action,
            there: false,
            bytes: 0,
            takes: 0,
            frees: 0,
        }))
    }
}

fn word(action: &Action) -> &'static str {
    match action {
        Action::Make => "create",
        Action::Replace => "overwrite",
        Action::Adjust => "adjust",
        Action::Link(_) => "link",
        Action::Remove => "remove",
        Action::RemoveWith => "remove-with",
    }
}

/// What the restore of `step` did and did not; `None` if it is not known (never begun here, or done).
pub(crate) fn half(restores: &Path, step: StepId) -> io::Result<Option<Half>> {
    let dir = restores.join(step.to_string());
    let mut state = match fs::read(dir.join("state")) {
        Ok(bytes) => serde_json::from_slice::<State>(&bytes)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut half = Half::default();
    for list in LISTS {
        let mut left = *state.of(list);
        let mut lines = Lines::open(&dir, list)?;
        while let Some(change) = lines.next()? {
            let done = left > 0;
            left = left.saturating_sub(1);
            let count = if done { &mut half.done } else { &mut half.left };
            *count += 1;
            if *count <= LISTED {
                let action = if change.action == Action::RemoveWith { "remove" } else { word(&change.action) };
                half.files.push(FileState { action, path: names::show(&change.path), done });
            }
        }
    }
    Ok(Some(half))
}

/// The steps whose restore of this directory was begun and not finished.
pub(crate) fn unfinished(restores: &Path) -> Vec<StepId> {
    let Ok(entries) = fs::read_dir(restores) else { return Vec::new() };
    let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    names.filter_map(|name| name.parse().ok()).collect()
}
