//! Reading a tree: its entries in the order in which they were given, and from which blobs a file's content comes.
//!
//! An entry's restic snapshot has one directory at its root, [`TOP`], which is the tree's own root. In memory is what
//! lies beside the way down: the directories' nodes, one restic tree for each level.

use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

use rustic_core::repofile::{BlobType, Node, NodeType, SnapshotFile, Tree as Nodes};

use super::blob::{BlobHash, Opener};
use super::fetch::blob;
use super::index::{Index, hash_of};
use super::node::from_node;
use super::open::Project;
use super::tree::{Entry, Kind};
use super::{EntryId, Error};

/// The name of the tree's root within its restic snapshot.
pub(super) const TOP: &str = "data";

/// A tree in the vault. Cheap to clone; blocks when it is used.
#[derive(Clone)]
pub struct Tree {
    pub(super) project: Arc<Project>,
    pub(super) index: Arc<Index>,
    pub(super) root: Node,
    /// Bytes of content, as they were counted when it was stored.
    pub bytes: u64,
    /// Entries that are no directories.
    pub files: u64,
}

/// One entry of a tree in the vault.
#[derive(Debug, Clone)]
pub struct Found {
    /// Directories have the size zero, symlinks their target's length.
    pub entry: Entry,
    /// For a file.
    pub content: Option<Blobs>,
}

/// Where a file's content is. Two files with equal `Blobs` have equal content.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Blobs(pub(super) Arc<[BlobHash]>);

impl Tree {
    /// The root, then everything below it, depth first, siblings by the bytes of their names. After an error it ends.
    ///
    /// Blocks: not to be used on an async thread.
    pub fn entries(&self) -> impl Iterator<Item = Result<Found, Error>> + Send + use<> {
        let walk = self.project.opener().map(|opener| Walk {
            project: Arc::clone(&self.project),
            index: Arc::clone(&self.index),
            opener,
            path: Vec::new(),
            levels: vec![vec![self.root.clone()].into_iter()],
            ended: false,
        });
        let (walk, failed) = match walk {
            Ok(walk) => (Some(walk), None),
            Err(error) => (None, Some(Err(error))),
        };
        failed.into_iter().chain(walk.into_iter().flatten())
    }
}

struct Walk {
    project: Arc<Project>,
    index: Arc<Index>,
    opener: Opener,
    /// Of the directory whose nodes are last in `levels`; the root is none of its names.
    path: Vec<Vec<u8>>,
    levels: Vec<std::vec::IntoIter<Node>>,
    ended: bool,
}

impl Walk {
    fn step(&mut self) -> Result<Option<Found>, Error> {
        let node = loop {
            let Some(level) = self.levels.last_mut() else { return Ok(None) };
            if let Some(node) = level.next() {
                break node;
            }
            self.levels.pop();
            self.path.pop();
        };
        let is_root = self.levels.len() == 1;
        let mut path = self.path.clone();
        if !is_root {
            path.push(name(&node)?);
        }
        if node.is_dir() {
            let nodes = nodes(&self.project, &self.index, &mut self.opener, &node)?;
            self.levels.push(nodes.into_iter());
            if !is_root {
                self.path.clone_from(&path);
            }
        }
        let entry = from_node(&node, path);
        let content = (entry.kind == Kind::File).then(|| blobs(&node));
        Ok(Some(Found { entry, content }))
    }
}

impl Iterator for Walk {
    type Item = Result<Found, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let item = self.step().transpose();
        self.ended = !matches!(item, Some(Ok(_)));
        item
    }
}

/// A name that could lead out of its directory comes from no tree of ours, and goes into none.
fn name(node: &Node) -> Result<Vec<u8>, Error> {
    let name = node.name().as_bytes().to_vec();
    if is_name(&name) {
        Ok(name)
    } else {
        Err(Error::Damaged(format!("a tree has an entry with the name \"{}\"", name.escape_ascii())))
    }
}

pub(super) fn is_name(name: &[u8]) -> bool {
    !name.is_empty() && name != b"." && name != b".." && !name.iter().any(|byte| matches!(byte, 0 | b'/'))
}

pub(super) fn blobs(node: &Node) -> Blobs {
    Blobs(node.content.iter().flatten().map(|id| hash_of(&id.into_inner())).collect())
}

/// What a directory holds.
pub(super) fn nodes(project: &Project, index: &Index, opener: &mut Opener, node: &Node) -> Result<Vec<Node>, Error> {
    let subtree = node.subtree.ok_or_else(|| Error::Damaged(format!("the directory {} has no tree", node.name)))?;
    tree_nodes(project, index, opener, &hash_of(&subtree.into_inner()))
}

pub(super) fn tree_nodes(
    project: &Project,
    index: &Index,
    opener: &mut Opener,
    id: &BlobHash,
) -> Result<Vec<Node>, Error> {
    let json = blob(project, index, opener, BlobType::Tree, id)?;
    let tree: Nodes = serde_json::from_slice(&json)
        .map_err(|error| Error::Damaged(format!("the tree {} can't be understood: {error}", hex::encode(id))))?;
    Ok(tree.nodes)
}

/// The only node at the root of an entry's restic snapshot: a tree's root directory, or a stream's file.
pub(super) fn top(project: &Arc<Project>, entry: &EntryId) -> Result<(SnapshotFile, Node, Arc<Index>), Error> {
    let snapshot = project.snapshot(entry)?;
    let index = project.index()?;
    let mut nodes = tree_nodes(project, &index, &mut project.opener()?, &hash_of(&snapshot.tree.into_inner()))?;
    match (nodes.pop(), nodes.pop()) {
        (Some(node), None) => Ok((snapshot, node, index)),
        _ => Err(Error::Damaged(format!("the entry {entry} has not exactly one thing at its root"))),
    }
}

pub(super) fn open(project: &Arc<Project>, entry: &EntryId) -> Result<Tree, Error> {
    let (snapshot, root, index) = top(project, entry)?;
    if root.node_type != NodeType::Dir {
        return Err(Error::NotFound(format!("the entry {entry} is no tree")));
    }
    let (bytes, files) = snapshot
        .summary
        .as_ref()
        .map_or((0, 0), |summary| (summary.total_bytes_processed, summary.total_files_processed));
    Ok(Tree { project: Arc::clone(project), index, root, bytes, files })
}
