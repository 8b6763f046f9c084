//! The entries of a repository: finding a step's own (adoption), listing all (orphans), forgetting one.

use std::sync::Arc;

use rustic_core::FileType;
use rustic_core::repofile::SnapshotFile;
use stacksnap_common::ids::StepId;
use stacksnap_common::store::Millis;

use super::label::Content;
use super::open::Project;
use super::{EntryId, Error, Label, Vault};

/// One entry, as its restic snapshot shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub id: EntryId,
    /// `None` for a restic snapshot that stacksnap did not make, and for one that can't be read.
    pub label: Option<Label>,
    pub content: Option<Content>,
    /// When it was stored, by the worker's clock.
    pub stored_at: Millis,
    /// Bytes of content.
    pub bytes: u64,
}

impl Vault {
    /// The streams and trees that this step left, whatever the fence; the one that counts, with the highest fence,
    /// first.
    pub async fn find(&self, step: StepId) -> Result<Vec<Entry>, Error> {
        let mut found = self.entries().await?;
        found.retain(|entry| {
            entry.label.as_ref().is_some_and(|label| label.step == step) && entry.content != Some(Content::Manifest)
        });
        found.sort_by_key(|entry| std::cmp::Reverse(rank(entry)));
        Ok(found)
    }

    /// Everything in the repository, manifests among it, in no order.
    pub async fn entries(&self) -> Result<Vec<Entry>, Error> {
        let project = Arc::clone(&self.0);
        self.0.common.run(move || list(&project)).await
    }

    /// The newest tree of the label's stack and resource: what a put of another compares with.
    pub async fn newest_tree(&self, label: &Label) -> Result<Option<EntryId>, Error> {
        let (project, label) = (Arc::clone(&self.0), label.clone());
        self.0.common.run(move || newest_tree(&project, &label)).await
    }

    /// Removes an entry. Its bytes go with a later prune. What is not there is fine.
    pub async fn forget(&self, entry: &EntryId) -> Result<(), Error> {
        let (project, entry) = (Arc::clone(&self.0), entry.clone());
        self.0.common.run(move || forget(&project, &entry)).await
    }
}

/// Two entries of one fence are two attempts of one holder: the later one counts.
fn rank(entry: &Entry) -> (u64, Millis) {
    (entry.label.as_ref().map_or(0, |label| label.fence), entry.stored_at)
}

pub(super) fn forget(project: &Project, entry: &EntryId) -> Result<(), Error> {
    Ok(project.storage.remove(FileType::Snapshot, &entry.restic().into_inner(), false)?)
}

/// A restic snapshot never changes, so what was read of it once is kept; only new ones are read.
pub(super) fn list(project: &Project) -> Result<Vec<Entry>, Error> {
    let (mut entries, mut unreadable) = (Vec::new(), Vec::new());
    let known = project.known_entries();
    for id in project.storage.list(FileType::Snapshot)? {
        let id = EntryId::of(id.into());
        if let Some(entry) = known.get(&id) {
            entries.push(entry.clone());
            continue;
        }
        match project.snapshot(&id) {
            Ok(snapshot) => {
                let (label, content) = Label::parse(&snapshot.tags).unzip();
                let stored_at = Millis(u64::try_from(snapshot.time.timestamp().as_millisecond()).unwrap_or(0));
                let bytes = snapshot.summary.map_or(0, |summary| summary.total_bytes_processed);
                entries.push(Entry { id, label, content, stored_at, bytes });
            }
            // Forgotten since it was listed.
            Err(Error::NotFound(_)) => {}
            // It must not take all others with it. Whose it is can't be told; who has its id is told that it is damaged.
            Err(error @ Error::Damaged(_)) => {
                tracing::error!(project = %project.id, %error, "an entry of the vault is damaged");
                unreadable.push(Entry { id, label: None, content: None, stored_at: Millis(0), bytes: 0 });
            }
            Err(error) => return Err(error),
        }
    }
    project.know_entries(&entries);
    entries.extend(unreadable);
    Ok(entries)
}

/// The newest tree of the label's stack and resource.
pub(super) fn newest_tree(project: &Project, label: &Label) -> Result<Option<EntryId>, Error> {
    let same = |entry: &Entry| {
        entry.content == Some(Content::Tree)
            && entry.label.as_ref().is_some_and(|other| other.stack == label.stack && other.resource == label.resource)
    };
    let newest = list(project)?.into_iter().filter(same).max_by_key(|entry| entry.stored_at);
    Ok(newest.map(|entry| entry.id))
}

impl Project {
    pub(super) fn snapshot(&self, entry: &EntryId) -> Result<SnapshotFile, Error> {
        self.read_file(FileType::Snapshot, &entry.restic().into_inner()).map_err(|error| match error {
            Error::NotFound(_) => Error::NotFound(format!("the entry {entry}")),
            error => error,
        })
    }
}
