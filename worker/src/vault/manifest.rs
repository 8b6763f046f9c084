//! The manifest of a snapshot: what it is made of, in the caller's own words. Its presence seals the snapshot.
//!
//! It is an entry like any other, a stream named `manifest.json` without a resource. Of several of one snapshot the one
//! with the highest fence counts.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::sync::Arc;

use stacksnap_common::ids::SnapshotId;

use super::entries::{forget, list};
use super::fetch::Reader;
use super::label::Content;
use super::open::Project;
use super::put::put_stream;
use super::walk::{blobs, top};
use super::{Entry, EntryId, Error, Label, Stored, Vault, Work};

/// A manifest, as it was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    pub entry: EntryId,
    pub label: Label,
    pub bytes: Vec<u8>,
}

/// More is none of ours.
const MOST: u64 = 64 << 20;

impl Vault {
    /// Stores the manifest of `label.snapshot`; it takes the place of one with a lower fence. `label.resource` is left
    /// out.
    pub async fn put_manifest(&self, label: &Label, bytes: Vec<u8>, work: Work) -> Result<Stored, Error> {
        let (project, label) = (Arc::clone(&self.0), Label { resource: None, ..label.clone() });
        self.run(work, move |work| {
            let stored =
                put_stream(&project, &label, Content::Manifest, "manifest.json", io::Cursor::new(bytes), work)?;
            for entry in of_snapshot(&project, Some(label.snapshot))?.remove(&label.snapshot).unwrap_or_default() {
                let older = entry.label.as_ref().is_some_and(|other| other.fence < label.fence);
                if older || (entry.id != stored.entry && entry.label.as_ref() == Some(&label)) {
                    forget(&project, &entry.id)?;
                }
            }
            Ok(stored)
        })
        .await
    }

    /// The manifest of a snapshot; `None` if it was never sealed, or deleted.
    pub async fn manifest(&self, snapshot: SnapshotId) -> Result<Option<Manifest>, Error> {
        let project = Arc::clone(&self.0);
        self.0.common.run(move || Ok(read_all(&project, Some(snapshot))?.pop())).await
    }

    /// Every snapshot's manifest, in the order in which they were stored.
    pub async fn manifests(&self) -> Result<Vec<Manifest>, Error> {
        let project = Arc::clone(&self.0);
        self.0.common.run(move || read_all(&project, None)).await
    }

    /// Removes it: the snapshot is sealed no more. What is not there is fine.
    pub async fn remove_manifest(&self, snapshot: SnapshotId) -> Result<(), Error> {
        let project = Arc::clone(&self.0);
        self.0
            .common
            .run(move || {
                let entries = of_snapshot(&project, Some(snapshot))?;
                entries.into_values().flatten().try_for_each(|entry| forget(&project, &entry.id))
            })
            .await
    }
}

/// The manifests of one snapshot or of all, by snapshot, the one that counts last.
fn of_snapshot(project: &Project, snapshot: Option<SnapshotId>) -> Result<BTreeMap<SnapshotId, Vec<Entry>>, Error> {
    let mut found: BTreeMap<SnapshotId, Vec<Entry>> = BTreeMap::new();
    for entry in list(project)? {
        if entry.content == Some(Content::Manifest)
            && let Some(label) = &entry.label
            && snapshot.is_none_or(|snapshot| snapshot == label.snapshot)
        {
            found.entry(label.snapshot).or_default().push(entry);
        }
    }
    for entries in found.values_mut() {
        entries.sort_by_key(|entry| (entry.label.as_ref().map_or(0, |label| label.fence), entry.stored_at));
    }
    Ok(found)
}

fn read_all(project: &Arc<Project>, snapshot: Option<SnapshotId>) -> Result<Vec<Manifest>, Error> {
    let mut entries: Vec<Entry> =
        of_snapshot(project, snapshot)?.into_values().filter_map(|mut entries| entries.pop()).collect();
    entries.sort_by_key(|entry| entry.stored_at);
    let mut manifests = Vec::with_capacity(entries.len());
    for entry in entries {
        let Some(label) = entry.label else { continue };
        let (_, node, index) = match top(project, &entry.id) {
            // Removed since it was listed.
            Err(Error::NotFound(_)) => continue,
            found => found?,
        };
        let mut bytes = Vec::new();
        Reader::new(project, &index, &blobs(&node))
            .take(MOST)
            .read_to_end(&mut bytes)
            .map_err(|error| Error::source(&error))?;
        manifests.push(Manifest { entry: entry.id, label, bytes });
    }
    Ok(manifests)
}
