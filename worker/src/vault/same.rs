//! Whether a file still has the content that was stored: its bytes are hashed blob by blob, and nothing but the index
//! is read of the vault.

use std::collections::HashSet;
use std::io::{self, Read};

use rustic_core::repofile::BlobType;
use sha2::{Digest, Sha256};

use super::Error;
use super::walk::{Blobs, Tree};

impl Tree {
    /// Whether `reader` gives exactly this content, to its end. What `reader` says is passed on; the vault's own errors
    /// are found again by [`Error::from_io`]. Blocks.
    pub fn is_same(&self, content: &Blobs, mut reader: impl Read) -> io::Result<bool> {
        let mut buffer = Vec::new();
        for id in content.0.iter() {
            let Some(place) = self.index.locate(BlobType::Data, id) else {
                return Err(Error::Damaged(format!("blob {} is in no pack", hex::encode(id))).into());
            };
            buffer.clear();
            reader.by_ref().take(place.content()).read_to_end(&mut buffer)?;
            if buffer.len() as u64 != place.content() || Sha256::digest(&buffer)[..] != id[..] {
                return Ok(false);
            }
        }
        Ok(reader.read(&mut [0])? == 0)
    }

    /// Bytes of this content, each blob that comes more than once counted once: a long hole counts little.
    pub fn distinct_bytes(&self, content: &Blobs) -> u64 {
        let mut seen = HashSet::new();
        let distinct = content.0.iter().filter(|id| seen.insert(**id));
        distinct.filter_map(|id| self.index.locate(BlobType::Data, id)).map(|place| place.content()).sum()
    }
}
