//! What was shown last of snapshots that are complete, so that showing them again asks the store for one record each.
//!
//! The `data` of a complete snapshot is made of what was captured of its stack and of an artifact for each resource. None
//! of that changes but with the snapshot's own record: a removal begins there, a verification ends there. So what was made
//! of them holds as long as the record is the same, whoever changes it.

use std::sync::Arc;

use moka::sync::Cache;
use serde_json::Value;
use stacksnap_common::ids::SnapshotId;
use stacksnap_common::record::{Snapshot, Status};

/// Of the texts; what is in memory is a few times as much.
const BYTES: u64 = 8 << 20;

struct Shown {
    of: Snapshot,
    data: Arc<Value>,
    bytes: u32,
}

pub(crate) struct Datas(Cache<SnapshotId, Arc<Shown>>);

impl Default for Datas {
    fn default() -> Self {
        let weigh = |_: &SnapshotId, shown: &Arc<Shown>| shown.bytes;
        Self(Cache::builder().max_capacity(BYTES).weigher(weigh).build())
    }
}

impl Datas {
    pub(super) fn get(&self, snapshot: &Snapshot) -> Option<Arc<Value>> {
        self.0.get(&snapshot.id).filter(|shown| shown.of == *snapshot).map(|shown| Arc::clone(&shown.data))
    }

    /// Keeps it if it can't change any more.
    pub(super) fn put(&self, snapshot: &Snapshot, data: &Arc<Value>) {
        if snapshot.status == Status::Complete && snapshot.action == "CREATE" {
            let bytes = u32::try_from(data.to_string().len()).unwrap_or(u32::MAX);
            let shown = Shown { of: snapshot.clone(), data: Arc::clone(data), bytes };
            self.0.insert(snapshot.id, Arc::new(shown));
        }
    }
}
