//! Damaged packs, before a prune.
//!
//! rustic knows nothing of what is on record. Of a blob that lies in two packs it keeps whichever it comes to last, and it
//! stops when a pack is short or missing, or when one that it packs anew can't be read. So the index is first rewritten such
//! that it does what is right: a damaged pack is marked for deletion, and is said to hold only what is nowhere else. Then a
//! damaged pack
//!
//! - never stands for a blob that a sound one has, too;
//! - is never packed anew: of what is marked rustic takes back what entries still need, as it is, and
//! - is removed when they have needed nothing of it for as long as any pack is kept; then it is off the record.
//!
//! This runs under the prune's lease: nobody else rewrites an index. For everybody who reads it meanwhile a pack on record
//! is one, wherever the index has it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;
use rustic_core::repofile::{IndexFile, IndexPack};
use rustic_core::{FileType, Id};

use super::index::{Index, hash_of};
use super::open::Project;
use super::{Error, Work};

/// What a prune must take care of.
pub(super) struct Aside {
    /// The damaged packs that the index names, with the length that rustic is to be told of each, zero for one that is
    /// not there: it stops at a pack that is missing, which an entry may need as soon as it is there again.
    pub(super) packs: BTreeMap<Id, u32>,
    /// The damaged index files, which rustic must not see. They can go when a prune has found all that entries need.
    pub(super) index_files: BTreeSet<Id>,
}

/// Sets aside every pack on record.
///
/// A pack that has not the length by the index is looked at first. If it is whole, the index says too little of it: it was
/// set aside once, by a fault that has passed.
pub(super) fn set_aside(project: &Project, work: &Work) -> Result<Aside, Error> {
    let lost = lost_index_files(project)?;
    if !lost.is_empty() {
        project.reindex(|_| true, work)?;
    }
    let files = project.index_files()?;
    // After the index: whatever that names was there.
    let listed: HashMap<Id, u32> = project.storage.list_with_size(FileType::Pack)?.into_iter().collect();
    let lengthened = look_at_lengths(project, &files, &listed, work)?;
    let index = project.index()?;
    let mut aside = BTreeMap::new();
    for (id, file) in files {
        let mut kept = IndexFile { supersedes: file.supersedes, ..IndexFile::default() };
        let mut changed = false;
        let marked = file.packs_to_delete.into_iter().map(|pack| (pack, true));
        for (mut pack, marked) in file.packs.into_iter().map(|pack| (pack, false)).chain(marked) {
            let name = pack.id.into_inner();
            let length = listed.get(&name).copied();
            if index.damaged().contains(&name) {
                aside.insert(name, length.unwrap_or(0));
                changed |= reduce(&mut pack, marked, length.unwrap_or(0), &index);
                kept.packs_to_delete.push(pack);
                continue;
            }
            if lengthened.contains(&name) && length.is_some() {
                pack.size = length;
                changed = true;
            }
            if marked { &mut kept.packs_to_delete } else { &mut kept.packs }.push(pack);
        }
        if changed {
            let json = serde_json::to_vec(&kept)
                .map_err(|error| Error::Internal(format!("an index file can't be made: {error}")))?;
            work.commit()?;
            project.write_file(FileType::Index, &json)?;
            work.commit()?;
            project.storage.remove(FileType::Index, &id, true)?;
        }
    }
    // Neither there nor named: there is nothing that the record could be about.
    let known = |id: &&Id| aside.contains_key(id) || listed.contains_key(id) || lost.contains(id);
    for gone in index.damaged().iter().filter(|id| !known(id)) {
        project.storage.absolve(gone)?;
    }
    Ok(Aside { packs: aside, index_files: lost })
}

/// The index files that are on record: with those that are readable again off it.
fn lost_index_files(project: &Project) -> Result<BTreeSet<Id>, Error> {
    // Whatever can't be read goes on record here.
    let readable: BTreeSet<Id> = project.index_files()?.into_iter().map(|(id, _)| id).collect();
    let mut lost: BTreeSet<Id> = project.storage.list(FileType::Index)?.into_iter().collect();
    let damaged = project.storage.damaged()?;
    lost.retain(|id| damaged.contains(id));
    for whole in lost.intersection(&readable) {
        project.storage.absolve(whole)?;
    }
    lost.retain(|id| !readable.contains(id));
    Ok(lost)
}

/// The packs whose length is not the index's, and which are not on record after they were looked at.
fn look_at_lengths(
    project: &Project,
    files: &[(Id, IndexFile)],
    listed: &HashMap<Id, u32>,
    work: &Work,
) -> Result<BTreeSet<Id>, Error> {
    let index = project.index()?;
    let mut others = BTreeSet::new();
    for pack in files.iter().flat_map(|(_, file)| file.packs.iter().chain(&file.packs_to_delete)) {
        let name = pack.id.into_inner();
        // One that rustic has found in no index is marked without its blobs.
        let is_other = !pack.blobs.is_empty() && listed.get(&name) != Some(&pack.pack_size());
        if is_other && !index.damaged().contains(&name) && others.insert(name) {
            work.go_on()?;
            project.look_at(&index, &name);
        }
    }
    Ok(others)
}

/// Leaves to a damaged pack what is only there, and marks it. Whether that was new.
fn reduce(pack: &mut IndexPack, marked: bool, length: u32, index: &Index) -> bool {
    let (blobs, before) = (pack.blobs.len(), pack.size);
    pack.blobs.retain(|blob| index.sound(blob.tpe, &hash_of(&blob.id.into_inner())).is_none());
    pack.size = Some(length);
    if !marked {
        #[expect(clippy::disallowed_methods, reason = "restic's format: the index says when a pack was marked")]
        let now = Timestamp::now();
        pack.time = Some(now);
    }
    !marked || pack.blobs.len() != blobs || before != Some(length)
}
