//! Storing a tree.
//!
//! ```text
//! walk (one thread): entries, numbered; compared with the entry before
//!   ├ files to read → readers (a few threads): open, cut, hand on
//!   └ the rest ─────────────┐        │
//!                      assembly (this thread): by number, into restic trees
//! ```
//!
//! At most [`WINDOW`] entries are under way, so that one large file holds up no more than that. The first error of any
//! thread stops all, and the put fails with it.

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread;

use rustic_core::repofile::{Node, SnapshotId as ResticId};
use rustic_core::{Id, TreeId};

use super::blob::BlobHash;
use super::entries::newest_tree;
use super::label::Content;
use super::node::to_node;
use super::open::Project;
use super::pack::{Packer, Queue, Watch, next};
use super::parent::Parent;
use super::put::{Watched, commit, put_nodes, read_content};
use super::tree::{Entry, Kind, TreeSource};
use super::walk::{TOP, is_name, top};
use super::{EntryId, Error, Label, Stored, Work};

const WINDOW: usize = 4096;
const WARNINGS: usize = 1000;
/// How often a tree is walked, at most.
const WALKS: usize = 3;

/// A tree can be walked again: what was found damaged meanwhile, by its own comparing with the entry before among others, is
/// then not built on.
pub(super) fn put_tree(
    project: &Arc<Project>,
    label: &Label,
    source: &dyn TreeSource,
    work: Work,
) -> Result<Stored, Error> {
    for _ in 1..WALKS {
        match put_once(project, label, source, work.clone()) {
            Err(Error::Undermined(what)) => {
                tracing::warn!(project = %project.id, %what, "damaged: a tree that may have built on it is walked again");
                project.look_at_trees(&*project.index()?, &work)?;
            }
            ended => return ended,
        }
    }
    put_once(project, label, source, work)
}

fn put_once(project: &Arc<Project>, label: &Label, source: &dyn TreeSource, work: Work) -> Result<Stored, Error> {
    if let Some((bytes, files)) = source.size() {
        work.progress.expect(bytes, files);
    }
    let watch = Watch::new(work);
    let index = project.index()?;
    let before = newest_tree(project, label)?.and_then(|entry| match top(project, &entry) {
        Ok((_, root, _)) => Some((entry, root)),
        Err(error) => {
            tracing::warn!(%entry, %error, "the entry before can't be compared with; every file is read");
            None
        }
    });
    let (parent, root) = before.map(|(entry, root)| (entry.restic(), root)).unzip();
    let packer = Packer::new(project, &index, &watch);
    let ((tree, sums), files) = packer.run(|queue| {
        let parent = Parent::new(project, &index, root)?;
        Archive { project, source, watch: &watch, queue }.run(parent)
    })?;
    let stored = Stored {
        entry: EntryId::of(ResticId::default()),
        bytes: sums.bytes,
        bytes_added: packer.added(),
        files: sums.files,
        files_unchanged: sums.unchanged,
        digest: hex::encode(tree),
        warnings: sums.warnings,
    };
    project.extend_index(files);
    project.still_sound(&index)?;
    commit(project, label, Content::Tree, &format!("/{TOP}"), parent, &tree, stored, &watch.work)
}

struct Archive<'a> {
    project: &'a Project,
    source: &'a dyn TreeSource,
    watch: &'a Watch,
    queue: &'a Queue<'a>,
}

/// A file to be read.
struct Job {
    number: u64,
    entry: Entry,
    node: Node,
    warnings: Vec<String>,
}

/// An entry with everything but, for a directory, what is in it.
struct Item {
    depth: usize,
    node: Node,
    unchanged: bool,
    warnings: Vec<String>,
}

#[derive(Default)]
struct Sums {
    bytes: u64,
    files: u64,
    unchanged: u64,
    warnings: Vec<String>,
}

impl Archive<'_> {
    fn run(&self, parent: Parent<'_>) -> Result<(BlobHash, Sums), Error> {
        let readers = thread::available_parallelism().map_or(2, usize::from);
        let (jobs, to_read) = sync_channel(2 * readers);
        let (window, leave) = sync_channel::<()>(WINDOW);
        let (items, assembled) = channel();
        let to_read = Mutex::new(to_read);
        thread::scope(|scope| {
            for _ in 0..readers {
                let items = items.clone();
                scope.spawn(|| self.read_all(&to_read, items));
            }
            scope.spawn(move || {
                if let Err(error) = self.walk(parent, &jobs, &items, &window) {
                    self.watch.fail(error);
                }
            });
            let result = self.assemble(&assembled, &leave);
            if let Err(error) = &result {
                self.watch.fail(error.clone());
                // The walk must not wait for a place in a window that nobody leaves.
                drop(leave);
            }
            result
        })
        // The scope has joined all threads; what one of them met comes first.
        .and_then(|done| self.watch.check().map(|()| done))
    }

    fn walk(
        &self,
        mut parent: Parent<'_>,
        jobs: &SyncSender<Job>,
        items: &Sender<(u64, Item)>,
        window: &SyncSender<()>,
    ) -> Result<(), Error> {
        for (number, entry) in (0..).zip(self.source.entries()) {
            self.watch.check()?;
            let entry = entry.map_err(|error| Error::source(&error))?;
            // Closed only when the assembly has failed, which has been said.
            if window.send(()).is_err() {
                return Ok(());
            }
            let mut warnings = Vec::new();
            let name = entry.path.last().map_or(TOP.as_bytes(), |name| &name[..]);
            let mut node = to_node(name, &entry, |warning| warnings.push(format!("{}: {warning}", shown(&entry))))?;
            let depth = entry.path.len();
            let old = parent.find(&entry);
            if entry.kind == Kind::File {
                match old.filter(|old| parent.unchanged(old, &node)) {
                    Some(old) => node.content = old.content,
                    None => {
                        if jobs.send(Job { number, entry, node, warnings }).is_err() {
                            return Ok(());
                        }
                        continue;
                    }
                }
                self.watch.work.progress.add_bytes(node.meta.size);
            }
            if entry.kind != Kind::Directory {
                self.watch.work.progress.add_files(1);
            }
            let unchanged = entry.kind == Kind::File;
            if items.send((number, Item { depth, node, unchanged, warnings })).is_err() {
                return Ok(());
            }
        }
        Ok(())
    }
    fn read_all(&self, jobs: &Mutex<Receiver<Job>>, items: Sender<(u64, Item)>) {
        while let Some(job) = next(jobs) {
            // After a failure only the queue is emptied, so that the walk comes to its end.
            if self.watch.check().is_err() {
                continue;
            }
            match self.read(job) {
                Ok(item) => drop(items.send(item)),
                Err(error) => self.watch.fail(error),
            }
        }
    }

    fn read(&self, job: Job) -> Result<(u64, Item), Error> {
        let Job { number, entry, mut node, warnings } = job;
        let named = |error: Error| match error {
            Error::Source { kind, reason } => Error::Source { kind, reason: format!("{}: {reason}", shown(&entry)) },
            error => error,
        };
        let reader = self.source.open(&entry).map_err(|error| named(Error::source(&error)))?;
        let reader = Watched { reader, watch: self.watch };
        let (content, bytes) = read_content(self.project, self.queue, reader, entry.meta.size).map_err(named)?;
        if bytes != entry.meta.size {
            let reason = format!("its reader gave {bytes} bytes of {}", entry.meta.size);
            return Err(named(Error::Source { kind: std::io::ErrorKind::UnexpectedEof, reason }));
        }
        node.content = Some(content);
        self.watch.work.progress.add_files(1);
        Ok((number, Item { depth: entry.path.len(), node, unchanged: false, warnings }))
    }

    /// Puts the items into their order and their directories. The id of the tree above the root.
    fn assemble(&self, items: &Receiver<(u64, Item)>, leave: &Receiver<()>) -> Result<(BlobHash, Sums), Error> {
        let mut sums = Sums::default();
        let (mut early, mut next) = (BTreeMap::new(), 0);
        // The directories on the way down, each with what is known of it.
        let mut way: Vec<(Node, Vec<Node>)> = Vec::new();
        for (number, item) in items {
            early.insert(number, item);
            while let Some(item) = early.remove(&next) {
                next += 1;
                // Never empty: each item has entered the window.
                let _ = leave.recv();
                self.place(&mut way, item, &mut sums)?;
            }
        }
        self.watch.check()?;
        while way.len() > 1 {
            self.close(&mut way)?;
        }
        let Some((mut root, nodes)) = way.pop() else {
            return Err(Error::Internal("the tree has no root".to_owned()));
        };
        root.subtree = Some(TreeId::from(Id::new(put_nodes(self.queue, nodes)?)));
        Ok((put_nodes(self.queue, vec![root])?, sums))
    }

    fn place(&self, way: &mut Vec<(Node, Vec<Node>)>, item: Item, sums: &mut Sums) -> Result<(), Error> {
        let Item { depth, node, unchanged, warnings } = item;
        while way.len() > depth.max(1) {
            self.close(way)?;
        }
        let room = WARNINGS - sums.warnings.len();
        sums.warnings.extend(warnings.into_iter().take(room));
        if node.is_file() {
            sums.bytes += node.meta.size;
            sums.unchanged += u64::from(unchanged);
        }
        if depth == 0 {
            if !way.is_empty() || !node.is_dir() {
                return Err(Error::Internal("a tree has one root, a directory, first".to_owned()));
            }
            way.push((node, Vec::new()));
            return Ok(());
        }
        let whole = way.len() == depth;
        let Some((_, siblings)) = way.last_mut().filter(|_| whole) else {
            return Err(Error::Internal(format!("the walk left out a directory above {}", node.name)));
        };
        let name = node.name();
        if !is_name(name.as_bytes()) || siblings.last().is_some_and(|before| before.name() >= name) {
            return Err(Error::Internal(format!("the walk gave {} out of its order", node.name)));
        }
        drop(name);
        if node.is_dir() {
            way.push((node, Vec::new()));
        } else {
            sums.files += 1;
            siblings.push(node);
        }
        Ok(())
    }

    /// The last directory of the way is complete.
    fn close(&self, way: &mut Vec<(Node, Vec<Node>)>) -> Result<(), Error> {
        if let Some((mut directory, nodes)) = way.pop()
            && let Some((_, siblings)) = way.last_mut()
        {
            directory.subtree = Some(TreeId::from(Id::new(put_nodes(self.queue, nodes)?)));
            siblings.push(directory);
        }
        Ok(())
    }
}

/// An entry's path for a person to read.
fn shown(entry: &Entry) -> String {
    let names: Vec<String> = entry.path.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect();
    if names.is_empty() { ".".to_owned() } else { names.join("/") }
}
