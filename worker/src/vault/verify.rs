//! Whether one entry is whole: every tree and data blob of it is where the index says, and, if asked, every byte is
//! read, decrypted, hashed and compared. What was found to be damaged on the way is on record when this ends
//! ([`super::damage`]).

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use rustic_core::repofile::BlobType;
use rustic_core::{FileType, Id};
use stacksnap_common::types::Verdict;

use super::blob::BlobHash;
use super::fetch::read_sealed;
use super::index::{Index, hash_of};
use super::open::Project;
use super::problems::Problems;
use super::reindex::index_again;
use super::walk::{self, blobs, top};
use super::{EntryId, Error, Vault, Work};

/// Blobs that one thread reads at a time.
const BATCH: usize = 64;

impl Vault {
    /// Looks at one entry. With `read_data` all of its bytes are read back; without, only its trees are, and for the
    /// rest it is checked that the packs are there and long enough.
    ///
    /// What is wrong is in the verdict; an error says that it could not be found out. Progress counts what was read.
    pub async fn verify(&self, entry: &EntryId, read_data: bool, work: Work) -> Result<Verdict, Error> {
        let (project, entry) = (Arc::clone(&self.0), entry.clone());
        self.run(work, move |work| verify(&project, &entry, read_data, &work)).await
    }
}

fn verify(project: &Arc<Project>, entry: &EntryId, read_data: bool, work: &Work) -> Result<Verdict, Error> {
    let verdict = look(project, entry, read_data, work)?;
    // What an index file named that is lost may still be there.
    if verdict.ok || !index_again(project, entry, work)? {
        return Ok(verdict);
    }
    look(project, entry, read_data, work)
}

fn look(project: &Arc<Project>, entry: &EntryId, read_data: bool, work: &Work) -> Result<Verdict, Error> {
    let problems = Problems::default();
    let mut read = 0;
    match contents(project, entry, work, &problems) {
        Ok(Some((index, data))) => {
            let data: Vec<BlobHash> = data.into_iter().collect();
            let total =
                data.iter().filter_map(|id| index.locate(BlobType::Data, id)).map(|place| place.content()).sum();
            if read_data {
                work.progress.expect(total, 0);
                read = read_all(project, &index, data, work, &problems)?;
            } else {
                look_for_packs(project, &index, &data, &problems)?;
            }
        }
        Ok(None) => {}
        Err(error) => problems.add(error)?,
    }
    let problems = problems.told(project, work)?;
    Ok(Verdict { ok: problems.is_empty(), bytes: read, problems })
}

/// An index, and the data blobs that an entry needs from it.
type Needs = (Arc<Index>, HashSet<BlobHash>);

/// Reads the entry's trees. The data blobs that it needs, and the index that they were looked up in; `None` if not even
/// its root can be read.
fn contents(project: &Arc<Project>, entry: &EntryId, work: &Work, problems: &Problems) -> Result<Option<Needs>, Error> {
    let (_, root, index) = match top(project, entry) {
        Ok(found) => found,
        Err(error) => return problems.add(error).map(|()| None),
    };
    let mut data = HashSet::new();
    let mut file = |shown: &str, size: u64, content: &[BlobHash]| -> Result<(), Error> {
        let mut bytes = 0;
        for id in content {
            match index.locate(BlobType::Data, id) {
                Some(place) => bytes += place.content(),
                None => problems.add(Error::Damaged(format!("{shown}: blob {} is in no pack", hex::encode(id))))?,
            }
            data.insert(*id);
        }
        if bytes != size && content.iter().all(|id| index.locate(BlobType::Data, id).is_some()) {
            problems.add(Error::Damaged(format!("{shown}: its blobs have {bytes} bytes of {size}")))?;
        }
        Ok(())
    };
    if root.is_dir() {
        for found in walk::open(project, entry)?.entries() {
            work.go_on()?;
            match found {
                Ok(found) => {
                    if let Some(content) = found.content {
                        let names: Vec<_> = found.entry.path.iter().map(|n| String::from_utf8_lossy(n)).collect();
                        file(&names.join("/"), found.entry.meta.size, &content.0)?;
                        work.progress.add_files(1);
                    }
                }
                // The walk ends here: what lies behind a damaged tree is not known.
                Err(error) => problems.add(error)?,
            }
        }
    } else {
        file(&root.name, root.meta.size, &blobs(&root).0)?;
        work.progress.add_files(1);
    }
    Ok(Some((index, data)))
}

fn look_for_packs(project: &Project, index: &Index, data: &[BlobHash], problems: &Problems) -> Result<(), Error> {
    let sizes: HashMap<Id, u32> = project.storage.list_with_size(FileType::Pack)?.into_iter().collect();
    let mut told = BTreeSet::new();
    for place in data.iter().filter_map(|id| index.locate(BlobType::Data, id)) {
        let what = match sizes.get(&place.pack) {
            None => "is missing",
            Some(size) if place.offset.saturating_add(place.length) > *size => "is too short",
            Some(_) => continue,
        };
        if told.insert(place.pack) {
            project.look_at(index, &place.pack);
            problems.add(Error::Damaged(format!("the pack {} {what}", place.pack.to_hex().as_str())))?;
        }
        problems.lost(&place);
    }
    Ok(())
}

/// Reads every blob. How many bytes were right.
fn read_all(
    project: &Project,
    index: &Index,
    mut data: Vec<BlobHash>,
    work: &Work,
    problems: &Problems,
) -> Result<u64, Error> {
    data.retain(|id| index.locate(BlobType::Data, id).is_some());
    // As they lie, so that a pack is read from its beginning to its end.
    data.sort_unstable_by_key(|id| index.locate(BlobType::Data, id).map(|place| (place.pack, place.offset)));
    let batches = Mutex::new(data.chunks(BATCH));
    let run = || -> Result<u64, Error> {
        let mut opener = project.opener()?;
        let mut right = 0;
        loop {
            work.go_on()?;
            let Some(batch) = batches.lock().unwrap_or_else(PoisonError::into_inner).next() else { return Ok(right) };
            // One that can't be read must not hide its neighbours.
            let together = read_sealed(project, index, batch.iter());
            for id in batch {
                let opened = match &together {
                    Ok(sealed) => match sealed.get(id) {
                        Some((bytes, place)) => {
                            project.judged(index, &place.pack, opener.open(bytes, place.raw_length, id))
                        }
                        None => Err(Error::Damaged(format!("blob {} could not be read", hex::encode(id)))),
                    },
                    Err(_) => super::fetch::blob(project, index, &mut opener, BlobType::Data, id),
                };
                match opened {
                    Ok(plain) => {
                        right += plain.len() as u64;
                        work.progress.add_bytes(plain.len() as u64);
                    }
                    Err(error) => {
                        problems.add(error)?;
                        index.locate(BlobType::Data, id).iter().for_each(|place| problems.lost(place));
                    }
                }
            }
        }
    };
    thread::scope(|scope| {
        let threads: Vec<_> =
            (0..thread::available_parallelism().map_or(2, usize::from)).map(|_| scope.spawn(run)).collect();
        threads.into_iter().try_fold(0, |sum, thread| {
            let right = thread.join().map_err(|_| Error::Internal("a reading thread panicked".to_owned()))?;
            Ok(sum + right?)
        })
    })
}

/// Every blob that an entry needs, its trees among them.
pub(super) fn needs(project: &Arc<Project>, entry: &EntryId) -> Result<Vec<(BlobType, BlobHash)>, Error> {
    let (snapshot, root, index) = top(project, entry)?;
    let mut needs = vec![(BlobType::Tree, hash_of(&snapshot.tree.into_inner()))];
    let mut opener = project.opener()?;
    let mut open = vec![root];
    let mut seen = HashSet::new();
    while let Some(node) = open.pop() {
        if let Some(subtree) = node.subtree.filter(|_| node.is_dir()) {
            if seen.insert(subtree) {
                needs.push((BlobType::Tree, hash_of(&subtree.into_inner())));
                open.extend(walk::nodes(project, &index, &mut opener, &node)?);
            }
        } else {
            needs.extend(blobs(&node).0.iter().map(|id| (BlobType::Data, *id)));
        }
    }
    needs.sort_unstable();
    needs.dedup();
    Ok(needs)
}
