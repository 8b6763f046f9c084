//! What the entry before had: a file that has not changed since is not read again.
//!
//! Unchanged means: same path, size, mtime, ctime, and inode where both are known, and every blob of its content still in
//! the index. The old tree is walked beside the new one, level by level.

use rustic_core::repofile::{BlobType, Node};

use super::Error;
use super::blob::Opener;
use super::index::{Index, hash_of};
use super::open::Project;
use super::tree::Entry;
use super::walk::nodes;

pub(super) struct Parent<'a> {
    project: &'a Project,
    index: &'a Index,
    opener: Opener,
    /// For each directory on the way down, what is left of the old one's nodes, sorted; empty where there was none.
    levels: Vec<std::iter::Peekable<std::vec::IntoIter<Node>>>,
}

impl<'a> Parent<'a> {
    /// `root`: the old tree's root, if there is one.
    pub(super) fn new(project: &'a Project, index: &'a Index, root: Option<Node>) -> Result<Self, Error> {
        let level = root.into_iter().collect::<Vec<_>>().into_iter().peekable();
        Ok(Self { project, index, opener: project.opener()?, levels: vec![level] })
    }

    /// The old node at the entry's path. Entries must come in a walk's order; a directory is entered by this.
    pub(super) fn find(&mut self, entry: &Entry) -> Option<Node> {
        use std::os::unix::ffi::OsStrExt;
        self.levels.truncate(entry.path.len() + 1);
        let level = self.levels.get_mut(entry.path.len())?;
        let found = match entry.path.last() {
            None => level.next(),
            Some(name) => {
                while level.next_if(|node| node.name().as_bytes() < &name[..]).is_some() {}
                level.next_if(|node| node.name().as_bytes() == &name[..])
            }
        };
        if entry.kind == super::tree::Kind::Directory {
            let old = found.as_ref().filter(|node| node.is_dir());
            // An old tree that can't be read only makes this one slower; verify names the damage.
            let nodes = old.map(|node| nodes(self.project, self.index, &mut self.opener, node));
            let nodes = nodes.and_then(|nodes| {
                nodes.inspect_err(|error| tracing::warn!(%error, "the entry before can't be compared with")).ok()
            });
            self.levels.push(nodes.unwrap_or_default().into_iter().peekable());
        }
        found
    }

    /// Whether the content of `old` is the content of `new`.
    pub(super) fn unchanged(&self, old: &Node, new: &Node) -> bool {
        let (before, now) = (&old.meta, &new.meta);
        old.is_file()
            && new.is_file()
            && before.size == now.size
            && before.mtime == now.mtime
            && before.ctime == now.ctime
            && (before.inode == 0 || now.inode == 0 || before.inode == now.inode)
            && old.content.as_ref().is_some_and(|content| {
                content.iter().all(|id| self.index.find(BlobType::Data, &hash_of(&id.into_inner())).is_some())
            })
    }
}
