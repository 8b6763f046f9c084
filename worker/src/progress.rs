//! How far a step is: counters that a driver raises from any thread and that `run` samples.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use stacksnap_common::types;

#[derive(Debug, Clone, Default)]
pub struct Progress(Arc<Counters>);

#[derive(Debug, Default)]
struct Counters {
    bytes: AtomicU64,
    files: AtomicU64,
    bytes_total: AtomicU64,
    files_total: AtomicU64,
}

impl Progress {
    pub fn add_bytes(&self, count: u64) {
        self.0.bytes.fetch_add(count, Relaxed);
    }

    pub fn add_files(&self, count: u64) {
        self.0.files.fetch_add(count, Relaxed);
    }

    /// What will have been counted at the end, as far as is known; zero means unknown. Never below what is counted.
    pub fn expect(&self, bytes: u64, files: u64) {
        self.0.bytes_total.store(bytes, Relaxed);
        self.0.files_total.store(files, Relaxed);
    }

    /// The counters now; the rate is for the caller to work out from two samples.
    pub fn sample(&self) -> types::Progress {
        let bytes = self.0.bytes.load(Relaxed);
        let files = self.0.files.load(Relaxed);
        let total = |total: &AtomicU64, done: u64| match total.load(Relaxed) {
            0 => None,
            total => Some(total.max(done)),
        };
        types::Progress {
            bytes,
            bytes_total: total(&self.0.bytes_total, bytes),
            files,
            files_total: total(&self.0.files_total, files),
            rate: 0,
        }
    }
}
