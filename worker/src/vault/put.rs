//! Storing a stream, and the commit that both kinds of put end with.

use std::io::{self, Read};
use std::sync::Arc;

use jiff::{Timestamp, Zoned, tz::TimeZone};
use rustic_core::repofile::{BlobType, Node, SnapshotFile, SnapshotId as ResticId, SnapshotSummary, Tree as Nodes};
use rustic_core::{DataId, FileType, Id, TreeId};
use sha2::{Digest, Sha256};

use super::blob::BlobHash;
use super::chunk::Chunks;
use super::label::Content;
use super::node::to_node;
use super::open::Project;
use super::pack::{Packer, Queue, Watch};
use super::tree::{Entry, Kind, Meta, TreeSource};
use super::walk::is_name;
use super::{EntryId, Error, Label, Stored, Vault, Work, archive};

impl Vault {
    /// Stores what `reader` gives, to its end, as a file `name`.
    ///
    /// The reader must end with an error, not short, when the content can't be had: [`Error::Source`], and nothing is
    /// kept. It is asked for nothing more after the cancellation, within one `read`.
    pub async fn put_stream(
        &self,
        label: &Label,
        name: &str,
        reader: impl Read + Send + 'static,
        work: Work,
    ) -> Result<Stored, Error> {
        let (project, label, name) = (Arc::clone(&self.0), label.clone(), name.to_owned());
        self.run(work, move |work| put_stream(&project, &label, Content::Stream, &name, reader, work)).await
    }

    /// Stores a tree. Files that have not changed since the newest tree of the same stack and resource are taken over
    /// from there and not opened.
    ///
    /// Any error of the walk, of an `open` or of a read ends it with [`Error::Source`], and nothing is kept.
    pub async fn put_tree(&self, label: &Label, source: Arc<dyn TreeSource>, work: Work) -> Result<Stored, Error> {
        let (project, label) = (Arc::clone(&self.0), label.clone());
        self.run(work, move |work| archive::put_tree(&project, &label, &*source, work)).await
    }

    /// Runs a long call on a thread that may block. When the caller no longer waits for it, it is cancelled.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        mut work: Work,
        call: impl FnOnce(Work) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        work.cancel = work.cancel.child_token();
        let _cancelled_when_dropped = work.cancel.clone().drop_guard();
        self.0.common.run(move || call(work)).await
    }
}

pub(super) fn put_stream(
    project: &Arc<Project>,
    label: &Label,
    content: Content,
    name: &str,
    reader: impl Read,
    work: Work,
) -> Result<Stored, Error> {
    if !is_name(name.as_bytes()) {
        return Err(Error::Internal(format!("{name:?} is no file name")));
    }
    let watch = Watch::new(work);
    let index = project.index()?;
    let packer = Packer::new(project, &index, &watch);
    let ((tree, bytes, digest), files) = packer.run(|queue| {
        let mut reader = Digesting { reader: Watched { reader, watch: &watch }, sha256: Sha256::new() };
        let (blobs, bytes) = read_content(project, queue, &mut reader, 0)?;
        #[expect(clippy::disallowed_methods, reason = "restic's format: a file has a time, a stream has none")]
        let now = Timestamp::now().as_nanosecond();
        let meta = Meta { mode: 0o600, mtime: now, ctime: now, size: bytes, links: 1, ..Meta::default() };
        let entry = Entry { path: Vec::new(), kind: Kind::File, meta };
        let mut node = to_node(name.as_bytes(), &entry, |_| {})?;
        node.content = Some(blobs);
        watch.work.progress.add_files(1);
        Ok((put_nodes(queue, vec![node])?, bytes, reader.sha256.finalize()))
    })?;
    let stored = Stored {
        entry: EntryId::of(ResticId::default()),
        bytes,
        bytes_added: packer.added(),
        files: 1,
        files_unchanged: 0,
        digest: hex::encode(digest),
        warnings: Vec::new(),
    };
    project.extend_index(files);
    project.still_sound(&index)?;
    commit(project, label, content, &format!("/{name}"), None, &tree, stored, &watch.work)
}

/// Cuts what `reader` gives into blobs and hands them on. Their ids, and how many bytes it was.
pub(super) fn read_content(
    project: &Project,
    queue: &Queue<'_>,
    reader: impl Read,
    expected: u64,
) -> Result<(Vec<DataId>, u64), Error> {
    let mut chunks = Chunks::new(&project.tables, reader, expected);
    let (mut content, mut bytes) = (Vec::new(), 0);
    while let Some(chunk) = chunks.next().map_err(|error| Error::source(&error))? {
        bytes += chunk.len() as u64;
        content.push(DataId::from(Id::new(queue.put(BlobType::Data, chunk)?)));
    }
    Ok((content, bytes))
}

/// Hands a directory on.
pub(super) fn put_nodes(queue: &Queue<'_>, nodes: Vec<Node>) -> Result<BlobHash, Error> {
    let (json, _) =
        Nodes { nodes }.serialize().map_err(|error| Error::Internal(format!("a tree can't be written: {error}")))?;
    queue.put(BlobType::Tree, json)
}

/// The last step of a put: writes the restic snapshot, if that may still be done.
#[expect(clippy::too_many_arguments, reason = "the parts of one record")]
pub(super) fn commit(
    project: &Project,
    label: &Label,
    content: Content,
    path: &str,
    parent: Option<ResticId>,
    tree: &BlobHash,
    mut stored: Stored,
    work: &Work,
) -> Result<Stored, Error> {
    let mut summary = SnapshotSummary::default();
    summary.total_files_processed = stored.files;
    summary.total_bytes_processed = stored.bytes;
    summary.files_unmodified = stored.files_unchanged;
    summary.data_added_packed = stored.bytes_added;
    let mut snapshot = SnapshotFile {
        time: Zoned::now().with_time_zone(TimeZone::UTC),
        program_version: concat!("stacksnap ", env!("CARGO_PKG_VERSION")).to_owned(),
        parent,
        tree: TreeId::from(Id::new(*tree)),
        hostname: "stacksnap".to_owned(),
        tags: label.tags(content),
        summary: Some(summary),
        ..SnapshotFile::default()
    };
    snapshot.paths.add(path.to_owned());
    let json = serde_json::to_vec(&snapshot)
        .map_err(|error| Error::Internal(format!("a restic snapshot can't be written: {error}")))?;
    work.commit()?;
    let (id, _) = project.write_file(FileType::Snapshot, &json)?;
    stored.entry = EntryId::of(ResticId::from(id));
    Ok(stored)
}

/// A reader that ends when the put has to, and counts.
pub(super) struct Watched<'a, R> {
    pub(super) reader: R,
    pub(super) watch: &'a Watch,
}

impl<R: Read> Read for Watched<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.watch.check()?;
        let count = self.reader.read(buffer)?;
        self.watch.work.progress.add_bytes(count as u64);
        Ok(count)
    }
}

struct Digesting<R> {
    reader: R,
    sha256: Sha256,
}

impl<R: Read> Read for Digesting<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        self.sha256.update(&buffer[..count]);
        Ok(count)
    }
}
