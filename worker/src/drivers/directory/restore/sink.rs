//! A file that is being written: content at its offset, in any order, zeros as holes.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU64, Ordering};

/// Zeros are looked for in blocks of this size, at offsets that are multiples of it.
const BLOCK: usize = 4096;
/// A shorter run of zero blocks between data is written: a hole would not be worth its entry in the file's map.
const HOLE: usize = 8 * BLOCK;

/// An empty file, of which only this restore knows.
#[derive(Debug)]
pub(crate) struct Sink {
    file: File,
    size: u64,
    /// Where what was written so far ends.
    end: AtomicU64,
}

impl Sink {
    /// `file` is empty, and `size` is what it will have.
    pub(crate) fn new(file: File, size: u64) -> Self {
        Self { file, size, end: AtomicU64::new(0) }
    }

    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// When all is written: a hole at the end becomes one.
    pub(crate) fn finish(&self) -> io::Result<()> {
        if self.end.load(Ordering::SeqCst) < self.size { self.file.set_len(self.size) } else { Ok(()) }
    }

    fn put(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        self.end.fetch_max(at + bytes.len() as u64, Ordering::SeqCst);
        self.file.write_all_at(bytes, at)
    }

    /// Writes one piece of the content. What is zeros for long stays a hole.
    pub(crate) fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        let mut data: Option<usize> = None;
        let mut zeros = 0;
        let mut position = 0;
        // The first block may be cut short, so that the others lie as the file system's do.
        let mut end = BLOCK - (at % BLOCK as u64) as usize;
        while position < bytes.len() {
            let block = &bytes[position..end.min(bytes.len())];
            if block.iter().all(|&byte| byte == 0) {
                zeros += block.len();
            } else {
                if zeros >= HOLE
                    && let Some(from) = data.take()
                {
                    self.put(&bytes[from..position - zeros], at + from as u64)?;
                }
                data.get_or_insert(if zeros >= HOLE { position } else { position - zeros });
                zeros = 0;
            }
            position += block.len();
            end = position + BLOCK;
        }
        match data {
            Some(from) => self.put(&bytes[from..bytes.len() - zeros], at + from as u64),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn what_is_read_is_what_was_written(
            runs in prop::collection::vec((any::<bool>(), 1..60_000_usize), 1..8),
            piece in 1000..100_000_usize,
        ) {
            let content: Vec<u8> = runs.iter().flat_map(|&(zero, length)| std::iter::repeat_n(u8::from(!zero), length)).collect();
            let file = tempfile::tempfile().unwrap();
            let sink = Sink::new(file, content.len() as u64);
            for (number, bytes) in content.chunks(piece).enumerate() {
                sink.write_at(bytes, (number * piece) as u64).unwrap();
            }
            sink.finish().unwrap();
            let mut read = vec![9; content.len()];
            sink.file().read_exact_at(&mut read, 0).unwrap();
            prop_assert!(read == content);
            prop_assert_eq!(sink.file().metadata().unwrap().len(), content.len() as u64);
        }
    }

    #[test]
    fn zeros_take_no_room() {
        use std::os::unix::fs::MetadataExt;
        let sink = Sink::new(tempfile::tempfile().unwrap(), 3_000_000);
        let mut content = vec![0; 3_000_000];
        content[1_500_000] = 1;
        sink.write_at(&content, 0).unwrap();
        sink.finish().unwrap();
        assert_eq!(sink.file().metadata().unwrap().len(), 3_000_000);
        assert!(sink.file().metadata().unwrap().blocks() * 512 < 200_000);
    }
}
