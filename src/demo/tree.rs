//! The directory tree of the demo. The work is the sample's; here it is put on threads that may block.

use std::path::PathBuf;
use std::sync::Arc;

use stacksnap_worker::drivers::directory::sample::{self, Manifest, Size};

use crate::client::output;
use crate::exit::Failure;

/// Bytes of the largest file.
const LARGEST: u64 = 4 << 20;

pub struct Tree {
    pub path: PathBuf,
    was: Arc<Manifest>,
}

impl Tree {
    pub async fn build(path: PathBuf, seed: u64, entries: u64) -> Result<Self, Failure> {
        let at = path.clone();
        let was = blocking("making a tree", move || {
            sample::build(&at, seed, Size { entries, largest: LARGEST })?;
            sample::manifest(&at)
        })
        .await?;
        Ok(Self { path, was: Arc::new(was) })
    }

    /// `4,123 entries, 210 MiB`
    pub fn size(&self) -> String {
        let (entries, bytes) = self.was.size();
        format!("{entries} files, directories, links and others, {}", output::bytes(bytes))
    }

    /// Says what was done to it.
    pub async fn damage(&self, seed: u64) -> Result<String, Failure> {
        let path = self.path.clone();
        let damage = blocking("damaging the tree", move || sample::damage(&path, seed)).await?;
        let ways: Vec<String> = damage.0.iter().map(|(way, count)| format!("{count} {way}")).collect();
        Ok(format!("{} entries ({})", damage.total(), ways.join(", ")))
    }

    /// In what it is not what it was.
    pub async fn differences(&self) -> Result<Vec<String>, Failure> {
        let (path, was) = (self.path.clone(), Arc::clone(&self.was));
        let found = blocking("reading the tree", move || sample::compare(&was, &path)).await?;
        Ok(found.into_iter().map(|difference| difference.to_string()).collect())
    }
}

async fn blocking<T: Send + 'static>(
    doing: &str,
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> Result<T, Failure> {
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => Err(Failure::failed(format!("{doing}: {error}"))),
        Err(error) => Err(Failure::failed(format!("{doing}: {error}"))),
    }
}
