//! Removing what no entry needs any more.
//!
//! rustic prunes in two phases: packs that nothing needs are marked, and removed by a later prune when they have been
//! marked for long enough. Long enough is a day and the longest copy: a copy that began before the mark may build on the
//! pack, and is sealed by then ([`super::seal`]). Never is anything removed at once. A prune runs under a lease of its
//! own; without it every further write of it fails.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use jiff::Span;
use rustic_core::{
    BytesList, Credentials, FileType, Id, PruneOptions, ReadBackend, Repository, RepositoryBackends, RusticResult,
    WriteBackend,
};

use super::aside::{Aside, set_aside};
use super::open::{Project, without_cache};
use super::storage::{Storage, through_rustic};
use super::{Error, Vault, Work};

/// How long a pack stays that nothing seems to need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PruneRules {
    /// The longest time that one copy may take, from its begin to its seal.
    pub longest_copy: Duration,
}

/// What a prune did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Packs removed now, marked by a prune before.
    pub packs_removed: u64,
    pub bytes_removed: u64,
    /// Bytes that nothing needs, marked now or written anew elsewhere; a later prune removes them.
    pub bytes_unneeded: u64,
    /// Half-written files of writers that were killed.
    pub swept: u64,
}

const DAY: Duration = Duration::from_secs(24 * 3600);

impl Vault {
    /// Marks what nothing needs, and removes what was marked long enough ago. `work.lease` must be one that keeps any
    /// other prune of this project out. Copies may run beside it.
    pub async fn prune(&self, rules: PruneRules, work: Work) -> Result<Pruned, Error> {
        let project = Arc::clone(&self.0);
        self.run(work, move |work| prune(&project, DAY + rules.longest_copy, &work)).await
    }
}

pub(super) fn prune(project: &Arc<Project>, keep: Duration, work: &Work) -> Result<Pruned, Error> {
    let aside = Arc::new(set_aside(project, work)?);
    let storage: Arc<dyn WriteBackend> =
        Arc::new(Leased { storage: Arc::clone(&project.storage), work: work.clone(), aside: Arc::clone(&aside) });
    let backends = RepositoryBackends::new(storage, None);
    let repository =
        Repository::new(&without_cache(), &backends)?.open(&Credentials::Masterkey(project.master().clone()))?;
    let mut options = PruneOptions::default();
    let seconds = i64::try_from(keep.as_secs()).unwrap_or(i64::MAX / 4);
    options.keep_delete = Span::new()
        .try_seconds(seconds)
        .map_err(|error| Error::Settings(format!("the longest copy is too long: {error}")))?;
    options.instant_delete = false;
    let plan = repository.prune_plan(&options)?;
    let size = plan.stats.size_sum();
    let mut pruned = Pruned {
        packs_removed: plan.stats.packs_to_delete.remove,
        bytes_removed: plan.stats.size_to_delete.remove,
        bytes_unneeded: size.remove + size.repackrm + plan.stats.size_unref,
        swept: 0,
    };
    work.commit()?;
    repository.prune(&options, plan)?;
    for lost in &aside.index_files {
        work.commit()?;
        project.storage.remove(FileType::Index, lost, true)?;
        project.storage.absolve(lost)?;
    }
    work.commit()?;
    pruned.swept = project.storage.sweep(keep)?;
    Ok(pruned)
}

/// A storage that takes writes while the lease is held, and has every damaged pack that was set aside.
struct Leased {
    storage: Arc<dyn Storage>,
    work: Work,
    aside: Arc<Aside>,
}

impl ReadBackend for Leased {
    fn location(&self) -> String {
        self.storage.location()
    }

    fn list_with_size(&self, kind: FileType) -> RusticResult<Vec<(Id, u32)>> {
        self.work.go_on().map_err(through_rustic)?;
        let mut listed = self.storage.list_with_size(kind)?;
        match kind {
            FileType::Pack => {
                listed.retain(|(id, _)| !self.aside.packs.contains_key(id));
                listed.extend(self.aside.packs.iter().map(|(id, size)| (*id, *size)));
            }
            FileType::Index => listed.retain(|(id, _)| !self.aside.index_files.contains(id)),
            _ => {}
        }
        Ok(listed)
    }

    fn read_full(&self, kind: FileType, id: &Id) -> RusticResult<Bytes> {
        self.work.go_on().map_err(through_rustic)?;
        self.storage.read_full(kind, id)
    }

    fn read_partial(&self, kind: FileType, id: &Id, cache: bool, offset: u32, length: u32) -> RusticResult<Bytes> {
        self.work.go_on().map_err(through_rustic)?;
        self.storage.read_partial(kind, id, cache, offset, length)
    }

    fn warmup_path(&self, kind: FileType, id: &Id) -> String {
        self.storage.warmup_path(kind, id)
    }
}

impl WriteBackend for Leased {
    fn write_bytes(&self, kind: FileType, id: &Id, cache: bool, content: BytesList) -> RusticResult<()> {
        self.work.commit().map_err(through_rustic)?;
        self.storage.write_bytes(kind, id, cache, content)
    }

    fn remove(&self, kind: FileType, id: &Id, cache: bool) -> RusticResult<()> {
        self.work.commit().map_err(through_rustic)?;
        self.storage.remove(kind, id, cache)?;
        if self.aside.packs.contains_key(id) {
            self.storage.absolve(id).map_err(through_rustic)?;
        }
        Ok(())
    }
}
