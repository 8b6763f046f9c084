//! Giving an entry back.

use std::io::{Read, Write};
use std::sync::Arc;

use rustic_core::repofile::NodeType;
use sha2::{Digest, Sha256};

use super::fetch::{Counted, Reader};
use super::walk::{self, Tree, blobs, top};
use super::{EntryId, Error, Vault, Work};

/// What [`Vault::get_stream`] wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Got {
    pub bytes: u64,
    /// SHA-256, hexadecimal: equal to the entry's [`super::Stored::digest`].
    pub digest: String,
}

const BUFFER: usize = 256 << 10;

impl Vault {
    /// Writes a stream's bytes to `writer`, which is flushed at the end. Every blob is checked against its hash before
    /// a byte of it is written: [`Error::Damaged`], never wrong bytes. What `writer` says is [`Error::Sink`].
    pub async fn get_stream(
        &self,
        entry: &EntryId,
        mut writer: impl Write + Send + 'static,
        work: Work,
    ) -> Result<Got, Error> {
        let (project, entry) = (Arc::clone(&self.0), entry.clone());
        self.run(work, move |work| {
            let (snapshot, node, index) = top(&project, &entry)?;
            if node.node_type != NodeType::File {
                return Err(Error::NotFound(format!("the entry {entry} is no stream")));
            }
            if let Some(summary) = &snapshot.summary {
                work.progress.expect(summary.total_bytes_processed, 1);
            }
            let mut reader = Counted { reader: Reader::new(&project, &index, &blobs(&node)), work: &work };
            let (mut bytes, mut sha256) = (0, Sha256::new());
            let mut buffer = vec![0; BUFFER];
            loop {
                let count = reader.read(&mut buffer).map_err(|error| Error::source(&error))?;
                if count == 0 {
                    break;
                }
                writer.write_all(&buffer[..count]).map_err(|error| Error::sink(&error))?;
                sha256.update(&buffer[..count]);
                bytes += count as u64;
            }
            writer.flush().map_err(|error| Error::sink(&error))?;
            if bytes != node.meta.size {
                return Err(Error::Damaged(format!("the entry {entry} has {bytes} bytes of {}", node.meta.size)));
            }
            work.progress.add_files(1);
            Ok(Got { bytes, digest: hex::encode(sha256.finalize()) })
        })
        .await
    }

    /// Opens a tree to walk it and to read its files. The tree itself blocks when it is used.
    pub async fn open_tree(&self, entry: &EntryId) -> Result<Tree, Error> {
        let (project, entry) = (Arc::clone(&self.0), entry.clone());
        self.0.common.run(move || walk::open(&project, &entry)).await
    }
}
