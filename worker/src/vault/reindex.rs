//! What a lost index file named, found again: each pack says at its end what is in it.
//!
//! A pack that no index names is one that a put has just written, one that a prune is about to remove, or one whose
//! index file is lost. Only the last may be indexed again. So a verification indexes packs that hold what its entry needs
//! and no index has: no prune removes such a pack, since it keeps whatever an entry needs. A prune, which nobody else
//! prunes beside, indexes all of them if it knows that an index file is damaged; what nothing needs it then removes as
//! ever.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use jiff::Timestamp;
use rustic_core::repofile::BlobType;
use rustic_core::{FileType, Id};

use super::blob::{BlobHash, hash};
use super::index::hash_of;
use super::open::Project;
use super::pack::{BlobEntry, NewIndex, PackEntry};
use super::walk::{blobs, tree_nodes};
use super::{EntryId, Error, Work};

/// Indexes what an entry needs and no index has, as far as packs have it. Whether there was any.
pub(super) fn index_again(project: &Arc<Project>, entry: &EntryId, work: &Work) -> Result<bool, Error> {
    let mut any = false;
    // A tree that is found names more.
    loop {
        let missing = missing(project, entry, work)?;
        let wanted = |blob: &BlobEntry| missing.contains(&(blob.kind, hash_of(&blob.id)));
        if missing.is_empty() || project.reindex(wanted, work)? == 0 {
            return Ok(any);
        }
        any = true;
    }
}

/// The blobs that an entry needs, as far as its trees can be read, and that are in no pack by the index.
fn missing(project: &Project, entry: &EntryId, work: &Work) -> Result<BTreeSet<(BlobType, BlobHash)>, Error> {
    let mut missing = BTreeSet::new();
    let snapshot = match project.snapshot(entry) {
        Err(Error::NotFound(_) | Error::Damaged(_)) => return Ok(missing),
        found => found?,
    };
    let index = project.index()?;
    let mut opener = project.opener()?;
    let mut open = vec![hash_of(&snapshot.tree.into_inner())];
    let mut seen: HashSet<BlobHash> = open.iter().copied().collect();
    while let Some(tree) = open.pop() {
        work.go_on()?;
        if index.locate(BlobType::Tree, &tree).is_none() {
            missing.insert((BlobType::Tree, tree));
            continue;
        }
        let nodes = match tree_nodes(project, &index, &mut opener, &tree) {
            Err(Error::Damaged(_)) => continue,
            nodes => nodes?,
        };
        for node in nodes {
            if let Some(subtree) = node.subtree {
                open.extend(Some(hash_of(&subtree.into_inner())).filter(|id| seen.insert(*id)));
            }
            let data = blobs(&node);
            let lost = data.0.iter().filter(|id| index.locate(BlobType::Data, id).is_none());
            missing.extend(lost.map(|id| (BlobType::Data, *id)));
        }
    }
    Ok(missing)
}

impl Project {
    /// Indexes the packs that are in no index, whole, and have a blob that is `wanted`. How many there were.
    pub(super) fn reindex(&self, wanted: impl Fn(&BlobEntry) -> bool, work: &Work) -> Result<usize, Error> {
        // First the index: what is written meanwhile is named twice, which does no harm.
        let files = self.index_files()?;
        let packs = files.iter().flat_map(|(_, file)| file.packs.iter().chain(&file.packs_to_delete));
        // A pack that a prune found in no index is marked without its blobs.
        let indexed: HashSet<Id> =
            packs.filter(|pack| !pack.blobs.is_empty()).map(|pack| pack.id.into_inner()).collect();
        let mut found = NewIndex::default();
        for (id, length) in self.storage.list_with_size(FileType::Pack)? {
            work.go_on()?;
            if indexed.contains(&id) {
                continue;
            }
            let Some(blobs) = self.header_of(&id, length)?.filter(|blobs| blobs.iter().any(&wanted)) else { continue };
            if hash(&self.storage.read_full(FileType::Pack, &id)?) == hash_of(&id) {
                #[expect(
                    clippy::disallowed_methods,
                    reason = "restic's format: an index says when its pack was written"
                )]
                let time = Timestamp::now();
                found.packs.push(PackEntry { id, blobs, time });
            }
        }
        if !found.packs.is_empty() {
            let json = serde_json::to_vec(&found)
                .map_err(|error| Error::Internal(format!("an index file can't be made: {error}")))?;
            work.commit()?;
            self.write_file(FileType::Index, &json)?;
            let packs = found.packs.len();
            tracing::warn!(project = %self.id, packs, "packs that no index named are indexed again");
        }
        Ok(found.packs.len())
    }

    /// What a pack says of itself; none if that can't be read.
    fn header_of(&self, pack: &Id, length: u32) -> Result<Option<Vec<BlobEntry>>, Error> {
        let part = |offset: u32, length: u32| match self
            .storage
            .read_partial(FileType::Pack, pack, false, offset, length)
            .map_err(Error::from)
        {
            Err(Error::Damaged(_) | Error::NotFound(_)) => Ok(None),
            part => part.map(Some),
        };
        let Some(at) = length.checked_sub(4) else { return Ok(None) };
        let Some(end) = part(at, 4)? else { return Ok(None) };
        let header = u32::from_le_bytes(end[..].try_into().unwrap_or_default());
        let Some(at) = at.checked_sub(header) else { return Ok(None) };
        let Some(sealed) = part(at, header)? else { return Ok(None) };
        Ok(self.key().open(&sealed).and_then(|header| parse(&header)))
    }
}

/// The opposite of [`super::pack::header`]: restic's pack header (restic's `doc/design.rst`).
fn parse(mut header: &[u8]) -> Option<Vec<BlobEntry>> {
    let number = |header: &mut &[u8]| {
        let (number, rest) = header.split_first_chunk::<4>()?;
        *header = rest;
        Some(u32::from_le_bytes(*number))
    };
    let (mut blobs, mut offset) = (Vec::new(), 0_u32);
    while let Some((kind, rest)) = header.split_first() {
        header = rest;
        let kind_of = if kind % 2 == 0 { BlobType::Data } else { BlobType::Tree };
        let length = number(&mut header)?;
        let raw_length = match kind {
            0 | 1 => 0,
            2 | 3 => number(&mut header)?,
            _ => return None,
        };
        let (id, rest) = header.split_first_chunk::<32>()?;
        header = rest;
        blobs.push(BlobEntry { id: Id::new(*id), kind: kind_of, offset, length, raw_length });
        offset = offset.checked_add(length)?;
    }
    Some(blobs)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::super::pack;
    use super::*;

    proptest! {
        /// What a pack says of itself is what was put into it, and what was cut short is no header.
        #[test]
        fn a_header_survives(
            blobs in prop::collection::vec((any::<bool>(), 1..1_000_000_u32, any::<u16>(), any::<[u8; 32]>()), 1..50),
        ) {
            let mut offset = 0;
            let blobs: Vec<BlobEntry> = blobs.into_iter().map(|(tree, length, raw_length, id)| {
                let kind = if tree { BlobType::Tree } else { BlobType::Data };
                let blob = BlobEntry { id: Id::new(id), kind, offset, length, raw_length: raw_length.into() };
                offset += length;
                blob
            }).collect();
            let header = pack::header(&blobs);
            let json = |blobs: &[BlobEntry]| serde_json::to_string(blobs).unwrap();
            prop_assert_eq!(json(&parse(&header).unwrap()), json(&blobs));
            prop_assert!(parse(&header[..header.len() - 1]).is_none());
        }
    }
}
