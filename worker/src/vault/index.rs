//! Where every blob lies, in memory: 48 bytes for each.
//!
//! An index never changes; it is followed by a new one that has more. So a call keeps the one that it began with.

use std::collections::BTreeSet;

use rustic_core::Id;
use rustic_core::repofile::{BlobType, IndexFile, IndexPack};

use super::blob::{BlobHash, OVERHEAD};

/// A blob's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) pack: Id,
    pub(super) offset: u32,
    /// In the pack, bytes.
    pub(super) length: u32,
    /// Before compression; zero if it is not compressed.
    pub(super) raw_length: u32,
}

impl Place {
    /// Bytes of content.
    pub(super) fn content(&self) -> u64 {
        match self.raw_length {
            0 => u64::from(self.length).saturating_sub(OVERHEAD as u64),
            raw => raw.into(),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Row {
    id: BlobHash,
    pack: u32,
    offset: u32,
    length: u32,
    raw_length: u32,
}

/// Blobs, by kind; sorted by id.
#[derive(Debug, Clone, Default)]
struct Rows {
    data: Vec<Row>,
    trees: Vec<Row>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Index {
    /// The index files that it was read from.
    files: BTreeSet<Id>,
    packs: Vec<Id>,
    /// What is on record as damaged ([`super::damage`]).
    damaged: BTreeSet<Id>,
    sound: Rows,
    /// In packs that a prune has marked for deletion.
    marked: Rows,
    /// In packs that are damaged, marked or not.
    unsound: Rows,
}

impl Index {
    /// One of no files yet, to which no blob of these packs is sound.
    pub(super) fn beside(damaged: BTreeSet<Id>) -> Self {
        Self { damaged, ..Self::default() }
    }

    pub(super) fn files(&self) -> &BTreeSet<Id> {
        &self.files
    }

    pub(super) fn damaged(&self) -> &BTreeSet<Id> {
        &self.damaged
    }

    /// What it takes in memory.
    pub(super) fn bytes(&self) -> u64 {
        let rows = [&self.sound, &self.marked, &self.unsound].map(|rows| rows.data.capacity() + rows.trees.capacity());
        let rows = rows.iter().sum::<usize>() * size_of::<Row>();
        let ids = self.packs.capacity() + 2 * (self.files.len() + self.damaged.len());
        (rows + ids * size_of::<Id>() + size_of::<Self>()) as u64
    }

    /// This index and what these files have beside it.
    pub(super) fn with(&self, files: impl IntoIterator<Item = (Id, IndexFile)>) -> Self {
        let mut index = self.clone();
        for (id, file) in files {
            index.files.insert(id);
            for pack in &file.packs {
                index.add(pack, false);
            }
            for pack in &file.packs_to_delete {
                index.add(pack, true);
            }
        }
        for rows in [&mut index.sound, &mut index.marked, &mut index.unsound] {
            for rows in [&mut rows.data, &mut rows.trees] {
                rows.sort_unstable();
                // Two writers may have stored the same blob; either will do.
                rows.dedup_by_key(|row| row.id);
                rows.shrink_to_fit();
            }
        }
        index
    }

    fn add(&mut self, pack: &IndexPack, marked: bool) {
        let Ok(number) = u32::try_from(self.packs.len()) else { return };
        let id = pack.id.into_inner();
        self.packs.push(id);
        let rows = match (self.damaged.contains(&id), marked) {
            (true, _) => &mut self.unsound,
            (false, true) => &mut self.marked,
            (false, false) => &mut self.sound,
        };
        for blob in &pack.blobs {
            let row = Row {
                id: hash_of(&blob.id.into_inner()),
                pack: number,
                offset: blob.location.offset,
                length: blob.location.length,
                raw_length: blob.location.uncompressed_length.map_or(0, Into::into),
            };
            match blob.tpe {
                BlobType::Data => rows.data.push(row),
                BlobType::Tree => rows.trees.push(row),
            }
        }
    }

    /// A blob that may be built on: none in a pack that is marked for deletion, or damaged.
    pub(super) fn find(&self, kind: BlobType, id: &BlobHash) -> Option<Place> {
        self.search(&self.sound, kind, id)
    }

    /// A blob to be read from where it is as it was stored, as far as is known.
    pub(super) fn sound(&self, kind: BlobType, id: &BlobHash) -> Option<Place> {
        self.find(kind, id).or_else(|| self.search(&self.marked, kind, id))
    }

    /// A blob to be read, wherever it is. One in a damaged pack may be whole even so.
    pub(super) fn locate(&self, kind: BlobType, id: &BlobHash) -> Option<Place> {
        self.sound(kind, id).or_else(|| self.search(&self.unsound, kind, id))
    }

    /// The packs that hold trees, and are not damaged as far as is known.
    pub(super) fn tree_packs(&self) -> BTreeSet<Id> {
        let rows = self.sound.trees.iter().chain(&self.marked.trees);
        let numbers: BTreeSet<u32> = rows.map(|row| row.pack).collect();
        numbers.into_iter().filter_map(|number| self.packs.get(number as usize).copied()).collect()
    }

    fn search(&self, rows: &Rows, kind: BlobType, id: &BlobHash) -> Option<Place> {
        let rows = match kind {
            BlobType::Data => &rows.data,
            BlobType::Tree => &rows.trees,
        };
        let row = rows[rows.binary_search_by(|row| row.id.cmp(id)).ok()?];
        let pack = *self.packs.get(row.pack as usize)?;
        Some(Place { pack, offset: row.offset, length: row.length, raw_length: row.raw_length })
    }
}

/// rustic shows an id's bytes only as text.
pub(super) fn hash_of(id: &Id) -> BlobHash {
    let mut bytes = [0; 32];
    // 64 hexadecimal digits by construction.
    let _ = hex::decode_to_slice(id.to_hex().as_str(), &mut bytes);
    bytes
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn file(json: &str) -> IndexFile {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn blobs_are_found_by_kind_and_id_and_marked_packs_are_not_built_on() {
        let (one, two, pack) = ("11".repeat(32), "22".repeat(32), "aa".repeat(32));
        let json = format!(
            r#"{{"packs":[{{"id":"{pack}","blobs":[
                {{"id":"{one}","type":"data","offset":0,"length":100}},
                {{"id":"{two}","type":"tree","offset":100,"length":50,"uncompressed_length":200}}]}}],
              "packs_to_delete":[{{"id":"{two}","blobs":[{{"id":"{pack}","type":"data","offset":0,"length":9}}]}}]}}"#
        );
        let index = Index::default().with([(Id::random(), file(&json))]);
        let place = index.find(BlobType::Data, &[0x11; 32]).unwrap();
        assert_eq!((place.offset, place.length, place.raw_length, place.content()), (0, 100, 0, 68));
        assert_eq!(place.pack.to_hex().as_str(), pack);
        assert_eq!(index.find(BlobType::Tree, &[0x22; 32]).unwrap().content(), 200);
        assert_eq!(index.find(BlobType::Tree, &[0x11; 32]), None);
        assert_eq!(index.find(BlobType::Data, &[0xaa; 32]), None);
        assert_eq!(index.locate(BlobType::Data, &[0xaa; 32]).unwrap().length, 9);
        assert_eq!(index.locate(BlobType::Tree, &[0xaa; 32]), None);
        // The same file again changes nothing but the list.
        let again = index.with([(Id::random(), file(&json))]);
        assert_eq!((again.sound.data.len(), again.sound.trees.len(), again.files.len()), (1, 1, 2));
    }
    #[test]
    fn a_damaged_pack_is_not_built_on_and_read_only_where_nothing_else_is() {
        let (one, bad, good) = ("11".repeat(32), "bb".repeat(32), "cc".repeat(32));
        let blob = |offset| format!(r#"[{{"id":"{one}","type":"data","offset":{offset},"length":40}}]"#);
        let of_bad = format!(r#"{{"id":"{bad}","blobs":{}}}"#, blob(7));
        for json in [format!(r#"{{"packs":[{of_bad}]}}"#), format!(r#"{{"packs":[],"packs_to_delete":[{of_bad}]}}"#)] {
            let damaged = BTreeSet::from([bad.parse().unwrap()]);
            let index = Index::beside(damaged).with([(Id::random(), file(&json))]);
            assert_eq!(
                (index.find(BlobType::Data, &[0x11; 32]), index.sound(BlobType::Data, &[0x11; 32])),
                (None, None)
            );
            assert_eq!(index.locate(BlobType::Data, &[0x11; 32]).unwrap().offset, 7);
            // Stored anew, and then given up by everybody: still the better place.
            for (kind, built_on) in [("packs", true), ("packs_to_delete", false)] {
                let packs = if built_on { "" } else { r#""packs":[],"# };
                let json = format!(r#"{{{packs}"{kind}":[{{"id":"{good}","blobs":{}}}]}}"#, blob(1));
                let index = index.with([(Id::random(), file(&json))]);
                assert_eq!(index.locate(BlobType::Data, &[0x11; 32]).unwrap().offset, 1);
                assert_eq!(index.find(BlobType::Data, &[0x11; 32]).is_some(), built_on);
            }
        }
    }
}
