//! Cuts a stream into blobs where its content says, so that what is inserted into it moves few cuts.
//!
//! As restic's chunker: a Rabin fingerprint over the last 64 bytes, by the repository's own polynomial; a cut where its
//! low 20 bits are zero, between 512 KiB and 8 MiB after the last one. What is shorter than that is one blob, and costs
//! no fingerprint.

use std::io::{self, Read};

use rustic_cdc::{Polynom, Polynom64, Rabin64};

const WINDOW: usize = 64;
const LEAST: usize = 512 << 10;
const MOST: usize = 8 << 20;
const MASK: u64 = (1 << 20) - 1;
/// Bytes read at once while a cut is looked for.
const STRIDE: usize = 128 << 10;

/// The polynomial's tables. Made once for a repository.
pub(super) struct Tables {
    out: [Polynom64; 256],
    reduce: [Polynom64; 256],
    shift: u32,
}

impl Tables {
    pub(super) fn new(polynomial: Polynom64) -> Self {
        Self {
            out: Rabin64::calculate_out_table(WINDOW, &polynomial),
            reduce: Rabin64::calculate_mod_table(&polynomial),
            shift: u32::try_from(polynomial.degree() - 8).unwrap_or_default(),
        }
    }

    fn push(&self, hash: u64, byte: u8) -> u64 {
        ((hash << 8) | u64::from(byte)) ^ self.reduce[((hash >> self.shift) & 255) as usize]
    }
}

/// The blobs of one stream.
pub(super) struct Chunks<'a, R> {
    tables: &'a Tables,
    reader: R,
    /// Read, and not given out yet.
    rest: Vec<u8>,
    ended: bool,
}

impl<'a, R: Read> Chunks<'a, R> {
    /// `expected` bytes, as far as is known; only a hint.
    pub(super) fn new(tables: &'a Tables, reader: R, expected: u64) -> Self {
        // One more, so that the end is met without growing.
        let room = expected.saturating_add(1).min((LEAST + STRIDE) as u64);
        Self { tables, reader, rest: Vec::with_capacity(room as usize), ended: false }
    }

    /// The next blob, never empty; `None` at the end.
    pub(super) fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut chunk = std::mem::take(&mut self.rest);
        self.fill(&mut chunk, LEAST)?;
        if chunk.len() <= LEAST {
            return Ok(if chunk.is_empty() { None } else { Some(chunk) });
        }
        let mut at = LEAST;
        let mut hash = chunk[at - WINDOW..at].iter().fold(0, |hash, byte| self.tables.push(hash, *byte));
        loop {
            while at < chunk.len() && at < MOST && hash & MASK != 0 {
                hash ^= self.tables.out[chunk[at - WINDOW] as usize];
                hash = self.tables.push(hash, chunk[at]);
                at += 1;
            }
            if at < chunk.len() {
                self.rest = chunk.split_off(at);
                return Ok(Some(chunk));
            }
            if at >= MOST || hash & MASK == 0 || self.ended {
                return Ok(Some(chunk));
            }
            self.fill(&mut chunk, at)?;
        }
    }

    /// Reads until there is more than `length`, or the end.
    fn fill(&mut self, chunk: &mut Vec<u8>, length: usize) -> io::Result<()> {
        while !self.ended && chunk.len() <= length {
            let want = (length + STRIDE - chunk.len()) as u64;
            // Ends short only where the stream ends.
            self.ended = ((&mut self.reader).take(want).read_to_end(chunk)? as u64) < want;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const POLYNOMIAL: u64 = 0x003D_A335_8B4D_C173;

    fn noise(length: usize) -> Vec<u8> {
        let mut state = 0x9E37_79B9_7F4A_7C15_u64;
        (0..length)
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                (state >> 32) as u8
            })
            .collect()
    }

    fn chunks(reader: impl Read) -> Vec<Vec<u8>> {
        let tables = Tables::new(POLYNOMIAL);
        let mut chunks = Chunks::new(&tables, reader, 0);
        std::iter::from_fn(|| chunks.next().unwrap()).collect()
    }

    /// Gives a few bytes at a time.
    struct Drip<'a>(&'a [u8]);
    impl Read for Drip<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let length = buffer.len().min(self.0.len()).min(977);
            buffer[..length].copy_from_slice(&self.0[..length]);
            self.0 = &self.0[length..];
            Ok(length)
        }
    }

    #[test]
    fn nothing_is_lost_and_lengths_are_in_bounds() {
        for length in [0, 1, LEAST - 1, LEAST, LEAST + 1, LEAST + STRIDE, MOST, 20 << 20] {
            let content = noise(length);
            let cut = chunks(&content[..]);
            assert_eq!(cut.concat(), content);
            assert!(cut.iter().all(|chunk| !chunk.is_empty() && chunk.len() <= MOST));
            assert!(cut.iter().rev().skip(1).all(|chunk| chunk.len() >= LEAST));
        }
        // Zeros have the fingerprint zero: cut at the least length, and all the same.
        let zeros = chunks(io::repeat(0).take(5 << 20));
        assert!(zeros.iter().all(|chunk| chunk.len() == LEAST));
        // Never the fingerprint zero: cut at the most.
        assert_eq!(chunks(io::repeat(1).take(20 << 20))[0].len(), MOST);
    }

    #[test]
    fn cuts_do_not_depend_on_how_it_is_read() {
        let content = noise(6 << 20);
        assert_eq!(chunks(&content[..]), chunks(Drip(&content)));
    }

    #[test]
    fn an_insertion_moves_few_cuts() {
        let content = noise(24 << 20);
        let mut changed = content.clone();
        changed.splice(100..100, *b"inserted");
        let before: std::collections::HashSet<_> = chunks(&content[..]).into_iter().collect();
        let after = chunks(&changed[..]);
        let fresh = after.iter().filter(|chunk| !before.contains(*chunk)).count();
        assert!(fresh <= 2 && after.len() > 8, "{fresh} of {}", after.len());
    }

    #[test]
    fn the_cuts_are_those_of_the_rolling_hash() {
        use rustic_cdc::RollingHash64;
        let content = noise(9 << 20);
        let mut rolling = Rabin64::new_with_polynom(6, &POLYNOMIAL);
        let (mut start, mut expected) = (0, Vec::new());
        for at in 1..=content.len() {
            rolling.slide(content[at - 1]);
            let length = at - start;
            if at == content.len() || (length >= LEAST && rolling.hash & MASK == 0) || length == MOST {
                expected.push(length);
                start = at;
            }
        }
        assert_eq!(chunks(&content[..]).iter().map(Vec::len).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_read_error_is_the_streams_end_by_error() {
        struct Broken(usize);
        impl Read for Broken {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                if self.0 == 0 {
                    return Err(io::Error::other("gone"));
                }
                let length = buffer.len().min(self.0);
                self.0 -= length;
                Ok(length)
            }
        }
        let tables = Tables::new(POLYNOMIAL);
        let mut chunks = Chunks::new(&tables, Broken(100), 0);
        assert_eq!(chunks.next().unwrap_err().to_string(), "gone");
    }
}
