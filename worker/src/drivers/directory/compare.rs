//! What a restore has to do: the recorded tree against the one on disk, as two sorted streams side by side.
//!
//! Both walks give their entries in the same order, so one entry of each is all that is in memory, whatever the size of
//! the trees; only of hard links a map is kept. For each path comes out at most one [`Change`]:
//!
//! - **Content counts, not times.** A file is unchanged when its bytes are: size and time may lie, and after a damage
//!   they often do. So every file of the right size is read.
//! - **What is excluded, mounted or was left out** of the snapshot is neither changed nor removed, nor are the
//!   directories above it. If a file would have to take the place of such a directory, that is a blocker.
//! - **Hard links.** The first path of a group is restored as a file, the others as links of it. A file with other
//!   links than it should have is made anew: what lies outside of the tree, or is another file, is never written to
//!   through a link.

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};

use rustix::fs::{FileType, Statx};
use rustix::io::Errno;

use super::archive::{Archive, EntryIter, Recorded};
use super::errors;
use super::exclude::Excludes;
use super::names;
use super::policy::{FileId, Tree, is_locked};
use super::properties::Owners;
use super::rights::Rights;
use super::walk::{Found, Walk, What, open_file};
use crate::driver::Error;
use crate::vault::tree::{Entry, Kind, Meta};

/// One thing to do, at one path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) path: Vec<Vec<u8>>,
    pub(crate) action: Action,
    /// Something is at the path already.
    pub(crate) there: bool,
    /// Bytes of content that will be written.
    pub(crate) bytes: u64,
    /// Bytes on disk that this takes, at least.
    pub(crate) takes: u64,
    /// Bytes on disk that will be free afterwards.
    pub(crate) frees: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    /// Nothing is there: make it.
    Make,
    /// Something else is there, or something with another content: put a new one in its place.
    Replace,
    /// Only owner, mode, time or attributes differ.
    Adjust,
    /// Make it a hard link of that path, which comes earlier.
    Link(Vec<Vec<u8>>),
    /// It is not in the snapshot: remove it, with all that is in it.
    Remove,
    /// In a directory that is removed.
    RemoveWith,
}

/// What comes out of a comparison beside the changes.
#[derive(Debug)]
pub(crate) enum Finding {
    /// A restore would fail here, or must not be begun.
    Blocker(String),
    /// Left as it is, and why.
    Note(String),
    /// Nothing to do.
    Unchanged,
}

pub(crate) enum Outcome {
    Change(Change),
    Finding(Finding),
}

pub(crate) struct Rules<'a> {
    pub(crate) exclude: &'a Excludes,
    /// Paths that the snapshot left out: mount points, what could not be read.
    pub(crate) left_out: &'a HashSet<Vec<Vec<u8>>>,
    pub(crate) owners: Owners,
    pub(crate) rights: &'a Rights,
}

impl Rules<'_> {
    /// Whether the path itself, or all that is at it, is out of this restore.
    fn leave(&self, path: &names::Path, directory: bool) -> bool {
        self.exclude.cover(path, directory) || self.left_out.contains(path)
    }
}

/// Compares, and hands over each outcome in the order of the walk. `tree` is `None` where there is no directory yet.
pub(crate) fn compare<A: Archive>(
    archive: &A,
    tree: Option<&Tree>,
    rules: &Rules<'_>,
    go_on: &dyn Fn() -> Result<(), Error>,
    give: &mut dyn FnMut(Outcome) -> Result<(), Error>,
) -> Result<(), Error> {
    let walk = match tree {
        Some(tree) => Some(Walk::new(tree, rules.exclude).map_err(|errno| errors::entry("list", &[], errno))?),
        None => None,
    };
    Comparison { archive, rules, walk, give, groups: HashMap::new(), claimed: HashMap::new(), above: Vec::new() }
        .run(archive.entries()?, go_on)
}

/// A group of hard links, as recorded.
struct Group {
    /// The first path; the others become links of it.
    first: Vec<Vec<u8>>,
    /// The file on disk that stays as the group's; none if the first one is made anew.
    on_disk: Option<FileId>,
    /// Paths of the group that the snapshot has; the file had more links if others lay outside of the tree.
    members: u64,
    links: u64,
}

/// A directory on disk on the way to the entry in hand.
struct Above {
    path: Vec<Vec<u8>>,
    /// Why nothing in it can be made or removed, if so.
    closed: Option<&'static str>,
    fate: Fate,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Stays,
    /// It goes, and so does what is in it.
    Removed,
    /// A file, link or other entry takes its place.
    Replaced,
}

struct Comparison<'a, A: Archive> {
    archive: &'a A,
    rules: &'a Rules<'a>,
    walk: Option<Walk<'a>>,
    give: &'a mut dyn FnMut(Outcome) -> Result<(), Error>,
    groups: HashMap<(u64, u64), Group>,
    /// Files on disk with several links, and the group that each stays for.
    claimed: HashMap<FileId, (u64, u64)>,
    above: Vec<Above>,
}

impl<A: Archive> Comparison<'_, A> {
    fn run(mut self, recorded: EntryIter<'_, A::Content>, go_on: &dyn Fn() -> Result<(), Error>) -> Result<(), Error> {
        let mut recorded = Ordered { entries: recorded, last: None };
        let (mut want, mut have) = (recorded.next(&[])?, self.step()?);
        loop {
            go_on()?;
            let order = match (&want, &have) {
                (None, None) => return self.links_outside(),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some((entry, _)), Some(found)) => entry.path.cmp(&found.path),
            };
            if order != Ordering::Greater
                && let Some((entry, _)) = &want
                && self.rules.leave(&entry.path, entry.kind == Kind::Directory)
            {
                let out = entry.path.clone();
                if order == Ordering::Less {
                    self.note(format!("{} is excluded now: left as it is", names::show(&out)))?;
                }
                want = recorded.next(&out)?;
                continue;
            }
            match (order, &want, &have) {
                (Ordering::Less, Some(entry), _) => {
                    self.missing(entry)?;
                    want = recorded.next(&[])?;
                }
                (Ordering::Greater, _, Some(found)) => {
                    self.extra(found)?;
                    have = self.step()?;
                }
                (_, Some(entry), Some(found)) => {
                    let skip = self.both(entry, found)?;
                    let path = entry.0.path.clone();
                    want = recorded.next(if skip { &path } else { &[] })?;
                    have = self.step()?;
                }
                _ => return Err(Error::permanent("the comparison of two trees lost its way")),
            }
        }
    }

    /// Names what was linked with something outside of the tree and is made anew: the other links keep the old file.
    fn links_outside(mut self) -> Result<(), Error> {
        for group in std::mem::take(&mut self.groups).into_values() {
            if group.on_disk.is_none() && group.members < group.links {
                self.note(format!(
                    "{} had {} hard links outside of the directory; a restore does not change those, and does not link \
                     to them again",
                    names::show(&group.first),
                    group.links - group.members
                ))?;
            }
        }
        Ok(())
    }

    fn step(&mut self) -> Result<Option<Found>, Error> {
        match &mut self.walk {
            Some(walk) => walk.step().map_err(|errno| errors::entry("list a directory in", &[], errno)),
            None => Ok(None),
        }
    }

    fn note(&mut self, text: String) -> Result<(), Error> {
        (self.give)(Outcome::Finding(Finding::Note(text)))
    }

    fn blocker(&mut self, text: String) -> Result<(), Error> {
        (self.give)(Outcome::Finding(Finding::Blocker(text)))
    }

    /// The directory that holds the path; forgets those that are left behind.
    fn holder(&mut self, path: &names::Path) -> Option<&Above> {
        while self.above.last().is_some_and(|above| path.len() <= above.path.len() || !path.starts_with(&above.path)) {
            self.above.pop();
        }
        self.above.last()
    }

    /// Hands over a change, after asking whether it could be made.
    fn change(
        &mut self,
        path: &names::Path,
        action: Action,
        recorded: Option<&Recorded<A::Content>>,
        stat: Option<&Statx>,
    ) -> Result<(), Error> {
        let shown = names::show(path);
        // A removal needs a directory that can be changed, as does everything but an adjustment.
        let closed = self.holder(path).and_then(|above| above.closed);
        if action != Action::Adjust
            && action != Action::RemoveWith
            && let Some(why) = closed
        {
            self.blocker(format!("{shown}: {why}"))?;
        }
        if stat.is_some_and(is_locked) {
            self.blocker(format!("{shown} is immutable or append-only; clear that with chattr -i, chattr -a"))?;
        }
        if let Some((entry, _)) = recorded {
            self.may(entry, &action, stat)?;
        }
        let written = matches!(action, Action::Make | Action::Replace);
        let file = recorded.filter(|(entry, _)| written && entry.kind == Kind::File);
        let bytes = file.map_or(0, |(entry, _)| entry.meta.size);
        let takes = file.map_or(0, |(entry, content)| self.archive.room(entry, content));
        let last_link = stat.filter(|stat| stat.stx_nlink == 1);
        let frees = match action {
            Action::Make | Action::Adjust => 0,
            _ => last_link.map_or(0, |stat| stat.stx_blocks.saturating_mul(512)),
        };
        (self.give)(Outcome::Change(Change { path: path.to_vec(), there: stat.is_some(), action, bytes, takes, frees }))
    }

    /// Names what this process may not do to make the entry what it was.
    fn may(&mut self, entry: &Entry, action: &Action, stat: Option<&Statx>) -> Result<(), Error> {
        let owners = self.rules.owners == Owners::Restore;
        let needs_owner = match (action, stat) {
            (Action::Link(_), _) => return Ok(()),
            (Action::Adjust, Some(stat)) => {
                if !self.rules.rights.adjusts(stat.stx_uid) && !self.rules.rights.takes_over() {
                    self.blocker(format!(
                        "{}: it belongs to user {}, and the worker may not change it (needs CAP_FOWNER)",
                        names::show(&entry.path),
                        stat.stx_uid
                    ))?;
                }
                owners && (stat.stx_uid, stat.stx_gid) != (entry.meta.uid, entry.meta.gid)
            }
            _ => owners,
        };
        if let Some(why) = self.rules.rights.missing_for(&entry.kind, &entry.meta, needs_owner) {
            self.blocker(format!("{}: {why}", names::show(&entry.path)))?;
        }
        Ok(())
    }

    /// In the snapshot, not on disk.
    fn missing(&mut self, recorded: &Recorded<A::Content>) -> Result<(), Error> {
        let entry = &recorded.0;
        self.holder(&entry.path);
        let action = self.join_group(entry, None).unwrap_or(Action::Make);
        self.change(&entry.path, action, Some(recorded), None)
    }

    /// On disk, not in the snapshot.
    fn extra(&mut self, found: &Found) -> Result<(), Error> {
        let path = &found.path;
        let fate = self.holder(path).map_or(Fate::Stays, |above| above.fate);
        let kept = match &found.what {
            What::Vanished => return Ok(()),
            What::Entry(stat) => {
                let directory = FileType::from_raw_mode(stat.stx_mode.into()) == FileType::Directory;
                if !self.rules.leave(path, directory) {
                    let action = if fate == Fate::Stays { Action::Remove } else { Action::RemoveWith };
                    self.change(path, action, None, Some(stat))?;
                    if directory {
                        self.enter(path, stat, if fate == Fate::Stays { Fate::Removed } else { fate });
                    }
                    return Ok(());
                }
                if directory && let Some(walk) = &mut self.walk {
                    walk.skip_content(found);
                }
                "was left out of the snapshot"
            }
            What::Temporary => {
                let action = if fate == Fate::Stays { Action::Remove } else { Action::RemoveWith };
                return self.change(path, action, None, None);
            }
            What::Excluded => "is excluded",
            What::Mount => "is a mount point",
            What::Unreadable(errno) => {
                if !self.rules.leave(path, true) {
                    let words = errors::words(*errno);
                    return self.blocker(format!("{}: can't be looked at: {words}", names::show(path)));
                }
                "was left out of the snapshot"
            }
        };
        let shown = names::show(path);
        match fate {
            Fate::Stays => self.note(format!("{shown} {kept}: left as it is")),
            Fate::Removed => self.note(format!("{shown} {kept}: left as it is, with the directories above it")),
            Fate::Replaced => self.blocker(format!(
                "{shown} {kept}, but a directory above it must give way to what the snapshot has in its place; move it away"
            )),
        }
    }

    /// In both. True if nothing at or below this path is to be done.
    fn both(&mut self, recorded: &Recorded<A::Content>, found: &Found) -> Result<bool, Error> {
        let (entry, path) = (&recorded.0, &found.path);
        self.holder(path);
        let stat = match &found.what {
            What::Entry(stat) => stat,
            What::Vanished => {
                let action = self.join_group(entry, None).unwrap_or(Action::Make);
                return self.change(path, action, Some(recorded), None).map(|()| false);
            }
            What::Mount => {
                let text = format!("{} is a mount point now: left as it is", names::show(path));
                return self.note(text).map(|()| true);
            }
            What::Excluded => {
                let text = format!("{}: excluded, left as it is", names::show(path));
                return self.note(text).map(|()| true);
            }
            What::Temporary => return self.change(path, Action::Remove, None, None).map(|()| true),
            What::Unreadable(errno) => {
                let text = format!("{}: can't be looked at: {}", names::show(path), errors::words(*errno));
                return self.blocker(text).map(|()| true);
            }
        };
        let directory = FileType::from_raw_mode(stat.stx_mode.into()) == FileType::Directory;
        let wanted_directory = entry.kind == Kind::Directory;
        if directory != wanted_directory {
            let action = self.join_group(entry, None).unwrap_or(Action::Replace);
            self.change(path, action, Some(recorded), Some(stat))?;
            if directory {
                self.enter(path, stat, Fate::Replaced);
            }
            return Ok(false);
        }
        let difference = self.difference(recorded, stat)?;
        let action = if directory {
            difference
        } else {
            match self.join_group(entry, difference.is_none().then(|| FileId::of(stat))) {
                Some(link) => Some(link),
                None => match difference {
                    // Its numbers belong to all its links, and some may not be ours.
                    Some(Action::Adjust) if stat.stx_nlink > 1 => Some(Action::Replace),
                    other => other,
                },
            }
        };
        // A link that is one already.
        let action = match action {
            Some(Action::Link(_)) if self.is_link_already(entry, stat) => None,
            other => other,
        };
        match action {
            Some(action) => self.change(path, action, Some(recorded), Some(stat))?,
            None => (self.give)(Outcome::Finding(Finding::Unchanged))?,
        }
        if directory {
            self.enter(path, stat, Fate::Stays);
        }
        Ok(false)
    }

    /// Goes down into a directory on disk; what comes next is in it.
    fn enter(&mut self, path: &names::Path, stat: &Statx, fate: Fate) {
        let rights = self.rules.rights;
        let closed = if is_locked(stat) {
            Some("its directory is immutable or append-only; clear that with chattr -i, chattr -a")
        } else if rights.overrides() || rights.takes_over() || stat.stx_uid == rights.uid || stat.stx_mode & 0o022 != 0
        {
            None
        } else {
            Some("its directory belongs to another user, and the worker may not write there (needs CAP_CHOWN)")
        };
        self.above.push(Above { path: path.to_vec(), closed, fate });
    }

    /// For a recorded hard link that is not the first of its group, the link that it shall be. For the first, notes
    /// what is on disk (`stays`) when that is right as it is.
    fn join_group(&mut self, entry: &Entry, stays: Option<FileId>) -> Option<Action> {
        if entry.meta.links < 2 || entry.kind == Kind::Directory {
            return None;
        }
        let key = (entry.meta.device, entry.meta.inode);
        if let Some(group) = self.groups.get_mut(&key) {
            group.members += 1;
            return Some(Action::Link(group.first.clone()));
        }
        if let Some(id) = stays {
            self.claimed.insert(id, key);
        }
        let group = Group { first: entry.path.clone(), on_disk: stays, members: 1, links: entry.meta.links };
        self.groups.insert(key, group);
        None
    }

    fn is_link_already(&self, entry: &Entry, stat: &Statx) -> bool {
        let group = self.groups.get(&(entry.meta.device, entry.meta.inode));
        group.is_some_and(|group| group.on_disk == Some(FileId::of(stat)))
    }

    /// What differs between an entry and what is at its path; both are directories or neither is.
    fn difference(&mut self, recorded: &Recorded<A::Content>, stat: &Statx) -> Result<Option<Action>, Error> {
        let (entry, content) = recorded;
        let key = (entry.meta.device, entry.meta.inode);
        let several = entry.meta.links > 1 && entry.kind != Kind::Directory;
        if several && self.groups.contains_key(&key) {
            // It becomes a link, whatever is there.
            return Ok(None);
        }
        if entry.kind != Kind::Directory && stat.stx_nlink > 1 {
            // Shared with a file that it was not shared with.
            let claimed = self.claimed.get(&FileId::of(stat)).is_some_and(|other| *other != key);
            if !several || claimed {
                return Ok(Some(Action::Replace));
            }
        }
        let Some(walk) = &mut self.walk else { return Ok(Some(Action::Make)) };
        let now = match walk.complete(&entry.path, stat) {
            Ok(now) => now,
            Err(Errno::NOENT | Errno::INVAL) => return Ok(Some(Action::Replace)),
            // What can't be read can be replaced.
            Err(Errno::ACCESS | Errno::PERM) if entry.kind != Kind::Directory => return Ok(Some(Action::Replace)),
            Err(errno) => return Err(errors::entry("look at", &entry.path, errno)),
        };
        if now.kind != entry.kind {
            return Ok(Some(Action::Replace));
        }
        if entry.kind == Kind::File {
            if now.meta.size != entry.meta.size {
                return Ok(Some(Action::Replace));
            }
            if entry.meta.size > 0 {
                let (dir, name) =
                    walk.holder(&entry.path).map_err(|errno| errors::entry("look at", &entry.path, errno))?;
                let same = match open_file(dir, name) {
                    Ok(Some((fd, stat))) if stat.stx_size == entry.meta.size => {
                        self.archive.same(entry, content, &fd.into())?
                    }
                    Ok(_) | Err(Errno::ACCESS | Errno::PERM | Errno::NOENT) => false,
                    Err(errno) => return Err(errors::entry("open", &entry.path, errno)),
                };
                if !same {
                    return Ok(Some(Action::Replace));
                }
            }
        }
        Ok((!alike(&entry.meta, &now.meta, &entry.kind, self.rules.owners)).then_some(Action::Adjust))
    }
}

/// Whether what a restore sets is as it was.
pub(crate) fn alike(was: &Meta, is: &Meta, kind: &Kind, owners: Owners) -> bool {
    (owners == Owners::Skip || (was.uid, was.gid) == (is.uid, is.gid))
        && was.mtime == is.mtime
        && was.xattrs == is.xattrs
        // The mode of a link can't be set, and means nothing.
        && (was.mode == is.mode || matches!(kind, Kind::Symlink(_)))
}

/// Entries in their order; anything else would make a restore remove what it should keep.
struct Ordered<'a, C> {
    entries: EntryIter<'a, C>,
    last: Option<Vec<Vec<u8>>>,
}

impl<C> Ordered<'_, C> {
    /// The next entry that is not at or below `skip` (not empty).
    fn next(&mut self, skip: &names::Path) -> Result<Option<Recorded<C>>, Error> {
        for recorded in self.entries.by_ref() {
            let recorded = recorded?;
            let path = &recorded.0.path;
            if self.last.as_ref().is_some_and(|last| last >= path) || (self.last.is_none() && !path.is_empty()) {
                return Err(Error::permanent(format!("the vault gave {} out of order", names::show(path))));
            }
            self.last = Some(path.clone());
            if skip.is_empty() || !path.starts_with(skip) {
                return Ok(Some(recorded));
            }
        }
        Ok(None)
    }
}
